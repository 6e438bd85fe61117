"""Every documented exit code, by the shortest way to it."""

from __future__ import annotations

import re
import signal
import socket
import time

import pytest

from friendli_iac.cli.main import EXIT_CODES
from friendli_iac.emulator import Emulator

from .harness import TOKEN, Project, endpoint, writes


def test_the_help_lists_the_codes_of_every_error() -> None:
    from friendli_iac import errors

    listed = {int(code) for code in re.findall(r"(?<!\S)(\d+) \w", EXIT_CODES)}
    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    raised = {c.exit_code for c in classes if issubclass(c, errors.FriendliIacError)}
    assert raised | {0, 2} <= listed


def test_0_and_2_say_whether_there_are_changes(project: Project) -> None:
    project.write(endpoint())
    assert project.run("plan").code == 0
    assert project.run("plan", "--detailed-exitcode").code == 2
    assert project.apply().code == 0
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_1_for_problems_in_manifests(project: Project) -> None:
    project.write(endpoint().replace("gpu", "gqu"))
    for command in ("validate", "plan", "apply"):
        shown = project.run(command)
        assert (shown.code, shown.out) == (1, "")
        assert "main.yaml:7:14: unknown key gqu" in shown.err
        assert "did you mean gpu?" in shown.err


def test_1_when_the_api_cannot_be_reached(project: Project) -> None:
    """Both at once, as processes: each waits between its attempts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    project.write(endpoint())
    nowhere = {"FRIENDLI_BASE_URL": f"http://127.0.0.1:{port}", "FRIENDLI_PROJECT_ID": "p1"}
    running = [project.spawn(name, env=nowhere) for name in ("plan", "doctor")]
    (out, err), (findings, _) = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [1, 1]
    assert out == ""
    assert f"error: GET http://127.0.0.1:{port}/dedicated/beta/endpoint" in err
    assert "FRIENDLI_BASE_URL" in err
    assert "cannot connect" in err
    assert "next: Try again; `friendli-iac doctor`" in err
    assert "Traceback" not in err
    assert re.search("FAIL  token: .*cannot connect", findings)


def test_3_without_a_token(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    for words in (("plan",), ("apply", "--yes"), ("destroy",), ("import", "Endpoint/a", "x")):
        shown = project.run(*words, env={"FRIENDLI_TOKEN": ""})
        assert (shown.code, shown.out) == (3, "")
        assert "FRIENDLI_TOKEN is not set" in shown.err
        assert "or try without one: --emulator" in shown.err
    assert emulator.requests == []


def test_what_needs_no_api_needs_no_token(project: Project) -> None:
    project.write(endpoint())
    for words in (("validate",), ("schema",), ("state", "list"), ("show",)):
        assert project.run(*words, env={"FRIENDLI_TOKEN": ""}).code == 0


@pytest.mark.parametrize(("status", "remedy"), [(401, "FRIENDLI_TOKEN"), (403, "FRIENDLI_TEAM_ID")])
def test_3_when_the_api_refuses_the_token(
    status: int, remedy: str, project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    emulator.fault("GET", "endpoint", status=status, body={"message": "no"}, count=None)
    shown = project.run("plan")
    assert shown.code == 3
    assert f"{status}" in shown.err
    assert remedy in shown.err


def test_4_when_some_of_it_worked(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    emulator.fault("POST", "endpoint", nth=2, status=400, body={"detail": "no quota"})
    assert project.apply("--parallelism", "1").code == 4


def test_5_when_protected(project: Project) -> None:
    project.write(endpoint(more="  lifecycle: {preventDestroy: true}\n"))
    assert project.apply().code == 0
    assert project.run("destroy", "--yes").code == 5
    refused = project.run("plan", "--destroy", "--out", "p")
    assert (refused.code, "saved to be shown, and no apply takes it" in refused.err) == (5, True)
    assert project.run("apply", "p").code == 5


def test_6_when_the_plan_is_stale(project: Project) -> None:
    project.write(endpoint())
    project.run("plan", "--out", "p")
    project.apply()
    assert project.run("apply", "p").code == 6


def test_7_when_another_apply_is_at_work(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    emulator.hold("POST", "endpoint")
    first = project.spawn("apply", "--yes")
    emulator.wait_held()
    shown = project.apply()
    assert shown.code == 7
    assert re.search(r"locked: apply by .+ since 20\d\d-", shown.err)
    assert "--lock-timeout" in shown.err
    assert project.run("plan").code == 0  # planning takes no lock
    emulator.release()
    assert project.apply("--lock-timeout", "30s").code == 0
    _, err = first.communicate(timeout=30)
    assert first.returncode == 0, err
    assert len(emulator.endpoints()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_8_also_while_modules_are_imported(project: Project, number: signal.Signals) -> None:
    """One that comes while a dataclass is made: in the `exec` of a text."""
    project.write(endpoint())
    comes = f"import os\\nos.kill(os.getpid(), {int(number)})\\nfor _ in range(10**6): pass"
    module = project.write(f'exec("{comes}")\n', "modules/yaml.py")
    assert module.parent.name == "modules"
    process = project.spawn("validate", env={"PYTHONPATH": str(module.parent)})
    _, err = process.communicate(timeout=30)
    assert (process.returncode, "error: stopped at once" in err) == (8, True), err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_8_when_stopped(number: signal.Signals, project: Project, emulator: Emulator) -> None:
    """Once: the call in flight is recorded, and what was not begun is not sent."""
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    emulator.set_durations(create=3600)
    emulator.hold("POST", "endpoint")
    running = project.spawn("apply", "--yes", "--parallelism", "1")
    emulator.wait_held()
    running.send_signal(number)
    time.sleep(0.2)
    emulator.release()
    out, err = running.communicate(timeout=30)
    assert running.returncode == 8, err
    assert "stopping: nothing new starts" in err
    assert "2 cancelled" in out
    assert writes(emulator) == ["POST /dedicated/beta/endpoint"]
    emulator.set_durations(create=0)
    emulator.advance(3600)
    assert project.apply().code == 0
    assert len(emulator.endpoints()) == 2


def test_8_when_stopped_while_only_reading(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    emulator.fault("GET", "endpoint", kind="latency", seconds=2)
    running = project.spawn("plan")
    while not emulator.requests:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (8, "")
    assert "Traceback" not in err
    assert "Nothing was sent." in err
    assert "journal" not in err
    assert "command again" not in err


def test_9_when_time_runs_out(project: Project, emulator: Emulator) -> None:
    emulator.set_durations(create=3600)
    project.write(endpoint())
    shown = project.apply("--timeout", "0s")
    assert shown.code == 9
    assert "TIMED OUT" in shown.out
    assert "it may bill" in shown.out


def test_64_for_settings_that_make_no_sense(project: Project) -> None:
    project.write(endpoint())
    shown = project.run("plan", "--base-url", "http://api.example.com")
    assert shown.code == 64
    assert TOKEN not in str(shown)
