"""Applies and plans on the emulator's clock, for tests of roll-outs: waits take no time."""

from __future__ import annotations

from typing import Any

from friendli_iac.core.plan import Change, Plan
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions, Report, Selection, exit_code
from friendli_iac.manifest import find_project, load_manifest

from .harness import Project, endpoint, engine_for

CHAT_PROBE = "chat: {messages: [{role: user, content: Say OK}], expect: {contains: OK}}"
ALL = frozenset({"*"})


def rollout(text: str) -> str:
    """The block `rollout`, for `endpoint(more=…)`."""
    return f"  rollout: {{{text}}}\n"


def manifest(name: str = "chat", *, settings: str = "", more: str = "", **how: Any) -> str:
    """An endpoint with a block `rollout` of `settings`."""
    return endpoint(name, more=(rollout(settings) if settings else "") + more, **how)


def apply(
    project: Project,
    emulator: Emulator,
    text: str,
    *,
    retry_failed: bool = False,
    **options: Any,
) -> tuple[int, Report]:
    """The exit code and the report of an apply of `text`."""
    project.write(text)
    selection = Selection(retry_failed=retry_failed)
    with engine_for(project, emulator) as engine:
        done = engine.apply(
            lambda plan: plan(_wishes(project), selection),
            ApplyOptions(allow_destroy=ALL, **options),
            lambda plan: True,
        )
    held = any(change.held for change in done.plan.changes)
    return exit_code(done.outcomes, held=held), done


def plan(project: Project, emulator: Emulator, text: str, *, retry_failed: bool = False) -> Plan:
    """The plan of `text`."""
    project.write(text)
    with engine_for(project, emulator) as engine:
        return engine.plan(lambda: _wishes(project), Selection(retry_failed=retry_failed))


def change(project: Project, emulator: Emulator, text: str, **how: Any) -> Change:
    """The only change of the plan of `text`."""
    (found,) = plan(project, emulator, text, **how).changes
    return found


def resource(project: Project, address: str = "Endpoint/chat") -> dict[str, Any]:
    """What state knows of an address."""
    found: dict[str, Any] = project.state["resources"][address]
    return found


def outcomes(project: Project, address: str = "Endpoint/chat") -> list[str]:
    """What came of each version that we made, oldest first."""
    return [record["outcome"] for record in resource(project, address)["history"]]


def live(emulator: Emulator) -> dict[str, Any]:
    """The only endpoint that there is."""
    (found,) = emulator.endpoints()
    return found


def _wishes(project: Project) -> Any:
    return load_manifest(find_project(project.root), environ={}).resources
