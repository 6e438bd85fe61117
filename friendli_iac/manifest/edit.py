"""One value of a YAML document put in, changed or taken out; all other text stays as it is.

The text is cut at the marks of the parser. What comes out is read again and compared: where a
value other than the one that is meant would change, as layouts exist that nobody thought of, the
document is left alone.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, NoReturn

import yaml

from friendli_iac.errors import FriendliIacError
from friendli_iac.manifest.document import Document, Keys, chain
from friendli_iac.manifest.reader import EMPTY, INVALID, read
from friendli_iac.manifest.spelling import Value, scalar

Pair = tuple[Any, Any]  # of nodes: a key, and its value
_STEP = 2  # columns, where the file does not show how far it indents


def put(document: Document, path: Keys, value: Value) -> Document:
    """`document` with `value` at `path`; blocks that are missing are made.

    FriendliIacError, naming the line, where that cannot be done without touching something else.
    """
    nodes: list[Pair] = chain(document, path)
    _check(document, path, nodes)
    content = document.content
    if len(nodes) > len(path):
        node = nodes[-1][1]
        start, end = _span(node)
        quote = getattr(node, "style", None) or ""
        text = scalar(value, quote=quote if isinstance(value, str) else "", flow=_in_flow(nodes))
        space = " " if start == end and content[start - 1 : start] == ":" else ""
        changed = content[:start] + space + text + content[end:]
    else:
        changed = _inserted(document, path, nodes, value)
    wanted = copy.deepcopy(_data(document))
    here = wanted
    for key in path[:-1]:
        here = here.setdefault(key, {})
    here[path[-1]] = value
    return _verified(document, path, changed, wanted)


def take_out(document: Document, path: Keys) -> Document:
    """`document` without the value at `path`, and without the blocks that this leaves empty.

    FriendliIacError where it is not there, or cannot go without touching something else.
    """
    nodes: list[Pair] = chain(document, path)
    _check(document, path, nodes, scalars_only=False)
    if len(nodes) <= len(path):
        _fail(document, path, "it is not written here")
    wanted = copy.deepcopy(_data(document))
    depth = len(path)
    while depth > 2 and len(nodes[depth - 1][1].value) == 1:
        depth -= 1  # the block would be left empty, which is no value
    here = wanted
    for key in path[: depth - 1]:
        here = here[key]
    del here[path[depth - 1]]
    parent: Any = nodes[depth - 1][1]
    cut = _cut_flow if parent.flow_style else _cut_lines
    return _verified(document, path, cut(document, path, nodes, depth), wanted)


def _inserted(document: Document, path: Keys, nodes: list[Pair], value: Value) -> str:
    """The content with the keys that are missing from `path`, at the end of the last block."""
    content, parent = document.content, nodes[-1][1]
    missing = [str(key) for key in path[len(nodes) - 1 :]]
    if not isinstance(parent, yaml.MappingNode):
        _fail(document, path, "the value above it is no block of keys")
    entries: list[Pair] = parent.value
    if parent.flow_style or not entries:
        quote = '"' if entries and entries[-1][0].style == '"' else ""  # it may be JSON
        text = scalar(value, quote=quote, flow=True)
        for key in reversed(missing[1:]):
            text = f"{{{scalar(key, quote=quote, flow=True)}: {text}}}"
        text = f"{scalar(missing[0], quote=quote, flow=True)}: {text}"
        if not entries:
            at = _span(parent)[0] + 1
            return content[:at] + text + content[at:]
        if _is_alias(*entries[-1]):
            _fail(document, path, "the value before it is an alias")
        at = _span(entries[-1][1])[1]
        return content[:at] + ", " + text + content[at:]
    column, step = entries[0][0].start_mark.column, _step(nodes)
    lines = content.splitlines(keepends=True)
    after = _last_line(*entries[-1])
    ends = "\r\n" if "\r\n" in document.text else "\n"
    block = [" " * (column + step * index) + scalar(key) + ":" for index, key in enumerate(missing)]
    block[-1] += " " + scalar(value)
    if lines[after].endswith("\n"):
        new = [line + ends for line in block]
    else:  # the file ends here without a line break, and goes on doing so
        new = [ends + ends.join(block)]
    return "".join([*lines[: after + 1], *new, *lines[after + 1 :]])


def _cut_lines(document: Document, path: Keys, nodes: list[Pair], depth: int) -> str:
    """The content without the lines of the pairs from `depth` down."""
    lines = document.content.splitlines(keepends=True)
    gone: set[int] = set()
    for key, node in nodes[depth:]:
        if lines[key.start_mark.line][: key.start_mark.column].strip():
            _fail(document, path, "it shares its line with something else")
        last = _last_line(key, node) if node is nodes[-1][1] or node.flow_style else 0
        gone.update(range(key.start_mark.line, max(last, key.start_mark.line) + 1))
        if getattr(node, "flow_style", False):
            break
    return "".join(line for index, line in enumerate(lines) if index not in gone)


def _cut_flow(document: Document, path: Keys, nodes: list[Pair], depth: int) -> str:
    """The content without a pair between braces, and its comma."""
    content, entries = document.content, nodes[depth - 1][1].value
    index = next(i for i, (key, _) in enumerate(entries) if key is nodes[depth][0])
    if index:
        start, end = _span(entries[index - 1][1])[1], _span(entries[index][1])[1]
    elif len(entries) > 1:
        start, end = _span(entries[0][0])[0], _span(entries[1][0])[0]
    else:
        start, end = _span(entries[0][0])[0], _span(entries[0][1])[1]
    if "\n" in content[start:end]:
        _fail(document, path, "it shares its lines with something else")
    return content[:start] + content[end:]


def _check(document: Document, path: Keys, nodes: list[Pair], *, scalars_only: bool = True) -> None:
    """Fails for what is written in a way that an edit would spoil."""
    if not nodes or not isinstance(nodes[0][1], yaml.MappingNode):
        _fail(document, path, "the document cannot be read")
    content = document.content
    for key, node in nodes[1:]:
        start, _ = _span(node)
        if _is_alias(key, node):
            _fail(document, path, f"{key.value} is an alias: its value is written elsewhere", key)
        if content[start : start + 1] == "&":
            _fail(document, path, f"{key.value} has an anchor: others may repeat its value", key)
        if content[start : start + 1] == "!":
            _fail(document, path, f"{key.value} has a tag", key)
    if len(nodes) <= len(path) or not scalars_only:
        return
    key, node = nodes[-1]
    if not isinstance(node, yaml.ScalarNode) and not node.flow_style:
        _fail(document, path, "it is no single value", key)
    if getattr(node, "style", None) in ("|", ">"):
        _fail(document, path, "it is a block of text", key)
    if node.start_mark.line != node.end_mark.line:
        _fail(document, path, "its value is more than one line long", key)


def _verified(document: Document, path: Keys, content: str, wanted: Any) -> Document:
    """The document with other content, which must be read as `wanted` and nothing else."""
    text = document.text[: document.start] + content + document.text[document.end :]
    changed = replace(document, text=text, end=document.start + len(content))
    # By its text, which tells 1 from 1.0 and from true.
    if repr(_data(changed)) != repr(wanted):
        _fail(document, path, "the way in which this place is written leaves no room for it")
    return changed


def _data(document: Document) -> Any:
    """What the document says; INVALID stands for each value that has a problem."""
    data = read(document, [])
    return {} if data is EMPTY or data is INVALID else data


def _fail(document: Document, path: Keys, why: str, node: Any = None) -> NoReturn:
    line = document.mark(node)[0] if node is not None else document.place(path, key=True)[0]
    raise FriendliIacError(
        f"{document.file}:{line}: {'.'.join(map(str, path))} cannot be changed here: {why}",
        safe="Nothing was written.",
        next="Edit that line by hand.",
    )


def _span(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.index, node.end_mark.index


def _is_alias(key: yaml.Node, node: yaml.Node) -> bool:
    """Whether the value of a key stands before it: it was repeated from there."""
    return bool(node.start_mark.index < key.end_mark.index)


def _in_flow(nodes: list[Pair]) -> bool:
    return any(getattr(node, "flow_style", False) for _, node in nodes[:-1])


def _step(nodes: list[Pair]) -> int:
    """How far this document indents its blocks, in columns."""
    for _, node in reversed(nodes):
        for key, inner in node.value:
            if isinstance(inner, yaml.MappingNode) and inner.value and not inner.flow_style:
                deeper = inner.value[0][0].start_mark.column - key.start_mark.column
                if deeper > 0:  # not an alias
                    return int(deeper)
    return _STEP


def _last_line(key: yaml.Node, node: yaml.Node) -> int:
    """The last line of a pair, counted from 0; comments behind it are not part of it."""
    if _is_alias(key, node):
        return int(key.end_mark.line)
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        if isinstance(last, tuple):
            return _last_line(*last)
        return _last_line(key, last)
    end = node.end_mark
    return int(end.line if end.column else max(end.line - 1, key.end_mark.line))
