"""plan, apply, destroy and show: from a wish to what serves."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    with_selection,
    with_target,
)
from friendli_iac.errors import ManifestError, Refused, StalePlan, UsageError

if TYPE_CHECKING:
    from friendli_iac.cli.session import Session
    from friendli_iac.core.plan import Plan
    from friendli_iac.engine import Applied, Selection


@click.command()
@with_target
@with_manifests
@with_selection
@with_parallelism
@with_format("text", "json", "markdown")
@click.option("--out", type=click.Path(path_type=Path), help="Save the plan for `apply FILE`.")
@click.option("--replace", multiple=True, metavar="ADDR", help="Make this resource anew.")
@click.option("--destroy", is_flag=True, help="Plan the end of everything in state.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@click.pass_obj
def plan(console: Console, /, format_: str, parallelism: int, **options: Any) -> int:
    """Show what an apply would do. Sends nothing, locks nothing, wakes nothing."""
    from friendli_iac.cli.session import opened

    target, reading = take_target(options), take_reading(options, os.environ)
    with opened(target, console) as session:
        made = _plan(session, reading, options, parallelism)
        assert session.http is not None, "an online session has one"
        _print_plan(console, made, format_, session.http.count)
    if options["out"] and not made.refusals:
        _save(made, options["out"])
        console.err(f"saved: friendli-iac apply {options['out']}")
    elif made.pending_changes and format_ == "text" and not made.refusals:
        console.err("next: friendli-iac apply")
    if made.refusals:
        return Refused.exit_code
    return 2 if options["detailed_exitcode"] and made.pending_changes else 0


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path, dir_okay=False))
@with_target
@with_manifests
@with_selection
@with_parallelism
@with_apply
@with_format("text", "json")
@click.option("--replace", multiple=True, metavar="ADDR", help="Make this resource anew.")
@click.option(
    "--allow-destroy",
    is_flag=False,
    flag_value="*",
    multiple=True,
    metavar="[ADDR]",
    help="With --yes: this resource (or all of them) may be deleted or replaced.",
)
@click.pass_obj
def apply(console: Console, /, planfile: Path | None, format_: str, **options: Any) -> int:
    """Make it so: show the plan, ask, apply, and wait until everything serves.

    With PLANFILE, apply that very plan: once, and only if what it touches did not move.
    """
    from friendli_iac.cli.session import opened

    target, reading = take_target(options), take_reading(options, os.environ)
    with opened(target, console) as session:
        if planfile:
            saved = _load(planfile)
            _check_manifests(session, reading, saved)
            return _apply(session, format_, options, saved=saved)
        selection = _selection(reading, options)
        wishes = session.manifest(reading).resources
        return _apply(session, format_, options, make=lambda p: p(wishes, selection))


@click.command()
@with_target
@with_selection
@with_parallelism
@with_apply
@with_format("text", "json")
@click.pass_obj
def destroy(console: Console, /, format_: str, **options: Any) -> int:
    """End everything in state, or what --target and --selector choose."""
    from friendli_iac.cli.session import opened

    options["replace"] = ()
    target = take_target(options)
    with opened(target, console) as session:
        selection = _selection(None, options)
        return _apply(
            session,
            format_,
            {**options, "allow_destroy": ("*",)},
            make=lambda p: p({}, selection, destroy=True),
            operation="destroy",
        )


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path, dir_okay=False))
@with_target
@with_format("text", "json", "markdown")
@click.pass_obj
def show(console: Console, /, planfile: Path | None, format_: str, **options: Any) -> int:
    """Show a saved plan, or everything in state."""
    from friendli_iac.cli.session import opened
    from friendli_iac.cli.states import print_resources

    if planfile:
        _print_plan(console, _load(planfile), format_, None)
        return 0
    with opened(take_target(options), console, online=False) as session:
        print_resources(session, format_, details=True)
    return 0


# --- plans ---


def _selection(reading: Reading | None, options: dict[str, Any]) -> Selection:
    from friendli_iac.engine import Selection

    return Selection(
        complete=not (reading and reading.files),
        targets=options["targets"],
        selectors=options["selectors"],
        replace=options["replace"],
    )


def _plan(session: Session, reading: Reading, options: dict[str, Any], parallelism: int) -> Plan:
    from friendli_iac.cli.progress import Lines

    selection = _selection(reading, options)
    wishes = {} if options["destroy"] else session.manifest(reading).resources
    engine = session.engine(Lines(session.console), parallelism)
    return engine.plan(wishes, selection, destroy=options["destroy"])


def _print_plan(console: Console, plan: Plan, format_: str, reads: int | None) -> None:
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

    Files().replace(path, json.dumps(plan.to_json(), indent=1, ensure_ascii=False).encode())


def _load(path: Path) -> Plan:
    import json

    from friendli_iac.core.plan import Plan

    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"cannot read the plan {path}: {error.strerror}",
            next="Make one with friendli-iac plan --out FILE.",
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is no plan file: {error}", safe="Nothing was sent.") from error
    return Plan.from_json(document if isinstance(document, dict) else {})


def _check_manifests(session: Session, reading: Reading, saved: Plan) -> None:
    """StalePlan when the manifests here no longer say what the plan was made from."""
    from friendli_iac.engine.engine import manifest_digest

    if not saved.manifest or "-f" in saved.narrowed:
        return
    try:
        wishes = session.manifest(reading).resources
    except ManifestError as error:
        session.console.err(f"note: the manifests here are not compared with the plan: {error}")
        return
    if manifest_digest({str(a): w for a, w in wishes.items()}) != saved.manifest:
        raise StalePlan(["the manifests say something else than when the plan was made"])


# --- apply ---


def _apply(
    session: Session,
    format_: str,
    options: dict[str, Any],
    *,
    make: Callable[[Any], Plan] | None = None,
    saved: Plan | None = None,
    operation: str = "apply",
) -> int:
    from friendli_iac.cli.progress import progress
    from friendli_iac.engine import ApplyOptions, exit_code

    console = session.console
    unreviewed = options["yes"] and saved is None
    apply_options = ApplyOptions(
        parallelism=options["parallelism"],
        timeout=options["timeout"],
        settle_grace=options["settle_grace"],
        lock_timeout=options["lock_timeout"],
        no_wait=options["no_wait"],
        continue_on_error=options["continue_on_error"],
        allow_destroy=frozenset(options["allow_destroy"]) if unreviewed else None,
    )

    def approve(plan: Plan) -> bool:
        if format_ == "text":
            _print_plan(console, plan, "text", None)
        if options["yes"] or saved is not None:
            return True
        if not console.interactive:
            raise UsageError(
                "there is nobody to ask: this is not a terminal",
                safe="Nothing was sent.",
                next="Use --yes, or apply a saved plan: friendli-iac plan --out FILE.",
            )
        return console.ask("Apply this?")

    with progress(console) as reporter:
        engine = session.engine(reporter, options["parallelism"])
        with _stoppable(console, engine.stop):
            done = engine.apply(
                make or (lambda _: saved),  # type: ignore[arg-type,return-value]
                apply_options,
                approve,
                operation=operation,
                saved=saved is not None,
            )
    code = exit_code(done.outcomes)
    _print_applied(console, done, format_, code)
    return code


def _print_applied(console: Console, done: Applied, format_: str, code: int) -> None:
    if format_ == "json":
        console.out_json(_applied_as_json(done, code))
        return
    for line in (*done.notices, *done.settled):
        console.err(f"note: {line}")
    if not done.outcomes:
        _print_plan(console, done.plan, "text", None)
        return
    console.out("")
    for outcome in done.outcomes:
        good = outcome.result in ("applied", "sent")
        mark = console.paint("ok", "green") if good else console.paint(outcome.result, "red")
        console.out(f"{mark}  {outcome.action} {outcome.address}: {outcome.text}")
        error = outcome.error
        if error and error.safe:
            console.out(f"    safe: {error.safe}")
        if error and error.next:
            console.out(f"    next: {error.next}")
    counts: dict[str, int] = {}
    for outcome in done.outcomes:
        counts[outcome.result] = counts.get(outcome.result, 0) + 1
    console.out(", ".join(f"{count} {result}" for result, count in counts.items()))
    if code:
        console.err("next: friendli-iac plan shows what is left; apply goes on from here.")


def _applied_as_json(done: Applied, code: int) -> dict[str, Any]:
    return {
        "format_version": "1.0",
        "exit_code": code,
        "settled": list(done.settled),
        "notices": list(done.notices),
        "plan": done.plan.to_json(),
        "outcomes": [
            {
                "address": outcome.address,
                "action": outcome.action,
                "result": outcome.result,
                "id": outcome.id,
                "text": outcome.text,
                "safe": outcome.error.safe if outcome.error else "",
                "next": outcome.error.next if outcome.error else "",
            }
            for outcome in done.outcomes
        ],
    }


@contextmanager
def _stoppable(console: Console, stop: threading.Event) -> Iterator[None]:
    """Ctrl-C or SIGTERM once: nothing new starts, and what is in flight is recorded. Twice: at
    once; the journal knows what was begun.
    """

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        console.err("stopping: nothing new starts; what was sent is recorded. Again: at once.")

    previous = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
