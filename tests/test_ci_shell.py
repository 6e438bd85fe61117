"""The script alone, in a CI system that it does not know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .ci_world import quick
from .harness import TOKEN, names, writes
from .joblog import assignments
from .repositories import CHAT, EXAMPLE, Repository
from .test_ci_github import maximum, raise_maximum


class Job:
    """Runs the script where a repository is checked out."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.repo = Repository(folder / "git")
        self.out = self.repo.work / "ci-out"
        self.env = {
            **quick(emulator),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CI": "true",
            "FRIENDLI_TOKEN": TOKEN,
            "FRIENDLI_PROJECT_ID": "p1",
            "FRIENDLI_IAC_STATE": str(folder / "state.json"),
            "POLICY": "policy.yaml",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", str(EXAMPLE / "ci.sh"), *arguments], cwd=self.repo.work, env=self.env, text=True
        )

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(EXAMPLE / "ci.sh"), *arguments],
            cwd=self.repo.work,
            env={**self.env, **env},
            capture_output=True,
            text=True,
        )


@pytest.fixture
def job(tmp_path: Path, emulator: Emulator) -> Job:
    return Job(tmp_path, emulator)


def test_it_plans_applies_and_tells_by_its_exit_code(job: Job, emulator: Emulator) -> None:
    planned = job.run("plan")
    assert planned.returncode == 0, planned
    outputs = assignments((job.out / "outputs").read_text())
    assert (outputs["changes"], outputs["to_add"]) == ("true", "1")
    assert "<html" in (job.out / "plan.html").read_text()
    assert writes(emulator) == []

    refused = job.run("apply", APPROVED=64 * "0")
    assert refused.returncode == 6, refused
    assert writes(emulator) == []
    applied = job.run("apply", APPROVED=outputs["digest"], ARGS="--parallelism 2 --timeout 5m")
    assert applied.returncode == 0, applied
    assert names(emulator) == ["chat"]

    assert job.run("drift").returncode == 0
    raise_maximum(emulator, 3)
    drifted = job.run("drift")
    assert drifted.returncode == 2
    assert "autoscaling.maxReplicas" in drifted.stdout
    (one,) = emulator.endpoints()
    emulator.change(one["id"], name="##vso[task.setvariable variable=PATH]x")
    told = job.run("drift")
    assert "task.setvariable" in told.stdout
    assert "##vso[" not in told.stdout + told.stderr + (job.out / "drift.md").read_text()
    reaped = job.run("reap")
    assert (reaped.returncode, maximum(emulator)) == (0, 3), reaped


def test_it_says_what_it_takes(job: Job, emulator: Emulator) -> None:
    for arguments in ((), ("destroy",), ("rm",)):
        done = job.run(*arguments)
        assert done.returncode == 64
        assert "usage: ci.sh validate | plan | apply | drift | reap" in done.stderr
    unapproved = job.run("apply", APPROVED="")
    assert unapproved.returncode == 64
    assert "APPROVED is empty" in unapproved.stderr
    unknown = job.run("apply", APPROVED="comment")
    assert unknown.returncode == 64
    assert "neither a job of GitHub Actions nor one of GitLab CI" in unknown.stderr
    assert job.run("plan", FRIENDLI_TOKEN="").returncode == 3, "only a fork goes without"
    assert emulator.requests == []


def test_a_cancelled_reap_is_told_and_gives_the_lock_back(job: Job, emulator: Emulator) -> None:
    """The CI system signals the shell alone."""
    path = job.repo.work / CHAT
    path.write_text(path.read_text() + "  lifecycle: {expires: 72h}\n")
    job.run("plan")
    outputs = assignments((job.out / "outputs").read_text())
    assert job.run("apply", APPROVED=outputs["digest"]).returncode == 0
    state = Path(job.env["FRIENDLI_IAC_STATE"])
    document = json.loads(state.read_text())
    document["resources"]["Endpoint/chat"]["created"] -= 73 * 3600
    state.write_text(json.dumps(document))
    emulator.hold("GET", "endpoint")
    script = job.start("reap")
    emulator.wait_held()
    script.terminate()
    assert script.poll() is None, "it waits for what it has begun"
    emulator.release()
    assert script.wait(20) == 8
    assert "stopping: nothing new starts" in (job.out / "reap.txt").read_text()
    assert [write for write in writes(emulator) if "terminate" in write] == []
    assert job.run("reap").returncode == 0
    assert "terminate" in writes(emulator)[-1]
