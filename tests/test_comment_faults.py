"""What goes wrong between us and a forge, and who would have us write or send something else."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from typing import Any

import pytest

from friendli_iac.review.comment import Mark, key
from tests.forges import BOT, REPO, FakeForge, sha
from tests.harness import TOKEN, Project, Result, endpoint

COMMENTS = f"/repos/{REPO}/issues/7/comments"
NOW = {"Retry-After": "0"}  # a limit that is over at once, for tests do not wait


@pytest.fixture
def project(project: Project) -> Project:
    project.write("name: shop\nmanifests: [endpoints/]\n", "friendli-iac.yaml")
    project.write(endpoint(), "endpoints/chat.yaml")
    assert project.run("plan", "--out", "plan.json").code == 0
    return project


@pytest.fixture
def env(project: Project, forge: FakeForge) -> dict[str, str]:
    """A job for the pull request; the plan is of its commit."""
    env = forge.github(project.root, 7, forge.account(BOT))
    assert project.run("plan", "--out", "plan.json", env=env).code == 0
    return env


def mark(digest: str = "a" * 64, commit: str = "", name: str = "shop") -> str:
    return str(Mark("plan", key(name, ""), digest, "2030-01-01T00:00:00Z", commit))


def comment(project: Project, env: dict[str, str], *more: str) -> Result:
    return project.run("comment", "plan.json", *more, env=env)


# --- never twice ---


@pytest.mark.parametrize("before", [False, True], ids=["after it", "before it"])
def test_a_lost_answer_makes_no_second_comment(
    project: Project, forge: FakeForge, env: dict[str, str], before: bool
) -> None:
    forge.cut("POST", "comments$", before=before)
    result = comment(project, env)
    assert result.code == 0, result
    [note] = forge.comments(7)
    assert str(note.id) in result.out
    assert len(forge.writes()) == (2 if before else 1)


def test_a_lost_answer_of_an_update(
    project: Project, forge: FakeForge, env: dict[str, str]
) -> None:
    forge.comment(7, BOT, f"{mark(commit=sha('older'))}\nan older one")
    forge.cut("PATCH", "comments")
    forge.fail("GET", "/pulls/7", 502)
    forge.fail("POST", "/graphql", 503)
    assert comment(project, env).code == 0
    assert "1 to create" in forge.comments(7)[0].body


def test_two_jobs_at_once_leave_the_newest(
    project: Project, forge: FakeForge, env: dict[str, str]
) -> None:
    assert comment(project, env).code == 0
    [ours] = forge.comments(7)
    first = forge.comment(7, BOT, f"{mark(commit=sha('pull 7'))}\nof another job, later")
    forge.comment(7, BOT, f"{mark(commit=sha('older'))}\nof an older push")
    result = comment(project, env)
    assert forge.comments(7) == [first]
    assert result.out.strip().endswith(str(first.id))
    assert "a newer plan stands there" in result.err
    dropped = [write for write in forge.writes() if write.startswith("DELETE")]
    assert f"DELETE /repos/{REPO}/issues/comments/{ours.id}" in dropped


def test_ctrl_c_and_once_more(
    project: Project, forge: FakeForge, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[subprocess.Popen[str]] = []
    answer = forge.answer

    def interrupting(request: Any) -> Any:
        if request.path == COMMENTS and request.method == "POST":
            running[0].send_signal(signal.SIGINT)
        return answer(request)

    with monkeypatch.context() as patch:
        patch.setattr(forge, "answer", interrupting)
        running.append(project.spawn("comment", "plan.json", env=env))
        _, err = running[0].communicate(timeout=60)
    assert running[0].returncode == 8, err
    assert "it writes nothing twice" in err
    assert comment(project, env).code == 0
    assert len(forge.comments(7)) == 1


def test_a_comment_that_was_deleted_meanwhile(
    project: Project, forge: FakeForge, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = forge.comment(7, BOT, f"{mark(commit=sha('older'))}\nan older one")
    answer = forge.answer

    def deleting(request: Any) -> Any:
        if request.method == "PATCH" and gone in forge.notes:
            forge.notes.remove(gone)
        return answer(request)

    monkeypatch.setattr(forge, "answer", deleting)
    assert comment(project, env).code == 0
    [note] = forge.comments(7)
    assert note is not gone


# --- limits of the rate ---


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, NOW),
        (403, NOW),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
    ],
)
def test_what_is_turned_away_is_sent_again(
    project: Project, forge: FakeForge, env: dict[str, str], status: int, headers: dict[str, str]
) -> None:
    said = {"message": "You have exceeded a secondary rate limit"}
    for method, path in (("POST", "/graphql"), ("GET", "pulls/7"), ("POST", "comments$")):
        forge.fail(method, path, status, headers=headers, body=said, times=2)
    result = comment(project, env)
    assert result.code == 0, result
    assert len(forge.comments(7)) == 1


def test_a_limit_that_lasts_is_said(
    project: Project, forge: FakeForge, env: dict[str, str]
) -> None:
    reset = str(int(time.time()) + 3000)
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    forge.fail("GET", "pulls/7", 403, headers=headers, body={"message": "API rate limit exceeded"})
    started = time.monotonic()
    result = comment(project, env)
    assert time.monotonic() - started < 10
    assert result.code == 1
    assert "API rate limit exceeded" in result.err
    assert re.search(r"for another (29\d\d|3000)s", result.err)
    assert not forge.writes()


# --- answers that are none, or lead astray ---


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(401, 3, "Set GITHUB_TOKEN"), (422, 1, "Mend what the answer names"), (500, 1, "again")],
)
def test_errors(
    project: Project, forge: FakeForge, env: dict[str, str], status: int, code: int, said: str
) -> None:
    forge.fail("POST", "comments$", status, body={"message": "no\x1b[2J"}, times=9)
    result = comment(project, env)
    assert result.code == code
    assert said in result.err
    assert "Traceback" not in result.err
    assert "\x1b[2J" not in result.err
    assert "FRIENDLI_TOKEN" not in result.err


@pytest.mark.parametrize(
    "body", ["<html>", "[]", "{}", "null", '[{"id": "x"}]', '{"number": "7"}', "[" * 9999]
)
@pytest.mark.parametrize("path", ["pulls/7", "comments$"])
def test_an_answer_that_makes_no_sense(
    project: Project, forge: FakeForge, env: dict[str, str], path: str, body: str
) -> None:
    forge.fail("GET", path, 200, body=body, times=99)
    result = comment(project, env)
    assert result.code in (0, 1), result
    assert "a defect" not in result.err
    assert len(forge.comments(7)) <= 1


def test_the_token_goes_nowhere_else(
    project: Project, forge: FakeForge, env: dict[str, str]
) -> None:
    with FakeForge() as other:
        elsewhere = {"Location": f"{other.url}/repos/{REPO}/pulls/7"}
        forge.fail("GET", "pulls/7", 302, headers=elsewhere)
        moved = comment(project, env)
        assert moved.code == 1
        assert "has moved" in moved.err
        link = {"Link": f'<{other.url}{COMMENTS}?page=2>; rel="next"'}
        forge.fail("GET", "comments$", 200, headers=link, body=[])
        paged = comment(project, env)
        assert paged.code == 1
        assert "its next page is said to be elsewhere" in paged.err
        # A host whose name begins like the one that is meant.
        link = {"Link": f'<{forge.url}1{COMMENTS}?page=2>; rel="next"'}
        forge.fail("GET", "comments$", 200, headers=link, body=[])
        assert "its next page is said to be elsewhere" in comment(project, env).err
        assert other.requests == []
    token = env["GITHUB_TOKEN"]
    assert token not in f"{moved}{paged}{project.everything_written()}"


def test_pages_without_end(project: Project, forge: FakeForge, env: dict[str, str]) -> None:
    link = {"Link": f'<{forge.url}{COMMENTS}?page=2>; rel="next"'}
    forge.fail("GET", "comments$", 200, headers=link, body=[], times=999)
    assert "no end of pages" in comment(project, env).err


def test_only_https(project: Project, forge: FakeForge, env: dict[str, str]) -> None:
    result = comment(project, {**env, "GITHUB_API_URL": "http://github.example/api/v3"})
    assert result.code == 64
    assert "GITHUB_API_URL must be an https address" in result.err


def test_a_token_that_is_none(project: Project, forge: FakeForge, env: dict[str, str]) -> None:
    result = comment(project, {**env, "GITHUB_TOKEN": "ghs canary\u00e9secret"})
    assert result.code == 3
    assert "canary" not in str(result)
    assert "to GITHUB_TOKEN" in result.err


# --- those who mean ill ---


def test_a_forged_mark_is_neither_believed_nor_written_over(
    project: Project, forge: FakeForge, env: dict[str, str]
) -> None:
    forged = f"{mark(commit=sha('pull 7'))}\nAll is well."
    theirs = forge.comment(7, "mallory", forged)
    quoting = forge.comment(7, BOT, f"Welcome!\n{forged}")
    assert comment(project, env).code == 0
    assert (theirs.body, quoting.body) == (forged, f"Welcome!\n{forged}")
    assert len(forge.comments(7)) == 3


def test_no_name_breaks_out(project: Project, forge: FakeForge, env: dict[str, str]) -> None:
    name = 'x --> <img src=x onerror=alert(1)> <!-- "@acme/all `'
    project.write(f"name: {json.dumps(name)}\nmanifests: [endpoints/]\n", "friendli-iac.yaml")
    assert project.run("plan", "--out", "plan.json", env=env).code == 0
    result = comment(project, env, "--status", "--whole", f"see {TOKEN} <script>")
    assert result.code == 0, result
    [note] = forge.comments(7)
    line, rest = note.body.split("\n", 1)
    assert line.startswith("<!-- ")
    assert line.endswith(" -->")
    assert line.count("<!--") == line.count("-->") == 1
    for hostile in ("<img", "<!--", "<script", "@acme", "canary"):
        assert hostile not in rest
    assert forge.status_log[0]["context"].startswith("friendli-iac/x --> <img")  # shown as text


def test_no_commands_to_the_forge(project: Project, forge: FakeForge) -> None:
    """GitLab carries out what stands as `/merge` at the start of a line."""
    token = forge.account("project_42_bot")
    result = project.run("comment", "--failed", "x\n/merge\r/close", env=forge.gitlab(7, token))
    assert result.code == 0, result
    text = "one\n/close\n  /merge\n> /approve\rthen\r/assign @me\n```\n/spend 1h\n```\n"
    project.run(
        "issue", "drift", "--title", "Drift", "--body", "-", stdin=text, env=forge.gitlab(0, token)
    )
    for body in (forge.comments(7)[0].body, forge.issues[0].body):
        assert not any(line.lstrip("> \t").startswith("/") for line in body.splitlines())


@pytest.mark.parametrize(
    "event",
    [
        "{",
        "[]",
        '{"pull_request": {"number": "7; rm", "head": {"sha": "../../../x"}}}',
        '{"pull_request": {"number": -7, "head": 3}}',
        '{"pull_request": []}',
        '{"issue": {"number": 7}}',
    ],
)
def test_an_event_that_makes_no_sense(
    project: Project, forge: FakeForge, env: dict[str, str], event: str
) -> None:
    (project.root / "event.json").write_text(event)
    env = {**env, "GITHUB_EVENT_PATH": str(project.root / "event.json"), "GITHUB_REF": "refs/x"}
    result = comment(project, env)
    assert result.code == 64, result
    assert "--number" in result.err
    assert forge.requests == []


@pytest.mark.parametrize(
    "more",
    [
        ("--repo", "acme/../../user"),
        ("--repo", "acme/shop/extra"),
        ("--repo", "acme"),
        ("--repo", "acme/.."),
        ("--commit", "../../x"),
        ("--failed", "both"),
    ],
)
def test_wrong_usage(
    project: Project, forge: FakeForge, env: dict[str, str], more: tuple[str, ...]
) -> None:
    assert comment(project, env, *more).code == 64
    assert forge.requests == []


def test_outside_of_ci(project: Project, forge: FakeForge) -> None:
    assert "--github or --gitlab" in project.run("comment", "plan.json").err
