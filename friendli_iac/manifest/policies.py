"""The block `policy:` of friendli-iac.yaml, or of the file that --policy names.

    policy:
      maxReplicas: 4                          # short for {value: 4, level: deny}
      requireProbe: {value: true, level: warn}
      allowedGpus:
        value: [H100, H200]
        exempt: [{address: Endpoint/big, reason: waits for H200s, until: "2026-12-31"}]

The file of --policy may have `prices:` beside it, as friendli-iac.yaml has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from friendli_iac.errors import ManifestError, Problem
from friendli_iac.manifest.document import Document, Keys, show
from friendli_iac.manifest.explain import did_you_mean, plain_type, unknown_key
from friendli_iac.manifest.files import inside
from friendli_iac.manifest.prices import prices
from friendli_iac.manifest.reader import INVALID
from friendli_iac.resources import KINDS
from friendli_iac.resources.instances import GPUS, normalise_gpu
from friendli_iac.resources.policy import RULES, Exemption, Level, Policy, Rule, Shape
from friendli_iac.resources.prices import Prices

_FILE = ("policy", "prices")
_LONG = ("value", "level", "exempt")
_LEVELS: tuple[Level, ...] = ("warn", "deny")
_EXEMPTION = ("address", "reason", "until")
_MISSING: Any = object()


@dataclass(frozen=True)
class Guardrails:
    """What the file of --policy says: its rules, and its prices where it has some."""

    policy: Policy = Policy()
    prices: Prices | None = None


def policy_file(file: Path, root: Path) -> Guardrails:
    """What the file that --policy names says; below `root`, the project's folder, it must stay
    there. ManifestError with every problem.
    """
    from friendli_iac.manifest.project import read_mapping  # which reads this block, too

    report: list[Problem] = []
    found = read_mapping(file, report) if inside(file, root, report) else None
    if found is None:
        raise ManifestError(report)
    document, data = found
    for key in data:
        if key not in _FILE:
            message, remedy = unknown_key(key, _FILE)
            remedy = "put the rules below policy:" if key in RULES else remedy
            report.append(document.problem("unknown-key", message, (key,), remedy=remedy, key=True))
    if not data:  # a file that was emptied by accident would let everything through
        remedy = "write policy: and the rules below it"
        report.append(document.problem("policy", "the file has no policy", remedy=remedy))
    rules = policy(document, data, report) or Policy()
    said = prices(document, data, report) if "prices" in data else None
    if report:
        raise ManifestError(report)
    return Guardrails(rules, replace(said, file=document.file) if said else None)


def policy(document: Document, data: dict[str, Any], report: list[Problem]) -> Policy | None:
    """What the block `policy` says, None without one. Problems are added to `report`."""
    return _Reader(document, report).policy(data["policy"]) if "policy" in data else None


class _Reader:
    def __init__(self, document: Document, report: list[Problem]) -> None:
        self._document, self._report = document, report

    def policy(self, block: Any) -> Policy:
        path: Keys = ("policy",)
        if not self._is(block, dict, "a block of rules", path):
            return Policy()
        if not block:
            self._problem("policy", "policy has no rules", f"there are {_LISTED}", path, key=True)
        rules = [self._rule(name, said, (*path, name)) for name, said in block.items()]
        return Policy(tuple(rule for rule in rules if rule is not None))

    def _rule(self, name: str, said: Any, path: Keys) -> Rule | None:
        if name not in RULES:
            remedy = did_you_mean(name, RULES) or f"there are {_LISTED}"
            self._problem("unknown-rule", f"there is no rule {show(name)}", remedy, path, key=True)
            return None
        shape = RULES[name].shape
        if not _is_long(shape, said):
            value = self._value(name, shape, said, path)
            return self._made(name, value, "deny", path)
        self._unknown(said, _LONG, path)
        level = said.get("level", "deny")
        if level not in _LEVELS and level is not INVALID:
            message = f"level must be warn or deny, not {show(level)}"
            self._problem("range", message, "write warn or deny", (*path, "level"))
        exempt = self._exemptions(said.get("exempt", []), (*path, "exempt"))
        given = said.get("value", True if shape == "flag" else _MISSING)
        if given is _MISSING:
            message = f"{name} has no value"
            self._problem("required", message, f"write {_WORDS[shape]}", path, key=True)
            return None
        value = self._value(name, shape, given, (*path, "value"))
        return self._made(name, value, level, path, exempt)

    def _made(
        self, name: str, value: Any, level: Level, path: Keys, exempt: tuple[Exemption, ...] = ()
    ) -> Rule | None:
        if value is None or value is False:  # `false` says that it does not hold
            return None
        return Rule(name, value, level, self._source(path), exempt)

    def _value(self, name: str, shape: Shape, value: Any, path: Keys) -> Any:
        """The value of a rule; None after a problem."""
        if value is INVALID:
            return None
        if shape in ("texts", "gpus"):
            return self._texts(name, shape, value, path)
        if not _FITS[shape](value):
            message = plain_type(name, _WORDS[shape], value)
            self._problem("type", message, f"write {_WORDS[shape]}", path)
            return None
        return value

    def _texts(self, name: str, shape: Shape, value: Any, path: Keys) -> tuple[str, ...] | None:
        if not self._is(value, list, _WORDS[shape], path, name):
            return None
        if not value:
            self._problem("empty", f"{name} is empty", f"write {_WORDS[shape]}", path)
        good = []
        for index, entry in enumerate(value):
            if not self._is(entry, str, "text", (*path, index), name):
                continue
            if shape == "gpus":
                entry = normalise_gpu(entry)
                if entry not in GPUS:
                    remedy = did_you_mean(entry, GPUS) or f"known are {', '.join(GPUS)}"
                    message = f"no GPU is called {show(entry)}"
                    self._problem("gpu", message, remedy, (*path, index))
            good.append(entry)
        return tuple(good)

    def _exemptions(self, entries: Any, path: Keys) -> tuple[Exemption, ...]:
        if not self._is(entries, list, "a list", path):
            return ()
        found = (self._exemption(entry, (*path, i)) for i, entry in enumerate(entries))
        return tuple(one for one in found if one is not None)

    def _exemption(self, entry: Any, path: Keys) -> Exemption | None:
        if not self._is(entry, dict, "a block of keys", path, "an exemption"):
            return None
        self._unknown(entry, _EXEMPTION, path)
        texts = {}
        for key in _EXEMPTION:
            value = entry.get(key, "")
            if value in ("", None):
                self._problem("required", f"an exemption needs {key}", _NEEDED[key], path)
            elif self._is(value, str, "text", (*path, key)):
                texts[key] = value
        if not texts.get("reason", " ").isprintable():
            self._problem("text", "reason must be one line", "shorten it", (*path, "reason"))
        if "until" in texts and not _is_day(texts["until"]):
            message = f"until {show(texts['until'])} is no day"
            self._problem("date", message, 'write it as "2026-12-31"', (*path, "until"))
        kind, slash, name = texts.get("address", "*/*").partition("/")
        if not (slash and name and (kind in KINDS or "*" in kind)):
            remedy = did_you_mean(kind, KINDS) or "write it as Endpoint/chat, or Endpoint/big-*"
            message = f"{show(texts['address'])} is no address"
            self._problem("address", message, remedy, (*path, "address"))
        if len(texts) < len(_EXEMPTION):
            return None
        return Exemption(**texts, source=self._source(path))

    def _problem(
        self, rule: str, message: str, remedy: str, path: Keys, *, key: bool = False
    ) -> None:
        self._report.append(self._document.problem(rule, message, path, remedy=remedy, key=key))

    def _is(self, value: Any, wanted: type, words: str, path: Keys, name: str = "") -> bool:
        if isinstance(value, wanted):
            return True
        if value is not INVALID:
            message = plain_type(name or str(path[-1]), words, value)
            self._problem("type", message, f"write {words}", path)
        return False

    def _unknown(self, block: dict[str, Any], known: Sequence[str], path: Keys) -> None:
        for key in block:
            if key not in known:
                self._problem("unknown-key", *unknown_key(key, known), (*path, key), key=True)

    def _source(self, path: Keys) -> str:
        return f"{self._document.file}:{self._document.place(path, key=True)[0]}"


def _is_long(shape: Shape, said: Any) -> bool:
    """Whether a block is the long form of a rule, and not a value that is a block itself."""
    if not isinstance(said, dict):
        return False
    return shape != "labels" or "value" in said or set(said) <= {"level", "exempt"}


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _labels(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(isinstance(one, str) for one in value.values())
    return isinstance(value, bool)


_FITS: dict[Shape, Callable[[Any], bool]] = {
    "amount": _number,
    "count": lambda value: _number(value) and isinstance(value, int) and value > 0,
    "percent": lambda value: _number(value) and value <= 100,
    "flag": lambda value: isinstance(value, bool),
    "labels": _labels,
}
_WORDS: dict[Shape, str] = {
    "amount": "dollars, such as 40 or 12.50",
    "count": "a whole number, 1 at least",
    "percent": "a number from 0 to 100",
    "flag": "true or false",
    "labels": "labels, such as {env: dev}, or true",
    "texts": "a list of labels, such as [team, tier]",
    "gpus": "a list of GPUs, such as [H100, H200]",
}
_NEEDED = {
    "address": "say what it is for, such as address: Endpoint/chat",
    "reason": "say why, so that others can tell whether it still holds",
    "until": 'say until when, such as until: "2026-12-31": nothing is exempt for ever',
}
_LISTED = ", ".join(RULES)
