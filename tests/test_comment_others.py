"""`comment`: what is said of a part of a project, and what becomes of the comments of others."""

from __future__ import annotations

import pytest

from tests.forges import FakeForge, sha
from tests.forges_data import Answer, Request
from tests.harness import Project, endpoint
from tests.test_comment import comment, plan


@pytest.fixture
def project(project: Project) -> Project:
    project.write("name: shop\nmanifests: [endpoints/]\n", "friendli-iac.yaml")
    project.write(endpoint(), "endpoints/chat.yaml")
    return project


def test_a_narrowed_plan_says_so(project: Project, forge: FakeForge, token: str) -> None:
    """What it does not look at may have changes."""
    project.write(endpoint() + "---\n" + endpoint("other"), "endpoints/chat.yaml")
    assert project.apply().code == 0
    project.write(endpoint(), "endpoints/chat.yaml")
    env = forge.github(project.root, 7, token)
    plan(project, env, "plan.json", "--target", "Endpoint/chat")
    assert project.run("comment", "plan.json", "--status", env=env).code == 0
    assert "narrowed to --target Endpoint/chat" in forge.comments(7)[0].body
    [status] = forge.status_log
    assert status["description"] == "no changes; narrowed to --target Endpoint/chat"


def test_a_project_with_another_name_leaves_no_old_plan(
    project: Project, forge: FakeForge, token: str
) -> None:
    comment(project, forge, forge.github(project.root, 7, token))
    forge.push(7, sha("renamed"))
    project.write("name: store\nmanifests: [endpoints/]\n", "friendli-iac.yaml")
    env = forge.github(project.root, 7, token)
    plan(project, env)
    for _ in range(2):
        assert project.run("comment", "plan.json", env=env).code == 0
        old, new = forge.comments(7)
        assert "it is out of date" in old.body
        assert "1 to create" not in old.body
        assert "1 to create" in new.body
        assert len(forge.writes()) == 3
    # A job of the other project, at last: nothing was taken from it.
    project.write("name: shop\nmanifests: [endpoints/]\n", "friendli-iac.yaml")
    assert comment(project, forge, env).code == 0
    assert "1 to create" in old.body


def test_another_job_took_it_for_old(project: Project, forge: FakeForge, token: str) -> None:
    """It looked before this one wrote, and wrote after it."""
    env = forge.github(project.root, 7, token)
    comment(project, forge, env)
    [note] = forge.comments(7)
    before, lists = note.body, 0
    answer = forge.answer

    def meanwhile(request: Request) -> Answer | None:
        nonlocal lists
        told = answer(request)
        lists += request.method == "GET" and request.path.endswith("/comments")
        if lists == 1:
            note.body, lists = outdated, 2
        return told

    mark = note.body.split(" ")[4]
    outdated = before.replace(mark, "digest=outdated", 1)
    forge.answer = meanwhile  # type: ignore[method-assign]
    assert project.run("comment", "plan.json", env=env).code == 0
    assert note.body == before


def test_a_slow_job_takes_nothing_of_a_newer_push(
    project: Project, forge: FakeForge, token: str
) -> None:
    """It looked at the pull request before that push."""
    env = forge.github(project.root, 7, token)
    plan(project, env, "staging.json", "--env", "staging", "--state", "file:staging.json")
    assert project.run("comment", "staging.json", env=env).code == 0
    [note] = forge.comments(7)
    newer = note.body.replace(f"commit={forge.pulls[7].head}", f"commit={sha('newer')}")
    assert newer != note.body
    answer = forge.answer

    def meanwhile(request: Request) -> Answer | None:
        told = answer(request)
        if request.path.endswith("/pulls/7") and note.body != newer:
            forge.push(7, sha("newer"))
            note.body = newer
        return told

    forge.answer = meanwhile  # type: ignore[method-assign]
    plan(project, env, "prod.json", "--env", "prod", "--state", "file:prod.json")
    assert project.run("comment", "prod.json", env=env).code == 0
    assert note.body == newer


def test_no_two_share_a_status(project: Project, forge: FakeForge, token: str) -> None:
    env = forge.github(project.root, 7, token)
    for name, more in (("a", ["--env", "b"]), ("a/b", []), ("'a:b'", []), ("a%3Ab", [])):
        project.write(f"name: {name}\nmanifests: [endpoints/]\n", "friendli-iac.yaml")
        plan(project, env, "plan.json", *more, "--state", "file:s.json")
        assert project.run("comment", "plan.json", "--status", env=env).code == 0
    assert len({status["context"] for status in forge.status_log}) == 4
