"""What gets lost: servers, answers, connections, and who waits for them."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from friendli_iac.errors import StateError

from ..postgres_server import PostgresServer
from ..proxy import Proxy
from .conftest import Opened


def test_a_server_that_was_killed_is_used_again(server: PostgresServer, opened: Opened) -> None:
    store = opened(patience=20)
    assert store.create("log/1", b"one")
    server.stop()
    restart = threading.Timer(0.5, server.start)
    restart.start()
    assert store.create("log/2", b"two"), "it waits for the server"
    restart.join()
    assert store.keys("log/") == ["log/1", "log/2"]


def test_a_server_that_is_away_is_given_up(server: PostgresServer, opened: Opened) -> None:
    with Proxy(server.port) as proxy:
        store = opened(port=proxy.port, patience=1)
        store.put("log/1", b"")
        proxy.refuse()
        began = time.monotonic()
        with pytest.raises(StateError, match="refused") as caught:
            store.put("log/1", b"")
        assert 0.5 < time.monotonic() - began < 8
        assert "may have been written" in caught.value.safe
        with pytest.raises(StateError, match="refused") as caught:
            store.get("log/1")
        assert caught.value.safe == "Nothing was changed."
        proxy.accept()
        assert store.get("log/1") is not None


def test_a_lost_acknowledgement_shows_as_there_already(
    server: PostgresServer, opened: Opened
) -> None:
    with Proxy(server.port) as proxy:
        store = opened(port=proxy.port)
        store.put("lock/1", b"")
        proxy.drop_reply(containing=b"ON CONFLICT DO NOTHING")
        assert store.create("log/1", b"ours") is False
        assert proxy.dropped == 1
        found = store.get("log/1")
        assert found is not None
        assert found.data == b"ours"


def test_a_statement_that_hangs_is_given_up_by_all_that_wait(
    server: PostgresServer, database: str, opened: Opened
) -> None:
    store = opened(patience=1)
    store.put("log/1", b"")
    with psycopg.connect(server.url(database=database)) as holder:
        holder.execute("LOCK TABLE friendli_iac")
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(store.get, "log/1") for _ in range(8)]
            errors = [one.exception() for one in waiting]
        assert all(isinstance(error, StateError) for error in errors), errors
        assert all(re.search("no answer in 1s|does not answer", str(error)) for error in errors)
        assert time.monotonic() - began < 7
    assert store.get("log/1") is not None


def test_connections_that_others_end_are_opened_again(
    server: PostgresServer, database: str, opened: Opened
) -> None:
    store = opened()
    for number in range(3):
        assert store.create(f"log/{number}", b"")
        server.run(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        )


def test_threads_share_one_connection(
    server: PostgresServer, database: str, opened: Opened
) -> None:
    store = opened()
    store.put("log/1", b"")
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(store.get, ["log/1"] * 100))
    assert all(found)
    count = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"
    assert server.run(count) == [(1,)]
    store.close()


def test_ctrl_c_ends_a_statement_that_waits(
    server: PostgresServer, database: str, opened: Opened
) -> None:
    opened().put("log/1", b"")
    program = f"""
import os
from friendli_iac.backends.postgres import open_postgres
store = open_postgres({server.url(database=database)!r}, os.environ, trusted=True)
store.keys("log/")
print("waits", flush=True)
try:
    store.put("log/1", b"late")
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    with psycopg.connect(server.url(database=database)) as holder:
        holder.execute("LOCK TABLE friendli_iac IN SHARE MODE")
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == "waits\n"
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while server.run(waits) == [(0,)]:
                time.sleep(0.01)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "stopped\n"
            assert time.monotonic() - began < 4
        assert server.run(waits) == [(0,)], "and it is not carried out later"
    found = opened().get("log/1")
    assert found is not None
    assert found.data == b""


def test_no_server_outlives_who_started_it(tmp_path: Path) -> None:
    program = """
import time
from tests.stores.postgres_server import running_postgres
with running_postgres() as server:
    print(server.port, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    pytest.fail("Postgres still runs")
