"""What every part of an apply shares: what is known, its journal, a clock, a reporter."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from friendli_iac.backends.base import Backend
from friendli_iac.backends.lease import steady
from friendli_iac.core.journal import Entry
from friendli_iac.core.replay import Known, apply_entry
from friendli_iac.errors import Cancelled, LockLost, StateError
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Kind
from friendli_iac.resources.prices import LIST_PRICES, Prices


class Clock(Protocol):
    """Time, so that tests can turn it. All in seconds; `now` counts from 1970."""

    def now(self) -> float: ...
    def sleep(self, seconds: float, stop: threading.Event) -> None: ...


class SystemClock:
    """The machine's own time as it was at the start, and steady from there on: a clock that is set
    while we wait ends no wait early.
    """

    def __init__(self) -> None:
        self._origin = time.time() - steady()

    def now(self) -> float:
        return self._origin + steady()

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        stop.wait(seconds)


@dataclass(frozen=True)
class Event:
    """Something that a person may want to see while it happens. `elapsed` is in seconds."""

    type: Literal["start", "sent", "progress", "done", "by hand", "failed", "skipped", "note"]
    address: str
    text: str
    status: str = ""
    phase: str = ""
    elapsed: float = 0.0
    by_hand: tuple[object, ...] = ()  # each a `friendli_iac.resources.advice.Manual`


class Reporter(Protocol):
    """Is told what happens, from several threads."""

    def event(self, event: Event) -> None: ...


@dataclass
class _Written:
    """An entry on its way into the journal."""

    entry: Entry
    tried: bool = False
    error: BaseException | None = None


@dataclass
class Context:
    """One apply. `known` is the committed state plus everything written since, always.

    `once`: it carries out a plan that is carried out only once.
    `stop` is set when nothing new may start; `timeout`, `settle_grace` and `quiet` are seconds. For
    `quiet`, a request of who held the lock before may still take effect.
    """

    backend: Backend
    apis: Mapping[str, Any]  # by kind
    known: Known
    clock: Clock
    reporter: Reporter
    by: str = ""
    commit_id: str = ""  # of the manifests' repository
    timeout: float = 1800.0
    settle_grace: float = 120.0
    quiet: float = 0.0
    prices: Prices = LIST_PRICES
    stop: threading.Event = field(default_factory=threading.Event)
    once: bool = False
    again: str = "Run the same command again"  # how to go on with what is not finished
    _waiting: list[_Written] = field(default_factory=list)
    _writing: bool = False
    _turn: threading.Condition = field(default_factory=threading.Condition)

    def write(self, entry: Entry) -> None:
        """Durable first, then known: a kill in between loses nothing."""
        written = _Written(entry)
        batch: list[_Written] = []
        with self._turn:
            self._waiting.append(written)
            self._turn.wait_for(lambda: written.tried or not self._writing)
            if not written.tried:  # who comes first writes for all that wait: it may take its time
                batch, self._waiting, self._writing = self._waiting, [], True
        if batch:
            self._write_all(batch)
        if written.error:
            raise written.error

    def _write_all(self, batch: list[_Written]) -> None:
        error: BaseException | None = None
        try:
            self.backend.append([written.entry for written in batch])
        except BaseException as caught:  # noqa: BLE001 - raised to each that waits
            error = caught
        if isinstance(error, LockLost):
            self.stop.set()  # nobody waits here for what is another one's by now
        with self._turn:
            for written in batch:
                written.tried, written.error = True, error
                # What has happened has happened: a commit that still works must not forget it.
                happened = isinstance(error, StateError) and written.entry.type != "begin"
                if error is None or happened:
                    apply_entry(self.known, written.entry)
            self._writing = False
            self._turn.notify_all()

    def commit(self) -> None:
        """Makes everything that is known the committed state."""
        with self._turn:
            self._turn.wait_for(lambda: not self._writing)
            self.known.state = self.backend.commit(self.known.to_commit())

    def await_quiet(self) -> None:
        """Waits until no request of who held the lock before can take effect any more, once, where
        one was begun of which nothing more is known.
        """
        begun = [
            entry for effect, entry in self.known.open.items() if effect not in self.known.sent
        ]
        if not begun:
            return
        seconds, self.quiet = self.quiet, 0.0
        if seconds > 0:
            self.tell(
                "note",
                begun[0].address,
                f"the run before was cut off: waiting {seconds:.0f}s for its last request to end",
            )
            self.pause(seconds)

    def kind_of(self, address: str) -> tuple[Kind, Any]:
        """The kind of an address, and the client that speaks for it."""
        name = Address.parse(address).kind
        return KINDS[name], self.apis[name]

    def pause(self, seconds: float) -> None:
        """Waits. Cancelled when the user wants to stop."""
        self.clock.sleep(seconds, self.stop)
        self.check_stop()

    def check_stop(self) -> None:
        """Raises Cancelled when nothing new may start."""
        if self.stop.is_set():
            raise Cancelled(
                "stopped as asked",
                safe="What was sent is recorded; what was not begun was not sent.",
                next=f"{self.again}: it goes on where this one stopped.",
            )

    def tell(self, type: Any, address: str, text: str, **details: Any) -> None:
        """Reports an event."""
        self.reporter.event(Event(type, address, text, **details))
