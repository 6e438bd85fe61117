"""The block `environments:` of friendli-iac.yaml.

environments:
  prod:
    state: s3://acme-state/chat/prod    # else `state:` of all; .friendli-iac/prod/state.json
    project: "${var.prod_project}"      # the Friendli project of what names none itself
    variables: {replicas: 4}            # win over the defaults
    overlays: [overlays/prod.yaml]      # patches of what the base declares
    manifests: [only-prod/]             # documents of this environment alone
"""

from __future__ import annotations

import posixpath
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import Document, Keys, show
from friendli_iac.manifest.explain import plain_type, unknown_key
from friendli_iac.manifest.model import Environment
from friendli_iac.manifest.reader import INVALID

ENVIRONMENT = "${environment}"  # in the address of a state: the environment that is meant
FOLDER = ".friendli-iac"  # of what is kept beside the settings
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

_KEYS = ("state", "project", "variables", "overlays", "manifests")
_STATE = re.compile(r"[^:]*$|file:|(s3|gs|az|postgres|postgresql)://")
_RESERVED = "emulator"  # has the folder of that name to itself


def state_problem(where: str) -> tuple[str, str] | None:
    """Message and remedy where no state can be kept at an address."""
    if _STATE.match(where):
        return None
    message = f"a state cannot be kept in {show(where.partition(':')[0])}"
    return message, "write a path, or s3://, gs://, az:// or postgres:// and where it is there"


def environments(
    document: Document, data: dict[str, Any], report: list[Problem]
) -> dict[str, Environment]:
    """What the block says, by name. Problems are added to `report`."""
    return _Reader(document, data, report).environments()


class _Reader:
    def __init__(self, document: Document, data: dict[str, Any], report: list[Problem]) -> None:
        self._document, self._data, self._report = document, data, report

    def environments(self) -> dict[str, Environment]:
        blocks = self._data.get("environments", {})
        found: dict[str, Environment] = {}
        if not self._is(blocks, dict, "a block of keys", ("environments",)):
            return found
        if "environments" in self._data and not blocks:
            path: Keys = ("environments",)
            self._problem("environments", "there is none", "name one below it", path, key=True)
        owners: dict[str, str] = {}
        for name, block in blocks.items():
            path = ("environments", name)
            if not re.fullmatch(NAME, name) or name == _RESERVED:
                remedy = "use letters, digits, - . and _, beginning with a letter or digit"
                message = f"{show(name)} cannot be the name of an environment"
                self._problem("environment", message, remedy, path, key=True)
            elif self._is(block, dict, "a block of keys", path):
                for key in block:
                    if key not in _KEYS:
                        self._problem(
                            "unknown-key", *unknown_key(key, _KEYS), (*path, key), key=True
                        )
                found[name] = self._environment(name, block, path)
                place = _identity(found[name].state)
                first = owners.setdefault(place, name)
                if first != name:
                    self._shared(first, name, found[name].state)
        return found

    def _environment(self, name: str, block: dict[str, Any], path: Keys) -> Environment:
        own = self._text(block, "state", path)
        if own and (wrong := state_problem(own)):
            self._problem("state", *wrong, (*path, "state"))
        shared = self._data.get("state")
        where = own or (shared if isinstance(shared, str) else "") or f"{FOLDER}/{name}/state.json"
        variables = block.get("variables", {})
        if not self._is(variables, dict, "a block of keys", (*path, "variables")):
            variables = {}
        for variable in variables:
            if not VARIABLE.fullmatch(variable):
                message = f"{show(variable)} cannot be the name of a variable"
                remedy = "use letters, digits, - and _, and begin with a letter"
                at = (*path, "variables", variable)
                self._problem("variable-name", message, remedy, at, key=True)
        return Environment(
            name,
            state=where.replace(ENVIRONMENT, name),
            variables=variables,
            project=self._text(block, "project", path) or None,
            overlays=self._texts(block, "overlays", path),
            manifests=self._texts(block, "manifests", path),
        )

    def _shared(self, first: str, second: str, where: str) -> None:
        """Two environments in one state would end what the other one has."""
        path: Keys = ("environments", second, "state")
        if not self._document.has(path):
            path = ("state",) if "state" in self._data else path[:2]
        self._problem(
            "state",
            f"the environments {first} and {second} would share a state: {where}",
            f"give each its own, with {ENVIRONMENT} in `state:` or a `state:` below {second}",
            path,
            key=True,
        )

    def _problem(
        self, rule: str, message: str, remedy: str, path: Keys, *, key: bool = False
    ) -> None:
        self._report.append(self._document.problem(rule, message, path, remedy=remedy, key=key))

    def _is(self, value: object, wanted: type, words: str, path: Keys) -> bool:
        if isinstance(value, wanted):
            return True
        if value is not INVALID:
            self._problem("type", plain_type(str(path[-1]), words, value), f"write {words}", path)
        return False

    def _text(self, block: dict[str, Any], key: str, path: Keys) -> str:
        value = block.get(key, "")
        return value if self._is(value, str, "text", (*path, key)) else ""

    def _texts(self, block: dict[str, Any], key: str, path: Keys) -> tuple[str, ...]:
        entries = block.get(key, [])
        if not self._is(entries, list, "a list", (*path, key)):
            return ()
        return tuple(
            entry
            for index, entry in enumerate(entries)
            if self._is(entry, str, "text", (*path, key, index))
        )


def _identity(where: str) -> str:
    """The part of an address that says which place it is: the same for two that mean one state."""
    scheme, colon, rest = where.partition(":")
    if not colon or scheme == "file":
        # Where upper and lower case are one, Prod and prod would be the same file.
        return posixpath.normpath(rest.removeprefix("//") if colon else where).casefold()
    parts = urlsplit(where)
    host = parts.netloc.rpartition("@")[2]
    path = parts.path.strip("/")
    said = parse_qs(parts.query)
    which = [said.get(key, [""])[-1] for key in ("state", "account", "endpoint")]
    scheme = "postgres" if scheme.startswith("postgres") else scheme
    return f"{scheme}://{host}/{path}?{which}"
