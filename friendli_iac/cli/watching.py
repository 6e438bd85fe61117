"""history and status: what was sent, and how everything is now. Only reads."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    SECONDS,
    take_target,
    with_format,
    with_parallelism,
    with_target,
)
from friendli_iac.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from friendli_iac.engine import Engine
    from friendli_iac.review.status import Row

NOT_SERVING = 2  # the exit code of --detailed-exitcode


@click.command()
@click.argument("address")
@click.option(
    "--diff", "between", nargs=2, metavar="VERSION VERSION",
    help="What changed from the first of two versions to the second.",
)  # fmt: skip
@click.option(
    "--offline", is_flag=True, help="Ask nobody: only what was sent from here. Needs no token."
)
@with_target
@with_format("text", "json")
@click.pass_obj
def history(
    console: Console,
    /,
    address: str,
    between: tuple[str, str] | None,
    offline: bool,
    format_: str,
    **options: Any,
) -> int:
    """List the versions of ADDRESS, newest first.

    Ours with all that was sent; those that somebody else made as far as the API shows them.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.history import compare
    from friendli_iac.engine.history import history as versions_of
    from friendli_iac.review import history as shown

    numbers = tuple(_number(text) for text in between or ())
    with opened(take_target(options), console, online=not offline) as session:
        found = versions_of(session.engine(Lines(console)), address)
    if numbers:
        changed = compare(found, *numbers)
        if format_ == "json":
            console.out_json(shown.difference_to_json(address, changed))
        else:
            console.out(shown.render_difference(found.kind, changed), newline=False)
    elif format_ == "json":
        console.out_json(shown.to_json(found))
    else:
        console.out(shown.render(found), newline=False)
    return 0


def _number(text: str) -> int:
    bare = text.removeprefix("v")
    if not bare.isdecimal():
        raise UsageError(f"--diff {text}: that is no version", next="It looks like --diff 2 5.")
    return int(bare)


@click.command()
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--interval", type=SECONDS, default="5s", show_default=True,
    help="With --watch: how long to wait between two looks.",
)  # fmt: skip
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 2 when something does not serve."
)
@with_target
@with_parallelism
@with_format("text", "json")
@click.pass_obj
def status(
    console: Console,
    /,
    addresses: tuple[str, ...],
    watch: bool,
    interval: float,
    detailed_exitcode: bool,
    parallelism: int,
    format_: str,
    **options: Any,
) -> int:
    """Show how everything in state is, and what it costs now.

    Also who changed it last, and what is pending, pinned or about to expire. Sends nothing but
    reads, and wakes nothing.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.status import look_at
    from friendli_iac.review.status import render
    from friendli_iac.review.status_json import to_json

    if watch and format_ == "json":
        raise UsageError(
            "--watch is for people, and prints no JSON",
            next="Run friendli-iac status --format json as often as you need it.",
        )
    with opened(take_target(options), console) as session:
        engine = session.engine(Lines(console), parallelism)
        if watch:
            rows = _watch(console, engine, addresses, max(interval, 0.05))
        else:
            look = look_at(engine, addresses)
            rows = look.rows
            if format_ == "json":
                now, prices = engine.clock.now(), engine.prices.words
                console.out_json(to_json(rows, now, prices, look.unread))
            else:
                shown = render(rows, engine.clock.now(), engine.prices.words)
                console.out(shown, newline=False)
            if look.unread:  # what could be read was shown
                raise look.unread
    down = any(not row.serves for row in rows)
    return NOT_SERVING if detailed_exitcode and down and not watch else 0


def _watch(
    console: Console, engine: Engine, addresses: tuple[str, ...], interval: float
) -> list[Row]:
    """Looks until Ctrl-C: a table that is drawn anew at a terminal, lines elsewhere."""
    from friendli_iac.engine.status import look_at

    live = sys.stdout.isatty() and console.coloured(sys.stdout)
    show, close = (
        _redrawn(console, engine.prices.words) if live else (_Changes(console).show, lambda: None)
    )
    rows: list[Row] = []
    try:
        while True:
            try:
                look = look_at(engine, addresses)
                rows = look.rows
                trouble = f"not all could be read: {look.unread}" if look.unread else ""
            except Unreachable as error:  # it may be back the next time
                if not rows:
                    raise
                trouble = f"not reached: {error}; what was seen before is shown"
            show(rows, engine.clock.now(), trouble)
            time.sleep(interval)
    except KeyboardInterrupt:
        return rows
    finally:
        close()


Show = Callable[["list[Row]", float, str], None]


def _redrawn(console: Console, prices: str) -> tuple[Show, Callable[[], None]]:
    """Draws the table in place; and what ends that."""
    from rich.console import Console as RichConsole
    from rich.live import Live
    from rich.text import Text

    from friendli_iac.review.status import render
    from friendli_iac.review.times import stamp

    screen = RichConsole(highlight=False)
    live = Live(Text(""), console=screen, auto_refresh=False)
    live.start()

    def show(rows: list[Row], now: float, trouble: str) -> None:
        text = f"{render(rows, now, prices)}{stamp(now)}, Ctrl-C ends it"
        lines = [*console.safe(text).splitlines(), *([console.safe(trouble)] if trouble else [])]
        rest = len(lines) - (screen.height - 2)
        if rest > 0:  # what is higher than the terminal cannot be redrawn
            lines = [*lines[: -3 - rest], f"… and {rest} more lines", *lines[-3:]]
        live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)

    return show, live.stop


class _Changes:
    """One line for each resource at first, and then for each change of its status."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[tuple[str, str], str] = {}
        self._trouble = ""

    def show(self, rows: list[Row], now: float, trouble: str) -> None:
        from friendli_iac.review.times import stamp

        if trouble and trouble != self._trouble:
            self._console.err(f"{stamp(now)} {trouble}")
        self._trouble = trouble
        for row in rows:
            which = (row.address, row.resource.id)
            error = f" ({row.observed.error})" if row.observed and row.observed.error else ""
            said = row.status + (f", {row.phase}" if row.phase else "") + error
            before = self._last.get(which)
            if said == before:
                continue
            self._last[which] = said
            change = said if before is None else f"{before} → {said}"
            self._console.out(f"{stamp(now)} {row.address}: {change}")
