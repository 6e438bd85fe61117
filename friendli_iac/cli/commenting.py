"""comment and approved: what a pull request is told of a plan, and which one it was merged with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.forging import (
    NoToken,
    Where,
    connected,
    hide_tokens,
    located,
    with_author,
    with_forge,
    with_number,
)
from friendli_iac.cli.options import Target, take_target, with_target
from friendli_iac.errors import ApiError, AuthError, ManifestError, NotFound, UsageError

if TYPE_CHECKING:
    from friendli_iac.clients.forges import Forge, Verdict
    from friendli_iac.engine.forges import Draft

MAX_SUMMARY = 2**20  # bytes of $GITHUB_STEP_SUMMARY that GitHub takes, for each step
SHORTEST_SUMMARY = 500  # characters: in less, nothing can be said


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path, dir_okay=False))
@with_forge
@with_number
@click.option("--status", is_flag=True, help="Set a status of the commit, too.")
@click.option(
    "--whole", metavar="TEXT", default="",
    help="Where all of the plan is, in words or as an address.  [default: this run's page]",
)  # fmt: skip
@click.option(
    "--failed", metavar="REASON",
    help="Instead of a plan: say that the last one failed, so that what stands there is out of "
    "date.",
)  # fmt: skip
@with_target
@click.pass_obj
def comment(
    console: Console,
    /,
    planfile: Path | None,
    status: bool,
    whole: str,
    failed: str | None,
    **options: Any,
) -> int:
    """Tell a pull or merge request what a saved plan would do.

    Keeps one comment for each project and environment, found by a hidden mark in what the token's
    own account wrote, and prints its address. A plan that is older than the one that stands there,
    or of an older push, does not replace it. Without a token that may write, as in a pull request
    from a fork, the step summary is written instead (on GitLab: stdout).

    Needs GITHUB_TOKEN or GH_TOKEN, or GITLAB_TOKEN; not FRIENDLI_TOKEN.
    """
    from friendli_iac.engine.forges import publish

    if (planfile is None) == (failed is None):
        raise UsageError(
            "comment is about a saved plan, or about one that failed: one of the two",
            safe="Nothing was written.",
            next="friendli-iac comment PLANFILE, or friendli-iac comment --failed REASON",
        )
    environ, target = dict(os.environ), take_target(options)
    hide_tokens(environ, console)
    commit = options["commit"]
    where = located(options, environ)
    number = where.needed_number
    if planfile:  # it says itself whose it is: no settings are read
        console.verbosity = target.verbose
        os.chdir(target.chdir)
        note = _of_plan(console, where, planfile, commit, whole)
    else:
        note = _of_failure(console, where, target, failed or "")
    try:
        with connected(where, environ, console) as forge:
            told = publish(forge, number, note.draft)
            if told.kept:
                console.err(f"note: {told.kept}")
            elif status:
                _set_status(console, forge, note, told.head, where.page)
    except (AuthError, NotFound) as error:
        if not isinstance(error, NoToken) and error.status not in (403, 404):
            raise
        _instead(console, where, environ, note, error)
    else:
        console.out(told.url)
    return 0


@click.command()
@with_forge
@with_number
@with_author
@with_target
@click.pass_obj
def approved(console: Console, /, **options: Any) -> int:
    """Print the digest of the plan that was merged.

    For `apply --approved`. Finds the pull or merge request that was merged as this commit, and in
    it our own comment for this project and environment. Exits with 1 when there is none, when its
    plan was denied, refused, or of an older push than what was merged, or when it was written after
    the merge.

    What this protects from: a plan that does something else than the one that stood in the request
    when it was merged. What it does not protect from: whoever may push a branch to this repository
    can have a job write any comment with the account of CI, and can edit comments. Let the job
    that applies wait for reviewers (a protected environment) who look at the plan that it makes
    itself, of the merged commit.
    """
    from friendli_iac.cli.checkout import project_name
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.forges import approved as approved_digest
    from friendli_iac.review.comment import key

    environ = dict(os.environ)
    where = located(options, environ)
    if not where.commit:
        raise UsageError(
            "no commit is known here",
            safe="Nothing was sent.",
            next="Name the one that was merged: --commit SHA.",
        )
    number = where.asked  # what CI says of this run is about another event
    with opened(take_target(options), console, online=False) as session:
        of = key(project_name(session.project), session.environment)
    with connected(where, environ, console) as forge:
        console.out(approved_digest(forge, where.commit, of, author=where.author, number=number))
    return 0


@dataclass(frozen=True)
class _Note:
    """What is told, and what the status of the commit says beside it."""

    draft: Draft
    fine: bool
    line: str
    context: str


def _of_plan(console: Console, where: Where, path: Path, commit: str, whole: str) -> _Note:
    from friendli_iac.cli.checkout import links_at
    from friendli_iac.cli.planfiles import load_plan
    from friendli_iac.engine.forges import Draft
    from friendli_iac.review import comment as words

    plan = load_plan(path, console)
    # Not where the merge that CI tried out was: that one is not kept.
    kept = where.head if where.head and plan.commit == where.commit else plan.commit
    links = links_at(kept)
    whole = console.redact(whole) or where.page  # before Markdown escapes it out of recognition

    def told(limit: int) -> str:
        return console.redact(words.plan_words(plan, limit, links=links, whole=whole))

    draft = Draft(words.mark_of(plan), told, commit or plan.commit, where.commit, where.head)
    fine, line = words.status_of(plan)
    return _Note(draft, fine, line, words.context(plan.project, plan.environment))


def _of_failure(console: Console, where: Where, target: Target, reason: str) -> _Note:
    import time

    from friendli_iac.cli.checkout import project_name
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.forges import Draft
    from friendli_iac.review import comment as words
    from friendli_iac.review.times import rfc3339

    project = environment = of = ""
    try:
        with opened(target, console, online=False) as session:
            project, environment = project_name(session.project), session.environment
            of = words.key(project, environment)
    except ManifestError as error:  # the settings: it may be why the plan failed
        console.err(f"note: it is not known which plan failed: {error}")

    def told(limit: int) -> str:
        return words.failed_words(project, environment, console.redact(reason), where.page)

    mark = words.Mark("plan", of, "", rfc3339(time.time()))
    draft = Draft(mark, told, where.commit, where.commit, where.head)
    return _Note(draft, False, "the plan failed", words.context(project, environment))


def _set_status(console: Console, forge: Forge, note: _Note, commit: str, page: str) -> None:
    if not commit:
        console.err("note: no status is set: the plan does not say of which commit it is")
        return
    verdict: Verdict = "success" if note.fine else "failure"
    try:
        forge.set_status(commit, verdict, note.context, console.redact(note.line), page)
    except (AuthError, NotFound) as error:  # the comment stands, and says the same
        console.err(f"note: no status is set: {error}")
        if error.next:
            console.err(f"  next: {error.next}")


def _instead(
    console: Console, where: Where, environ: dict[str, str], note: _Note, error: ApiError
) -> None:
    """Writes the step summary, or stdout where there is none."""
    summary = environ.get("GITHUB_STEP_SUMMARY", "") if where.forge == "github" else ""
    console.err(f"note: no comment was written: {error}")
    if error.next:
        console.err(f"  next: {error.next}")
    if not summary:
        console.out(note.draft.words(MAX_SUMMARY), newline=False)
        console.err("note: it is printed instead")
        return
    try:
        fits = _append(Path(summary), note)
    except OSError as failed:
        raise UsageError(
            f"cannot write the step summary {summary}: {failed.strerror}",
            safe="Nothing was written.",
            next="Leave GITHUB_STEP_SUMMARY as GitHub Actions sets it.",
        ) from failed
    console.err(
        "note: it is in the step summary instead"
        if fits
        else "note: the step summary is full: it takes 1 MiB. Write the comment in a step of its "
        "own"
    )


def _append(path: Path, note: _Note) -> bool:
    """Adds to the step summary what fits; False: nothing does. GitHub counts bytes, we count
    characters: where it is too long, less is asked for.
    """
    room = MAX_SUMMARY - (path.stat().st_size if path.exists() else 0) - 1
    limit = room
    while limit > SHORTEST_SUMMARY:
        told = note.draft.words(limit).encode() + b"\n"
        if len(told) <= room:
            with path.open("ab") as file:
                file.write(told)
            return True
        limit = limit * room // len(told) - 1
    return False
