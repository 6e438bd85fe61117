"""Asks what is awake for its routes: those that are wanted, and those that state knows besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from friendli_iac.core.drift import Acceptance, Drifted, RouteDrift
from friendli_iac.core.journal import Entry
from friendli_iac.core.routes import known_routes
from friendli_iac.core.state import Resource, State
from friendli_iac.executor.adapters import Asked, ask
from friendli_iac.executor.look import look
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Kind, Observed


@dataclass
class Asking:
    """One look at the routes. `notes` say what was not told, and why."""

    apis: Mapping[str, Any]
    state: State
    live: Mapping[str, Observed | None]
    notes: list[str] = field(default_factory=list)
    _asked: dict[str, Asked] = field(default_factory=dict)

    def count(self, addresses: Iterable[str]) -> None:
        """Notes that nothing was asked, where there is something to ask."""
        routes = sum(len(names) for _, names in self._known(addresses))
        if routes:
            self.notes.append(
                f"not asked: {routes} adapter{'s' * (routes != 1)}, for each question is an "
                "inference request; friendli-iac drift --routes asks what is awake"
            )

    def added(self, found: Sequence[Drifted], addresses: Sequence[str]) -> list[Drifted]:
        """`found` with what the routes of `addresses` show."""
        drifted = {one.address: one for one in found}
        for address, names in self._known(addresses):
            differs = self._ask(address, names)
            resource, seen = self.state.resources[address], self.live[address]
            if differs and seen is not None:
                plain = Drifted(address, resource.id, seen.name, seen.status, seen.version)
                drifted[address] = replace(drifted.get(address, plain), routes=differs)
        if self._asked:
            self.notes.append(
                "no API lists the adapters of an endpoint: asked were those that are declared, and "
                "those that were seen before"
            )
        return [drifted[address] for address in sorted(drifted)]

    def accepted(self, one: Acceptance, now: float) -> Acceptance:
        """`one` with what was seen of its routes. `now` is in seconds since 1970."""
        asked, resource = self._asked.get(one.address), self.state.resources[one.address]
        if asked is None or resource.pending is not None:
            return one
        observed = self.live[one.address]
        told = observed.version if observed else None
        version = resource.fence.version if told is None else told
        known = known_routes(_kind(one.address), resource, asked.seen, version)
        if known == resource.routes:
            return one
        entry = Entry("routes", now, address=one.address, routes=known, version=version)
        said = "which adapters answer counts as known: the next plan shows what is to be attached"
        return replace(one, entries=(*one.entries, entry), words=(*one.words, said))

    def _known(self, addresses: Iterable[str]) -> list[tuple[str, list[str]]]:
        """The routes to ask, by address."""
        found = []
        for address in addresses:
            resource = self.state.resources[address]
            routes = _kind(address).routes(resource.applied.spec)
            names = [*routes.names, *resource.routes]
            if routes.path and names and self.live.get(address) is not None:
                found.append((address, list(dict.fromkeys(names))))
        return found

    def _ask(self, address: str, names: Sequence[str]) -> tuple[RouteDrift, ...]:
        kind, resource = _kind(address), self.state.resources[address]
        api = self.apis[kind.name]
        asked = ask(kind, api, names, partial(look, kind, api, resource.id, resource.project))
        self._asked[address] = asked
        if asked.why:
            left = [name for name in names if name not in asked.seen]
            self.notes.append(f"{address}: not told of {', '.join(left)}: {asked.why}")
        return tuple(_differing(kind, resource, asked))


def _differing(kind: Kind, resource: Resource, asked: Asked) -> Iterable[RouteDrift]:
    wanted = kind.routes(resource.applied.spec).names
    for route, seen in asked.seen.items():
        if seen == "missing" and route in wanted:
            yield RouteDrift(route, "missing")
        elif seen == "served" and route not in wanted:
            yield RouteDrift(route, "unexpected")


def _kind(address: str) -> Kind:
    return KINDS[Address.parse(address).kind]
