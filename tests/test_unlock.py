"""unlock, and what gives a lock back: who holds it, its end by force, and by a cancelled job."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, endpoint, names, writes
from .stores.postgres_server import PostgresServer, running_postgres
from .test_recover import CREATE

_numbers = count()
RUN = {
    "GITHUB_ACTOR": "ci-bot",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/chat",
    "GITHUB_RUN_ID": "7",
}
URL = "https://github.com/acme/chat/actions/runs/7"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@pytest.fixture
def shared(project: Project, postgres: PostgresServer) -> Project:
    """A project whose state is in Postgres, with leases of a minute."""
    project.env["FRIENDLI_IAC_STATE"] = postgres.url(state=f"unlock-{next(_numbers)}")
    return project


def kinds(project: Project, postgres: PostgresServer) -> list[str]:
    """What the log's records are, in order."""
    state = project.env["FRIENDLI_IAC_STATE"].partition("state=")[2]
    rows = postgres.run(
        "SELECT convert_from(data, 'UTF8') FROM friendli_iac "
        f"WHERE state = '{state}' AND key LIKE 'log/%' ORDER BY key"
    )
    return [json.loads(text)["kind"] for (text,) in rows]


def at_work(project: Project, emulator: Emulator, **env: str) -> subprocess.Popen[str]:
    """An apply whose request to create is held."""
    project.write(endpoint())
    emulator.hold("POST", CREATE)
    running = project.spawn("apply", "--yes", *FAST, env={**RUN, **env})
    emulator.wait_held()
    return running


# --- unlock ---


