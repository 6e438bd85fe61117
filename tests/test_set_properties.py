"""`set` on random manifests in odd layouts: one value changes, and nothing else does."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from friendli_iac.errors import FriendliIacError
from friendli_iac.manifest.document import Document, split
from friendli_iac.manifest.edit import put, take_out
from friendli_iac.manifest.reader import read

from .strategies import documents

TEXTS = st.one_of(  # `-` is text before a comma, and breaks before a space
    st.sampled_from(["0123456", "1e5", "null", "yes", "a: b", "x #y", "-", "'", '"', "{", "*a"]),
    st.text("ab1.:#-'\"\\{}[],&*!|>%@` é", min_size=1, max_size=8),
)
SCALARS = st.one_of(TEXTS, st.integers(-5, 10**6), st.booleans(), st.floats(0, 1e20))


class Writer:
    """Spells data as YAML in as many ways as `draw` likes."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.step = draw(st.integers(1, 5))

    def maybe(self, *words: str) -> str:
        return self.draw(st.sampled_from(["", *words]))

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            gap, end = self.maybe(" "), self.maybe(" ")
            inner = f",{self.maybe(' ', '  ')}".join(
                f"{key}: {self.flow(one)}" for key, one in value.items()
            )
            return f"{{{gap}{inner}{end}}}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        return self.scalar(value)

    def scalar(self, value: Any) -> str:
        if isinstance(value, str):
            single = "'" + value.replace("'", "''") + "'"
            plain = value if re.fullmatch("[a-z][a-z0-9/-]*[0-9a-z]", value) else single
            plain = (
                single if value in ("yes", "no", "on", "off", "null", "true", "false") else plain
            )
            return self.draw(st.sampled_from([plain, single, json.dumps(value)]))
        return json.dumps(value)

    def block(self, value: dict[str, Any], indent: int) -> list[str]:
        lines = []
        for key, one in value.items():
            pad = " " * indent
            lines += self.draw(
                st.sampled_from([[], [], [""], [f"{pad}# {key}: none"], ["# far left"]])
            )
            name = (
                f"{pad}{self.draw(st.sampled_from([key, key, json.dumps(key)]))}{self.maybe(' ')}:"
            )
            end = self.maybe("  # why", " #", "   ")
            if isinstance(one, dict) and one and self.draw(st.booleans()):
                lines += [f"{name}{end}", *self.block(one, indent + self.step)]
            elif isinstance(one, list) and one and self.draw(st.booleans()):
                dash = self.draw(st.sampled_from([pad, pad + "  "]))
                lines += [name + end, *(f"{dash}- {self.scalar(item)}{end}" for item in one)]
            else:
                lines.append(f"{name}{self.maybe(' ')} {self.flow(one)}{end}")
        return lines


def paths(value: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, one in value.items():
        if isinstance(one, dict):
            found += paths(one, (*above, key))
        elif not isinstance(one, list):
            found.append((*above, key))
    return found


@st.composite
def files(draw: st.DrawFn) -> tuple[Document, dict[str, Any]]:
    """One document of a file with several, and its data."""
    writer = Writer(draw)
    data = draw(documents())
    texts = []
    for one in data:
        lines = writer.block(one, 0)
        texts.append("\n".join(lines) + writer.maybe("\n", "\n# end", "\n\n  # in\n"))
    text = "\n---\n".join(texts) + writer.maybe("\n")
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    found = list(split("f.yaml", text))
    index = draw(st.integers(0, len(found) - 1))
    assert read(found[index], problems := []) == data[index], (text, problems)
    return found[index], data[index]


def assert_only(changed: Document, document: Document, data: Any, lines: tuple[int, int]) -> None:
    """`data` is what is said now; at most `lines[0]` lines have gone and `lines[1]` have come."""
    assert read(changed, problems := []) == data, problems
    assert changed.text[: changed.start] == document.text[: document.start]
    assert changed.text[changed.end :] == document.text[document.end :]
    old, new = document.content.splitlines(), changed.content.splitlines()
    same = 0
    while old and new and old[0] == new[0]:
        del old[0], new[0]
        same += 1
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    assert len(old) <= lines[0], (old, new)
    assert len(new) <= lines[1], (old, new)
    assert ("\r" in changed.content) == ("\r" in document.content)


@settings(max_examples=50, deadline=None)
@given(files(), SCALARS, st.data())
def test_a_value_that_is_there_changes_alone(
    file: tuple[Document, dict[str, Any]], value: Any, data: st.DataObject
) -> None:
    document, wanted = file
    path = data.draw(st.sampled_from(paths(wanted)))
    changed = put(document, path, value)
    here = wanted
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    assert_only(changed, document, wanted, (1, 1))


@settings(max_examples=50, deadline=None)
@given(files(), SCALARS, st.data())
def test_a_value_that_is_new_comes_in_lines_of_its_own(
    file: tuple[Document, dict[str, Any]], value: Any, data: st.DataObject
) -> None:
    document, wanted = file
    blocks = {path[:depth] for path in paths(wanted) for depth in range(1, len(path))}
    above = data.draw(st.sampled_from(sorted(blocks)))
    path = (*above, *data.draw(st.sampled_from([("new",), ("new", "deep"), ("new", "a", "b")])))
    changed = put(document, path, value)
    here: Any = wanted
    for key in path[:-1]:
        here = here.setdefault(key, {})
    here[path[-1]] = value
    assert_only(changed, document, wanted, (1, 3))


@settings(max_examples=50, deadline=None)
@given(files(), st.data())
def test_a_value_that_is_taken_out_goes_alone(
    file: tuple[Document, dict[str, Any]], data: st.DataObject
) -> None:
    document, wanted = file
    path = data.draw(st.sampled_from([p for p in paths(wanted) if len(p) > 1]))
    try:
        changed = take_out(document, path)
    except FriendliIacError:
        assert len(wanted[path[0]]) == 1  # metadata or spec would be left without a value
        return
    # What is left: without the value, and without the blocks that it was all of.
    for depth in range(len(path) - 1, 0, -1):
        here: Any = wanted
        for key in path[:depth]:
            here = here[key]
        del here[path[depth]]
        if here or depth == 1:
            break
    assert read(changed, problems := []) == wanted, problems
    kept = changed.content.splitlines()
    lost = [line for line in document.content.splitlines() if line not in kept]
    assert len(lost) <= len(path)
    assert all(line.lstrip()[:1] != "#" for line in lost)
