"""state recover: what an interrupted apply left open is closed, and nothing is lost by it."""

from __future__ import annotations

from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, PROJECT, Project, endpoint, names, writes
from .test_cli_terminal import Terminal

CREATE = "/dedicated/beta/endpoint$"
CHAT = "Endpoint/chat"
RECOVER = ("state", "recover", "--settle-grace", "1s")


def killed(project: Project, emulator: Emulator, method: str, path: str, when: Any) -> None:
    """An apply that dies while its request is held, before or after it has its effect."""
    emulator.hold(method, path, when)
    running = project.spawn("apply", "--yes", *FAST, "--allow-destroy")
    emulator.wait_held()
    running.kill()
    running.communicate()


def two_with_the_name(project: Project, emulator: Emulator) -> list[str]:
    """Two creates took place, one of them late: only a person can tell which one to keep."""
    project.write(endpoint())
    killed(project, emulator, "POST", CREATE, "before")
    emulator.hold("POST", CREATE)
    running = project.spawn("apply", "--yes", *FAST)
    emulator.wait_held(2)
    emulator.release()
    running.communicate(timeout=60)
    assert running.returncode == 4
    emulator.clear_requests()
    return sorted(e["id"] for e in emulator.endpoints())


def test_nothing_open_is_said(project: Project, emulator: Emulator) -> None:
    assert project.run(*RECOVER).out == "Nothing is open.\n"
    project.write(endpoint())
    assert project.apply().code == 0
    before = project.state_path.read_bytes()
    done = project.run(*RECOVER)
    assert (done.code, done.out) == (0, "Nothing is open.\n")
    assert project.state_path.read_bytes() == before


def test_a_dry_run_only_shows_and_needs_no_token(project: Project, emulator: Emulator) -> None:
    project.env["GITHUB_ACTOR"] = "ada"
    project.write(endpoint())
    killed(project, emulator, "POST", CREATE, "after")
    emulator.release()
    emulator.clear_requests()
    shown = project.run(*RECOVER, "--dry-run", env={"FRIENDLI_TOKEN": ""})
    assert shown.code == 0, shown
    assert emulator.requests == []
    assert "open: create Endpoint/chat ('chat' in project p1), begun 20" in shown.out
    assert "by ada" in shown.out
    assert "its answer never came, plan " in shown.out
    assert project.run(*RECOVER, "--dry-run").out == shown.out, "it is open still"


