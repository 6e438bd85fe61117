"""plan and show: what would be done, and what a saved plan says. Nothing is sent."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    SECONDS,
    Reading,
    take_reading,
    take_target,
    with_events,
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
from friendli_iac.errors import Refused, UsageError

if TYPE_CHECKING:
    from friendli_iac.cli.session import Session
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
@with_policy
@with_refresh("fast", "full", "none")
@click.option("--destroy", is_flag=True, help="Plan the end of everything in state.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan, for `apply FILE`; with FRIENDLI_IAC_PLAN_KEY set, under a seal.",
)  # fmt: skip
@click.option("--expires", type=SECONDS, help="With --out: how long the plan may be applied.")
@click.option(
    "--outputs", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Add `key=value` lines about the plan to this file, such as $GITHUB_OUTPUT.",
)  # fmt: skip
@click.option("--all-environments", is_flag=True, help="Plan every environment, as one review.")
@with_events
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@with_format("text", "json", "markdown", "html")
@click.pass_context
def plan(context: click.Context, /, format_: str, parallelism: int, **options: Any) -> int:
    """Show what an apply would do.

    Sends nothing, locks nothing, wakes nothing.
    """
    from friendli_iac.cli.planfiles import plan_key, save_plan, write_outputs
    from friendli_iac.cli.session import opened
    from friendli_iac.review.times import rfc3339

    console: Console = context.obj
    target, reading = take_target(options), take_reading(options, os.environ)
    if options["destroy"] and reading.files:
        raise UsageError(
            "--destroy reads no manifests: -f cannot narrow it",
            safe="Nothing was sent.",
            next="Narrow it with --target ADDR or --selector LABEL=VALUE.",
        )
    _check_options(context)
    if options["all_environments"]:
        from friendli_iac.cli.planning_all import plan_all

        return plan_all(context, target, reading, format_)
    key = plan_key(console) if options["out"] else ""  # a bad one is told before there is any work
    with opened(target, console) as session:
        made, reads = made_plan(session, reading, context)
    if options["out"]:
        if options["expires"]:
            made = replace(made, expires=rfc3339(time.time() + options["expires"]))
        save_plan(made, options["out"], key)  # a refused one, too: reviewers are to see why
    if options["outputs"]:
        write_outputs([made], options["outputs"], options["out"])
    print_plan(console, made, format_, reads=reads)
    saved = "; it was saved to be shown, and no apply takes it" if options["out"] else ""
    if options["override"] and not made.override:
        console.err("note: no rule denies it, so there is nothing to override")
    if made.refusals:
        console.err(f"refused: mend what is named above, then plan again. Nothing was sent{saved}.")
    elif made.denied:
        rules = ", ".join(dict.fromkeys(one.rule for one in made.findings if one.denies))
        console.err(f"denied by {rules}. Nothing was sent{saved}.")
        console.err(
            "  next: mend what is named above, or say why it must be done all the same, which is "
            "recorded: --override REASON"
        )
    elif options["out"]:
        by_hand = context.get_parameter_source("environment") == ParameterSource.COMMANDLINE
        where = f" --env {made.environment}" if by_hand else ""
        console.err(f"next: friendli-iac apply{where} {options['out']}")
    elif made.pending_changes or made.unsettled:
        console.err(f"next: {apply_command(context, made)}")
    return code_of(made, options["detailed_exitcode"])


def _check_options(context: click.Context) -> None:
    """UsageError for options that make no sense together."""
    given = context.params
    by_hand = context.get_parameter_source("environment") == ParameterSource.COMMANDLINE
    if given["expires"] is not None and not given["out"]:
        raise UsageError(
            "--expires is about a saved plan", safe="Nothing was sent.", next="Use it with --out."
        )
    if given["expires"] is not None and given["expires"] <= 0:
        raise UsageError(
            "--expires: a plan that has expired already helps nobody",
            safe="Nothing was sent.",
            next="Say for how long it is good: --expires 24h.",
        )
    if given["all_environments"] and (given["out"] or by_hand):
        raise UsageError(
            "--all-environments is for a look at all of them: neither --out nor --env goes with it",
            safe="Nothing was sent.",
            next="To save a plan, choose one: friendli-iac plan --env NAME --out FILE",
        )


def made_plan(session: Session, reading: Reading, context: click.Context) -> tuple[Plan, int]:
    """The plan that the command line asks for, and how many reads it took."""
    from friendli_iac.cli.progress import Lines

    options = context.params
    session.preflight = not options["no_preflight"]
    session.policy, session.override = options["policy"], options["override"]
    engine = session.engine(Lines(session.console), options["parallelism"])
    made = engine.plan(
        lambda: session.manifest(reading).resources,
        selected(reading, options),
        destroy=options["destroy"],
    )
    if session.console.events:
        session.console.events.plan(made)
    return made, session.sent


def code_of(plan: Plan, detailed: bool) -> int:
    """The exit code of a plan."""
    if plan.refusals or plan.denied:
        return Refused.exit_code
    work = plan.pending_changes or plan.unsettled or any(c.held for c in plan.changes)
    return 2 if detailed and work else 0


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path, dir_okay=False))
@with_target
@with_format("text", "json", "markdown", "html")
@click.pass_obj
def show(console: Console, /, planfile: Path | None, format_: str, **options: Any) -> int:
    """Show a saved plan, or everything in state."""
    from friendli_iac.cli.planfiles import load_plan
    from friendli_iac.cli.session import opened
    from friendli_iac.cli.states import print_resources

    if not planfile and format_ in ("markdown", "html"):
        raise UsageError(
            f"--format {format_} is for plans",
            safe="Nothing was sent.",
            next=f"friendli-iac show PLANFILE --format {format_}",
        )
    target = take_target(options)
    with opened(target, console, online=False, any_environment=bool(planfile)) as session:
        if planfile:
            print_plan(console, load_plan(planfile, console), format_)
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
        from friendli_iac.core.planfile import to_json

        console.out_json(to_json(plan))
    elif format_ == "text":
        from friendli_iac.review.text import render as text
        from friendli_iac.review.words import headline

        with console.group(f"Plan {plan.environment}".strip() + f": {headline(plan)}"):
            console.out(text(plan, reads=reads, paint=console.paint), newline=False)
    else:
        print_review(console, [plan], format_)


def print_review(console: Console, plans: Sequence[Plan], format_: str) -> None:
    """Plans as one page for a reviewer: `markdown` or `html`."""
    from friendli_iac.cli.checkout import links_at

    links = links_at(plans[0].commit)
    if format_ == "markdown":
        from friendli_iac.review.markdown import render as markdown

        console.out(markdown(plans, links=links), newline=False)
    else:
        from friendli_iac.review.html import render as html

        console.out(html(plans, links=links), newline=False)


def apply_command(context: click.Context, plan: Plan, *more: str) -> str:
    """The command line that applies what this one planned."""
    import shlex

    words = ["friendli-iac", "destroy" if context.params["destroy"] else "apply", *more]
    leave_out = {"destroy", "out", "detailed_exitcode", "format_", "outputs", "all_environments"}
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
