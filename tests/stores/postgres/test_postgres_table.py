"""The table that states are in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from friendli_iac.backends.postgres import PostgresStore
from friendli_iac.errors import StateError

from ..postgres_server import PostgresServer
from .conftest import Opened


def test_ten_that_make_the_table_at_once_agree(opened: Opened) -> None:
    stores = [opened() for _ in range(10)]
    ready = threading.Barrier(len(stores))

    def made(store: PostgresStore) -> bool:
        assert store.get("log/1") is None
        ready.wait()
        return store.create("log/1", b"")

    with ThreadPoolExecutor(len(stores)) as pool:
        assert sorted(pool.map(made, stores)) == [False] * 9 + [True]


def test_states_in_one_table_do_not_see_each_other(opened: Opened) -> None:
    names = ["a", "a_", "ab", "a%", "%", "_", "a/b", "A", "ä", "a'b", 'a"b', "a\\"]
    stores = {name: opened(state=name) for name in names}
    for name, store in stores.items():
        assert store.create("log/1", name.encode())
    for name, store in stores.items():
        found = store.get("log/1")
        assert found is not None
        assert found.data == name.encode()
    stores["%"].delete(["log/1", "log/%"])
    assert [name for name, store in stores.items() if not store.keys("log/")] == ["%"]


def test_prefixes_are_no_patterns_and_keys_are_sorted_by_bytes(opened: Opened) -> None:
    store = opened()
    keys = ["a/1", "a/B", "a/_", "a/a", "a/ä", "aa/1", "a%/1", "_/1", "%/1", "A/1"]
    for key in reversed(keys):
        store.put(key, b"")
    assert store.keys("a/") == ["a/1", "a/B", "a/_", "a/a", "a/ä"]
    assert store.keys("_/") == ["_/1"]
    assert store.keys("%/") == ["%/1"]
    assert store.keys("") == sorted(keys, key=str.encode)


def test_a_schema_of_its_own(server: PostgresServer, database: str, opened: Opened) -> None:
    store = opened(schema="Infra_1")
    assert store.keys("log/") == []
    with pytest.raises(StateError, match="has no schema Infra_1") as caught:
        store.create("log/1", b"")
    server.run(caught.value.next, database)
    assert store.create("log/1", b"")
    assert opened().keys("log/") == []
    assert server.run('SELECT key FROM "Infra_1".friendli_iac', database) == [("log/1",)]


def test_a_table_of_somebody_else_is_left_alone(
    server: PostgresServer, database: str, opened: Opened
) -> None:
    server.run("CREATE TABLE friendli_iac (id int)", database)
    for use in (lambda: opened().get("log/1"), lambda: opened().create("log/1", b"")):
        with pytest.raises(StateError, match="not made by friendli-iac") as caught:
            use()
        assert "schema=" in caught.value.next


def test_every_byte_and_a_large_document_are_kept(opened: Opened) -> None:
    store = opened()
    data = bytes(range(256)) * 20_000
    store.put("a/1", data)
    found = store.get("a/1")
    assert found is not None
    assert found.data == data
