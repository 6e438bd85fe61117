"""Which requests bring an endpoint to what is wanted, in order."""

from __future__ import annotations

from collections.abc import Collection

from friendli_iac.resources.artifact import ARTIFACT
from friendli_iac.resources.base import Action, Observed, Step
from friendli_iac.resources.endpoint_artifact import not_carried
from friendli_iac.resources.spec import Spec, get_path


def steps_of(
    action: Action, observed: Observed | None, target: Spec, changed: Collection[str]
) -> tuple[Step, ...]:
    """See `Kind.steps`."""
    desired = target.get("desired")
    ended = observed is not None and observed.health in ("ending", "stopped")
    end: tuple[Step, ...] = ("delete",) if ended else ("terminate", "delete")
    sleep: tuple[Step, ...] = ("sleep",) if desired == "sleeping" else ()
    match action:
        case "create":
            return (*_creating(target), *sleep)
        case "update":
            wakes = desired == "running" and observed is not None and observed.asleep
            again: tuple[Step, ...] = ("restart",) if ended else ("wake",) if wakes else ()
            last = sleep if observed and not observed.asleep else ()
            return (*_updating(target, changed), *again, *last)
        case "replace" if get_path(target, "lifecycle.createBeforeDestroy"):
            return (*_creating(target), *end, *sleep)
        case "replace":
            return (*end, *_creating(target), *sleep)
        case "delete":
            return end
        case "restart":
            return ("restart", *sleep)
        case "wake" | "sleep" | "terminate":
            return (action,)
        case "verify":
            return sleep if observed and not observed.asleep else ()
        case _:
            return ()


def _creating(target: Spec) -> tuple[Step, ...]:
    """An artifact of W&B is deployed by a route of its own, and what that cannot carry follows."""
    if get_path(target, ARTIFACT) and not_carried(target):
        return ("create", "update")
    return ("create",)


def _updating(target: Spec, changed: Collection[str]) -> tuple[Step, ...]:
    if ARTIFACT not in changed or get_path(target, ARTIFACT) is None:
        return ("update",)
    rest = not_carried(target, changed)
    return ("rollout", "update") if rest else ("rollout",)
