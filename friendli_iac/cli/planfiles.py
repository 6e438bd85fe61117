"""Plans in files: saved and sealed, read again, and what a CI job wants to know of one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from friendli_iac.cli.console import Console
from friendli_iac.errors import UsageError

if TYPE_CHECKING:
    from friendli_iac.core.plan import Plan

SHORTEST_KEY = 16  # characters


def save_plan(plan: Plan, path: Path, key: str) -> None:
    """Writes a plan file, with a seal where there is a key."""
    import json

    from friendli_iac.backends.files import Files
    from friendli_iac.core.planfile import to_file

    document = json.dumps(to_file(plan, key), indent=1, ensure_ascii=False, allow_nan=False)
    try:
        Files().replace(path, document.encode())
    except OSError as error:
        raise UsageError(
            f"cannot save the plan as {path}: {error.strerror}",
            safe="Nothing was sent.",
            next="Name another file with --out.",
        ) from error


def load_plan(path: Path, console: Console, *, now: float | None = None) -> Plan:
    """The plan in a file, which is to be applied `now` (seconds since 1970), or (None) only shown:
    then it is noted where an apply would refuse its age or seal. UsageError when there is none, or
    it was changed; Refused and StalePlan as `planfile.from_file` says.
    """
    from friendli_iac.core.planfile import KEY, from_file, is_sealed

    document, key = _read(path), plan_key(console)
    if now is not None:
        return from_file(document, key, now)
    sealed = is_sealed(document)
    plan = from_file(document, key if key and sealed else None)
    if sealed and not key:
        console.err(f"note: it is sealed, and {KEY} is not set: who made it was not checked")
    elif key and not sealed:
        console.err(f"note: it has no seal, and {KEY} is set: apply will refuse it")
    return plan


def plan_key(console: Console) -> str:
    """The key of plan files; empty where none is set. It is never shown."""
    from friendli_iac.core.planfile import KEY

    key = os.environ.get(KEY, "").strip()
    console.hide(key)
    if key and len(key) < SHORTEST_KEY:
        raise UsageError(
            f"{KEY} is too short: it has {SHORTEST_KEY} characters at least",
            safe="Nothing was sent.",
            next="Make one with: openssl rand -hex 32",
        )
    return key


def write_outputs(
    plans: Sequence[Plan], path: Path, saved: Path | None = None, *, whole: bool = True
) -> None:
    """Adds `key=value` lines to a file, as `$GITHUB_OUTPUT` wants them. Costs are dollars per hour
    at the most replicas, and empty where a price is not known, or where these plans are not the
    `whole` of what was asked for.
    """
    from friendli_iac.core.cost import totals
    from friendli_iac.review.words import is_work

    sums = [totals(plan) for plan in plans]
    known = whole and not any(one.unknown for one in sums)
    unfit = any(plan.refusals or plan.denied for plan in plans)  # nobody can approve it
    pending = [change for plan in plans for change in plan.pending_changes]
    actions = [c.action for c in pending if c.steps or c.action != "verify"]  # which only looks
    values = {
        "changes": str(any(is_work(plan) for plan in plans)).lower(),
        "to_add": actions.count("create"),
        "to_change": len([a for a in actions if a not in ("create", "replace", "delete")]),
        "to_replace": actions.count("replace"),
        "to_destroy": actions.count("delete"),
        "by_hand": sum(len(change.manual) for change in pending),
        "cost_before": f"{sum(one.before[1] for one in sums):.2f}" if known else "",
        "cost_after": f"{sum(one.after[1] for one in sums):.2f}" if known else "",
        "digest": plans[0].digest if len(plans) == 1 and not unfit else "",
        "plan_path": saved or "",
    }
    lines = [f"{name}={value}" for name, value in values.items()]
    if any(len(line.splitlines()) > 1 for line in lines):  # it would be another output
        raise UsageError(f"--out {str(saved)!r}: a line break in it cannot be told to a CI job")
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise UsageError(
            f"cannot write the outputs to {path}: {error.strerror}",
            safe="Nothing was sent.",
            next="Name another file with --outputs.",
        ) from error


def _read(path: Path) -> dict[str, Any]:
    from friendli_iac.resources.foreign import loads

    again = "Make one with friendli-iac plan --out FILE."
    try:
        document = loads(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"cannot read the plan {path}: {error.strerror}", safe="Nothing was sent.", next=again
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{path} is no plan file: {error}", safe="Nothing was sent.", next=again
        ) from error
    return document if isinstance(document, dict) else {}
