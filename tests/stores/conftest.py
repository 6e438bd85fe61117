"""Servers are started when the first test asks for one, one of each kind in each test process."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from friendli_iac.backends.objects import ObjectStore, open_objects
from friendli_iac.backends.objects.address import Bucket
from friendli_iac.backends.postgres import open_postgres
from friendli_iac.backends.store import Store
from friendli_iac.emulator import Emulator

from .forgetful import Forgetful, running_forgetful
from .machines import Shared
from .postgres_server import PASSWORD, PostgresServer, running_postgres
from .proxy import Proxy
from .seaweed import BUCKET, Seaweed, running_seaweed

_numbers = count()


@dataclass(frozen=True)
class Place:
    """Where stores can be opened. `port` is that of the server; `write` is in each request that
    makes a document, and `create` in those that make a new one only. `address` and `environment`
    are what lets a command line in, for a prefix and a port.
    """

    _open: Callable[[str, int], Store]
    port: int
    write: bytes
    create: bytes = b""
    address: Callable[[str, int], str] = lambda prefix, port: ""
    environment: Mapping[str, str] = field(default_factory=dict)
    _opened: list[Store] = field(default_factory=list)

    def open(self, prefix: str, port: int = 0) -> Store:
        """`prefix` is what keeps stores apart there; `port` is that of a proxy to go through."""
        store = self._open(prefix, port or self.port)
        self._opened.append(store)
        return store

    def close(self) -> None:
        for store in self._opened:
            store.close()


def unused() -> str:
    return f"test-{os.getpid()}-{next(_numbers)}"


def in_memory() -> Place:
    memory = MemoryStore()
    return Place(lambda prefix, _: ObjectStore(memory, Bucket("s3", "memory", prefix)), 0, b"")


def in_seaweed(server: Seaweed) -> Place:
    def opened(prefix: str, port: int) -> Store:
        address = server.address(f"{BUCKET}/{prefix}", port)
        return open_objects(address, server.environment, patience=2)

    def address(prefix: str, port: int) -> str:
        return server.address(f"{BUCKET}/{prefix}", port)

    return Place(opened, server.port, b"PUT ", b"if-none-match", address, server.environment)


def in_postgres(server: PostgresServer) -> Place:
    def opened(prefix: str, port: int) -> Store:
        return open_postgres(server.url(port=port, state=prefix), {}, trusted=True, patience=2)

    def address(prefix: str, port: int) -> str:
        return server.url(password="", port=port or None, state=prefix)

    return Place(
        opened, server.port, b"INSERT INTO", b"DO NOTHING", address, {"PGPASSWORD": PASSWORD}
    )


@pytest.fixture(params=["memory", "seaweed", "postgres"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield from _place(request)


@pytest.fixture(params=["seaweed", "postgres"])
def served(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A place that has a server, which can be far away."""
    yield from _place(request)


def _place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "memory":
        place = in_memory()
    elif request.param == "seaweed":
        place = in_seaweed(request.getfixturevalue("seaweed"))
    else:
        place = in_postgres(request.getfixturevalue("postgres"))
    yield place
    place.close()


@pytest.fixture
def store(place: Place) -> Store:
    """One that nobody has used."""
    return place.open(unused())


@pytest.fixture
def shared(served: Place, tmp_path: Path, emulator: Emulator) -> Iterator[Shared]:
    """A state that several machines reach by the command line. In the end it is searched for
    secrets, as is all that they printed and wrote.
    """
    prefix = unused()
    shared = Shared(
        partial(served.address, prefix),
        served.environment,
        served.open(prefix),
        tmp_path,
        emulator,
    )
    yield shared
    shared.check_secrets()


@pytest.fixture
def proxy(served: Place) -> Iterator[Proxy]:
    with Proxy(served.port) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    with running_seaweed() as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@pytest.fixture
def forgetful() -> Iterator[Forgetful]:
    with running_forgetful() as running:
        yield running


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without any credentials; metadata servers would be at a closed port."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_", "GCE_", "IDENTITY_", "CLOUDSDK_")):
            monkeypatch.delenv(name)
    closed = f"127.0.0.1:{closed_port()}"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://{closed}")
    monkeypatch.setenv("GCE_METADATA_HOST", closed)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{closed}")
    return monkeypatch


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
