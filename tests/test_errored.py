"""errored.state.json: an apply whose last commit fails loses nothing, and nothing is done twice."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, endpoint, names, writes
from .stores.postgres_server import PASSWORD, PostgresServer, running_postgres

ERRORED = "errored.state.json"
ROLE = "ci"
_numbers = count()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        running.run(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        yield running


@dataclass
class Shared:
    """A project whose state is in a database of its own, and what can be done to that."""

    project: Project
    statement: Callable[[str], object]

    @property
    def file(self) -> Path:
        return self.project.root / ERRORED

    def refuse_states(self) -> None:
        """From now on, the server takes everything but commits."""
        self.statement(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF position('\"kind\":\"state\"' IN convert_from(NEW.data, 'UTF8')) > 0 "
            "THEN RAISE EXCEPTION 'as the test wants'; END IF; RETURN NEW; END $$"
        )
        self.statement(
            "CREATE TRIGGER refuse BEFORE INSERT ON friendli_iac "
            "FOR EACH ROW EXECUTE FUNCTION refuse()"
        )

    def take_states(self) -> None:
        self.statement("DROP TRIGGER refuse ON friendli_iac")
        self.statement("DROP FUNCTION refuse")

    def lose_a_commit(self) -> None:
        """An apply that adds b and cannot store that in the end."""
        self.project.write(endpoint("a") + "---\n" + endpoint("b"))
        self.refuse_states()
        assert self.project.apply().code == 1
        assert self.file.exists()
        self.take_states()


@pytest.fixture
def shared(project: Project, emulator: Emulator, postgres: PostgresServer) -> Shared:
    """Serial 2 with a."""
    database = postgres.new_database()
    postgres.run(f"GRANT CREATE, USAGE ON SCHEMA public TO {ROLE}", database)
    project.env["FRIENDLI_IAC_STATE"] = postgres.url(ROLE, PASSWORD, database)
    project.write(endpoint("a"))
    assert project.apply().code == 0
    emulator.clear_requests()
    return Shared(project, lambda statement: postgres.run(statement, database))


def elsewhere(project: Project, folder: Path) -> Project:
    """The same project in another checkout."""
    other = Project(folder / "other", project.url, dict(project.env))
    other.env["HOME"] = str(other.root)
    other.write((project.root / "main.yaml").read_text())
    return other


def test_a_state_that_cannot_be_stored_is_left_beside_the_project(
    shared: Shared, emulator: Emulator
) -> None:
    project = shared.project
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    shared.refuse_states()
    done = project.apply()
    assert done.code == 1, done
    assert "ok  create Endpoint/b: RUNNING" in done.out, "what was done is shown all the same"
    assert done.out.endswith("\n1 applied\n")
    assert "error: the state could not be stored: " in done.err
    assert f"safe: It is in {shared.file}, and every effect is in the shared journal" in done.err
    assert f"friendli-iac state push {project.root / ERRORED}" in done.err
    assert PASSWORD not in done.out + done.err
    assert stat.S_IMODE(shared.file.stat().st_mode) == 0o600
    document = json.loads(shared.file.read_text())
    assert sorted(document["resources"]) == ["Endpoint/a", "Endpoint/b"]
    assert (document["serial"], document["seen"] > 0) == (3, True)
    assert PASSWORD not in shared.file.read_text()
    assert project.run("unlock").code == 0, "the lock was given back"


def test_a_program_is_told_too(shared: Shared) -> None:
    shared.project.write(endpoint("a") + "---\n" + endpoint("b"))
    shared.refuse_states()
    told = shared.project.apply("--format", "json")
    assert told.code == 1, told
    assert told.json["exit_code"] == 1
    assert "the state could not be stored" in told.json["error"]
    assert [one["result"] for one in told.json["outcomes"]] == ["applied"]


def test_nothing_is_done_until_it_is_stored(shared: Shared, emulator: Emulator) -> None:
    shared.lose_a_commit()
    project = shared.project
    emulator.clear_requests()
    before = shared.file.read_bytes()
    for words in (
        ("apply", "--yes", *FAST),
        ("destroy", "--yes"),
        ("import", "Endpoint/c", "depabc"),
        ("state", "mv", "Endpoint/a", "Endpoint/z"),
        ("state", "forget", "Endpoint/a"),
        ("state", "restore", "1", "--yes"),
        ("state", "claim", "--env", "prod", "--yes"),
        ("state", "migrate", project.env["FRIENDLI_IAC_STATE"], "new.json"),
        ("state", "recover"),
    ):
        refused = project.run(*words)
        assert refused.code == 5, (words, refused)
        assert f"{shared.file} is there: the last run could not store its state" in refused.err
        assert f"friendli-iac state push {project.root / ERRORED} stores it" in refused.err
    assert writes(emulator) == []
    assert shared.file.read_bytes() == before
    assert project.run("plan", "--detailed-exitcode").code == 0, "the journal knows it all"


def test_push_stores_it_and_all_is_well(shared: Shared, emulator: Emulator) -> None:
    shared.lose_a_commit()
    project = shared.project
    emulator.clear_requests()
    done = project.run("state", "push", ERRORED)
    assert done.code == 0, done
    assert "stored as serial 3 (postgres://" in done.err
    assert f"{ERRORED} is removed: it is settled." in done.err
    assert "goes out of state" not in done.err
    assert not shared.file.exists()
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert project.apply().code == 0
    assert writes(emulator) == []
    assert names(emulator) == ["a", "b"]


def test_one_that_cannot_be_pushed_yet_stays(shared: Shared) -> None:
    shared.lose_a_commit()
    before = shared.file.read_bytes()
    shared.refuse_states()
    done = shared.project.run("state", "push", ERRORED)
    assert done.code == 1, done
    assert "the state could not be stored" in done.err
    after = json.loads(shared.file.read_text())
    assert after["resources"] == json.loads(before)["resources"]
    shared.take_states()
    assert shared.project.run("state", "push", ERRORED).code == 0
    assert not shared.file.exists()


def test_where_somebody_has_applied_since_the_file_can_be_deleted(
    shared: Shared, emulator: Emulator, tmp_path: Path
) -> None:
    shared.lose_a_commit()
    other = elsewhere(shared.project, tmp_path)
    emulator.clear_requests()
    done = other.apply()
    assert done.code == 0, done
    assert writes(emulator) == [], "the journal told it that b is there"
    refused = shared.project.run("state", "push", ERRORED)
    assert refused.code == 5, refused
    assert "somebody has applied since" in refused.err
    assert f"If it is {ERRORED}, delete it" in refused.err
    assert shared.file.exists()
    shared.file.unlink()
    assert shared.project.run("plan", "--detailed-exitcode").code == 0
    assert shared.project.apply().code == 0
    assert names(emulator) == ["a", "b"]


def test_a_commit_that_had_landed_after_all_is_noticed(shared: Shared) -> None:
    shared.lose_a_commit()
    kept = shared.file.read_text()
    project = shared.project
    assert project.run("state", "push", ERRORED).code == 0
    stored = project.run("state", "pull").json
    landed = {**json.loads(kept), "write_id": stored["write_id"]}  # as it had been stored
    shared.file.write_text(json.dumps(landed))
    done = project.run("state", "push", ERRORED)
    assert done.code == 0, done
    assert "that state is stored already, as serial 3" in done.err
    assert not shared.file.exists()
    assert project.run("state", "pull").json == stored


def test_a_role_that_loses_its_rights_while_it_waits(shared: Shared, emulator: Emulator) -> None:
    project = shared.project
    revoke = f"REVOKE INSERT ON friendli_iac FROM {ROLE}"
    emulator.on_request("PUT", "endpoint/[^/]+$", lambda: shared.statement(revoke), "after")
    project.write(endpoint("a", batch=128))
    done = project.apply(env={"FRIENDLI_IAC_LEASE": "1s"})
    assert done.code == 3, done
    assert "FAILED  update Endpoint/a: " in done.out
    assert shared.file.exists()
    refused = project.run("state", "push", ERRORED)
    assert refused.code == 3, refused
    assert "GRANT SELECT, INSERT, UPDATE, DELETE" in refused.err
    shared.statement(f"GRANT INSERT ON friendli_iac TO {ROLE}")
    emulator.clear_requests()
    deadline = time.monotonic() + 20
    while project.run("unlock", "--format", "json").json["lock"]["left"]:  # nor did it give it back
        assert time.monotonic() < deadline
        time.sleep(0.2)
    again = project.run("state", "push", ERRORED)
    assert again.code == 0, again
    assert "? VERIFY Endpoint/a" in project.run("plan").out, "it was sent, and is known"
    assert project.apply().code == 0
    assert writes(emulator) == []
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_it_is_not_put_where_no_state_is(shared: Shared) -> None:
    """With another address by mistake, the file must not be gone afterwards."""
    shared.lose_a_commit()
    done = shared.project.run("state", "push", ERRORED, "--state", "typo.json")
    assert done.code == 5, done
    assert "there is no state at " in done.err
    assert shared.file.exists()
