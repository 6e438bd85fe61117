"""From options and the environment of CI to a forge: which repository, which request, which token.

Tokens and addresses come from the environment only. https://docs.github.com/en/actions/reference/
workflows-and-actions/variables and https://docs.gitlab.com/ci/variables/predefined_variables/ say
what CI sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from friendli_iac.cli.console import Console
from friendli_iac.errors import AuthError, Cancelled, UsageError

if TYPE_CHECKING:
    from friendli_iac.clients.forges import GitHub, GitLab

F = TypeVar("F", bound=Callable[..., Any])

TOKENS = ("GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN")
MAX_EVENT = 10 * 2**20  # bytes
_COMMIT = re.compile("[0-9a-f]{7,64}")


class NoToken(AuthError):
    """No token is set that could write there."""


@dataclass(frozen=True)
class Where:
    """What CI says of this run. `commit` is what it runs on and `head` which commit of the pull
    request's branch that is; `number` is the pull request, 0: none is known.
    """

    forge: str
    repo: str
    number: int
    commit: str
    head: str
    page: str  # of this run
    author: str  # whose comments count; empty: the token's own account
    asked: int  # the number that --number names; 0: none

    @property
    def needed_number(self) -> int:
        if self.number:
            return self.number
        what = "pull request" if self.forge == "github" else "merge request"
        raise UsageError(
            f"this run is of no {what}",
            safe="Nothing was written.",
            next="Run it in a job of one, or name it: --number N.",
        )


def with_forge(function: F) -> F:
    """Adds --github, --gitlab, --auto and --repo."""
    for option in reversed(
        (
            click.option("--github", "forge", flag_value="github", help="On GitHub."),
            click.option("--gitlab", "forge", flag_value="gitlab", help="On GitLab."),
            click.option(
                "--auto", "forge", flag_value="", default="",
                help="On the one that this job runs on.  [default]",
            ),
            click.option(
                "--repo", metavar="NAME", default="",
                help="OWNER/NAME on GitHub, the project's path or id on GitLab.  [default: this "
                "job's]",
            ),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def with_number(function: F) -> F:
    """Adds --number and --commit."""
    for option in reversed(
        (
            click.option(
                "--number", type=click.IntRange(1), metavar="N",
                help="The pull or merge request.  [default: this job's]",
            ),
            click.option(
                "--commit", metavar="SHA", default="", callback=_commit,
                help="The commit, where the job runs on another one.",
            ),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def with_author(function: F) -> F:
    """Adds --author."""
    return click.option(
        "--author", metavar="LOGIN", default="",
        help="The account that writes the comments.  [default: the token's own]",
    )(function)  # fmt: skip


def _commit(context: click.Context, param: click.Parameter, value: str) -> str:
    if value and not _COMMIT.fullmatch(value):
        raise click.BadParameter("a commit is 7 to 64 hexadecimal digits")
    return value


def located(options: dict[str, Any], environ: Mapping[str, str]) -> Where:
    """Takes the options of `with_forge`, `with_number` and `with_author`; the rest is CI's word."""
    forge = options.pop("forge") or _surroundings(environ)
    repo, number = options.pop("repo"), options.pop("number", None)
    said, author = options.pop("commit", ""), options.pop("author", "")
    asked = number or 0
    if forge == "github":
        repo = repo or environ.get("GITHUB_REPOSITORY", "")
        if not re.fullmatch(r"[\w-][\w.-]*/(?!\.{1,2}$)[\w.-]+", repo, re.ASCII):
            raise _unknown_repo(repo, "OWNER/NAME", "GITHUB_REPOSITORY")
        event = _event(environ)
        ran = environ.get("GITHUB_SHA", "")
        head = event.head if environ.get("GITHUB_EVENT_NAME") != "pull_request_target" else ""
        number = number or event.number or _ref_number(environ.get("GITHUB_REF", ""))
        page = _github_page(environ)
    else:
        # A merge request from a fork runs there; its notes are here.
        for name in ("CI_MERGE_REQUEST_PROJECT_ID", "CI_PROJECT_ID"):
            repo = repo or environ.get(name, "")
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", repo, re.ASCII):
            raise _unknown_repo(repo, "GROUP/NAME or its id", "CI_PROJECT_ID")
        ran = environ.get("CI_COMMIT_SHA", "")
        # In a merged results pipeline the commit is a merge, to try it out.
        head = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "") or ran
        iid = environ.get("CI_MERGE_REQUEST_IID", "")
        number = number or (int(iid) if re.fullmatch(r"[0-9]{1,12}", iid) else 0)
        page = _page(environ.get("CI_JOB_URL", "")) or _page(environ.get("CI_PIPELINE_URL", ""))
    if not _COMMIT.fullmatch(ran):
        ran = ""
    head = "" if said else head
    return Where(forge, repo, number or 0, said or ran, head, page, author, asked)


