"""Where the endpoints are kept: in memory, and in SQLite if they shall outlive the process."""

import json
import random
import secrets
import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path

from .clock import Clock, ClockMode
from .lifecycle import settle
from .model import Endpoint

_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS endpoint (serial INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deleted (serial INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    """All endpoints, by id and in the order of their creation.

    Whoever reads or changes an endpoint holds `lock`. A change is durable once `save` has returned:
    SQLite's log survives a kill -9 of the emulator at any instant.
    """

    def __init__(self, directory: Path | None, clock_mode: ClockMode, seed: int | None) -> None:
        self.lock = threading.RLock()
        self._database = _open(directory) if directory else None
        self._seed: int | str = secrets.token_hex(8) if seed is None else seed
        self._by_id: dict[str, Endpoint] = {}
        self._by_serial: dict[int, Endpoint] = {}
        self._serials: list[int] = []
        self._projects: dict[str, str] = {}
        self._deleted: list[Endpoint] = []
        self._next_serial = int(self._recall("next_serial") or 1)
        origin = self._recall(f"{clock_mode}_clock")
        self.clock = Clock(clock_mode, None if origin is None else float(origin))
        for endpoint in self._stored("endpoint"):
            self._index(endpoint)
        self._deleted += self._stored("deleted")

    def now(self) -> float:
        """The emulator's time, in seconds since the epoch."""
        return self.clock.now()

    def get(self, endpoint_id: str) -> Endpoint | None:
        """The endpoint as it is now."""
        endpoint = self._by_id.get(endpoint_id)
        if endpoint is not None:
            settle(endpoint, self.now())
        return endpoint

    def newest_first(self, before: int | None = None) -> Iterator[Endpoint]:
        """The endpoints with a serial below `before`, the last created first, as they are now."""
        end = len(self._serials) if before is None else bisect_left(self._serials, before)
        now = self.now()
        for index in range(end - 1, -1, -1):
            endpoint = self._by_serial[self._serials[index]]
            settle(endpoint, now)
            yield endpoint

    def ever(self) -> Iterator[Endpoint]:
        """Every endpoint that there is or was, the last created first; deleted ones at the end."""
        yield from self.newest_first()
        yield from reversed(self._deleted)

    def team_of(self, project: str) -> str | None:
        """The team that used `project` first, and so owns it; a restart forgets empty projects."""
        return self._projects.get(project)

    def claim(self, project: str, team: str) -> None:
        """Create `project` in `team`."""
        self._projects[project] = team

    def new_identity(self) -> tuple[str, int]:
        """An unused endpoint id and its serial; the same ones in every run with the same seed."""
        serial, self._next_serial = self._next_serial, self._next_serial + 1
        digits = random.Random(f"{self._seed}/{serial}")
        return "dep" + "".join(digits.choices(_ID_CHARACTERS, k=13)), serial

    def add(self, endpoints: Iterable[Endpoint]) -> None:
        """Keep new endpoints, in one transaction."""
        added = list(endpoints)
        for endpoint in added:
            self._index(endpoint)
        self.save(*added)

    def save(self, *endpoints: Endpoint) -> None:
        """Write changed endpoints to the disk, all or none."""
        if self._database is None:
            return
        rows = [(endpoint.serial, json.dumps(endpoint.to_json())) for endpoint in endpoints]
        with self._database as transaction:
            transaction.executemany("INSERT OR REPLACE INTO endpoint VALUES (?, ?)", rows)
            transaction.execute(
                "INSERT OR REPLACE INTO meta VALUES ('next_serial', ?)", (str(self._next_serial),)
            )

    def remove(self, endpoint: Endpoint) -> None:
        """Delete an endpoint: only the bill remembers it."""
        self._deleted.append(endpoint)
        del self._by_id[endpoint.id], self._by_serial[endpoint.serial]
        del self._serials[bisect_left(self._serials, endpoint.serial)]
        if self._database is not None:
            with self._database as transaction:
                transaction.execute("DELETE FROM endpoint WHERE serial = ?", (endpoint.serial,))
                row = (endpoint.serial, json.dumps(endpoint.to_json()))
                transaction.execute("INSERT INTO deleted VALUES (?, ?)", row)

    def clear(self) -> None:
        """Forget every endpoint and project; ids and time start again from the beginning."""
        self._by_id.clear()
        self._by_serial.clear()
        self._serials.clear()
        self._projects.clear()
        self._deleted.clear()
        self._next_serial = 1
        self.clock.reset()
        if self._database is not None:
            with self._database as transaction:
                transaction.execute("DELETE FROM endpoint")
                transaction.execute("DELETE FROM deleted")
                transaction.execute("DELETE FROM meta")

    def save_clock(self) -> None:
        """Keep the present of a manual clock, or the offset of one that runs."""
        if self._database is None:
            return
        with self._database as transaction:
            transaction.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)",
                (f"{self.clock.mode}_clock", repr(self.clock.origin)),
            )

    @property
    def durable(self) -> bool:
        """Whether what is saved outlives the process."""
        return self._database is not None

    def document(self, name: str) -> str | None:
        """What `save_document` kept under `name`."""
        return self._recall(name)

    def save_document(self, name: str, text: str) -> None:
        """Keep a text beside the endpoints; `clear` forgets it."""
        if self._database is not None:
            with self._database as transaction:
                transaction.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, text))

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        if self._database is not None:
            self._database.close()

    def _index(self, endpoint: Endpoint) -> None:
        self._by_id[endpoint.id] = endpoint
        self._by_serial[endpoint.serial] = endpoint
        self._serials.append(endpoint.serial)
        self._projects.setdefault(endpoint.project, endpoint.team)

    def _stored(self, table: str) -> Iterator[Endpoint]:
        if self._database is not None:
            for (record,) in self._database.execute(f"SELECT record FROM {table} ORDER BY serial"):
                yield Endpoint.from_json(json.loads(record))

    def _recall(self, key: str) -> str | None:
        if self._database is None:
            return None
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None


def _open(directory: Path) -> sqlite3.Connection:
    directory.mkdir(parents=True, exist_ok=True)
    # The lock of the store, not SQLite, keeps the threads apart.
    database = sqlite3.connect(directory / "emulator.sqlite3", check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(_SCHEMA)
    return database
