"""What an environment names is no part of the base. A document of the base that it names by mistake
would be taken for deleted everywhere else: that is told here, before anything is planned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from friendli_iac.errors import Problem
from friendli_iac.manifest.choice import base_files, named_by
from friendli_iac.manifest.document import Document, Keys, split
from friendli_iac.manifest.envelope import Envelope, address_of
from friendli_iac.manifest.files import check_characters, label, read_text
from friendli_iac.manifest.model import Environment, Project


def check_apart(
    project: Project,
    chosen: Environment,
    declared: Sequence[Envelope],
    unreadable: set[str],
    report: list[Problem],
) -> None:
    """Reports what is named as manifests of all environments and of one alone; and what only an
    overlay of another environment says, in a file that the base would have. `declared` is what
    there is for the chosen one.
    """
    settings = project.document
    if settings is None:
        return
    base: dict[Path, list[Keys]] = {}
    for place, path in base_files(project):
        base.setdefault(path.resolve(), []).append(place)
    overlays = [(name, place, path) for name, place, path in named_by(project, "overlays")]
    patches = {path.resolve() for _, _, path in overlays}
    told: set[Keys] = set()
    for name, place, path in named_by(project, "manifests"):
        own = project.environments[name].manifests[int(place[-1])]
        for entry in base.get(path.resolve(), ()):
            if not entry or place in told or path.resolve() in patches:
                continue
            if not _has_a_folder(project, project.manifests[int(entry[-1])], own):
                told.add(place)
                report.append(_in_both(settings, name, place, path, entry))
    ours = {path.resolve() for name, _, path in overlays if name == chosen.name}
    theirs = [one for one in overlays if one[2].resolve() in base and one[2].resolve() not in ours]
    known = unreadable | {str(one.address) for one in declared}
    found = [
        (address, document, name, place)
        for name, place, path in theirs
        for document in _documents(path)
        if (address := address_of(document)) and address not in known
    ]
    if found:  # names with variables in them, and what others have for themselves
        known |= {address_of(one.document) for one in declared}
        known |= _apart(project)
    shapes = [_shape(address) for address in known if "${" in address]
    for address, document, name, place in found:
        if address not in known and not any(shape.fullmatch(address) for shape in shapes):
            known.add(address)
            report.append(_lost(settings, name, place, document, address))


def _has_a_folder(project: Project, base: str, own: str) -> bool:
    """Whether an environment has a folder of its own, within what the base means: that is no
    mistake.
    """
    named = PurePath(base)
    return PurePath(own) not in (named, *named.parents) and (project.root / own).is_dir()


def _shape(address: str) -> re.Pattern[str]:
    """What an address can be whose variables have other values elsewhere."""
    return re.compile(re.sub(r"\\\$\\\{.*?\\\}", ".*", re.escape(address)))


def _apart(project: Project) -> set[str]:
    """What environments have for themselves."""
    files = {path for _, _, path in named_by(project, "manifests")}
    return {address_of(document) for path in files for document in _documents(path)}


def _documents(path: Path) -> Iterator[Document]:
    """The documents of a file; its problems are told where it is read for good."""
    text = read_text(path, [], only_ours=True)
    if text and check_characters(label(path), text, []):
        yield from split(label(path), text)


def _in_both(settings: Document, environment: str, place: Keys, path: Path, entry: Keys) -> Problem:
    return settings.problem(
        "environment",
        f"{label(path)} would be a manifest of {environment} alone, and manifests "
        f"({_at(settings, entry)}) has it for all: the others would lose it",
        place,
        remedy=f"name in one of the two places what is for {environment} alone, in the other what "
        "is for all",
    )


def _lost(
    settings: Document, environment: str, place: Keys, document: Document, address: str
) -> Problem:
    return document.problem(
        "environment",
        f"nothing else declares {address}: this file is an overlay of {environment} "
        f"({_at(settings, place)}), and so no manifest",
        ("metadata", "name"),
        remedy="if it declares it, take the file out of overlays; if it patches what is gone, "
        "delete it",
    )


def _at(document: Document, path: Keys) -> str:
    line, column = document.place(path)
    return f"{document.file}:{line}:{column}"
