"""How a value is written in YAML, so that every reader takes it for what it is."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from friendli_iac.manifest.document import Document
from friendli_iac.manifest.reader import read
from friendli_iac.manifest.scalars import Ambiguous, plain

# What YAML can say on one line.
Value = str | int | float | bool | list[Any] | dict[str, Any]

# What no manifest may hold as it is (see `files.check_characters`), and what would end the line.
_ESCAPED = re.compile(
    "[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


T = TypeVar("T")


def literal(value: T) -> T:
    """`value` as it stands in a manifest for just that, with no variable in it."""
    found: Any = value
    if isinstance(value, str):
        found = value.replace("${", "$${")
    elif isinstance(value, dict):
        found = {key: literal(inner) for key, inner in value.items()}
    elif isinstance(value, list):
        found = [literal(inner) for inner in value]
    return found  # type: ignore[no-any-return]


def scalar(value: Value, *, quote: str = "", flow: bool = False) -> str:
    """`value` as YAML on one line: plain where that can be read in one way only.

    `quote` is the quotation mark that a text gets in any case; `flow`: it stands between braces.
    """
    if isinstance(value, dict):
        inner = (
            f"{scalar(key, quote=quote, flow=True)}: {scalar(one, quote=quote, flow=True)}"
            for key, one in value.items()
        )
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, list):
        return f"[{', '.join(scalar(one, quote=quote, flow=True) for one in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # Some readers take 1e-05 for text: with a fraction, all take it for a number.
        return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
    if quote == "'" and not _ESCAPED.search(value):
        return "'" + value.replace("'", "''") + "'"
    if not quote and _reads_as(value, value, flow):
        return value
    return '"' + _ESCAPED.sub(_escape, re.sub(r'(["\\])', r"\\\1", value)) + '"'


def as_typed(text: str, value: Any) -> str | int | float | bool:
    """What YAML is to say where somebody typed `text` and it stands for `value` (canonical): a
    number or a boolean as it is, and text, such as a duration, as it was typed.
    """
    if isinstance(value, bool):
        return value
    try:
        typed = plain(text)
    except Ambiguous:
        typed = None
    if isinstance(typed, int | float) and not isinstance(value, str) and typed == value:
        return typed
    duration = isinstance(value, int) and re.search("[a-z]", text)
    return value if isinstance(value, int | float) and not duration else literal(text)


def _reads_as(text: str, value: object, flow: bool) -> bool:
    """Whether an unquoted `text` is read as `value`, of the same type, whatever follows it."""
    if _ESCAPED.search(text):
        return False
    ends = (
        ("{{key: {}}}", "{{key: {} }}", "{{key: {}, k: 1}}") if flow else ("key: {}", "key: {} #")
    )
    return all(_read(end.format(text)) == repr(value) for end in ends)


def _read(line: str) -> str:
    """What a block with one key, or two, says at its `key`; empty when it cannot be read."""
    problems: list[Any] = []
    found = read(Document("", line, 0, len(line), 0), problems)
    one = isinstance(found, dict) and found.keys() <= {"key", "k"} and "key" in found
    return repr(found["key"]) if one and not problems else ""


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
