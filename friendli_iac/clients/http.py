"""One way to speak HTTP: authentication, timeouts, safe retries, a shared pause, plain errors.

Only reads are repeated here. Whether anything else may be sent again is for the executor to find
out, because an answer that was lost does not say whether the request took effect.
"""

from __future__ import annotations

import json
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from friendli_iac import __version__
from friendli_iac.clients import address, answers
from friendli_iac.clients.answers import LONGEST_PAUSE
from friendli_iac.errors import ApiError, AuthError, NotFound, Unreachable, UsageError
from friendli_iac.resources.foreign import loads

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # for each piece of an answer
READ_ATTEMPTS = 5
MAX_DETAIL = 300  # characters of what the API says that an error repeats

_TIMEOUT = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT).as_dict()
_TOKEN = re.compile("[!-~]+")
_HEADER = re.compile("[ -~]*")


class Http:
    """A client that threads share: each gets a connection of its own (measured: faster than one
    shared pool, and simpler). `base_url` must be https, or loopback. `secrets` are the tokens in
    `headers`, which no error shows. `sleep` may raise, to call off what waits for its turn.
    """

    variable = "FRIENDLI_BASE_URL"  # where the address is from
    # What to do about a token that cannot be used.
    mend_token = (
        "Copy the personal API key (flp_…) once more, and nothing but it, to FRIENDLI_TOKEN."
    )

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        sleep: Callable[[float], None] = time.sleep,
        transport: Callable[[], httpx.BaseTransport] | None = None,
        secrets: tuple[str, ...] = (),
        trace: Callable[[str, str, int, float], None] = lambda method, path, status, seconds: None,
    ) -> None:
        self.base_url = address.checked(base_url, self.variable)
        parts = urlsplit(self.base_url)
        loopback = parts.hostname in address.LOOPBACK
        _check_token(secrets, self.mend_token)
        for name, value in headers.items():
            _check_header(name, value)
        self._headers = {
            "User-Agent": f"friendli-iac/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            **headers,
        }
        self._secrets = tuple(secret for secret in secrets if secret)
        self._trace = trace
        self._sleep = sleep
        self._transport = transport
        # A proxy has no business between us and our own machine.
        self._proxy = None if loopback else address.proxy(parts.scheme, parts.hostname or "")
        # One for all threads: to read the certificates takes 20 ms. Plain HTTP needs none.
        self._tls: ssl.SSLContext | bool = (
            httpx.create_ssl_context() if parts.scheme == "https" else False
        )
        self._local = threading.local()
        self._connections: list[httpx.BaseTransport] = []
        self._lock = threading.Lock()
        self._pause_until = 0.0
        self.count = 0  # requests sent
        self.last_date = ""  # the Date header of the last answer

    def use_team(self, team: str) -> None:
        """Sends `team` with every request from now on. Before the first one."""
        _check_header("X-Friendli-Team", team)
        self._headers["X-Friendli-Team"] = team

    def close(self) -> None:
        """Closes the connections of every thread."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        flaw: Callable[[dict[str, Any]], str] = lambda answer: "",
    ) -> dict[str, Any]:
        """The JSON object at `path`; asked for again, with growing pauses, when no answer comes.

        `flaw` says what makes an answer unusable, if something does: that counts as none.
        """

        def once() -> dict[str, Any]:
            answer = self._once("GET", path, params, None, {})
            if wrong := flaw(answer):
                raise Unreachable(f"GET {path}: {wrong}", method="GET", path=path)
            return answer

        return self._repeated(once)

    def _repeated(self, once: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer of a read, asked for until one comes."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                return once()
            except Unreachable as error:
                if attempt == READ_ATTEMPTS:
                    raise
                pause = 0.2 * 2**attempt * (1 + random.random())
                self._sleep(min(LONGEST_PAUSE, max(pause, error.retry_after or 0)))
        raise AssertionError("not reached")

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Sends once. Unreachable means: whether it took effect is not known; with status 429, that
        it was turned away, as here while the API wants a pause: later, it may be another one's.
        """
        if (wait := self._pause_until - time.monotonic()) > 0:
            raise Unreachable(
                f"{method} {path}: not sent, the API wants a pause of {wait:.0f}s",
                status=429,
                method=method,
                path=path,
                retry_after=wait,
            )
        return self._once(method, path, None, body, headers or {})

    def ask(self, path: str, body: Mapping[str, Any], timeout: float) -> tuple[dict[str, Any], str]:
        """Posts once, and gives the answer up after `timeout` seconds. The answer and its text."""
        answer = self._once("POST", path, None, body, {}, httpx.Timeout(timeout).as_dict())
        return answer, json.dumps(answer, ensure_ascii=False)

    # --- one exchange ---

    def _connection(self) -> httpx.BaseTransport:
        """This thread's. Not a whole httpx.Client: we need no cookies and follow no redirects, and
        a thousand reads take a third less without them.
        """
        found: httpx.BaseTransport | None = getattr(self._local, "connection", None)
        if found is None:
            found = (
                self._transport()
                if self._transport
                else httpx.HTTPTransport(verify=self._tls, proxy=self._proxy)
            )
            self._local.connection = found
            with self._lock:
                self._connections.append(found)
        return found

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        timeout: Mapping[str, float | None] | None = None,
    ) -> dict[str, Any]:
        answer, content = self._exchange(method, path, params, body, headers, timeout)
        return self._decoded(content, answer.status_code, method, path)

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        timeout: Mapping[str, float | None] | None = None,
    ) -> tuple[httpx.Response, bytes]:
        """One request, and the answer that says that it was done, with its body."""
        self._await_pause()
        with self._lock:
            self.count += 1
        started = time.monotonic()
        status = 0
        try:
            request = httpx.Request(
                method,
                self.base_url + path,
                params=params,
                json=body,
                headers={**self._headers, **headers},
                extensions={"timeout": timeout or _TIMEOUT},
            )
            answer = self._connection().handle_request(request)
            content = answers.body(answer)
            status = answer.status_code
            self.last_date = answer.headers.get("Date", "")
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._unreachable(answers.words(error), method, path) from error
        finally:
            self._trace(method, path, status, time.monotonic() - started)
        if answer.is_success:
            return answer, content
        raise self._error(answer, content, method, path)

    def _await_pause(self) -> None:
        """Sleeps through the pause that all threads share, and through one that came meanwhile."""
        until = 0.0
        while until < self._pause_until:
            until = self._pause_until
            if (wait := until - time.monotonic()) > 0:
                self._sleep(wait)

    def _decoded(self, content: bytes, status: int, method: str, path: str) -> dict[str, Any]:
        if not content.strip():
            return {}
        try:
            value = loads(content)
        except ValueError:
            value = content  # reported below, as a list and a number are
        if isinstance(value, dict):
            return value
        if value is None:  # how some servers write that there is nothing to say
            return {}
        said = self._redact(content.decode(errors="replace"))[:80]
        what = f"the answer ({status}) is not a JSON object: {said!r}"
        raise self._unreachable(what, method, path, status=status)

    def _unreachable(
        self, what: str, method: str, path: str, *, status: int = 0, after: float | None = None
    ) -> Unreachable:
        """No usable answer: it says who gave none, and where another address is said."""
        return Unreachable(
            self._redact(f"{method} {self.base_url}{path}: {what}"),
            status=status,
            method=method,
            path=path,
            retry_after=after,
            next="Try again; `friendli-iac doctor` shows what can be reached. "
            f"{self.variable} says where it is.",
        )

    def _error(self, answer: httpx.Response, content: bytes, method: str, path: str) -> ApiError:
        status = answer.status_code
        # First without secrets, then cut: half a token would not be found.
        said = self._redact(answers.detail(content))[:MAX_DETAIL]
        what = f"{status} {answer.reason_phrase}".rstrip() + (f": {said}" if said else "")
        message = self._redact(f"{method} {path}: {what}")
        place: dict[str, Any] = {"status": status, "method": method, "path": path}
        if not answers.is_refusal(status):
            after = answers.retry_after(answer)
            if status == 429 and after:  # one limit for all threads: they all wait
                with self._lock:
                    self._pause_until = max(self._pause_until, time.monotonic() + after)
            return self._unreachable(what, method, path, status=status, after=after)
        if status == 401:
            return AuthError(
                message,
                **place,
                safe="The request was refused; it had no effect.",
                next="Set FRIENDLI_TOKEN to a valid personal API key (flp_…), then run "
                "friendli-iac doctor.",
            )
        if status == 403:
            return AuthError(
                message,
                **place,
                safe="The request was refused; it had no effect.",
                next="Check FRIENDLI_TEAM_ID and that the token's user is a member of the project: "
                "friendli-iac doctor.",
            )
        if status == 404:
            return NotFound(message, **place)
        return ApiError(
            message,
            **place,
            safe="The API refused it; it had no effect.",
            next="Mend what the answer names, and try again.",
        )

    def _redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


# httpx shows in its errors what it cannot put into a header.


def _check_token(secrets: tuple[str, ...], mend: str) -> None:
    if not all(_TOKEN.fullmatch(secret) for secret in secrets if secret):
        raise AuthError(
            "the token holds a space, a line break, or a character that is not ASCII",
            safe="Nothing was sent.",
            next=mend,
        )


def _check_header(name: str, value: str) -> None:
    if not _HEADER.fullmatch(value):
        raise UsageError(
            f"the header {name} cannot hold a line break or a character that is not ASCII",
            next="Correct the setting that it comes from, such as FRIENDLI_TEAM_ID.",
        )
