"""`approved`: the digest of what was merged, and of nothing else."""

from __future__ import annotations

import json

import pytest

from tests.forges import BOT, FakeForge, Note, sha
from tests.harness import Project, Result, endpoint


@pytest.fixture
def project(project: Project) -> Project:
    project.write("name: shop\nmanifests: [endpoints/]\n", "friendli-iac.yaml")
    project.write(endpoint(), "endpoints/chat.yaml")
    return project


@pytest.fixture
def note(project: Project, forge: FakeForge, token: str) -> Note:
    """The comment of the plan that is to be merged."""
    env = forge.github(project.root, 7, token)
    assert project.run("plan", "--out", "plan.json", env=env).code == 0
    assert project.run("comment", "plan.json", env=env).code == 0
    return forge.comments(7)[0]


def approved(project: Project, forge: FakeForge, token: str, commit: str, *more: str) -> Result:
    env = {**forge.github_push(project.root, commit, token), "FRIENDLI_TOKEN": ""}
    return project.run("approved", "--auto", *more, env=env)


@pytest.mark.parametrize("how", ["merge", "squash", "fast-forward"])
def test_what_was_merged_is_applied(
    project: Project, forge: FakeForge, token: str, note: Note, how: str
) -> None:
    commit = forge.merge(7, how)
    result = approved(project, forge, token, commit)
    assert result.code == 0, result
    planned = json.loads((project.root / "plan.json").read_text())["digest"]
    assert result.out == f"{planned}\n"
    assert len(planned) == 64
    assert [r.method for r in forge.requests if "graphql" not in r.path][-2:] == ["GET", "GET"]
    env = forge.github_push(project.root, commit, token)
    assert project.apply("--approved", planned, env=env).code == 0
    assert project.state["resources"]


@pytest.mark.parametrize("how", ["merge", "squash", "fast-forward"])
def test_gitlab(project: Project, forge: FakeForge, how: str) -> None:
    token = forge.account("project_42_bot")
    env = forge.gitlab(7, token)
    assert project.run("plan", "--out", "plan.json", env=env).code == 0
    assert project.run("comment", "plan.json", env=env).code == 0
    commit = forge.merge(7, how)
    result = project.run("approved", "--auto", env=forge.gitlab(0, token, commit))
    assert result.code == 0, result
    assert result.out.strip() == json.loads((project.root / "plan.json").read_text())["digest"]


def refused(result: Result) -> str:
    """Why nothing is approved; what comes to stdout would be taken for a digest."""
    assert (result.code, result.out) == (1, ""), result
    assert "error: nothing is approved: " in result.err
    assert "  next: " in result.err
    return result.err


def test_not_merged(project: Project, forge: FakeForge, token: str, note: Note) -> None:
    for commit in (forge.pulls[7].head, forge.pulls[7].tried):
        assert "#7 is not" in refused(approved(project, forge, token, commit))
    assert "no pull request was merged as" in refused(approved(project, forge, token, sha("x")))


def test_a_commit_on_the_way_is_not_what_was_merged(
    project: Project, forge: FakeForge, token: str, note: Note
) -> None:
    forge.merge(7)
    refused(approved(project, forge, token, forge.pulls[7].head))


def test_no_comment(project: Project, forge: FakeForge, token: str, note: Note) -> None:
    forge.notes.clear()
    assert "has no comment of github-actions" in refused(
        approved(project, forge, token, forge.merge(7))
    )


def test_two_that_were_merged_as_one(
    project: Project, forge: FakeForge, token: str, note: Note
) -> None:
    forge.pull(8, sha("pull 7"))
    commit = forge.merge(8, "fast-forward")
    forge.merge(7, "fast-forward")
    assert "#7, #8 were all merged as" in refused(approved(project, forge, token, commit))
    assert approved(project, forge, token, commit, "--number", "7").code == 0


def test_a_comment_of_somebody_else(
    project: Project, forge: FakeForge, token: str, note: Note
) -> None:
    note.login = "mallory"
    commit = forge.merge(7)
    refused(approved(project, forge, token, commit))
    # Who plans may be another account than who applies: then that must be said.
    assert approved(project, forge, token, commit, "--author", "mallory").code == 0


def test_another_environment(project: Project, forge: FakeForge, token: str, note: Note) -> None:
    refused(approved(project, forge, token, forge.merge(7), "--env", "prod"))


def test_pushed_to_after_the_plan(
    project: Project, forge: FakeForge, token: str, note: Note
) -> None:
    forge.push(7, sha("sneaked in"))
    assert sha("pull 7")[:12] in refused(approved(project, forge, token, forge.merge(7)))


def test_the_last_plan_failed(project: Project, forge: FakeForge, token: str, note: Note) -> None:
    env = forge.github(project.root, 7, token)
    project.run("comment", "--failed", "a defect", env=env)
    assert "the last plan of #7 failed" in refused(approved(project, forge, token, forge.merge(7)))


def test_a_plan_that_nobody_may_apply(
    project: Project, forge: FakeForge, token: str, note: Note
) -> None:
    """Not even where what is merged brings guardrails by which it passes."""
    project.write("policy: {maxReplicas: 1}\n", "main-policy.yaml")
    env = forge.github(project.root, 7, token)
    denied = project.run("plan", "--out", "plan.json", "--policy", "main-policy.yaml", env=env)
    assert denied.code == 5
    assert project.run("comment", "plan.json", env=env).code == 0
    assert "digest=denied" in note.body.split("\n")[0]
    commit = forge.merge(7)
    assert "the plan in #7 was denied" in refused(approved(project, forge, token, commit))
    note.body = note.body.replace("digest=denied", "digest=refused")
    assert "the plan in #7 was refused" in refused(approved(project, forge, token, commit))


def test_written_after_the_merge(
    project: Project, forge: FakeForge, token: str, note: Note
) -> None:
    commit = forge.merge(7)
    note.updated = forge.now()
    assert "after it was merged" in refused(approved(project, forge, token, commit))


def test_a_digest_is_all_that_comes_to_stdout(
    project: Project, forge: FakeForge, token: str, note: Note
) -> None:
    note.body = note.body.replace("digest=", "digest=$(id)")
    refused(approved(project, forge, token, forge.merge(7)))


def test_without_a_token_or_a_commit(project: Project, forge: FakeForge, note: Note) -> None:
    result = approved(project, forge, "", forge.merge(7))
    assert (result.code, result.out) == (3, "")
    env = forge.github_push(project.root, "", forge.account(BOT))
    assert project.run("approved", env=env).code == 64
