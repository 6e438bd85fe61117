"""state migrate: the state is in exactly one place, and nothing of it is lost on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.backends import LocalBackend, Places
from friendli_iac.emulator import Emulator
from friendli_iac.engine.transfer import migrate as migrated

from .harness import FAST, Project, Result, endpoint, engine_for, names, writes
from .stores.postgres_server import PostgresServer, running_postgres
from .stores.seaweed import BUCKET, Seaweed, running_seaweed
from .test_recover import CREATE, killed

LOCAL = ".friendli-iac/state.json"
_numbers = count()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@pytest.fixture(scope="module")
def seaweed() -> Iterator[Seaweed]:
    with running_seaweed() as running:
        yield running


@pytest.fixture
def applied(project: Project, emulator: Emulator) -> Project:
    project.write(endpoint("a"))
    assert project.apply().code == 0
    emulator.clear_requests()
    return project


@pytest.fixture
def remote(postgres: PostgresServer) -> str:
    """An address where nothing is."""
    return postgres.url(state=f"migrate-{next(_numbers)}")


def migrate(project: Project, source: str, place: str) -> Result:
    return project.run("state", "migrate", source, place)


def content(project: Project, where: str) -> Any:
    """What is at an address, but for what each commit sets anew."""
    document = project.run("state", "pull", "--state", where).json
    for name in ("write_id", "serial", "seen"):
        del document[name]
    return document


def serial(project: Project, where: str) -> int:
    return int(project.run("state", "pull", "--state", where).json["serial"])


def test_there_and_everywhere_and_back(
    applied: Project, emulator: Emulator, seaweed: Seaweed, remote: str, postgres: PostgresServer
) -> None:
    before = content(applied, LOCAL)
    bucket = seaweed.address(f"{BUCKET}/migrate")
    applied.env |= seaweed.environment
    shown = remote.replace(":canary-of-postgres", "")
    done = migrate(applied, LOCAL, remote)
    assert done.code == 0, done
    assert done.out == f"state: {shown}\n"
    assert done.err == (
        f"serial 2 is at {shown}, with 1 resource.\n"
        f"{applied.state_path} is marked as moved.\n"
        "next: write this in friendli-iac.yaml (or set FRIENDLI_IAC_STATE):\n"
    )
    for words in (("plan",), ("apply", "--yes"), ("state", "list"), ("unlock",), ("drift",)):
        told = applied.run(*words)
        if words != ("unlock",):
            assert told.code == 1, told
            assert f"was moved to {shown}" in told.err
            assert f"Write `state: {shown}` in friendli-iac.yaml" in told.err
    for source, place in ((remote, bucket), (bucket, remote), (remote, LOCAL), (LOCAL, remote)):
        assert migrate(applied, source, place).code == 0
        assert content(applied, place) == before
        gone = applied.run("plan", "--state", source)
        assert gone.code == 1, gone
        assert "was moved to " in gone.err
        assert applied.run("plan", "--detailed-exitcode", "--state", place).code == 0
    assert writes(emulator) == []
    assert "canary-of-postgres" not in done.out + done.err
    applied.write(endpoint("a") + "---\n" + endpoint("b"))
    assert applied.apply("--state", remote).code == 0
    assert names(emulator) == ["a", "b"]


def test_what_was_kept_can_be_restored_after_the_way_back(applied: Project, remote: str) -> None:
    assert migrate(applied, LOCAL, remote).code == 0
    assert migrate(applied, remote, LOCAL).code == 0
    applied.write(endpoint("a", batch=128))
    assert applied.apply().code == 0
    listed = applied.run("state", "history", "--format", "json").json["states"]
    assert listed[0]["current"]
    for one in listed[1:]:
        done = applied.run("state", "restore", str(one["serial"]), "--yes")
        assert done.code == 0, done


def test_what_is_open_moves_along(applied: Project, emulator: Emulator, remote: str) -> None:
    applied.write(endpoint("a") + "---\n" + endpoint("b"))
    killed(applied, emulator, "POST", CREATE, "after")
    emulator.release()
    assert migrate(applied, LOCAL, remote).code == 0
    done = applied.apply("--state", remote)
    assert done.code == 0, done
    assert "note: Endpoint/b: the interrupted create took place" in done.err
    assert names(emulator) == ["a", "b"]


def on_insert(postgres: PostgresServer, database: str, containing: str, what: str) -> None:
    """The server does this with documents that contain some text."""
    postgres.run(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF position('{containing}' IN convert_from(NEW.data, 'UTF8')) > 0 "
        f"THEN {what}; END IF; RETURN NEW; END $$",
        database,
    )
    postgres.run(
        "CREATE TRIGGER meddle BEFORE INSERT ON friendli_iac "
        "FOR EACH ROW EXECUTE FUNCTION meddle()",
        database,
    )


def test_a_place_that_keeps_something_else_is_not_moved_to(
    applied: Project, postgres: PostgresServer
) -> None:
    database = postgres.new_database()
    one, other = (postgres.url(database=database, state=name) for name in ("one", "other"))
    assert migrate(applied, LOCAL, one).code == 0
    text = "convert_to(replace(convert_from(NEW.data, 'UTF8'), 'acme/model', 'acme/other'), 'UTF8')"
    on_insert(postgres, database, "acme/model", f"NEW.data := {text}")
    done = migrate(applied, one, other)
    assert done.code == 1, done
    assert "does not hold what was written there" in done.err
    assert "safe: The state is at postgres://" in done.err
    assert applied.run("plan", "--detailed-exitcode", "--state", one).code == 0


def test_a_request_that_is_still_on_its_way_is_waited_for(
    applied: Project, emulator: Emulator, remote: str
) -> None:
    """The next apply, at another place, knows nothing of the run that was cut off here."""
    assert migrate(applied, LOCAL, remote).code == 0
    applied.env |= {"FRIENDLI_IAC_LEASE": "1s", "FRIENDLI_IAC_STATE": remote}
    applied.write(endpoint("a") + "---\n" + endpoint("b"))
    killed(applied, emulator, "POST", CREATE, "before")
    places = Places(applied.root, {}, lease=1)
    source = places.open(remote, base=applied.root, trusted=True)
    deadline = time.monotonic() + 20
    while (held := source.held()) and held.left:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    with engine_for(applied, emulator) as engine:
        before = emulator.now()
        target, again = (LocalBackend(applied.root / "new.json") for _ in range(2))
        migrated(engine, source, target, again)
        assert emulator.now() - before >= 59
    source.close()
    emulator.release()


def test_what_was_interrupted_is_finished(
    applied: Project, emulator: Emulator, postgres: PostgresServer
) -> None:
    """The source cannot be marked; meanwhile both places hold the same."""
    database = postgres.new_database()
    source = postgres.url(database=database, state="source")
    place = postgres.url(database=database, state="place")
    assert migrate(applied, LOCAL, source).code == 0
    on_insert(postgres, database, '"kind":"moved"', "RAISE EXCEPTION 'as the test wants'")
    cut = migrate(applied, source, place)
    assert cut.code == 1, cut
    assert "could not be marked as moved" in cut.err
    assert "Run the same command again, before anybody applies." in cut.err
    assert applied.run("plan", "--state", source).code == 0, "it is where it was"
    postgres.run("DROP TRIGGER meddle ON friendli_iac", database)
    assert migrate(applied, source, place).code == 0
    assert "was moved to " in applied.run("plan", "--state", source).err
    assert applied.run("plan", "--detailed-exitcode", "--state", place).code == 0


def test_what_would_be_lost_is_not_overwritten(
    applied: Project, emulator: Emulator, tmp_path: Path, remote: str
) -> None:
    other = Project(tmp_path / "other", applied.url)
    other.write(endpoint("b"))
    assert other.apply().code == 0
    done = migrate(applied, LOCAL, str(other.state_path))
    assert done.code == 5, done
    assert "holds another state (lineage " in done.err
    copy = tmp_path / "copy.json"
    copy.write_text(json.dumps({**applied.state, "serial": 2, "write_id": "x", "team": "y"}))
    done = migrate(applied, LOCAL, str(copy))
    assert done.code == 5, done
    assert "holds serial 2 of this state, and the one to be moved is 2" in done.err
    assert "Nothing was changed." in done.err
    assert json.loads(copy.read_text())["team"] == "y"
    older = json.dumps({**applied.state, "serial": 1, "write_id": "x", "team": "y"})
    copy.write_text(older)
    applied.write(endpoint("a", batch=128))
    assert applied.apply().code == 0
    assert migrate(applied, LOCAL, str(copy)).code == 0, "it was older"
    assert copy.with_name("copy.json.backup.1").read_text() == older
    assert serial(applied, str(copy)) == 3


def test_a_journal_at_the_other_place_is_not_overwritten(
    applied: Project, emulator: Emulator
) -> None:
    copy = applied.root / "copy.json"
    copy.write_text(applied.state_path.read_text())
    applied.write(endpoint("a", batch=128))
    applied.env["FRIENDLI_IAC_STATE"] = "copy.json"
    killed(applied, emulator, "PUT", "endpoint/[^/]+$", "before")
    del applied.env["FRIENDLI_IAC_STATE"]
    emulator.release()
    assert applied.apply().code == 0
    done = migrate(applied, LOCAL, "copy.json")
    assert done.code == 5, done
    assert "holds serial 2 of this state, with a journal" in done.err


def test_what_makes_no_sense_is_told(applied: Project, remote: str) -> None:
    same = migrate(applied, LOCAL, f"file:{applied.state_path}")
    assert same.code == 64, same
    assert "is where the state is already" in same.err
    none = migrate(applied, "no.json", remote)
    assert none.code == 1, none
    assert "there is no state at " in none.err
    assert migrate(applied, LOCAL, "ftp://host").code == 64
    templated = migrate(applied, "${environment}.json", remote)
    assert templated.code == 64, templated
    assert "which environment? Say --env NAME" in templated.err


def test_the_settings_may_name_the_new_place_already(applied: Project, remote: str) -> None:
    """It is not written yet, needs an environment, and is of no matter."""
    applied.write("state: new/${environment}.json\n", "friendli-iac.yaml")
    done = applied.run("state", "migrate", LOCAL, "new/${environment}.json", "--env", "prod")
    assert done.code == 0, done
    assert done.out == ""
    assert "friendli-iac.yaml says so already" in done.err
    assert applied.run("plan", "--env", "prod", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("end", ["source", "place"])
def test_nothing_is_moved_beside_an_apply(
    applied: Project, emulator: Emulator, remote: str, end: str
) -> None:
    busy = {"source": LOCAL, "place": remote}[end]
    emulator.hold("POST", CREATE)
    applied.write(endpoint("b") if end == "place" else endpoint("a") + "---\n" + endpoint("b"))
    running = applied.spawn("apply", "--yes", *FAST, "--state", busy)
    emulator.wait_held()
    done = migrate(applied, LOCAL, remote)
    assert done.code == 7, done
    emulator.release()
    running.communicate(timeout=60)
    assert applied.run("state", "list").code == 0


def test_force_brings_a_moved_state_back(applied: Project, remote: str) -> None:
    before = applied.run("state", "pull").json
    assert migrate(applied, LOCAL, remote).code == 0
    (applied.root / "it.json").write_text(json.dumps(before))
    refused = applied.run("state", "push", "it.json")
    assert refused.code == 1, refused
    assert "was moved to postgres://" in refused.err
    for where in (LOCAL, remote):
        if where == remote:
            assert migrate(applied, remote, "third.json").code == 0
        done = applied.run("state", "push", "it.json", "--force", "--state", where)
        assert done.code == 0, done
        assert applied.run("plan", "--detailed-exitcode", "--state", where).code == 0
