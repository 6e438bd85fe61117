"""state history, restore and claim: the states before, and whose the state is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import take_target, with_format, with_target
from friendli_iac.errors import StateDenied, UsageError

if TYPE_CHECKING:
    from friendli_iac.engine.restore import Restored


@click.command("history")
@with_target
@with_format("text", "json")
@click.pass_obj
def history(console: Console, /, format_: str, **options: Any) -> int:
    """List the states that can be restored."""
    from friendli_iac.cli.session import opened
    from friendli_iac.cli.unlocking import as_json
    from friendli_iac.review.times import moment, rfc3339, stamp

    with opened(take_target(options), console, online=False) as session:
        kept = session.backend.history()[::-1]
        try:
            held = session.backend.held()
        except StateDenied:  # to know the time of a store, one must write there
            held = None
        where = session.backend.describe()
    if format_ == "json":
        states = [
            {
                "serial": one.serial,
                "time": rfc3339(time) if (time := moment(one.time)) is not None else None,
                "operation": one.operation,
                "by": one.by,
                "current": one is kept[0],
            }
            for one in kept
        ]
        lock = as_json(held) if held else None
        console.out_json({"format_version": "1.0", "states": states, "lock": lock})
        return 0
    for one in kept:
        time = moment(one.time)
        what = " by ".join(filter(None, (one.operation, one.by)))
        parts = (str(one.serial), stamp(time) if time is not None else "", what)
        mark = "(current)" if one is kept[0] else ""
        console.out("   ".join(filter(None, (*parts, mark))))
    if not kept:
        console.err(f"no state yet ({where})")
    if held:
        console.err(f"note: locked: {held.holder}")
    return 0


@click.command("restore")
@click.argument("serial", type=int)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@with_target
@with_format("text", "json")
@click.pass_obj
def restore(console: Console, /, serial: int, yes: bool, format_: str, **options: Any) -> int:
    """Make a state from before the next serial.

    Shows which endpoints come into state and which go out of it, and asks. Sends nothing: what goes
    out bills on.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.restore import restore as restored

    text = format_ == "text"
    shown: list[Restored] = []

    def approve(what: Restored) -> bool:
        shown.append(what)
        say = console.out if text else console.err
        for line in what.exchange.lines():
            say(line)
        if not what.exchange.lines():
            say("The same resources, as they were then.")
        for effect in what.left_open:
            say(f"open then, and so again: {effect}; the next apply settles it")
        return _agreed(console, yes, f"Restore serial {serial}?")

    with opened(take_target(options), console, online=False) as session:
        current = restored(session.engine(Lines(console)), serial, approve)
    if not text:
        done = shown[0]
        console.out_json(
            {
                "format_version": "1.0",
                "restored": serial,
                "serial": current,
                "exchange": done.exchange.to_json(),
                "left_open": list(done.left_open),
            }
        )
    console.err(f"serial {serial} is restored, as serial {current}. Nothing was sent.")
    console.err("next: friendli-iac plan")
    return 0


@click.command("claim")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@with_target
@click.pass_obj
def claim(console: Console, /, yes: bool, **options: Any) -> int:
    """Make the state that of this project.

    After a move of the project's folder, or another name of it or of the environment. What is in
    state and not in the manifests is ended by the next apply.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.restore import claim as claimed

    def approve(changes: Mapping[str, tuple[str, str]]) -> bool:
        for name, (before, after) in changes.items():
            console.out(f"{name}: {before or '(none)'} -> {after}")
        return _agreed(console, yes, "Claim this state?")

    with opened(take_target(options), console, online=False) as session:
        changed = claimed(session.engine(Lines(console)), approve)
    console.err("claimed. next: friendli-iac plan" if changed else "It is this project's already.")
    return 0


def _agreed(console: Console, yes: bool, question: str) -> bool:
    """Whether somebody wants it. UsageError where nobody can be asked."""
    if not yes and not console.interactive:
        raise UsageError(
            "there is nobody to ask: this is not a terminal",
            safe="Nothing was changed.",
            next="Use --yes.",
        )
    return yes or console.ask(question)
