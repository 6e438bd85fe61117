"""`adapters` in friendli-iac.yaml: how each service gets its LoRA adapters.

adapters:
  "https://api.friendli.ai": manual      # by a person; so it is where nothing is said
  "https://llm.example.com":
    rest:                                # with create and update
      field: engine.adapters             # where in the body: a key, or a dotted path
      item: {name: route, hf_repo: repo, hf_revision: revision}   # their keys; or one word: route
  "emulator:": manual                    # the one of --emulator
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import Document, Keys, show
from friendli_iac.manifest.explain import plain_type, unknown_key
from friendli_iac.manifest.reader import INVALID
from friendli_iac.resources.adapter import PARTS, AdapterField
from friendli_iac.resources.endpoint_body import is_ours

MANUAL = "manual"
EMULATOR = "emulator:"
_REST_KEYS = ("field", "item")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_URL = re.compile(r"https?://[^\s/@]+(/[^\s@]*)?")


def adapters(
    document: Document, data: dict[str, Any], report: list[Problem]
) -> Mapping[str, AdapterField]:
    """The services that take adapters with create and update, by base URL. Problems are added to
    `report`.
    """
    block = data.get("adapters", {})
    reader = _Reader(document, report)
    found: dict[str, AdapterField] = {}
    if not reader.has_type(block, dict, "a block of keys"):
        return found
    for url, how in block.items():
        if url != EMULATOR and not _URL.fullmatch(url):
            message = f"{show(url)} is not the address of a service"
            remedy = f"write https://HOST as in FRIENDLI_BASE_URL, or {show(EMULATOR)}"
            reader.problem("adapters", message, remedy, url, key=True)
        elif how != MANUAL and (field := reader.rest(how, url)) is not None:
            found[base_url(url)] = field
    return found


def adapters_schema() -> dict[str, Any]:
    """The JSON Schema of the block."""
    item = {"type": "string", "enum": list(PARTS)}
    rest = {
        "type": "object",
        "additionalProperties": False,
        "required": ["field"],
        "properties": {
            "field": {
                "type": "string",
                "description": "Where the list of them is in the body: a key, or a dotted path.",
            },
            "item": {
                "anyOf": [item, {"type": "object", "additionalProperties": item}],
                "description": "What an item of the list is: one of route (as when left out), repo "
                "and revision, or an object: its keys, with which of these each has.",
            },
        },
    }
    only = {"type": "object", "additionalProperties": False, "required": ["rest"]}
    return {
        "type": "object",
        "additionalProperties": {
            "anyOf": [{"const": MANUAL}, {**only, "properties": {"rest": rest}}]
        },
        "description": "How each service gets its LoRA adapters, by its base URL: by a person's "
        "hand (`manual`, where nothing is said), or with create and update (`rest`).",
    }


def base_url(url: str) -> str:
    """One spelling for each address."""
    return url.rstrip("/").lower()


class _Reader:
    def __init__(self, document: Document, report: list[Problem]) -> None:
        self._document, self._report = document, report

    def problem(
        self, rule: str, message: str, remedy: str, *path: str | int, key: bool = False
    ) -> None:
        at: Keys = ("adapters", *path)
        self._report.append(self._document.problem(rule, message, at, remedy=remedy, key=key))

    def has_type(self, value: object, wanted: type, words: str, *path: str) -> bool:
        if isinstance(value, wanted):
            return True
        if value is not INVALID:
            name = path[-1] if path else "adapters"
            self.problem("type", plain_type(name, words, value), f"write {words}", *path)
        return False

    def rest(self, how: object, url: str) -> AdapterField | None:
        if not isinstance(how, dict) or set(how) != {"rest"}:
            if how is not INVALID:
                remedy = "write manual, or {rest: {field: adapters, item: route}}"
                self.problem("adapters", "it is neither manual nor rest", remedy, url)
            return None
        said = how["rest"]
        if not self.has_type(said, dict, "a block of keys", url, "rest"):
            return None
        for key in said:
            if key not in _REST_KEYS:
                message, remedy = unknown_key(key, _REST_KEYS)
                self.problem("unknown-key", message, remedy, url, "rest", key, key=True)
        field, item = said.get("field"), said.get("item", "route")
        sound = self._field(field, url)
        return AdapterField(field, item) if self._item(item, url) and sound else None

    def _field(self, field: object, url: str) -> bool:
        at = (url, "rest", "field")
        if field is None:
            self.problem("adapters", "rest needs field", "write field: adapters", url, "rest")
            return False
        if not self.has_type(field, str, "text", *at):
            return False
        keys = str(field).split(".")
        if not all(map(_KEY.fullmatch, keys)):
            message = f"field {show(str(field))} is no path of keys"
            self.problem("adapters", message, "write adapters, or engine.adapters", *at)
            return False
        if is_ours(str(field)):
            message = f"field {field} is another field of the body"
            self.problem("adapters", message, "write the one that takes adapters", *at)
            return False
        return True

    def _item(self, item: object, url: str) -> bool:
        at = (url, "rest", "item")
        said = item if isinstance(item, dict) else {"": item}
        for key, part in said.items():
            if part in PARTS or part is INVALID:
                continue
            message = f"item can hold {', '.join(PARTS)}, not {show(str(part))}"
            remedy = "write route, or {NAME-OF-THE-KEY: route, …}"
            self.problem("adapters", message, remedy, *at, *([key] if key else []))
            return False
        if isinstance(item, dict) and "route" not in item.values():
            message = "no key of item holds the route"
            self.problem("adapters", message, "add one, such as {route: route}", *at)
            return False
        return INVALID not in said.values()
