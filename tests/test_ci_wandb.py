"""An event of W&B becomes one pull request, by the jobs of examples/ci; nothing in it is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
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
# Knows how many requests are open, as GitHub does; told of is only what we asked. While there is a
# file `deny`, it opens none.
GH = """\
#!/bin/sh
test "$GH_TOKEN" = "$PROMOTE_TOKEN" || exit 1
echo "$@" >>{folder}/gh.log
case "$2" in
  list) cat {folder}/open ;;
  create) test ! -e {folder}/deny && echo 1 >{folder}/open ;;
esac
"""
HOSTILE = (
    {"address": "$(touch pwned)", "alias": "production"},
    {"address": "--emulator Endpoint/chat", "alias": "production"},
    {"address": "--dry-run", "alias": "production"},
    {"address": "Endpoint/chat", "alias": "production; touch pwned #"},
    {"address": "Endpoint/chat", "alias": "`touch pwned`\nx"},
    {"address": "Endpoint/chat", "alias": "production", "environment": "$(touch pwned)"},
    {"address": "Endpoint/chat", "alias": "production", "environment": "prod\nx"},
    {"address": "Endpoint/chat", "alias": "production", "environment": "../prod"},
    {"address": "Endpoint/chat", "alias": "production", "environment": "prod"},
    {"address": "Endpoint/chat", "alias": "v1"},
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


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a `gh` of ours, which is found first."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(GH.format(folder=tools))
    (tools / "gh").chmod(0o755)
    (tools / "open").write_text("0\n")
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return tools


@pytest.fixture
def fires(world: World, tools: Path) -> Callable[..., Job]:
    """Runs the job that an event starts on GitHub."""
    runner = Runner(
        world.repo.origin,
        world.home,
        world.env,
        variables={"FRIENDLI_PROJECT_ID": "p1"},
        environments={"promotion": SECRETS},
    )

    def fired(**payload: Any) -> Job:
        event = {"action": "friendli-iac-promote", "client_payload": payload}
        told = Event("repository_dispatch", world.repo.main, payload=event)
        return runner.run(WORKFLOW, told)["promote"]

    return fired


HINTS = {"address": "Endpoint/chat", "alias": "production"}


def test_github_has_one_pull_request_that_follows_the_alias(
    world: World, tools: Path, fires: Callable[..., Job]
) -> None:
    done = fires(**HINTS, version=f"{COLLECTION}:v1", artifact="$(touch pwned)")
    assert done.result == "success", done.log
    (branch,) = world.branches
    world.promotes(branch, "v2")  # where it is, and not where the event said
    asked = (tools / "gh.log").read_text().splitlines()
    assert f"pr create --head {branch} --base main" in asked[-1]
    assert "chat:v2" in done.summary
    world.assert_no_secret_told(done)

    first = world.git("rev-parse", branch)
    assert fires(**HINTS).result == "success"
    assert world.git("rev-parse", branch) == first, "what was approved stays so"
    world.move("v1")
    assert fires(**HINTS).result == "success"
    assert world.branches == [branch]
    world.promotes(branch, "v1")
    assert [line.split()[1] for line in (tools / "gh.log").read_text().splitlines()] == [
        "list", "create", "list", "list",
    ]  # fmt: skip
    world.move("v0")
    assert fires(**HINTS).result == "success"
    assert world.branches == [], "there is nothing to merge any more"


def test_a_pull_request_that_could_not_be_opened_is_asked_for_again(
    world: World, tools: Path, fires: Callable[..., Job]
) -> None:
    (tools / "deny").touch()
    assert fires(**HINTS).result == "failure"
    (branch,) = world.branches
    first = world.git("rev-parse", branch)
    assert fires(**HINTS).result == "failure"
    (tools / "deny").unlink()
    assert fires(**HINTS).result == "success"
    assert (tools / "open").read_text() == "1\n"
    assert world.git("rev-parse", branch) == first


def test_an_event_says_which_environment_is_meant(world: World, fires: Callable[..., Job]) -> None:
    overlay = MANIFEST.partition("spec:")[0]
    overlay += f'spec:\n  model: {{wandb: {{artifact: "{COLLECTION}:v0"}}}}\n'
    settings = "manifests: [endpoints]\nenvironments:\n"
    settings += "  prod: {overlays: [prod.yaml]}\n  dev: {overlays: [dev.yaml]}\n"
    files = {"friendli-iac.yaml": settings, "prod.yaml": overlay, "dev.yaml": overlay}
    world.repo.merge(world.repo.push(2, files))
    assert fires(**HINTS).result == "failure", "which one is meant is not known"
    for name in ("prod", "dev"):
        done = fires(**HINTS, environment=name)
        assert done.result == "success", done.log
    dev, prod = sorted(world.branches)
    assert ("-dev-" in dev, "-prod-" in prod) == (True, True)
    assert world.git("diff", "--name-only", "main", prod) == "prod.yaml"
    assert world.git("diff", "--name-only", "main", dev) == "dev.yaml"
    group = yaml.safe_load(WORKFLOW)["jobs"]["promote"]["concurrency"]["group"]
    assert "client_payload.environment" in group


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_what_an_event_says_runs_nothing(world: World, payload: dict[str, str]) -> None:
    runner = Runner(world.repo.origin, world.home, world.env, environments={"promotion": SECRETS})
    told = Event("repository_dispatch", world.repo.main, payload={"client_payload": payload})
    done = runner.run(WORKFLOW, told)["promote"]
    assert done.result == "failure"
    assert world.branches == []
    named = re.fullmatch("[A-Za-z0-9._-]*", payload.get("environment", ""))
    assert ("the event names no environment" in done.log) is (named is None)
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

    options.unlink()  # nothing shows a merge request: it could not be opened
    later = {**told, "GIT_COMMITTER_DATE": "2040-01-01T00:00:00Z"}  # no pipeline is that quick
    assert runner.run(PIPELINE, world.repo.main, **later)["promote"].result == "success"
    assert "merge_request.create" in options.read_text()
    world.git("update-ref", "refs/merge-requests/1/head", branch)
    options.unlink()
    assert runner.run(PIPELINE, world.repo.main, **later)["promote"].result == "success"
    assert not options.exists(), "what was approved stays so"
    world.git("update-ref", "-d", "refs/merge-requests/1/head")
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
