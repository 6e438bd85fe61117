"""A store in a Postgres database: one table, one row a document.

    postgres://ci@db.example.com/platform?state=prod&sslmode=verify-full

`state` names what is kept there, so that many projects share a table; `schema` is where the table
is. Everything else that libpq reads from the environment (PGHOST, PGPASSWORD, PGSERVICE, ...)
applies as usual.

Each statement stands for itself and leaves nothing behind in the session: so it works through
pgbouncer too. This module needs psycopg, and so does whoever imports it: it is imported only when a
state is kept there.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

from friendli_iac.backends.postgres.address import PostgresAddress, parse_address
from friendli_iac.backends.store import Found
from friendli_iac.errors import StateError, UsageError

try:
    import psycopg
    from psycopg import errors, sql

    from friendli_iac.backends.postgres.errors import Access, Cause, cause_of, explained
except ImportError as missing:
    raise UsageError(
        f"a state in Postgres needs psycopg, which is not installed here ({missing})",
        safe="Nothing was sent.",
        next="pip install 'friendli-iac[postgres]'",
    ) from missing

CONNECT = 5  # seconds for one attempt to connect to one host
STATEMENT = 15.0  # seconds for one attempt at a statement
PATIENCE = 25.0  # seconds after which nothing is tried again
PAUSES = (0.05, 2.0)  # seconds between two attempts: the first, and the longest

Row = tuple[Any, ...]
Connection = psycopg.Connection[Row]

# A dead server or network is noticed in some 20 s, while waiting for an answer and while sending.
_KEEPALIVE: dict[str, int] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

# Collated by bytes: keys are sorted as every other store sorts them, whatever the database does.
_TABLE = """\
CREATE TABLE IF NOT EXISTS {table} (
  state text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  data bytea NOT NULL,
  modified timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (state, key)
)"""
_GET = """\
SELECT data, extract(epoch FROM modified)::float8 FROM {table}
WHERE state = %(state)s AND key = %(key)s"""
_KEYS = """\
SELECT key FROM {table} WHERE state = %(state)s AND starts_with(key, %(prefix)s) ORDER BY key"""
_CREATE = """\
INSERT INTO {table} (state, key, data) VALUES (%(state)s, %(key)s, %(data)b)
ON CONFLICT DO NOTHING"""
_PUT = """\
INSERT INTO {table} (state, key, data) VALUES (%(state)s, %(key)s, %(data)b)
ON CONFLICT (state, key) DO UPDATE SET data = excluded.data, modified = clock_timestamp()"""
_DELETE = "DELETE FROM {table} WHERE state = %(state)s AND key = ANY(%(keys)s)"


def open_postgres(
    where: str, environ: Mapping[str, str], *, trusted: bool, patience: float = PATIENCE
) -> PostgresStore:
    """The store at an address; nothing is connected yet. `trusted`: the address comes from the
    person who runs this, and not from a file of the repository, which a pull request can change.

    libpq reads its variables from the environment of the process. `environ` is the same one, and
    says only which of its settings ours must give way to, and which password must not be shown.
    `patience` is in seconds: nothing is tried again after that.

    UsageError: it is no such address, or one that only a trusted place may give.
    """
    return PostgresStore(parse_address(where, trusted=trusted), environ, patience=patience)


class PostgresStore:
    """See `friendli_iac.backends.store.Store`."""

    def __init__(
        self,
        address: PostgresAddress,
        environ: Mapping[str, str],
        *,
        patience: float,
    ) -> None:
        self.address = address
        self._patience = patience
        self._secrets = [s for s in (address.password, environ.get("PGPASSWORD", "")) if s]
        self._table = sql.Identifier(address.schema, "friendli_iac")
        self._settings: dict[str, Any] = {"fallback_application_name": "friendli-iac"}
        if "PGTARGETSESSIONATTRS" not in environ:
            # A replica lags behind: what was just written could be missing there.
            self._settings["target_session_attrs"] = "primary"
        self._settings |= {**address.settings, **_KEEPALIVE, "connect_timeout": CONNECT}
        # One connection for all threads: what they read at a time takes less than a second one
        # needs to be opened.
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def describe(self) -> str:
        return str(self.address)

    def get(self, key: str) -> Found | None:
        rows = self._run("read", _GET, key=key)
        return Found(bytes(rows[0][0]), float(rows[0][1])) if rows else None

    def keys(self, prefix: str) -> list[str]:
        return [key for (key,) in self._run("read", _KEYS, prefix=prefix)]

    def create(self, key: str, data: bytes) -> bool:
        return bool(self._run("write", f"{_CREATE} RETURNING key", key=key, data=data))

    def put(self, key: str, data: bytes) -> None:
        self._run("write", _PUT, key=key, data=data)

    def delete(self, keys: Sequence[str]) -> None:
        if keys:
            self._run("write", _DELETE, keys=list(keys))

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    # --- statements ---

    def _run(self, access: Access, statement: LiteralString, **values: Any) -> list[Row]:
        """The rows of a statement. It is tried again where that may help, and so it may be carried
        out twice.
        """
        deadline = time.monotonic() + self._patience
        pause, longest = PAUSES
        parameters = {"state": self.address.state, **values}
        with self._turn(deadline):
            while True:
                try:
                    return self._with_table(access, statement, parameters, deadline)
                except psycopg.Error as error:
                    cause = cause_of(error)
                    if cause is not Cause.PASSING or time.monotonic() + pause > deadline:
                        raise explained(error, cause, self.address, access, self._secrets) from None
                time.sleep(pause)
                pause = min(2 * pause, longest)

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        """While this lasts, the connection is ours alone."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise StateError(
                f"the state at {self.describe()} does not answer",
                safe="Nothing was changed by this.",
                next="Check that the database is there and can be reached from here.",
            )
        try:
            yield
        except BaseException:
            self._disconnect()  # nobody knows what is under way in it
            raise
        finally:
            self._lock.release()

    def _with_table(
        self,
        access: Access,
        statement: LiteralString,
        parameters: Mapping[str, Any],
        deadline: float,
    ) -> list[Row]:
        """What is read where there is no table is nothing; what is written makes it."""
        try:
            return self._attempt(statement, parameters, deadline)
        except errors.UndefinedTable:
            if access == "read" or statement == _DELETE:
                return []
        # Two that make it at the same time may both find that it is not there.
        with suppress(errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateObject):
            self._attempt(_TABLE, {}, deadline)
        return self._attempt(statement, parameters, deadline)

    def _attempt(
        self, statement: LiteralString, parameters: Mapping[str, Any], deadline: float
    ) -> list[Row]:
        connection = self._connection = self._connection or self._connect()
        query = sql.SQL(statement).format(table=self._table)
        seconds = min(STATEMENT, max(1.0, deadline - time.monotonic()))
        late = threading.Event()
        try:
            with _cut_after(seconds, connection, late):
                cursor = connection.execute(query, parameters or None, binary=True)
                return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            self._disconnect()
            if late.is_set():
                raise psycopg.OperationalError(f"no answer in {seconds:.0f}s") from error
            raise

    def _connect(self) -> Connection:
        return psycopg.connect(
            **self._settings,
            password=self.address.password or None,
            autocommit=True,
            prepare_threshold=None,
        )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                connection.close()


@contextmanager
def _cut_after(seconds: float, connection: Connection, late: threading.Event) -> Iterator[None]:
    """Cuts the connection and sets `late` when this lasts longer: a statement can wait for a lock,
    or pgbouncer for a server that is dead. The statement is not cancelled: where a write waits for
    a replica, that would turn into a success.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as line:

        def cut() -> None:
            late.set()
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
