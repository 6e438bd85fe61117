"""The expressions of CI files, as far as ours go: GitHub's `${{ … }}`, and GitLab's `rules: if`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:(&&|\|\||==|!=|[!(),])|'((?:[^']|'')*)'|\"([^\"]*)\"|(\$?[\w.-]+))")
_HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)

Functions = Mapping[str, Callable[[], bool]]
NONE: Functions = {}


def evaluate(text: str, look_up: Callable[[str], Any], functions: Functions = NONE) -> Any:
    """The value of an expression; `look_up` gives that of a name. AssertionError for what is none,
    or is of a kind that no file of ours needs.
    """
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        assert found, f"not understood: {text[at:]!r}"
        tokens.append(found)
        at = found.end()
    reader = _Reader(tokens, look_up, functions)
    value = reader.either()
    assert not reader.tokens, f"too much in {text!r}"
    return value


def fill(text: Any, look_up: Callable[[str], Any], functions: Functions = NONE) -> str:
    """A value of a workflow file with its `${{ … }}` filled in."""
    if isinstance(text, bool):
        return str(text).lower()
    return _HOLE.sub(lambda hole: shown(evaluate(hole[1], look_up, functions)), str(text))


def shown(value: Any) -> str:
    """A value as GitHub writes it into text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def names(path: str, contexts: Mapping[str, Any]) -> Any:
    """What stands at `a.b.c`; None for what is not there."""
    value: Any = contexts
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


class _Reader:
    def __init__(
        self, tokens: list[re.Match[str]], look_up: Callable[[str], Any], functions: Functions
    ) -> None:
        self.tokens, self._look_up, self._functions = tokens, look_up, functions

    def _take(self, *operators: str) -> str:
        if self.tokens and self.tokens[0][1] in operators:
            return str(self.tokens.pop(0)[1])
        return ""

    def either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._same()
        while self._take("&&"):
            other = self._same()
            value = value and other
        return value

    def _same(self) -> Any:
        value = self._one()
        while operator := self._take("==", "!="):
            # As text, without regard to case: what is not there is the empty text.
            equal = shown(value).lower() == shown(self._one()).lower()
            value = equal if operator == "==" else not equal
        return value

    def _one(self) -> Any:
        if self._take("!"):
            return not self._one()
        if self._take("("):
            value = self.either()
            assert self._take(")")
            return value
        token = self.tokens.pop(0)
        if token[4] is None:
            return token[2].replace("''", "'") if token[2] is not None else token[3]
        if self._take("("):
            assert self._take(")"), "no function of ours has arguments"
            return self._functions[token[4]]()
        if token[4] in ("true", "false"):
            return token[4] == "true"
        return self._look_up(token[4])