@pytest.mark.parametrize("where", ["project", "shared"])
def test_nobody_holds_it(where: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(where)
    free = project.run("unlock")
    assert (free.code, free.err) == (0, "")
    assert free.out.startswith("Nobody holds the lock of ")
    told = project.run("unlock", "--format", "json").json
    assert told == {"format_version": "1.0", "exit_code": 0, "broken": None, "lock": None}
    refused = project.run("unlock", "--force", "abc")
    assert refused.code == 5, refused
    assert "nobody holds it" in refused.err


def test_who_holds_a_local_lock_and_that_it_cannot_be_broken(
    project: Project, emulator: Emulator
) -> None:
    running = at_work(project, emulator)
    shown = project.run("unlock")
    assert shown.code == 7, shown
    assert shown.out.startswith(f"apply by ci-bot ({URL}) since 20")
    assert "It lasts as long as its process, also when that is killed." in shown.out
    assert "--force" not in shown.out + shown.err
    lock = project.run("unlock", "--format", "json").json["lock"]
    assert (lock["operation"], lock["left"]) == ("apply", None)
    refused = project.run("unlock", "--force", lock["id"])
    assert refused.code == 5, refused
    assert "cannot be broken" in refused.err
    assert "It ends with the process that holds it" in refused.err
    found = project.run("doctor")
    assert "the lock is held: apply by ci-bot" in found.out
    emulator.release()
    running.communicate(timeout=60)
    assert (running.returncode, project.run("unlock").code) == (0, 0)


def test_who_holds_a_shared_lock(shared: Project, emulator: Emulator) -> None:
    running = at_work(shared, emulator)
    shown = shared.run("unlock")
    assert shown.code == 7, shown
    lock = shared.run("unlock", "--format", "json").json["lock"]
    first, second, third = shown.out.splitlines()
    assert first.startswith(f"apply by ci-bot ({URL}) since 20")
    assert second == f"    id {lock['id']}, friendli-iac {lock['version']}"
    assert third.startswith("    It runs out in ")
    assert 30 < lock["left"] <= 62
    assert f"friendli-iac unlock --force {lock['id']}" in shown.err
    assert (lock["who"], lock["ci_url"], lock["ttl"]) == ("ci-bot", URL, 60.0)
    assert "the lock is held: apply by ci-bot" in shared.run("doctor").out
    assert "note: locked: apply by ci-bot" in shared.run("state", "history").err
    other = shared.run("unlock", "--force", "another")
    assert other.code == 5, other
    assert f"it is {lock['id']}: apply by ci-bot" in other.err
    emulator.release()
    running.communicate(timeout=60)
    assert running.returncode == 0, "nothing has disturbed it"


def test_a_run_whose_lock_was_broken_sends_nothing_more(
    shared: Project, emulator: Emulator, postgres: PostgresServer
) -> None:
    shared.write(endpoint("a") + "---\n" + endpoint("b"))
    emulator.hold("POST", CREATE)
    running = shared.spawn("apply", "--yes", *FAST, "--parallelism", "1", env=RUN)
    emulator.wait_held()
    id = shared.run("unlock", "--format", "json").json["lock"]["id"]
    broken = shared.run("unlock", "--force", id, env={"GITHUB_ACTOR": "ada"})
    assert broken.code == 0, broken
    assert broken.out.startswith(f"The lock {id} is broken. If its run lives after all, it stops")
    assert broken.err.startswith("next: friendli-iac apply settles what that run left open")
    assert shared.run("unlock").code == 0
    emulator.release()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 7, err
    assert "the lock was broken by ada" in err
    assert writes(emulator) == ["POST /dedicated/beta/endpoint"], "the one on its way"
    assert kinds(shared, postgres)[-1] == "close"
    assert not (shared.root / "errored.state.json").exists(), "another one's by now"


def test_a_dead_run_is_shown_and_the_next_apply_needs_no_unlock(
    shared: Project, emulator: Emulator
) -> None:
    running = at_work(shared, emulator, FRIENDLI_IAC_LEASE="1s")
    running.kill()
    running.communicate()
    emulator.release()
    deadline = time.monotonic() + 20
    while shared.run("unlock", "--format", "json").json["lock"]["left"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    shown = shared.run("unlock")
    assert shown.code == 7, shown
    assert "It has run out: that run is dead, or cannot reach the store." in shown.out
    assert "next: nothing is to be unlocked: friendli-iac apply settles" in shown.err
    assert shared.apply().code == 0
    assert names(emulator) == ["chat"]
    assert shared.run("unlock").code == 0


def test_doctor_proves_a_shared_state(shared: Project) -> None:
    found = shared.run("doctor", "--format", "json").json["findings"]
    by_name = {one["check"]: one for one in found}
    assert by_name["writes"]["ok"] is True
    assert by_name["writes"]["text"] == "of several writers at once, exactly one succeeds"
    assert "none yet (postgres://" in by_name["state"]["text"]


# --- a cancelled job ---


def ends(running: subprocess.Popen[str]) -> tuple[float, str]:
    """The seconds that SIGTERM takes, and what is on stderr."""
    started = time.monotonic()
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=30)
    return time.monotonic() - started, err


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cancelled_job_gives_the_lock_back_at_once(
    shared: Project, emulator: Emulator, postgres: PostgresServer
) -> None:
    emulator.set_durations(create=3600)
    shared.write(endpoint())
    running = shared.spawn("apply", "--yes", *FAST)
    wait_for(lambda: [r for r in emulator.requests if r["path"].endswith("/status")])
    seconds, err = ends(running)
    assert running.returncode == 8, err
    assert seconds < 2
    assert kinds(shared, postgres)[-2:] == ["state", "close"]
    assert shared.run("unlock").code == 0
    shown = shared.run("state", "list")
    assert "Endpoint/chat" in shown.out


def test_a_job_that_waits_for_the_lock_can_be_cancelled(
    shared: Project, emulator: Emulator, postgres: PostgresServer
) -> None:
    first = at_work(shared, emulator)
    before = kinds(shared, postgres)
    second = shared.spawn("apply", "--yes", *FAST, "--lock-timeout", "10m")
    state = shared.env["FRIENDLI_IAC_STATE"].partition("state=")[2]
    leases = f"SELECT key FROM friendli_iac WHERE state = '{state}' AND key LIKE 'lock/%'"
    wait_for(lambda: len(postgres.run(leases)) == 2)  # it has asked for it
    time.sleep(0.3)
    seconds, err = ends(second)
    assert second.returncode == 8, err
    assert seconds < 2
    assert kinds(shared, postgres) == before
    assert len(postgres.run(leases)) == 1
    emulator.release()
    first.communicate(timeout=60)
    assert first.returncode == 0


def test_a_command_that_is_ended_while_it_asks_gives_the_lock_back(shared: Project) -> None:
    shared.write(endpoint())
    assert shared.apply().code == 0
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "friendli_iac", "state", "restore", "1"],
        cwd=shared.root,
        env=shared.env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    wait_for(lambda: shared.run("unlock").code == 7)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=20) == 8
    os.close(ours)
    assert shared.run("unlock").code == 0
