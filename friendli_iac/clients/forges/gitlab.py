"""GitLab's REST API v4, on gitlab.com and on a server of one's own.

- Notes: https://docs.gitlab.com/api/notes/
- Merge requests: https://docs.gitlab.com/api/merge_requests/, and those of a commit:
  https://docs.gitlab.com/api/commits/#list-merge-requests-associated-with-a-commit
- Statuses: https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
- Issues: https://docs.gitlab.com/api/issues/
- What CI_JOB_TOKEN may do (no notes): https://docs.gitlab.com/ci/jobs/ci_job_token/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from friendli_iac.clients.forges.base import Comment, Issue, Pull, Verdict
from friendli_iac.clients.forges.rest import Rest, Row, number_at, words_at
from friendli_iac.errors import ApiError, Unreachable

API = "https://gitlab.com/api/v4"
LONGEST_STATUS = 255  # characters of a description
NEEDS = "the scope api, and the role Developer in the project"


class GitLab:
    """See `Forge`. `repo` is the project's id or path, `url` what CI calls CI_API_V4_URL."""

    name = "GitLab"

    def __init__(self, repo: str, token: str, *, url: str = API, **options: Any) -> None:
        self._http = Rest(
            self.name,
            url,
            {"PRIVATE-TOKEN": token, "Accept": "application/json"},
            token=token,
            names=("CI_API_V4_URL", "GITLAB_TOKEN"),
            needs=NEEDS,
            **options,
        )
        self._project = f"/projects/{quote(repo, safe='')}"
        self._pages: dict[int, str] = {}  # of merge requests

    def close(self) -> None:
        self._http.close()

    def me(self) -> str:
        name = words_at(self._http.read("/user"), "username")
        if not name:
            raise Unreachable("GitLab does not tell whose the token is", path="/user")
        return name

    def pull(self, number: int) -> Pull:
        found = _pull(self._http.read(f"{self._project}/merge_requests/{number}"))
        self._pages[number] = found.url
        return found

    def pulls_of(self, commit: str) -> list[Pull]:
        path = f"{self._project}/repository/commits/{quote(commit, safe='')}/merge_requests"
        return [_pull(row) for row in self._http.rows(path)]

    def comments(self, number: int) -> list[Comment]:
        path = f"{self._project}/merge_requests/{number}/notes"
        return [self._comment(row, number) for row in self._http.rows(path)]

    def add_comment(self, number: int, body: str) -> Comment:
        path = f"{self._project}/merge_requests/{number}/notes"
        return self._comment(self._http.write("POST", path, {"body": body}), number)

    def edit_comment(self, number: int, id: int, body: str) -> Comment:
        path = f"{self._project}/merge_requests/{number}/notes/{id}"
        return self._comment(self._http.write("PUT", path, {"body": body}, again=True), number)

    def drop_comment(self, number: int, id: int) -> None:
        path = f"{self._project}/merge_requests/{number}/notes/{id}"
        self._http.write("DELETE", path, again=True)

    def set_status(self, commit: str, verdict: Verdict, context: str, text: str, url: str) -> None:
        state = "success" if verdict == "success" else "failed"
        status = {"state": state, "name": context, "description": text[:LONGEST_STATUS]}
        sha = quote(commit, safe="")
        told = {**status, "target_url": url} if url else status
        try:
            self._http.write("POST", f"{self._project}/statuses/{sha}", told, again=True)
        except ApiError as error:
            # It is refused where the state is the one that is wanted already.
            path = f"{self._project}/repository/commits/{sha}/statuses"
            if error.status != 400 or not any(
                row.get("status") == state for row in self._http.rows(path, {"name": context})
            ):
                raise

    def issues(self, author: str, *, open: bool) -> Iterator[Issue]:
        query: dict[str, str | int] = {
            "state": "opened" if open else "closed",
            "author_username": author,
            "scope": "all",
            "order_by": "updated_at",
        }
        return map(_issue, self._http.rows(f"{self._project}/issues", query))

    def add_issue(self, title: str, body: str) -> Issue:
        told = {"title": title, "description": body}
        return _issue(self._http.write("POST", f"{self._project}/issues", told))

    def edit_issue(
        self, number: int, *, title: str = "", body: str = "", open: bool | None = None
    ) -> Issue:
        told = {key: text for key, text in (("title", title), ("description", body)) if text}
        if open is not None:
            told["state_event"] = "reopen" if open else "close"
        path = f"{self._project}/issues/{number}"
        return _issue(self._http.write("PUT", path, told, again=True))

    def remarks(self, number: int) -> list[Comment]:
        path = f"{self._project}/issues/{number}/notes"
        return [self._comment(row, number) for row in self._http.rows(path)]

    def add_remark(self, number: int, body: str) -> None:
        self._http.write("POST", f"{self._project}/issues/{number}/notes", {"body": body})

    def _comment(self, row: Row, number: int) -> Comment:
        id = number_at(row, "id")
        page = self._pages.get(number, "")
        return Comment(
            id=id,
            author=words_at(row, "author", "username"),
            body=words_at(row, "body"),
            url=f"{page}#note_{id}" if page else "",
            changed=words_at(row, "updated_at"),
        )


def _pull(row: Row) -> Pull:
    head = words_at(row, "sha")
    merged = words_at(row, "merged_at")
    merges = {words_at(row, "merge_commit_sha"), words_at(row, "squash_commit_sha")} - {""}
    if merged and not merges:  # by fast-forward: its own commits are in the branch
        merges = {head} - {""}
    return Pull(
        number=number_at(row, "iid"),
        head=head,
        merges=frozenset(merges),
        merged=merged,
        url=words_at(row, "web_url"),
    )


def _issue(row: Row) -> Issue:
    return Issue(
        number=number_at(row, "iid"),
        author=words_at(row, "author", "username"),
        title=words_at(row, "title"),
        body=words_at(row, "description"),
        url=words_at(row, "web_url"),
    )
