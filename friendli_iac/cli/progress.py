"""What an apply shows while it works: a live table at a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from friendli_iac.backends.base import Held
from friendli_iac.cli.console import Console, line
from friendli_iac.errors import FriendliIacError
from friendli_iac.executor.context import Event, Reporter

PATIENCE = 1.0  # seconds before a wait is worth a line
HEARTBEAT = 15.0  # seconds: CI systems end jobs that say nothing
ROWS = 20  # of the table: a live one that is higher than the terminal cannot be redrawn


@dataclass
class _Row:
    text: str = "waiting"
    phase: str = ""
    since: float = 0.0
    over: bool = False
    left: bool = False  # something has to be done about it


class Lines:
    """One line whenever something changes, and now and then that nothing did."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._now = now
        self._last: dict[str, tuple[str, float]] = {}
        self._mutex = threading.Lock()

    def event(self, event: Event) -> None:
        if event.type == "start":  # what is sent, or what came of it, follows at once
            return
        with self._mutex:
            now = self._now()
            text = event.text + (f", {event.phase}" if event.phase else "")
            before, when = self._last.get(event.address, ("", 0.0))
            if event.type == "progress" and text == before and now - when < HEARTBEAT:
                return
            self._last[event.address] = (text, now)
            elapsed = f" ({event.elapsed:.0f} s)" if event.type == "progress" else ""
            marks = {"done": "ok: ", "by hand": "BY HAND: ", "failed": "FAILED: "}
            mark = marks.get(event.type, "")
            self._console.err(f"{event.address}: {mark}{line(text)}{elapsed}")


class LockWait:
    """Says who holds the lock that is waited for, and now and then that it is waited for still."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._now = now
        self._next: float | None = None

    def beat(self, held: Callable[[], Held | None]) -> None:
        """To be called before each pause."""
        now = self._now()
        if self._next is None:  # most locks are free in a moment
            self._next = now + PATIENCE
        elif now >= self._next:
            self._next = now + HEARTBEAT
            with suppress(FriendliIacError):
                holder = held()
                if holder:
                    self._console.err(f"waiting for the lock: {holder.holder}")


class Table:
    """A table of what is under way, what failed or is left to a person, and how much is done; drawn
    anew four times a second from the first event on.
    """

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._mutex = threading.Lock()
        self._live: Any = None

    def event(self, event: Event) -> None:
        with self._mutex:
            row = self._rows.setdefault(event.address, _Row(since=time.monotonic()))
            row.text, row.phase = event.text, event.phase
            if event.type in ("done", "by hand", "failed"):
                row.over, row.left = True, event.type != "done"
                row.since = time.monotonic() - row.since
            starting = self._live is None
            if starting:
                self._live = _live(self)
        if starting:
            self._live.start()

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()

    def __rich__(self) -> Any:
        from rich.table import Table as RichTable

        table = RichTable(box=None, padding=(0, 2, 0, 0), show_header=False)
        with self._mutex:
            rows = [(name, row) for name, row in self._rows.items() if row.left or not row.over]
            for address, row in rows[:ROWS]:
                elapsed = row.since if row.over else time.monotonic() - row.since
                table.add_row(address, row.text, row.phase, f"{elapsed:.0f} s")
            if len(rows) > ROWS:
                table.add_row(f"… and {len(rows) - ROWS} more", "", "", "")
            table.add_row(f"{len(self._rows) - len(rows)} done", "", "", "")
        return table


def _live(table: Table) -> Any:
    from rich.console import Console as RichConsole
    from rich.live import Live

    return Live(table, console=RichConsole(stderr=True, highlight=False), refresh_per_second=4)


@contextmanager
def progress(console: Console) -> Iterator[Reporter]:
    """A reporter that suits where we run."""
    if console.in_ci or not console.coloured(sys.stderr) or not sys.stderr.isatty():
        yield Lines(console)
        return
    table = Table()
    try:
        yield table
    finally:
        table.close()
