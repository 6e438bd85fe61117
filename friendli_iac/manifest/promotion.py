"""Values written into the overlay of one environment, for one address: `promote`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from friendli_iac.errors import FriendliIacError, ManifestError, Problem, UsageError
from friendli_iac.manifest.choice import leads_out, overlay_files
from friendli_iac.manifest.compose import compose
from friendli_iac.manifest.document import Document, split
from friendli_iac.manifest.edit import put, take_out
from friendli_iac.manifest.files import check_characters, inside, label, read_text
from friendli_iac.manifest.layering import MODELS
from friendli_iac.manifest.model import Declared, Environment, Project
from friendli_iac.manifest.setting import Changed, Edited, Load, overlay_of
from friendli_iac.manifest.spelling import literal
from friendli_iac.manifest.write import NOTHING
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import get_path, set_path, submodel


def put_in_overlay(
    project: Project,
    environment: Environment,
    load: Load,
    now: Declared,
    values: Mapping[str, str],
) -> Edited:
    """The environment's overlay of what it declares `now`, with other values in it, by path of the
    spec; the document, and the file, are made where there is none. Nothing is written.

    ManifestError when the environment would not be valid, FriendliIacError when the place cannot be
    edited, or is not the environment's own.
    """
    address = now.address
    found = overlay_of(project, environment, address)
    if found is None:
        path = _new_place(project, environment, address)
        before = _text(path)
        edited = _with_document(label(path), before, address, values)
    else:
        path, before, edited = Path(found.file), found.text, found
        for name, value in values.items():
            edited = _put(edited, name, value, address)
    _check_own(project, environment, path, edited)
    after = load({edited.file: edited.text}).resources[address]
    for name, value in values.items():
        if get_path(after.spec, name) != value:
            raise FriendliIacError(
                f"{name} of {address} would still be {get_path(after.spec, name)}: "
                f"{after.source(name)} says so",
                safe=NOTHING,
            )
    changes = tuple(
        Changed(
            f"spec.{name}",
            edited.place(("spec", *name.split(".")), key=True)[0],
            get_path(now.spec, name),
            value,
        )
        for name, value in values.items()
    )
    return Edited(edited.file, before, edited.text, changes)


def place_for(project: Project, environment: Environment, address: Address) -> dict[str, str]:
    """The file that a new overlay of `address` would make, empty, as `load_manifest` takes it for
    unsaved; nothing where none is needed. An environment may name what `promote` makes first.
    """
    if overlay_of(project, environment, address) is None:
        with suppress(UsageError):  # told when it is certain that there is something to write
            path = _new_place(project, environment, address)
            return {} if path.exists() or path.is_symlink() else {label(path): ""}
    return {}


def _put(document: Document, name: str, value: str, address: Address) -> Document:
    """The document with a value, and without what would exclude it."""
    path = ("spec", *name.split("."))
    written = document.raw(path)
    if written is not None and "${" in written:
        line = document.place(path)[0]
        raise FriendliIacError(
            f"{name} of {address} is {written} at {document.file}:{line}",
            safe=NOTHING,
            next="Change what that stands for, or write the value in its place.",
        )
    block = submodel(MODELS[address.kind], path[1])
    for group in block.ALTERNATIVES if block else ():
        for key in group if path[2] not in group else ():
            if document.has((*path[:2], key)):
                document = take_out(document, (*path[:2], key))
    text = literal(value)
    return document if written == text else put(document, path, text)


def _new_place(project: Project, environment: Environment, address: Address) -> Path:
    """Where a new overlay belongs: in the first place that the environment names."""
    if not environment.overlays:
        at = ("environments", environment.name)
        document = project.document
        there = f" ({document.file}:{document.place(at, key=True)[0]})" if document else ""
        raise UsageError(
            f"the environment {environment.name} has no overlays{there}",
            safe=NOTHING,
            next=f"Write `overlays: [overlays/{environment.name}.yaml]` below it.",
        )
    entry = environment.overlays[0]
    where = project.root / entry.replace("*", address.name)
    many = entry.count("*") > 1 or "*" in str(Path(entry).parent) or re.search(r"[?\[]", entry)
    if many or leads_out(entry):
        raise UsageError(
            f"the first overlays of {environment.name} are {entry}: no new file can be named so",
            safe=NOTHING,
            next=f"Write the file, and in it a document for {address}, by hand.",
        )
    if where.suffix not in (".yaml", ".yml"):
        file = f"{address.name}.yaml"
        where = where.with_name(f"{where.name}.yaml") if "*" in entry else where / file
    problems: list[Problem] = []
    if not inside(where, project.root, problems):
        raise ManifestError(problems)
    return where


def _text(path: Path) -> str:
    problems: list[Problem] = []
    text = read_text(path, problems) if path.exists() or path.is_symlink() else ""
    if text is None or not check_characters(label(path), text, problems):
        raise ManifestError(problems)
    return text


def _with_document(file: str, text: str, address: Address, values: Mapping[str, str]) -> Document:
    """A file with one more document, which has the values."""
    spec: dict[str, object] = {}
    for name, value in values.items():
        set_path(spec, name, literal(value))
    end = "\r\n" if "\r\n" in text else "\n"
    new = compose(address, spec).replace("\n", end)
    if text:
        start = text if text.endswith("\n") else text + end
        said = any(line.strip() and not line.lstrip().startswith("#") for line in text.split("\n"))
        text = start + (f"---{end}" if said else "")
    whole = text + new
    *_, last = split(file, whole)
    return replace(last, text=whole)


def _check_own(project: Project, environment: Environment, path: Path, edited: Document) -> None:
    """Fails where the file is an overlay of other environments, too: they would change with it."""
    others = [
        other.name
        for other in project.environments.values()
        if other is not environment
        for found, _ in overlay_files(project, other, [], {edited.file: edited.text})
        if found.resolve() == path.resolve()
    ]
    if others:
        raise FriendliIacError(
            f"{label(path)} is an overlay of {', '.join(others)}, too, and would change it there",
            safe=NOTHING,
            next=f"Give {environment.name} an overlay of its own, as the first of its `overlays`.",
        )
