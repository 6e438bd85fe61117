"""What the decisions of one plan share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from friendli_iac.core.plan import Change, Refusal
from friendli_iac.core.state import State
from friendli_iac.resources.base import Address, Observed
from friendli_iac.resources.prices import LIST_PRICES, Prices
from friendli_iac.resources.spec import Spec

Decision = tuple[Change, list[Refusal]]


class Wish(Protocol):
    """What a manifest wants of one resource."""

    @property
    def address(self) -> Address: ...
    @property
    def spec(self) -> Spec: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def depends_on(self) -> tuple[Address, ...]: ...
    @property
    def asked(self) -> dict[str, str]: ...
    def source(self, path: str = "") -> object: ...
    def wrote(self, path: str) -> bool: ...


@dataclass(frozen=True)
class Rollback:
    """That a wish is a version from before. `version` is the one that it takes back, and `said`
    what the manifests want now; None when they could not be read.
    """

    reason: str
    version: int | None
    said: Wish | None


@dataclass(frozen=True)
class Scene:
    """What all decisions of one plan share.

    `strangers` are resources in our projects that are not in our state, read where a name matters.
    `replace` are the addresses that the user wants made anew, `rollbacks` those whose wish is a
    version from before. `retry_failed`: no pin holds. `now` is in seconds since
    1970.
    """

    state: State
    now: float = 0.0
    strangers: Sequence[Observed] = ()
    replace: frozenset[str] = frozenset()
    rollbacks: Mapping[str, Rollback] = field(default_factory=dict)
    retry_failed: bool = False
    open: Mapping[str, str] = field(default_factory=dict)  # address -> step that was interrupted
    prices: Prices = LIST_PRICES

    @cached_property
    def names(self) -> dict[tuple[str, str, str], list[str]]:
        """The addresses in state by kind, project and name."""
        found: dict[tuple[str, str, str], list[str]] = {}
        for address, resource in self.state.resources.items():
            key = (Address.parse(address).kind, resource.project, resource.name)
            found.setdefault(key, []).append(address)
        return found
