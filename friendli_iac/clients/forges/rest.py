"""How the APIs of forges are spoken to: pages, limits of the rate, and what may be sent again.

- Rate limits: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
  (403 or 429, with `retry-after`, or `x-ratelimit-remaining: 0` and `x-ratelimit-reset`, else a
  minute) and https://docs.gitlab.com/security/rate_limits/ (429 with `Retry-After`).
- Pages: https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api and
  https://docs.gitlab.com/api/rest/#pagination (both: `Link`, with rel="next").
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from friendli_iac.clients import answers
from friendli_iac.clients.http import MAX_DETAIL, Http
from friendli_iac.errors import ApiError, AuthError, NotFound, Unreachable

PAGE = 100  # the most that either allows
PAGES = 100
ATTEMPTS = 4
PATIENCE = 120.0  # seconds; what is to last longer is not waited for
MINUTE = 60.0

Row = dict[str, Any]


class Rest(Http):
    """The API of one forge. Redirects are not followed: they would take the token elsewhere."""

    def __init__(
        self,
        forge: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        token: str,
        names: tuple[str, str],
        needs: str,
        sleep: Callable[[float], None] = time.sleep,
        trace: Callable[[str, str, int, float], None] = lambda method, path, status, seconds: None,
    ) -> None:
        """`names` are the variables that hold the address and the token, `needs` what the token
        must be allowed.
        """
        self.variable, self._token_name = names
        self.mend_token = f"Copy the token once more, and nothing but it, to {self._token_name}."
        self._forge, self._needs = forge, needs
        super().__init__(base_url, headers, secrets=(token,), sleep=sleep, trace=trace)

    def read(self, path: str) -> Row:
        """The object at `path`."""
        return self._row(self._patiently("GET", path, again=True)[1], path)

    def rows(self, path: str, params: Mapping[str, str | int] | None = None) -> Iterator[Row]:
        """The objects of a list, page by page."""
        query: Mapping[str, str | int] | None = {**(params or {}), "per_page": PAGE}
        seen: set[str] = set()
        while path not in seen and len(seen) < PAGES:
            seen.add(path)
            answer, content = self._patiently("GET", path, query, again=True)
            page = self._json(content, path)
            if not isinstance(page, list):
                raise Unreachable(f"{self._forge}: GET {path}: the answer is no list", path=path)
            yield from (row for row in page if isinstance(row, dict))
            following = answer.links.get("next", {}).get("url", "")
            if not following:
                return
            if not following.startswith(f"{self.base_url}/"):  # it would get the token
                raise Unreachable(
                    f"{self._forge}: GET {path}: its next page is said to be elsewhere", path=path
                )
            path, query = following[len(self.base_url) :], None
        raise Unreachable(f"{self._forge}: GET {path}: there is no end of pages", path=path)

    def write(self, method: str, path: str, body: Row | None = None, *, again: bool = False) -> Row:
        """Sends. `again`: to send it twice does the same as once. What was turned away because of
        the rate had no effect, and is always sent again.
        """
        return self._row(self._patiently(method, path, body=body, again=again)[1], path)

    def _patiently(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None = None,
        body: Row | None = None,
        *,
        again: bool,
    ) -> tuple[httpx.Response, bytes]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._exchange(method, path, params, body, {})
            except Unreachable as error:
                wait = error.retry_after
                if wait is None:
                    wait = 0.1 * 2**attempt * (1 + random.random())
                turned_away = error.status in (403, 429)
                if attempt == ATTEMPTS or wait > PATIENCE or not (again or turned_away):
                    raise
                self._sleep(wait)
        raise AssertionError("not reached")

    # --- answers ---

    def _json(self, content: bytes, path: str) -> Any:
        try:
            return json.loads(content) if content.strip() else {}
        except (ValueError, RecursionError):
            said = self._redact(content.decode(errors="replace"))[:80]
            raise Unreachable(
                f"{self._forge}: {path}: the answer is not JSON: {said!r}", path=path
            ) from None

    def _row(self, content: bytes, path: str) -> Row:
        found = self._json(content, path)
        return found if isinstance(found, dict) else {}

    def _error(self, answer: httpx.Response, content: bytes, method: str, path: str) -> ApiError:
        status, place = answer.status_code, path.partition("?")[0]
        where: dict[str, Any] = {"status": status, "method": method, "path": place}
        said = self._redact(answers.detail(content))[:MAX_DETAIL]
        message = self._redact(f"{self._forge}: {method} {place}: {status} {answer.reason_phrase}")
        message = message.rstrip() + (f": {said}" if said else "")
        if status == 429 or (status == 403 and _limited(answer, said)):
            wait = _wait(answer)
            return Unreachable(f"{message} (for another {wait:.0f}s)", retry_after=wait, **where)
        refused = "The request was refused; it had no effect."
        if 300 <= status < 400:
            return ApiError(
                f"{message}: it has moved; the token is not taken there",
                **where,
                safe=refused,
                next="Name the repository as it is called now: --repo.",
            )
        if not answers.is_refusal(status):
            return Unreachable(message, retry_after=_asked(answer), **where)
        if status == 401:
            return AuthError(
                message, **where, safe=refused, next=f"Set {self._token_name} to a valid token."
            )
        if status == 403:
            return AuthError(message, **where, safe=refused, next=f"Give the token {self._needs}.")
        if status == 404:
            missing = f"Check --repo, and that the token has {self._needs}."
            return NotFound(message, **where, safe=refused, next=missing)
        return ApiError(message, **where, safe=refused, next="Mend what the answer names.")


def _limited(answer: httpx.Response, said: str) -> bool:
    """Whether a 403 is about the rate, and not about what the token may do."""
    asked = "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    return asked or "rate limit" in said.lower()


def _wait(answer: httpx.Response) -> float:
    """How long to keep still, in seconds."""
    if (asked := _asked(answer)) is not None:
        return asked
    reset = answer.headers.get("x-ratelimit-reset") or answer.headers.get("ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining", "0") == "0" and reset.isdecimal():
        return max(0.0, float(reset[:12]) - time.time())
    return MINUTE


def _asked(answer: httpx.Response) -> float | None:
    # Not `answers.retry_after`, which cuts it to what a read of a plan may wait: who asks again
    # before the time may be shut out.
    seconds = answer.headers.get("retry-after", "")
    return float(seconds[:12]) if seconds.isdecimal() else None


def words_at(row: Row, *keys: str) -> str:
    """The text under `keys`, one within the other; empty where there is none."""
    found: object = row
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def number_at(row: Row, key: str) -> int:
    """The number under `key`. Unreachable where there is none: such an answer is no answer."""
    found = row.get(key)
    if not isinstance(found, int):
        raise Unreachable(f"an answer without {key}")
    return found
