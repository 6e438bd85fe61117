"""One YAML document: its text, and where in its file each value stands.

Positions are not kept while reading, which would cost several times the memory of the values. They
are found again, by parsing the one document, when a problem or a plan asks for one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from friendli_iac.errors import Problem
from friendli_iac.resources.secrets import RULE, masked

# libyaml's parser; PyYAML's own, ten times slower, where it was built without.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Keys = tuple[str | int, ...]  # the way to a value: keys of mappings and indices of lists

MAX_DEPTH = 64  # of mappings and lists in one another
MAX_PROBLEMS = 200  # that are told of in one run

_SNIPPET = 160  # characters of a line that a problem shows
# Such a line ends a document wherever it stands, in a block of text and between quotes too
# (YAML 1.2, 9.1.2), so that documents can be told apart before anything is parsed.
_BOUNDARY = re.compile(r"^---(?=\s|\Z)|^\.\.\.[ \t]*(?:#.*)?\r?$", re.MULTILINE)


class Report(list[Problem]):
    """The first MAX_PROBLEMS problems, and how many `more` there were. A line with a secret in it
    is shown by none of them.
    """

    more = 0

    def __init__(self) -> None:
        super().__init__()
        self._secret: set[tuple[str, int]] = set()  # lines, by file

    @property
    def full(self) -> bool:
        return len(self) >= MAX_PROBLEMS

    def append(self, problem: Problem) -> None:
        line = (problem.file, problem.line)
        if problem.rule == RULE and line not in self._secret:
            self._secret.add(line)
            self[:] = [p._replace(snippet="") if p[:2] == line else p for p in self]
        if line in self._secret:
            problem = problem._replace(snippet="")
        if self.full:
            self.more += 1
        else:
            super().append(problem)

    def take(self, other: Report) -> None:
        """Adds all problems of another report."""
        for problem in other:
            self.append(problem)
        self.more += other.more


@dataclass(frozen=True, eq=False, slots=True)
class Document:
    """The part of `text` from `start` to `end`, which begins on line `line` (counted from 0)."""

    file: str
    text: str
    start: int
    end: int
    line: int

    @property
    def content(self) -> str:
        return self.text[self.start : self.end]

    def has(self, path: Keys) -> bool:
        """Whether something is written at `path`."""
        return _find(self, path)[2]

    def place(self, path: Keys = (), *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at `path`, or of its key, or of what is nearest."""
        name, value, _ = _find(self, path)
        return self.mark((name or value) if key else value)

    def mark(self, node: yaml.Node | None) -> tuple[int, int]:
        """Line and column in the file of what was parsed from this document."""
        if node is None or node.start_mark is None:
            return self.line + 1, 1
        return self.line + node.start_mark.line + 1, node.start_mark.column + 1

    def raw(self, path: Keys) -> str | None:
        """The text of the scalar at `path`, as it was written; None for anything else."""
        _, node, exact = _find(self, path)
        return str(node.value) if exact and isinstance(node, yaml.ScalarNode) else None

    def written(self, path: Keys) -> str | None:
        """The value at `path` as it stands there: a scalar, or what is between brackets."""
        _, node, exact = _find(self, path)
        if exact and isinstance(node, yaml.CollectionNode) and node.flow_style:
            return self.content[node.start_mark.index : node.end_mark.index]
        return self.raw(path)

    def problem(
        self, rule: str, message: str, path: Keys = (), *, remedy: str = "", key: bool = False
    ) -> Problem:
        """A problem with the value at `path`, or with its key."""
        return self.problem_at(self.place(path, key=key), rule, message, remedy)

    def problem_at(
        self, place: tuple[int, int], rule: str, message: str, remedy: str = ""
    ) -> Problem:
        """Neither message nor remedy nor line are shown with what looks like a secret."""
        line, column = place
        snippet = "" if rule == RULE else masked(self.line_at(line).rstrip(), _SNIPPET)
        return Problem(self.file, line, column, masked(message), masked(remedy), snippet, rule)

    def line_at(self, line: int) -> str:
        """The text of a line of the file; empty when it is not in this document."""
        lines = _lines(self)
        index = line - self.line - 1
        return lines[index] if 0 <= index < len(lines) else ""


def split(file: str, text: str) -> Iterator[Document]:
    """The documents of a file, in order, so that an error in one leaves the others alone."""
    start = line = 0
    for boundary in _BOUNDARY.finditer(text):
        # `---` belongs to what follows, `...` to what precedes.
        end = boundary.start() if boundary[0] == "---" else boundary.end()
        if end > start:
            yield Document(file, text, start, end, line)
            line += text.count("\n", start, end)
            start = end
    yield Document(file, text, start, len(text), line)


def chain(document: Document, path: Keys) -> list[tuple[Any, yaml.Node]]:
    """The key and the value of each step to `path`, as far as they are there; first the root, which
    has no key. Empty when the document cannot be parsed.
    """
    node = _root(document)
    found: list[tuple[Any, yaml.Node]] = [(None, node)] if node is not None else []
    for step in path:
        pair = _pair(document, node, str(step)) if isinstance(node, yaml.MappingNode) else None
        if pair is None:
            break
        found.append(pair)
        node = pair[1]
    return found


def show(value: object) -> str:
    """A value for a message: quoted, on one line, and never long."""
    if isinstance(value, dict):
        return "a block of keys"
    if isinstance(value, list):
        return "a list"
    text = masked(json.dumps(value, ensure_ascii=False, default=str), 61)
    return text if len(text) <= 60 else text[:56] + '…"'


@lru_cache(maxsize=64)
def _lines(document: Document) -> list[str]:
    return document.content.splitlines()


_Pair = tuple[yaml.Node, yaml.Node]


@lru_cache(maxsize=64)
def _pairs(document: Document) -> dict[yaml.MappingNode, dict[str, _Pair]]:
    """The keys and values of the document's mappings, as far as they have been asked for."""
    return {}


def _pair(document: Document, node: yaml.MappingNode, key: str) -> _Pair | None:
    known = _pairs(document)
    if node not in known:  # of a key that is written twice, the first counts
        known[node] = {k.value: (k, v) for k, v in reversed(node.value) if type(k.value) is str}
    return known[node].get(key)


@lru_cache(maxsize=64)
def _root(document: Document) -> yaml.Node | None:
    content, depth = document.content, 0
    try:
        for event in yaml.parse(content, Loader=Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:  # composing recurses, in C: deep nesting would kill the process
                return None
        return yaml.compose(content, Loader=Loader)
    except yaml.YAMLError:  # its problem has been reported by the reader
        return None


def _find(document: Document, path: Keys) -> tuple[yaml.Node | None, yaml.Node | None, bool]:
    """The key and the value at `path`, or the last that are there, and whether all of it was."""
    name: yaml.Node | None = None
    node = _root(document)
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = _pair(document, node, str(step))
        elif isinstance(node, yaml.SequenceNode) and str(step).isdigit():
            items = node.value[int(step) : int(step) + 1]
            found = (items[0], items[0]) if items else None
        else:
            return name, node, False
        if found is None:
            return name, node, False
        name, node = found
    return name, node, True
