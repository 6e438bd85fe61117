"""An event of W&B becomes one pull request, by the jobs of examples/ci; nothing in it is run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from friendli_iac.emulator import Emulator

from .ci_world import quick
from .harness import WANDB_KEY
from .pipelines import GitlabRunner
from .repositories import CHAT, EXAMPLE, Repository
from .test_wandb_promote import CHAT as COLLECTION
from .test_wandb_promote import MANIFEST
from .workflows import Event, Job, Runner

TOKEN = "github_pat_canary_0123456789"
SECRETS = {"WANDB_API_KEY": WANDB_KEY, "PROMOTE_TOKEN": TOKEN}
WORKFLOW = (EXAMPLE / "wandb-github.yml").read_text()
PIPELINE = (EXAMPLE / "gitlab-ci.yml").read_text() + (EXAMPLE / "wandb-gitlab.yml").read_text()
# Knows how many requests are open, as GitHub does; told of is only what we asked.
GH = """\
#!/bin/sh
test "$GH_TOKEN" = "$PROMOTE_TOKEN" || exit 1
echo "$@" >>{folder}/gh.log
case "$2" in list) cat {folder}/open ;; create) echo 1 >{folder}/open ;; esac
"""
HOSTILE = (
    {"address": "$(touch pwned)", "alias": "production"},
    {"address": "--emulator Endpoint/chat", "alias": "production"},
    {"address": "--dry-run", "alias": "production"},
    {"address": "Endpoint/chat", "alias": "production; touch pwned #"},
    {"address": "Endpoint/chat", "alias": "`touch pwned`\nx"},
    {},
)


class World:
    """A repository whose endpoint is of an artifact, and the registry that has it."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.repo = Repository(folder / "git")
        for _ in range(3):
            emulator.wandb.log(COLLECTION)
        self.move = lambda version: emulator.wandb.move_alias(COLLECTION, "production", version)
        self.move("v2")
        self.env = {**quick(emulator), "WANDB_BASE_URL": emulator.url}
        del self.env["FRIENDLI_BASE_URL"]
        self.repo.merge(self.repo.push(1, {CHAT: MANIFEST}))
        self.home = folder / "runner"

    def git(self, *arguments: str) -> str:
        at = ["git", "-C", str(self.repo.origin), *arguments]
        return subprocess.run(at, check=True, capture_output=True, text=True).stdout.strip()

    @property
    def branches(self) -> list[str]:
        found = self.git("branch", "--format=%(refname:short)").splitlines()
        return [name for name in found if name.startswith("friendli-iac/")]

    def changed(self, branch: str) -> list[str]:
        """The lines that a branch would change on main."""
        lines = self.git("diff", "-U0", "main", branch).splitlines()
        return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]

    def promotes(self, branch: str, version: str) -> None:
        old, new = self.changed(branch)
        assert ("chat:v0" in old, f"chat:{version}" in new) == (True, True)
        assert new.replace(version, "v0")[1:] == old[1:]

    def assert_no_secret_told(self, job: Job) -> None:
        told = repr(job) + "".join(
            path.read_text(errors="replace")
            for path in self.home.rglob("*")
            if path.is_file() and not path.is_symlink()
        )
        assert [secret for secret in SECRETS.values() if secret in told] == []
        assert not list(self.home.rglob("pwned"))


@pytest.fixture
def world(tmp_path: Path, emulator: Emulator) -> World:
    return World(tmp_path, emulator)


def test_github_has_one_pull_request_that_follows_the_alias(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(GH.format(folder=tools))
    (tools / "gh").chmod(0o755)
    (tools / "open").write_text("0\n")
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    runner = Runner(
        world.repo.origin,
        world.home,
        world.env,
        variables={"FRIENDLI_PROJECT_ID": "p1"},
        environments={"promotion": SECRETS},
    )

    def fires(**payload: Any) -> Job:
        event = {"action": "friendli-iac-promote", "client_payload": payload}
        told = Event("repository_dispatch", world.repo.main, payload=event)
        return runner.run(WORKFLOW, told)["promote"]

    hints = {"address": "Endpoint/chat", "alias": "production"}
    done = fires(**hints, version=f"{COLLECTION}:v1", artifact="$(touch pwned)")
    assert done.result == "success", done.log
    (branch,) = world.branches
    world.promotes(branch, "v2")  # where it is, and not where the event said
    asked = (tools / "gh.log").read_text().splitlines()
    assert f"pr create --head {branch} --base main" in asked[-1]
    assert "chat:v2" in done.summary
    world.assert_no_secret_told(done)

    first = world.git("rev-parse", branch)
    assert fires(**hints).result == "success"
    assert world.git("rev-parse", branch) == first, "what was approved stays so"
    world.move("v1")
    assert fires(**hints).result == "success"
    assert world.branches == [branch]
    world.promotes(branch, "v1")
    assert [line.split()[1] for line in (tools / "gh.log").read_text().splitlines()] == [
        "list", "create", "list",
    ]  # fmt: skip
    world.move("v0")
    assert fires(**hints).result == "success"
    assert world.branches == [], "there is nothing to merge any more"


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_what_an_event_says_runs_nothing(world: World, payload: dict[str, str]) -> None:
    runner = Runner(world.repo.origin, world.home, world.env, environments={"promotion": SECRETS})
    told = Event("repository_dispatch", world.repo.main, payload={"client_payload": payload})
    done = runner.run(WORKFLOW, told)["promote"]
    assert done.result == "failure"
    assert world.branches == []
    world.assert_no_secret_told(done)


def test_gitlab_opens_the_merge_request_with_the_push(world: World, tmp_path: Path) -> None:
    options = tmp_path / "options"
    world.git("config", "receive.advertisePushOptions", "true")
    hook = world.repo.origin / "hooks" / "pre-receive"
    hook.write_text(f'#!/bin/sh\nset | grep "^GIT_PUSH_OPTION_[0-9]" >{options}\n:\n')
    hook.chmod(0o755)
    runner = GitlabRunner(
        world.repo.origin,
        world.home,
        world.env,
        {"FRIENDLI_PROJECT_ID": "p1"},
        {"promotion": SECRETS},
    )
    told = {
        "CI_COMMIT_BRANCH": "main",
        "CI_PIPELINE_SOURCE": "api",
        "FRIENDLI_IAC_PROMOTE_ADDRESS": "Endpoint/chat",
        "FRIENDLI_IAC_PROMOTE_ALIAS": "production",
    }
    jobs = runner.run(PIPELINE, world.repo.main, **told)
    assert [(name, job.result) for name, job in jobs.items()] == [("promote", "success")], jobs
    (branch,) = world.branches
    world.promotes(branch, "v2")
    assert "merge_request.create" in options.read_text()
    assert "merge_request.target=main" in options.read_text()
    world.assert_no_secret_told(jobs["promote"])
    world.move("v0")
    assert runner.run(PIPELINE, world.repo.main, **told)["promote"].result == "success"
    assert world.branches == []


def test_no_job_but_this_one_runs_for_an_event() -> None:
    """And it has nothing that could change an endpoint or the state."""
    job = yaml.safe_load(WORKFLOW)["jobs"]["promote"]
    assert job["permissions"] == {"contents": "read"}
    said = json.dumps(yaml.safe_load(WORKFLOW)) + (EXAMPLE / "wandb-gitlab.yml").read_text()
    assert "FRIENDLI_TOKEN" not in said
    assert "STATE" not in said
