"""How GitHub answers, for `tests.forges`: paths, bodies, refusals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.forges_data import (
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

LONGEST = 65_536  # characters of a body
LONGEST_TITLE = 256


class GitHubApi:
    """https://docs.github.com/en/rest, version 2022-11-28."""

    def __init__(self, forge: FakeForge) -> None:
        self.forge = forge

    def answer(self, request: Request, path: str) -> Answer:
        account = self.forge.accounts.get(request.token)
        if not account:
            said = "Bad credentials" if request.token else "Requires authentication"
            return _github_error(401, said)
        login, may = account
        if path == "/graphql":
            return Answer(200, {"data": {"viewer": {"login": login}}})
        if path == "/user":  # barred to the tokens of apps
            return _barred() if login.endswith("[bot]") else Answer(200, {"login": login})
        if not path.startswith(f"/repos/{REPO}/"):
            return _github_error(404, "Not Found")
        place = path.removeprefix(f"/repos/{REPO}/")
        if request.method != "GET" and not may & needed(self.forge, place):
            return _barred()
        for pattern, method, handle in self._routes():
            found = re.fullmatch(pattern, place)
            if found and method == request.method:
                answer: Answer = handle(request, login, *found.groups())
                return answer
        return _github_error(404, "Not Found")

    def _routes(self) -> list[tuple[str, str, Any]]:
        return [
            (r"pulls/(\d+)", "GET", self.pull),
            (r"commits/(\w+)/pulls", "GET", self.pulls_of),
            (r"issues/(\d+)/comments", "GET", self.comments),
            (r"issues/(\d+)/comments", "POST", self.add_comment),
            (r"issues/comments/(\d+)", "PATCH", self.edit_comment),
            (r"issues/comments/(\d+)", "DELETE", self.drop_comment),
            (r"statuses/(\w+)", "POST", self.status),
            (r"issues", "GET", self.issues),
            (r"issues", "POST", self.add_issue),
            (r"issues/(\d+)", "PATCH", self.edit_issue),
        ]

    def pull(self, request: Request, login: str, number: str) -> Answer:
        pull = self.forge.pulls.get(int(number))
        return Answer(200, self._pull(pull)) if pull else _github_error(404, "Not Found")

    def pulls_of(self, request: Request, login: str, commit: str) -> Answer:
        found = [p for p in self.forge.pulls.values() if commit in commits(p)]
        return self.forge.paged(request, [self._pull(pull) for pull in found], 30)

    def comments(self, request: Request, login: str, number: str) -> Answer:
        rows = [self._comment(n) for n in self.forge.notes if n.thread == self._thread(number)]
        return self.forge.paged(request, rows, 30)

    def add_comment(self, request: Request, login: str, number: str) -> Answer:
        if refused := _too_long(request):
            return refused
        kind, which = self._thread(number)
        note = self.forge.comment(which, login, request.body["body"], thread=kind)
        return Answer(201, self._comment(note))

    def edit_comment(self, request: Request, login: str, id: str) -> Answer:
        note = next((n for n in self.forge.notes if n.id == int(id)), None)
        if note is None:
            return _github_error(404, "Not Found")
        if refused := _too_long(request):
            return refused
        # Whoever may write may edit what others wrote.
        note.body, note.updated = request.body["body"], self.forge.now()
        return Answer(200, self._comment(note))

    def drop_comment(self, request: Request, login: str, id: str) -> Answer:
        note = next((n for n in self.forge.notes if n.id == int(id)), None)
        if note is None:
            return _github_error(404, "Not Found")
        self.forge.notes.remove(note)
        return Answer(204)

    def status(self, request: Request, login: str, commit: str) -> Answer:
        if request.body["state"] not in ("error", "failure", "pending", "success"):
            return _github_error(422, "Validation Failed")
        if len(request.body.get("description", "")) > 140:
            return _github_error(422, "description is too long (maximum is 140 characters)")
        self.forge.status_log.append({**request.body, "sha": commit})
        return Answer(201, {"id": self.forge.new_id(), **request.body})

    def issues(self, request: Request, login: str) -> Answer:
        query = request.query
        wanted, creator = query.get("state", "open"), query.get("creator")
        rows = [
            self._issue(issue)
            for issue in sorted(self.forge.issues, key=lambda i: i.updated, reverse=True)
            if wanted in ("all", "open" if issue.open else "closed")
            and (creator in (None, issue.login) or not self.forge.filters)
        ]
        for pull in self.forge.pulls.values():  # they are issues, too
            page = f"https://api.github.com/pulls/{pull.number}"
            rows.append({"number": pull.number, "pull_request": {"url": page}, "body": ""})
        return self.forge.paged(request, rows, 30)

    def add_issue(self, request: Request, login: str) -> Answer:
        if refused := _too_long(request):
            return refused
        issue = new_issue(self.forge, login, request.body["title"], request.body["body"])
        return Answer(201, self._issue(issue))

    def edit_issue(self, request: Request, login: str, number: str) -> Answer:
        issue = next((i for i in self.forge.issues if i.number == int(number)), None)
        if issue is None:
            return _github_error(404, "Not Found")
        if refused := _too_long(request):
            return refused
        issue.title = request.body.get("title", issue.title)
        issue.body = request.body.get("body", issue.body)
        issue.open = request.body.get("state", "open" if issue.open else "closed") == "open"
        issue.updated = self.forge.now()
        return Answer(200, self._issue(issue))

    def _thread(self, number: str) -> tuple[str, int]:
        return ("pull" if int(number) in self.forge.pulls else "issue", int(number))

    def _pull(self, pull: PullRequest) -> Row:
        merged = pull.merged_at is not None
        commit = pull.merge_commit or pull.squash_commit or (pull.head if merged else pull.tried)
        return {
            "number": pull.number,
            "state": "closed" if merged else "open",
            "head": {"sha": pull.head, "ref": "feature"},
            "merged_at": pull.merged_at,
            "merge_commit_sha": commit,
            "html_url": f"https://github.com/acme/shop/pull/{pull.number}",
        }

    def _comment(self, note: Note) -> Row:
        page = f"https://github.com/acme/shop/pull/{note.thread[1]}"
        kind = "Bot" if note.login.endswith("[bot]") else "User"
        return {
            "id": note.id,
            "body": note.body,
            "user": {"login": note.login, "type": kind} if note.login else None,
            "html_url": f"{page}#issuecomment-{note.id}",
            "updated_at": note.updated,
        }

    def _issue(self, issue: IssueRecord) -> Row:
        return {
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "state": "open" if issue.open else "closed",
            "user": {"login": issue.login},
            "html_url": f"https://github.com/acme/shop/issues/{issue.number}",
        }


def _too_long(request: Request) -> Answer | None:
    if len(request.body.get("body", "")) > LONGEST:
        return _github_error(422, f"body is too long (maximum is {LONGEST} characters)")
    if len(request.body.get("title", "")) > LONGEST_TITLE:
        return _github_error(422, "title is too long (maximum is 256 characters)")
    return None


def _barred() -> Answer:
    return _github_error(403, "Resource not accessible by integration")


def _github_error(status: int, message: str) -> Answer:
    page = "https://docs.github.com/rest"
    return Answer(status, {"message": message, "documentation_url": page, "status": str(status)})
