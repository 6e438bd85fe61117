"""apply and destroy: from a wish to what serves."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    Reading,
    take_reading,
    take_target,
    with_apply,
    with_format,
    with_manifests,
    with_parallelism,
    with_policy,
    with_preflight,
    with_refresh,
    with_replace,
    with_retry,
    with_selection,
    with_target,
)
from friendli_iac.cli.planfiles import load_plan
from friendli_iac.cli.planning import selected
from friendli_iac.cli.running import Run
from friendli_iac.errors import ManifestError, StalePlan, UsageError

if TYPE_CHECKING:
    from friendli_iac.cli.session import Session
    from friendli_iac.core.plan import Plan


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path, dir_okay=False))
@with_target
@with_manifests
@with_selection
@with_parallelism
@with_replace
@with_retry
@with_preflight
@with_policy
@with_refresh("fast", "full", "none")
@click.option(
    "--refresh-only", is_flag=True,
    help="Take what is live for what was applied, in state only. Sends nothing.",
)  # fmt: skip
@with_apply
@click.option(
    "--approved", metavar="DIGEST", default="",
    help="Apply only if the plan has this digest, which a reviewer saw. Does not ask.",
)  # fmt: skip
@click.option(
    "--allow-destroy", is_flag=False, flag_value="*", multiple=True, metavar="[ADDR]",
    help="With --yes: this resource (or all of them) may be deleted or replaced.",
)  # fmt: skip
@with_format("text", "json")
@click.pass_obj
def apply(console: Console, /, planfile: Path | None, format_: str, **options: Any) -> int:
    """Show the plan, ask, apply it, wait until all serves.

    With PLANFILE, apply that very plan: once, and only if what it touches did not move. With
    --approved, plan anew, and apply that only if it is what was approved; a run of it that was cut
    off is gone on with.
    """
    from friendli_iac.cli.session import opened

    target, reading = take_target(options), take_reading(options, os.environ)
    selection = selected(reading, options)
    for allowed in options["allow_destroy"]:
        if allowed != "*" and not re.fullmatch(r"[A-Za-z]+/[^/]+", allowed):
            raise UsageError(
                f"--allow-destroy {allowed}: that is no address",
                safe="Nothing was sent.",
                next="An address looks like Endpoint/chat. A plan file goes before the options: "
                "friendli-iac apply FILE --allow-destroy.",
            )
    approved = options.pop("approved")
    only_refresh = options.pop("refresh_only")
    if approved:
        _check_digest(approved, alone=not planfile and not only_refresh)
        if selection.refresh == "none":
            raise UsageError(
                "--approved compares with what is there, and --refresh none does not read it",
                safe="Nothing was sent.",
                next=f"friendli-iac apply --approved {approved}",
            )
    if only_refresh:
        from friendli_iac.cli.drifting import refresh_only

        return refresh_only(console, target, planfile, reading, selection, format_, options)
    wider = selection.replace or selection.retry_failed or selection.refresh != "fast"
    if planfile and (selection.narrowed or wider):
        raise UsageError(
            "a saved plan is applied as it is: it cannot be narrowed, nor replace or read more",
            safe="Nothing was sent.",
            next=f"friendli-iac apply {planfile}",
        )
    with opened(target, console) as session:
        session.preflight = not options["no_preflight"]
        session.policy, session.override = options["policy"], options["override"]
        run = Run(session, format_, options)
        if planfile:
            saved = load_plan(planfile, console, now=time.time())
            _check_manifests(session, reading, saved)
            return run.apply(lambda planner: saved, saved=True)
        wishes = session.manifest(reading).resources
        return run.apply(lambda planner: planner(wishes, selection), approved=approved)


@click.command()
@with_target
@with_selection
@with_parallelism
@with_policy
@with_apply
@with_format("text", "json")
@click.pass_obj
def destroy(console: Console, /, format_: str, **options: Any) -> int:
    """End everything in state, or what is selected."""
    from friendli_iac.cli.session import opened

    with opened(take_target(options), console) as session:
        session.policy, session.override = options["policy"], options["override"]
        run = Run(session, format_, {**options, "allow_destroy": ("*",)})
        selection = selected(None, options)
        return run.apply(lambda planner: planner({}, selection, destroy=True), "destroy")


def _check_digest(approved: str, *, alone: bool) -> None:
    if not alone:
        raise UsageError(
            "--approved makes a plan and compares it: neither a PLANFILE nor --refresh-only goes "
            "with it",
            safe="Nothing was sent.",
            next=f"friendli-iac apply --approved {approved}",
        )
    if not re.fullmatch(r"[0-9a-f]{64}", approved):
        raise UsageError(
            f"--approved {approved}: that is no digest of a plan",
            safe="Nothing was sent.",
            next="It has 64 hexadecimal digits: plan --format json and the comment on a pull "
            "request have it.",
        )


def _check_manifests(session: Session, reading: Reading, saved: Plan) -> None:
    """StalePlan when the manifests here no longer say what the plan was made from."""
    from friendli_iac.engine import manifest_digest

    if not saved.manifest:
        return
    try:
        wishes = session.manifest(reading).resources
    except ManifestError as error:
        session.console.err(f"note: the manifests here are not compared with the plan: {error}")
        return
    if manifest_digest({str(a): w for a, w in wishes.items()}) != saved.manifest:
        raise StalePlan(["the manifests say something else than when the plan was made"])
