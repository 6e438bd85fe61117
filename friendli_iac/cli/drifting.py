"""drift and `apply --refresh-only`: what is not as it was left, and taking it as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    Reading,
    Target,
    take_reading,
    take_target,
    with_format,
    with_manifests,
    with_parallelism,
    with_refresh,
    with_selection,
    with_target,
)
from friendli_iac.errors import ManifestError, UsageError

if TYPE_CHECKING:
    from friendli_iac.cli.session import Session
    from friendli_iac.core.drift import DriftReport
    from friendli_iac.engine import Selection


@click.command()
@with_target
@with_manifests
@with_selection
@with_parallelism
@with_refresh("full", "fast")
@click.option(
    "--unmanaged", is_flag=True,
    help="Also what is in the projects and neither in this state nor in a sibling's.",
)  # fmt: skip
@click.option(
    "--routes", is_flag=True,
    help="Also ask what is awake for its adapters: one inference request for each.",
)  # fmt: skip
@with_format("text", "json", "markdown")
@click.pass_obj
def drift(console: Console, /, format_: str, parallelism: int, **options: Any) -> int:
    """Show what others changed since it was applied.

    Compares the state with what is live; the manifests only say in which projects --unmanaged
    looks. Sends nothing, locks nothing. Exits with 2 when there is any drift.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.drift import Question, find_drift

    target, reading = take_target(options), take_reading(options, os.environ)
    narrowed = options["targets"] or options["selectors"]
    if options["unmanaged"] and narrowed:
        raise UsageError(
            "--unmanaged looks at whole projects: --target and --selector cannot narrow it",
            safe="Nothing was sent.",
            next="friendli-iac drift --unmanaged",
        )
    with opened(target, console) as session:
        projects = _projects(session, reading) if options["unmanaged"] else None
        question = Question(
            options["targets"], options["selectors"], options["refresh"], projects,
            routes=options["routes"],
        )  # fmt: skip
        found = find_drift(session.engine(Lines(console), parallelism), question)
        reads = session.sent
    _print(console, found, format_, reads)
    if found.unread:  # what could be read was shown
        raise found.unread
    return 2 if found.differs else 0


def refresh_only(
    console: Console,
    target: Target,
    planfile: Path | None,
    reading: Reading,
    selection: Selection,
    format_: str,
    options: dict[str, Any],
) -> int:
    """`apply --refresh-only`: the exit code."""
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.drift import Question, accept_drift

    others = selection.replace or selection.retry_failed or selection.refresh == "none"
    if planfile or reading.files or others:
        raise UsageError(
            "--refresh-only reads everything in state, and no manifests: no PLANFILE, -f, "
            "--replace, --retry-failed or --refresh none goes with it",
            safe="Nothing was sent.",
            next="Narrow it with --target ADDR or --selector LABEL=VALUE.",
        )
    with opened(target, console) as session:
        engine = session.engine(Lines(console), options["parallelism"])

        def approve(report: DriftReport) -> bool:
            if not options["yes"] and not console.interactive:
                raise UsageError(
                    "there is nobody to ask: this is not a terminal",
                    safe="Nothing was recorded.",
                    next="Use --yes.",
                )
            if not options["yes"]:
                _print(console, report, "text", None, err=format_ == "json")
            return bool(options["yes"]) or console.ask("Record this? Nothing is sent.")

        question = Question(selection.targets, selection.selectors, routes=True)
        done = accept_drift(engine, question, approve, options["lock_timeout"])
    recorded = sum(bool(one.entries) for one in done.accepted)
    if format_ == "json":
        _print(console, done, "json", None)
    elif options["yes"] or not recorded:
        _print(console, done, "text", None)
    if recorded and format_ != "json":
        console.out(f"{recorded} recorded as they are; nothing was sent")
        console.err("next: friendli-iac plan")
    return 0


def _projects(session: Session, reading: Reading) -> tuple[str, ...]:
    """The projects that the manifests name."""
    try:
        wishes = session.manifest(reading).resources
    except ManifestError as error:
        session.console.err(f"note: only the projects in state are looked at: {error}")
        return ()
    from friendli_iac.resources import KINDS

    placed = (wish for at, wish in wishes.items() if KINDS[at.kind].model.IN_PROJECT)
    return tuple(sorted({wish.spec["project"] for wish in placed}))


def _print(
    console: Console, report: DriftReport, format_: str, reads: int | None, *, err: bool = False
) -> None:
    from friendli_iac.review.drift import as_json, markdown, render, ways_out

    if format_ == "json":
        console.out_json(as_json(report))
    elif format_ == "markdown":
        console.out(markdown(report), newline=False)
    elif err:
        console.err(render(report), newline=False)
    else:
        console.out(render(report, reads=reads, paint=console.paint), newline=False)
    if not report.accepted:
        for line in ways_out(report):
            console.err(line)
