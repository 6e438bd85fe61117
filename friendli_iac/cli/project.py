"""init, validate and schema: everything that needs no API."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    take_reading,
    take_target,
    with_format,
    with_manifests,
    with_target,
)
from friendli_iac.errors import ManifestError, Problem, UsageError

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
@with_format("text", "json", "github")
@click.pass_obj
def validate(console: Console, /, format_: str, **options: Any) -> int:
    """Check the manifests.

    Reports all problems at once, up to 200 of them; sends nothing.
    """
    from friendli_iac.cli.session import opened
    from friendli_iac.review.diagnostics import render_github, render_json, render_text

    target, reading = take_target(options), take_reading(options, os.environ)
    count = more = 0
    problems: tuple[Problem, ...] = ()
    try:
        with opened(target, console, online=False) as session:
            manifest = session.manifest(reading)
        count = len(manifest.resources) + len(manifest.templates)
    except ManifestError as error:
        problems, more = error.problems, error.more
    if format_ == "json":
        console.out_json(render_json(problems, more))
    elif format_ == "github":
        console.out(render_github(problems, more), newline=False)
    elif problems:
        console.err(render_text(problems, console.coloured(sys.stderr), more), newline=False)
    if not problems and format_ != "json":
        console.err(f"valid: {count} document{'s' if count != 1 else ''}")
    return 1 if problems else 0


@click.command()
@click.option("--settings", is_flag=True, help="The schema of friendli-iac.yaml instead.")
@click.pass_obj
def schema(console: Console, /, settings: bool) -> int:
    """Print the JSON Schema of manifests, for editors."""
    from friendli_iac.manifest.schema import manifest_schema, settings_schema

    console.out_json(settings_schema() if settings else manifest_schema())
    return 0
