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


def _found(pattern: str, text: str) -> bool:
    """As MongoDB searches; whether the real server anchors, and its dialect, are unknown."""
    try:
        return re.search(pattern, text) is not None
    except re.error as error:
        raise ValueError(f"invalid regular expression {pattern!r}: {error}") from error


def parse_filter(text: str | None) -> Any:
    """The filter in a JSON string; ValueError for another text. None and "" match everything."""
    return json.loads(text) if text else {}


def matches(wanted: Any, document: Mapping[str, Any]) -> bool:
    """Whether a filter matches; ValueError for one that says nothing that is known here."""
    if not isinstance(wanted, Mapping):
        raise ValueError(f"a filter is an object, not {wanted!r}")
    return all(_holds(key, value, document) for key, value in wanted.items())


def _holds(key: str, value: Any, document: Mapping[str, Any]) -> bool:
    if key == "$and":
        return all(matches(one, document) for one in value)
    if key == "$or":
        return any(matches(one, document) for one in value)
    if key == "$nor":
        return not any(matches(one, document) for one in value)
    if key == "$not":
        return not matches(value, document)
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
