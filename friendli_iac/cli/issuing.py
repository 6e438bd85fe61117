"""issue: what runs on a schedule has found, in one issue that opens, changes and closes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.forging import connected, hide_tokens, located, with_forge
from friendli_iac.cli.options import take_target, with_target
from friendli_iac.errors import ManifestError, Problem, UsageError

MAX_BODY = 2**20  # bytes that are read


@click.command()
@click.argument("name")
@with_forge
@click.option("--title", metavar="TEXT", help="What it is called.")
@click.option("--body", metavar="FILE", help="What it says, in Markdown (- is stdin).")
@click.option("--close", is_flag=True, help="Close it, if it is open.")
@click.option("--comment", metavar="TEXT", default="", help="With --close: say why.")
@with_target
@click.pass_obj
def issue(
    console: Console,
    /,
    name: str,
    title: str | None,
    body: str | None,
    close: bool,
    comment: str,
    **options: Any,
) -> int:
    """Open, update or close the one issue about NAME.

    NAME is what the issue is about, such as drift. It is found by a hidden mark with the project,
    the environment and NAME. One that is open is written anew only when its title or text changed;
    one that was closed is opened again. Prints its address.
    """
    from friendli_iac.cli.checkout import project_name
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.issues import close_issue, keep_issue
    from friendli_iac.review.comment import key

    if (title or body) if close else (comment or not (title and body)):
        raise UsageError(
            "issue opens or updates with --title and --body, or ends with --close",
            safe="Nothing was written.",
            next=f"friendli-iac issue {name} --title TEXT --body FILE, or --close [--comment TEXT]",
        )
    environ = dict(os.environ)
    hide_tokens(environ, console)
    where = located(options, environ)
    file = Path(body).absolute() if body and body != "-" else None
    with opened(take_target(options), console, online=False) as session:
        text = console.redact(_body(file, session.project.root)) if body else ""
        of = key(project_name(session.project), session.environment, name)
    with connected(where, environ, console) as forge:
        if close:
            closed = close_issue(forge, of, console.redact(comment))
            console.err("closed" if closed else f"no issue about {name} is open")
            found = closed
        else:
            found, done = keep_issue(forge, of, console.redact(title or ""), text)
            console.err(done)
    if found:
        console.out(found.url)
    return 0


def _body(file: Path | None, root: Path) -> str:
    """What a file says, below the project's folder no link that leads out of it; None is stdin."""
    from friendli_iac.manifest.files import inside

    problems: list[Problem] = []
    try:
        if file is None:
            return sys.stdin.read(MAX_BODY)
        if not inside(file, root, problems):
            raise ManifestError(problems)
        with file.open("rb") as opened:
            return opened.read(MAX_BODY).decode(errors="replace")
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror}",
            safe="Nothing was written.",
            next="Name a file with --body, or - for stdin.",
        ) from error
