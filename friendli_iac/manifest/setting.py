"""Values set in manifests as they stand: found, checked, changed in memory, and checked again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from friendli_iac.errors import FriendliIacError, ManifestError, Problem, UsageError
from friendli_iac.manifest.asked import Setting
from friendli_iac.manifest.choice import manifest_texts, overlay_files
from friendli_iac.manifest.document import Document, Keys, split
from friendli_iac.manifest.edit import put, take_out
from friendli_iac.manifest.envelope import address_of
from friendli_iac.manifest.explain import did_you_mean
from friendli_iac.manifest.files import label, read_text
from friendli_iac.manifest.layering import MODELS, parts
from friendli_iac.manifest.model import (
    Declared,
    Environment,
    Layer,
    Manifest,
    Project,
    origins,
)
from friendli_iac.manifest.reader import read
from friendli_iac.manifest.write import NOTHING
from friendli_iac.resources.alternatives import replaced
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import get_path

Load = Callable[[Mapping[str, str]], Manifest]  # given what files will hold; raises ManifestError

_VARIABLE = re.compile(r"(?<!\$)\$\{(?:var\.([A-Za-z0-9_-]+)|[^}]*)\}?")


@dataclass(frozen=True)
class Changed:
    """One value that was changed. `old` and `new` are as they are written; None: not there."""

    path: str
    line: int
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Edited:
    """A file with its settings changed, not written yet. `unchecked` says which variables have no
    value here: what they stand for could not be checked.
    """

    file: str
    before: str
    after: str
    changes: tuple[Changed, ...]
    unchecked: tuple[str, ...] = ()


def edit(
    project: Project,
    files: Sequence[str],
    load: Load,
    address: Address,
    settings: Sequence[Setting],
    *,
    here: bool | None = False,
    environment: Environment | None = None,
) -> Edited:
    """The file of `address` with the settings in it. Nothing is written.

    `here`: also where the value is said elsewhere, by defaults or a variable; None: never, and no
    option is named that would. What an overlay of
    the `environment` says cannot be changed here. ManifestError when
    the project would not be valid, FriendliIacError when a place cannot be edited.
    """
    document = first = _document(project, files, address, environment)
    over = overlay_of(project, environment, address) if environment else None
    for setting in settings:
        _check_overlay(over, address, setting)
    before = _valid(load)
    old = {str(setting): document.written(setting.path) for setting in settings}
    for setting in settings:
        if not here:
            option = here is not None
            _check_origin(project, before, document, address, setting, option=option)
    for setting in settings:
        if setting.wanted is None:
            document = take_out(document, setting.path)
        elif _said(document, setting.path) != repr(setting.value):
            document = put(document, setting.path, setting.value)
    after, unchecked = _checked(load, document)
    for setting in settings:
        _check_effect(after.resources.get(address) if after else None, address, setting)
    changes = tuple(
        Changed(
            str(setting),
            (first if setting.wanted is None else document).place(setting.path, key=True)[0],
            old[str(setting)],
            document.written(setting.path),
        )
        for setting in settings
    )
    return Edited(document.file, first.text, document.text, changes, unchecked)


def _checked(load: Load, document: Document) -> tuple[Manifest | None, tuple[str, ...]]:
    """The manifest with the document as it will be, or None and what is missing where variables
    have no value: they may be set where the plan is made. ManifestError for any other problem.
    """
    try:
        return load({document.file: document.text}), ()
    except ManifestError as error:
        others = [problem for problem in error.problems if problem.rule != "missing-variable"]
        if others or error.more:
            raise ManifestError(others or error.problems, error.more) from None
        return None, tuple(sorted({problem.message for problem in error.problems}))


def _said(document: Document, path: Keys) -> str:
    """The value at `path` as text that tells 1 from 1.0 and from true; `None` without one."""
    here = read(document, [])
    for key in path:
        here = here.get(key) if isinstance(here, dict) else None
    return repr(here)


def overlay_of(project: Project, environment: Environment, address: Address) -> Document | None:
    """The overlay of `address` that an environment has, as it is written; the first, where it has
    several, which is a problem that the load tells of.
    """
    for path, _ in overlay_files(project, environment, []):
        text = read_text(path, [])
        for document in split(label(path), text) if text else ():
            if address_of(document) == str(address):
                return document
    return None


def _said_paths(block: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield from _said_paths(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}"


def _check_overlay(over: Document | None, address: Address, setting: Setting) -> None:
    """Fails where an overlay says the value, deletes it or a block that it is in, or says another
    one that takes its place.
    """
    data = read(over, [], nulls=True) if over else {}
    spec = data.get("spec") if isinstance(data, dict) else None
    said = set(_said_paths(spec)) if isinstance(spec, dict) else set()
    field = ".".join(map(str, setting.path[1:]))
    if over and setting.path[0] == "spec" and replaced(MODELS[address.kind], field, said):
        raise FriendliIacError(
            f"{setting} of {address} gives way to what {over.file} says, an overlay",
            safe=NOTHING,
            next=f"Edit {over.file}.",
        )
    for length in range(len(setting.path), 1, -1):
        path = setting.path[:length]
        if over is None or not over.has(path):
            continue
        if length == len(setting.path) or over.raw(path) is not None:
            raise FriendliIacError(
                f"{setting} of {address} is said at {over.file}:{over.place(path)[0]}"
                f" ({'.'.join(map(str, path))}), an overlay",
                safe=NOTHING,
                next=f"Edit {over.file}.",
            )
        return


def _document(
    project: Project,
    files: Sequence[str],
    address: Address,
    environment: Environment | None = None,
) -> Document:
    """The one document with this address, as it is written. Problems of others are no matter."""
    found, known = [], []
    report: list[Problem] = []
    for text in manifest_texts(project, files, None, report, {}, environment):
        for document in () if text.patch else split(text.file, text.text):
            named = address_of(document)
            if not named:
                continue
            known.append(named)
            if named == str(address):
                found.append(document)
    if not found:
        if report:
            raise ManifestError(report)
        raise UsageError(
            f"no manifest declares {address}",
            safe=NOTHING,
            next=did_you_mean(str(address), known) or f"Declared: {', '.join(known) or 'nothing'}.",
        )
    if len(found) > 1:
        places = " and ".join(f"{one.file}:{one.place()[0]}" for one in found)
        raise FriendliIacError(f"{address} is declared twice: {places}", safe=NOTHING)
    return found[0]


def _valid(load: Load) -> Manifest | None:
    try:
        return load({})
    except ManifestError:  # which the settings may be there to mend
        return None


def _check_origin(
    project: Project,
    manifest: Manifest | None,
    document: Document,
    address: Address,
    setting: Setting,
    *,
    option: bool,
) -> None:
    """Fails where the value is not this document's own: a change here would hide the other place,
    and whoever edits that one later would wonder. `option`: --here would do it all the same.
    """
    itself = f"Write {setting} into {document.file} itself, once, as a plain value."
    if setting.path[0] == "spec":
        layers: tuple[Layer, ...] = (Layer(document, ("spec",)),)
        if manifest and address in manifest.resources:
            layers = manifest.resources[address].layers
        elif project.document:
            layers = (*layers, Layer(project.document, ("defaults", address.kind)))
        origin = next(origins(layers, setting.path[1:]), None)
        if origin is not None:
            at, path = origin
            if (at.file, at.start) != (document.file, document.start):
                line = at.place(path)[0]
                raise FriendliIacError(
                    f"{setting} of {address} is said at {at.file}:{line}"
                    f" ({'.'.join(map(str, path))}), not in {document.file}",
                    safe=NOTHING,
                    next=f"Edit {at.file}, or, for {address} alone, give --here."
                    if option
                    else itself,
                )
    written = document.raw(setting.path) or ""
    match = _VARIABLE.search(written)
    if match and setting.wanted is not None:
        where, line = f"{document.file}:{document.place(setting.path)[0]}", 0
        source = "Its value comes from --var, --var-file or the environment"
        if project.document and match[1] in project.variables:
            line = project.document.place(("variables", match[1]), key=True)[0]
            source = f"The variable is declared at {project.document.file}:{line}; change it there"
        raise FriendliIacError(
            f"{setting} of {address} is the variable {match[0]} ({where})",
            safe=NOTHING,
            next=f"{source}, or give --here to put the value in its place." if option else itself,
        )


def _check_effect(declared: Declared | None, address: Address, setting: Setting) -> None:
    """Fails where something that wins over the document has another value."""
    if declared is None or setting.wanted is None or setting.path[0] != "spec":
        return
    path = ".".join(map(str, setting.path[1:]))
    found = get_path(declared.spec, path)
    if found is not None and path in parts(MODELS[address.kind]):
        found = [block["name"] for block in found]
    if found != setting.wanted and found is not None:
        raise FriendliIacError(
            f"{setting} of {address} would still be {found}: {declared.source(path)} says so",
            safe=NOTHING,
            next=f"Edit {declared.source(path).file}.",
        )
