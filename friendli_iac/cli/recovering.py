"""state recover: what an interrupted apply left open, and its end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import SECONDS, take_target, with_format, with_target
from friendli_iac.errors import SettleError, UsageError

if TYPE_CHECKING:
    from friendli_iac.core.journal import Entry
    from friendli_iac.engine.recover import Doubt, Recovered
    from friendli_iac.resources.base import Observed


@click.command("recover")
@click.option(
    "--adopt", "adopts", multiple=True, metavar="ADDR=ID",
    help="The interrupted create of ADDR made the endpoint ID.",
)  # fmt: skip
@click.option(
    "--none", "never", multiple=True, metavar="ADDR",
    help="The interrupted create of ADDR made nothing.",
)  # fmt: skip
@click.option("--yes", "-y", is_flag=True, help="Do not ask: what is in doubt stays open.")
@click.option("--dry-run", is_flag=True, help="Only show what is open. Asks nobody.")
@click.option(
    "--lock-timeout", type=SECONDS, default="0s", show_default=True,
    envvar="FRIENDLI_IAC_LOCK_TIMEOUT", help="How long to wait for another apply.",
)  # fmt: skip
@click.option(
    "--settle-grace", type=SECONDS, default="120s", show_default=True,
    envvar="FRIENDLI_IAC_SETTLE_GRACE",
    help="How long after a create without an answer it may still appear.",
)  # fmt: skip
@with_target
@with_format("text", "json")
@click.pass_obj
def recover(
    console: Console,
    /,
    adopts: tuple[str, ...],
    never: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    lock_timeout: float,
    settle_grace: float,
    format_: str,
    **options: Any,
) -> int:
    """Close what an interrupted apply left open.

    Finds out what took place. Where only a person can tell which endpoint is meant, shows them and
    asks. Deletes nothing, and sends nothing but reads.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine import ApplyOptions
    from friendli_iac.engine.recover import Recovered, open_effects
    from friendli_iac.engine.recover import recover as recover_all

    chosen = _decisions(adopts, never)
    with opened(take_target(options), console, online=not dry_run) as session:
        engine = session.engine(Lines(console))
        known, notices = engine.known()
        for notice in notices:
            console.err(f"note: {notice}")
        left = open_effects(known)
        text = format_ == "text"
        if text:
            _show(console, left)
        done = Recovered()
        journal = engine.backend.read().entries  # even with nothing open, it is to be committed
        if (journal or left or chosen or never) and not dry_run:
            asks = text and not yes and console.interactive
            done = recover_all(
                engine,
                ApplyOptions(settle_grace=settle_grace, lock_timeout=lock_timeout),
                adopt=chosen,
                never=never,
                decide=lambda doubt: _ask(console, doubt) if asks else None,
            )
        now = engine.clock.now()
    code = SettleError.exit_code if done.doubts else 0
    if text:
        _tell(console, done, now)
    else:
        console.out_json(_as_json(left, done, code))
    return code


