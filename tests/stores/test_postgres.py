"""What a state in Postgres does beyond the contract: addresses, logins, permissions, losses."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import psycopg
import pytest

from friendli_iac.backends.postgres import PostgresStore, open_postgres
from friendli_iac.backends.store import prove
from friendli_iac.errors import FriendliIacError, StateDenied, StateError, UsageError

from .postgres_server import ADMIN, CLEARTEXT, PASSWORD, PostgresServer, running_postgres
from .proxy import Proxy

Opened = Callable[..., PostgresStore]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Not the one of the contract: it is stopped, and its settings are changed."""
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


def words(error: FriendliIacError) -> str:
    return f"{error} {error.safe} {error.next} {error!r} {error.__cause__!r}"


# --- addresses ---


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("postgres://db/app", "postgres://db/app?state=default"),
        ("postgresql://me@db:5433/app?state=x/y", "postgres://me@db:5433/app?state=x/y"),
        (
            "postgres://me:s%40cret@db/app?sslmode=verify-full&schema=infra",
            "postgres://me@db/app?state=default&schema=infra&sslmode=verify-full",
        ),
        ("postgres://a:1,b:2/app?state=%25", "postgres://a:1,b:2/app?state=%25"),
        ("postgres://[::1]:5432/app", "postgres://[::1]:5432/app?state=default"),
        ("postgres://%2Frun%2Fpg/app", "postgres://%2Frun%2Fpg/app?state=default"),
        ("postgres:///?service=prod", "postgres:///?state=default&service=prod"),
    ],
)
def test_an_address_is_shown_so_that_it_can_be_typed(where: str, shown: str) -> None:
    store = open_postgres(where, {}, trusted=True)
    assert store.describe() == shown
    assert open_postgres(shown, {}, trusted=False).describe() == shown


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("postgres://db/app?sslmodus=require", "Did you mean sslmode?"),
        ("postgres://db/app?options=-cx", "Known are: state, schema, "),
        ("postgres://db/app?password=" + "canary", "PGPASSWORD"),
        ("postgres://db/app?state=a&state=b", "twice"),
        ("postgres://db/app?canary%0A=1", "a parameter"),
        ("postgres://db/app?state=", "state is a name"),
        ("postgres://db/app?state=a%00b", "state is a name"),
        ("postgres://db/app?schema=a-b", "schema is the name"),
        ("postgres://db/app?schema=a%22b", "schema is the name"),
        ("postgres://db/app?application_name=a%00b", "NUL"),
        ("postgres://db/%00", "NUL"),
        ("postgres://db:0/app", "a port is"),
        ("postgres://db:65536/app", "a port is"),
        ("postgres://db:x/app", "postgres://[user@]host"),
        ("postgres://a/b/c", "postgres://[user@]host"),
        ("postgres://db/\udcff", "postgres://[user@]host"),
        ("mysql://db/app", "postgres://[user@]host"),
    ],
)
def test_what_is_no_address_is_refused(where: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_postgres(where, {}, trusted=True)
    assert said in words(caught.value)
    assert "canary" not in words(caught.value)


@pytest.mark.parametrize("special", ["", *"/@:?#%&=,[]+ \\", "@x/", ":1/", "?state=", "%2F", "%ff"])
@pytest.mark.parametrize("beginning", ["QXQ", "12"])  # with digits it may pass for a port
def test_a_password_that_is_not_escaped_is_never_shown(special: str, beginning: str) -> None:
    address = f"postgres://me:{beginning}{special}XQX@db.example.com"
    for where, trusted in product((address, f"{address}/app"), (True, False)):
        try:
            store = open_postgres(where, {}, trusted=trusted)
            shown = f"{store.describe()} {store.address!r}"
        except UsageError as error:
            shown = words(error)
        assert not [part for part in ("QXQ", "XQX") if part in shown]


def test_a_file_of_the_repository_may_not_have_a_password_or_a_path() -> None:
    for where in ("postgres://me:canary@db/app", "postgres://me:@db/app"):
        with pytest.raises(UsageError, match="has a password") as caught:
            open_postgres(where, {}, trusted=False)
        assert "canary" not in words(caught.value)
        assert "PGPASSWORD" in caught.value.next
    for name in ("passfile", "sslkey", "sslcert", "sslrootcert", "servicefile"):
        where = f"postgres://db/app?{name}=/tmp/x"
        with pytest.raises(UsageError, match=name) as caught:
            open_postgres(where, {}, trusted=False)
        assert f"PG{name.upper()}" in caught.value.next
        assert name in open_postgres(where, {}, trusted=True).describe()


def test_without_psycopg_it_says_what_to_install() -> None:
    program = """
import sys
sys.modules["psycopg"] = None
try:
    import friendli_iac.backends.postgres
except Exception as error:
    print(error.exit_code, error, error.next)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("64 a state in Postgres needs psycopg")
    assert "friendli-iac[postgres]" in done.stdout


# --- logins and permissions ---


def test_a_wrong_password_is_told_at_once_and_not_shown(opened: Opened) -> None:
    began = time.monotonic()
    for store in (opened(password="canary"), opened(user="who", password="canary")):
        with pytest.raises(StateDenied, match="password authentication failed") as caught:
            store.get("log/1")
        assert "canary" not in words(caught.value) + store.describe()
    with pytest.raises(StateDenied, match="no password supplied"):
        opened(password="").get("log/1")
    assert time.monotonic() - began < 3


def test_passwords_come_from_the_environment(
    opened: Opened, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("PGPASSWORD", PASSWORD)
    assert opened(password="", trusted=False).create("log/1", b"1")
    environment.delenv("PGPASSWORD")
    (tmp_path / "pgpass").write_text(f"127.0.0.1:*:*:{ADMIN}:{PASSWORD}\n")
    (tmp_path / "pgpass").chmod(0o600)
    assert not opened(password="", trusted=False).create("log/1", b"1")


def test_what_the_server_says_does_not_show_a_password(
    server: PostgresServer, database: str, opened: Opened, environment: pytest.MonkeyPatch
) -> None:
    # A server that is not ours can say anything, such as what it was told.
    store = opened()
    store.create("log/1", b"")
    server.run(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'it is {PASSWORD}'; END $$",
        database,
    )
    server.run(
        "CREATE TRIGGER tell BEFORE INSERT ON friendli_iac EXECUTE FUNCTION tell()", database
    )
    environment.setenv("PGPASSWORD", PASSWORD)
    for each in (store, opened(password="")):
        with pytest.raises(StateError, match=r"it is \*\*\*") as caught:
            each.create("log/2", b"")
        assert PASSWORD not in words(caught.value)


def test_a_server_that_a_pull_request_names_is_not_told_the_password(
    opened: Opened, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("PGPASSWORD", PASSWORD)
    with pytest.raises(StateDenied, match="was not sent") as caught:
        opened(user=CLEARTEXT, password="", trusted=False).get("log/1")
    assert PASSWORD not in words(caught.value)
    assert opened(user=CLEARTEXT, password="", trusted=True).get("log/1") is None


def test_a_database_that_is_not_there_is_told_at_once(opened: Opened) -> None:
    began = time.monotonic()
    with pytest.raises(StateError, match='database "nowhere" does not exist') as caught:
        opened(database="nowhere").create("log/1", b"")
    assert not isinstance(caught.value, StateDenied)
    assert time.monotonic() - began < 2


def test_what_does_not_pass_is_told_at_once(opened: Opened) -> None:
    began = time.monotonic()
    with pytest.raises(StateError, match="SSL was required") as caught:
        opened(sslmode="require").get("log/1")
    assert "sslmode" in caught.value.next
    for settings in ({"sslmode": "always"}, {"service": "nowhere"}):
        with pytest.raises(StateError, match=r"always|nowhere"):
            opened(**settings).get("log/1")
    assert time.monotonic() - began < 2


def test_a_database_cannot_pass_for_settings(opened: Opened) -> None:
    for name in ("dbname%3Dpostgres", "postgresql%3A%2F%2F%2Fpostgres", "x' user='y"):
        with pytest.raises(StateError, match="does not exist"):
            opened(database=name).get("log/1")


def test_a_role_that_may_only_read_can_read(
    server: PostgresServer, database: str, opened: Opened, role: str
) -> None:
    reader = opened(user=role)
    assert reader.keys("log/") == [], "no table is nothing there"
    assert reader.get("log/1") is None
    reader.delete(["log/1"])
    with pytest.raises(StateDenied, match="permission denied for schema") as caught:
        reader.create("log/1", b"")
    assert 'GRANT CREATE ON SCHEMA "public"' in caught.value.next
    assert opened().create("log/1", b"one")
    with pytest.raises(StateDenied, match="permission denied for table") as caught:
        reader.get("log/1")
    assert caught.value.next.startswith('GRANT SELECT ON "public".friendli_iac')
    server.run("GRANT SELECT ON friendli_iac TO {role}", database, role=role)
    found = reader.get("log/1")
    assert found is not None
    assert found.data == b"one"
    for write in (lambda: reader.put("a/1", b""), lambda: reader.delete(["log/1"])):
        with pytest.raises(StateDenied) as caught:
            write()
        assert "GRANT SELECT, INSERT, UPDATE, DELETE" in caught.value.next
    # What is said to be enough is enough.
    server.run(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON friendli_iac TO {role}", database, role=role
    )
    prove(reader)


def test_a_read_only_database_is_named(
    server: PostgresServer, database: str, opened: Opened, role: str
) -> None:
    assert opened().create("log/1", b"one")
    server.run("ALTER DATABASE {name} SET default_transaction_read_only = on", name=database)
    store = opened()
    assert store.keys("log/") == ["log/1"]
    with pytest.raises(StateError, match="can only be read") as caught:
        store.create("log/2", b"")
    assert "primary" in caught.value.next


def test_a_replica_is_not_read_unless_that_was_asked_for(
    server: PostgresServer, opened: Opened
) -> None:
    assert opened().create("log/1", b"one")
    server.restart(standby=True)
    try:
        with pytest.raises(StateError, match="hot standby"):
            opened(patience=0.5).get("log/1")
        lagging = opened(target_session_attrs="any")
        assert lagging.get("log/1") is not None
        with pytest.raises(StateError, match="can only be read"):
            lagging.create("log/2", b"")
    finally:
        server.restart(standby=False)
    assert opened().create("log/2", b"")


# --- the table ---


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


# --- what gets lost ---


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
        assert 0.5 < time.monotonic() - began < 3
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
        assert time.monotonic() - began < 5
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
            assert time.monotonic() - began < 3
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
        cwd=Path(__file__).parents[2],
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
