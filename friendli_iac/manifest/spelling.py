"""How a value is written in YAML, so that every reader takes it for what it is."""

from __future__ import annotations

import re
from typing import Any

from friendli_iac.manifest.document import Document
from friendli_iac.manifest.reader import read
from friendli_iac.manifest.scalars import Ambiguous, plain

# What no manifest may hold as it is (see `files.check_characters`), and what would end the line.
_ESCAPED = re.compile(
    "[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def literal(text: str) -> str:
    """`text` as a value in a manifest that stands for just that, with no variable in it."""
    return text.replace("${", "$${")


def scalar(value: str | int | float | bool, *, quote: str = "", flow: bool = False) -> str:
    """`value` as YAML on one line: plain where that can be read in one way only.

    `quote` is the quotation mark that a text gets in any case; `flow`: it stands between braces.
    """
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
