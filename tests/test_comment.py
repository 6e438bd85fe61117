"""`comment`: one for each project and environment, and never an older plan than the newest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.forges import BOT, REPO, FakeForge, sha
from tests.harness import TOKEN, Project, Result, endpoint

ADD = f"POST /repos/{REPO}/issues/7/comments"


@pytest.fixture
def project(project: Project) -> Project:
    project.write("name: shop\nmanifests: [endpoints/]\n", "friendli-iac.yaml")
    project.write(endpoint(), "endpoints/chat.yaml")
    return project


def plan(project: Project, env: dict[str, str], name: str = "plan.json", *more: str) -> Path:
    result = project.run("plan", "--out", name, *more, env=env)
    assert result.code == 0, result
    return project.root / name


def comment(project: Project, forge: FakeForge, env: dict[str, str], *more: str) -> Result:
    """Plans and comments, as one job does."""
    plan(project, env)
    return project.run("comment", "plan.json", "--auto", *more, env=env)


# --- one comment ---


def test_a_push_changes_the_same_comment(project: Project, forge: FakeForge, token: str) -> None:
    first = comment(project, forge, forge.github(project.root, 7, token))
    assert first.code == 0, first
    [note] = forge.comments(7)
    assert first.out == f"https://github.com/{REPO}/pull/7#issuecomment-{note.id}\n"
    assert note.body.startswith("<!-- friendli-iac plan of=")
    assert "1 to create" in note.body
    # Links are to a commit that is kept, and not to the merge that was tried out.
    assert f"/{REPO}/blob/{sha('pull 7')}/endpoints/chat.yaml#L" in note.body
    assert f"/blob/{forge.pulls[7].tried}" not in note.body
    project.write(endpoint() + "---\n" + endpoint("other"), "endpoints/chat.yaml")
    forge.push(7, sha("second"))
    second = comment(project, forge, forge.github(project.root, 7, token))
    assert second.out == first.out
    assert forge.comments(7) == [note]
    assert "2 to create" in note.body
    assert f"commit={sha('second')} " in note.body
    assert forge.writes() == [ADD, f"PATCH /repos/{REPO}/issues/comments/{note.id}"]
    # The same plan once more: there is nothing to write.
    project.run("comment", "plan.json", env=forge.github(project.root, 7, token))
    assert len(forge.writes()) == 2
    assert token not in project.everything_written() + str(first) + str(second)


def test_gitlab(project: Project, forge: FakeForge) -> None:
    token = forge.account("project_42_bot")
    first = comment(project, forge, forge.gitlab(7, token), "--status")
    assert first.code == 0, first
    [note] = forge.comments(7)
    page = "https://gitlab.com/acme/shop/-/merge_requests/7"
    assert first.out == f"{page}#note_{note.id}\n"
    project.write(endpoint(maximum=3), "endpoints/chat.yaml")
    second = comment(project, forge, forge.gitlab(7, token), "--status")
    assert second.out == first.out
    put = f"PUT /api/v4/projects/42/merge_requests/7/notes/{note.id}"
    status = f"POST /api/v4/projects/42/statuses/{forge.pulls[7].head}"
    # Which state it has already, GitLab refuses to set: that is no error.
    add = "POST /api/v4/projects/42/merge_requests/7/notes"
    assert forge.writes() == [add, status, put, status]
    assert second.code == 0, second
    assert all(request.token == token for request in forge.requests)
    assert token not in str(first)


def test_enterprise_by_its_base_url(project: Project, forge: FakeForge, token: str) -> None:
    env = {**forge.github(project.root, 7, token), "GITHUB_API_URL": f"{forge.url}/api/v3"}
    assert comment(project, forge, env).code == 0
    assert {r.path for r in forge.requests} == {
        "/api/graphql",
        f"/api/v3/repos/{REPO}/pulls/7",
        f"/api/v3/repos/{REPO}/issues/7/comments",
    }


def test_each_environment_has_its_own(project: Project, forge: FakeForge, token: str) -> None:
    env = forge.github(project.root, 7, token)
    for name in ("staging", "prod", "staging"):
        plan(project, env, "plan.json", "--env", name, "--state", f"file:{name}.json")
        project.run("comment", "plan.json", env=env)
    assert len(forge.comments(7)) == 2


def test_the_comment_on_the_last_page_is_found(
    project: Project, forge: FakeForge, token: str
) -> None:
    for number in range(205):
        forge.comment(7, "somebody", f"remark {number}")
    env = forge.github(project.root, 7, token)
    comment(project, forge, env)
    project.write(endpoint(maximum=3), "endpoints/chat.yaml")
    comment(project, forge, env)
    assert len(forge.comments(7)) == 206
    pages = [r.query["page"] for r in forge.requests if "page" in r.query]
    assert pages == ["2", "3"] * (len(pages) // 2)


# --- what is true stays ---


def test_no_changes_is_one_line(project: Project, forge: FakeForge, token: str) -> None:
    env = forge.github(project.root, 7, token)
    comment(project, forge, env)
    assert project.apply().code == 0
    comment(project, forge, env)
    [note] = forge.comments(7)
    mark, line = note.body.rstrip().split("\n")
    assert line.startswith("friendli-iac plan of **shop**: no changes (1 unchanged).")
    assert "digest=none" not in mark


def test_an_older_plan_does_not_replace_a_newer_one(
    project: Project, forge: FakeForge, token: str
) -> None:
    env = forge.github(project.root, 7, token)
    old = plan(project, env, "old.json")
    document = json.loads(old.read_text())
    comment(project, forge, env)
    [note] = forge.comments(7)
    before = note.body
    # The comment is of a later plan of the same commit.
    note.body = before.replace(document["created"][:4], "2999", 1)
    result = project.run("comment", "old.json", "--status", env=env)
    assert (result.code, note.body[:30]) == (0, before[:30])
    assert "a newer plan stands there" in result.err
    # Nor does one of which it is not known which push it is of.
    assert json.loads(plan(project, {}, "old.json").read_text())["commit"] == ""
    assert "a newer plan stands there" in project.run("comment", "old.json", env=env).err
    assert len(forge.writes()) == 1
    assert forge.status_log == []


def test_the_plan_of_an_older_push_is_not_written(
    project: Project, forge: FakeForge, token: str
) -> None:
    slow = forge.github(project.root, 7, token)
    forge.push(7, sha("second"))
    quick = forge.github(project.root, 7, token)
    comment(project, forge, quick)
    [note] = forge.comments(7)
    before = note.body
    # The job of the first push is late: its plan was even made after the other one.
    project.write(endpoint(maximum=9), "endpoints/chat.yaml")
    late = comment(project, forge, slow)
    assert late.code == 0
    assert "nothing was written" in late.err
    assert note.body == before
    # And the other way round: what is about an older push is replaced, whenever it was made.
    note.body = before.replace(sha("second"), sha("pull 7")).replace("created=2", "created=3")
    assert comment(project, forge, quick).code == 0
    assert f"commit={sha('second')}" in note.body


def test_after_the_merge_it_stays_as_it_is(project: Project, forge: FakeForge, token: str) -> None:
    env = forge.github(project.root, 7, token)
    comment(project, forge, env)
    forge.merge(7)
    project.write(endpoint(maximum=9), "endpoints/chat.yaml")
    again = comment(project, forge, env)  # somebody runs the job once more
    assert again.code == 0
    assert "#7 is merged" in again.err
    assert forge.writes() == [ADD]


def test_a_failed_plan_takes_the_old_one_away(
    project: Project, forge: FakeForge, token: str
) -> None:
    env = forge.github(project.root, 7, token)
    comment(project, forge, env)
    reason = f"exit 1 <!-- {TOKEN} @acme/all ](https://evil.example)"
    result = project.run("comment", "--failed", reason, "--status", env=env)
    assert result.code == 0, result
    [note] = forge.comments(7)
    assert "digest=none" in note.body.split("\n")[0]
    assert "1 to create" not in note.body
    assert "the last plan failed: exit 1 " in note.body
    for hostile in ("<!-- *", "canary", "@acme", "](https://evil"):
        assert hostile not in note.body
    assert "actions/runs/88" in note.body
    [status] = forge.status_log
    assert (status["state"], status["context"]) == ("failure", "friendli-iac/shop")
    assert status["sha"] == forge.pulls[7].head


def test_settings_that_cannot_be_read_leave_no_old_plan(
    project: Project, forge: FakeForge, token: str
) -> None:
    comment(project, forge, forge.github(project.root, 7, token))
    forge.push(7, sha("broken"))
    project.write("name: [\n", "friendli-iac.yaml")
    env = forge.github(project.root, 7, token)
    assert project.run("plan", "--out", "plan.json", env=env).code == 1
    for _ in range(2):
        result = project.run("comment", "--failed", "exit 1", env=env)
        assert result.code == 0, result
        assert "it is not known which plan failed" in result.err
    [note] = forge.comments(7)
    assert "the last plan failed" in note.body
    assert "1 to create" not in note.body
    project.write("name: shop\nmanifests: [endpoints/]\n", "friendli-iac.yaml")
    forge.push(7, sha("mended"))
    comment(project, forge, forge.github(project.root, 7, token))
    assert forge.comments(7) == [note]
    assert "1 to create" in note.body


# --- status ---


def test_a_status_of_the_head(project: Project, forge: FakeForge, token: str) -> None:
    env = forge.github(project.root, 7, token)
    plan(project, env, "plan.json", "--env", "prod")
    assert project.run("comment", "plan.json", "--status", env=env).code == 0
    [status] = forge.status_log
    assert status["sha"] == forge.pulls[7].head != env["GITHUB_SHA"]
    assert status["state"] == "success"
    assert status["context"] == "friendli-iac/shop:prod"
    assert status["description"].startswith("1 to create")
    assert status["target_url"] == f"https://github.com/{REPO}/actions/runs/88"


def test_a_status_that_may_not_be_set(project: Project, forge: FakeForge) -> None:
    env = forge.github(project.root, 7, forge.account(BOT, may={"pull-requests"}))
    result = comment(project, forge, env, "--status")
    assert result.code == 0
    assert "no status is set" in result.err
    assert len(forge.comments(7)) == 1


# --- without a token that may write ---


@pytest.mark.parametrize("kind", ["none", "read-only", "no access"])
def test_the_step_summary_instead(project: Project, forge: FakeForge, kind: str) -> None:
    token = "" if kind == "none" else forge.account(BOT, may=set())
    if kind == "no access":
        forge.fail("GET", "/pulls/7", 404, body={"message": "Not Found"})
    env = forge.github(project.root, 7, token)
    result = comment(project, forge, env, "--status")
    assert (result.code, result.out) == (0, ""), result
    assert "note: no comment was written" in result.err
    assert "it is in the step summary instead" in result.err
    summary = Path(env["GITHUB_STEP_SUMMARY"]).read_text()
    assert "1 to create" in summary
    assert forge.comments(7) == []
    assert forge.status_log == []


def test_without_friendli_token_there_is_validate(project: Project) -> None:
    result = project.run("plan", env={"FRIENDLI_TOKEN": "", "CI": "true"})
    assert result.code == 3
    assert "A pull request from a fork gets no secrets in CI: friendli-iac validate" in result.err
    assert project.run("validate", env={"FRIENDLI_TOKEN": ""}).code == 0


def test_a_summary_that_is_nearly_full(project: Project, forge: FakeForge) -> None:
    many = "---\n".join(endpoint(f"endpoint-{n:03}", batch=32) for n in range(150))
    project.write(many, "endpoints/chat.yaml")
    env = forge.github(project.root, 7)
    summary = Path(env["GITHUB_STEP_SUMMARY"])
    summary.write_text("é" * ((2**20 - 20_000) // 2))
    result = comment(project, forge, env)
    assert "in the step summary instead" in result.err
    assert 2**20 - 18_000 < summary.stat().st_size <= 2**20
    summary.write_text("x" * (2**20 - 100))
    assert "the step summary is full" in comment(project, forge, env).err
    assert summary.stat().st_size == 2**20 - 100


def test_gitlab_prints_it(project: Project, forge: FakeForge) -> None:
    result = comment(project, forge, forge.gitlab(7))
    assert result.code == 0
    assert "1 to create" in result.out
    assert "CI_JOB_TOKEN may not write notes" in result.err
    assert forge.requests == []


def test_a_comment_is_never_too_long(project: Project, forge: FakeForge, token: str) -> None:
    many = "---\n".join(endpoint(f"endpoint-{n:03}") for n in range(300))
    project.write(many, "endpoints/chat.yaml")
    assert comment(project, forge, forge.github(project.root, 7, token)).code == 0
    [note] = forge.comments(7)
    assert len(note.body) <= 60_000
    mark, end = note.body.split(" ")[4], note.body[-200:]  # it was left out, and not cut off
    assert mark.removeprefix("digest=") in end
