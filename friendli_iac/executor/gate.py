"""Waits until what was sent serves, and proves it: status, version number, readable fields."""

from __future__ import annotations

from dataclasses import dataclass

from friendli_iac.core.diff import flatten, readable
from friendli_iac.core.journal import NOT_APPLIED, Entry
from friendli_iac.core.state import Fence, Resource
from friendli_iac.errors import FriendliIacError, TimedOut
from friendli_iac.executor.context import Context
from friendli_iac.executor.look import look
from friendli_iac.resources.base import Health, Kind, Observed
from friendli_iac.resources.spec import leaves

# A service that shows the old version for this long after it accepted a new one has dropped it.
NOT_APPLIED_AFTER = 60.0  # seconds
# How long a status from before a restart or an update may linger.
LINGERS = 10.0  # seconds
LONGEST_POLL = 5.0  # seconds


class RolloutFailed(FriendliIacError):
    """What was sent does not serve, and will not by waiting."""


@dataclass(frozen=True)
class Served:
    """The proof. `unproved` are the paths that the API never shows: presumed, not seen."""

    version: int | None
    status: str
    unproved: tuple[str, ...]


def wait_until_served(
    context: Context, address: str, *, version_needed: bool, recovering: bool
) -> Served:
    """Polls until the pending specification of `address` serves.

    `version_needed`: only a new version number proves it. `recovering`: it was not serving when it
    was sent, so a bad status may be the old one.
    Writes `verified` or `failed` to the journal. Raises RolloutFailed, TimedOut (then it stays
    pending), Cancelled, ApiError.
    """
    kind, api = context.kind_of(address)
    resource = context.known.state.resources[address]
    started, wait, was_changing = context.clock.now(), 0.25, False
    while True:
        observed = look(kind, api, resource.id, resource.project)
        if observed is None:
            raise RolloutFailed(
                f"{address}: {resource.id} is gone while it was waited for",
                safe="Nothing more was sent.",
                next="Somebody deleted it. friendli-iac plan shows what is left to do.",
            )
        elapsed = context.clock.now() - started
        was_changing |= observed.health == "changing"
        _tell(context, address, observed, elapsed)
        if observed.health == "served":
            version = kind.newest_version(api, resource.id)
            if _proved(kind, resource, observed, version, version_needed):
                return _verified(context, address, observed, version)
            if was_changing or elapsed >= NOT_APPLIED_AFTER:
                raise _not_applied(context, address, observed, version)
        elif observed.health in ("failed", "stopped") and (
            not recovering or was_changing or elapsed >= LINGERS
        ):
            raise _failed(context, address, observed)
        if elapsed >= context.timeout:
            raise TimedOut(
                f"{address} does not serve after {elapsed:.0f} s: {observed.status}"
                + (f", {observed.phase}" if observed.phase else ""),
                safe="It was sent and recorded; it may still get there, and it may bill.",
                next="Run friendli-iac apply again to go on waiting, or look in the web page.",
            )
        context.pause(wait)
        wait = min(wait * 1.5, LONGEST_POLL)


def wait_for(
    context: Context, address: str, id: str, project: str, wanted: set[Health]
) -> Observed | None:
    """Polls until the health is one of `wanted`, or the resource is gone (None). TimedOut."""
    kind, api = context.kind_of(address)
    started, wait = context.clock.now(), 0.25
    while True:
        observed = look(kind, api, id, project)
        if observed is None or observed.health in wanted:
            return observed
        elapsed = context.clock.now() - started
        _tell(context, address, observed, elapsed)
        if elapsed >= context.timeout:
            raise TimedOut(
                f"{address} is still {observed.status} after {elapsed:.0f} s",
                safe="What was sent is recorded.",
                next="Run friendli-iac apply again: it goes on from here.",
            )
        context.pause(wait)
        wait = min(wait * 1.5, LONGEST_POLL)


