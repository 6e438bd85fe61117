"""Reads what the API shows: concurrently, and never more than a plan needs."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from friendli_iac.core.drift import presumed
from friendli_iac.core.state import State
from friendli_iac.core.strangers import our_ids
from friendli_iac.errors import ApiError, NotFound, Refused
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Observed

Place = tuple[str, str]  # a kind and a project


class Observer:
    """Reads through `apis` (by kind), at most `parallelism` requests at a time.

    What was seen stays: `live` by address, with None for what is gone; `listed` by place. As a
    context manager it calls off, at the end, what was not begun.

    `unread` is the first error of W&B, which is no service that runs anything. With `apart`, what
    W&B does not tell is left out, and nothing is raised.
    """

    def __init__(
        self, state: State, apis: Mapping[str, Any], parallelism: int, *, apart: bool = False
    ) -> None:
        self.unread: ApiError | None = None
        self._apart = apart
        self.live: dict[str, Observed | None] = {}
        self.listed: dict[Place, dict[str, Observed]] = {}
        self._state = state
        self.apis = apis
        self._pool = ThreadPoolExecutor(parallelism, thread_name_prefix="read")
        self._lists: dict[Place, Future[dict[str, Observed]]] = {}
        self._fetched: dict[str, Future[Mapping[str, Any] | None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def expect(self, addresses: Iterable[str], places: Iterable[Place] = ()) -> None:
        """Starts to read the resources of `addresses` that are in state, and the lists of all their
        projects and of `places`: one request each, and one for each page of a list.
        """
        known = {a: self._state.resources[a] for a in addresses if a in self._state.resources}
        theirs = {(Address.parse(a).kind, resource.project) for a, resource in known.items()}
        # The lists go first: their pages follow one another, and the rest fills the gaps.
        for place in sorted(theirs.union(places)):
            if place not in self._lists:
                self._lists[place] = self._pool.submit(self._list, *place)
        for address, resource in known.items():
            if address not in self._fetched:
                self._fetched[address] = self._pool.submit(self._fetch, address, resource.id)

    def observe(self, addresses: Iterable[str], places: Iterable[Place] = ()) -> Iterator[str]:
        """`addresses`, each as soon as `live` has it, if it is in state. Raises ApiError and its
        children (see `apart`), and Refused for a resource of another team.
        """
        wanted = list(addresses)
        self.expect(wanted, places)
        for place, future in self._lists.items():
            try:
                self.listed[place] = future.result()
            except ApiError as error:
                self.leave(place[0], error)
        for address in wanted:
            if address not in self._state.resources or self._saw(address):
                yield address

    def leave(self, kind: str, error: ApiError) -> None:
        """Goes on without what the service of `kind` does not tell, or raises `error`."""
        if KINDS[kind].home != "wandb":
            raise error
        self.unread = self.unread or error
        if not self._apart:
            raise error

    def presume(self, addresses: Iterable[str]) -> Iterator[str]:
        """`addresses` as `observe` gives them, with `live` from the state alone."""
        for address in addresses:
            resource = self._state.resources.get(address)
            if resource is not None:
                self.live[address] = presumed(KINDS[Address.parse(address).kind], resource)
            yield address

    def add_versions(self, addresses: Iterable[str]) -> None:
        """Adds the newest version numbers to what `live` shows of `addresses`."""
        asked = [(a, o) for a in addresses if (o := self.live.get(a)) is not None]

        def version(item: tuple[str, Observed]) -> int | None:
            kind = KINDS[Address.parse(item[0]).kind]
            return kind.newest_version(self.apis[kind.name], item[1].id)

        numbers = self._pool.map(version, asked)
        for (address, observed), number in zip(asked, numbers, strict=True):
            self.live[address] = replace(observed, version=number)

    def strangers(self, places: Iterable[Place], others: Container[str] = ()) -> list[Observed]:
        """Every resource of `places` that is not in state, nor in `others`, with its name."""
        ours = our_ids(self._state)
        return self.named(
            (kind, id, listed)
            for kind, project in places
            for id, listed in self.listed[kind, project].items()
            if id not in ours and id not in others
        )

    def named(self, unknown: Iterable[tuple[str, str, Observed]]) -> list[Observed]:
        """What is listed (kind, id and what the list says) with its name: a request each."""

        def read(item: tuple[str, str, Observed]) -> Observed | None:
            kind, id, listed = item
            try:
                return KINDS[kind].combine(id, KINDS[kind].fetch(self.apis[kind], id), listed)
            except NotFound:  # it went away between the list and now
                return None

        return [found for found in self._pool.map(read, unknown) if found is not None]

    def ids(self) -> dict[str, list[str]]:
        """The ids of each project, for the plan."""
        found: dict[str, list[str]] = {}
        for (_, project), listed in self.listed.items():
            found.setdefault(project, []).extend(sorted(listed))
        return found

    def _saw(self, address: str) -> bool:
        """Whether `live` has it now."""
        resource, kind = self._state.resources[address], Address.parse(address).kind
        fetch = self._fetched.pop(address)
        if (kind, resource.project) not in self.listed:
            return False
        listed = self.listed[kind, resource.project].get(resource.id)
        try:
            self.live[address] = self._joined(address, resource.id, fetch.result(), listed)
        except ApiError as error:
            self.leave(kind, error)
            return False
        return True

    def _list(self, kind: str, project: str) -> dict[str, Observed]:
        return KINDS[kind].list(self.apis[kind], project)

    def _fetch(self, address: str, id: str) -> Mapping[str, Any] | None:
        kind = Address.parse(address).kind
        try:
            return KINDS[kind].fetch(self.apis[kind], id)
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
            observed = kind.read(self.apis[kind.name], id)
        else:
            observed = kind.combine(id, fetched, listed)
        if self._state.team and observed.team and observed.team != self._state.team:
            raise Refused(
                f"{id} belongs to team {observed.team}, and the state to team {self._state.team}",
                safe="Nothing was sent.",
                next="Use the token and FRIENDLI_TEAM_ID of the team that the state names.",
            )
        return observed
