"""What the holder of a shared state's lock may do, and whether it is the holder still.

Nobody tells it when the lock is taken over or broken. It finds the number of its next record taken;
and where it was away for long, it looks at the log once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from friendli_iac.backends.base import Holder
from friendli_iac.backends.lease import Clocks
from friendli_iac.backends.lease import key_of as lease_of
from friendli_iac.backends.log import Log, Record, RecordKind, create, key_of, numbers_of, record_of
from friendli_iac.backends.shared_errors import lost, put_back, too_slow
from friendli_iac.backends.store import Store
from friendli_iac.core.journal import Entry
from friendli_iac.errors import StateError

PROMPT = 5.0  # seconds: an effect follows its `begin` this soon, or the lock is looked at once more
LOOKS = 3  # that may take longer
FRESH = 3600.0  # seconds: in less, no lock is taken over so often that our fence is cleared away


class Tenure:
    """The time for which the opening at the end of `log` holds the lock. All that is written comes
    after it, so `log` is all that there is. Not safe from several threads.
    """

    def __init__(self, store: Store, log: Log, clocks: Clocks) -> None:
        self.log = log
        self._store, self._clocks = store, clocks
        self._since_write = clocks.stopwatch()
        self._doubtful: dict[str, Record] = {}  # what may have been written, by id
        self._over: StateError | None = None  # why nothing more may be written

    @property
    def holder(self) -> Holder:
        """Who has the lock."""
        return self.log.holder or Holder("?", "?")

    @property
    def seen(self) -> int:
        """How many entries are in the journal for sure."""
        return sum(len(record.entries) for record in self.log.journal)

    @property
    def doubtful(self) -> list[dict[str, Any]]:
        """Entries that may be in the journal beside those, or come into it."""
        return [entry for record in self._doubtful.values() for entry in record.entries]

    def append(self, entries: Sequence[Entry]) -> None:
        """Writes entries of the journal. LockLost and StateError: nothing may be sent for them."""
        before, passed = self._since_write, self._clocks.stopwatch()
        self.write("journal", entries=[entry.to_json() for entry in entries])
        if before() > FRESH:
            passed = before
        elif not any(entry.type == "begin" for entry in entries):
            return
        # Who takes over waits for our requests; but not for those sent much later than begun.
        for _ in range(LOOKS):
            if passed() <= PROMPT:
                return
            passed = self._clocks.stopwatch()
            self.check()
        if passed() > PROMPT:
            raise too_slow(self._store.describe())

    def write(self, kind: RecordKind, **more: Any) -> None:
        """Goes on from where we left the log. LockLost when somebody else did."""
        id = uuid4().hex
        while True:
            if self._over:
                raise self._over
            record = self.log.next(kind, self._clocks.time(), id=id, **more)
            self._doubtful[id] = record  # an error, or a kill, leaves open what the store has
            found = create(self._store, record)
            if found is None or found.id not in self._doubtful:
                self._over = lost(found)
                raise self._over
            self.log, self._since_write = self.log.followed_by(found), self._clocks.stopwatch()
            self._doubtful.pop(found.id, None)
            if found.id == id:
                return

    def check(self) -> None:
        """LockLost when somebody else has written to the log; StateError when it was put back to
        what it was before we wrote.
        """
        if self._over:
            raise self._over
        log = self.log
        began = log.opening or log.last
        assert began, "the lock is held"
        opening = record_of(self._store, began.number)  # before the list: others clear it away
        there = numbers_of(self._store)
        if there and there[-1] > log.end:
            found = record_of(self._store, log.end + 1)
            if found is None or found.id not in self._doubtful:
                self._over = lost(found)
                raise self._over
        if log.end not in there or opening is None or opening.id != began.id:
            self._over = put_back(self._store.describe(), key_of(began.number), key_of(log.end))
            raise self._over

    def clear(self, gone: Holder | None = None) -> None:
        """Removes what nobody needs any more, and the lease of who is gone, if that may be done."""
        numbers = self.log.garbage()
        keys = [key_of(number) for number in numbers] + ([lease_of(gone)] if gone else [])
        if keys:
            with suppress(StateError):  # a role that may not delete: then it stays
                self._store.delete(keys)
                self.log = self.log.without(numbers)
