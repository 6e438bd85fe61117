"""Manifests: files to documents, documents to checked resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from friendli_iac.errors import ManifestError, Problem
from friendli_iac.manifest.document import Document, Report, split
from friendli_iac.manifest.envelope import API_VERSION, Envelope, open_envelope
from friendli_iac.manifest.explain import Finding, findings
from friendli_iac.manifest.files import SETTINGS, Text, manifest_texts
from friendli_iac.manifest.model import Layer, Manifest, Project, origins
from friendli_iac.manifest.ours import file_is_ours, is_ours, text_is_ours
from friendli_iac.manifest.project import read_mapping
from friendli_iac.manifest.reader import EMPTY, INVALID, read
from friendli_iac.manifest.resolve import Checked, references, resolve
from friendli_iac.manifest.variables import Variables
from friendli_iac.resources import KINDS, TEMPLATES
from friendli_iac.resources.spec import Spec, SpecModel, canonical, get_path, overlay

MAX_DOCUMENTS = 20_000  # in one file

MODELS: dict[str, type[SpecModel]] = {**{n: k.model for n, k in KINDS.items()}, **TEMPLATES}


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
) -> Manifest:
    """Everything that the project wants, checked; with `files`, only what these say.

    `files` are paths of files and folders; `-` is what `stdin()` gives. `variables` come from
    flags, and win over `environ` (FRIENDLI_IAC_VAR_NAME), which wins over `variable_files` (the
    last one first), which win over the defaults in friendli-iac.yaml. `allow_env` are patterns of
    names that `${env:NAME}` may show beyond FRIENDLI_PROJECT_ID and FRIENDLI_TEAM_ID. `unsaved` has
    what files will hold that are not written yet, by the name that problems give them.

    Raises ManifestError with the problems of all files.
    """
    report = Report()
    found = [read_mapping(file, report) for file in variable_files]
    values = Variables(
        project.variables,
        variables or {},
        [pair for pair in found if pair is not None],
        environ,
        allow_env,
    )
    loader = _Loader(project, values, report)
    for text in manifest_texts(project, files, stdin, report, unsaved):
        loader.add(text)
    if not loader.documents and not report:
        report.append(_nothing(project, files))
    for problem in values.unused(files_too=not files):
        report.append(problem)
    manifest = resolve(loader.checked, report, complete=not files)
    secrets = values.sensitive()
    if report:
        raise ManifestError([_redacted(problem, secrets) for problem in report], report.more)
    return replace(manifest, sensitive=secrets)


class _Loader:
    def __init__(self, project: Project, variables: Variables, report: Report) -> None:
        self.checked: list[Checked] = []
        self.documents = 0
        self._variables = variables
        self._report = report
        self._settings = project.document or Document(SETTINGS, "", 0, 0, 0)
        variables.note_uses(self._settings.text)
        self._defaults = {kind: self._default(kind, b) for kind, b in project.defaults.items()}

    def add(self, text: Text) -> None:
        """Checks every document of a file. A file that was only come across is left alone when
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
            data = read(document, problems)
            if data is EMPTY:
                continue
            if not ours:
                ours = text_is_ours(document.content) if data is INVALID else is_ours(data)
            self.documents += ours
            envelope = open_envelope(document, data, self._variables, problems)
            if envelope is not None:
                self._check(envelope, problems)
        if ours:
            self._report.take(problems)

    def _check(self, envelope: Envelope, report: Report) -> None:
        address = envelope.address
        layers: tuple[Layer, ...] = (Layer(envelope.document, ("spec",)),)
        written = envelope.spec
        if address.kind in self._defaults:
            layers = (*layers, Layer(self._settings, ("defaults", address.kind)))
            written = overlay(MODELS[address.kind], self._defaults[address.kind], written)
        spec: Spec | None = None
        try:
            spec = canonical(MODELS[address.kind].model_validate(written))
        except ValidationError as error:
            for finding in findings(MODELS[address.kind], error, lambda p: _raw(layers, p)):
                if report.full or self._report.full:  # nobody reads it: words and place cost time
                    report.more += 1
                else:
                    report.append(_placed(finding(), layers))
        named = {path: get_path(written, path) for path in references(MODELS[address.kind])}
        self.checked.append(
            Checked(
                envelope.document,
                address,
                envelope.labels,
                envelope.depends_on,
                {path: name for path, name in named.items() if isinstance(name, str)},
                spec,
                layers,
            )
        )

    def _default(self, kind: str, block: dict[str, Any]) -> Spec:
        """The defaults of a kind, with what is wrong in them whatever the documents add."""
        layers = (Layer(self._settings, ("defaults", kind)),)
        expanded: Spec = self._variables.expand(
            block, self._settings, ("defaults", kind), self._report
        )
        try:
            MODELS[kind].model_validate(expanded)
        except ValidationError as error:
            for put in findings(MODELS[kind], error, lambda p: _raw(layers, p)):
                if not (finding := put()).partial:
                    self._report.append(_placed(finding, layers))
        return expanded


def _raw(layers: tuple[Layer, ...], path: tuple[str | int, ...]) -> str | None:
    return next((document.raw(written) for document, written in origins(layers, path)), None)


def _placed(finding: Finding, layers: tuple[Layer, ...]) -> Problem:
    """The problem at the place where the value, or else the nearest block around it, is written."""
    where, key = (layers[0].document, layers[0].at), True
    for length in range(len(finding.path), 0, -1):
        written = next(origins(layers, finding.path[:length]), None)
        if written is not None:
            where, key = written, finding.at_key or length < len(finding.path)
            break
    document, path = where
    return document.problem(finding.rule, finding.message, path, remedy=finding.remedy, key=key)


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
