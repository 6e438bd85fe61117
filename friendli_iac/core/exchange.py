"""What it comes to when one state takes the place of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from friendli_iac.core.state import Resource, State


@dataclass(frozen=True)
class Exchange:
    """`comes` and `goes` are ids by address, `other` the ids before and after where an address has
    another one. `lost` are all ids that are in state no more, what replacements have left among
    them, with the address that had them: nobody watches their bill.
    """

    comes: dict[str, str]
    goes: dict[str, str]
    other: dict[str, tuple[str, str]]
    lost: dict[str, str]

    @classmethod
    def of(cls, before: State, after: State) -> Exchange:
        """What comes and goes when `after` takes the place of `before`."""
        old, new = before.resources, after.resources
        kept = {id for resource in new.values() for id in _ids(resource)}
        return cls(
            comes={a: new[a].id for a in sorted(new.keys() - old.keys())},
            goes={a: old[a].id for a in sorted(old.keys() - new.keys())},
            other={
                a: (old[a].id, new[a].id)
                for a in sorted(old.keys() & new.keys())
                if old[a].id != new[a].id
            },
            lost={id: a for a in sorted(old) for id in _ids(old[a]) if id not in kept},
        )

    def lines(self) -> list[str]:
        """It in words."""
        return [
            *(f"+ {a} ({id}) comes into state" for a, id in self.comes.items()),
            *(f"- {a} ({id}) goes out of state" for a, id in self.goes.items()),
            *(f"~ {a} is {new}, and no more {old}" for a, (old, new) in self.other.items()),
            *(
                f"  {id}, which was {a}, is nobody's from then on. If it runs, it bills on"
                for id, a in self.lost.items()
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _ids(resource: Resource) -> Iterable[str]:
    here: Resource | None = resource
    while here is not None:
        yield here.id
        here = here.deposed
