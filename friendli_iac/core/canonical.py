"""One spelling of JSON, so that equal things have equal text and equal digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

canonical_json: Callable[[object], str] = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def plain(value: Any) -> Any:
    """`value`, and all that is in it, in new dicts and lists, with dataclasses as dicts of their
    fields. As dataclasses.asdict, which copies each text and number and takes five times as long.
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return value


def same(one: object, other: object) -> bool:
    """Whether two JSON values are equal, with 1, 1.0 and true told apart."""
    return canonical_json(one) == canonical_json(other)


def digest(value: object, length: int = 64) -> str:
    """The SHA-256 of the canonical JSON of `value`, hexadecimal, cut to `length` characters."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
