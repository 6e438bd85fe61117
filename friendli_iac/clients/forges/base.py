"""What a forge knows, and what we ask of one. Every text in here was written by anybody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

Verdict = Literal["success", "failure"]


@dataclass(frozen=True)
class Comment:
    """A comment on a pull request. `changed` is when it was last written, by the forge's clock."""

    id: int
    author: str
    body: str
    url: str
    changed: str


@dataclass(frozen=True)
class Pull:
    """A pull request, or merge request. `head` is the newest commit of its branch; `merges` are
    the commits as which it is in the branch it is for, or as which CI tries it out before.
    `merged` is when it was merged, empty: not yet.
    """

    number: int
    head: str
    merges: frozenset[str]
    merged: str
    url: str


@dataclass(frozen=True)
class Issue:
    """An issue of the repository."""

    number: int
    author: str
    title: str
    body: str
    url: str


class Forge(Protocol):
    """One repository on one forge. All raise ApiError and its children: AuthError (403) and
    NotFound where the token may not, and Unreachable where it is not known what happened.
    """

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def me(self) -> str:
        """The account that the token writes as."""
        ...

    def pull(self, number: int) -> Pull: ...

    def pulls_of(self, commit: str) -> list[Pull]:
        """The pull requests that have to do with a commit, open ones included."""
        ...

    def comments(self, number: int) -> list[Comment]:
        """All comments on a pull request."""
        ...

    def add_comment(self, number: int, body: str) -> Comment:
        """Sent once. Unreachable: it may be there."""
        ...

    def edit_comment(self, number: int, id: int, body: str) -> Comment: ...

    def drop_comment(self, number: int, id: int) -> None:
        """NotFound when it is not there any more."""
        ...

    def set_status(self, commit: str, verdict: Verdict, context: str, text: str, url: str) -> None:
        """The status of a commit, under the name `context`."""
        ...

    def issues(self, author: str, *, open: bool) -> Iterator[Issue]:
        """The open or the closed issues of one author, the one that was last changed first."""
        ...

    def add_issue(self, title: str, body: str) -> Issue:
        """Sent once. Unreachable: it may be there."""
        ...

    def edit_issue(
        self, number: int, *, title: str = "", body: str = "", open: bool | None = None
    ) -> Issue:
        """Sets what is given."""
        ...

    def remarks(self, number: int) -> list[Comment]:
        """All comments on an issue."""
        ...

    def add_remark(self, number: int, body: str) -> None:
        """Comments on an issue. Sent once. Unreachable: it may be there."""
        ...
