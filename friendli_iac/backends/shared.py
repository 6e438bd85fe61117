"""A state that several machines share: a log in a store (see `friendli_iac.backends.log`), and a
lease that says who may write it.

Whoever takes over a lease that has run out writes an opening into the log, and with that the one
before can write nothing more: it learns so before its next effect, and at its commit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from uuid import uuid4

from friendli_iac import __version__
from friendli_iac.backends.base import Held, Holder, Kept, Stored, ci_url, moved, who
from friendli_iac.backends.errored import Errored
from friendli_iac.backends.lease import Clocks, Lease
from friendli_iac.backends.log import Log, Record, create, key_of, numbers_of, read_log, record_of
from friendli_iac.backends.shared_errors import locked, not_kept, not_that_lock
from friendli_iac.backends.store import Store, prove
from friendli_iac.backends.tenure import Tenure
from friendli_iac.core.journal import Entry
from friendli_iac.core.state import State
from friendli_iac.errors import LockLost, StateError

STATES_KEPT = 20
FENCES_KEPT = 50
LEASE = 60.0  # seconds
QUIET = 120.0  # seconds: no request of ours lives longer, with the pause that a 429 may ask for
POLL = 1.0  # seconds between two looks at a lock that another one holds


class SharedBackend:
    """See `friendli_iac.backends.base.Backend`. `lease` and `quiet` are in seconds: how long a lock
    lasts that nobody renews, and how long a request may still take effect whose sender is gone.
    `errored`: where to leave a state that could not be stored. `revive`: a state that was moved
    away may come back here.
    """

    def __init__(
        self,
        store: Store,
        *,
        lease: float = LEASE,
        quiet: float = QUIET,
        errored: Path | None = None,
        revive: bool = False,
        clocks: Clocks | None = None,
    ) -> None:
        self.store = store
        self._ttl, self._quiet, self._revive = lease, quiet, revive
        self._errored = Errored(errored) if errored else None
        self._clocks = clocks or Clocks()
        self._mutex = threading.Lock()
        self._tenure: Tenure | None = None  # while we hold the lock

    def describe(self) -> str:
        return self.store.describe()

    def close(self) -> None:
        self.store.close()

    # --- reading ---

    def read(self) -> Stored:
        # What we hold in memory stays as it was written, whatever is done with the answer.
        log = deepcopy(self._tenure.log) if self._tenure else self._read_log()
        if log.last and log.last.moved:  # what is here belongs to what it has become elsewhere
            return Stored(None)
        state = State.from_json(log.snapshot.state or {}) if log.snapshot else None
        entries = [Entry.from_json(e) for record in log.journal for e in record.entries]
        another = log.holder if self._tenure is None else None
        notices = (f"the lock is held: {another}",) if another else ()
        return Stored(state, tuple(entries), notices)

    def history(self) -> list[Kept]:
        return (self._tenure.log if self._tenure else self._read_log()).kept

    def read_kept(self, kept: Kept) -> State:
        found = record_of(self.store, kept.number)
        if found is None:
            raise not_kept(kept)
        return State.from_json(found.state or {})

    def _read_log(self) -> Log:
        log = read_log(self.store)
        if log.last and log.last.moved and not self._revive:
            raise moved(self.describe(), log.last.moved)
        return log

    # --- the lock ---

    @contextmanager
    def lock(self, operation: str, environ: Mapping[str, str], timeout: float) -> Iterator[float]:
        if self._errored:
            self._errored.check(operation)
        now = self._clocks.time()
        holder = Holder(operation, now, who=who(environ), ci_url=ci_url(environ), ttl=self._ttl)
        lease = Lease(self.store, holder)
        try:
            tenure, quiet = self._acquire(lease, timeout)
            with lease.kept():
                self._tenure = tenure
                yield quiet
        finally:
            self._release()
            lease.end()

    def _acquire(self, lease: Lease, timeout: float) -> tuple[Tenure, float]:
        """Takes the lock. Also the seconds for which an earlier holder's request may be alive."""
        deadline = self._clocks.steady() + timeout
        while True:
            log = self._read_log()
            held = _held(log, lease)
            if held and held.left:
                if self._clocks.steady() >= deadline:
                    raise locked(held)
                self._clocks.sleep(min(POLL, held.left))
                continue
            if not log.end:
                prove(self.store)
            quiet = self._quiet if held else self._quiet_after(log, lease)
            lease.renew()
            more = {"holder": lease.holder.to_json(), "fences": _fences(log, bool(held))}
            opening = log.next("open", self._clocks.time(), **more)
            try:
                if self._claim(opening):
                    tenure = Tenure(self.store, log.followed_by(opening), self._clocks)
                    tenure.clear(log.holder)
                    if self._errored:  # it may have come while we waited
                        self._errored.check(lease.holder.operation)
                    return tenure, quiet
            except BaseException:
                self._give_back(opening)
                raise

    def _quiet_after(self, log: Log, lease: Lease) -> float:
        """How long a request may be alive whose sender's lock was taken over or broken."""
        # Who came after that may not have waited so long, and may have settled nothing.
        fence = log.fences and self.store.get(key_of(log.fences[-1]))
        return max(0.0, self._quiet - (lease.now() - fence.modified)) if fence else 0.0

    def _release(self) -> None:
        with self._mutex:
            tenure, self._tenure = self._tenure, None
            if tenure:
                _close(tenure)

    def _give_back(self, opening: Record) -> None:
        """Ends a lock that was to be taken, if it was: that may never have been said."""
        with suppress(StateError):
            log = read_log(self.store)
            if log.opening and log.opening.id == opening.id:
                _close(Tenure(self.store, log, self._clocks))

    def held(self) -> Held | None:
        log = self._read_log()
        if log.holder is None:
            return None
        asking = Lease(self.store, Holder("look", self._clocks.time()))
        try:
            return _held(log, asking)
        finally:
            asking.end()

    def unlock(self, id: str, by: str) -> None:
        tried = False
        while True:
            log = self._read_log()
            if log.holder is None or log.holder.id != id:
                if tried:  # it is broken, and somebody has taken it since
                    return None
                raise not_that_lock(id, log.holder)
            tried = True
            more = {"by": by, "fences": _fences(log, True)}
            if self._claim(log.next("close", self._clocks.time(), **more)):
                return Lease(self.store, log.holder).end()

    def _claim(self, record: Record) -> bool:
        """Writes a record that goes on from what was read. False when somebody was faster."""
        found = create(self.store, record)
        if found is None or found.id != record.id:
            return False
        # Others may have gone on for so long that this very number was taken, and cleared away.
        return numbers_of(self.store)[-1] == record.number

    # --- writing, under the lock ---

    def append(self, entries: Sequence[Entry]) -> None:
        with self._mutex:
            self._ours().append(entries)

    def commit(self, state: State) -> State:
        with self._mutex:
            tenure = self._ours()
            log = tenure.log
            next_state = replace(
                state, serial=state.serial + 1, write_id=uuid4().hex, tool_version=__version__
            )
            try:
                tenure.check()
                tenure.write(
                    "state",
                    state=next_state.to_json(),
                    kept=[asdict(one) for one in log.kept[1 - STATES_KEPT :]],
                    operation=tenure.holder.operation,
                    by=tenure.holder.who,
                )
            except LockLost:
                raise
            except StateError as error:
                if self._errored is None or not log.journal:  # nothing was begun since
                    raise
                raise self._errored.left(next_state, tenure.seen, tenure.doubtful, error) from error
            tenure.clear()
            return next_state

    def mark_moved(self, to: str) -> None:
        with self._mutex:
            self._ours().write("moved", moved=to)

    def _ours(self) -> Tenure:
        if self._tenure is None:
            raise RuntimeError("the state is written without its lock")
        return self._tenure


def _close(tenure: Tenure) -> None:
    """Gives the lock back. Where that fails, it runs out by itself."""
    with suppress(StateError):
        tenure.write("close", fences=tenure.log.fences)


def _fences(log: Log, fence: bool) -> list[int]:
    """The fences that the next record keeps; it may be one itself."""
    return [*log.fences, *([log.end + 1] if fence else [])][-FENCES_KEPT:]


def _held(log: Log, asking: Lease) -> Held | None:
    if log.holder is None:
        return None
    return Held(log.holder, asking.left_to(log.holder, log.opened_at))
