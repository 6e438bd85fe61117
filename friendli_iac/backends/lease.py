"""A lease: a document that its holder writes again and again, and that runs out when this stops.

How old one is, the clock of the store says: it is compared with a document just written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from friendli_iac.backends.base import Holder
from friendli_iac.backends.store import Store
from friendli_iac.errors import StateError

RESOLUTION = 1.0  # seconds: some stores tell the time in whole ones
BEATS = 4  # times that a lease is renewed before it would run out


def steady() -> float:
    """Seconds from any point that nobody sets, and that go on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Clocks:
    """This machine's time, for tests to turn: `now` in seconds since 1970, `steady` in seconds from
    any point, and a sleep.
    """

    now: Callable[[], float] = time.time
    steady: Callable[[], float] = steady
    sleep: Callable[[float], None] = time.sleep

    def time(self) -> str:
        """Now, as RFC 3339."""
        return datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="seconds")

    def stopwatch(self) -> Callable[[], float]:
        """Tells the seconds that have passed since this call."""
        steady, now = self.steady(), self.now()
        # A steady clock may stand still while a machine sleeps; the other one may be set back.
        return lambda: max(self.steady() - steady, self.now() - now)


class Lease:
    """The lease of one holder. Its methods raise StateError when the store fails."""

    def __init__(self, store: Store, holder: Holder) -> None:
        self.holder = holder
        self._store = store

    def renew(self) -> None:
        """Makes it last its whole time again."""
        self._store.put(key_of(self.holder), self.holder.id.encode())

    def now(self) -> float:
        """The time by the clock of the store. Renews it."""
        self.renew()
        found = self._store.get(key_of(self.holder))
        if found is None:
            raise StateError(
                f"{self._store.describe()} does not show what was just written",
                safe="Nothing was sent.",
                next="Run the command again; if it stays like this, use another store.",
            )
        return found.modified

    def left_to(self, other: Holder, opened_at: float) -> float:
        """The seconds for which another one's lease lasts, 0 when it has run out; `opened_at` is
        when it began.
        """
        found = self._store.get(key_of(other))
        renewed = max(found.modified if found else 0.0, opened_at)
        return max(0.0, renewed + other.ttl + RESOLUTION - self.now())

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renews it until the block ends."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self.holder.ttl / BEATS):
                with suppress(StateError):  # the next beat, or the next effect, finds out
                    self.renew()

        beating = threading.Thread(target=beat, name="lease", daemon=True)
        beating.start()
        try:
            yield
        finally:
            ended.set()
            beating.join()

    def end(self) -> None:
        """Removes it."""
        with suppress(StateError):  # it is of no use to anybody, and does no harm
            self._store.delete([key_of(self.holder)])


def key_of(holder: Holder) -> str:
    """The key of a holder's lease."""
    return f"lock/{holder.id}"
