"""What specifications say of one another, and what W&B says of them, before anything is decided.

Aliases of artifacts become versions, endpoints from artifacts get their idempotency keys,
automations the payloads for the endpoints that they deploy, and adapters the way they are attached.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from friendli_iac.core.plan import Plan
from friendli_iac.core.scene import Scene, Wish
from friendli_iac.core.state import State
from friendli_iac.resources.base import Address, Observed
from friendli_iac.resources.spec import Spec


@dataclass(frozen=True)
class Linked:
    """A wish whose specification says more than was written. `asked` is as in `Applied`;
    `follows` has the path that was written for each that follows from it.
    """

    wish: Wish
    spec: Spec
    asked: dict[str, str]
    follows: Mapping[str, str] = field(default_factory=dict)

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
        return self.wish.source(self.follows.get(path, path))

    def wrote(self, path: str) -> bool:
        """Whether the user wrote it."""
        return self.wish.wrote(self.follows.get(path, path))


def with_spec(
    wish: Wish, spec: Spec, asked: Mapping[str, str] = {}, follows: Mapping[str, str] = {}
) -> Wish:
    """`wish` with another specification; `asked` and `follows` are added to what it has."""
    both = {**wish.asked, **asked}
    if not isinstance(wish, Linked):
        return Linked(wish, spec, both, follows)
    return replace(wish, spec=spec, asked=both, follows={**wish.follows, **follows})


class Watch(Protocol):
    """What a link has to say of the plan that comes of it, and just before that is applied."""

    def told(self, state: State, plan: Plan) -> Plan: ...
    def check(self, state: State, plan: Plan) -> None: ...
    def missed(self, state: State, live: Mapping[str, Observed | None]) -> dict[str, str]: ...


class Link(Protocol):
    """One thing that follows from the manifests together."""

    def __call__(
        self, wishes: dict[str, Wish], scene: Scene, chosen: Collection[str]
    ) -> dict[str, Wish]: ...


@dataclass(frozen=True)
class Linker:
    """`links` in order: each gets what the one before made of the wishes. `watches` are those of
    them that have more to say.
    """

    links: tuple[Link, ...] = ()
    watches: tuple[Watch, ...] = ()

    def linked(
        self, wishes: Mapping[str, Wish], scene: Scene, chosen: Collection[str]
    ) -> dict[str, Wish]:
        """`wishes` with all that follows from the others. `chosen` are the addresses that the plan
        is about.
        """
        found = dict(wishes)
        for link in self.links:
            found = link(found, scene, chosen)
        return found

    def told(self, state: State, plan: Plan) -> Plan:
        """`plan` with what those have to say that watch."""
        for watch in self.watches:
            plan = watch.told(state, plan)
        return plan

    def missed(self, state: State, live: Mapping[str, Observed | None]) -> dict[str, str]:
        """What others should have brought about and did not, one sentence by address."""
        found: dict[str, str] = {}
        for watch in self.watches:
            found |= watch.missed(state, live)
        return found

    def check(self, state: State, plan: Plan) -> None:
        """StalePlan where what was looked up for `plan` is otherwise by now: right before the
        first effect.
        """
        for watch in self.watches:
            watch.check(state, plan)
