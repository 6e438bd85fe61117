"""friendli-iac.yaml: the settings of a project.

    name: chat                              # in the header of the state; else repository and folder
    manifests: [endpoints, shared/*.yaml]   # files, folders and patterns; else all YAML files below
    variables:
      max: 4                                # a default
      team: {description: Who pays}         # no default: it has to be given
      banner: {default: hi, sensitive: true}
    state: s3://acme-state/chat/${environment}            # with --env; else a file in the project
    siblings: [file:../search/.friendli-iac/state.json]   # what these states hold is no stranger
    defaults:
      Endpoint: {project: …}                # merged under the spec of each document of the kind
    environments:
      prod: {variables: {max: 8}, overlays: [overlays/prod.yaml]}   # see environments.py
    policy: {maxReplicas: 4}                # what plans must keep to; see policies.py
    prices: {gpuHour: {H100: 2.50}}         # dollars; see prices.py
    adapters: {"https://llm.example.com": {rest: {field: adapters}}}   # see adapters.py

Tokens and addresses of services are no settings: they come from outside of the repository.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from friendli_iac.errors import ManifestError, Problem
from friendli_iac.manifest.adapters import adapters
from friendli_iac.manifest.document import Document, Keys, show, split
from friendli_iac.manifest.environments import VARIABLE, environments, state_problem
from friendli_iac.manifest.explain import did_you_mean, plain_type, unknown_key
from friendli_iac.manifest.files import SETTINGS, check_characters, inside, label, read_text
from friendli_iac.manifest.model import UNSET, Project, Variable
from friendli_iac.manifest.policies import policy
from friendli_iac.manifest.prices import prices
from friendli_iac.manifest.reader import EMPTY, INVALID, read
from friendli_iac.resources import KINDS, TEMPLATES

_KEYS = (
    "name", "manifests", "variables", "state", "siblings", "defaults", "environments", "prices",
    "policy", "adapters",
)  # fmt: skip
_VARIABLE_KEYS = ("default", "description", "sensitive")
_FROM_OUTSIDE = re.compile("token|key|secret|url|team|profile", re.IGNORECASE)


def find_project(start: Path) -> Project:
    """The project that `start` is in: the nearest friendli-iac.yaml upwards, not beyond the Git
    root. Without one, `start` itself is the project's folder.

    Raises ManifestError with every problem of the file.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        file = folder / SETTINGS
        if file.exists() or file.is_symlink():
            return _project(file)
        if (folder / ".git").exists():
            break
    return Project(root=start)


def read_mapping(file: Path, report: list[Problem]) -> tuple[Document, dict[str, Any]] | None:
    """The one document of a settings or variable file, which must be a mapping, or be empty."""
    text = read_text(file, report)
    if text is None or not check_characters(label(file), text, report):
        return None
    found = [(d, data) for d in split(label(file), text) if (data := read(d, report)) is not EMPTY]
    if not found:
        return Document(label(file), text, 0, len(text), 0), {}
    document, data = found[0]
    if len(found) > 1:
        report.append(
            found[1][0].problem(
                "documents", "this file can hold one document only", remedy="join them"
            )
        )
    if not isinstance(data, dict):
        if data is not INVALID:
            message = plain_type("the file", "a block of keys", data)
            report.append(document.problem("type", message, remedy="write `key: value` lines"))
        return None
    return document, data


def _project(file: Path) -> Project:
    report: list[Problem] = []
    found = read_mapping(file, report) if inside(file, file.parent, report) else None
    if found is None:
        raise ManifestError(report)
    settings = _Settings(*found, report)
    project = Project(
        root=file.parent,
        file=file,
        manifests=settings.texts("manifests"),
        variables=settings.variables(),
        name=settings.text("name"),
        state=settings.state(),
        siblings=settings.texts("siblings"),
        defaults=settings.defaults(),
        environments=environments(*found, report),
        prices=prices(*found, report),
        document=found[0],
        policy=policy(*found, report),
        adapters=adapters(*found, report),
    )
    settings.unknown_keys()
    if report:
        raise ManifestError(report)
    return project


class _Settings:
    def __init__(self, document: Document, data: dict[str, Any], report: list[Problem]) -> None:
        self._document, self._data, self._report = document, data, report

    def _problem(
        self, rule: str, message: str, remedy: str, path: Keys, *, key: bool = False
    ) -> None:
        self._report.append(self._document.problem(rule, message, path, remedy=remedy, key=key))

    def _has_type(self, value: object, wanted: type, words: str, path: Keys) -> bool:
        if isinstance(value, wanted):
            return True
        if value is not INVALID:
            message = plain_type(str(path[-1]), words, value)
            self._problem("type", message, f"write {words}", path)
        return False

    def unknown_keys(self) -> None:
        outside = "tokens and addresses of services come from environment variables or flags only"
        for key in self._data:
            if key not in _KEYS:
                hint = outside if _FROM_OUTSIDE.search(key) else ""
                self._problem("unknown-key", *unknown_key(key, _KEYS, hint), (key,), key=True)

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts that stands at `key`."""
        entries = self._data.get(key, [])
        if not self._has_type(entries, list, "a list", (key,)):
            return ()
        return tuple(
            entry
            for index, entry in enumerate(entries)
            if self._has_type(entry, str, "text", (key, index))
        )

    def text(self, key: str) -> str | None:
        """The text that stands at `key`."""
        value = self._data.get(key)
        if value is not None and self._has_type(value, str, "text", (key,)):
            return str(value)
        return None

    def state(self) -> str | None:
        """The address of the state."""
        where = self.text("state")
        if where and (wrong := state_problem(where)):
            self._problem("state", *wrong, ("state",))
        return where

    def variables(self) -> dict[str, Variable]:
        declared = self._data.get("variables", {})
        if not self._has_type(declared, dict, "a block of keys", ("variables",)):
            return {}
        found = {}
        for name, value in declared.items():
            path = ("variables", name)
            if not VARIABLE.fullmatch(name):
                self._problem(
                    "variable-name",
                    f"{show(name)} cannot be the name of a variable",
                    "use letters, digits, - and _, and begin with a letter",
                    path,
                    key=True,
                )
                continue
            found[name] = self._variable(name, value, path)
        return found

    def _variable(self, name: str, value: Any, path: Keys) -> Variable:
        if not isinstance(value, dict):
            return Variable(name, value)
        for key in value:
            if key not in _VARIABLE_KEYS:
                self._problem(
                    "unknown-key", *unknown_key(key, _VARIABLE_KEYS), (*path, key), key=True
                )
        description, sensitive = value.get("description", ""), value.get("sensitive", False)
        self._has_type(description, str, "text", (*path, "description"))
        self._has_type(sensitive, bool, "true or false", (*path, "sensitive"))
        return Variable(name, value.get("default", UNSET), str(description), sensitive is True)

    def defaults(self) -> dict[str, dict[str, Any]]:
        blocks = self._data.get("defaults", {})
        if not self._has_type(blocks, dict, "a block of keys", ("defaults",)):
            return {}
        kinds = [*KINDS, *TEMPLATES]
        found = {}
        for kind, block in blocks.items():
            if kind not in kinds:
                remedy = did_you_mean(kind, kinds) or f"the kinds are {', '.join(kinds)}"
                message = f"there is no kind {show(kind)}"
                self._problem("unknown-kind", message, remedy, ("defaults", kind), key=True)
            elif self._has_type(block, dict, "a block of keys", ("defaults", kind)):
                found[kind] = block
        return found
