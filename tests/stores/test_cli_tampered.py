"""Stores that cannot hold a state, and states that were tampered with behind our back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator
from tests.harness import endpoint, names, writes

from .forgetful import Forgetful
from .machines import APPLY, CREATE, SESSION, WAIT, Machine, Shared

KEY = "canary-of-a-secret-key"
POST = "POST /dedicated/beta/endpoint"
SHORT = {"FRIENDLI_IAC_LEASE": "1s"}


# --- a store that ignores If-None-Match ---


def test_a_store_that_cannot_keep_two_writers_apart(
    forgetful: Forgetful, tmp_path: Path, emulator: Emulator
) -> None:
    env = {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_SESSION_TOKEN": SESSION,
    }
    machine = Machine(tmp_path / "machine", emulator.url, env=env)
    machine.printed = []
    machine.write(endpoint())
    where = ("--state", forgetful.address())
    planned = machine.run("plan", *where, "--out", "p.plan", "-vvv")
    assert planned.code == 0, planned
    assert forgetful.documents == {}, "a plan writes nothing"
    for command in (APPLY, ("apply", "p.plan"), ("destroy", "--yes"), ("doctor",)):
        refused = machine.run(*command, *where)
        assert refused.code == 1, refused
        said = refused.out + refused.err
        assert "cannot hold a state: it lets a second writer overwrite what the first one" in said
        assert "Use a store that honours conditional writes (If-None-Match: *)" in said
        assert command[0] == "doctor" or "safe: Nothing was sent." in refused.err
    assert forgetful.headers["x-amz-security-token"] == SESSION
    assert forgetful.documents == {}
    assert writes(emulator) == []
    everything = "\n".join([*map(str, machine.printed), machine.everything_written()])
    assert KEY not in everything
    assert SESSION not in everything


# --- a log that somebody else has changed ---


def copied_over_the_newest(shared: Shared) -> None:
    oldest, *_, newest = shared.documents()
    found = shared.store.get(oldest)
    assert found
    shared.store.put(newest, found.data)


def cut_short(shared: Shared) -> None:
    newest = list(shared.documents().items())[-1]
    shared.store.put(newest[0], newest[1][:-20])


def without_the_state(shared: Shared) -> None:
    shared.store.delete([shared.newest("state")])


def another_tool(shared: Shared) -> None:
    shared.store.put("log/backup-of-monday", b"{}")


TAMPERED: dict[str, tuple[Callable[[Shared], None], str]] = {
    "copied": (copied_over_the_newest, "holds record 2: it was put there by hand"),
    "cut": (cut_short, "cannot be read"),
    "without the state": (without_the_state, "has lost records of its log: log/0000000000"),
    "another tool": (another_tool, "log/backup-of-monday is no record of ours"),
}


def applied_twice(shared: Shared, emulator: Emulator) -> Machine:
    """A state of some serials, and something to do."""
    machine = shared.machine()
    for batch in (64, 128):
        machine.write(endpoint(batch=batch))
        assert machine.run(*APPLY).code == 0
    machine.write(endpoint(batch=256))
    emulator.clear_requests()
    return machine


def nothing_is_done(machine: Machine, emulator: Emulator, said: str) -> None:
    for command in (["plan"], APPLY, ["destroy", "--yes"]):
        refused = machine.run(*command)
        assert refused.code == 1, refused
        assert said in refused.err
        assert "safe: Nothing was touched, and nothing was sent." in refused.err
        assert "next: " in refused.err
    assert emulator.requests == []


@pytest.mark.parametrize("how", TAMPERED)
def test_a_log_that_was_tampered_with_stops_everything(
    shared: Shared, emulator: Emulator, how: str
) -> None:
    tamper, said = TAMPERED[how]
    machine = applied_twice(shared, emulator)
    before = shared.documents()
    tamper(shared)
    nothing_is_done(machine, emulator, said)
    for key, data in before.items():  # as a versioned bucket, or a backup, can
        shared.store.put(key, data)
    shared.store.delete(["log/backup-of-monday"])
    done = machine.run(*APPLY)
    assert done.code == 0, done
    assert [w.split()[0] for w in writes(emulator)] == ["PUT"]


def killed_in_a_create(shared: Shared, emulator: Emulator) -> Machine:
    """Its journal is all that knows of the create, which was accepted."""
    machine = shared.machine()
    emulator.hold("POST", CREATE, "after")
    process = machine.spawn(*APPLY, env=SHORT)
    emulator.wait_held(timeout=30)
    process.kill()
    machine.finish(process)
    emulator.release()
    emulator.clear_requests()
    return machine


def test_a_journal_with_a_hole_stops_everything(shared: Shared, emulator: Emulator) -> None:
    machine = killed_in_a_create(shared, emulator)
    *_, hole, _ = [key for key, record in shared.records().items() if record["kind"] == "journal"]
    found = shared.store.get(hole)
    assert found
    shared.store.delete([hole])
    nothing_is_done(machine, emulator, f"has lost records of its log: {hole}")
    shared.store.put(hole, found.data)
    done = machine.run(*APPLY, *WAIT)
    assert done.code == 0, done
    assert writes(emulator) == []
    shared.has_one_each("chat")


# --- a log that went back in time: it cannot tell, and the API prevents a second endpoint ---


def test_without_its_newest_record_the_lock_seems_held_and_runs_out(
    shared: Shared, emulator: Emulator
) -> None:
    machine = shared.machine()
    assert machine.run(*APPLY, env=SHORT).code == 0
    shared.store.delete([shared.newest("close")])
    planned = machine.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned
    assert "note: the lock is held: apply by " in planned.out
    done = machine.run(*APPLY, *WAIT)
    assert done.code == 0, done
    assert writes(emulator) == [POST]
    assert names(emulator) == ["chat"]


@pytest.mark.parametrize("gone", ["the begin", "the last commit", "everything"])
def test_a_create_that_the_log_forgot_is_not_sent_again(
    shared: Shared, emulator: Emulator, gone: str
) -> None:
    if gone == "the begin":
        machine = killed_in_a_create(shared, emulator)
        lost = [shared.newest("journal")]
    else:
        machine = shared.machine()
        assert machine.run(*APPLY, env=SHORT).code == 0
        lost = [shared.newest("state"), shared.newest("close")]
    shared.store.delete(list(shared.documents()) if gone == "everything" else lost)
    emulator.clear_requests()
    (live,) = emulator.endpoints()
    for command in (["plan"], [*APPLY, *WAIT]):
        refused = machine.run(*command)
        assert refused.code == 5, refused
        assert "an endpoint called 'chat' is in project p1 already" in str(refused)
        assert f"friendli-iac import Endpoint/chat {live['id']}" in str(refused)
    assert writes(emulator) == []
    imported = machine.run("import", "Endpoint/chat", live["id"])
    assert imported.code == 0, imported
    assert "Endpoint/chat" in machine.run("state", "list").out


def test_an_update_that_the_log_forgot_is_shown_as_a_change_from_outside(
    shared: Shared, emulator: Emulator
) -> None:
    machine = shared.machine()
    assert machine.run(*APPLY).code == 0
    machine.write(endpoint(batch=128))
    assert machine.run(*APPLY, env=SHORT).code == 0
    shared.store.delete([shared.newest("state"), shared.newest("close")])
    planned = machine.run("plan")
    assert "Changed outside since the last apply:" in planned.out
    assert "engine.maxBatchSize: applied 64, live 128" in planned.out
    assert "1 to update" in planned.out
    done = machine.run(*APPLY, *WAIT)
    assert done.code == 0, done
    shared.has_one_each("chat")
    machine.is_settled()
