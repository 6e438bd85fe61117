"""One spelling of JSON, so that equal things have equal text and equal digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

canonical_json: Callable[[object], str] = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False
).encode


def digest(value: object, length: int = 64) -> str:
    """The SHA-256 of the canonical JSON of `value`, hexadecimal, cut to `length` characters."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
