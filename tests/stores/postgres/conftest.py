"""A Postgres of these tests alone: they stop it, and change its settings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from friendli_iac.backends.postgres import PostgresStore, open_postgres
from friendli_iac.errors import FriendliIacError

from ..postgres_server import CLEARTEXT, PASSWORD, PostgresServer, running_postgres

Opened = Callable[..., PostgresStore]


def words(error: FriendliIacError) -> str:
    return f"{error} {error.safe} {error.next} {error!r} {error.__cause__!r}"


@pytest.fixture(scope="package")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        running.run("CREATE ROLE {name} LOGIN PASSWORD '" + PASSWORD + "'", name=CLEARTEXT)
        yield running


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Nothing of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    return monkeypatch


@pytest.fixture
def database(server: PostgresServer) -> str:
    return server.new_database()


@pytest.fixture
def opened(server: PostgresServer, database: str) -> Iterator[Opened]:
    """Opens stores in a new database; takes what `PostgresServer.url` takes."""
    stores: list[PostgresStore] = []

    def opened(*, trusted: bool = True, patience: float = 5, **url: object) -> PostgresStore:
        where = server.url(**{"database": database, **url})  # type: ignore[arg-type]
        store = open_postgres(where, os.environ, trusted=trusted, patience=patience)
        stores.append(store)
        return store

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def role(server: PostgresServer) -> Iterator[str]:
    name = f"role_{os.getpid()}_{time.monotonic_ns()}"
    server.run("CREATE ROLE {name} LOGIN PASSWORD '" + PASSWORD + "'", name=name)
    return name
