"""The log of a shared state: numbered records in a store, each written once.

    log/000000000041   state     what was committed as serial 7
    log/000000000042   open      somebody took the lock
    log/000000000043   journal   what an apply has begun, and what came of it
    log/000000000044   state     serial 8
    log/000000000045   close     the lock was given back

Only who knows everything up to a number can write the next one: a record is made on condition that
there is none yet. So two writers never go on from the same place, and one that was thought dead
finds its next number taken. No old document can pass for a new one: each knows its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal
from uuid import uuid4

from friendli_iac.backends.base import Holder, Kept
from friendli_iac.backends.store import Store
from friendli_iac.core.canonical import canonical_json
from friendli_iac.errors import StateError
from friendli_iac.resources.foreign import loads

FORMAT = 1
PREFIX = "log/"
TAIL = 2  # records that are read at once: after an apply, its state and its closing
ATTEMPTS = 10  # to read while others write and clear away
READERS = 16  # records that are read at a time

RecordKind = Literal["open", "journal", "state", "close", "moved"]


@dataclass(frozen=True)
class Record:
    """One record. As of this record, `base` is the number of the newest state and `opened` that of
    the opening whose lock is held, 0 for none; `journal` are the first and last numbers of each row
    of journal records since `base`. Which others are set depends on the kind:

    - `open`: holder, fences
    - `journal`: entries
    - `state`: state, operation, by; `kept`: the number of each older state that can be read again,
      with its serial, time, operation and by
    - `close`: fences; by, where somebody else broke the lock
    - `moved`, and whatever comes after it: the address where the state is now

    `fences`: the numbers of the last records with which a lock was taken over or broken. They are
    kept, so that who was thought dead finds the number taken.
    """

    kind: RecordKind
    number: int
    time: str
    base: int
    opened: int
    journal: list[list[int]]
    id: str = field(default_factory=lambda: uuid4().hex)
    holder: dict[str, Any] | None = None
    entries: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] | None = None
    kept: list[dict[str, Any]] = field(default_factory=list)
    fences: list[int] = field(default_factory=list)
    operation: str = ""
    by: str = ""
    moved: str = ""

    def to_bytes(self) -> bytes:
        """What is stored: only what is set."""
        said = {f.name: value for f in fields(self) if (value := getattr(self, f.name))}
        return canonical_json(
            {"format": FORMAT, "base": 0, "opened": 0, "journal": [], **said}
        ).encode()

    @classmethod
    def from_bytes(cls, key: str, data: bytes) -> Record:
        """The record under a key. StateError when it is none, or that of another number."""
        try:
            document = loads(data)
            found = document.pop("format")
            if found != FORMAT:
                raise _damaged(
                    f"{key} has format {found!r}, and this program knows format {FORMAT}",
                    next="Use the version of friendli-iac that wrote it, or a newer one.",
                )
            record = cls(**document)
            number = key_of(record.number)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(f"{key} cannot be read: {error}") from error
        if number != key:
            raise _damaged(f"{key} holds record {record.number}: it was put there by hand")
        return record


@dataclass(frozen=True)
class Log:
    """What matters of a log. `there` are the numbers of all records, `snapshot` the newest state,
    `journal` what was written since, `opening` that of the lock while it is held, and `last` the
    last record; `opened_at` and `modified` are the times of these two by the store's clock.
    """

    there: tuple[int, ...] = ()
    snapshot: Record | None = None
    journal: tuple[Record, ...] = ()
    opening: Record | None = None
    opened_at: float = 0.0
    last: Record | None = None
    modified: float = 0.0

    @property
    def end(self) -> int:
        """The last number; 0 of an empty log."""
        return self.last.number if self.last else 0

    @property
    def holder(self) -> Holder | None:
        """Who holds the lock."""
        return Holder.from_json(self.opening.holder or {}) if self.opening else None

    @property
    def fences(self) -> list[int]:
        """See `Record`: openings and closings have them all."""
        carrier = self.opening or self.last
        return carrier.fences if carrier else []

    @property
    def kept(self) -> list[Kept]:
        """The states that can be read again, oldest first."""
        if self.snapshot is None:
            return []
        one = self.snapshot
        serial = int((one.state or {}).get("serial", 0))
        earlier = [Kept(**kept) for kept in one.kept]
        return [*earlier, Kept(one.number, serial, one.time, one.operation, one.by)]

    def next(self, kind: RecordKind, time: str, **more: Any) -> Record:
        """The record that goes on from here."""
        number = self.end + 1
        base = self.snapshot.number if self.snapshot else 0
        opened = self.opening.number if self.opening else 0
        rows = [list(row) for row in self.last.journal] if self.last else []
        if kind == "journal":
            if rows and rows[-1][1] == number - 1:
                rows[-1][1] = number
            else:
                rows.append([number, number])
        return Record(
            kind,
            number,
            time,
            base=number if kind == "state" else base,
            opened={"open": number, "close": 0}.get(kind, opened),
            journal=[] if kind == "state" else rows,
            **{"moved": self.last.moved if self.last and kind != "state" else "", **more},
        )

    def followed_by(self, record: Record) -> Log:
        """The log with one more record."""
        log = replace(self, there=(*self.there, record.number), last=record)
        match record.kind:
            case "journal":
                return replace(log, journal=(*self.journal, record))
            case "state":
                return replace(log, snapshot=record, journal=())
            case "open":
                return replace(log, opening=record)
            case "close":
                return replace(log, opening=None)
            case "moved":
                return log

    def garbage(self) -> list[int]:
        """The numbers of what nobody needs any more."""
        needed = {
            self.end,
            *(one.number for one in self.kept),
            *self.fences,
        }
        needed |= {record.number for record in self.journal}
        needed |= {self.opening.number} if self.opening else set()
        return [number for number in self.there if number not in needed]

    def without(self, numbers: Iterable[int]) -> Log:
        """The log after these were cleared away."""
        gone = set(numbers)
        return replace(self, there=tuple(number for number in self.there if number not in gone))


def key_of(number: int) -> str:
    """The key of a record."""
    return f"{PREFIX}{number:012}"


def numbers_of(store: Store) -> list[int]:
    """The numbers of all records that there are, in order."""
    found = []
    for key in store.keys(PREFIX):
        digits = key.removeprefix(PREFIX)
        if len(digits) != 12 or not digits.isdecimal():
            raise _damaged(
                f"{key} is no record of ours: something else writes to {store.describe()}",
                next="Keep the state where nothing else is, or move that away.",
            )
        found.append(int(digits))
    return sorted(found)


def record_of(store: Store, number: int) -> Record | None:
    """One record, or None when there is none."""
    found = store.get(key_of(number))
    return Record.from_bytes(key_of(number), found.data) if found else None


def create(store: Store, record: Record) -> Record | None:
    """Writes a record, unless its number is taken. Gives what has the number, and that is this very
    record where only the answer was lost; None when it is cleared away by now. StateError: it may
    be there, or come to be.
    """
    try:
        if store.create(key_of(record.number), record.to_bytes()):
            return record
    except StateError:
        with suppress(StateError):
            if found := record_of(store, record.number):
                return found
        raise
    return record_of(store, record.number)


def read_log(store: Store) -> Log:
    """The log as it is now. StateError when a part of it is missing or cannot be read."""
    with ThreadPoolExecutor(READERS, thread_name_prefix="state") as pool:
        for _ in range(ATTEMPTS):  # others may write, and clear away, between two of our requests
            there = numbers_of(store)
            if not there:
                return Log()
            records = _Records(store, pool)
            records.fetch(there[-TAIL:])
            last = records.found.get(there[-1])
            if last is None:
                continue
            needed = {n for first, end in last.journal for n in range(first, end + 1)}
            needed |= {last.base, last.opened} - {0}
            records.fetch(needed - records.found.keys())
            if needed <= records.found.keys():
                return records.log(there, last)
    raise _damaged(
        f"{store.describe()} has lost records of its log"
        + (
            f": {', '.join(key_of(n) for n in sorted(needed - records.found.keys())[:5])}"
            if last
            else ""
        )
    )


class _Records:
    """Records as they are read, by number, and when they were written."""

    def __init__(self, store: Store, pool: ThreadPoolExecutor) -> None:
        self._store, self._pool = store, pool
        self.found: dict[int, Record] = {}
        self._modified: dict[int, float] = {}

    def fetch(self, wanted: Iterable[int]) -> None:
        """Reads these records; those that are not there any more are left out."""
        keys = {number: key_of(number) for number in wanted}
        for number, found in zip(keys, self._pool.map(self._store.get, keys.values()), strict=True):
            if found:
                self.found[number] = Record.from_bytes(keys[number], found.data)
                self._modified[number] = found.modified

    def log(self, there: Iterable[int], last: Record) -> Log:
        """The log that ends with `last`."""
        rows = [n for first, end in last.journal for n in range(first, end + 1)]
        return Log(
            there=tuple(there),
            snapshot=self.found[last.base] if last.base else None,
            journal=tuple(self.found[number] for number in rows),
            opening=self.found[last.opened] if last.opened else None,
            opened_at=self._modified.get(last.opened, 0.0),
            last=last,
            modified=self._modified[last.number],
        )


def _damaged(message: str, next: str = "") -> StateError:
    return StateError(
        message,
        safe="Nothing was touched, and nothing was sent.",
        next=next or "Put back what is missing from the versions or backups of the store itself.",
    )