def test_a_create_that_took_place_is_found_and_becomes_ours(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    killed(project, emulator, "POST", CREATE, "after")
    emulator.release()
    emulator.clear_requests()
    done = project.run(*RECOVER)
    assert done.code == 0, done
    (live,) = emulator.endpoints()
    assert f"the interrupted create took place ({live['id']})" in done.out
    assert writes(emulator) == []
    assert project.state["resources"][CHAT]["id"] == live["id"]
    assert project.run(*RECOVER).out == "Nothing is open.\n"
    assert "VERIFY Endpoint/chat" in project.run("plan").out
    assert project.apply().code == 0
    assert names(emulator) == ["chat"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_update_is_settled_either_way(project: Project, emulator: Emulator, when: str) -> None:
    project.write(endpoint())
    assert project.apply().code == 0
    project.write(endpoint(batch=128))
    killed(project, emulator, "PUT", "endpoint/[^/]+$", when)
    if when == "after":
        emulator.release()
    emulator.clear_requests()
    done = project.run(*RECOVER)
    assert done.code == 0, done
    told = "took place" if when == "after" else "did not take place"
    assert f"the interrupted update {told}" in done.out
    assert writes(emulator) == []
    wanted = "VERIFY" if when == "after" else "UPDATE"
    assert f"{wanted} Endpoint/chat" in project.run("plan").out


def test_a_doubt_shows_the_candidates_and_decides_nothing(
    project: Project, emulator: Emulator
) -> None:
    ids = two_with_the_name(project, emulator)
    before = project.state_path.read_bytes()
    shown = project.run(*RECOVER)
    assert shown.code == 4, shown
    for id in ids:
        line = next(line for line in shown.out.splitlines() if f". {id} " in line)
        for part in ("RUNNING", "1x H100", "by user-", "may bill", " old"):
            assert part in line, line
    assert f"friendli-iac state recover --adopt {CHAT}=ID" in shown.out
    assert f"friendli-iac state recover --none {CHAT}" in shown.out
    assert writes(emulator) == []
    assert project.state_path.read_bytes() == before
    found: Any = project.run(*RECOVER, "--yes", "--format", "json").json
    assert found["exit_code"] == 4
    (doubt,) = found["in_doubt"]
    assert sorted(one["id"] for one in doubt["candidates"]) == ids
    assert found["open"][0]["accepted"] is True


@pytest.mark.parametrize("chosen", [0, 1])
def test_the_one_that_a_person_names_is_ours_and_the_other_is_named(
    project: Project, emulator: Emulator, chosen: int
) -> None:
    ids = two_with_the_name(project, emulator)
    done = project.run(*RECOVER, "--adopt", f"{CHAT}={ids[chosen]}")
    assert done.code == 0, done
    assert f"{ids[1 - chosen]} (chat, RUNNING) is not ours and was not touched" in done.out
    assert "It may bill" in done.out
    ours = project.state["resources"][CHAT]
    assert (ours["id"], ours["fence"]["version"]) == (ids[chosen], 0)
    assert project.apply().code == 0
    assert writes(emulator) == []
    assert sorted(e["id"] for e in emulator.endpoints()) == ids
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_none_of_them_closes_the_create_and_the_plan_names_what_is_there(
    project: Project, emulator: Emulator
) -> None:
    ids = two_with_the_name(project, emulator)
    done = project.run(*RECOVER, "--none", CHAT)
    assert done.code == 0, done
    assert "closed, it was never created" in done.out
    assert all(f"{id} (chat, RUNNING) is not ours" in done.out for id in ids)
    assert CHAT not in project.state["resources"]
    planned = project.run("plan")
    assert planned.code == 5, "a name that is taken is not taken twice"
    assert all(id in planned.out for id in ids)
    assert writes(emulator) == []


def test_a_create_that_nobody_can_find_is_closed_only_by_a_person(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    emulator.fault("GET", "endpoint$", kind="stale_list", newest=1, count=None)
    assert project.apply("--timeout", "1s").code != 0  # accepted, and not in any list
    emulator.clear_requests()
    shown = project.run(*RECOVER)
    assert shown.code == 4, shown
    assert "no endpoint called 'chat' has appeared" in shown.out
    assert "one of them is it" not in shown.out
    assert project.run(*RECOVER, "--none", CHAT).code == 0
    assert [one["address"] for one in project.state["lost"]] == [CHAT], "it may come late"
    assert "+ CREATE Endpoint/chat" in project.run("plan").out
    assert writes(emulator) == []


def test_a_decision_that_cannot_be_right_is_refused(project: Project, emulator: Emulator) -> None:
    (older, other) = (
        emulator.seed(1, project=PROJECT, name=name)[0]["id"] for name in ("older", "other")
    )
    two_with_the_name(project, emulator)
    elsewhere = emulator.seed(1, project=PROJECT, name="elsewhere")[0]["id"]
    emulator.change(older, name="chat")
    before = project.state_path.read_bytes()
    for words, code, told in (
        ((f"{CHAT}=nope",), 64, "there is no endpoint nope"),
        ((f"{CHAT}={older}",), 5, "it was there before"),
        ((f"{CHAT}={elsewhere}",), 5, "it is called 'elsewhere'"),
        ((f"Endpoint/cat={other}",), 64, "no create of Endpoint/cat is open"),
        ((f"{CHAT}",), 64, "write --adopt ADDR=ID"),
        ((f"{CHAT}=a", "--adopt", f"{CHAT}=b"), 64, "two decisions"),
        ((f"{CHAT}=a", "--none", CHAT), 64, "two decisions"),
    ):
        refused = project.run(*RECOVER, "--adopt", *words)
        assert refused.code == code, refused
        assert told in refused.err
        assert "Nothing was recorded." in refused.err
    assert project.state_path.read_bytes() == before


def test_nothing_is_settled_beside_an_apply_that_is_at_work(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    emulator.hold("POST", CREATE)
    running = project.spawn("apply", "--yes", *FAST)
    emulator.wait_held()
    locked = project.run(*RECOVER)
    assert locked.code == 7, locked
    emulator.release()
    running.communicate(timeout=60)
    assert running.returncode == 0


# --- at a terminal ---


@pytest.mark.parametrize(
    ("answer", "code"), [("2\n", 0), ("\n", 4), ("7\n", 4), ("\x03", 4), ("n\n", 0)]
)
def test_a_person_is_asked_which_one_it_is(
    project: Project, emulator: Emulator, answer: str, code: int
) -> None:
    ids = two_with_the_name(project, emulator)
    terminal = Terminal(project, *RECOVER)
    terminal.read_until(f"Which one is {CHAT}?")
    terminal.type(answer)
    assert terminal.end() == code
    known = project.state["resources"]
    assert (CHAT in known) == (answer == "2\n")
    if answer == "2\n":
        shown = [line.split()[1] for line in terminal.text.splitlines() if "   2. " in line]
        assert known[CHAT]["id"] == shown[0]
    assert writes(emulator) == []
    assert sorted(e["id"] for e in emulator.endpoints()) == ids


def test_yes_asks_nobody(project: Project, emulator: Emulator) -> None:
    two_with_the_name(project, emulator)
    terminal = Terminal(project, *RECOVER, "--yes")
    assert terminal.end() == 4
    assert "Which one" not in terminal.text
