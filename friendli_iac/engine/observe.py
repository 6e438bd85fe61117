"""Reads what the API shows: concurrently, and never more than a plan needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from friendli_iac.core.state import State
from friendli_iac.errors import ApiError, NotFound, Refused
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Observed

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class View:
    """What was seen: `live` has None for what is gone; `listed` is by kind and project."""

    live: dict[str, Observed | None] = field(default_factory=dict)
    listed: dict[tuple[str, str], dict[str, Observed]] = field(default_factory=dict)

    def ids(self) -> dict[str, list[str]]:
        """The ids of each project, for the plan."""
        found: dict[str, list[str]] = {}
        for (_, project), listed in self.listed.items():
            found.setdefault(project, []).extend(sorted(listed))
        return found


class Observer:
    """Reads through `apis` (by kind), at most `parallelism` requests at a time."""

    def __init__(self, apis: Mapping[str, Any], parallelism: int) -> None:
        self._apis = apis
        self._parallelism = parallelism

    def view(self, state: State, addresses: Iterable[str], projects: set[tuple[str, str]]) -> View:
        """The resources of `addresses` that are in state, and the lists of all their projects and
        of `projects` (kind, project). One request each, and one for each page of a list.
        """
        known = {a: state.resources[a] for a in addresses if a in state.resources}
        places = sorted(projects | {(Address.parse(a).kind, r.project) for a, r in known.items()})
        with ThreadPoolExecutor(self._parallelism, thread_name_prefix="read") as pool:
            # The lists go first: their pages follow one another, and the rest fills the gaps.
            lists = [pool.submit(self._list, kind, project) for kind, project in places]
            specs = {a: pool.submit(self._fetch, a, r.id) for a, r in known.items()}
            try:
                view = View(listed={p: f.result() for p, f in zip(places, lists, strict=True)})
                for address, future in specs.items():
                    resource = known[address]
                    kind = Address.parse(address).kind
                    listed = view.listed[kind, resource.project].get(resource.id)
                    view.live[address] = self._joined(address, resource.id, future.result(), listed)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        _check_team(state, view.live.values())
        return view

    def with_versions(self, view: View, addresses: Iterable[str]) -> None:
        """Adds the newest version numbers to what `view` shows of `addresses`."""
        asked = [(a, o) for a in addresses if (o := view.live.get(a)) is not None]

        def version(item: tuple[str, Observed]) -> int | None:
            kind = KINDS[Address.parse(item[0]).kind]
            return kind.newest_version(self._apis[kind.name], item[1].id)

        for (address, observed), number in zip(asked, self._each(version, asked), strict=True):
            view.live[address] = replace(observed, version=number)

    def strangers(
        self,
        state: State,
        view: View,
        places: Iterable[tuple[str, str]],
        known: Iterable[str] = (),
    ) -> list[Observed]:
        """Every resource of `places` (kind, project) that is neither in state nor `known` (ids),
        with its name.
        """
        ours = {*known, *(resource.id for resource in state.resources.values())}
        unknown = [
            (kind, id, listed)
            for kind, project in places
            for id, listed in view.listed[kind, project].items()
            if id not in ours
        ]

        def read(item: tuple[str, str, Observed]) -> Observed | None:
            kind, id, listed = item
            try:
                return KINDS[kind].combine(id, KINDS[kind].fetch(self._apis[kind], id), listed)
            except NotFound:  # it went away between the list and now
                return None

        return [found for found in self._each(read, unknown) if found is not None]

    def _list(self, kind: str, project: str) -> dict[str, Observed]:
        return KINDS[kind].list(self._apis[kind], project)

    def _fetch(self, address: str, id: str) -> Mapping[str, Any] | None:
        kind = Address.parse(address).kind
        try:
            return KINDS[kind].fetch(self._apis[kind], id)
        except NotFound:
            return None

    def _joined(
        self, address: str, id: str, fetched: Mapping[str, Any] | None, listed: Observed | None
    ) -> Observed | None:
        kind = KINDS[Address.parse(address).kind]
        if fetched is None and listed is not None:
            raise ApiError(
                f"the API lists {id} ({address}) and answers 404 when it is read",
                safe="Nothing was sent.",
                next="It may be ending right now: try again in a minute.",
            )
        if fetched is None:
            return None
        if listed is None:  # the list may lag behind: what can be read is there
            return kind.read(self._apis[kind.name], id)
        return kind.combine(id, fetched, listed)

    def _each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        if not items:
            return []
        with ThreadPoolExecutor(self._parallelism, thread_name_prefix="read") as pool:
            try:
                return list(pool.map(function, items))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _check_team(state: State, live: Iterable[Observed | None]) -> None:
    for observed in live:
        if observed and state.team and observed.team and observed.team != state.team:
            raise Refused(
                f"{observed.id} belongs to team {observed.team}, and the state to team "
                f"{state.team}",
                safe="Nothing was sent.",
                next="Use the token and FRIENDLI_TEAM_ID of the team that the state names.",
            )
