"""The script alone, in a CI system that it does not know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .ci_world import quick
from .harness import TOKEN, names, writes
from .joblog import assignments
from .repositories import EXAMPLE, Repository
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
    reaped = job.run("reap")
    assert (reaped.returncode, maximum(emulator)) == (0, 3), reaped


def test_it_says_what_it_takes(job: Job, emulator: Emulator) -> None:
    for arguments in ((), ("destroy",), ("rm",)):
        done = job.run(*arguments)
        assert done.returncode == 64
        assert "usage: ci.sh validate | plan | apply | drift | reap" in done.stderr
    unknown = job.run("apply")
    assert unknown.returncode == 64
    assert "neither a job of GitHub Actions nor one of GitLab CI" in unknown.stderr
    assert job.run("plan", FRIENDLI_TOKEN="").returncode == 3, "only a fork goes without"
    assert emulator.requests == []
