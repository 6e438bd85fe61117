"""Logins and permissions, and what else Postgres refuses."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from friendli_iac.backends.store import prove
from friendli_iac.errors import StateDenied, StateError

from ..postgres_server import ADMIN, CLEARTEXT, PASSWORD, PostgresServer
from .conftest import Opened, words


def test_a_wrong_password_is_told_at_once_and_not_shown(opened: Opened) -> None:
    began = time.monotonic()
    for store in (opened(password="canary"), opened(user="who", password="canary")):
        with pytest.raises(StateDenied, match="password authentication failed") as caught:
            store.get("log/1")
        assert "canary" not in words(caught.value) + store.describe()
    with pytest.raises(StateDenied, match="no password supplied"):
        opened(password="").get("log/1")
    assert time.monotonic() - began < 4


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
    assert time.monotonic() - began < 4


def test_what_does_not_pass_is_told_at_once(opened: Opened) -> None:
    began = time.monotonic()
    with pytest.raises(StateError, match="SSL was required") as caught:
        opened(sslmode="require").get("log/1")
    assert "sslmode" in caught.value.next
    for settings in ({"sslmode": "always"}, {"service": "nowhere"}):
        with pytest.raises(StateError, match=r"always|nowhere"):
            opened(**settings).get("log/1")
    assert time.monotonic() - began < 4


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
