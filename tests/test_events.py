"""`--events FILE`, and what CI systems make of our lines."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.backends.base import Held, Holder
from friendli_iac.cli.console import Console
from friendli_iac.cli.progress import HEARTBEAT, LockWait
from friendli_iac.emulator import Emulator

from .harness import FAST, TOKEN, Project, endpoint, writes

GITHUB = {"CI": "true", "GITHUB_ACTIONS": "true"}


def events(project: Project, name: str = "e") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.root / name).read_text().splitlines()]


def types(found: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in found]


def test_what_happens_is_told_to_machines_and_to_people(project: Project) -> None:
    project.write(endpoint())
    done = project.apply("--events", "e")
    assert done.code == 0
    assert "applied" in done.out
    found = events(project)
    assert types(found)[:4] == ["version", "planned_change", "change_summary", "apply_start"]
    assert types(found)[-2:] == ["apply_complete", "end"]
    assert "apply_progress" in types(found)
    version, planned, sums, *_, end = found
    assert version["format_version"] == "1.0"
    assert (planned["address"], planned["action"]) == ("Endpoint/chat", "create")
    assert (sums["changes"], sums["cost_before"]) == ({"create": 1}, [0.0, 0.0])
    assert re.fullmatch("[0-9a-f]{64}", sums["digest"])
    assert end["exit_code"] == 0
    assert all(datetime.fromisoformat(event["time"]).tzinfo for event in found)
    text = (project.root / "e").read_text()
    assert "\x1b" not in text
    assert TOKEN not in text


def test_what_goes_wrong_is_in_it(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    emulator.fault("POST", "endpoint", status=400, body={"detail": f"no {TOKEN} \x1b[2J"})
    assert project.apply("--events", "e", "--parallelism", "1").code == 1
    found = events(project)
    assert types(found).count("apply_errored") == 1
    assert types(found)[-2:] == ["apply_skipped", "end"]
    assert found[-1]["exit_code"] == 1
    assert TOKEN not in (project.root / "e").read_text()
    project.write("kind: Endpoint\nspec: {}\n")
    assert project.apply("--events", "e").code == 1
    problems = [event for event in events(project) if event["type"] == "diagnostic"]
    assert (problems[0]["file"], problems[0]["line"]) == ("main.yaml", 1)
    assert problems[-1]["safe"] == "Nothing was sent and nothing was changed."


def test_every_command_that_sends_has_it(project: Project, emulator: Emulator) -> None:
    project.write(endpoint(more="  lifecycle: {expires: 1h}\n"))
    assert project.run("plan", "--detailed-exitcode", "--events", "e").code == 2
    assert types(events(project)) == ["version", "planned_change", "change_summary", "end"]
    assert events(project)[-1]["exit_code"] == 2
    project.apply()
    project.write(endpoint(batch=128))
    project.apply()
    for words in (["rollback", "Endpoint/chat"], ["reap"], ["destroy"]):
        done = project.run(*words, "--yes", *FAST, "--events", "e")
        assert (done.code, events(project)[-1]["exit_code"]) == (0, 0), done


def test_a_refusal_and_a_stale_approval_are_told(project: Project) -> None:
    project.write(endpoint())
    assert project.run("apply", "--approved", "0" * 64, "--events", "e", *FAST).code == 6
    found = events(project)
    assert types(found) == ["version", "planned_change", "change_summary", "diagnostic", "end"]
    assert found[-2]["message"].startswith("approved was 0000")
    assert found[-1]["exit_code"] == 6


def test_a_file_that_cannot_be_written_stops_it_before_anything_is_sent(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    for path in ("nowhere/e", ".", "-"):
        assert project.apply("--events", path).code == 64
    assert emulator.requests == []


def test_a_full_disk_ends_the_events_and_not_the_apply(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    process = project.spawn("apply", "--yes", *FAST, "--events", "/dev/full")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err.count("no more events are written: No space left on device") == 1
    assert len(writes(emulator)) == 1


def test_a_kill_leaves_whole_lines(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    emulator.hold("POST", "/dedicated/beta/endpoint", "after")
    process = project.spawn("apply", "--yes", *FAST, "--events", "e")
    emulator.wait_held(timeout=60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    emulator.release()
    assert types(events(project))[-1] == "apply_start"
    assert (project.root / "e").read_text().endswith("\n")


# --- what stands in the log of a CI system ---

HOSTILE = "::add-mask::x"


@pytest.mark.parametrize("env", [GITHUB, {**GITHUB, "FORCE_COLOR": "1"}, {"TF_BUILD": "True"}])
def test_text_of_a_pull_request_is_no_command(
    env: dict[str, str], project: Project, emulator: Emulator
) -> None:
    """`::name` at the start of a line (also after blanks, and colours that are taken out), and
    `##[name]` anywhere.
    """
    project.write(endpoint(more="  ::set-env name=x::y: 1\n  '##[error]': 1\n"))
    shown = project.run("validate", env=env)
    assert shown.code == 1
    project.write(endpoint())
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    emulator.change(live["id"], name=f"x\n{HOSTILE}\n ##[add-mask]x ##vso[task.x]")
    emulator.set_status(live["id"], "\x1b[31m" + HOSTILE)
    for format_ in ("text", "markdown", "json"):
        planned = project.run("plan", "--format", format_, env=env)
        assert planned.code == 0
        for text in (shown.out, shown.err, planned.out, planned.err):
            plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
            lines = [line for line in plain.splitlines() if line.lstrip().startswith("::")]
            assert [line.partition("::")[2].partition("::")[0] for line in lines] in (
                [],
                ["group", "endgroup"],
            )
            assert not re.search(r"##\w*\[", plain)
    # JSON says the same in another spelling.
    assert "##[add-mask]x" in json.dumps(planned.json)


def test_colours_that_are_taken_out_leave_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(GITHUB)
    for told in (":\x1b[1m:add-mask::x", "\x1b[1m::add-mask::x", "\u00a0::x", "#\x1b[1m#[x]"):
        console.out(told)
        console.err(told)
    shown = "".join(capsys.readouterr())
    assert "##[" not in shown
    assert not [line for line in shown.splitlines() if line.lstrip().startswith("::")]


def test_annotations_still_are_commands(project: Project) -> None:
    project.write("kind: Endpoint\n")
    assert project.run("validate", "--format", "github", env=GITHUB).out.startswith("::error file=")


def test_a_plan_is_folded(project: Project, tmp_path: Path) -> None:
    project.write(endpoint())
    github = project.run("plan", env=GITHUB).out.splitlines()
    assert github[0] == "::group::Plan: 1 to create"
    assert github[-1] == "::endgroup::"
    gitlab = project.run("plan", env={"CI": "1", "GITLAB_CI": "true"}).out
    name = "friendli_iac_plan"
    assert re.match(rf"\x1b\[0Ksection_start:\d+:{name}\r\x1b\[0KPlan: 1 to create\n", gitlab)
    assert re.search(rf"\x1b\[0Ksection_end:\d+:{name}\r\x1b\[0K\n$", gitlab)
    assert project.apply(env=GITHUB).out.startswith("::group::Plan: 1 to create\n")


def test_what_is_kept_in_a_file_is_as_it_is(project: Project, tmp_path: Path) -> None:
    """Neither folded nor coloured nor spelled otherwise: no CI system reads it there."""
    project.write(endpoint(more="  name: '##[x]'\n"))
    with (tmp_path / "kept").open("w") as file:
        subprocess.run(
            [sys.executable, "-m", "friendli_iac", "plan"],
            cwd=project.root,
            env={**project.env, **GITHUB},
            stdout=file,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    kept = (tmp_path / "kept").read_text()
    assert "##[x]" in kept
    assert "::group::" not in kept
    assert "\x1b" not in kept


def test_who_waits_for_a_lock_says_so_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    waits = LockWait(Console({}), now=lambda: clock[0])
    holder = Holder("apply", "2026-01-01T00:00:00Z", who="ci")
    for second in range(40):
        clock[0] = float(second)
        waits.beat(lambda: Held(holder, None))
    told = capsys.readouterr().err.splitlines()
    assert told == ["waiting for the lock: apply by ci since 2026-01-01T00:00:00Z"] * 3
    assert HEARTBEAT == 15
