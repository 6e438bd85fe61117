"""The types of single values in specifications, and how they are spelled."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic_core import PydanticCustomError


class ExternalText(str):
    """Text that a `${…}` put in: it may stand for a number or a boolean, as YAML text may not."""

    __slots__ = ()


def _number(value: object) -> object:
    if isinstance(value, ExternalText) and re.fullmatch(r"[+-]?\d+", value):
        return int(value)
    return value


def _float(value: object) -> object:
    if isinstance(value, ExternalText) and re.fullmatch(r"[+-]?\d+(\.\d+)?", value):
        return float(value)
    return value


def _boolean(value: object) -> object:
    if isinstance(value, ExternalText) and value in ("true", "false"):
        return value == "true"
    return value


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> int:
    """Seconds of `90s`, `5m`, `1h30m` or `2d`. PydanticCustomError for anything else."""
    text = str(value) if isinstance(value, str) else ""
    parts = re.findall(r"(\d+)([smhd])", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        bare = isinstance(value, int) and not isinstance(value, bool)
        example = f"{value}s" if bare else "90s, 5m or 1h30m"
        raise PydanticCustomError(
            "duration", "a duration needs a unit: write {example}", {"example": example}
        )
    return sum(int(n) * _UNITS[u] for n, u in parts)


def format_duration(seconds: int) -> str:
    """The shortest spelling that `parse_duration` reads back: `90s`, `5m`, `1h30m`."""
    rest, text = seconds, ""
    for unit in "dhms":
        count, rest = divmod(rest, _UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text or "0s"


NO_JSON = "json"  # the type of the problem


def _json(value: object) -> object:
    """`value` if JSON can say it: something else stands where a problem was reported."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if value is not None and not isinstance(value, str | int | float | list | dict):
        raise PydanticCustomError(NO_JSON, "JSON has no such value")
    for one in inner:
        _json(one)
    return value


# Any value of JSON. Not pydantic's own type, whose schema refers to itself.
Json = Annotated[Any, AfterValidator(_json)]
Int = Annotated[int, Strict(), BeforeValidator(_number)]
Float = Annotated[float, Strict(), BeforeValidator(_float)]
Bool = Annotated[bool, Strict(), BeforeValidator(_boolean)]
Text = Annotated[str, Strict(), Field(min_length=1)]
# Canonical form: whole seconds. Manifests write `5m`; schemas show the pattern.
Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    Field(json_schema_extra={"type": "string", "pattern": r"^(\d+[smhd])+$", "examples": ["5m"]}),
]
