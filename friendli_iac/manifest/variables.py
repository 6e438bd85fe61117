"""`${var.NAME}` and `${env:NAME}` in the values of documents.

A variable has the value of the first of these that knows it: a flag (`--var`), the environment
(`FRIENDLI_IAC_VAR_NAME`), the files (`--var-file`) from the last to the first, what
friendli-iac.yaml says of the environment that `--env` chose, and the default there. A flag and the
environment give text, the others give what YAML says. In the name of an environment variable, NAME
is as written, or else in capitals with _ for -; empty is not set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import Document, Keys
from friendli_iac.manifest.explain import did_you_mean
from friendli_iac.manifest.model import UNSET, Variable
from friendli_iac.manifest.reader import INVALID
from friendli_iac.resources.values import ExternalText

# Variables of the environment that any manifest may show, and the name that stands in for each.
_ALLOWED = {"FRIENDLI_PROJECT_ID": "FRIENDLI_PROJECT", "FRIENDLI_TEAM_ID": "FRIENDLI_TEAM"}
_SECRET = re.compile("TOKEN|KEY|SECRET|PASS", re.IGNORECASE)
_EXPRESSION = re.compile(r"\$(\$\{|\{[^{}]*\}?)")
_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_VAR = re.compile(rf"\{{var\.({_NAME})\}}")
_ENV = re.compile(rf"\{{env:({_NAME})\}}")
_USED = re.compile(rf"\$\{{var\.({_NAME})\}}")

# Characters. A short document could otherwise grow to more than the machine has.
MAX_VALUE = 64 * 2**10
MAX_EXPANDED = 64 * 2**20  # of all values of a run together


class Variables:
    """The values of a run. `files` are the variable files and, first, what the chosen environment
    says: each with the place of its data.
    """

    def __init__(
        self,
        declared: Mapping[str, Variable],
        flags: Mapping[str, str],
        files: Sequence[tuple[Document, Keys, Mapping[str, Any]]],
        environ: Mapping[str, str],
        allow_env: Sequence[str],
    ) -> None:
        self._declared = declared
        self._flags = flags
        self._files = files
        self._environ = environ
        self._allow_env = tuple(allow_env)
        self._used: set[str] = set()
        self._expanded = 0

    def note_uses(self, text: str) -> None:
        """Remembers which variables a file names, also where the file cannot be read further."""
        self._used.update(_USED.findall(text))

    def sensitive(self) -> tuple[str, ...]:
        """Every value that any source gives to a sensitive variable, the longest first."""
        names = [v.name for v in self._declared.values() if v.sensitive]
        values = {str(value) for name in names for value in self._given(name) if value != ""}
        return tuple(sorted(values, key=lambda value: (-len(value), value)))

    def unused(self, *, files_too: bool) -> Iterable[Problem]:
        """A problem for each variable that was given and that nothing declares or names."""
        known = self._used | set(self._declared)
        remedy = "declare it below `variables:` in friendli-iac.yaml, or leave it out"
        for name in self._flags:
            if name not in known:
                message = f"no manifest uses a variable {name}"
                yield Problem(
                    "--var", 0, 0, message, did_you_mean(name, known) or remedy, rule="variable"
                )
        for document, at, data in self._files if files_too else ():
            for name in data:
                if name not in known:
                    yield document.problem(
                        "variable",
                        f"no manifest uses a variable {name}",
                        (*at, name),
                        remedy=did_you_mean(name, known) or remedy,
                        key=True,
                    )

    def expand(self, value: Any, document: Document, path: Keys, report: list[Problem]) -> Any:
        """`value`, found at `path`, with its variables put in; INVALID where that fails."""
        if type(value) is dict:
            return {k: self.expand(v, document, (*path, k), report) for k, v in value.items()}
        if type(value) is list:
            return [self.expand(v, document, (*path, i), report) for i, v in enumerate(value)]
        if type(value) is not str or "${" not in value:
            return value
        parts: list[Any] = []
        end = size = 0
        for match in _EXPRESSION.finditer(value):
            try:
                found = "${" if match[1] == "${" else self._resolve(match[1])
                size += self._count(found, size)
                if match[0] == value:
                    return found
                if isinstance(found, dict | list):
                    raise _Failed(
                        "variable",
                        f"{match[0]} is not a single value, and cannot stand within a text",
                        "let it stand alone",
                    )
            except _Failed as failed:
                report.append(
                    document.problem(failed.rule, failed.message, path, remedy=failed.remedy)
                )
                return INVALID
            parts += value[end : match.start()], _text(found)
            end = match.end()
        return "".join((*parts, value[end:]))

    def _count(self, found: Any, before: int) -> int:
        """The size of what is put in; fails where it and what came `before` are too large."""
        size = 0
        if self._expanded <= MAX_EXPANDED:  # or else it is not even measured
            size = len(found) if isinstance(found, str) else len(str(found))
            self._expanded += size
        if before + size > MAX_VALUE:
            raise _Failed(
                "too-large",
                f"longer than {MAX_VALUE:,} characters with its variables put in",
                "use shorter variables, or fewer",
            )
        if self._expanded > MAX_EXPANDED:
            raise _Failed(
                "too-large",
                f"variables have put more than {MAX_EXPANDED:,} characters into the manifests",
                "use shorter variables, or fewer",
            )
        return size

    def _resolve(self, expression: str) -> Any:
        if match := _VAR.fullmatch(expression):
            return self._variable(match[1])
        if match := _ENV.fullmatch(expression):
            return self._environment(match[1])
        raise _Failed(
            "expression",
            f"${expression[:60]} is not understood",
            "write ${var.NAME} or ${env:NAME}; $${ stands for a plain ${",
        )

    def _given(self, name: str) -> list[Any]:
        """What the sources have for `name`, the one that wins first."""
        found: list[Any] = [ExternalText(self._flags[name])] if name in self._flags else []
        for spelling in (name, name.upper().replace("-", "_")):
            text = self._environ.get(f"FRIENDLI_IAC_VAR_{spelling}")
            if text:
                found.append(ExternalText(text))
                break
        found += [data[name] for _, _, data in reversed(self._files) if name in data]
        if name in self._declared and self._declared[name].default is not UNSET:
            found.append(self._declared[name].default)
        return found

    def _variable(self, name: str) -> Any:
        declared = self._declared.get(name)
        if declared and declared.sensitive:
            raise _Failed(
                "sensitive-variable",
                f"the variable {name} is sensitive, and no field here keeps its value secret",
                "use a variable that is not sensitive",
            )
        given = self._given(name)
        if given:
            return given[0]
        in_files = (key for _, _, data in self._files for key in data)
        known = {*self._declared, *self._flags, *in_files}
        remedy = (
            f"give it with --var {name}=VALUE, in a --var-file, as FRIENDLI_IAC_VAR_{name} in the"
            " environment, or as a default below `variables:` in friendli-iac.yaml"
        )
        raise _Failed(
            "missing-variable",
            f"the variable {name} has no value",
            remedy if name in known else did_you_mean(name, known) or remedy,
        )

    def _environment(self, name: str) -> ExternalText:
        """A variable of the environment, if it may be shown: a pull request can change manifests,
        and so must not be able to print, as a label for example, what only CI should know.
        """
        if _SECRET.search(name):
            raise _Failed(
                "env-not-allowed",
                f"${{env:{name}}} is refused: the name looks like that of a secret",
                "manifests never hold secrets; tokens are read from the environment directly",
            )
        if name not in _ALLOWED and not any(fnmatchcase(name, p) for p in self._allow_env):
            raise _Failed(
                "env-not-allowed",
                f"${{env:{name}}} is not allowed",
                f"use ${{var.NAME}}, or allow it with --allow-env {name}",
            )
        text = self._environ.get(name) or self._environ.get(_ALLOWED.get(name, ""))
        if not text:
            raise _Failed(
                "missing-variable",
                f"{name} is not set in the environment",
                f"type: export {name}=VALUE",
            )
        return ExternalText(text)


class _Failed(Exception):
    def __init__(self, rule: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.rule, self.message, self.remedy = rule, message, remedy


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
