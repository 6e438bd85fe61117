"""set and new: manifests are edited, and begun."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    take_reading,
    take_target,
    with_format,
    with_manifests,
    with_target,
)
from friendli_iac.cli.scaffolds import BLANK, SCAFFOLDS
from friendli_iac.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from friendli_iac.cli.options import Reading
    from friendli_iac.cli.session import Session
    from friendli_iac.manifest import Manifest, Project
    from friendli_iac.manifest.setting import Edited

SCHEMA = ".friendli-iac/friendli-iac.v1.json"  # where `init` puts it
NOTHING = "Nothing was written."
LATER = ("missing-variable", "dangling-reference")  # problems that what is still to come may mend


@click.command("set")
@click.argument("address")
@click.argument("settings", nargs=-1, metavar="[spec.PATH=VALUE]...")
@click.option(
    "--unset", multiple=True, metavar="spec.PATH", help="Remove this field from the manifest."
)
@click.option(
    "--here", is_flag=True,
    help="Write it in this manifest also where defaults, a policy or a variable say it.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@with_target
@with_manifests
@with_format("text", "json")
@click.pass_obj
def set_(
    console: Console,
    /,
    address: str,
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    here: bool,
    dry_run: bool,
    format_: str,
    **options: Any,
) -> int:
    """Change values in the manifest of ADDRESS, where they stand.

    Comments, order and quotes stay. Everything is checked first; all is written, or nothing. Sends
    nothing.
    """
    from friendli_iac.cli.adopting import parse_address
    from friendli_iac.cli.session import opened
    from friendli_iac.manifest.asked import parse_settings
    from friendli_iac.manifest.setting import edit
    from friendli_iac.manifest.write import replace_text

    wanted = parse_address(address)
    target, reading = take_target(options), take_reading(options, os.environ)
    if not settings and not unset:
        raise UsageError(
            "nothing to set",
            next=f"It looks like: friendli-iac set {address} spec.autoscaling.maxReplicas=2",
        )
    if "-" in reading.files:
        raise UsageError("set edits files, and standard input is none")
    asked = parse_settings(wanted, settings, unset)
    with opened(target, console, online=False) as session:
        load = loader(session, reading)
        edited = edit(
            session.project,
            reading.files,
            load,
            wanted,
            asked,
            here=here,
            environment=session.chosen,
        )
        changes = edited.before != edited.after
        if changes and not dry_run:
            replace_text(Path(edited.file), edited.before, edited.after)
    for missing in edited.unchecked:
        console.err(f"note: not all of it could be checked: {missing}")
    if format_ == "json":
        console.out_json(edited_json(edited, address, written=changes and not dry_run))
        return 0
    tell_edited(
        console, edited, dry_run=dry_run, nothing="no changes: the manifest says so already"
    )
    return 0


def tell_edited(console: Console, edited: Edited, *, dry_run: bool, nothing: str) -> None:
    """What changes in a manifest. `nothing` is said where all is as it was."""
    for change in edited.changes:
        old = "(not there)" if change.old is None else change.old
        new = "(removed)" if change.new is None else change.new
        console.out(f"{edited.file}:{change.line}: {change.path}: {old} → {new}")
    if edited.before == edited.after:
        console.err(nothing)
    elif dry_run:
        console.err("nothing was written: --dry-run")


@click.command()
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(list(SCAFFOLDS)), default="Endpoint", show_default=True,
    help="What to write.",
)  # fmt: skip
@click.option("--repo", metavar="ORG/NAME", help="The model's repository on Hugging Face.")
@click.option("--gpu", metavar="TYPE", help="H100, for example.  [default: H100]")
@click.option("--count", type=int, help="GPUs per replica.  [default: 1]")
@click.option("--project", metavar="ID", help="The id of the Friendli project.")
@click.option(
    "--file", "file", metavar="PATH",
    help="Where to write it (- is stdout).  [default: NAME.yaml among the manifests]",
)  # fmt: skip
@with_target
@click.pass_obj
def new(console: Console, /, name: str, kind: str, file: str | None, **options: Any) -> int:
    """Write a first manifest for NAME.

    With the options that people look for as comments. Overwrites nothing; sends nothing.
    """
    from friendli_iac.cli.session import opened
    from friendli_iac.manifest.choice import read_files
    from friendli_iac.manifest.write import create_text, exists

    target = take_target(options)
    _check_name(name)
    if kind != "Endpoint" and any(value is not None for value in options.values()):
        raise UsageError(f"--repo, --gpu, --count and --project say nothing of kind {kind}")
    with opened(target, console, online=False, any_environment=True) as session:
        project = session.project
        path = Path(file) if file else _place(project) / f"{name}.yaml"
        said = project.defaults.get(kind, {})
        if project.environments and all(one.project for one in project.environments.values()):
            said = {"project": "", **said}
        text = _schema_line(project, path) + SCAFFOLDS[kind](name, said, **options)
        if file != "-" and (path.exists() or path.is_symlink()):
            raise exists(path)
        _check_new(session, text, path if file != "-" else Path(f"{name}.yaml"))
        if file == "-":
            console.out(text, newline=False)
            return 0
        create_text(path, text)
        console.err(f"wrote  {_shown(path)}")
        if path.resolve() not in read_files(project, session.chosen):
            console.err(
                f"note: the project does not read {_shown(path)}: add it to `manifests:` in "
                "friendli-iac.yaml"
            )
        blank = f"put a value for {BLANK}, then " if BLANK in text else ""
        console.err(f"next:  {blank}friendli-iac plan")
    return 0


def _check_name(name: str) -> None:
    import re

    from friendli_iac.manifest.envelope import MAX_NAME, NAME

    if len(name) > MAX_NAME or not re.fullmatch(NAME, name):
        raise UsageError(
            f"{name!r} cannot be a name",
            safe=NOTHING,
            next=f"Use up to {MAX_NAME} lower-case letters, digits, - . and _, beginning and "
            "ending with a letter or digit.",
        )


def _place(project: Project) -> Path:
    """The folder for a new manifest: one that the project reads."""
    for pattern in project.manifests:
        folder = Path(pattern)
        if folder.suffix in (".yaml", ".yml"):
            folder = folder.parent
        if ".." not in folder.parts and not any(c in str(folder) for c in "*?["):
            return project.root / folder
    return project.root


def _schema_line(project: Project, path: Path) -> str:
    """The line that shows editors the schema that `init` wrote."""
    schema = project.root / SCHEMA
    if not schema.exists():
        return ""
    there = os.path.relpath(schema, path.absolute().parent)
    return f"# yaml-language-server: $schema={there}\n"


def _check_new(session: Session, text: str, path: Path) -> None:
    """ManifestError with what is wrong in a new file. What is wrong elsewhere was so before, a
    variable may be set where the plan is made, and what it names may be written next.
    """
    from friendli_iac.cli.options import Reading
    from friendli_iac.errors import ManifestError
    from friendli_iac.manifest.files import label

    name = label(path.absolute())
    try:
        loader(session, Reading((), {}, (), ()))({name: text})
    except ManifestError as error:
        mine = [p for p in error.problems if p.file == name and p.rule not in LATER]
        if mine:
            raise ManifestError(mine) from None


def _shown(path: Path) -> str:
    from friendli_iac.manifest.files import label

    return label(path.absolute())


def edited_json(edited: Edited, address: str, *, written: bool) -> dict[str, object]:
    """What changes in a manifest, as data."""
    return {
        "format_version": "1.0",
        "address": address,
        "file": edited.file,
        "written": written,
        "changes": [
            {"path": c.path, "line": c.line, "old": c.old, "new": c.new} for c in edited.changes
        ],
    }


def loader(session: Session, reading: Reading) -> Callable[[Mapping[str, str]], Manifest]:
    """Loads the manifests as they will be, given what files will hold."""
    from friendli_iac.manifest import load_manifest

    def load(unsaved: Mapping[str, str]) -> Manifest:
        manifest = load_manifest(
            session.project,
            files=reading.files,
            variables=reading.variables,
            variable_files=reading.variable_files,
            environ=session.environ,
            allow_env=reading.allow_env,
            unsaved=unsaved,
            environment=session.chosen or next(iter(session.project.environments.values()), None),
        )
        session.console.hide(*manifest.sensitive)
        return manifest

    return load
