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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from friendli_iac import __version__
from friendli_iac.backends.base import Held, Holder, Kept, Stored, ci_url, moved, who
from friendli_iac.backends.errored import Errored
from friendli_iac.backends.lease import Clocks, Lease
from friendli_iac.backends.lease import key_of as lease_of
from friendli_iac.backends.log import Log, Record, RecordKind, key_of, numbers_of, read_log
from friendli_iac.backends.store import Store, prove
from friendli_iac.core.journal import Entry
from friendli_iac.core.state import State
from friendli_iac.errors import Locked, LockLost, Refused, StateError

STATES_KEPT = 20
FENCES_KEPT = timedelta(days=1)
LEASE = 60.0  # seconds
QUIET = 60.0  # seconds: no request of ours lives longer
PROMPT = 5.0  # seconds: an effect follows its `begin` this soon, or the lock is looked at once more
LOOKS = 3  # that may take longer
FRESH = 3600.0  # seconds: for so long at least, what keeps us from writing is not cleared away
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
        self._log: Log | None = None  # while we hold the lock: all that there is
        self._lease: Lease | None = None
        self._doubtful: dict[str, Record] = {}  # what may have been written, by id
        self._since_write = self._clocks.stopwatch()
        self._over: StateError | None = None  # why nothing more may be written under this lock

    def describe(self) -> str:
        return self.store.describe()

    def close(self) -> None:
        self.store.close()

    # --- reading ---

    def read(self) -> Stored:
        # What we hold in memory stays as it was written, whatever is done with the answer.
        log = deepcopy(self._log) or self._read_log()
        state = State.from_json(log.snapshot.state or {}) if log.snapshot else None
        entries = [Entry.from_json(e) for record in log.journal for e in record.entries]
        at_work = self._log is None and log.holder
        return Stored(state, tuple(entries), (f"at work: {log.holder}",) if at_work else ())

    def history(self) -> list[Kept]:
        return (self._log or self._read_log()).kept

    def read_kept(self, kept: Kept) -> State:
        key = key_of(kept.number)
        found = self.store.get(key)
        if found is None:
            raise StateError(
                f"serial {kept.serial} is not kept any more",
                safe="Nothing was changed.",
                next="friendli-iac state history shows which ones are.",
            )
        return State.from_json(Record.from_bytes(key, found.data).state or {})

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
        holder = Holder(
            operation, self._time(), who=who(environ), ci_url=ci_url(environ), ttl=self._ttl
        )
        lease = Lease(self.store, holder)
        try:
            quiet = self._acquire(lease, timeout)
            with lease.kept():
                yield quiet
        finally:
            self._release(lease)

    def _acquire(self, lease: Lease, timeout: float) -> float:
        """Takes the lock; gives the seconds for which an earlier holder's request may be alive."""
        deadline = self._clocks.steady() + timeout
        while True:
            log = self._read_log()
            held = _held(log, lease)
            if held and held.left:
                if self._clocks.steady() >= deadline:
                    raise _locked(held)
                self._clocks.sleep(min(POLL, held.left))
                continue
            if not log.end:
                prove(self.store)
            quiet = self._quiet if held else self._quiet_after(log, lease)
            lease.renew()
            more = {"holder": lease.holder.to_json(), "fences": self._fences(log, bool(held))}
            opening = log.next("open", self._time(), **more)
            if self._claim(opening):
                break
        self._lease, self._log, self._over = lease, log.followed_by(opening), None
        self._doubtful, self._since_write = {}, self._clocks.stopwatch()
        self._clear(log.holder)
        return quiet

    def _quiet_after(self, log: Log, lease: Lease) -> float:
        """How long a request may be alive whose sender's lock was taken over or broken."""
        # Who came after that may not have waited so long, and may have settled nothing.
        fence = self.store.get(key_of(log.fences[-1][0])) if log.fences else None
        return max(0.0, self._quiet - (lease.now() - fence.modified)) if fence else 0.0

    def _release(self, lease: Lease) -> None:
        """Gives the lock back. Where that fails, it runs out by itself."""
        with self._mutex:
            try:
                with suppress(StateError):
                    if self._lease is None and self._doubtful:  # nobody said that it is ours
                        log = self._read_log()
                        if log.opening and log.opening.id in self._doubtful:
                            self._lease, self._log = lease, log
                    if self._lease is lease:
                        self._write("close", fences=self._ours().fences)
                lease.end()
            finally:
                if self._lease in (None, lease):
                    self._log = self._lease = self._over = None
                    self._doubtful = {}

    def held(self) -> Held | None:
        log = self._read_log()
        if log.holder is None:
            return None
        asking = Lease(self.store, Holder("look", self._time()))
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
                    break
                there = f"it is {log.holder.id}: {log.holder}" if log.holder else "nobody holds it"
                raise Refused(
                    f"the lock is not {id}: {there}",
                    safe="Nothing was changed.",
                    next="friendli-iac unlock shows who holds it.",
                )
            closing = log.next("close", self._time(), by=by, fences=self._fences(log, True))
            tried = True
            if self._claim(closing):
                Lease(self.store, log.holder).end()
                break

    def _claim(self, record: Record) -> bool:
        """Writes a record that goes on from what was read. False when somebody was faster."""
        found = self._create(record)
        if found is None or found.id != record.id:
            return False
        # Others may have gone on for so long that this very number was taken, and cleared away.
        return numbers_of(self.store)[-1] == record.number

    def _fences(self, log: Log, fence: bool) -> list[list[Any]]:
        """The fences that the next record keeps; it may be one itself."""
        oldest = datetime.fromtimestamp(self._clocks.now(), UTC) - FENCES_KEPT
        kept = [one for one in log.fences if datetime.fromisoformat(one[1]) > oldest]
        return [*kept, *([[log.end + 1, self._time()]] if fence else [])]

    # --- writing, under the lock ---

    def append(self, entries: Sequence[Entry]) -> None:
        with self._mutex:
            before, passed = self._since_write, self._clocks.stopwatch()
            self._write("journal", entries=[entry.to_json() for entry in entries])
            if before() > FRESH:
                passed = before
            elif not any(entry.type == "begin" for entry in entries):
                return
            # Who takes over waits for our requests; but not for those sent much later than begun.
            for _ in range(LOOKS):
                if passed() <= PROMPT:
                    return
                passed = self._clocks.stopwatch()
                self._check_still_ours()
            if passed() > PROMPT:
                raise StateError(
                    f"{self.describe()} answers too slowly to tell who has the lock",
                    safe="What was about to be sent was not sent.",
                    next="Run friendli-iac apply again when it answers faster.",
                )

    def commit(self, state: State) -> State:
        with self._mutex:
            log = self._ours()
            next_state = replace(
                state, serial=state.serial + 1, write_id=uuid4().hex, tool_version=__version__
            )
            try:
                self._check_still_ours()
                holder = log.holder or Holder("", "")
                self._write(
                    "state",
                    state=next_state.to_json(),
                    kept=[asdict(one) for one in log.kept[1 - STATES_KEPT :]],
                    operation=holder.operation,
                    by=holder.who,
                )
            except LockLost:
                raise
            except StateError as error:
                if self._errored is None or not log.journal:  # nothing was begun since
                    raise
                seen = sum(len(record.entries) for record in log.journal)
                raise self._errored.left(next_state, seen, error) from error
            self._clear()
            return next_state

    def mark_moved(self, to: str) -> None:
        with self._mutex:
            self._write("moved", moved=to)

    def _ours(self) -> Log:
        if self._log is None:
            raise RuntimeError("the state is written without its lock")
        return self._log

    def _write(self, kind: RecordKind, **more: Any) -> None:
        """Goes on from where we left the log. LockLost when somebody else did."""
        id = uuid4().hex
        while True:
            log = self._ours()
            if self._over:
                raise self._over
            found = self._create(log.next(kind, self._time(), id=id, **more))
            if found is None or found.id not in (id, *self._doubtful):
                self._over = _lost(found)
                raise self._over
            self._log, self._since_write = log.followed_by(found), self._clocks.stopwatch()
            self._doubtful.pop(found.id, None)
            if found.id == id:
                return

    def _create(self, record: Record) -> Record | None:
        """Writes a record, unless its number is taken. Gives what has the number; None when that is
        cleared away by now.
        """
        self._doubtful[record.id] = record  # an error, or a kill, leaves open what the store has
        try:
            if self.store.create(key_of(record.number), record.to_bytes()):
                return record
        except StateError:
            with suppress(StateError):
                if found := self._record(record.number):  # ours where only the answer was lost
                    return found
            raise
        return self._record(record.number)  # as here

    def _record(self, number: int) -> Record | None:
        key = key_of(number)
        found = self.store.get(key)
        return Record.from_bytes(key, found.data) if found else None

    def _check_still_ours(self) -> None:
        """LockLost when somebody else has written to the log; StateError when it was put back to
        what it was before we wrote.
        """
        log = self._ours()
        if self._over:
            raise self._over
        began = log.opening or log.last
        assert began, "the lock is held"
        opening = self._record(began.number)  # before the list: others clear it away afterwards
        there = numbers_of(self.store)
        if there and there[-1] > log.end:
            found = self._record(log.end + 1)
            if found is None or found.id not in self._doubtful:
                self._over = _lost(found)
                raise self._over
        if log.end not in there or opening is None or opening.id != began.id:
            self._over = StateError(
                f"{self.describe()} was put back to an earlier time while this run was at work: "
                f"what it wrote from {key_of(began.number)} to {key_of(log.end)} is not all there",
                safe="Nothing more was sent.",
                next="Find out who restored it; friendli-iac plan shows how things stand.",
            )
            raise self._over

    def _clear(self, gone: Holder | None = None) -> None:
        """Removes what nobody needs any more, if that may be done."""
        log = self._ours()
        numbers = log.garbage()
        keys = [key_of(number) for number in numbers] + ([lease_of(gone)] if gone else [])
        if keys:
            with suppress(StateError):  # a role that may not delete: then it stays
                self.store.delete(keys)
                self._log = log.without(numbers)

    def _time(self) -> str:
        return datetime.fromtimestamp(self._clocks.now(), UTC).isoformat(timespec="seconds")


def _held(log: Log, asking: Lease) -> Held | None:
    if log.holder is None:
        return None
    return Held(log.holder, asking.left_to(log.holder, log.opened_at))


def _locked(held: Held) -> Locked:
    return Locked(
        f"the state is locked: {held.holder}; if it is dead, its lock runs out in {held.left:.0f}s",
        safe="Nothing was sent.",
        next="Wait for it to end. apply and destroy can wait: --lock-timeout 10m. Only if that run "
        f"is dead for sure: friendli-iac unlock --force {held.holder.id}",
    )


def _lost(found: Record | None) -> LockLost:
    """What is said when another one's record has the number that was to be ours."""
    what = "somebody else has taken the lock"
    if found and found.kind == "open":
        what = f"the lock was taken over: {Holder.from_json(found.holder or {})}"
    elif found and found.kind == "close":
        what = f"the lock was broken by {found.by}"
    return LockLost(
        f"{what}; this run has stopped",
        safe="Nothing was sent after that. What was sent before is in the journal, and who has the "
        "lock settles it.",
        next="friendli-iac plan shows how things stand.",
    )
