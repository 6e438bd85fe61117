"""Waits until what was sent serves, and proves it: status, version, fields, probe and bake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from friendli_iac.core.state import Resource
from friendli_iac.errors import TimedOut
from friendli_iac.executor.adapters import ask_until_told, not_proved, record
from friendli_iac.executor.context import Context
from friendli_iac.executor.look import LONGEST_POLL, look, tell
from friendli_iac.executor.probe import Answer, probe
from friendli_iac.executor.proof import Served, is_proved, verified
from friendli_iac.resources.base import Fault, Kind, Observed
from friendli_iac.resources.rollout import Rollout

# A service that shows the old version for this long after it accepted a new one has dropped it.
NOT_APPLIED_AFTER = 60.0  # seconds
PLAIN_NOT_APPLIED_AFTER = 5.0  # the same, of what starts nothing
# How long a status from before a restart or an update may linger.
LINGERS = 10.0  # seconds


Verdict = Literal[
    "kept",  # the service shows that the version from before serves on
    "bad",  # what was sent is in force, and does not serve as it should
    "late",  # it did not serve in time
    "taken over",  # somebody else changed or ended it meanwhile: it is theirs to mend
]


@dataclass(eq=False)
class Failure(Exception):
    """What was sent is not served. `why` is one sentence; `observed` is None for what is gone."""

    verdict: Verdict
    why: str
    observed: Observed | None
    version: int | None = None
    fault: Fault | None = field(default=None)
    idle: bool = False  # nothing at all has happened since it was sent


def wait_until_served(
    context: Context, address: str, *, version_needed: bool, recovering: bool
) -> Served:
    """Polls until the pending specification of `address` serves, its probe answers and it has
    served for the time of its bake. Writes `verified` to the journal.

    `version_needed`: only a new version number proves it. `recovering`: it was not serving when it
    was sent, so a bad status may be the old one.
    Raises Failure, TimedOut (then it stays pending), Cancelled, ApiError.
    """
    resource = context.known.state.resources[address]
    assert resource.pending is not None, "only what was sent can be proved"
    rollout = Rollout.of(resource.pending.spec)
    observed, version = _await_proof(
        context, address, rollout, version_needed=version_needed, recovering=recovering
    )
    answer = _ask(context, address, rollout, observed, version)
    shown = _ask_routes(context, address, observed, version)
    if rollout.bake:
        observed = _bake(context, address, rollout, version)
        if answer.result == "good":
            answer = _ask(context, address, rollout, observed, version)
    return verified(context, address, observed, version, answer, shown)


def _await_proof(
    context: Context, address: str, rollout: Rollout, *, version_needed: bool, recovering: bool
) -> tuple[Observed, int | None]:
    kind, api = context.kind_of(address)
    resource = context.known.state.resources[address]
    dropped_after = NOT_APPLIED_AFTER if kind.versioned else PLAIN_NOT_APPLIED_AFTER
    started, wait, was_changing, was_clean = context.clock.now(), 0.25, False, False
    while True:
        observed = look(kind, api, resource.id, resource.project)
        if observed is None:
            raise Failure("taken over", f"{resource.id} is gone while it was waited for", None)
        elapsed = context.clock.now() - started
        was_changing |= observed.health == "changing"
        was_clean |= observed.health == "changing" and observed.error is None
        tell(context, address, observed, elapsed)
        if observed.health == "served":
            version = kind.newest_version(api, resource.id)
            _check_ours(kind, resource, observed, version)
            # An error that came with it, on what serves: the version from before serves.
            dropped = version_needed and was_clean and observed.error is not None
            # A status may still be the one from before, and a number is listed at once.
            settled = was_changing or not kind.versioned or _runs_newest(observed)
            proved = is_proved(kind, resource, observed, version, version_needed) and not dropped
            if proved and (settled or elapsed >= LINGERS):
                return observed, version
            if not proved and (was_changing or elapsed >= dropped_after):
                raise _not_applied(kind, resource, observed, version)
        elif observed.health in ("failed", "stopped") and (
            not recovering or was_changing or elapsed >= LINGERS
        ):
            failure = _not_served(context, address, observed)
            failure.idle = recovering and not was_changing
            raise failure
        if elapsed >= (rollout.timeout or context.timeout):
            failure = _late(observed, elapsed, kind.newest_version(api, resource.id))
            raise failure if rollout.timeout else timed_out(context, address, failure.why)
        context.pause(wait)
        wait = min(wait * 1.5, LONGEST_POLL)


def _runs_newest(observed: Observed) -> bool:
    """Whether the API counts replicas with the newest version, or none are to be counted."""
    return observed.asleep or bool(observed.replicas.updated)


def _check_ours(kind: Kind, resource: Resource, observed: Observed, version: int | None) -> None:
    """Failure when somebody else made a version after ours: nobody can tell which one serves. One
    by who is meant to is no reason, as long as it serves.
    """
    ours, spec = resource.fence.version, resource.applied.spec
    meant = observed.health == "served" and kind.moved_by(spec)
    if ours is not None and version is not None and version > ours and not meant:
        raise Failure("taken over", _others(version), observed, version)


def _late(observed: Observed, elapsed: float, version: int | None) -> Failure:
    """What the end of the time means where the manifest set it: otherwise it only ends our
    patience.
    """
    phase = f", {observed.phase}" if observed.phase else ""
    why = f"it does not serve after {elapsed:.0f} s: {observed.status}{phase}"
    return Failure("late", why, observed, version)


def timed_out(context: Context, address: str, why: str) -> TimedOut:
    """That the waiting is over, and nothing is decided."""
    return TimedOut(
        f"{address}: {why}",
        safe="It was sent and recorded; it may still get there, and it may bill.",
        next=f"{context.again} to go on waiting, or look in the web page.",
    )


def _ask(
    context: Context, address: str, rollout: Rollout, observed: Observed, version: int | None
) -> Answer:
    if rollout.probe is None:
        return Answer("not asked")
    answer = probe(context, address, rollout)
    if answer.result == "bad":
        raise Failure("bad", answer.why, observed, version)
    return answer


def _ask_routes(context: Context, address: str, observed: Observed, version: int | None) -> str:
    """Asks the routes that were sent. The path of the field that this proves."""
    kind, _ = context.kind_of(address)
    resource = context.known.state.resources[address]
    routes = kind.routes(resource.pending.spec if resource.pending else {})
    if not routes.sent or not routes.names:
        return ""
    asked = ask_until_told(context, address, routes.names)
    record(context, address, asked, version)
    if why := not_proved(routes, asked):
        raise Failure("bad", why, observed, version)
    return "" if asked.why else routes.path


def _bake(context: Context, address: str, rollout: Rollout, version: int | None) -> Observed:
    """Watches what serves for a while longer. What it shows at the end."""
    kind, api = context.kind_of(address)
    resource = context.known.state.resources[address]
    started = context.clock.now()
    while True:
        observed = look(kind, api, resource.id, resource.project)
        elapsed = context.clock.now() - started
        if observed is None:
            raise Failure("taken over", f"{resource.id} is gone during its bake", None)
        context.tell(
            "progress",
            address,
            observed.status,
            status=observed.status,
            phase="baking",
            elapsed=elapsed,
        )
        if observed.health == "failed":
            failure = _not_served(context, address, observed)
            failure.why = f"{failure.why}, {elapsed:.0f} s after it served"
            raise failure
        if observed.health in ("ending", "stopped"):
            raise _not_served(context, address, observed)
        if observed.health == "served" and elapsed >= rollout.bake:
            now = kind.newest_version(api, resource.id)
            _check_ours(kind, resource, observed, now)
            if not is_proved(kind, resource, observed, version, False):
                raise Failure("taken over", _others(now), observed, now)
            return observed
        if elapsed >= rollout.bake + context.timeout:
            raise timed_out(context, address, f"it is {observed.status} since its bake")
        context.pause(max(0.1, min(LONGEST_POLL, rollout.bake - elapsed)))


def _others(version: int | None) -> str:
    number = "a version" if version is None else f"version {version}"
    return f"somebody else made {number} while ours was waited for"


def _not_applied(
    kind: Kind, resource: Resource, observed: Observed, version: int | None
) -> Failure:
    why = f"the service did not apply it: it is {observed.status} with the settings from before"
    fault = None
    if observed.error and resource.pending:
        fault = kind.explain(observed.error, resource.pending.spec)
        why += f", and says {observed.error}: {fault.sentence}"
    return Failure("kept", why, observed, version, fault)


def _not_served(context: Context, address: str, observed: Observed) -> Failure:
    kind, api = context.kind_of(address)
    resource = context.known.state.resources[address]
    version = kind.newest_version(api, observed.id)
    if kind.moved_by(resource.applied.spec):  # what others rolled out is not ours to take back
        _check_ours(kind, resource, observed, version)
    if observed.health in ("ending", "stopped"):
        why = f"it is {observed.status}: somebody else ended it, or it slept for too long"
        return Failure("taken over", why, observed, version)
    if observed.error is None:
        return Failure("bad", f"it is {observed.status}", observed, version)
    spec = resource.pending.spec if resource.pending else {}
    fault = kind.explain(observed.error, spec)
    why = f"it is {observed.status} with {observed.error}: {fault.sentence}"
    return Failure("bad", why, observed, version, fault)
