"""Problems of a block's keys and values, in plain sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from friendli_iac.manifest.document import Keys, show
from friendli_iac.manifest.reader import INVALID
from friendli_iac.resources.secrets import RULE, masked
from friendli_iac.resources.spec import SpecModel, leaves, submodel
from friendli_iac.resources.values import NO_JSON

_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "model_type": "a block of keys",
    "dict_type": "a block of keys",
}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


@dataclass(frozen=True)
class Finding:
    """What is wrong at `path` below `spec`. `at_key`: the key is to blame, not its value.

    `partial` findings do not count against a block that others complete, as defaults are.
    """

    rule: str
    message: str
    remedy: str
    path: Keys
    at_key: bool = False
    partial: bool = False


def findings(
    model: type[SpecModel], error: ValidationError, raw: Callable[[Keys], str | None]
) -> Iterator[Callable[[], Finding]]:
    """What pydantic found, without what was reported before, each put into words when it is called.
    `raw` gives a value as written.
    """
    for detail in error.errors(include_url=False):
        # What JSON cannot say is an INVALID in a list or a mapping: nothing else is read from YAML.
        if detail["input"] is not INVALID and detail["type"] != NO_JSON:
            yield partial(_finding, model, detail, raw)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy that names the known word nearest to `word`; empty when none is near."""
    names = {_letters(name): name for name in known}
    near = get_close_matches(_letters(word), names, n=1, cutoff=0.6)
    return f"did you mean {names[near[0]]}?" if near else ""


class Guesses:
    """`did_you_mean` for the names of a run, as long as there are not too many to compare."""

    _MOST = 30_000  # names, at some 20 µs each

    def __init__(self) -> None:
        self._made = 0

    def near(self, word: str, known: Collection[str]) -> str:
        """The remedy; empty when no name is near, or nobody has the time."""
        self._made += len(known)
        return did_you_mean(word, known) if self._made <= self._MOST else ""


def text_type(name: str, value: object, raw: str | None) -> tuple[str, str]:
    """Message and remedy for a value that should have been text."""
    message = f"{name} must be text, not {show(value) if raw is None else masked(raw, 60)}"
    single = isinstance(value, int | float)
    return message, f'quote it: "{raw or show(value)}"' if single else "give it as text"


def _letters(word: str) -> str:
    return re.sub("[_-]", "", word).lower()


def _finding(
    model: type[SpecModel], detail: ErrorDetails, raw: Callable[[Keys], str | None]
) -> Finding:
    kind, path, value = detail["type"], detail["loc"], detail["input"]
    name, about = _name(path), _about(model, path)
    if kind == "extra_forbidden":
        return Finding(
            "unknown-key", f"unknown key {name}", _known_key(model, path), path, at_key=True
        )
    if kind == "missing":
        block = _name(path[:-1])
        remedy = f"add {name} to {block}, or below defaults in friendli-iac.yaml. {about}"
        message = f"{name} is required in {block}"
        return Finding("required", message, remedy, path[:-1], at_key=True, partial=True)
    if kind == "string_type":
        return Finding("type", *text_type(name, value, raw(path)), path)
    if kind in _WANTED:
        return Finding("type", f"{name} must be {_WANTED[kind]}, not {show(value)}", about, path)
    if kind in _LIMITS:
        words, bound = _LIMITS[kind]
        message = f"{name} must be {words} {detail['ctx'][bound]}, not {show(value)}"
        return Finding("range", message, about, path)
    if kind == "string_too_short":
        return Finding("empty", f"{name} must not be empty", about, path)
    if kind == "string_pattern_mismatch":
        return Finding("pattern", f"{name} cannot be {show(value)}", about, path)
    # What is left are the kinds' own checks, which speak for themselves.
    message = detail["msg"]
    if kind == RULE:
        return Finding(kind, f"{name}: {message}", about, path)
    if isinstance(value, dict):
        return Finding(kind.replace("_", "-"), message, about, path, at_key=True, partial=True)
    named = message if message.startswith(name) else f"{name} {show(value)}: {message}"
    return Finding(kind.replace("_", "-"), named, about, path)


def _name(path: Keys) -> str:
    """`maxReplicas`, `ignoreChanges[0]`; `spec` for the whole."""
    if path and isinstance(path[-1], int):
        return f"{_name(path[:-1])}[{path[-1]}]"
    return str(path[-1]) if path else "spec"


def _about(model: type[SpecModel], path: Keys) -> str:
    """What the schema says of the field or the block at `path`."""
    keys = [key for key in path if isinstance(key, str)]
    leaf = leaves(model).get(".".join(keys))
    if leaf is not None:
        return leaf.description
    block = _block(model, tuple(keys))
    return f"{_name(path)} has the keys {', '.join(_keys(block))}" if block else ""


def _block(model: type[SpecModel], path: Keys) -> type[SpecModel] | None:
    block: type[SpecModel] | None = model
    for key in path:
        block = submodel(block, str(key)) if block else None
    return block


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _known_key(model: type[SpecModel], path: Keys) -> str:
    """What to write instead of the unknown key at the end of `path`."""
    known = leaves(model)
    leaf = known.get(".".join(map(str, path)))
    if leaf is not None and leaf.derived:
        return "leave it out: only friendli-iac writes it"
    block, word = _block(model, path[:-1]), str(path[-1])
    here = _keys(block) if block else []
    # Every field and block of the whole specification, by its last word.
    places: dict[str, str] = {}
    for field in (path for path, leaf in known.items() if not leaf.derived):
        keys = field.split(".")
        for end in range(len(keys)):
            places.setdefault(keys[end], ".".join(keys[:end]))
    if word in places:
        return f"it belongs in {places[word] or 'spec'}"
    if hint := did_you_mean(word, here):
        return hint
    if hint := did_you_mean(word, places):
        belongs = places[hint[len("did you mean ") : -1]]
        return f"{hint[:-1]}, in {belongs or 'spec'}?"
    return f"{_name(path[:-1])} has the keys {', '.join(here)}"


def unknown_key(word: str, known: Iterable[str], elsewhere: str = "") -> tuple[str, str]:
    """Message and remedy for a key that is none of `known`."""
    listed = ", ".join(known)
    remedy = elsewhere or did_you_mean(word, listed.split(", ")) or f"the keys here are {listed}"
    return f"unknown key {word}", remedy


def plain_type(name: str, wanted: str, value: Any) -> str:
    return f"{name} must be {wanted}, not {show(value)}"
