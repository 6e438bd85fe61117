"""YAML text to plain data, refusing whatever could mean two things or exhaust the machine.

The data is made from the parser's events. Composing nodes in C recurses: 50,000 nested brackets
overflow its stack and kill the process, where a loop over events stops at the 65th.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml import events

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import MAX_DEPTH, Document, Keys, Loader, show
from friendli_iac.manifest.scalars import Ambiguous, plain

MAX_NODES = 10_000  # in one document, every alias counted as often as it is used


class _Mark:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


EMPTY = _Mark("EMPTY")  # a document without content
INVALID = _Mark("INVALID")  # stands where a problem has been reported, so that no other follows


class _Stop(Exception):
    """The rest of the document cannot be made sense of; the reason has been reported."""


def read(document: Document, report: list[Problem], *, nulls: bool = False) -> Any:
    """The document's data: dict, list, str, int, float or bool; or EMPTY, or INVALID.

    Problems are added to `report`. Keys of dicts are always strings; a value that has a problem is
    INVALID. With `nulls`, a value in a dict may be None.
    """
    try:
        return _Reader(document, report, nulls).data()
    except _Stop:
        return INVALID
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (document.line + mark.line + 1, mark.column + 1) if mark else document.place()
        line = document.line_at(place[0])
        message, remedy = _syntax(error.problem or "", error.context or "", line, place[1] - 1)
        report.append(document.problem_at(place, "yaml-syntax", message, remedy))
        return INVALID


def _syntax(problem: str, context: str, line: str, column: int) -> tuple[str, str]:
    """libyaml's words for a syntax error, in the terms of a person who writes YAML."""
    if line[column : column + 1] == "\t" or "tab character" in problem:
        return "a tab where YAML wants spaces", "indent with spaces"
    if "${" in line:
        message = "not valid YAML here: ${…} between braces or brackets needs quotes"
        return message, 'put it in quotes: "${var.NAME}"'
    for words, message, remedy in _SYNTAX:
        if words in problem:
            return message, remedy
    where = f" ({context})" if context else ""
    return f"not valid YAML: {problem}{where}", "check indentation, quotes and brackets here"


_SYNTAX = (
    (
        "mapping values are not allowed",
        "a second `: ` on one line, or a line that is indented too far",
        "put the value in quotes, or check how this line and the one above are indented",
    ),
    (
        "could not find expected ':'",
        "a key without a `:`",
        "write `key: value`, or indent text that goes on",
    ),
    (
        "cannot start any token",
        "a value cannot begin with this character",
        "put the value in quotes",
    ),
    (
        "unexpected end of stream",
        "quotes that are never closed",
        "close the quotes that were opened further up",
    ),
    (
        "unexpected document indicator",
        "a line `---` between quotes",
        "close the quotes that were opened further up",
    ),
    (
        "<document start>",
        "text that belongs to no document",
        "begin the next document with a line `---`, and leave out directives such as %YAML",
    ),
)


