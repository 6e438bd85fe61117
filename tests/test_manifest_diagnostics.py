"""Problems as text, as JSON and as GitHub annotations."""

from __future__ import annotations

import json
import re

from friendli_iac.errors import Problem
from friendli_iac.review.diagnostics import render_github, render_json, render_text

PROBLEM = Problem(
    file="chat.yaml",
    line=12,
    column=17,
    message='maxReplicas must be a whole number, not "two"',
    remedy="write a number",
    snippet="    maxReplicas: two",
    rule="type",
)
NOWHERE = Problem("--var", 0, 0, "no manifest uses a variable x", "leave it out", rule="variable")


def test_text_shows_the_line_with_a_caret_and_the_remedy() -> None:
    assert render_text([PROBLEM, NOWHERE], color=False) == (
        'chat.yaml:12:17: maxReplicas must be a whole number, not "two"\n'
        "  12 |     maxReplicas: two\n"
        "     |                 ^\n"
        "  write a number\n"
        "\n"
        "--var: no manifest uses a variable x\n"
        "  leave it out\n"
        "\n"
        "2 problems in 2 files\n"
    )
    assert render_text([NOWHERE]).endswith("\n1 problem in 1 file\n")
    assert render_text([]) == "No problems.\n"


def test_text_in_colour_says_the_same() -> None:
    coloured = render_text([PROBLEM], color=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render_text([PROBLEM])


def test_text_cannot_drive_the_terminal() -> None:
    evil = Problem("a\x1b[2J", 1, 2, "b\r\nc\x9b", "d\u202e", "\te\x07", "type")
    text = render_text([evil])
    assert not set(text) & set("\x1b\r\x9b\u202e\x07")
    assert "\n    | \t^\n" in text  # the tab moves the caret as it moves the text


def test_json_has_the_shape_that_tools_know() -> None:
    document = render_json([PROBLEM, NOWHERE])
    assert json.loads(json.dumps(document)) == {
        "format_version": "1.0",
        "valid": False,
        "error_count": 2,
        "warning_count": 0,
        "diagnostics": [
            {
                "severity": "error",
                "summary": 'maxReplicas must be a whole number, not "two"',
                "detail": "write a number",
                "rule": "type",
                "range": {
                    "filename": "chat.yaml",
                    "start": {"line": 12, "column": 17},
                    "end": {"line": 12, "column": 21},
                },
                "snippet": "    maxReplicas: two",
            },
            {
                "severity": "error",
                "summary": "no manifest uses a variable x",
                "detail": "leave it out",
                "rule": "variable",
                "range": {"filename": "--var"},
                "snippet": "",
            },
        ],
    }
    assert render_json([]) == {
        "format_version": "1.0",
        "valid": True,
        "error_count": 0,
        "warning_count": 0,
        "diagnostics": [],
    }


def test_github_annotations_are_escaped() -> None:
    evil = Problem("a:b,c%.yaml", 3, 4, "100%\r\n::error::x", "do, this", rule="r:1")
    assert render_github([evil, NOWHERE]) == (
        "::error file=a%3Ab%2Cc%25.yaml,line=3,col=4,title=r%3A1"
        "::100%25%0D%0A::error::x: do, this\n"
        "::error file=--var,title=variable::no manifest uses a variable x: leave it out\n"
    )
