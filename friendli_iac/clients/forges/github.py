"""GitHub's REST API (2022-11-28), and that of GitHub Enterprise Server.

- Comments: https://docs.github.com/en/rest/issues/comments (a pull request is an issue)
- Pull requests: https://docs.github.com/en/rest/pulls/pulls, and those of a commit:
  https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit
- Statuses: https://docs.github.com/en/rest/commits/statuses#create-a-commit-status
- Issues: https://docs.github.com/en/rest/issues/issues
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from friendli_iac.clients.forges.base import Comment, Issue, Pull, Verdict
from friendli_iac.clients.forges.rest import Rest, Row, number_at, words_at
from friendli_iac.errors import Unreachable

API = "https://api.github.com"
LONGEST_STATUS = 140  # characters of a description
NEEDS = "pull-requests: write (for comments), statuses: write (--status), issues: write (issue)"


class GitHub:
    """See `Forge`. `repo` is OWNER/NAME, `url` what CI calls GITHUB_API_URL."""

    name = "GitHub"

    def __init__(self, repo: str, token: str, *, url: str = API, **options: Any) -> None:
        # On a server of one's own REST is below /api/v3, and GraphQL is /api/graphql.
        base = url.rstrip("/")
        self._rest = "/v3" if base.endswith("/api/v3") else ""
        self._http = Rest(
            self.name,
            base.removesuffix(self._rest),
            {
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            token=token,
            names=("GITHUB_API_URL", "GITHUB_TOKEN"),
            needs=NEEDS,
            **options,
        )
        self._repo = f"{self._rest}/repos/{'/'.join(quote(p, safe='') for p in repo.split('/'))}"

    def close(self) -> None:
        self._http.close()

    def me(self) -> str:
        """`GET /user` is barred to the tokens of Actions and apps; the viewer of GraphQL is told
        to all of them: `github-actions[bot]`, or `APP[bot]`.
        """
        query = {"query": "query { viewer { login } }"}
        answer = self._http.write("POST", "/graphql", query, again=True)
        viewer = (answer.get("data") or {}).get("viewer") or {}
        login = viewer.get("login") if isinstance(viewer, dict) else None
        if not isinstance(login, str) or not login:
            raise Unreachable("GitHub does not tell whose the token is", path="/graphql")
        return login

    def pull(self, number: int) -> Pull:
        return _pull(self._http.read(f"{self._repo}/pulls/{number}"))

    def pulls_of(self, commit: str) -> list[Pull]:
        path = f"{self._repo}/commits/{quote(commit, safe='')}/pulls"
        return [_pull(row) for row in self._http.rows(path)]

    def comments(self, number: int) -> list[Comment]:
        return [_comment(row) for row in self._http.rows(f"{self._repo}/issues/{number}/comments")]

    def add_comment(self, number: int, body: str) -> Comment:
        path = f"{self._repo}/issues/{number}/comments"
        return _comment(self._http.write("POST", path, {"body": body}))

    def edit_comment(self, number: int, id: int, body: str) -> Comment:
        path = f"{self._repo}/issues/comments/{id}"
        return _comment(self._http.write("PATCH", path, {"body": body}, again=True))

    def drop_comment(self, number: int, id: int) -> None:
        self._http.write("DELETE", f"{self._repo}/issues/comments/{id}", again=True)

    def set_status(self, commit: str, verdict: Verdict, context: str, text: str, url: str) -> None:
        status = {"state": verdict, "context": context, "description": text[:LONGEST_STATUS]}
        path = f"{self._repo}/statuses/{quote(commit, safe='')}"
        # Twice the same is once: of one context the newest counts.
        self._http.write("POST", path, {**status, "target_url": url} if url else status, again=True)

    def issues(self, author: str, *, open: bool) -> Iterator[Issue]:
        state = "open" if open else "closed"
        query: dict[str, str | int] = {"state": state, "creator": author, "sort": "updated"}
        for row in self._http.rows(f"{self._repo}/issues", query):
            if "pull_request" not in row:  # for this API those are issues, too
                yield _issue(row)

    def add_issue(self, title: str, body: str) -> Issue:
        told = {"title": title, "body": body}
        return _issue(self._http.write("POST", f"{self._repo}/issues", told))

    def edit_issue(
        self, number: int, *, title: str = "", body: str = "", open: bool | None = None
    ) -> Issue:
        told = {key: text for key, text in (("title", title), ("body", body)) if text}
        if open is not None:
            told["state"] = "open" if open else "closed"
        return _issue(self._http.write("PATCH", f"{self._repo}/issues/{number}", told, again=True))

    def remarks(self, number: int) -> list[Comment]:
        return self.comments(number)

    def add_remark(self, number: int, body: str) -> None:
        self.add_comment(number, body)


def _pull(row: Row) -> Pull:
    merge = words_at(row, "merge_commit_sha")
    return Pull(
        number=number_at(row, "number"),
        head=words_at(row, "head", "sha"),
        merges=frozenset({merge} - {""}),
        merged=words_at(row, "merged_at"),
        url=words_at(row, "html_url"),
    )


def _comment(row: Row) -> Comment:
    return Comment(
        id=number_at(row, "id"),
        author=words_at(row, "user", "login"),
        body=words_at(row, "body"),
        url=words_at(row, "html_url"),
        changed=words_at(row, "updated_at"),
    )


def _issue(row: Row) -> Issue:
    return Issue(
        number=number_at(row, "number"),
        author=words_at(row, "user", "login"),
        title=words_at(row, "title"),
        body=words_at(row, "body"),
        url=words_at(row, "html_url"),
    )