class _Reader:
    def __init__(self, document: Document, report: list[Problem], nulls: bool) -> None:
        self._document = document
        self._report = report
        self._nulls = nulls
        self._next = Loader(document.content).get_event
        self._nodes = 0
        # The containers around the one at hand, each with the key that this one will have in it.
        self._around: list[tuple[Any, Any, str | None, int]] = []

    def data(self) -> Any:
        self._next()  # the start of the stream
        start = self._next()
        if type(start) is events.StreamEndEvent:
            return EMPTY
        if start.version or start.tags:
            self._problem(start, "yaml-directive", "YAML directives are not supported", "remove it")
        root = self._build()
        self._next()  # the end of the document
        rest = self._next()
        if type(rest) is not events.StreamEndEvent:
            self._problem(
                rest, "yaml-syntax", "a second document without a line `---` before it", "add one"
            )
        return root

    def _build(self) -> Any:
        """The one value that comes next, with all that is in it. A loop: depth costs no stack."""
        next_event, around = self._next, self._around
        anchors: dict[str, tuple[Any, int]] = {}
        here: Any = None  # the dict or list at hand
        key: Any = None  # in a dict: the key whose value comes next
        while True:
            event = next_event()
            kind = type(event)
            self._nodes += 1
            if kind is events.ScalarEvent:
                if key is None and type(here) is dict:
                    key = self._key(event, here)
                    continue
                value = self._scalar(event)
                if event.anchor:
                    anchors[event.anchor] = (value, 1)
                if value is None:
                    if here is None:
                        return EMPTY
                    if not self._nulls or type(here) is list:
                        value = self._null(event, type(here) is list)
            elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
                if key is None and type(here) is dict:
                    self._stop(event, "key", "a key must be text", "write the key as a word")
                self._check_tag(event)
                if len(around) >= MAX_DEPTH:
                    self._stop(
                        event, "too-deep", f"nested more than {MAX_DEPTH} levels deep", "flatten it"
                    )
                if event.anchor:
                    anchors.pop(event.anchor, None)
                around.append((here, key, event.anchor, self._nodes))
                here, key = {} if kind is events.MappingStartEvent else [], None
                continue
            elif kind is events.AliasEvent:
                if key is None and type(here) is dict:
                    self._stop(event, "key", "a key cannot be an alias", "write the key out")
                if event.anchor not in anchors:
                    self._stop(
                        event,
                        "alias",
                        f"*{event.anchor} stands for nothing that was written before it",
                        f"mark the value that it should repeat with &{event.anchor}",
                    )
                value, size = anchors[event.anchor]
                self._nodes += size - 1
            else:  # the end of a mapping or of a list
                if type(here) is dict:
                    here.pop(_DROPPED, None)
                value = here
                here, key, anchor, first = around.pop()
                if anchor:
                    anchors[anchor] = (value, self._nodes - first + 1)
            if self._nodes > MAX_NODES:
                self._stop(
                    event,
                    "too-large",
                    f"more than {MAX_NODES:,} values in one document, aliases counted each time",
                    "split the document, or use fewer aliases",
                )
            if here is None:
                return value
            if type(here) is list:
                here.append(value)
            else:
                here[key] = value
                key = None

    def _key(self, event: Any, here: dict[Any, Any]) -> Any:
        text = event.value
        self._check_tag(event)
        if event.implicit[0]:
            try:
                fine = type(plain(text)) is str
            except Ambiguous:
                fine = False
            if text == "<<":
                self._problem(
                    event, "merge-key", "merge keys (<<) are not supported", "repeat the keys"
                )
                return _DROPPED
            if not fine:
                self._problem(
                    event, "key", f"the key {text or '(nothing)'} is not text", f'write "{text}"'
                )
                return _DROPPED
        if text in here:
            first = self._document.place((*self._path(), text))[0]
            self._problem(
                event,
                "duplicate-key",
                f"the key {show(text)} is written twice, first on line {first}",
                "remove one of them",
            )
            return _DROPPED
        return text

    def _scalar(self, event: Any) -> Any:
        if self._check_tag(event):
            return INVALID
        if not event.implicit[0]:
            return event.value
        try:
            return plain(event.value)
        except Ambiguous as why:
            self._problem(
                event,
                "ambiguous-scalar",
                f"{event.value} is ambiguous: {why}",
                f'quote it if it is text: "{event.value}"; if not, write true, false or a'
                " decimal number",
            )
            return INVALID

    def _null(self, event: Any, in_list: bool) -> Any:
        where = "leave it out" if in_list else "leave the key out"
        self._problem(event, "null", "there is no value", f"{where}, or give it a value")
        return INVALID

    def _check_tag(self, event: Any) -> bool:
        """Whether there is a tag, such as `!!int`, which is a problem."""
        if event.tag is None:
            return False
        message = f"tags such as {event.tag[:40]} are not supported"
        self._problem(event, "tag", message, "remove the tag")
        return True

    def _path(self) -> Keys:
        """The way to the container at hand."""
        return tuple(
            len(container) if type(container) is list else key
            for container, key, _, _ in self._around[1:]
        )

    def _problem(self, event: Any, rule: str, message: str, remedy: str) -> None:
        place = self._document.line + event.start_mark.line + 1, event.start_mark.column + 1
        self._report.append(self._document.problem_at(place, rule, message, remedy))

    def _stop(self, event: Any, rule: str, message: str, remedy: str) -> None:
        self._problem(event, rule, message, remedy)
        raise _Stop


_DROPPED = _Mark("DROPPED")  # the key of a value that is read and thrown away
