"""status: one look at everything, with few reads; and a look again and again."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, PROJECT, Project, endpoint, writes
from .test_cli_terminal import ESCAPE, Terminal
from .test_reap import three_days_later

CHAT = "Endpoint/chat"
EXPIRES = "  lifecycle: {expires: 72h}\n"


def applied(project: Project, *documents: str) -> None:
    project.write("---\n".join(documents))
    done = project.apply()
    assert done.code == 0, done


def ids(project: Project) -> dict[str, str]:
    return {address: one["id"] for address, one in project.state["resources"].items()}


def looked(project: Project, *words: str) -> Any:
    shown = project.run("status", "--format", "json", *words)
    assert shown.code == 0, shown
    return shown.json


def test_a_row_says_how_an_endpoint_is_and_what_it_costs(
    project: Project, emulator: Emulator
) -> None:
    project.env["GITHUB_ACTOR"] = "ada"
    applied(project, endpoint(maximum=4))
    shown = project.run("status")
    assert shown.code == 0, shown
    row = next(line for line in shown.out.splitlines() if line.startswith(CHAT))
    for part in ("RUNNING", "v0", "1/1 (1-4)", "1x H100", "$3.90", "ada, "):
        assert part in row, row
    assert "1 endpoint: 1 RUNNING · $3.90 /h now (list prices of 2025-09)" in shown.out
    (one,) = looked(project)["endpoints"]
    assert one["id"] == ids(project)[CHAT]
    assert one["replicas"] == {"current": 1, "desired": 1, "updated": 1, "min": 1, "max": 4}
    assert one["last_change"]["by"] == "ada"


def test_it_reads_one_list_for_each_project_and_each_endpoint_once(
    project: Project, emulator: Emulator
) -> None:
    applied(project, *(endpoint(f"e{number}") for number in range(5)))
    emulator.seed(3, project=PROJECT)
    emulator.clear_requests()
    assert project.run("status").code == 0
    assert writes(emulator) == []
    assert len(emulator.requests) == 6
    emulator.clear_requests()
    shown = project.run("status", "Endpoint/e1", "Endpoint/e3")
    assert len(emulator.requests) == 3
    assert "Endpoint/e2" not in shown.out


def test_what_sleeps_costs_nothing_and_says_when_it_ends(
    project: Project, emulator: Emulator
) -> None:
    applied(project, endpoint())
    emulator.set_status(ids(project)[CHAT], "SLEEPING")
    (one,) = looked(project, "--detailed-exitcode")["endpoints"]
    assert one["cost_per_hour"] == 0
    ends = time.mktime(time.strptime(one["sleep_ends_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert abs(ends - time.time() - 48 * 3600) < 60
    shown = project.run("status")
    assert "terminated after 48 h, at the latest about" in shown.out
    assert "(in 47h)" in shown.out
    assert emulator.inferences == [], "nothing is woken"


def test_what_starts_counts_the_replicas_that_it_is_to_have(
    project: Project, emulator: Emulator
) -> None:
    emulator.set_durations(create=3600)
    project.write(endpoint())
    assert project.run("apply", "--yes", "--no-wait", *FAST).code == 0
    (one,) = looked(project)["endpoints"]
    assert (one["status"], one["phase"]) == ("INITIALIZING", "REQUESTING_VIRTUAL_MACHINE")
    assert one["replicas"]["current"] == 0
    assert one["cost_per_hour"] == 3.9
    assert one["pending"]
    shown = project.run("status", "--detailed-exitcode")
    assert shown.code == 2, shown
    assert "pending: what was sent last is not proved to serve" in shown.out
    assert "? sent" in shown.out, "its version is not known yet"


def test_an_error_is_explained_and_has_an_exit_code(project: Project, emulator: Emulator) -> None:
    applied(project, endpoint(), endpoint("other"))
    emulator.set_status(ids(project)[CHAT], "FAILED", error_code="INFERENCE_ENGINE_MEMORY_ERROR")
    shown = project.run("status", "--detailed-exitcode")
    assert shown.code == 2, shown
    assert "INFERENCE_ENGINE_MEMORY_ERROR: it needs more memory than 1x H100 has" in shown.out
    assert "1 FAILED, 1 RUNNING" in shown.out
    assert project.run("status").code == 0
    assert project.run("status", "Endpoint/other", "--detailed-exitcode").code == 0


def test_what_is_gone_or_ended_or_of_an_unknown_price(project: Project, emulator: Emulator) -> None:
    applied(project, endpoint(), endpoint("ended"), endpoint("odd", more=EXPIRES))
    found = ids(project)
    emulator.set_status(found["Endpoint/ended"], "TERMINATED")
    emulator.change(found["Endpoint/odd"], instanceOptionId="b300x1")
    chat = found[CHAT]
    emulator.set_status(chat, "TERMINATED")
    emulator.fault("GET", f"/{chat}$", status=404, count=None)
    emulator.fault("GET", "endpoint$", kind="stale_list", newest=0)
    by_address = {one["address"]: one for one in looked(project)["endpoints"]}
    assert by_address["Endpoint/ended"]["cost_per_hour"] == 0
    assert by_address["Endpoint/odd"]["cost_per_hour"] is None
    assert by_address["Endpoint/odd"]["changed_outside"] == ["instance.gpu"]
    assert by_address[CHAT]["status"] == "TERMINATED", "the list has it still"
    shown = project.run("status")
    assert ", without 1 of unknown cost" in shown.out
    assert "changed outside: instance.gpu" in shown.out
    assert "expires at 20" in shown.out
    assert "(in 2d)" in shown.out
    three_days_later(project)
    assert ": friendli-iac reap terminates it" in project.run("status").out
    emulator.reset()
    gone = project.run("status", "--detailed-exitcode")
    assert gone.code == 2, gone
    assert f"{chat} is gone: 404" in gone.out


def test_what_somebody_else_made_was_not_changed_by_us(
    project: Project, emulator: Emulator
) -> None:
    (seeded,) = emulator.seed(1, project=PROJECT, name="chat")
    project.write(endpoint())
    assert project.run("import", CHAT, seeded["id"]).code == 0
    shown = project.run("status")
    assert "not by us" in shown.out
    assert looked(project)["endpoints"][0]["last_change"] is None


def test_what_a_replacement_left_over_is_shown_and_counted(
    project: Project, emulator: Emulator
) -> None:
    applied(project, endpoint(more="  lifecycle: {createBeforeDestroy: true}\n"))
    emulator.hold("PUT", "/terminate$")
    running = project.spawn("apply", "--yes", *FAST, "--replace", CHAT, "--allow-destroy", CHAT)
    emulator.wait_held()
    running.kill()
    running.communicate()
    shown = project.run("status")
    assert "Endpoint/chat (old)" in shown.out, shown
    assert "left over from a replacement, and may bill" in shown.out
    assert "2 endpoints: 2 RUNNING · $7.80 /h now" in shown.out
    emulator.release()


def test_an_empty_state_and_an_address_that_is_not_in_it(
    project: Project, emulator: Emulator
) -> None:
    assert "Nothing is in state." in project.run("status").out
    applied(project, endpoint())
    wrong = project.run("status", "Endpoint/cat")
    assert wrong.code == 64, wrong
    assert "Did you mean Endpoint/chat?" in wrong.err


# --- again and again ---


def test_lines_tell_each_change_of_status_and_ctrl_c_ends_it_cleanly(
    project: Project, emulator: Emulator
) -> None:
    applied(project, endpoint(), endpoint("other"))
    emulator.clear_requests()
    running = project.spawn("status", "--watch", "--interval", "0.1")
    assert running.stdout is not None
    first = [running.stdout.readline() for _ in range(2)]
    assert [line.split(maxsplit=2)[2] for line in first] == [
        "Endpoint/chat: RUNNING\n",
        "Endpoint/other: RUNNING\n",
    ]
    emulator.set_status(ids(project)[CHAT], "UPDATING", phase="DOWNLOADING_MODEL")
    line = running.stdout.readline()
    assert line.endswith("Endpoint/chat: RUNNING → UPDATING, DOWNLOADING_MODEL\n")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=20)
    assert running.returncode == 0, err
    assert out == "", "only changes are told"
    assert err == ""
    assert writes(emulator) == []


def test_an_api_that_stays_away_for_a_while_does_not_end_it(
    project: Project, emulator: Emulator
) -> None:
    applied(project, endpoint())
    running = project.spawn("status", "--watch", "--interval", "0.1")
    assert running.stdout is not None
    assert running.stderr is not None
    assert "RUNNING" in running.stdout.readline()
    emulator.fault("GET", "endpoint$", kind="status", status=503, count=5, retry_after=0.01)
    assert "not reached" in running.stderr.readline()
    emulator.set_status(ids(project)[CHAT], "SLEEPING")
    assert "RUNNING → SLEEPING" in running.stdout.readline()
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)
    assert running.returncode == 0


def test_at_a_terminal_the_table_is_drawn_in_place(project: Project, emulator: Emulator) -> None:
    applied(project, endpoint())
    terminal = Terminal(project, "status", "--watch", "--interval", "0.1")
    terminal.read_until("Ctrl-C ends it")
    assert ESCAPE in terminal.text
    emulator.set_status(ids(project)[CHAT], "SLEEPING")
    terminal.read_until("1 SLEEPING")
    terminal.type("\x03")
    assert terminal.end() == 0
    assert "error" not in terminal.text


def test_watching_prints_no_json(project: Project, emulator: Emulator) -> None:
    wrong = project.run("status", "--watch", "--format", "json")
    assert wrong.code == 64, wrong


@pytest.mark.parametrize("words", [("status",), ("history", CHAT)])
def test_a_bad_token_is_told(project: Project, emulator: Emulator, words: tuple[str, ...]) -> None:
    applied(project, endpoint())
    emulator.set_tokens({"flp_other": {"user": "u", "team": "t"}})
    refused = project.run(*words)
    assert refused.code == 3, refused
