"""How GitLab answers, for `tests.forges`: paths, bodies, refusals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.forges_data import (
    PROJECT,
    REPO,
    Answer,
    IssueRecord,
    Note,
    PullRequest,
    Request,
    Row,
    commits,
    needed,
    new_issue,
)

if TYPE_CHECKING:
    from tests.forges import FakeForge

LONGEST_NOTE = 1_000_000
LONGEST_TITLE = 255


class GitLabApi:
    """https://docs.gitlab.com/api, version 4."""

    def __init__(self, forge: FakeForge) -> None:
        self.forge = forge

    def answer(self, request: Request, path: str) -> Answer:
        account = self.forge.accounts.get(request.token)
        if not account:
            return Answer(401, {"message": "401 Unauthorized"})
        login, may = account
        if path == "/user":
            return Answer(200, {"username": login})
        found = re.fullmatch(r"/projects/([^/]+)/(.*)", path)
        if not found or unquote(found[1]) not in (str(PROJECT), REPO):
            return Answer(404, {"message": "404 Project Not Found"})
        place = found[2]
        if request.method != "GET" and not may & needed(self.forge, place):
            said = "The request requires higher privileges than provided by the access token."
            return Answer(403, {"error": "insufficient_scope", "error_description": said})
        for pattern, method, handle in self._routes():
            match = re.fullmatch(pattern, place)
            if match and method == request.method:
                answer: Answer = handle(request, login, *match.groups())
                return answer
        return Answer(404, {"error": "404 Not Found"})

    def _routes(self) -> list[tuple[str, str, Any]]:
        note = r"(merge_requests|issues)/(\d+)/notes"
        return [
            (r"merge_requests/(\d+)", "GET", self.pull),
            (r"repository/commits/(\w+)/merge_requests", "GET", self.pulls_of),
            (r"repository/commits/(\w+)/statuses", "GET", self.statuses),
            (r"statuses/(\w+)", "POST", self.status),
            (note, "GET", self.notes),
            (note, "POST", self.add_note),
            (rf"{note}/(\d+)", "PUT", self.edit_note),
            (rf"{note}/(\d+)", "DELETE", self.drop_note),
            (r"issues", "GET", self.issues),
            (r"issues", "POST", self.add_issue),
            (r"issues/(\d+)", "PUT", self.edit_issue),
        ]

    def pull(self, request: Request, login: str, number: str) -> Answer:
        pull = self.forge.pulls.get(int(number))
        return Answer(200, self._pull(pull)) if pull else _not_found()

    def pulls_of(self, request: Request, login: str, commit: str) -> Answer:
        found = [p for p in self.forge.pulls.values() if commit in commits(p)]
        return self.forge.paged(request, [self._pull(pull) for pull in found], 20)

    def statuses(self, request: Request, login: str, commit: str) -> Answer:
        name = request.query.get("name")
        found = [s for s in self.forge.status_log if s["sha"] == commit and s["name"] == name]
        return self.forge.paged(request, [{**s, "status": s["state"]} for s in found[-1:]], 20)

    def status(self, request: Request, login: str, commit: str) -> Answer:
        state, name = request.body["state"], request.body["name"]
        if state not in ("pending", "running", "success", "failed", "canceled"):
            return Answer(400, {"error": "state does not have a valid value"})
        before = [s for s in self.forge.status_log if s["sha"] == commit and s["name"] == name]
        if before and before[-1]["state"] == state:
            said = f"Cannot transition status via :succeed from :{state}"
            return Answer(400, {"message": said})
        self.forge.status_log.append({**request.body, "sha": commit})
        return Answer(201, {"id": self.forge.new_id(), **request.body})

    def notes(self, request: Request, login: str, kind: str, number: str) -> Answer:
        thread = _thread(kind, number)
        rows = [self._note(n) for n in self.forge.notes if n.thread == thread]
        return self.forge.paged(request, rows[::-1], 20)  # the newest first

    def add_note(self, request: Request, login: str, kind: str, number: str) -> Answer:
        if len(request.body["body"]) > LONGEST_NOTE:
            return Answer(400, {"message": {"note": ["is too long (maximum is 1000000)"]}})
        thread, which = _thread(kind, number)
        note = self.forge.comment(which, login, request.body["body"], thread=thread)
        return Answer(201, self._note(note))

    def edit_note(self, request: Request, login: str, kind: str, number: str, id: str) -> Answer:
        note = self._find(kind, number, id)
        if note is None:
            return _not_found()
        note.body, note.updated = request.body["body"], self.forge.now()
        return Answer(200, self._note(note))

    def drop_note(self, request: Request, login: str, kind: str, number: str, id: str) -> Answer:
        note = self._find(kind, number, id)
        if note is None:
            return _not_found()
        self.forge.notes.remove(note)
        return Answer(204)

    def issues(self, request: Request, login: str) -> Answer:
        query = request.query
        state, author = query.get("state"), query.get("author_username")
        rows = [
            self._issue(issue)
            for issue in sorted(self.forge.issues, key=lambda i: i.updated, reverse=True)
            if state in (None, "opened" if issue.open else "closed")
            and (author in (None, issue.login) or not self.forge.filters)
        ]
        return self.forge.paged(request, rows, 20)

    def add_issue(self, request: Request, login: str) -> Answer:
        if len(request.body["title"]) > LONGEST_TITLE:
            return Answer(400, {"message": {"title": ["is too long"]}})
        told = request.body
        issue = new_issue(self.forge, login, told["title"], told.get("description", ""))
        return Answer(201, self._issue(issue))

    def edit_issue(self, request: Request, login: str, number: str) -> Answer:
        issue = next((i for i in self.forge.issues if i.number == int(number)), None)
        if issue is None:
            return _not_found()
        issue.title = request.body.get("title", issue.title)
        issue.body = request.body.get("description", issue.body)
        event = request.body.get("state_event", "")
        issue.open = {"close": False, "reopen": True}.get(event, issue.open)
        issue.updated = self.forge.now()
        return Answer(200, self._issue(issue))

    def _find(self, kind: str, number: str, id: str) -> Note | None:
        mine = (n for n in self.forge.notes if n.thread == _thread(kind, number))
        return next((note for note in mine if note.id == int(id)), None)

    def _pull(self, pull: PullRequest) -> Row:
        return {
            "iid": pull.number,
            "state": "merged" if pull.merged_at else "opened",
            "sha": pull.head,
            "merged_at": pull.merged_at,
            "merge_commit_sha": pull.merge_commit,
            "squash_commit_sha": pull.squash_commit,
            "web_url": f"https://gitlab.com/acme/shop/-/merge_requests/{pull.number}",
        }

    def _note(self, note: Note) -> Row:
        return {
            "id": note.id,
            "body": note.body,
            "author": {"username": note.login},
            "system": False,
            "updated_at": note.updated,
        }

    def _issue(self, issue: IssueRecord) -> Row:
        return {
            "iid": issue.number,
            "title": issue.title,
            "description": issue.body,
            "state": "opened" if issue.open else "closed",
            "author": {"username": issue.login},
            "web_url": f"https://gitlab.com/acme/shop/-/issues/{issue.number}",
        }


def _thread(kind: str, number: str) -> tuple[str, int]:
    return ("pull" if kind == "merge_requests" else "issue", int(number))


def _not_found() -> Answer:
    return Answer(404, {"message": "404 Not found"})
