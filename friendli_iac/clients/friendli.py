"""Friendli's control plane for Dedicated Endpoints, call by call.

Paths, query names and bodies: Friendli's OpenAPI of 2026-07-22. The official SDK is not used
here because it sends a create again after a lost answer, and so can buy a second GPU.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from friendli_iac.clients.http import Http
from friendli_iac.errors import Unreachable

ENDPOINTS = "/dedicated/beta/endpoint"
PAGE = 100  # the most that the API allows; its own default is 20
DEPLOY = "/dedicated/endpoint/wandb-artifact-create"  # not a part of the beta
COST = "/v1/team/cost"
DAYS = 35  # on a page, the most that the API allows


def _no_page(answer: dict[str, Any]) -> str:
    data = answer.get("data")
    if not isinstance(data, dict):
        return "a page without data"
    # Left out, such an entry would be taken for gone.
    return next((f"no object at {id}" for id, v in data.items() if not isinstance(v, dict)), "")


def _no_days(answer: dict[str, Any]) -> str:
    if not isinstance(answer.get("data"), list):
        return "a page without data"
    lost = answer.get("has_more") is True and not answer.get("next_page")
    return "more pages, and no word of where" if lost else ""


class FriendliApi:
    """See `friendli_iac.resources.endpoint.EndpointApi`. Raises ApiError and its children."""

    def __init__(self, http: Http) -> None:
        self.http = http

    def list_endpoints(self, project: str) -> dict[str, dict[str, Any]]:
        """Every endpoint of the project, complete: `{id: status}`. The API lists no names."""
        found: dict[str, dict[str, Any]] = {}
        for page in self._pages(ENDPOINTS, {"project_id": project}):
            found.update(page)
        return found

    def get_endpoint(self, id: str) -> dict[str, Any]:
        """The specification of an endpoint, without the fields that are never given back."""
        # An answer without these is none: taken for one, it would have the endpoint replaced.
        return self.http.get(_path(id), flaw=_without("projectId", "name"))

    def get_status(self, id: str) -> dict[str, Any]:
        """`{status, phase, errorCode, createdAt, updatedAt}`."""
        return self.http.get(f"{_path(id)}/status", flaw=_without("status"))

    def newest_version(self, id: str) -> int | None:
        """The highest version number. The order of the pages is not documented: all are read."""
        return max(self.versions(id), default=None)

    def versions(self, id: str) -> dict[int, dict[str, Any]]:
        """Every version by number, as thin specifications. A key that is no number is left out."""
        return {
            int(match[1]): spec
            for page in self._pages(f"{_path(id)}/version", {})
            for key, spec in page.items()
            if (match := re.fullmatch(r"v?(\d+)", key))
        }

    def team_cost(self, start: str, end: str) -> list[Any]:
        """What the team was billed, day by day: `{start_time, end_time, results}`. `start` and
        `end` are midnights of UTC as RFC 3339 has them.
        """
        query: dict[str, str | int] = {"start_time": start, "end_time": end, "limit": DAYS}
        query["group_by"] = "line_item"
        pages = self._pages(COST, query, "page", "next_page", _no_days)
        return [day for page in pages for day in page]

    def infer(self, path: str, body: dict[str, Any], timeout: float) -> tuple[dict[str, Any], str]:
        """Sends one inference request, and once only: it costs money. The answer, and its text.
        `timeout` is in seconds, for the whole of it.
        """
        return self.http.ask(path, body, timeout)

    def create_endpoint(self, body: dict[str, Any], *, key: str) -> dict[str, Any]:
        """Asks for an endpoint. The answer tells its status, and no id."""
        return self.http.send("POST", ENDPOINTS, body, _keyed(key))

    def deploy_artifact(self, body: dict[str, Any], *, key: str) -> dict[str, Any]:
        """Asks for an endpoint from an artifact of W&B, or for one more version of the one that
        has the `idempotencyKey` of `body`. The answer tells its `endpointId`.
        """
        return self.http.send("POST", DEPLOY, body, _keyed(key))

    def update_endpoint(self, id: str, body: dict[str, Any], *, key: str) -> None:
        """Asks for a new version."""
        self.http.send("PUT", _path(id), body, _keyed(key))

    def act(self, id: str, action: str, *, key: str) -> None:
        """`sleep`, `wake`, `terminate` or `restart`."""
        self.http.send("PUT", f"{_path(id)}/{action}", None, _keyed(key))

    def delete_endpoint(self, id: str, *, key: str) -> None:
        """Deletes it for good."""
        self.http.send("DELETE", _path(id), None, _keyed(key))

    def _pages(
        self,
        path: str,
        params: dict[str, str | int],
        asked: str = "cursor",
        told: str = "nextCursor",
        flaw: Callable[[dict[str, Any]], str] = _no_page,
    ) -> Iterator[Any]:
        """The data of every page. The cursor is `asked` for by one name, and `told` by another."""
        cursor, seen = "", set()
        while True:
            query: dict[str, str | int] = {"limit": PAGE, **params}
            if cursor:
                query[asked] = cursor
            answer = self.http.get(path, query, flaw=flaw)
            yield answer["data"]
            cursor = str(answer.get(told) or "")
            if not cursor:
                return
            if cursor in seen:
                raise Unreachable(f"GET {path}: the pages go in a circle", method="GET", path=path)
            seen.add(cursor)


def _path(id: str) -> str:
    return f"{ENDPOINTS}/{quote(id, safe='')}"


def _without(*keys: str) -> Callable[[dict[str, Any]], str]:
    """The flaw of an answer that has no text at one of `keys`."""

    def flaw(answer: dict[str, Any]) -> str:
        missing = [k for k in keys if not isinstance(answer.get(k), str) or not answer[k]]
        return f"an answer without {' and '.join(missing)}" if missing else ""

    return flaw


def _keyed(key: str) -> dict[str, str]:
    # The API ignores it today; when it learns to honour it, a repeated request costs nothing.
    return {"Idempotency-Key": key}
