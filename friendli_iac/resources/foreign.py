"""JSON that others wrote. W&B keeps payloads, filters, metrics and metadata as texts, and whoever
may log or click there may put anything into them.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

DEEPEST = 64  # mappings and lists in one another, as in manifests: more would exhaust the stack
UNREADABLE = "(cannot be read as JSON)"


def loads(text: str | bytes) -> Any:
    """As `json.loads`, but strict: ValueError also for NaN, Infinity and 1e999, which could not be
    written again, and for what is nested so deep that it cannot be read.
    """
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def parsed(value: object) -> Any:
    """What a JSON text stands for; another value is what it is. What is no JSON, or is nested more
    than DEEPEST levels deep, is told as text.
    """
    try:
        found = loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
    if _leaves(found) is not None:
        return found
    return value if isinstance(value, str) else UNREADABLE


def readable(text: object) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The entries of the JSON object in a text, and the names of those that are left out: numbers
    that are not finite, or too large to reckon with, and what is nested too deep. Without an
    object, there are none.
    """
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return {}, ()
    if not isinstance(value, dict):
        return {}, ()
    found = {key: one for key, one in value.items() if _reckonable(one)}
    return found, tuple(sorted(value.keys() - found.keys()))


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number


def _reckonable(value: Any) -> bool:
    leaves = _leaves(value)
    try:
        return leaves is not None and all(isfinite(n) for n in leaves if isinstance(n, int | float))
    except OverflowError:  # no float has room for it
        return False


def _leaves(value: Any) -> list[Any] | None:
    """What is no mapping and no list in a JSON value; None where that is nested too deep."""
    found, level = [], [value]
    for _ in range(DEEPEST + 1):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
            else:
                found.append(one)
        if not inner:
            return found
        level = inner
    return None
