"""A stand-in for GitHub and GitLab on loopback: one repository, seen through both APIs.

Written from their documentation (docs.github.com/en/rest, docs.gitlab.com/api): tokens and what
they may, pages, limits of length and rate. Its clock goes on by a second with each request.

    with FakeForge() as forge:
        token = forge.account("github-actions[bot]")
        forge.pull(7)
        env = forge.github(tmp_path, 7, token)       # what a job of GitHub Actions has
        ...
        forge.comments(7), forge.requests, forge.merge(7)

`fail` and `cut` make something go wrong with requests that match.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.forges_data import (
    PROJECT,
    REPO,
    WRITE,
    Answer,
    Fault,
    IssueRecord,
    Note,
    PullRequest,
    Request,
    sha,
)
from tests.forges_github import GitHubApi
from tests.forges_gitlab import GitLabApi
from tests.served import Served

__all__ = [
    "BOT",
    "PROJECT",
    "REPO",
    "WRITE",
    "FakeForge",
    "IssueRecord",
    "Note",
    "PullRequest",
    "sha",
]

BOT = "github-actions[bot]"  # whom the jobs of GitHub Actions write as


@dataclass
class FakeForge(Served):
    """See the top of this file."""

    accounts: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    issues: list[IssueRecord] = field(default_factory=list)
    status_log: list[dict[str, str]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    seconds: float = field(default_factory=lambda: float(int(time.time())))
    next_id: int = 1000
    max_page: int = 100
    filters: bool = True  # whether lists of issues heed who made them

    # --- what is there ---

    def account(self, login: str, *, may: frozenset[str] | set[str] = WRITE) -> str:
        """A token of the account, which may write these things. All may read."""
        token = f"ghs_canary{len(self.accounts)}{sha(login)[:20]}"
        self.accounts[token] = (login, frozenset(may))
        return token

    def pull(self, number: int, head: str = "") -> PullRequest:
        """Opens a pull request."""
        self.pulls[number] = PullRequest(number, "", "")
        return self.push(number, head or sha(f"pull {number}"))

    def push(self, number: int, head: str) -> PullRequest:
        """A new commit on the branch of a pull request."""
        pull = self.pulls[number]
        pull.head, pull.tried = head, sha(f"{head} tried")
        return pull

    def merge(self, number: int, how: str = "merge") -> str:
        """Merges (`merge`, `squash`, or `fast-forward`); the commit that this makes."""
        pull = self.pulls[number]
        commit = pull.head if how == "fast-forward" else sha(f"{pull.head} {how}")
        pull.merged_at = self.now()
        pull.merge_commit = commit if how == "merge" else None
        pull.squash_commit = commit if how == "squash" else None
        return commit

    def comments(self, number: int) -> list[Note]:
        """The comments on a pull request."""
        return [note for note in self.notes if note.thread == ("pull", number)]

    def comment(self, number: int, login: str, body: str, *, thread: str = "pull") -> Note:
        """Somebody comments."""
        note = Note(self.new_id(), (thread, number), login, body, self.now())
        self.notes.append(note)
        return note

    def writes(self) -> list[str]:
        """The requests that could change something, as `METHOD path`."""
        return [
            f"{request.method} {request.path}"
            for request in self.requests
            if request.method != "GET" and not request.path.endswith("/graphql")
        ]

    def now(self) -> str:
        self.seconds += 1
        return datetime.fromtimestamp(self.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    # --- what goes wrong ---

    def fail(
        self,
        method: str,
        path: str,
        status: int,
        *,
        headers: Mapping[str, str] = {},
        body: Any = None,
        times: int = 1,
    ) -> None:
        """The next `times` requests whose path matches get this answer, and have no effect."""
        self.faults.append(Fault(method, path, Answer(status, body, headers), times=times))

    def cut(self, method: str, path: str, *, before: bool = False, times: int = 1) -> None:
        """Their connection ends: after the effect, or before it."""
        self.faults.append(Fault(method, path, before=before, times=times))

    # --- what a job has ---

    def github(self, folder: Path, number: int, token: str = "") -> dict[str, str]:
        """The environment of a job of GitHub Actions for a pull request, at its head now."""
        pull = self.pulls[number]
        folder.mkdir(parents=True, exist_ok=True)
        event = folder / f"event-{len(self.requests)}-{pull.head[:7]}.json"
        told = {"number": number, "pull_request": {"number": number, "head": {"sha": pull.head}}}
        event.write_text(json.dumps(told))
        return {
            **self._github(folder, token),
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REF": f"refs/pull/{number}/merge",
            "GITHUB_SHA": pull.tried,
        }

    def github_push(self, folder: Path, commit: str, token: str = "") -> dict[str, str]:
        """The environment of a job of GitHub Actions for a push to the main branch."""
        event = folder / f"push-{commit[:7]}.json"
        event.write_text(json.dumps({"ref": "refs/heads/main", "after": commit}))
        return {
            **self._github(folder, token),
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_SHA": commit,
        }

    def _github(self, folder: Path, token: str) -> dict[str, str]:
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.url,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_RUN_ID": "88",
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            **({"GITHUB_TOKEN": token} if token else {}),
        }

    def gitlab(self, number: int = 0, token: str = "", commit: str = "") -> dict[str, str]:
        """The environment of a job of GitLab CI, for a merge request or for a commit."""
        pull = self.pulls.get(number)
        return {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{self.url}/api/v4",
            "CI_PROJECT_ID": str(PROJECT),
            "CI_MERGE_REQUEST_PROJECT_ID": str(PROJECT) if pull else "",
            "CI_PROJECT_URL": f"https://gitlab.com/{REPO}",
            "CI_JOB_URL": f"https://gitlab.com/{REPO}/-/jobs/88",
            "CI_JOB_TOKEN": "glcbt-canary-0123456789",
            "CI_COMMIT_SHA": commit or (pull.head if pull else ""),
            **({"CI_MERGE_REQUEST_IID": str(number)} if pull else {}),
            **({"GITLAB_TOKEN": token} if token else {}),
        }

    # --- the server ---

    def answer(self, request: Request) -> Answer | None:
        """What comes of a request; None: the connection is cut."""
        for fault in self.faults:
            if fault.method == request.method and re.search(fault.path, request.path):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                if not fault.before:
                    self._done(request)
                return fault.answer
        return self._done(request)

    def _done(self, request: Request) -> Answer:
        path = unquote(request.path)
        if path.startswith("/api/v4/"):
            return GitLabApi(self).answer(request, request.path.removeprefix("/api/v4"))
        path = re.sub(r"^/api(/v3)?(?=/)", "", path)  # as on a server of one's own
        return GitHubApi(self).answer(request, path.replace("/repositories/1/", f"/repos/{REPO}/"))

    def paged(self, request: Request, rows: list[dict[str, Any]], default: int) -> Answer:
        """One page of a list, and where the next one is."""
        size = min(int(request.query.get("per_page", default)), self.max_page)
        page = int(request.query.get("page", 1))
        headers = {}
        if page * size < len(rows):
            path = request.path.replace(f"/repos/{REPO}/", "/repositories/1/")  # as GitHub does
            query = "&".join(f"{k}={v}" for k, v in request.query.items() if k != "page")
            following = f"{self.url}{path}?{query}&page={page + 1}"
            headers = {"Link": f'<{following}>; rel="next", <{self.url}/last>; rel="last"'}
        return Answer(200, rows[(page - 1) * size : page * size], headers)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        content, more = b"", True
        while more:
            message = await receive()
            content, more = content + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        token = headers.get("private-token") or headers.get("authorization", "")
        request = Request(
            scope["method"],
            scope["raw_path"].decode().partition("?")[0],
            {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()},
            token.removeprefix("Bearer "),
            json.loads(content) if content else {},
        )
        self.requests.append(request)
        answer = self.answer(request)
        body = b"" if answer is None or answer.body is None else json.dumps(answer.body).encode()
        if answer is not None and isinstance(answer.body, str):
            body = answer.body.encode()
        sent = {"Content-Type": "application/json", **(answer.headers if answer else {})}
        # A body that is shorter than it is said to be is how a connection that is lost looks.
        sent["Content-Length"] = str(len(body)) if answer else "100"
        status = answer.status if answer else 200
        encoded = [(name.encode(), value.encode()) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body, "more_body": answer is None})
        await asyncio.sleep(0)
