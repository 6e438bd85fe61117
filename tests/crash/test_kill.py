"""`kill -9` of the real process: at requests, before or after their effect, and at writes.

Then `apply` is run again: exactly one endpoint for each address, no orphan, the next plan empty.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator
from tests.harness import FAST, Project, endpoint

from .world import some

LAUNCH = str(Path(__file__).with_name("launch.py"))
START = endpoint("a", batch=64)
GOAL = endpoint("a", batch=128) + "---\n" + endpoint("b")
APPLY = ("apply", "--yes", *FAST)


def prepared(root: Path, emulator: Emulator) -> Project:
    """One endpoint that is to be changed, and a manifest with a second one."""
    project = Project(root, emulator.url)
    project.write(START)
    done = project.apply()
    assert done.code == 0, done
    project.write(GOAL)
    emulator.clear_requests()
    return project


def check(project: Project, emulator: Emulator) -> None:
    done = project.apply()
    assert done.code == 0, done
    live = {e["versions"][-1]["settings"]["name"]: e for e in emulator.endpoints()}
    assert sorted(live) == ["a", "b"]
    assert len(emulator.endpoints()) == 2
    resources = project.state["resources"]
    assert {n: resources[f"Endpoint/{n}"]["id"] for n in live} == {n: live[n]["id"] for n in live}
    assert [len(live[n]["versions"]) for n in ("a", "b")] == [2, 1]
    assert live["a"]["versions"][1]["settings"]["advanced"]["max_batch_size"] == 128
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned


def request_count(root: Path, emulator: Emulator) -> int:
    project = prepared(root, emulator)
    project.run(*APPLY, "--parallelism", "1")
    return len(emulator.requests)


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_at_requests(tmp_path: Path, emulator: Emulator, when: str) -> None:
    """Every other one: before the first, after the second, and so on."""
    count = request_count(tmp_path / "count", emulator)
    assert count > 10
    for nth in some(count, 2, first=1 if when == "before" else 2):
        emulator.reset()
        project = prepared(tmp_path / f"{when}{nth}", emulator)
        emulator.hold("*", "", when, nth=nth)  # type: ignore[arg-type]
        process = project.spawn(*APPLY, "--parallelism", "1")
        (held,) = emulator.wait_held(timeout=30)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        process.communicate()
        emulator.clear_faults()
        emulator.release()  # a request that was under way arrives
        try:
            check(project, emulator)
        except BaseException as error:
            error.add_note(f"killed {when} request {nth}: {held['method']} {held['path']}")
            raise


def launch(project: Project, at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, LAUNCH, str(at), *APPLY, "--parallelism", "1"],
        cwd=project.root,
        env=project.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_kill_at_writes(tmp_path: Path) -> None:
    """A write is torn in the middle. Each schedule has an emulator of its own. Every third one:
    `test_matrix` tries all of them, without a process.
    """

    def schedule(at: int) -> int:
        with Emulator(seed=1, durations=0) as emulator:
            project = prepared(tmp_path / f"write{at}", emulator)
            process = launch(project, at)
            assert process.returncode == (-signal.SIGKILL if at else 0), process.stderr
            return int(process.stderr.split()[-1]) if not at else check(project, emulator) or 0

    count = schedule(0)
    assert count > 25
    for at in some(count, 3):
        try:
            schedule(at)
        except BaseException as error:
            error.add_note(f"killed at primitive {at} of {count}")
            raise


def test_the_lock_of_a_killed_process_is_free_even_while_its_child_lives(
    tmp_path: Path, emulator: Emulator
) -> None:
    project = prepared(tmp_path / "child", emulator)
    script = (
        "import subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from friendli_iac.backends import LocalBackend\n"
        f"with LocalBackend(Path({str(project.state_path)!r})).lock('apply', {{}}, 0):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],\n"
        "                             close_fds=False)\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        assert project.apply().code == 7
        holder.kill()
        holder.wait()
        assert project.apply().code == 0
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()
