"""What every document has around its spec: apiVersion, kind and metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import Document, Keys, show
from friendli_iac.manifest.explain import did_you_mean, plain_type, text_type, unknown_key
from friendli_iac.manifest.reader import INVALID
from friendli_iac.manifest.variables import Variables
from friendli_iac.resources import KINDS, TEMPLATES
from friendli_iac.resources.base import Address

API_VERSION = "friendli-iac/v1"
NAME = r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?"
MAX_NAME = 63  # characters

_KEYS = ("apiVersion", "kind", "metadata", "spec")
_METADATA_KEYS = ("name", "labels", "dependsOn")
_NAME = re.compile(NAME)


@dataclass(frozen=True, eq=False, slots=True)
class Envelope:
    """A document, its address, and its spec as written, with variables put in. In an overlay, None
    stands for a label, or for all of them, that it deletes. `depends_on` is None where nothing is
    said of it.
    """

    document: Document
    address: Address
    labels: dict[str, str | None] | None
    depends_on: dict[Address, int] | None  # to the index in metadata.dependsOn
    spec: Any


def open_envelope(
    document: Document,
    data: Any,
    variables: Variables,
    report: list[Problem],
    *,
    patch: bool = False,
) -> Envelope | None:
    """The document's envelope, or None when it cannot be told what the document is. `patch`: it is
    an overlay, in which null deletes.
    """
    if data is INVALID:
        return None
    return _Opener(document, variables, report, patch).envelope(data)


def address_of(document: Document) -> str:
    """The address as it is written; empty when it is no document of ours."""
    if document.raw(("apiVersion",)) != API_VERSION:
        return ""
    return f"{document.raw(('kind',))}/{document.raw(('metadata', 'name'))}"


class _Opener:
    def __init__(
        self, document: Document, variables: Variables, report: list[Problem], patch: bool
    ) -> None:
        self._document, self._variables, self._report = document, variables, report
        self._patch = patch

    def envelope(self, data: Any) -> Envelope | None:
        if not isinstance(data, dict):
            message = plain_type("a document", "a block of keys", data)
            self._problem("type", message, f"begin it with apiVersion: {API_VERSION}", ())
            return None
        kinds = [*KINDS, *TEMPLATES]
        # A document of something else is told by its apiVersion: no word about the rest of it.
        if not self._is_one_of(data, "apiVersion", [API_VERSION]):
            return None
        known_kind = self._is_one_of(data, "kind", kinds)
        for key in data:
            if key not in _KEYS:
                hint = "it belongs in metadata" if key in _METADATA_KEYS else ""
                self._problem("unknown-key", *unknown_key(key, _KEYS, hint), (key,), key=True)
        metadata, spec = data.get("metadata", {}), data.get("spec", {})
        if "${" in self._document.content:
            expand, report = self._variables.expand, self._report
            metadata = expand(metadata, self._document, ("metadata",), report)
            spec = expand(spec, self._document, ("spec",), report)
        if self._is_block(metadata, "metadata"):
            for key in metadata:
                if key not in _METADATA_KEYS:
                    hint = "it belongs beside metadata" if key in _KEYS else ""
                    self._problem(
                        "unknown-key",
                        *unknown_key(key, _METADATA_KEYS, hint),
                        ("metadata", key),
                        key=True,
                    )
        else:
            return None
        name, labels = self._name(metadata), self._labels(metadata)
        depends_on = self._depends_on(metadata)
        if not self._is_block(spec, "spec") or name is None or not known_kind:
            return None
        return Envelope(self._document, Address(data["kind"], name), labels, depends_on, spec)

    def _problem(
        self, rule: str, message: str, remedy: str, path: Keys, *, key: bool = False
    ) -> None:
        self._report.append(self._document.problem(rule, message, path, remedy=remedy, key=key))

    def _is_one_of(self, data: dict[str, Any], key: str, known: list[str]) -> bool:
        value = data.get(key)
        if value is INVALID or (isinstance(value, str) and value in known):
            return value is not INVALID
        rule = "unknown-kind" if key == "kind" else "api-version"
        for written in data if key not in data else ():
            if written not in _KEYS and did_you_mean(written, [key]):
                self._problem("unknown-key", *unknown_key(written, [key]), (written,), key=True)
                return False
        if key not in data:
            self._problem("required", f"{key} is required", f"add {key}: {known[0]}", ())
            return False
        near = did_you_mean(value, known) if isinstance(value, str) else ""
        remedy = near or f"write {key}: {' or '.join(known)}"
        self._problem(rule, f"there is no {key} {show(value)}", remedy, (key,))
        return False

    def _is_block(self, value: Any, key: str) -> bool:
        if isinstance(value, dict):
            return True
        if value is not INVALID:
            message = plain_type(key, "a block of keys", value)
            self._problem("type", message, f"write keys below {key}:", (key,))
        return False

    def _name(self, metadata: dict[str, Any]) -> str | None:
        path = ("metadata", "name")
        if "name" not in metadata:
            self._problem(
                "required", "metadata.name is required", "add name: NAME", path[:1], key=True
            )
            return None
        name = metadata["name"]
        if name is INVALID:
            return None
        if not isinstance(name, str):
            self._problem("type", *text_type("name", name, self._document.raw(path)), path)
            return None
        if len(name) > MAX_NAME or not _NAME.fullmatch(name):
            remedy = (
                f"use up to {MAX_NAME} lower-case letters, digits, - . and _,"
                " beginning and ending with a letter or digit"
            )
            self._problem("name", f"{show(name)} cannot be a name", remedy, path)
            return None
        return str(name)

    def _labels(self, metadata: dict[str, Any]) -> dict[str, str | None] | None:
        labels = metadata.get("labels", {})
        if self._patch and labels is None:
            return None
        if not isinstance(labels, dict):
            if labels is not INVALID:
                message = plain_type("labels", "a block of keys", labels)
                self._problem(
                    "type", message, "write labels: {team: search}", ("metadata", "labels")
                )
            return {}
        for key, value in labels.items():
            if not isinstance(value, str) and value is not INVALID and value is not None:
                path = ("metadata", "labels", key)
                self._problem("type", *text_type(key, value, self._document.raw(path)), path)
        return {key: None if value is None else str(value) for key, value in labels.items()}

    def _depends_on(self, metadata: dict[str, Any]) -> dict[Address, int] | None:
        if "dependsOn" not in metadata:
            return None
        if self._patch and metadata["dependsOn"] is None:
            return {}
        entries = metadata.get("dependsOn", [])
        path = ("metadata", "dependsOn")
        remedy = "write dependsOn: [Endpoint/chat]"
        if not isinstance(entries, list):
            if entries is not INVALID:
                self._problem("type", plain_type("dependsOn", "a list", entries), remedy, path)
            return {}
        found: dict[Address, int] = {}
        for index, entry in enumerate(entries):
            if entry is INVALID:
                continue
            try:
                found.setdefault(Address.parse(str(entry)), index)
            except ValueError as error:
                self._problem("address", str(error), remedy, (*path, index))
        return found
