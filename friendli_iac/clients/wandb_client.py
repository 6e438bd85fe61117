"""How W&B is spoken to: one connection, found with the first request; pages; what is not there.

The official SDK is not used here: it sends mutations again after a lost answer, fails on a page
with one automation that it does not understand, and needs a process of its own beside this one.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, wraps
from typing import Any, ParamSpec, TypeVar

from friendli_iac import __version__
from friendli_iac.clients.graphql import GraphQL
from friendli_iac.clients.shared import Shared
from friendli_iac.clients.wandb_settings import WandbSettings, same_deployment
from friendli_iac.errors import NotFound, Unreachable

PAGE = 50  # as the SDK asks
# Seconds for which a list is good: a plan asks for each of a hundred automations at once.
FRESH = 1.0
# W&B lets only clients of this name see some fields (a comment in the SDK's sources).
AGENT = f"W&B Public Client (friendli-iac/{__version__})"

Node = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


class Connection:
    """The key is looked up with the first request, so that a project without W&B needs none.

    Methods raise ApiError and its children; an entity, project or collection that is not there, or
    that the key may not see, is NotFound.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        base_url: str = "",
        key: str = "",
        *,
        sleep: Callable[[float], None] = time.sleep,
        trace: Callable[[str, str, int, float], None] = lambda method, path, status, seconds: None,
        hide: Callable[[str], None] = lambda secret: None,
    ) -> None:
        """`base_url` and `key`, where they are given, stand in for what `environ` and the user's
        files say. `hide` is told the secrets that no output may show.
        """
        given = {"WANDB_BASE_URL": base_url, "WANDB_API_KEY": key}
        self._environ = {**environ, **{name: value for name, value in given.items() if value}}
        self._sleep, self._trace, self._hide = sleep, trace, hide
        self._client: GraphQL | None = None
        self._lock = threading.Lock()
        self._collections: dict[str, tuple[str, str]] = {}  # type and id, by path
        self._lists: Shared[Any] = Shared(FRESH)

    @cached_property
    def settings(self) -> WandbSettings:
        """What the environment and the user's files say of W&B."""
        return WandbSettings.of(self._environ)

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self.settings.base_url

    @property
    def deployment(self) -> str:
        """The address that stands for all names of this W&B."""
        return same_deployment(self.base_url)

    @property
    def app_url(self) -> str:
        """Where people see it."""
        return self.settings.app_url

    @property
    def count(self) -> int:
        """How many requests were sent."""
        return self._client.count if self._client else 0

    def close(self) -> None:
        """Closes the connections."""
        if self._client:
            self._client.close()

    def _query(self, document: str, variables: Mapping[str, Any]) -> Node:
        return self._connected().query(document, variables)

    def _mutate(self, document: str, variables: Mapping[str, Any]) -> Node:
        try:
            return self._connected().mutate(document, variables)
        finally:  # whatever came of it, what was read before it is old
            self._lists.forget()

    def _pages(
        self, document: str, variables: Node, place: tuple[str, ...], what: str
    ) -> Iterator[Node]:
        """The edges of every page of what is at `place`. A page that cannot be read is no page: in
        a list that is not complete, what is there would seem gone.
        """
        cursor: str | None = None
        seen: set[str] = set()
        listed: set[object] = set()
        while True:
            here: Any = self._query(document, {**variables, "cursor": cursor, "perPage": PAGE})
            for key in place:
                here = here.get(key)
                if here is None:
                    raise self._nothing(what)
            edges, page = here.get("edges"), here.get("pageInfo")
            whole = isinstance(edges, list) and isinstance(page, dict)
            if not whole or not all(isinstance(_node(edge), dict) for edge in edges):
                raise Unreachable(f"W&B: a page of {what} without its entries")
            for edge in edges:  # what came or went since the last page shifts the next one
                if (id := edge["node"].get("id")) is None or id not in listed:
                    listed.add(id)
                    yield edge
            if not page.get("hasNextPage"):
                return
            cursor = str(page.get("endCursor") or "")
            if not cursor or cursor in seen:
                raise Unreachable(f"W&B: the pages of {what} go in a circle")
            seen.add(cursor)

    def _connected(self) -> GraphQL:
        with self._lock:
            if self._client is None:
                key = self.settings.key()
                basic = b64encode(f"api:{key}".encode()).decode()
                self._hide(key)
                self._hide(basic)
                self._client = GraphQL(
                    self.base_url,
                    {"Authorization": f"Basic {basic}", "User-Agent": AGENT},
                    secrets=(basic, key),
                    service="W&B",
                    variable="WANDB_BASE_URL",
                    mend=(
                        f"Set WANDB_API_KEY to a valid key: {self.app_url}/settings.",
                        "Use a key of somebody who is an admin of the team, or of the registry.",
                    ),
                    sleep=self._sleep,
                    trace=self._trace,
                )
            return self._client

    def _nothing(self, what: str) -> NotFound:
        return NotFound(
            f"W&B has no {what} that this key may see",
            status=404,
            next=f"Check the spelling, and that the key's user may see it: {self.app_url}.",
        )


def reads(method: Callable[P, T]) -> Callable[P, T]:
    """Makes Unreachable of what a reader stumbles over: an answer of other types than W&B's schema
    says is no answer.
    """

    @wraps(method)
    def read(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return method(*arguments, **options)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unreachable(
                f"W&B: {method.__name__}: an answer of another shape than its schema says ({error})"
            ) from error

    return read


def id_of(node: Node) -> str:
    """The id that every object of W&B has."""
    if not node.get("id"):
        raise Unreachable("W&B: an answer without an id")
    return str(node["id"])


def _node(edge: object) -> object:
    return edge.get("node") if isinstance(edge, dict) else None
