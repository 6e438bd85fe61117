"""Whether a plan that was begun may be gone on with: what its run did must be as it was left, and
what is left to do must be what is still wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from friendli_iac.core.canonical import same
from friendli_iac.core.diff import flatten
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.replay import Known
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Applied, Run, State
from friendli_iac.engine.observe import Observer
from friendli_iac.engine.planning import Selection, make_plan
from friendli_iac.engine.preflight import Key, Preflight
from friendli_iac.errors import StalePlan
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Step

# These move by themselves: an autoscaler puts to sleep, and a request wakes.
MOVES_BY_ITSELF = ("sleep", "wake")
STOPPED = ("failed", "ending", "stopped")


class _AsPlanned(Preflight):
    """What was planned is exact as it is, and was looked at."""

    def lock(
        self, wishes: Mapping[Key, Wish], state: State, chosen: Collection[str] | None = None
    ) -> dict[Key, Wish]:
        return dict(wishes)


@dataclass(frozen=True)
class _Goal:
    """A wish for what a change of a plan comes to. See `friendli_iac.core.scene.Wish`."""

    address: Address
    after: Applied

    @property
    def spec(self) -> dict[str, Any]:
        return self.after.spec

    @property
    def labels(self) -> dict[str, str]:
        return self.after.labels

    @property
    def depends_on(self) -> tuple[Address, ...]:
        return tuple(map(Address.parse, self.after.depends_on))

    @property
    def asked(self) -> dict[str, str]:
        return self.after.asked

    def source(self, path: str = "") -> object:
        """Nobody reads this: it is compared, and never shown."""
        return "the plan"

    def wrote(self, path: str) -> bool:
        """A plan says all that will be sent."""
        return True


def check_begun(
    known: Known,
    rest: Plan,
    wanted: Plan | None,
    apis: Mapping[str, Any],
    parallelism: int,
    now: float,
) -> None:
    """StalePlan where the rest of a plan that was begun must not be gone on with. `wanted` is what
    the manifests want now, and None where nobody asks them: then what the plan comes to is what is
    wanted, and its deletes are left to the last look before they are sent.
    """
    run = known.state.runs.get(rest.plan_id)
    if run is None:
        return
    anew = wanted or _planned_anew(known, rest, apis, parallelism, now)
    found = {change.address: change for change in anew.changes}
    moved = []
    for change in rest.pending_changes:
        if change.key in run.finished:
            why = _undone(known.state, change, found.get(change.address))
        elif wanted or change.after:
            as_said = bool(rest.manifest)
            why = _other(known.state, run, change, found.get(change.address), as_said=as_said)
        else:
            continue
        moved += [f"{change.address}: {why}"] if why else []
    planned = {change.address for change in rest.pending_changes}
    moved += [
        f"{change.address}: {change.action} is needed now, too ({change.reason})"
        for change in anew.pending_changes
        if change.address not in planned
    ]
    if moved:
        raise StalePlan(moved)


def _planned_anew(
    known: Known, rest: Plan, apis: Mapping[str, Any], parallelism: int, now: float
) -> Plan:
    """What would have to be done now for all that `rest` comes to, save for its deletes."""
    ends = [(Address.parse(c.address), c.after) for c in rest.pending_changes]
    wishes = {address: _Goal(address, after) for address, after in ends if after}
    made = made_anew(known.state, rest)
    asked = [c.address for c in rest.pending_changes if c.action == "replace" and not c.leftover]
    selection = Selection(
        complete=False,
        replace=tuple(address for address in asked if address not in made),
        retry_failed=any(change.unpins for change in rest.pending_changes),
    )
    blank = replace(rest, changes=(), refusals=(), notes=())
    with Observer(known.state, apis, parallelism) as observer:
        return make_plan(
            known,
            lambda: wishes,
            selection,
            observer,
            blank,
            now,
            preflight=_AsPlanned(),
        )


def made_anew(state: State, plan: Plan) -> set[str]:
    """What a run of the plan has replaced already, or has ended on the way to that: whoever asks
    for a replacement has it, or is about to.
    """
    run = state.runs.get(plan.plan_id) or Run()
    return {
        change.address
        for change in plan.pending_changes
        if change.action == "replace"
        and not change.leftover
        and (
            change.key in run.finished
            or "create" in run.steps.get(change.key, [])
            or change.address not in state.resources
        )
    }


def _undone(state: State, change: Change, found: Change | None) -> str:
    """Why what a finished change has brought about is not there as it was left."""
    resource = state.resources.get(change.address)
    if change.action == "delete" or change.after is None:
        return "it was ended by this plan, and is in state again" if resource else ""
    if resource is None:
        return "what this plan had done for it is not in state any more"
    done = f"{change.action} was done, and it is not as it was left"
    if found is None:  # nobody wishes for it any more
        return done
    if _sent(found.steps) or _differs(found, change, begun=True):
        return f"{done}: {found.reason}"
    if found.held and not change.held:
        return f"{done}: {found.held.story}"
    rests = change.action in ("terminate", "record") or change.leftover
    health = KINDS[Address.parse(change.address).kind].health(found.status)
    if not rests and (not found.status or health in STOPPED):
        return f"{done}: it is {found.status or 'gone'}"
    return ""


def _other(state: State, run: Run, change: Change, found: Change | None, *, as_said: bool) -> str:
    """Why what is left of a change is not what would be done for it now. `as_said`: the manifests
    are known to say what they said.
    """
    resource = state.resources.get(change.address)
    if resource and resource.pin and resource.pin.key == change.key:
        return ""  # it failed, and what its rollback still owes belongs to it
    done = run.steps.get(change.key, [])
    if found is None or found.action == "no-op":
        written = (resource.applied if resource else None) == change.after
        if done or change.action == "verify" or (written and not _sent(change.steps)):
            return ""
        if found and found.held:
            return f"{change.action} is held off now: {found.held.story}"
        return f"{change.action} is not needed any more"
    left, needed = {*_sent(change.steps)} - {*done}, {*_sent(found.steps)}
    if found.leftover:  # a plan ends the old one from the first, whatever it is at
        needed -= {*done}
    fits = needed <= left if done else needed == left
    # Where the old one of a replacement is gone, so is what it had kept for the new one.
    halfway = as_said and bool(done) and found.action == "create"
    if fits and (halfway or not _differs(found, change, begun=bool(done))):
        return ""
    return f"{change.action} was planned, and {found.action} is needed now ({found.reason})"


def _sent(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step not in MOVES_BY_ITSELF]


def _differs(found: Change, change: Change, *, begun: bool) -> bool:
    """Whether another end is wanted now. Of what was `begun`, more may be known by now: what
    nobody had stated, the service has chosen.
    """
    if found.action == "no-op":
        return False
    now, then = found.after, change.after
    if now is None or then is None:
        return now is not then
    kind = KINDS[Address.parse(change.address).kind]
    is_now, was = flatten(kind, now.spec), flatten(kind, then.spec)
    if begun:
        is_now = {path: value for path, value in is_now.items() if path in was}
    return not same([is_now, vars(now) | {"spec": {}}], [was, vars(then) | {"spec": {}}])
