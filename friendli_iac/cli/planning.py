"""plan and show: what would be done, and what a saved plan says. Nothing is sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    Reading,
    take_reading,
    take_target,
    with_format,
    with_manifests,
    with_parallelism,
    with_preflight,
    with_refresh,
    with_replace,
    with_retry,
    with_selection,
    with_target,
)
from friendli_iac.errors import Refused, UsageError

if TYPE_CHECKING:
    from friendli_iac.core.plan import Plan
    from friendli_iac.engine import Selection

ADDRESSES_IN_A_HINT = 5


@click.command()
@with_target
@with_manifests
@with_selection
@with_parallelism
@with_replace
@with_retry
@with_preflight
@with_refresh("fast", "full", "none")
@click.option("--destroy", is_flag=True, help="Plan the end of everything in state.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan, for `apply FILE`.",
)  # fmt: skip
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@with_format("text", "json", "markdown")
@click.pass_context
def plan(context: click.Context, /, format_: str, parallelism: int, **options: Any) -> int:
    """Show what an apply would do.

    Sends nothing, locks nothing, wakes nothing.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened

    console: Console = context.obj
    target, reading = take_target(options), take_reading(options, os.environ)
    if options["destroy"] and reading.files:
        raise UsageError(
            "--destroy reads no manifests: -f cannot narrow it",
            safe="Nothing was sent.",
            next="Narrow it with --target ADDR or --selector LABEL=VALUE.",
        )
    with opened(target, console) as session:
        session.preflight = not options["no_preflight"]
        selection = selected(reading, options)
        engine = session.engine(Lines(console), parallelism)
        made = engine.plan(
            lambda: session.manifest(reading).resources, selection, destroy=options["destroy"]
        )
        reads = session.http.count if session.http else 0
    if options["out"] and not made.refusals:
        _save(made, options["out"])
    print_plan(console, made, format_, reads=reads)
    if made.refusals:
        saved = ", and no plan was saved" if options["out"] else ""
        console.err(f"refused: mend what is named above, then plan again. Nothing was sent{saved}.")
        return Refused.exit_code
    if options["out"]:
        console.err(f"next: friendli-iac apply {options['out']}")
    elif made.pending_changes or made.unsettled:
        console.err(f"next: {_apply_command(context, made)}")
    work = made.pending_changes or made.unsettled or any(c.held for c in made.changes)
    return 2 if options["detailed_exitcode"] and work else 0


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path, dir_okay=False))
@with_target
@with_format("text", "json", "markdown")
@click.pass_obj
def show(console: Console, /, planfile: Path | None, format_: str, **options: Any) -> int:
    """Show a saved plan, or everything in state."""
    from friendli_iac.cli.session import opened
    from friendli_iac.cli.states import print_resources

    with opened(take_target(options), console, online=False) as session:
        if planfile:
            print_plan(console, load_plan(planfile), format_)
        elif format_ == "markdown":
            raise UsageError("--format markdown is for plans", next="friendli-iac show PLANFILE")
        else:
            print_resources(session, format_, details=True)
    return 0


def selected(reading: Reading | None, options: dict[str, Any]) -> Selection:
    """What the run is about. A destroy reads no manifests."""
    from friendli_iac.engine import Selection

    return Selection(
        complete=not (reading and reading.files),
        targets=options["targets"],
        selectors=options["selectors"],
        replace=options.get("replace", ()),
        retry_failed=options.get("retry_failed", False),
        refresh=options.get("refresh", "fast"),
    )


def print_plan(
    console: Console, plan: Plan, format_: str = "text", *, reads: int | None = None
) -> None:
    """The plan, as data."""
    if format_ == "json":
        console.out_json(plan.to_json())
    elif format_ == "markdown":
        from friendli_iac.review.markdown import render as markdown

        console.out(markdown(plan), newline=False)
    else:
        from friendli_iac.review.text import render as text

        console.out(text(plan, reads=reads, paint=console.paint), newline=False)


def _save(plan: Plan, path: Path) -> None:
    import json

    from friendli_iac.backends.files import Files

    try:
        Files().replace(path, json.dumps(plan.to_file(), indent=1, ensure_ascii=False).encode())
    except OSError as error:
        raise UsageError(
            f"cannot save the plan as {path}: {error.strerror}",
            safe="Nothing was sent.",
            next="Name another file with --out.",
        ) from error


def load_plan(path: Path) -> Plan:
    """The plan in a file. UsageError when there is none, or it was changed."""
    import json

    from friendli_iac.core.plan import Plan

    again = "Make one with friendli-iac plan --out FILE."
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"cannot read the plan {path}: {error.strerror}", safe="Nothing was sent.", next=again
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{path} is no plan file: {error}", safe="Nothing was sent.", next=again
        ) from error
    return Plan.from_file(document if isinstance(document, dict) else {})


def _apply_command(context: click.Context, plan: Plan) -> str:
    """The command line that applies what this one planned."""
    import shlex

    words = ["friendli-iac", "destroy" if context.params["destroy"] else "apply"]
    leave_out = {"destroy", "out", "detailed_exitcode", "format_"}
    for param in context.command.params:
        name = param.name or ""
        if context.get_parameter_source(name) != ParameterSource.COMMANDLINE or name in leave_out:
            continue
        given = context.params[name]
        flag = param.opts[-1] if param.opts[-1].startswith("--") else param.opts[0]
        if isinstance(param, click.Option) and (param.is_flag or param.count):
            words.append(flag)
        else:
            for one in given if param.multiple else (given,):
                words += [flag, str(one)]
    ending = [change.address for change in plan.changes if change.destructive]
    if context.params["destroy"] or not ending:
        return shlex.join(words)
    if len(ending) > ADDRESSES_IN_A_HINT:
        return f"{shlex.join(words)}   (with --yes also: --allow-destroy)"
    return shlex.join(words) + "".join(f" --allow-destroy {address}" for address in ending)
