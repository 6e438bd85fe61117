"""What specifications say of one another, and what W&B says of them, before anything is decided.

Aliases of artifacts become versions, endpoints from artifacts get their idempotency keys,
automations the payloads for the endpoints that they deploy, and adapters the way they are attached.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from friendli_iac.core.scene import Wish
from friendli_iac.core.state import State
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import Spec


@dataclass(frozen=True)
class Linked:
    """A wish whose specification says more than was written. `asked` is as in `Applied`."""

    wish: Wish
    spec: Spec
    asked: dict[str, str]

    @property
    def address(self) -> Address:
        return self.wish.address

    @property
    def labels(self) -> dict[str, str]:
        return self.wish.labels

    @property
    def depends_on(self) -> tuple[Address, ...]:
        return self.wish.depends_on

    def source(self, path: str = "") -> object:
        """Where it was written."""
        return self.wish.source(path)

    def wrote(self, path: str) -> bool:
        """Whether the user wrote it."""
        return self.wish.wrote(path)


def with_spec(wish: Wish, spec: Spec, asked: Mapping[str, str] = {}) -> Wish:
    """`wish` with another specification; `asked` is added to what it has."""
    both = {**wish.asked, **asked}
    return (
        replace(wish, spec=spec, asked=both)
        if isinstance(wish, Linked)
        else Linked(wish, spec, both)
    )


class Link(Protocol):
    """One thing that follows from the manifests together."""

    def __call__(
        self,
        wishes: dict[str, Wish],
        state: State,
        chosen: Collection[str],
        replaced: Collection[str],
    ) -> dict[str, Wish]: ...


@dataclass(frozen=True)
class Linker:
    """`links` in order: each gets what the one before made of the wishes."""

    links: tuple[Link, ...] = ()

    def linked(
        self,
        wishes: Mapping[str, Wish],
        state: State,
        chosen: Collection[str],
        replaced: Collection[str],
    ) -> dict[str, Wish]:
        """`wishes` with all that follows from the others. `chosen` are the addresses that the plan
        is about, and `replaced` those that are to be made anew.
        """
        found = dict(wishes)
        for link in self.links:
            found = link(found, state, chosen, replaced)
        return found
