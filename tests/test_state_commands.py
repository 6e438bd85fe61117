"""state pull, history, restore and claim. Nothing is ever sent."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, Result, endpoint, names, writes
from .test_cli_terminal import Terminal
from .test_recover import CREATE, RECOVER, killed

A, B, C = "Endpoint/a", "Endpoint/b", "Endpoint/c"


def both(*names: str) -> str:
    return "---\n".join(endpoint(name) for name in names)


@pytest.fixture
def applied(project: Project, emulator: Emulator) -> Project:
    """Serial 2 with a and b."""
    project.write(both("a", "b"))
    assert project.apply().code == 0
    emulator.clear_requests()
    return project


def pulled(project: Project) -> dict[str, Any]:
    document: dict[str, Any] = project.run("state", "pull").json
    return document


def id_of(project: Project, address: str) -> str:
    return str(project.state["resources"][address]["id"])


def refused(done: Result, code: int, *told: str) -> None:
    """It said why, and left everything as it was."""
    assert done.code == code, done
    for part in told:
        assert part in done.err, done
    assert "safe: Nothing was changed." in done.err or "safe: Nothing was sent." in done.err, done


# --- pull ---


def test_pull_prints_the_state_with_its_journal(applied: Project, emulator: Emulator) -> None:
    assert pulled(applied) == {**applied.state, "seen": 0}
    applied.write(both("a", "b", "c"))
    killed(applied, emulator, "POST", CREATE, "before")
    emulator.release()
    document = pulled(applied)
    assert document["seen"] == 2, "the run, and what it has begun"
    (open_,) = document["open"]
    assert (open_["step"], open_["address"]) == ("create", C)
    assert document["serial"] == 2
    done = applied.run("state", "pull", "--out", "kept.json")
    assert (done.code, done.out, done.err) == (0, "", "serial 2 is in kept.json\n")
    path = applied.root / "kept.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == document


def test_where_no_state_is_there_is_nothing_to_do(project: Project) -> None:
    for words in (("pull",), ("restore", "1", "--yes"), ("claim",), ("migrate", "a", "b")):
        done = project.run("state", *words)
        assert (done.code, done.out) == (1, ""), done
        assert "there is no state at /" in done.err
    done = project.run("state", "history")
    assert (done.code, done.out) == (0, "")
    assert done.err == f"no state yet ({project.state_path})\n"


# --- history and restore ---


@pytest.fixture
def changed(applied: Project, emulator: Emulator) -> Project:
    """Serial 2 has a and b, serial 3 a and c."""
    applied.write(both("a", "c"))
    assert applied.apply("--allow-destroy").code == 0
    emulator.clear_requests()
    return applied


def test_history_lists_the_newest_first(changed: Project, emulator: Emulator) -> None:
    shown = changed.run("state", "history")
    assert shown.code == 0
    lines = [line.split("   ") for line in shown.out.splitlines()]
    assert [line[0] for line in lines] == ["3", "2", "1"]
    assert [line[2:] for line in lines] == [["(current)"], [], []]
    found = changed.run("state", "history", "--format", "json").json
    assert found["lock"] is None
    assert [one["current"] for one in found["states"]] == [True, False, False]
    assert all(one["time"].endswith("Z") for one in found["states"])
    changed.write(both("a", "c", "d"))
    emulator.hold("POST", CREATE)
    running = changed.spawn("apply", "--yes", *FAST)
    emulator.wait_held()
    assert "note: locked: apply by " in changed.run("state", "history").err
    assert changed.run("state", "history", "--format", "json").json["lock"]["operation"] == "apply"
    emulator.release()
    running.communicate(timeout=60)


def test_restore_brings_a_state_back_as_the_next_serial(
    changed: Project, emulator: Emulator
) -> None:
    before, gone = changed.state, id_of(changed, C)
    kept = json.loads(changed.state_path.with_name("state.json.backup.2").read_text())
    back = kept["resources"][B]["id"]
    done = changed.run("state", "restore", "2", "--yes")
    assert done.code == 0, done
    assert done.out == (
        f"+ {B} ({back}) comes into state\n"
        f"- {C} ({gone}) goes out of state\n"
        f"  {gone}, which was {C}, is nobody's from then on. If it runs, it bills on\n"
    )
    assert done.err == (
        "serial 2 is restored, as serial 4. Nothing was sent.\nnext: friendli-iac plan\n"
    )
    now = changed.state
    assert now["resources"] == kept["resources"]
    assert (now["serial"], now["lineage"]) == (4, before["lineage"])
    assert now["runs"].keys() == before["runs"].keys()
    assert emulator.requests == []
    again = changed.run("state", "restore", "3", "--yes", "--format", "json").json
    assert (again["restored"], again["serial"]) == (3, 5)
    assert again["exchange"]["lost"] == {back: B}
    assert changed.state["resources"] == before["resources"]


def test_an_address_that_has_another_id_is_shown(applied: Project, emulator: Emulator) -> None:
    old = id_of(applied, A)
    assert applied.apply("--replace", A, "--allow-destroy").code == 0
    new = id_of(applied, A)
    done = applied.run("state", "restore", "2", "--yes")
    assert f"~ {A} is {old}, and no more {new}\n" in done.out
    assert f"  {new}, which was {A}, is nobody's from then on." in done.out


def test_a_plan_that_was_begun_runs_no_more_after_a_restore(
    applied: Project, emulator: Emulator
) -> None:
    applied.write(both("a", "b", "c", "d"))
    assert applied.run("plan", "--out", "p.plan").code == 0
    emulator.fault("POST", CREATE, status=400, count=1)
    stopped = applied.run("apply", "p.plan", *FAST, "--parallelism", "1")
    assert stopped.code == 1, stopped
    assert applied.run("state", "restore", "2", "--yes").code == 0
    emulator.clear_requests()
    again = applied.run("apply", "p.plan", *FAST)
    assert (again.code, writes(emulator)) == (6, []), again
    assert "a plan runs once" in again.err


def test_what_was_open_then_is_open_again(applied: Project, emulator: Emulator) -> None:
    applied.write(both("a", "b", "c"))
    killed(applied, emulator, "POST", CREATE, "after")
    emulator.release()
    assert applied.run("state", "claim", "--env", "prod", "--yes").code == 0  # serial 3
    applied.env["FRIENDLI_IAC_ENV"] = "prod"
    assert applied.apply().code == 0
    assert applied.state["open"] == []
    emulator.clear_requests()
    done = applied.run("state", "restore", "3", "--yes")
    assert done.code == 0, done
    assert f"open then, and so again: create {C}; the next apply settles it\n" in done.out
    assert applied.apply().code == 0
    assert writes(emulator) == []
    assert names(emulator) == ["a", "b", "c"]


def test_a_create_that_may_come_late_is_not_forgotten(applied: Project, emulator: Emulator) -> None:
    applied.write(both("a", "b", "c"))
    emulator.fault("GET", "endpoint$", kind="stale_list", newest=1, count=None)
    assert applied.apply("--timeout", "1s").code != 0  # accepted, and not in any list
    assert applied.run(*RECOVER, "--none", C).code == 0
    assert applied.run("state", "restore", "2", "--yes").code == 0
    assert [one["address"] for one in applied.state["lost"]] == [C]


def test_restore_refuses_what_cannot_be_right(changed: Project, emulator: Emulator) -> None:
    before = changed.state_path.read_bytes()
    refused(changed.run("state", "restore", "3", "-y"), 64, "serial 3 is the current one")
    refused(changed.run("state", "restore", "77", "-y"), 64, "serial 77 is not kept")
    refused(changed.run("state", "restore", "2"), 64, "there is nobody to ask")
    changed.write(both("a", "c", "d"))
    killed(changed, emulator, "POST", CREATE, "after")
    emulator.release()
    done = changed.run("state", "restore", "2", "--yes")
    refused(done, 5, "an interrupted apply left open: create Endpoint/d", "state recover")
    assert changed.state_path.read_bytes() == before


def test_what_only_the_journal_has_can_be_restored_too(
    changed: Project, emulator: Emulator
) -> None:
    changed.write(both("a", "c", "d"))
    emulator.hold("GET", "/status$")
    running = changed.spawn("apply", "--yes", *FAST)
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.release()
    assert "Endpoint/d" not in changed.state["resources"], "only the journal has it"
    assert changed.run("state", "restore", "2", "--yes").code == 0
    assert changed.state["serial"] == 5
    assert changed.run("state", "restore", "4", "--yes").code == 0
    assert sorted(changed.state["resources"]) == [A, C, "Endpoint/d"]


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 8)])
def test_a_person_is_asked(changed: Project, answer: str, code: int) -> None:
    terminal = Terminal(changed, "state", "restore", "2")
    terminal.read_until("Restore serial 2? [y/N] ")
    assert "comes into state" in terminal.text
    terminal.type(answer)
    assert terminal.end() == code
    assert (B in changed.state["resources"]) == (code == 0)


# --- claim ---


def test_claim_gives_the_state_to_this_project(
    applied: Project, emulator: Emulator, tmp_path: Path
) -> None:
    applied.write("name: old\n", "friendli-iac.yaml")
    assert applied.run("state", "claim", "--yes").code == 0
    moved = Project(tmp_path / "elsewhere", applied.url)
    moved.env["FRIENDLI_IAC_STATE"] = str(applied.state_path)
    moved.write(both("a", "b"))
    moved.write("name: new\n", "friendli-iac.yaml")
    told = "the state belongs to the project old, and this run uses new"
    refused(moved.run("plan"), 5, told, "friendli-iac state claim")
    refused(moved.run("state", "claim"), 64, "there is nobody to ask")
    done = moved.run("state", "claim", "--env", "prod", "--yes")
    assert done.code == 0, done
    assert done.out == "project: old -> new\nenvironment: (none) -> prod\n"
    assert done.err == "claimed. next: friendli-iac plan\n"
    assert (applied.state["project"], applied.state["environment"]) == ("new", "prod")
    assert moved.run("plan", "--detailed-exitcode", "--env", "prod").code == 0
    again = moved.run("state", "claim", "--yes")
    assert (again.code, again.out) == (0, ""), again
    assert again.err == "It is this project's already.\n"
    assert applied.state["environment"] == "prod", "nobody said another one"
    assert applied.state["serial"] == 4
    assert writes(emulator) == []


@pytest.mark.parametrize(
    "env", [{"FRIENDLI_BASE_URL": "https://other"}, {"FRIENDLI_TEAM_ID": "other"}]
)
def test_claim_does_not_take_what_lives_elsewhere(applied: Project, env: dict[str, str]) -> None:
    document = {**pulled(applied), "team": "ours", "project": "x"}
    applied.state_path.write_text(json.dumps({k: v for k, v in document.items() if k != "seen"}))
    before = applied.state_path.read_bytes()
    done = applied.run("state", "claim", "--yes", env=env)
    refused(done, 5, "the state belongs to the ")
    assert applied.state_path.read_bytes() == before
