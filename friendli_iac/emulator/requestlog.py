"""What was asked of the API, for tests to assert on."""

import json
import re
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from .model import Json

_LOGGED_HEADERS = ("content-type", "idempotency-key", "user-agent", "x-friendli-team")
_CAPACITY = 100_000
_OPERATION = re.compile(r"\s*(query|mutation)?[^{]*\{\s*(?:(\w+)\s*:\s*)?(\w+)")


class RequestLog:
    """The requests to the API since the last `clear`, oldest first; safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Json] = deque(maxlen=_CAPACITY)
        self._seq = 0

    def open(self, scope: Mapping[str, Any], body: bytes, time: float) -> Json:
        """Write down a request that has just come in.

        `status` stays None until it is answered. Of the token only its presence is kept. `graphql`
        is such as `mutation createFilterTrigger`: the kind of operation, and its first field.
        """
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        parsed = _parsed(body)
        entry: Json = {
            "time": time,
            "method": scope["method"],
            "path": scope["path"],
            "query": dict(parse_qsl(query, keep_blank_values=True)),
            "body": parsed,
            "graphql": _operation(parsed) if scope["path"] == "/graphql" else None,
            "headers": {name: headers[name] for name in _LOGGED_HEADERS if name in headers},
            "authorization": "authorization" in headers,
            "status": None,
            "faults": [],
        }
        with self._lock:
            self._seq += 1
            entry = {"seq": self._seq, **entry}
            self._entries.append(entry)
        return entry

    def entries(self) -> list[Json]:
        """Copies of the entries."""
        with self._lock:
            return [dict(entry) for entry in self._entries]

    def clear(self) -> None:
        """Forget all requests; the numbers go on."""
        with self._lock:
            self._entries.clear()


def response_key(body: bytes) -> str:
    """Where the answer to a GraphQL request has its first field: at its alias, if it has one."""
    found = _matched(_parsed(body))
    return (found[2] or found[3]) if found else "result"


def _parsed(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _operation(body: Any) -> str:
    """Of the first operation of a document that begins with one, as those of all our clients do."""
    found = _matched(body)
    return f"{found[1] or 'query'} {found[3]}" if found else "query"


def _matched(body: Any) -> re.Match[str] | None:
    query = body.get("query") if isinstance(body, dict) else None
    return _OPERATION.match(query) if isinstance(query, str) else None
