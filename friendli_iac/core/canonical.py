"""One spelling of JSON, so that equal things have equal text and equal digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

canonical_json: Callable[[object], str] = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def same(one: object, other: object) -> bool:
    """Whether two JSON values are equal, with 1, 1.0 and true told apart."""
    return canonical_json(one) == canonical_json(other)


def digest(value: object, length: int = 64) -> str:
    """The SHA-256 of the canonical JSON of `value`, hexadecimal, cut to `length` characters."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
