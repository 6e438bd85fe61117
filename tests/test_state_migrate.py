"""state migrate: the state is in exactly one place, and nothing of it is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, Result, endpoint, names, writes
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


def test_what_was_interrupted_is_finished(
    applied: Project, emulator: Emulator, postgres: PostgresServer
) -> None:
    """The source cannot be marked; meanwhile both places hold the same."""
    database = postgres.new_database()
    source = postgres.url(database=database, state="source")
    place = postgres.url(database=database, state="place")
    assert migrate(applied, LOCAL, source).code == 0
    refuse(postgres, database, '"kind":"moved"')
    cut = migrate(applied, source, place)
    assert cut.code == 1, cut
    assert "could not be marked as moved" in cut.err
    assert "Run the same command again, before anybody applies." in cut.err
    assert applied.run("plan", "--state", source).code == 0, "it is where it was"
    postgres.run("DROP TRIGGER refuse ON friendli_iac", database)
    assert migrate(applied, source, place).code == 0
    assert "was moved to " in applied.run("plan", "--state", source).err
    assert applied.run("plan", "--detailed-exitcode", "--state", place).code == 0


def refuse(postgres: PostgresServer, database: str, containing: str) -> None:
    """The server refuses records that contain this."""
    postgres.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF position('{containing}' IN convert_from(NEW.data, 'UTF8')) > 0 "
        "THEN RAISE EXCEPTION 'as the test wants'; END IF; RETURN NEW; END $$",
        database,
    )
    postgres.run(
        "CREATE TRIGGER refuse BEFORE INSERT ON friendli_iac "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
        database,
    )


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
    copy.write_text(json.dumps({**applied.state, "serial": 1, "write_id": "x", "team": "y"}))
    assert migrate(applied, LOCAL, str(copy)).code == 0, "it was older"


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
    assert done.out == "state: new/prod.json\n"
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
