"""Problems in manifests and what the rules of policies find, for a person, for a machine, and for
GitHub's annotations. As SARIF they are in `friendli_iac.review.sarif`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from friendli_iac.core.finding import Finding
from friendli_iac.errors import Problem

FORMAT_VERSION = "1.0"
SHOWN = 10  # annotations of a kind that GitHub shows for a step

Severity = Literal["error", "warning", "note"]
# Where a file is from the root of the repository; empty when it is not in it.
Locate = Callable[[str], str]

_BOLD, _RED, _YELLOW, _BLUE = "\x1b[1m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m"
_RESET = "\x1b[0m"
# What could move the cursor, recolour the terminal, or turn the line around.
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


@dataclass(frozen=True)
class Diagnostic:
    """One thing to tell, at a place. `line` and `column` count from 1; 0 means that there is none.
    `about` is the resource, the field and the rule's own place, where a policy speaks.
    """

    severity: Severity
    rule: str
    file: str
    line: int
    column: int
    message: str
    remedy: str = ""
    snippet: str = ""
    finding: Finding | None = None

    @property
    def place(self) -> str:
        """`file:line:column`, as far as it is known."""
        return ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)])

    @property
    def text(self) -> str:
        """What is wrong, and with what."""
        found = self.finding
        if found is None:
            return self.message
        origin = f", {found.origin}" if found.origin else ""
        exempt = f"; exempt: {found.exempt}" if found.exempt else ""
        about = f"{found.address}: " if found.address else ""
        return f"{about}{self.message} ({self.rule}{origin}){exempt}"


def diagnostics(problems: Sequence[Problem], findings: Sequence[Finding] = ()) -> list[Diagnostic]:
    """All of them, the worst first, otherwise in their order."""
    found = [
        Diagnostic("error", p.rule, p.file, p.line, p.column, p.message, p.remedy, p.snippet)
        for p in problems
    ]
    found += [_of_finding(finding) for finding in findings]
    return sorted(found, key=lambda one: list(_COMMANDS).index(one.severity))


def _of_finding(finding: Finding) -> Diagnostic:
    severity: Severity = "error" if finding.denies else "note" if finding.exempt else "warning"
    # What is nowhere in the manifests is told at the rule.
    file, _, line = (finding.source or finding.origin).rpartition(":")
    number = int(line) if line.isdecimal() else 0
    return Diagnostic(
        severity,
        finding.rule,
        file or line,
        number,
        0,
        finding.message,
        finding.remedy,
        finding=finding,
    )


def render_text(
    problems: Sequence[Problem],
    color: bool = False,
    more: int = 0,
    findings: Sequence[Finding] = (),
) -> str:
    """Each with its line and its remedy, and then how many there are, `more` problems included.

    With `color`, ANSI codes are put in.
    """
    found = diagnostics(problems, findings)
    if not found:
        return "No problems.\n"
    blocks = [_block(one, color) for one in found]
    totals = []
    if problems:
        files = len({problem.file for problem in problems})
        total = f"{_count(len(problems), 'problem')} in {_count(files, 'file')}"
        totals.append(f"{total}, and {more} more that are not shown" if more else total)
    severities = [one.severity for one in found if one.finding]
    for severity, word in (("error", "denied"), ("warning", "warned of"), ("note", "exempt")):
        if severity in severities:
            totals.append(f"{severities.count(severity)} {word}")
    return "\n".join((*blocks, _paint(", ".join(totals), _BOLD, color) + "\n"))


def render_json(
    problems: Sequence[Problem], more: int = 0, findings: Sequence[Finding] = ()
) -> dict[str, Any]:
    """The shape that `terraform validate -json` has, with the rule's id on each problem.

    `more` are counted and not shown.
    """
    found = diagnostics(problems, findings)
    severities = [one.severity for one in found]
    return {
        "format_version": FORMAT_VERSION,
        "valid": "error" not in severities,
        "error_count": severities.count("error") + more,
        "warning_count": severities.count("warning"),
        "diagnostics": [_as_json(one) for one in found],
    }


def render_github(
    problems: Sequence[Problem],
    more: int = 0,
    findings: Sequence[Finding] = (),
    locate: Locate = str,
) -> str:
    """Workflow commands, one a line, that GitHub shows beside the lines of a pull request. It shows
    the first ten of a kind, so the tenth says how many more there are, and how many of them the log
    has.
    """
    found = diagnostics(problems, findings)
    lines = []
    for severity, command in _COMMANDS.items():
        told = [_annotation(one, command, locate) for one in found if one.severity == severity]
        unseen = more if severity == "error" else 0
        hidden = len(told) + unseen - (SHOWN if not unseen and len(told) <= SHOWN else SHOWN - 1)
        if hidden > 0:
            where = f"{hidden - unseen} of them in the log" if unseen else "in the log"
            counted = f"{_count(hidden, f'more {command}')}, {where} of this step"
            told.insert(SHOWN - 1, f"::{command}::{counted}")
        lines += told
    return "".join(f"{line}\n" for line in lines)


def _block(one: Diagnostic, color: bool) -> str:
    mark = {
        "error": _paint("DENIED ", _RED, color) if one.finding else "",
        "warning": _paint("warning ", _YELLOW, color),
        "note": "note ",
    }[one.severity]
    head = f"{_paint(_safe(one.place), _BOLD, color)}: " if one.file else ""
    lines = [f"{head}{mark}{_safe(one.text)}"]
    if one.snippet:
        number = str(one.line)
        before = one.snippet[: one.column - 1]
        bar = _paint("|", _BLUE, color)
        lines.append(f"  {_paint(number, _BLUE, color)} {bar} {_safe(one.snippet)}")
        if 0 < one.column <= len(one.snippet) + 1:
            # Tabs are kept, so that the caret stands where they have moved the text to.
            indent = re.sub(r"[^\t]", " ", before)
            lines.append(f"  {' ' * len(number)} {bar} {indent}{_paint('^', _RED, color)}")
    if one.remedy:
        lines.append(f"  {_safe(one.remedy)}")
    return "\n".join(lines) + "\n"


def _as_json(one: Diagnostic) -> dict[str, Any]:
    place: dict[str, Any] = {"filename": one.file}
    if one.line:
        column = one.column or 1
        end = max(column, len(one.snippet)) + 1
        place["start"] = {"line": one.line, "column": column}
        place["end"] = {"line": one.line, "column": end}
    document = {
        "severity": one.severity,
        "summary": one.message,
        "detail": one.remedy,
        "rule": one.rule,
        "range": place,
        "snippet": one.snippet,
    }
    if (found := one.finding) is not None:
        document |= {
            "address": found.address,
            "path": found.path,
            "origin": found.origin,
            "exempt": found.exempt,
        }
    return document


def _annotation(one: Diagnostic, command: str, locate: Locate) -> str:
    properties = {"title": one.rule}
    if file := locate(one.file) if one.file else "":
        properties["file"] = file
        if one.line:
            properties |= {"line": str(one.line)}
        if one.column:
            properties |= {"col": str(one.column)}
    order = ("file", "line", "col", "title")
    written = ",".join(f"{k}={_property(properties[k])}" for k in order if k in properties)
    message = one.text + (f": {one.remedy}" if one.remedy else "")
    return f"::{command} {written}::{_data(message)}"


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
