"""Problems in manifests, for a person, for a machine, and for GitHub's annotations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from friendli_iac.errors import Problem

FORMAT_VERSION = "1.0"

_BOLD, _RED, _BLUE, _RESET = "\x1b[1m", "\x1b[1;31m", "\x1b[1;34m", "\x1b[0m"
# What could move the cursor, recolour the terminal, or turn the line around.
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def render_text(problems: Sequence[Problem], color: bool = False, more: int = 0) -> str:
    """Each problem with its line and its remedy, and then how many there are, `more` included.

    With `color`, ANSI codes are put in.
    """
    blocks = [_block(problem, color) for problem in problems]
    if not problems:
        return "No problems.\n"
    files = len({problem.file for problem in problems})
    total = f"{_count(len(problems), 'problem')} in {_count(files, 'file')}"
    if more:
        total = f"{total}, and {more} more that are not shown"
    return "\n".join((*blocks, _paint(total, _BOLD, color) + "\n"))


def render_json(problems: Sequence[Problem], more: int = 0) -> dict[str, Any]:
    """The shape that `terraform validate -json` has, with the rule's id on each problem.

    `more` are counted and not shown.
    """
    return {
        "format_version": FORMAT_VERSION,
        "valid": not problems,
        "error_count": len(problems) + more,
        "warning_count": 0,
        "diagnostics": [_diagnostic(problem) for problem in problems],
    }


def render_github(problems: Sequence[Problem], more: int = 0) -> str:
    """Workflow commands, one a line, that GitHub shows beside the lines of a pull request."""
    rest = f"::error::{more} more problems are not shown\n" if more else ""
    return "".join(f"{_annotation(problem)}\n" for problem in problems) + rest


def _block(problem: Problem, color: bool) -> str:
    lines = [f"{_paint(_safe(problem.place), _BOLD, color)}: {_safe(problem.message)}"]
    if problem.snippet:
        number = str(problem.line)
        before = problem.snippet[: problem.column - 1]
        bar = _paint("|", _BLUE, color)
        lines.append(f"  {_paint(number, _BLUE, color)} {bar} {_safe(problem.snippet)}")
        if 0 < problem.column <= len(problem.snippet) + 1:
            # Tabs are kept, so that the caret stands where they have moved the text to.
            indent = re.sub(r"[^\t]", " ", before)
            lines.append(f"  {' ' * len(number)} {bar} {indent}{_paint('^', _RED, color)}")
    if problem.remedy:
        lines.append(f"  {_safe(problem.remedy)}")
    return "\n".join(lines) + "\n"


def _diagnostic(problem: Problem) -> dict[str, Any]:
    place: dict[str, Any] = {"filename": problem.file}
    if problem.line:
        end = max(problem.column, len(problem.snippet)) + 1
        place["start"] = {"line": problem.line, "column": problem.column}
        place["end"] = {"line": problem.line, "column": end}
    return {
        "severity": "error",
        "summary": problem.message,
        "detail": problem.remedy,
        "rule": problem.rule,
        "range": place,
        "snippet": problem.snippet,
    }


def _annotation(problem: Problem) -> str:
    properties = {"file": problem.file, "title": problem.rule}
    if problem.line:
        properties |= {"line": str(problem.line), "col": str(problem.column)}
    order = ("file", "line", "col", "title")
    written = ",".join(f"{k}={_property(properties[k])}" for k in order if k in properties)
    message = problem.message + (f": {problem.remedy}" if problem.remedy else "")
    return f"::error {written}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _safe(text: str) -> str:
    return _UNPRINTABLE.sub("�", text)


def _paint(text: str, code: str, color: bool) -> str:
    return f"{code}{text}{_RESET}" if color else text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
