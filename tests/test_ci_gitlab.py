"""A repository on GitLab goes through its life with the example's pipeline and script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .ci_world import CANARIES, quick
from .forges import FakeForge
from .harness import Project, names, writes
from .pipelines import GitlabRunner
from .repositories import EXAMPLE, Branch, Files, Repository
from .test_ci_github import maximum, raise_maximum
from .workflows import Job

PIPELINE = (EXAMPLE / "gitlab-ci.yml").read_text()
BOT = "project_42_bot"


@dataclass
class World:
    """A repository on GitLab, and its runners."""

    emulator: Emulator
    forge: FakeForge
    repo: Repository
    runner: GitlabRunner
    branch: Branch | None = None

    def open(self, files: Files) -> Job:
        """Opens merge request 1, or pushes to it. The job that reviews it."""
        self.branch = self.repo.push(1, files)
        if 1 in self.forge.pulls:
            self.forge.push(1, self.branch.head)
        else:
            self.forge.pull(1, self.branch.head)
        jobs = self.runner.run(
            PIPELINE,
            self.branch.head,
            CI_PIPELINE_SOURCE="merge_request_event",
            CI_MERGE_REQUEST_IID="1",
        )
        assert list(jobs) == ["review"]
        return jobs["review"]

    def on_main(self, source: str = "push") -> dict[str, Job]:
        said = {"CI_COMMIT_BRANCH": "main", "CI_PIPELINE_SOURCE": source}
        return self.runner.run(PIPELINE, self.repo.main, **said)


@pytest.fixture
def world(tmp_path: Path, emulator: Emulator) -> Iterator[World]:
    with FakeForge() as forge:
        repo = Repository(tmp_path / "git")
        applies = {"FRIENDLI_TOKEN": CANARIES["FRIENDLI_TOKEN"]}
        variables = {
            "FRIENDLI_PROJECT_ID": "p1",
            "FRIENDLI_IAC_STATE": str(tmp_path / "state.json"),
            "FRIENDLI_TOKEN": CANARIES["FRIENDLI_PLAN_TOKEN"],
            "GITLAB_TOKEN": forge.account(BOT),
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/reader",
        }
        env = {**quick(emulator), "CI_API_V4_URL": f"{forge.url}/api/v4"}
        places = {"production": applies, "reaper": applies}
        runner = GitlabRunner(repo.origin, tmp_path / "runner", env, variables, places)
        Project(repo.work, emulator.url, env=variables).apply()
        emulator.clear_requests()
        yield World(emulator, forge, repo, runner)


def test_reviewed_is_what_is_applied(world: World) -> None:
    review = world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: 4"))
    assert review.result == "success", review.log
    (note,) = world.forge.comments(1)
    assert note.login == BOT
    assert "`4`" in note.body
    assert [status["state"] for status in world.forge.status_log] == ["success"]
    assert {"plan.json", "plan.html", "outputs"} <= review.artifacts[""].keys()
    assert writes(world.emulator) == []

    assert world.branch
    world.repo.merge(world.branch)
    jobs = world.on_main()
    assert [job.result for job in jobs.values()] == ["success", "success"], jobs["apply"].log
    assert jobs["plan"].outputs["digest"] in note.body
    assert maximum(world.emulator) == 4


def test_what_was_changed_until_somebody_started_the_job_is_refused(world: World) -> None:
    world.repo.merge(world.repo.push(1, world.repo.edit("maxReplicas: 2", "maxReplicas: 4")))
    world.runner.approval = lambda job: raise_maximum(world.emulator, 3)
    apply = world.on_main()["apply"]
    assert (apply.result, apply.code) == ("failure", 6), apply.log
    assert "changed outside" in apply.log
    assert writes(world.emulator) == []


def test_without_a_token_it_is_validated_alone_and_guardrails_are_those_of_main(
    world: World,
) -> None:
    review = world.open({**world.repo.edit("maxReplicas: 2", "maxReplicas: 9"), "policy.yaml": ""})
    assert (review.result, review.code) == ("failure", 5), review.log
    (note,) = world.forge.comments(1)
    assert "denied" in note.body

    del world.runner.variables["FRIENDLI_TOKEN"]
    world.emulator.clear_requests()
    review = world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: 3"))
    assert review.result == "success"
    assert "there is no FRIENDLI_TOKEN here" in review.log
    assert world.emulator.requests == []


def test_links_in_the_place_of_the_output_lead_nowhere(world: World, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "secret").write_text(CANARIES["FILE"])
    review = world.open({"ci-out": tmp_path / "kept"})
    assert review.result == "success", review.log
    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["secret"]
    assert "secret" not in review.artifacts[""]


def test_every_hour_drift_is_told_and_what_has_expired_ends(world: World) -> None:
    raise_maximum(world.emulator, 5)
    jobs = world.on_main("schedule")
    assert {name: job.result for name, job in jobs.items()} == {
        "drift": "success",
        "reap": "success",
    }
    (issue,) = world.forge.issues
    assert "autoscaling.maxReplicas" in issue.body
    assert names(world.emulator) == ["chat"]
