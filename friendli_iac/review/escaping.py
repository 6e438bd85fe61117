"""Texts of others, so that they are only read: not as markup, and not as a reference either.

Hosts look for mentions and links in what their Markdown has become, so that an escaped `@` is one
still. A character without width behind it keeps it from being one, and is not seen.
"""

from __future__ import annotations

import html
import re

NOTHING_WIDE = "&#8203;"
_MARKUP = re.compile(r"([\\`*_\[\]|~$#^{}])")
# A mention, an issue, a merge request, a snippet, a label, an emoji or a web address begins so.
_REFERENCE = re.compile(
    r'([@#!%~$^&](?=[\w"])|\bGH-(?=\d)|:(?=//)|:(?=[\w+-]+:)|\bwww(?=\.))', re.I
)
_START = re.compile(r"(?:[-+=:]|\d+[.)])")  # of a list, a heading or a table
# What a CI system takes for a command to it, in whatever is printed into its log.
_COMMAND = re.compile(r"##(?=\w*\[)")
_MARK = "\x00"  # stands for NOTHING_WIDE while the rest is escaped


def prose(text: str) -> str:
    """`text` as Markdown that shows it, and nothing else, in a line or in the cell of a table."""
    apart = _apart(text)
    safe = _MARKUP.sub(r"\\\1", html.escape(apart, quote=False))
    return (NOTHING_WIDE * bool(_START.match(safe)) + safe).replace(_MARK, NOTHING_WIDE)


def tag(text: str) -> str:
    """`text` for a tag `<code>` that stands in Markdown, where nothing else is looked for."""
    return html.escape(_tame(" ".join(text.split())))


def code(text: str, *, cell: bool = False) -> str:
    """`text` as code, which keeps every character; in a `cell` of a table, too."""
    flat = " ".join(text.split()).replace("<!--", "<!\u200b--")  # nobody takes it for our marker
    flat = _tame(flat)
    if not flat:
        return ""
    fence = "`" * (max(map(len, re.findall("`+", flat)), default=0) + 1)
    pad = " " if flat[0] in "` " or flat[-1] in "` " else ""
    return f"{fence}{pad}{flat}{pad}{fence}".replace("|", "\\|" if cell else "|")


def cut(text: str, most: int | None) -> str:
    """`text` with at most so many characters; None: all of them."""
    return text if most is None or len(text) <= most else f"{text[: max(0, most - 1)]}…"


def _tame(text: str) -> str:
    """`text` without commands to a CI system, for those who print what was kept in a file."""
    return _COMMAND.sub("##\u200b", text)


def _apart(text: str) -> str:
    """`text` in one line, with a mark where a reference would begin."""
    return _REFERENCE.sub(rf"\1{_MARK}", " ".join(text.replace(_MARK, "").split()))
