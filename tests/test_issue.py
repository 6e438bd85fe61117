"""`issue`: one for each name, opened, updated, closed and opened again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.forges import BOT, REPO, FakeForge, IssueRecord
from tests.harness import TOKEN, Project, Result


@pytest.fixture
def forge() -> Iterator[FakeForge]:
    with FakeForge() as forge:
        yield forge


@pytest.fixture
def project(project: Project) -> Project:
    project.write("name: shop\n", "friendli-iac.yaml")
    return project


@pytest.fixture(params=["github", "gitlab"])
def env(request: pytest.FixtureRequest, project: Project, forge: FakeForge) -> dict[str, str]:
    if request.param == "gitlab":
        return forge.gitlab(0, forge.account("project_42_bot"), "0" * 40)
    return forge.github_push(project.root, "0" * 40, forge.account(BOT))


def keep(project: Project, env: dict[str, str], text: str, name: str = "drift") -> Result:
    arguments = ("--auto", "--title", f"{name} in production", "--body", "-")
    result = project.run("issue", name, *arguments, env={**env, "FRIENDLI_TOKEN": ""}, stdin=text)
    assert result.code == 0, result
    return result


def test_its_life(project: Project, forge: FakeForge, env: dict[str, str]) -> None:
    for number in range(120):  # those of others are passed over
        forge.issues.append(IssueRecord(number + 1, "somebody", "t", "b", forge.now()))
    opened = keep(project, env, "two replicas more\n")
    issue = forge.issues[-1]
    assert opened.out.strip().endswith(f"/issues/{issue.number}")
    assert (opened.err, issue.open, issue.title) == ("opened\n", True, "drift in production")
    assert issue.body.endswith("two replicas more\n")
    assert keep(project, env, "two replicas more\n").err == "unchanged\n"
    assert len(forge.writes()) == 1
    assert keep(project, env, "three\n").err == "updated\n"
    close = ("issue", "drift", "--close", "--comment", "It is gone.")
    closed = project.run(*close, env=env)
    assert (closed.code, closed.err, issue.open) == (0, "closed\n", False)
    [said] = [n for n in forge.notes if n.thread == ("issue", issue.number)]
    assert said.body == "It is gone."
    again = project.run(*close, env=env)
    assert (again.code, again.out) == (0, "")
    assert "no issue about drift is open" in again.err
    assert len(forge.notes) == 1
    assert keep(project, env, "again\n").err == "reopened\n"
    assert issue.open
    assert len(forge.issues) == 121


def test_one_for_each_name_and_environment(
    project: Project, forge: FakeForge, env: dict[str, str]
) -> None:
    keep(project, env, "a")
    keep(project, env, "b", name="reap")
    keep(project, {**env, "FRIENDLI_IAC_ENV": "prod"}, "c")
    assert len(forge.issues) == 3


def test_a_forged_mark(project: Project, forge: FakeForge, env: dict[str, str]) -> None:
    keep(project, env, "a")
    theirs = forge.issues[0]
    theirs.login, before, forge.filters = "mallory", theirs.body, False
    keep(project, env, "b")
    assert (theirs.body, len(forge.issues)) == (before, 2)


@pytest.mark.parametrize("before", [False, True], ids=["after it", "before it"])
def test_lost_answers(
    project: Project, forge: FakeForge, env: dict[str, str], before: bool
) -> None:
    forge.cut("POST", "issues$", before=before)
    keep(project, env, "a")
    assert len(forge.issues) == 1
    forge.cut("POST", "(comments|notes)$", before=before)
    forge.cut("PATCH" if "GITHUB_ACTIONS" in env else "PUT", r"issues/\d+$", before=before)
    assert project.run("issue", "drift", "--close", "--comment", "gone", env=env).code == 0
    assert len(forge.notes) == 1
    assert not forge.issues[0].open


def test_two_jobs_at_once(project: Project, forge: FakeForge, env: dict[str, str]) -> None:
    keep(project, env, "a")
    first = forge.issues[0]
    twin = IssueRecord(99, first.login, first.title, first.body, forge.now())
    forge.issues.append(twin)
    keep(project, env, "b")
    assert (first.open, twin.open) == (True, False)
    assert first.body.endswith("b")


def test_a_long_body_is_cut_at_a_line(
    project: Project, forge: FakeForge, env: dict[str, str]
) -> None:
    line = "x" * 99
    keep(project, env, "```\n" + f"{line}\n" * 1000 + "```\n")
    body = forge.issues[0].body
    assert len(body) <= 60_000
    mark, fence, *lines = body.rstrip().split("\n")
    assert mark.startswith("<!-- friendli-iac issue ")
    assert fence == "```"
    assert set(lines[:-3]) == {line}
    assert lines[-3:] == ["```", "", "*The rest is left out here: it would be too long.*"]


def test_secrets_and_long_titles(project: Project, forge: FakeForge, env: dict[str, str]) -> None:
    body = project.write(f"{TOKEN} {env.get('GITHUB_TOKEN') or env.get('GITLAB_TOKEN')}", "b.md")
    title = f"{TOKEN}\n" + "t" * 999
    result = project.run("issue", "x", "--title", title, "--body", str(body), env={**env})
    assert result.code == 0, result
    [issue] = forge.issues
    assert "canary" not in f"{issue.title}{issue.body}{result}"
    assert len(issue.title) <= 250
    assert "\n" not in issue.title


def test_what_a_token_may_not_do_is_said(project: Project, forge: FakeForge) -> None:
    env = forge.github_push(project.root, "0" * 40, forge.account(BOT, may=set()))
    result = project.run("issue", "x", "--title", "t", "--body", "-", env=env, stdin="b")
    assert result.code == 3
    assert "issues: write" in result.err
    assert forge.writes() == [f"POST /repos/{REPO}/issues"]


@pytest.mark.parametrize(
    "more",
    [(), ("--title", "t"), ("--close", "--title", "t"), ("--title", "t", "--body", "no/file")],
)
def test_wrong_usage(project: Project, forge: FakeForge, more: tuple[str, ...]) -> None:
    env = forge.github_push(project.root, "0" * 40, forge.account(BOT))
    assert project.run("issue", "x", *more, env=env).code == 64
    assert forge.requests == []


def test_a_body_does_not_lead_out_of_the_project(project: Project, forge: FakeForge) -> None:
    secret = project.root.parent / "secret.md"
    secret.write_text("hunter2-canary")
    (project.root / "body.md").symlink_to(secret)
    env = forge.github_push(project.root, "0" * 40, forge.account(BOT))
    typed = ("issue", "drift", "--auto", "--title", "t", "--body")
    told = project.run(*typed, "body.md", env=env)
    assert told.code == 1, told
    assert "body.md: the link leads out of the project" in told.err
    assert forge.issues == []
    assert project.run(*typed, str(secret), env=env).code == 0
    assert "hunter2" in forge.issues[-1].body
