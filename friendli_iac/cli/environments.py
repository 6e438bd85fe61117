"""Which environment a command is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from friendli_iac.cli.options import Target
from friendli_iac.errors import UsageError, did_you_mean
from friendli_iac.manifest import Project, find_project

T = TypeVar("T")


def together(found: Mapping[str, Sequence[T]], somewhere: Callable[[T, str], T]) -> tuple[T, ...]:
    """What was found in each environment, each once. `somewhere` makes of what only some have, and
    of their names, what says so.
    """
    where: dict[T, list[str]] = {}
    for name, things in found.items():
        for thing in dict.fromkeys(things):
            where.setdefault(thing, []).append(name)
    return tuple(
        thing if len(names) == len(found) else somewhere(thing, f"only in {', '.join(names)}")
        for thing, names in where.items()
    )


def targets(target: Target) -> dict[str, Target]:
    """Where to work, by environment: the chosen one, or else all of them. Of a project without any,
    the target itself.
    """
    names = () if target.environment else find_project(target.chdir).environments
    return {name: replace(target, environment=name) for name in names} or {
        target.environment: target
    }


def check_environment(project: Project, name: str) -> None:
    """UsageError where the settings name environments, and `name` is none of them."""
    known = ", ".join(project.environments)
    if not known or name in project.environments:
        return
    if not name:
        raise UsageError(
            f"this project has the environments {known}, and none is chosen",
            safe="Nothing was sent.",
            next="Say which one: --env NAME, or FRIENDLI_IAC_ENV.",
        )
    raise UsageError(
        f"there is no environment {name} in friendli-iac.yaml",
        safe="Nothing was sent.",
        next=did_you_mean(name, project.environments, f"There are {known}."),
    )
