"""Manifests: files to documents, documents to checked resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from friendli_iac.errors import ManifestError, Problem
from friendli_iac.manifest.apart import check_apart
from friendli_iac.manifest.choice import Text, manifest_texts
from friendli_iac.manifest.document import Document, Keys, Report, split
from friendli_iac.manifest.envelope import API_VERSION, Envelope, open_envelope
from friendli_iac.manifest.files import SETTINGS, inside
from friendli_iac.manifest.layering import Checked, Layering, Said
from friendli_iac.manifest.model import Environment, Layer, Manifest, Project
from friendli_iac.manifest.ours import file_is_ours, is_ours, text_is_ours
from friendli_iac.manifest.project import read_mapping
from friendli_iac.manifest.reader import EMPTY, INVALID, read
from friendli_iac.manifest.resolve import resolve
from friendli_iac.manifest.variables import Variables
from friendli_iac.resources.spec import Spec

MAX_DOCUMENTS = 20_000  # in one file


def load_manifest(
    project: Project,
    *,
    files: Sequence[str] = (),
    stdin: Callable[[], str] | None = None,
    variables: Mapping[str, str] | None = None,
    variable_files: Sequence[Path] = (),
    environ: Mapping[str, str],
    allow_env: Sequence[str] = (),
    unsaved: Mapping[str, str] = {},
    environment: Environment | None = None,
) -> Manifest:
    """Everything that the project wants, checked; with `files`, only what these say. An
    `environment` adds its manifests and overlays, and has a say in values.

    `files` are paths of files and folders; `-` is what `stdin()` gives. `variables` come from
    flags, and win over `environ` (FRIENDLI_IAC_VAR_NAME), which wins over `variable_files` (the
    last one first), which win over the environment and the defaults in friendli-iac.yaml.
    `allow_env` are patterns of names that `${env:NAME}` may show beyond FRIENDLI_PROJECT_ID and
    FRIENDLI_TEAM_ID. `unsaved` has what files will hold that are not written yet, by the name that
    problems give them.

    Raises ManifestError with the problems of all files.
    """
    report = Report()
    given: list[tuple[Document, Keys, Mapping[str, Any]]] = []
    if environment is not None and project.document is not None:
        at = ("environments", environment.name, "variables")
        given.append((project.document, at, environment.variables))
    for file in variable_files:
        found = read_mapping(file, report) if inside(file, project.root, report) else None
        if found is not None:
            given.append((found[0], (), found[1]))
    values = Variables(project.variables, variables or {}, given, environ, allow_env)
    loader = _Loader(project, environment, values, report)
    for text in manifest_texts(project, files, stdin, report, unsaved, environment):
        loader.add(text)
    if environment is not None and not files:
        loader.check_apart(project, environment)
    if not loader.documents and not report:
        report.append(_nothing(project, files))
    for problem in values.unused(files_too=not files):
        report.append(problem)
    manifest = resolve(loader.checked(complete=not files), report, complete=not files)
    secrets = values.sensitive()
    if report:
        raise ManifestError([_redacted(problem, secrets) for problem in report], report.more)
    return replace(manifest, sensitive=secrets)


class _Loader:
    def __init__(
        self, project: Project, chosen: Environment | None, variables: Variables, report: Report
    ) -> None:
        self.documents = 0
        self._declared: list[Envelope] = []
        self._patches: list[Envelope] = []
        self._unreadable: set[str] = set()
        self._chosen = chosen
        self._variables = variables
        self._report = report
        self._settings = project.document or Document(SETTINGS, "", 0, 0, 0)
        variables.note_uses(self._settings.text)
        self._defaults = {
            kind: self._said(block, ("defaults", kind)) for kind, block in project.defaults.items()
        }

    def add(self, text: Text) -> None:
        """Reads every document of a file. A file that was only come across is left alone when
        nothing in it is ours.
        """
        ours = text.named
        problems = Report()
        if "${var." in text.text:
            self._variables.note_uses(text.text)
        documents = list(islice(split(text.file, text.text), MAX_DOCUMENTS + 1))
        if len(documents) > MAX_DOCUMENTS:
            if ours or file_is_ours(text.text):
                message, last = f"more than {MAX_DOCUMENTS:,} documents in one file", documents[-1]
                place = (last.line + 1, 1)
                self._report.append(last.problem_at(place, "too-large", message, "split the file"))
            return
        for document in documents:
            data = read(document, problems, nulls=text.patch)
            if data is EMPTY:
                continue
            if not ours:
                ours = text_is_ours(document.content) if data is INVALID else is_ours(data)
            self.documents += ours and not text.patch
            envelope = open_envelope(document, data, self._variables, problems, patch=text.patch)
            if envelope is not None:
                (self._patches if text.patch else self._declared).append(envelope)
            elif ours and not text.patch and not problems.full and not self._report.full:
                name = document.raw(("metadata", "name"))
                self._unreadable.add(f"{document.raw(('kind',))}/{name}")
        if ours:
            self._report.take(problems)

    def check_apart(self, project: Project, environment: Environment) -> None:
        """Reports what the environments take from the base that it needs."""
        check_apart(project, environment, self._declared, self._unreadable, self._report)

    def checked(self, *, complete: bool) -> list[Checked]:
        """Everything that was added, checked. `complete`: there is nothing else."""
        layering = Layering(self._defaults, self._project(), self._report, complete=complete)
        return layering.checked(self._declared, self._patches, self._unreadable)

    def _project(self) -> Said | None:
        if self._chosen is None or self._chosen.project is None:
            return None
        at = ("environments", self._chosen.name, "project")
        return self._said(self._chosen.project, at, "project")

    def _said(self, value: Any, at: Keys, *mount: str) -> Said:
        """What the settings say at a place, with variables put in."""
        expanded = self._variables.expand(value, self._settings, at, self._report)
        written: Spec = {mount[0]: expanded} if mount else expanded
        return Said(written, ((written, Layer(self._settings, at, mount)),))


def _nothing(project: Project, files: Sequence[str]) -> Problem:
    where = ", ".join(files or project.manifests) or f"{project.root} and the folders below it"
    return Problem(
        str(project.file or project.root),
        0,
        0,
        f"no manifest was found in {where}",
        f"type: friendli-iac init, or write a YAML document with apiVersion: {API_VERSION}",
        rule="no-manifests",
    )


def _redacted(problem: Problem, secrets: Sequence[str]) -> Problem:
    """The problem without the value of any sensitive variable."""
    if not any(s in t for s in secrets for t in (problem.message, problem.remedy, problem.snippet)):
        return problem
    texts = [problem.message, problem.remedy, problem.snippet]
    for secret in secrets:
        texts = [text.replace(secret, "(sensitive)") for text in texts]
    return problem._replace(message=texts[0], remedy=texts[1], snippet=texts[2])
