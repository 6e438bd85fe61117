"""Ends what has expired, from the state alone: no manifest is needed, and nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.state import Resource, State
from friendli_iac.engine.planning import Selection, Wishes
from friendli_iac.resources.base import Address
from friendli_iac.resources.expiry import expiry
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
        if (ends := get_path(resource.applied.spec, "lifecycle.expires"))
        and resource.created
        and expiry(ends, resource.created) <= now
    }
    targets = tuple(map(str, wishes))
    # A pin must not keep something running whose time is over.
    return wishes, Selection(complete=False, targets=targets, retry_failed=True)


def ends_only(plan: Plan) -> tuple[Plan, tuple[Change, ...]]:
    """`plan` with nothing but ends in it, and those that protection bars, which are left out."""
    ends = [change for change in plan.changes if change.action == "terminate"]
    barred = tuple(change for change in ends if change.protected)
    names = {change.address for change in barred}
    notes = [
        f"{change.address} has expired and is protected (preventDestroy): it is left as it is"
        for change in barred
    ]
    return replace(
        plan,
        # What a pin holds off stays held off.
        changes=tuple(
            replace(change, unpins=False) for change in ends if change.address not in names
        ),
        refusals=tuple(one for one in plan.refusals if one.address not in names),
        notes=(*plan.notes, *notes),
        narrowed="what has expired",
    ), barred
