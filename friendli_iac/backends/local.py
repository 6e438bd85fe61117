"""The state as a JSON file, its journal as JSON lines beside it, its lock as a lock of the system.

state.json                what was committed last
state.json.journal        what happened since: a header, then one entry a line, each with a CRC
state.json.lock           locked while an apply is at work; says who
state.json.backup.SERIAL  the states before
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from friendli_iac import __version__
from friendli_iac.backends.backups import Backups, kept_in
from friendli_iac.backends.base import Held, Holder, Kept, Stored, ci_url, moved, who
from friendli_iac.backends.files import Files
from friendli_iac.backends.flock import FileLock
from friendli_iac.backends.lines import Lines, decode, encode
from friendli_iac.core.journal import Entry
from friendli_iac.core.state import State
from friendli_iac.errors import Refused, StateDenied, StateError
from friendli_iac.resources.foreign import loads

T = TypeVar("T")
MOVED = "moved_to"  # all that is in the file of a state that was moved away


class LocalBackend:
    """See `friendli_iac.backends.base.Backend`. Not for network file systems: they lie about locks
    and syncs. `revive`: a state that was moved away may come back here.
    """

    def __init__(
        self,
        path: Path,
        *,
        files: Files | None = None,
        sleep: Callable[[float], None] = time.sleep,
        revive: bool = False,
    ) -> None:
        path = path.resolve()  # a link stays one: state, journal and lock lie where it leads
        self.path = path
        self._files = files or Files()
        self._backups = Backups(path, self._files)
        self._revive = revive
        self._journal = path.with_name(path.name + ".journal")
        self._lock = FileLock(path.with_name(path.name + ".lock"), sleep)
        self._mutex = threading.Lock()
        self._header: dict[str, Any] | None = None  # what the journal starts with, once it must
        self._left_out: tuple[str, ...] = ()  # notices of what the lock cleared away
        self._broken: OSError | None = None

    def describe(self) -> str:
        return str(self.path)

    # --- reading ---

    def read(self) -> Stored:
        # Without the lock, a commit may come between the two: then both are read again.
        while True:
            data = self._guarded("read the state", lambda: self._files.read(self.path))
            journal, torn = self._read_journal()
            if data == self._guarded("read the state", lambda: self._files.read(self.path)):
                break
        state = self._parsed(data)
        notices = [*self._left_out, *([torn] if torn else [])]
        moved_away = state is None and data is not None  # and the journal went with it
        if not journal.documents or moved_away:
            return Stored(state, notices=tuple(notices))
        header, *lines = journal.documents
        if state is None or header.get("lineage") != state.lineage:
            raise StateError(
                f"the journal {self._journal} belongs to another state "
                f"(lineage {header.get('lineage')})",
                safe="Neither was touched.",
                next="Put back the state that it belongs to, or move the journal away if you are "
                "sure that nothing of it is open.",
            )
        serial = header.get("serial")
        if not isinstance(serial, int) or serial > state.serial:
            raise StateError(
                f"the journal {self._journal} is ahead of the state: it starts at serial {serial}, "
                f"and the state has {state.serial}",
                safe="Neither was touched.",
                next=f"The state was replaced by an older one. Put serial {serial} back: "
                "the backups lie beside it.",
            )
        if serial < state.serial:  # a kill between the commit and the end of the journal
            notices.append(f"an old journal (serial {serial}) is left out: it was committed before")
            return Stored(state, notices=tuple(notices))
        return Stored(state, tuple(map(Entry.from_json, lines)), tuple(notices))

    def _parsed(self, data: bytes | None) -> State | None:
        if data is None:
            return None
        try:
            document = loads(data)
            to = document.get(MOVED) if isinstance(document, dict) else None
        except ValueError as error:
            raise StateError(
                f"the state {self.path} is damaged: {error}",
                safe="It was not touched.",
                next=f"Restore a backup: {self.path}.backup.*",
            ) from error
        if to and self._revive:
            return None
        if to:
            raise moved(self.describe(), str(to))
        return State.from_json(document if isinstance(document, dict) else {})

    def _read_journal(self) -> tuple[Lines, str]:
        """The journal, and a notice when its tail was torn."""
        data = self._guarded("read the journal", lambda: self._files.read(self._journal)) or b""
        lines = decode(data)
        if lines.damaged:
            raise StateError(
                f"the journal is damaged: {self._journal}:{lines.damaged}",
                safe="It was not touched, and nothing was sent.",
                next="It says what an interrupted apply had begun. Compare it with the web "
                "page, take the resources in with friendli-iac import, and move it away.",
            )
        return lines, f"a torn last line of {self._journal} is left out" if lines.torn else ""

    # --- writing ---

    @contextmanager
    def lock(self, operation: str, environ: Mapping[str, str], timeout: float) -> Iterator[float]:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        holder = Holder(operation, now, who=who(environ), ci_url=ci_url(environ))
        with ExitStack() as stack:
            taken = self._lock.taken(holder, timeout)
            self._guarded("take the lock", lambda: stack.enter_context(taken))
            self._begin()
            yield 0.0

    def _begin(self) -> None:
        """Under the lock: leaves only what belongs to the state, and notes what a journal starts
        with.
        """
        self._left_out = ()
        stored = self.read()
        self._left_out = stored.notices
        journal, _ = self._read_journal()
        if journal.documents and not stored.entries:
            self._guarded("clear an old journal", lambda: self._files.remove(self._journal))
        elif journal.torn:
            whole = journal.whole
            self._guarded("mend the journal", lambda: self._files.truncate(self._journal, whole))
        self._header = None
        if not stored.entries and stored.state is not None:
            self._header = {"lineage": stored.state.lineage, "serial": stored.state.serial}

    def append(self, entries: Sequence[Entry]) -> None:
        with self._mutex:
            if self._broken:  # a line behind a torn one would make the journal unreadable
                raise _failed("write the journal", self._broken)
            documents = [self._header] if self._header else []
            documents += [entry.to_json() for entry in entries]
            data = b"".join(map(encode, documents))
            try:
                self._files.append(self._journal, data)
            except OSError as error:
                self._broken = error
                raise _failed("write the journal", error) from error
            self._header = None

    def commit(self, state: State) -> State:
        with self._mutex:
            previous = self._guarded("read the state", lambda: self._files.read(self.path))
            before = self._parsed(previous)  # None: it was moved away, and is back now
            next_state = replace(
                state,
                serial=state.serial + 1,
                write_id=uuid4().hex,
                tool_version=__version__,
            )
            document = next_state.to_json()
            text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
            data = text.encode() + b"\n"

            def write() -> None:
                if before is not None and previous is not None:
                    self._backups.keep(before.serial, previous)
                self._files.replace(self.path, data)
                self._files.remove(self._journal)
                self._backups.drop_old()

            self._guarded("save the state", write)
            self._header = {"lineage": next_state.lineage, "serial": next_state.serial}
            return next_state

    def mark_moved(self, to: str) -> None:
        with self._mutex:
            previous = self._guarded("read the state", lambda: self._files.read(self.path))
            state = self._parsed(previous)

            def write() -> None:
                if state is not None and previous is not None:
                    self._backups.keep(state.serial, previous)
                self._files.replace(self.path, json.dumps({MOVED: to}).encode() + b"\n")
                self._files.remove(self._journal)

            self._guarded("mark the state as moved", write)

    # --- the states before ---

    def history(self) -> list[Kept]:
        state = self.read().state
        earlier = self._guarded("read the backups", self._backups.all)
        if state is None:
            return earlier
        serial = state.serial
        current = self._guarded("read the state", lambda: kept_in(self.path, serial))
        return [*(kept for kept in earlier if kept.serial != serial), current]

    def read_kept(self, kept: Kept) -> State:
        def read() -> bytes | None:
            return self._backups.read(kept.serial) or self._files.read(self.path)

        state = self._parsed(self._guarded("read a backup", read))
        if state is None or state.serial != kept.serial:
            raise StateError(
                f"serial {kept.serial} is not kept any more",
                safe="Nothing was changed.",
                next="friendli-iac state history shows which ones are.",
            )
        return state

    def held(self) -> Held | None:
        try:
            return self._guarded("look at the lock", self._lock.held)
        except StateError as error:
            if isinstance(error.__cause__, PermissionError):
                raise StateDenied(
                    f"who holds the lock of {self.path} is not to be seen: its file is another "
                    "user's",
                    safe="Nothing was changed.",
                    next="Ask as the user who applies here.",
                ) from error
            raise

    def unlock(self, id: str, by: str) -> None:
        held = self.held()
        raise Refused(
            f"the lock of {self.path} cannot be broken: "
            + (f"{held.holder} holds it" if held else "nobody holds it"),
            safe="Nothing was changed.",
            next="It ends with the process that holds it, also when that is killed.",
        )

    def close(self) -> None:
        """Nothing is open."""

    @staticmethod
    def _guarded(what: str, action: Callable[[], T]) -> T:
        try:
            return action()
        except OSError as error:
            raise _failed(what, error) from error


def _failed(what: str, error: OSError) -> StateError:
    return StateError(
        f"cannot {what}: {error.strerror or error} ({error.filename or 'disk'})",
        safe="What was begun is in the journal: nothing is lost and nothing will be done twice.",
        next="Free space or mend the disk, then run the same command again.",
    )
