"""Ends what has expired, from the state alone: no manifest is needed, and nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.state import Resource, State
from friendli_iac.engine.planning import Selection, Wishes
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address
from friendli_iac.resources.expiry import is_over
from friendli_iac.resources.spec import Spec, get_path


@dataclass(frozen=True)
class Kept:
    """A wish for what was applied last. See `friendli_iac.core.scene.Wish`."""

    address: Address
    spec: Spec
    labels: dict[str, str]
    depends_on: tuple[Address, ...]
    asked: dict[str, str]

    def source(self, path: str = "") -> object:
        """The state: no line of a manifest was read."""
        return "(state)"

    def wrote(self, path: str) -> bool:
        """What was applied says all that it holds."""
        return True

    @classmethod
    def of(cls, address: str, resource: Resource) -> Kept:
        applied = resource.applied
        return cls(
            Address.parse(address),
            applied.spec,
            dict(applied.labels),
            tuple(map(Address.parse, applied.depends_on)),
            dict(applied.asked),
        )


def expired(state: State, now: float) -> tuple[Wishes, Selection]:
    """What is over at `now` (seconds since 1970), and the selection of just that. The planner ends
    what has expired; here it is only told that everything else of it is to stay.
    """
    wishes = {
        (kept := Kept.of(address, resource)).address: kept
        for address, resource in state.resources.items()
        if resource.created
        and is_over(get_path(resource.applied.spec, "lifecycle.expires"), resource.created, now)
    }
    return wishes, Selection(complete=False, targets=tuple(map(str, wishes)))


def ends_only(plan: Plan, state: State) -> tuple[Plan, dict[str, str]]:
    """`plan` with nothing but ends in it; and by address, why something whose time is over is left
    as it is.
    """
    left: dict[str, str] = {}
    changes = []
    for change in plan.changes:
        if change.id is None:  # it is gone
            continue
        why = _barred(change, state)
        if why:
            left[change.address] = why
        ends = change.action == "terminate" and not why
        changes.append(change if ends else _untouched(change))
    return replace(
        plan,
        changes=tuple(changes),
        refusals=tuple(one for one in plan.refusals if one.address not in left),
        notes=(*plan.notes, *(f"{a} is left as it is: {why}" for a, why in left.items())),
        narrowed="what has expired",
        findings=(),  # to end is what every rule allows
    ), left


def _barred(change: Change, state: State) -> str:
    resource = state.resources[change.address]
    health = KINDS[Address.parse(change.address).kind].health(change.status)
    asked = get_path(resource.applied.spec, "lifecycle.preventDestroy")
    protected = resource.protected if asked is None else asked
    if protected and health not in ("ending", "stopped"):  # the plan leaves it alone, too
        return "it has expired, and preventDestroy protects it"
    if change.action == "terminate" and resource.deposed:  # an end would meet what was replaced
        return "it has expired, and its replacement is not finished: friendli-iac apply first"
    return ""


def _untouched(change: Change) -> Change:
    """A change that is left out of the plan, and stays in sight."""
    return replace(
        change,
        action="no-op",
        reason="",
        steps=(),
        after=None,
        fields=(),
        cost_after=change.cost_before,
        surge=0.0,
        unpins=False,
        held=None,
    )
