"""What an answer of HTTP says: its body within bounds, its words, and how long to wait."""

from __future__ import annotations

import json
import math
import time
from email.utils import parsedate_to_datetime

import httpx

LONGEST_PAUSE = 60.0  # seconds; a server that asks for more is asked again after this
BODY_TIMEOUT = 60.0  # seconds
MAX_BODY = 32 * 2**20  # bytes

# 4xx that do not say whether the request was worked on, or may not be meant for ever.
_PASSING = frozenset({408, 425, 429})


def is_refusal(status: int) -> bool:
    """Whether this status says for certain that the request had no effect, and will have none.

    5xx may come after the effect, and so may a redirect (303 does); neither is an answer to us.
    """
    return 400 <= status < 500 and status not in _PASSING


def body(answer: httpx.Response) -> bytes:
    """The whole body. httpx bounds the wait for each piece of it; this bounds all of them."""
    parts: list[bytes] = []
    size, end = 0, time.monotonic() + BODY_TIMEOUT
    try:
        for part in answer.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MAX_BODY:
                raise httpx.DecodingError(f"the answer is larger than {MAX_BODY // 2**20} MiB")
            if time.monotonic() > end:
                raise httpx.ReadTimeout(f"the answer took more than {BODY_TIMEOUT:g} s")
    finally:
        answer.close()
    return b"".join(parts)


def words(error: httpx.HTTPError) -> str:
    """Why there is no answer."""
    known: dict[type[httpx.HTTPError], str] = {
        httpx.ConnectTimeout: "no connection in time",
        httpx.ReadTimeout: "no answer in time",
        httpx.ConnectError: "cannot connect",
        httpx.RemoteProtocolError: "the connection was dropped",
        httpx.ReadError: "the connection was dropped",
        httpx.DecodingError: "no usable answer",
    }
    kind = known.get(type(error), type(error).__name__)
    return f"{kind} ({error})" if str(error) else kind


def detail(content: bytes) -> str:
    """What the API says of its refusal, however long: three shapes and plain text are in use."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return " ".join(content.decode(errors="replace").split())
    if isinstance(said, dict):
        error = said.get("error")
        said = said.get("detail") or said.get("message") or error or said
        if isinstance(error, dict):
            said = error.get("message") or error
    if isinstance(said, list):
        return "; ".join(
            f"{_place(item.get('loc'))}: {item.get('msg', '')}"
            for item in said
            if isinstance(item, dict)
        )
    return str(said)


def _place(loc: object) -> str:
    return ".".join(map(str, loc)) if isinstance(loc, list) else str(loc or "")


def retry_after(answer: httpx.Response) -> float | None:
    """The seconds that the server asks us to wait, within reason; None when it does not say."""
    value = answer.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(LONGEST_PAUSE, max(0.0, seconds)) if math.isfinite(seconds) else None
