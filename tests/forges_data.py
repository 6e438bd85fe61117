"""What is there on the forge of `tests.forges`, whichever API shows it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tests.forges import FakeForge

REPO = "acme/shop"
PROJECT = 42  # the id of the same on GitLab
Row = dict[str, Any]

WRITE = frozenset({"pull-requests", "issues", "statuses"})


def sha(text: str) -> str:
    """A commit, always the same for the same text."""
    return hashlib.sha1(text.encode()).hexdigest()


@dataclass
class PullRequest:
    """A pull request, or merge request. `tried` is its merge into the target, to try it out."""

    number: int
    head: str
    tried: str
    merged_at: str | None = None
    merge_commit: str | None = None
    squash_commit: str | None = None


@dataclass
class Note:
    """A comment, on a pull request or an issue."""

    id: int
    thread: tuple[str, int]  # ("pull", 7)
    login: str
    body: str
    updated: str


@dataclass
class IssueRecord:
    number: int
    login: str
    title: str
    body: str
    updated: str
    open: bool = True


class Request(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    token: str
    body: dict[str, Any]


class Answer(NamedTuple):
    status: int
    body: Any = None
    headers: Mapping[str, str] = {}


@dataclass
class Fault:
    """What becomes of the next `times` requests that match. `cut`: the connection ends without an
    answer, after the effect or (`before`) instead of it.
    """

    method: str
    path: str
    answer: Answer | None = None
    before: bool = True
    times: int = 1


def needed(forge: FakeForge, place: str) -> set[str]:
    """Which of these permissions a request needs, one of them."""
    number = re.match(r"issues/(\d+)", place)
    if place.startswith("statuses"):
        return {"statuses"}
    if place.startswith("merge_requests") or (number and int(number[1]) in forge.pulls):
        return {"pull-requests"}
    if place.startswith("issues/comments"):  # of either
        return {"pull-requests", "issues"}
    return {"issues"}


def commits(pull: PullRequest) -> set[str | None]:
    return {pull.head, pull.tried, pull.merge_commit, pull.squash_commit}


def new_issue(forge: FakeForge, login: str, title: str, body: str) -> IssueRecord:
    number = max([0, *forge.pulls, *(issue.number for issue in forge.issues)]) + 1
    forge.issues.append(IssueRecord(number, login, title, body, forge.now()))
    return forge.issues[-1]