@contextmanager
def connected(
    where: Where, environ: Mapping[str, str], console: Console
) -> Iterator[GitHub | GitLab]:
    """The forge. NoToken without a token that could write there."""
    from friendli_iac.clients.forges import GitHub, GitLab
    from friendli_iac.clients.forges.github import API as GITHUB
    from friendli_iac.clients.forges.gitlab import API as GITLAB

    hide_tokens(environ, console)
    token = _token(where, environ)

    def trace(method: str, path: str, status: int, seconds: float) -> None:
        if console.verbosity:
            told = f"{method} {path} {status or 'no answer'}"
            console.err(f"{where.forge}: {told} {seconds * 1000:.0f} ms")

    if where.forge == "github":
        url = environ.get("GITHUB_API_URL") or GITHUB
        forge: GitHub | GitLab = GitHub(where.repo, token, url=url, trace=trace)
    else:
        url = environ.get("CI_API_V4_URL") or GITLAB
        forge = GitLab(where.repo, token, url=url, trace=trace)
    try:
        yield forge
    except KeyboardInterrupt:
        raise Cancelled(
            "stopped at once",
            safe="What was being written may be there; nothing was sent to Friendli.",
            next="Run the command again: it writes nothing twice.",
        ) from None
    finally:
        forge.close()


def hide_tokens(environ: Mapping[str, str], console: Console) -> None:
    """Makes the tokens unprintable, on the console and in what is written to a forge."""
    console.hide(*(environ.get(name, "").strip() for name in TOKENS))


def _token(where: Where, environ: Mapping[str, str]) -> str:
    names = ("GITHUB_TOKEN", "GH_TOKEN") if where.forge == "github" else ("GITLAB_TOKEN",)
    for name in names:
        if token := environ.get(name, "").rstrip("\r\n"):
            return token
    if where.forge == "gitlab" and environ.get("CI_JOB_TOKEN"):
        why = "GITLAB_TOKEN is not set, and CI_JOB_TOKEN may not write notes, issues or statuses"
    else:
        why = f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'} not set"
    raise NoToken(
        why,
        safe="Nothing was written there.",
        next=f"Set {names[0]}: see docs/ci.md for what it must be allowed.",
    )


def _surroundings(environ: Mapping[str, str]) -> str:
    for name, forge in (("GITHUB_ACTIONS", "github"), ("GITLAB_CI", "gitlab")):
        if environ.get(name):
            return forge
    raise UsageError(
        "this is neither a job of GitHub Actions nor one of GitLab CI",
        safe="Nothing was written.",
        next="Say which one it is: --github or --gitlab, with --repo NAME.",
    )


@dataclass(frozen=True)
class _Event:
    number: int = 0
    head: str = ""


def _event(environ: Mapping[str, str]) -> _Event:
    """The pull request in what GitHub tells of the event: `pull_request`, or an `issue` that is
    one. https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request
    """
    import json

    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path:
        return _Event()
    try:
        with Path(path).open("rb") as file:
            document = json.loads(file.read(MAX_EVENT))
    except (OSError, ValueError, RecursionError):
        raise UsageError(
            f"GITHUB_EVENT_PATH names {path}, and that is no JSON",
            safe="Nothing was written.",
            next="Leave it as GitHub Actions sets it, or unset it and say --number N.",
        ) from None
    document = document if isinstance(document, dict) else {}
    pull, issue = document.get("pull_request"), document.get("issue")
    if isinstance(pull, dict):
        head = pull.get("head")
        sha = head.get("sha") if isinstance(head, dict) else None
        valid = isinstance(sha, str) and _COMMIT.fullmatch(sha)
        return _Event(_positive(pull.get("number")), str(sha) if valid else "")
    if isinstance(issue, dict) and issue.get("pull_request"):
        return _Event(_positive(issue.get("number")))
    return _Event()


def _positive(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _ref_number(ref: str) -> int:
    found = re.fullmatch(r"refs/pull/([0-9]{1,12})/(merge|head)", ref)
    return int(found[1]) if found else 0


def _github_page(environ: Mapping[str, str]) -> str:
    server, run = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_RUN_ID", "")
    repo = environ.get("GITHUB_REPOSITORY", "")
    return _page(f"{server}/{repo}/actions/runs/{run}") if server and repo and run else ""


def _page(url: str) -> str:
    """`url`, where it can stand in Markdown."""
    plain = re.fullmatch(r"https?://[\w.:/~%@+-]+", url, re.ASCII)
    return url if plain and urlsplit(url).hostname else ""


def _unknown_repo(repo: str, form: str, variable: str) -> UsageError:
    return UsageError(
        f"{repo!r} is no repository" if repo else "no repository is known",
        safe="Nothing was written.",
        next=f"Name it: --repo {form}, or {variable}, which CI sets.",
    )