def _tell(context: Context, address: str, observed: Observed, elapsed: float) -> None:
    context.tell(
        "progress",
        address,
        observed.status,
        status=observed.status,
        phase=observed.phase or "",
        elapsed=elapsed,
    )


def _proved(
    kind: Kind, resource: Resource, observed: Observed, version: int | None, version_needed: bool
) -> bool:
    assert resource.pending is not None, "only what was sent can be proved"
    sent = readable(kind, resource.pending.spec)
    live = readable(kind, observed.spec)
    if any(live.get(path) != value for path, value in sent.items()):
        return False
    ours = resource.fence.version
    return not version_needed or ours is None or (version is not None and version >= ours)


def version_is_needed(kind: Kind, resource: Resource) -> bool:
    """Whether an update can only be proved by its version number: nothing that can be read tells
    it from the version before. (Whether a change of the name alone makes a version is not known.)
    """
    if resource.prior is None or resource.pending is None:
        return False
    marks = leaves(kind.model)
    old, new = flatten(kind, resource.prior.spec), flatten(kind, resource.pending.spec)
    changed = {p for p in {**old, **new} if old.get(p) != new.get(p) and not marks[p].local}
    return not changed or any(marks[path].write_only for path in changed)


def _verified(context: Context, address: str, observed: Observed, version: int | None) -> Served:
    kind, _ = context.kind_of(address)
    resource = context.known.state.resources[address]
    marks = leaves(kind.model)
    old = flatten(kind, resource.prior.spec) if resource.prior else {}
    new = flatten(kind, resource.pending.spec) if resource.pending else {}
    # Behind a version of somebody else, that a value is as we sent it before says nothing.
    before = resource.history[-1]["version"] if resource.history else None
    alone = before is None or resource.fence.version in (None, before, before + 1)
    unproved = tuple(p for p in new if marks[p].write_only and (new[p] != old.get(p) or not alone))
    fence = _fence(resource, observed, version)
    context.write(
        Entry(
            "verified",
            context.clock.now(),
            address=address,
            fence=fence,
            outcome="unverified" if unproved else "good",
            by=context.by,
        )
    )
    return Served(version, observed.status, unproved)


def _fence(resource: Resource, observed: Observed, version: int | None) -> Fence:
    """What the next plan compares with. A version beyond ours is somebody else's, even if it shows
    the same: without an update time the next plan looks at the versions, and calls it unknown.
    """
    ours = resource.fence.version
    if ours is not None and version is not None and version > ours:
        return Fence(ours)
    return Fence(version, observed.updated_at)


def _not_applied(
    context: Context, address: str, observed: Observed, version: int | None
) -> RolloutFailed:
    _write_failed(context, address, observed, version, outcome=NOT_APPLIED)
    return RolloutFailed(
        f"{address}: the service did not apply the update: it is {observed.status} with the "
        "settings from before",
        safe="The version from before serves on; nothing else was sent.",
        next="See the Versions tab in the web page for the cause, mend the manifest, apply again.",
    )


def _failed(context: Context, address: str, observed: Observed) -> RolloutFailed:
    kind, api = context.kind_of(address)
    version = kind.newest_version(api, observed.id)
    _write_failed(context, address, observed, version, outcome="failed")
    code = f" with {observed.error}" if observed.error else ""
    cause = f": {kind.explain(observed.error)}" if observed.error else ""
    return RolloutFailed(
        f"{address} is {observed.status}{code}{cause}",
        safe=f"{observed.id} exists and is recorded. Nothing else was sent for it.",
        next="Mend the manifest and apply again, or end it: friendli-iac destroy "
        f"--target {address}",
    )


def _write_failed(
    context: Context, address: str, observed: Observed, version: int | None, *, outcome: str
) -> None:
    resource = context.known.state.resources[address]
    context.write(
        Entry(
            "failed",
            context.clock.now(),
            address=address,
            fence=_fence(resource, observed, version),
            outcome=outcome,
            detail=observed.error or observed.status,
            by=context.by,
        )
    )
