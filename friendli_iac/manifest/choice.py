"""Which files are read: the base of a project, and what one environment adds to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import Keys
from friendli_iac.manifest.files import (
    MAX_FILE,
    SETTINGS,
    check_characters,
    inside,
    label,
    read_text,
    too_large,
    walk,
)
from friendli_iac.manifest.model import Environment, Project

STDIN = "<stdin>"
MAX_TOTAL = 64 * 2**20  # bytes


@dataclass(frozen=True)
class Text:
    """A file as read. `named` says that it was asked for by name, so that it must be ours; `patch`
    that it holds overlays.
    """

    file: str
    text: str
    named: bool
    patch: bool = False


def manifest_texts(
    project: Project,
    files: Sequence[str],
    stdin: Callable[[], str] | None,
    report: list[Problem],
    unsaved: Mapping[str, str] = {},
    environment: Environment | None = None,
) -> Iterator[Text]:
    """The texts to read, one by one, in the order of their names; problems go to `report`. The
    overlays of the environment come last.

    `unsaved` has, by label, what files will hold that are not written yet: they come after all
    others of their sort when they are new.
    """
    total = 0
    seen: set[str] = set()
    text: str | None
    overlays = dict(overlay_files(project, environment, report, unsaved)) if environment else {}
    paths = [
        *((path, named, False) for path, named in _paths(project, files, report, environment)),
        *((Path(name), True, False) for name in unsaved if Path(name) not in overlays),
        *((path, named, True) for path, named in overlays.items()),
    ]
    for path, named, patch in paths:
        if path is None:
            name, text = STDIN, stdin() if stdin else ""
            if len(text) > MAX_FILE:
                report.append(too_large(name, MAX_FILE))
                continue
        else:
            name = label(path)
            if name in seen:
                continue
            seen.add(name)
            text = unsaved.get(name)
            if text is None:
                text = read_text(path, report, only_ours=not named)
        if text is None:
            continue
        total += len(text)
        if total > MAX_TOTAL:
            report.append(too_large("the manifests together", MAX_TOTAL))
            return
        if check_characters(name, text, report):
            yield Text(name, text, named, patch)


def read_files(project: Project, environment: Environment | None = None) -> set[Path]:
    """The files that the project reads without being told to, with links followed."""
    return {found.resolve() for found, _ in _paths(project, (), [], environment) if found}


def _paths(
    project: Project,
    files: Sequence[str],
    report: list[Problem],
    environment: Environment | None = None,
) -> Iterator[tuple[Path | None, bool]]:
    """Each file to read, and whether it was named; None is standard input. What environments name
    is no part of the base, however that is found.
    """
    overlays = {path.resolve() for _, _, path in named_by(project, "overlays")}
    others = overlays | {path.resolve() for _, _, path in named_by(project, "manifests")}
    if environment is not None:
        problems = [] if files else report
        own = [
            (path, named)
            for _, path, named in _entries(project, environment, "manifests", problems)
            if path.resolve() not in overlays
        ]
        if files:
            others -= {path.resolve() for path, _ in own}
        else:
            yield from own
    for path, named in _base(project, files, report):
        if not others or path is None or path.resolve() not in others:
            yield path, named
        elif named and files:
            report.append(_not_base(path, path.resolve() in overlays))


def _base(
    project: Project, files: Sequence[str], report: list[Problem]
) -> Iterator[tuple[Path | None, bool]]:
    if files:
        for file in files:
            path = Path(file)
            if file == "-":
                yield None, True
            elif not inside(path, project.root, report):
                continue
            elif path.is_dir():
                yield from ((found, False) for found in walk(path, report))
            else:
                yield path, True
    elif project.manifests:
        for index, pattern in enumerate(project.manifests):
            yield from _matches(project, ("manifests", index), pattern, report)
    else:
        yield from ((found, False) for found in walk(project.root, report))


def base_files(project: Project) -> Iterator[tuple[Keys, Path]]:
    """The files that `manifests` means, with the place of the entry; with the empty place, all
    files where there is none. Environments may name some of them.
    """
    for index, pattern in enumerate(project.manifests):
        place = ("manifests", index)
        yield from ((place, path) for path, _ in _matches(project, place, pattern, []))
    if not project.manifests:
        yield from (((), path) for path in walk(project.root, []))


def overlay_files(
    project: Project,
    environment: Environment,
    report: list[Problem],
    unsaved: Mapping[str, str] = {},
) -> Iterator[tuple[Path, bool]]:
    """The files of an environment's overlays, and whether each was named. One of `unsaved` may not
    be there yet.
    """
    new = [path for name in unsaved if not (path := Path(name)).exists()]
    for index, pattern in enumerate(environment.overlays):
        place = ("environments", environment.name, "overlays", index)
        problems: list[Problem] = []
        found = list(_matches(project, place, pattern, problems))
        if not leads_out(pattern):
            hits = [path for path in new if _means(project.root / pattern, path.absolute())]
            yield from ((Path(label(path)), True) for path in hits)
            problems = [p for p in problems if not hits or p.rule != "no-manifests"]
        for problem in problems:
            report.append(problem)
        yield from ((Path(label(path)), named) for path, named in found)


def _entries(
    project: Project,
    environment: Environment,
    key: Literal["overlays", "manifests"],
    report: list[Problem],
) -> Iterator[tuple[Keys, Path, bool]]:
    """The files that a list of an environment means, with the place of the entry."""
    for index, pattern in enumerate(getattr(environment, key)):
        place = ("environments", environment.name, key, index)
        for path, named in _matches(project, place, pattern, report):
            yield place, path, named


def named_by(
    project: Project, key: Literal["overlays", "manifests"]
) -> Iterator[tuple[str, Keys, Path]]:
    """The files that any environment means, with its name and the place of the entry."""
    for environment in project.environments.values():
        for place, path, _ in _entries(project, environment, key, []):
            yield environment.name, place, path


def leads_out(pattern: str) -> bool:
    """Whether an entry of the settings names what is not below their folder."""
    return Path(pattern).is_absolute() or ".." in Path(pattern).parts


def _means(pattern: Path, path: Path) -> bool:
    """Whether an entry means a file, or the folder that it is in."""
    return path == pattern or path.match(str(pattern)) or pattern in path.parents


def _not_base(path: Path, is_overlay: bool) -> Problem:
    what = "an overlay" if is_overlay else "a manifest of another environment"
    remedy = "name what the base declares; --env says which overlays are put over it"
    return Problem(label(path), 0, 0, f"this file is {what}", remedy, rule="environment")


def _matches(
    project: Project, place: Keys, pattern: str, report: list[Problem]
) -> Iterator[tuple[Path, bool]]:
    """The files that an entry of the settings, at `place`, means."""
    document = project.document
    if leads_out(pattern):
        if document:
            report.append(
                document.problem(
                    "outside",
                    f"{pattern} leads out of the project",
                    place,
                    remedy=f"name files below the folder of {SETTINGS}",
                )
            )
        return
    found = [project.root] if Path(pattern) == Path() else sorted(project.root.glob(pattern))
    hits = 0
    for path in found:
        if path.name == SETTINGS:
            continue
        hits += 1
        if not inside(path, project.root, report):
            continue
        if path.is_dir():
            below = list(walk(path, report))
            if not below and place[2:3] == ("overlays",):
                hits -= 1  # the environment would be as the base, and nobody would know
            yield from ((file, False) for file in below)
        else:
            yield path, True
    if not hits and document:
        report.append(
            document.problem(
                "no-manifests",
                f"no file matches {pattern}",
                place,
                remedy=f"correct the path; it is relative to the folder of {SETTINGS}",
            )
        )
