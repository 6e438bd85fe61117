"""One way to speak HTTP: authentication, timeouts, safe retries, a shared pause, plain errors.

Only reads are repeated here. Whether anything else may be sent again is for the executor to find
out, because an answer that was lost does not say whether the request took effect.
"""

from __future__ import annotations

import json
import random
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from friendli_iac import __version__
from friendli_iac.errors import ApiError, AuthError, NotFound, Unreachable, UsageError

# httpx imports its own command line when rich is installed, and that costs more than the rest of
# it. None in sys.modules makes that one import fail, as if rich were not there.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
import httpx  # noqa: E402

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0
READ_ATTEMPTS = 5
LONGEST_PAUSE = 60.0
_AMBIGUOUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class Http:
    """A client that threads share: each gets a connection of its own (measured: faster than one
    shared pool, and simpler). `base_url` must be https, or loopback.
    """

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
        parts = urlsplit(base_url)
        loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            raise UsageError(
                f"the base URL {base_url!r} is not https: the token would travel in the open",
                next="Set FRIENDLI_BASE_URL to an https address, or leave it out.",
            )
        self.base_url = base_url.rstrip("/")
        self._headers = {"User-Agent": f"friendli-iac/{__version__}", **headers}
        self._secrets = tuple(secret for secret in secrets if secret)
        self._trace = trace
        self._sleep = sleep
        self._transport = transport
        self._trust_env = not loopback  # a proxy has no business between us and our own machine
        # One for all threads: to read the certificates takes 20 ms. Plain HTTP needs none.
        self._tls: ssl.SSLContext | bool = (
            httpx.create_ssl_context() if parts.scheme == "https" else False
        )
        self._local = threading.local()
        self._clients: list[httpx.Client] = []
        self._lock = threading.Lock()
        self._pause_until = 0.0
        self.count = 0  # requests sent
        self.last_date = ""  # the Date header of the last answer

    def close(self) -> None:
        """Closes the connections of every thread."""
        with self._lock:
            for client in self._clients:
                client.close()
            self._clients.clear()
            self._local = threading.local()

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """The JSON object at `path`; asked for again, with growing pauses, when no answer comes."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                return self._once("GET", path, params, None, {})
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
        """Sends once. Unreachable means: whether it took effect is not known."""
        return self._once(method, path, None, body, headers or {})

    # --- one exchange ---

    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = httpx.Client(
                base_url=self.base_url,
                headers=self._headers,
                timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
                follow_redirects=False,
                trust_env=self._trust_env,
                verify=self._tls,
                transport=self._transport() if self._transport else None,
            )
            with self._lock:
                self._clients.append(client)
        return client

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> dict[str, Any]:
        wait = self._pause_until - time.monotonic()
        if wait > 0:
            self._sleep(wait)
        with self._lock:
            self.count += 1
        started = time.monotonic()
        status = 0
        try:
            answer = self._client().request(
                method, path, params=params, json=body, headers=dict(headers)
            )
            status = answer.status_code
            self.last_date = answer.headers.get("Date", "")
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Unreachable(
                f"{method} {path}: {self._redact(_words(error))}", method=method, path=path
            ) from error
        finally:
            self._trace(method, path, status, time.monotonic() - started)
        if answer.is_success:
            return self._decoded(answer, method, path)
        raise self._error(answer, method, path)

    def _decoded(self, answer: httpx.Response, method: str, path: str) -> dict[str, Any]:
        if not answer.content.strip():
            return {}
        try:
            value = json.loads(answer.content)
        except ValueError as error:
            raise Unreachable(
                f"{method} {path}: the answer ({answer.status_code}) is not JSON: "
                f"{self._redact(answer.text[:80])!r}",
                status=answer.status_code,
                method=method,
                path=path,
            ) from error
        return value if isinstance(value, dict) else {"data": value}

    def _error(self, answer: httpx.Response, method: str, path: str) -> ApiError:
        status = answer.status_code
        said = self._redact(_detail(answer))
        message = f"{method} {path}: {status} {answer.reason_phrase}".rstrip()
        message += f": {said}" if said else ""
        place = {"status": status, "method": method, "path": path}
        if status in _AMBIGUOUS:
            after = _retry_after(answer)
            if status == 429 and after:  # one limit for all threads: they all wait
                self._pause_until = max(
                    self._pause_until, time.monotonic() + min(after, LONGEST_PAUSE)
                )
            return Unreachable(message, retry_after=after, **place)  # type: ignore[arg-type]
        if status == 401:
            return AuthError(
                message,
                **place,  # type: ignore[arg-type]
                safe="The request was refused; it had no effect.",
                next="Set FRIENDLI_TOKEN to a valid personal API key (flp_…), then run "
                "friendli-iac doctor.",
            )
        if status == 403:
            return AuthError(
                message,
                **place,  # type: ignore[arg-type]
                safe="The request was refused; it had no effect.",
                next="Check FRIENDLI_TEAM_ID and that the token's user is a member of the project: "
                "friendli-iac doctor.",
            )
        if status == 404:
            return NotFound(message, **place)  # type: ignore[arg-type]
        return ApiError(
            message,
            **place,  # type: ignore[arg-type]
            safe="The API refused it; it had no effect.",
            next="Mend what the answer names, and try again.",
        )

    def _redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _words(error: httpx.HTTPError) -> str:
    words: dict[type[httpx.HTTPError], str] = {
        httpx.ConnectTimeout: "no connection in time",
        httpx.ReadTimeout: "no answer in time",
        httpx.ConnectError: "cannot connect",
        httpx.RemoteProtocolError: "the connection was dropped",
        httpx.ReadError: "the connection was dropped",
    }
    kind = words.get(type(error), type(error).__name__)
    return f"{kind} ({error})" if str(error) else kind


def _detail(answer: httpx.Response) -> str:
    """What the API says of its refusal: three shapes and plain text are in use."""
    try:
        body = json.loads(answer.content)
    except ValueError:
        return " ".join(answer.text.split())[:300]
    if isinstance(body, dict):
        error = body.get("error")
        body = body.get("detail") or body.get("message") or error or body
        if isinstance(error, dict):
            body = error.get("message") or error
    if isinstance(body, list):
        parts = [
            f"{'.'.join(map(str, item.get('loc', ())))}: {item.get('msg', '')}"
            for item in body
            if isinstance(item, dict)
        ]
        return "; ".join(parts)[:300]
    return str(body)[:300]


def _retry_after(answer: httpx.Response) -> float | None:
    value = answer.headers.get("Retry-After", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