def _decisions(adopts: tuple[str, ...], never: tuple[str, ...]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for pair in adopts:
        address, equals, id = pair.partition("=")
        if not (address and equals and id):
            raise UsageError(f"--adopt {pair}: write --adopt ADDR=ID", safe="Nothing was recorded.")
        if chosen.get(address, id) != id or address in never:
            raise UsageError(f"{address} has two decisions: keep one", safe="Nothing was recorded.")
        chosen[address] = id
    return chosen


def _show(console: Console, left: list[tuple[Entry, bool]]) -> None:
    from friendli_iac.resources import KINDS
    from friendli_iac.resources.base import Address, place_of
    from friendli_iac.review.times import stamp

    if not left:
        console.out("Nothing is open.")
    for begun, accepted in left:
        where = place_of(KINDS[Address.parse(begun.address).kind], begun.project)
        what = f"id {begun.id}" if begun.id else f"{begun.name!r} in {where}"
        answer = "the API accepted it" if accepted else "its answer never came"
        by = f" by {begun.by}" if begun.by else ""
        plan = f", plan {begun.plan}" if begun.plan else ""
        console.out(f"open: {begun.step} {begun.address} ({what}), begun {stamp(begun.time)}{by}")
        console.out(f"    {answer}{plan}")


def _tell(console: Console, done: Recovered, now: float) -> None:
    for sentence in done.settled:
        console.out(f"settled: {sentence}")
    for doubt in done.doubts:
        address = doubt.begun.address
        console.out(f"{console.paint('IN DOUBT', 'red')} {address}: {doubt.error}")
        for line in _candidates(doubt, now):
            console.out(f"    {line}")
        if doubt.candidates:
            console.out(f"    one of them is it: {_command(f'--adopt {address}=ID')}")
        console.out(f"    none of them is, and none will come: {_command(f'--none {address}')}")
        if doubt.error.safe:
            console.err(f"  safe: {doubt.error.safe}")
    if done.settled and not done.doubts:
        console.err("next: friendli-iac plan")


def _command(option: str) -> str:
    return f"friendli-iac state recover {option}"


def _candidates(doubt: Doubt, now: float) -> list[str]:
    from friendli_iac.review.status import age, gpu

    return [
        f"{number}. {one.id}   {one.status}   {age(one, now)} old   {gpu(one)}   "
        f"by {one.creator or '?'}" + ("" if one.health == "stopped" else "   may bill")
        for number, one in enumerate(doubt.candidates, 1)
    ]


def _ask(console: Console, doubt: Doubt) -> str | None:
    """A decision from the terminal: an id, or that nothing was made; None for later. Ctrl-C and
    whatever is not understood is later.
    """
    import time

    from friendli_iac.engine.recover import NEVER

    address, ids = doubt.begun.address, [one.id for one in doubt.candidates]
    console.err(f"\n{doubt.error}")
    for line in _candidates(doubt, time.time()):
        console.err(f"    {line}")
    which = f"{'1' if len(ids) == 1 else f'1-{len(ids)}'}, " if ids else ""
    question = (
        f"Which one is {address}? [{which}n: none of them, and none will come; Enter: later] "
    )
    if not ids:
        question = "Was it never created? [n: it was not, and will not be; Enter: later] "
    try:
        console.err(question, newline=False)
        said = sys.stdin.readline().strip().lower()
    except (UnicodeDecodeError, KeyboardInterrupt):
        console.err("")
        return None
    if said == "n":
        return NEVER
    if said.isdecimal() and 1 <= int(said) <= len(ids):
        return ids[int(said) - 1]
    return next((id for id in ids if id.lower() == said), None)


def _as_json(left: list[tuple[Entry, bool]], done: Recovered, code: int) -> dict[str, Any]:
    from friendli_iac.review.times import rfc3339

    return {
        "format_version": "1.0",
        "exit_code": code,
        "open": [
            {
                "address": begun.address,
                "step": begun.step,
                "id": begun.id,
                "name": begun.name,
                "project": begun.project,
                "time": rfc3339(begun.time),
                "by": begun.by,
                "plan": begun.plan,
                "accepted": accepted,
            }
            for begun, accepted in left
        ],
        "settled": list(done.settled),
        "in_doubt": [
            {
                "address": doubt.begun.address,
                "message": str(doubt.error),
                "candidates": [_candidate(one) for one in doubt.candidates],
            }
            for doubt in done.doubts
        ],
    }


def _candidate(one: Observed) -> dict[str, Any]:
    from friendli_iac.resources.spec import get_path

    return {
        "id": one.id,
        "name": one.name,
        "status": one.status,
        "created_at": one.created_at,
        "creator": one.creator,
        "gpu": get_path(one.spec, "instance.gpu"),
        "gpu_count": get_path(one.spec, "instance.count"),
    }
