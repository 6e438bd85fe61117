"""What a plain (unquoted) YAML scalar stands for: never something that readers disagree about."""

from __future__ import annotations

import math
import re
from functools import lru_cache

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
_BOOLEANS["FALSE"] = False
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INT = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?(0|[1-9][0-9]*)\.[0-9]+([eE][+-][0-9]+)?")
_LONGEST_INT = 4000  # digits; Python refuses to convert more than 4,300

# Read as text by some YAML versions and libraries, and as something else by others. Each comes
# with what people have been bitten by.
_AMBIGUOUS = (
    (re.compile(r"(?i:yes|no|on|off|y|n)"), "YAML 1.1 reads it as a boolean"),
    (re.compile(r"[+-]?0[0-9_]+"), "YAML 1.1 reads it as an octal number"),
    (re.compile(r"[+-]?0[oxb][0-9a-fA-F_]+"), "some readers take it for a number"),
    (re.compile(r"[+-]?[0-9][0-9_]*(:[0-9]{1,2})+(\.[0-9_]*)?"), "YAML 1.1 reads it in base 60"),
    (re.compile(r"[+-]?[0-9][0-9_.]*_[0-9_.]*"), "YAML 1.1 reads it as a number"),
    (
        re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(([Tt]|[ \t]+)[0-9].*)?"),
        "YAML 1.1 reads it as a date",
    ),
    (
        re.compile(r"[+-]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][+-]?[0-9]+)?"),
        "readers disagree on whether it is a number",
    ),
    (re.compile(r"[+-]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), "it is not a finite number"),
    (re.compile(r"=|<<"), "it has a meaning of its own in YAML 1.1"),
)


class Ambiguous(Exception):
    """The scalar means different things to different readers; says to which."""


@lru_cache(maxsize=4096)
def plain(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar. Raises Ambiguous."""
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _NULLS:
        return None
    if _INT.fullmatch(text) and len(text) <= _LONGEST_INT:
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    for pattern, why in _AMBIGUOUS:
        if pattern.fullmatch(text):
            raise Ambiguous(why)
    return text
