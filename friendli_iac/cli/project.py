"""init, validate and schema: everything that needs no API."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    Reading,
    Target,
    take_reading,
    take_target,
    with_format,
    with_manifests,
    with_policy_file,
    with_target,
)
from friendli_iac.errors import ManifestError, Problem, Refused, UsageError

if TYPE_CHECKING:
    from friendli_iac.cli.session import Session
    from friendli_iac.core.finding import Finding

SETTINGS = """\
# yaml-language-server: $schema=.friendli-iac/friendli-iac.settings.v1.json
# The settings of this project. Tokens and the API's address never stand here: they come from the
# environment (FRIENDLI_TOKEN, FRIENDLI_TEAM_ID).
manifests: [endpoints/]
state: file:.friendli-iac/state.json # shared by a team and its CI: s3://BUCKET/PREFIX, postgres://…
# name: chat # whose the state is, for checkouts that git knows no origin of
defaults:
  Endpoint:
    project: ${env:FRIENDLI_PROJECT_ID}
"""

ENDPOINT = """\
# yaml-language-server: $schema=../.friendli-iac/friendli-iac.v1.json
apiVersion: friendli-iac/v1
kind: Endpoint
metadata:
  name: chat
spec:
  model:
    huggingFace: {repo: meta-llama/Llama-3.1-8B-Instruct}
  instance: {gpu: H100, count: 1}
  autoscaling: {minReplicas: 0, maxReplicas: 1, cooldown: 5m}
"""

IGNORE = "*\n!.gitignore\n!*.v1.json\n"


def _ignore_errored(path: Path) -> None:
    """Adds to a .gitignore what must not be committed; all else in it stays as it is."""
    there = path.read_bytes() if path.exists() else b""
    if b"errored.state.json" not in there:
        end = b"" if not there or there.endswith(b"\n") else b"\n"
        path.write_bytes(there + end + b"errored.state.json*\n")


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def init(console: Console, /, folder: Path) -> int:
    """Start a project in FOLDER.

    Writes settings, a first endpoint, and schemas for your editor.
    """
    import json

    from friendli_iac.manifest.schema import manifest_schema, settings_schema

    files = {
        "friendli-iac.yaml": SETTINGS,
        "endpoints/chat.yaml": ENDPOINT,
        ".friendli-iac/.gitignore": IGNORE,
        ".friendli-iac/friendli-iac.v1.json": json.dumps(manifest_schema(), indent=1) + "\n",
        ".friendli-iac/friendli-iac.settings.v1.json": json.dumps(settings_schema(), indent=1)
        + "\n",
    }
    if (folder / "friendli-iac.yaml").exists():
        raise UsageError(
            f"{folder / 'friendli-iac.yaml'} exists: this is a project already",
            safe="Nothing was written.",
            next="friendli-iac validate",
        )
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            console.err(f"kept   {path}")
            continue
        path.write_text(text, encoding="utf-8")
        console.err(f"wrote  {path}")
    _ignore_errored(folder / ".gitignore")
    there = "" if folder == Path() else f"cd {folder} && "
    console.err(f"next:  {there}friendli-iac plan --emulator     (no token needed)")
    return 0


@click.command()
@with_target
@with_manifests
@with_policy_file
@with_format("text", "json", "github", "sarif")
@click.pass_obj
def validate(console: Console, /, policy: Path | None, format_: str, **options: Any) -> int:
    """Check the manifests, and what rules say of them.

    Reports all problems at once, up to 200 of them; sends nothing. Exits with 5 where nothing is
    wrong but what a rule denies.
    """
    from dataclasses import replace

    from friendli_iac.cli.environments import targets, together

    target, reading = take_target(options), take_reading(options, os.environ)
    count = more = 0
    wrong: dict[str, Sequence[Problem]] = {}
    said: dict[str, Sequence[Finding]] = {}
    try:
        for name, where in targets(target).items():
            documents, wrong[name], others, said[name] = _checked(console, where, reading, policy)
            count, more = max(count, documents), max(more, others)
    except ManifestError as error:  # in the settings, which all have
        wrong = {"": error.problems}
    problems = together(wrong, lambda p, only: p._replace(message=f"{p.message} ({only})"))
    findings = together(said, lambda f, only: replace(f, message=f"{f.message} ({only})"))
    _tell(console, format_, problems, more, findings)
    denied = any(finding.denies for finding in findings)
    if not problems and not denied and format_ in ("text", "github"):
        console.err(f"valid: {count} document{'s' if count != 1 else ''}")
    return 1 if problems else Refused.exit_code if denied else 0


def _checked(
    console: Console, target: Target, reading: Reading, policy: Path | None
) -> tuple[int, Sequence[Problem], int, Sequence[Finding]]:
    """How many documents an environment has; its problems, how many more, and what rules say."""
    from friendli_iac.cli.session import opened

    problems: tuple[Problem, ...] = ()
    try:
        with opened(target, console, online=False) as session:
            session.policy = policy
            problems = _of_policy(session)
            manifest = session.manifest(reading)
            count = len(manifest.resources) + len(manifest.templates)
            return count, problems, 0, () if problems else session.judge(manifest)
    except ManifestError as error:
        return 0, (*problems, *error.problems), error.more, ()


def _of_policy(session: Session) -> tuple[Problem, ...]:
    """What is wrong with the file of --policy, to be told with what is wrong elsewhere."""
    try:
        _ = session.guardrails
    except ManifestError as error:
        return error.problems
    return ()


def _tell(
    console: Console,
    format_: str,
    problems: Sequence[Problem],
    more: int,
    findings: Sequence[Finding],
) -> None:
    """Problems and findings, for who reads them."""
    from friendli_iac.cli.checkout import in_repository
    from friendli_iac.review.diagnostics import render_github, render_json, render_text

    if format_ == "json":
        console.out_json(render_json(problems, more, findings))
    elif format_ == "github":
        annotations = render_github(problems, more, findings, in_repository(os.environ))
        console.out(annotations, newline=False, commands=True)
    elif format_ == "sarif":
        from friendli_iac.review.sarif import render_sarif

        console.out_json(render_sarif(problems, findings, in_repository(os.environ)))
    elif problems or findings:
        shown = render_text(problems, console.coloured(sys.stderr), more, findings)
        console.err(shown, newline=False)


@click.command()
@click.option("--settings", is_flag=True, help="The schema of friendli-iac.yaml instead.")
@click.option("--plan", is_flag=True, help="The schema of `plan --format json` instead.")
@click.pass_obj
def schema(console: Console, /, settings: bool, plan: bool) -> int:
    """Print the JSON Schema of manifests, for editors."""
    if settings and plan:
        raise UsageError("--settings and --plan are two schemas", next="Ask for one at a time.")
    if plan:
        from friendli_iac.review.plan_schema import plan_schema

        console.out_json(plan_schema())
        return 0
    from friendli_iac.manifest.schema import manifest_schema, settings_schema

    console.out_json(settings_schema() if settings else manifest_schema())
    return 0
