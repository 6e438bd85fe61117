"""What is in our projects and not in our state."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from friendli_iac.core.replay import Known
from friendli_iac.core.state import Resource, State
from friendli_iac.resources.base import Address, Observed

Place = tuple[str, str]  # a kind and a project


@dataclass(frozen=True)
class Stranger:
    """What is in a project and not ours. `address` is a free one for an import, `age` in seconds
    and None when it is not told, `cost` in dollars per hour at the fewest and the most replicas.
    """

    address: str
    observed: Observed
    age: float | None
    cost: tuple[float, float] | None


def our_ids(state: State) -> set[str]:
    """The ids of everything in state, with what replacements have not ended yet."""
    found = set()
    for resource in state.resources.values():
        here: Resource | None = resource
        while here is not None:
            found.add(here.id)
            here = here.deposed
    return found


def unmanaged(
    known: Known, listed: Mapping[Place, Mapping[str, Observed]], others: Container[str] = ()
) -> dict[Place, dict[str, Observed]]:
    """What `listed` shows, is not ours and not in `others`, and may bill. What came after a create
    that is open is left out: settling finds out whether it is ours.
    """
    ours = our_ids(known.state)
    opened: dict[Place, set[str]] = {}
    for begun in known.open.values():
        if begun.step == "create":
            place = (Address.parse(begun.address).kind, begun.project)
            opened.setdefault(place, set()).update(begun.listed or ())
    found = {}
    for place, resources in sorted(listed.items()):
        strange = {
            id: observed
            for id, observed in resources.items()
            if id not in ours
            and id not in others
            and observed.health not in ("ending", "stopped")
            and (place not in opened or id in opened[place])
        }
        if strange:
            found[place] = strange
    return found
