"""Filters in the manner of MongoDB, as automations and lists take them."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: value == wanted,
    "$ne": lambda value, wanted: value != wanted,
    "$in": lambda value, wanted: value in wanted,
    "$nin": lambda value, wanted: value not in wanted,
    "$gt": lambda value, wanted: value is not None and value > wanted,
    "$gte": lambda value, wanted: value is not None and value >= wanted,
    "$lt": lambda value, wanted: value is not None and value < wanted,
    "$lte": lambda value, wanted: value is not None and value <= wanted,
    "$contains": lambda value, wanted: value is not None and wanted in value,
    "$exists": lambda value, wanted: (value is not None) is bool(wanted),
    "$regex": lambda value, wanted: value is not None and _found(wanted, value),
}


# Searched for, it could take Python hours, or have it print a warning. What else is a choice is
# counted.
_RISKY = re.compile(r"\)[*+{]|\[\^?[^\]]*\[|--|&&|~~|\|\|")
_CHOICES, _UNBOUNDED = re.compile(r"[*+?{|]"), re.compile(r"[*+{]")
_LONGEST = 128  # characters


def _found(pattern: str, text: str) -> bool:
    """As MongoDB searches; whether the real server anchors, and its dialect, are unknown."""
    long = max(len(pattern), len(text)) > _LONGEST
    choices = len(_CHOICES.findall(pattern)) + 3 * len(_UNBOUNDED.findall(pattern))
    if long or choices > 16 or _RISKY.search(pattern):
        raise ValueError("this emulator runs no such regular expression")
    try:
        return re.search(pattern, text) is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"invalid regular expression {pattern!r}: {error}") from error


def parse_filter(text: str | None) -> Any:
    """The filter in a JSON string; ValueError for another text. None and "" match everything."""
    try:
        return json.loads(text) if text else {}
    except RecursionError as error:
        raise ValueError("a filter that is nested too deep") from error


def matches(wanted: Any, document: Mapping[str, Any]) -> bool:
    """Whether a filter matches; ValueError for one that says nothing that is known here."""
    try:
        return _matches(wanted, document)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"a filter that cannot be followed: {error}") from error


def _matches(wanted: Any, document: Mapping[str, Any]) -> bool:
    if not isinstance(wanted, Mapping):
        raise ValueError(f"a filter is an object, not {wanted!r}")
    return all(_holds(key, value, document) for key, value in wanted.items())


def _holds(key: str, value: Any, document: Mapping[str, Any]) -> bool:
    if key == "$and":
        return all(_matches(one, document) for one in value)
    if key == "$or":
        return any(_matches(one, document) for one in value)
    if key == "$nor":
        return not any(_matches(one, document) for one in value)
    if key == "$not":
        return not _matches(value, document)
    if key.startswith("$"):
        raise ValueError(f"unknown operator {key}")
    return _fits(document.get(key), value)


def _fits(value: Any, condition: Any) -> bool:
    """A list fits when one of its elements does."""
    if isinstance(value, list):
        return any(_fits(one, condition) for one in value)
    if not isinstance(condition, Mapping):
        return bool(value == condition)
    for operator, wanted in condition.items():
        if operator == "$not":
            if _fits(value, wanted):
                return False
        elif operator not in _OPERATORS:
            raise ValueError(f"unknown operator {operator}")
        elif not _OPERATORS[operator](value, wanted):
            return False
    return True
