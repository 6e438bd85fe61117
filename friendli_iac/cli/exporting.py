"""export: what exists already becomes manifests, and ours."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import take_target, with_parallelism, with_target
from friendli_iac.cli.scaffolds import BLANK, EXPORT_SETTINGS
from friendli_iac.errors import ManifestError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from friendli_iac.cli.session import Session
    from friendli_iac.engine.export import Survey
    from friendli_iac.manifest import Declared
    from friendli_iac.resources.base import Address


@click.command()
@click.option(
    "--project", "project_id", metavar="ID",
    help="The id of the Friendli project.  [env: FRIENDLI_PROJECT_ID]",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Write one file for each endpoint into this folder, and settings when it has none.",
)  # fmt: skip
@click.option("--adopt", is_flag=True, help="Take each of them into state, too, as import does.")
@with_target
@with_parallelism
@click.pass_obj
def export(
    console: Console,
    /,
    project_id: str | None,
    out: Path | None,
    adopt: bool,
    parallelism: int,
    **options: Any,
) -> int:
    """Write manifests for what a Friendli project holds already.

    What the API does not tell, such as the model, is left as a blank to fill in. Only reads;
    overwrites nothing.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.export import adopt_all, survey

    target = take_target(options)
    made: Path | None = None
    if out is not None:
        folder = (target.chdir / out).absolute()
        made = None if folder.exists() else folder
        folder.mkdir(parents=True, exist_ok=True)
        target = replace(target, chdir=folder)  # whose project, state and manifests count
    try:
        with opened(target, console) as session:
            place = project_id or session.environ.get("FRIENDLI_PROJECT_ID")
            place = place or session.environ.get("FRIENDLI_PROJECT")
            if not place:
                raise UsageError(
                    "which project?", next="Give --project or set FRIENDLI_PROJECT_ID."
                )
            wishes = _declared(session, {})
            engine = session.engine(Lines(console), parallelism)
            if adopt:
                engine.siblings.check_readable()  # before anything is written
            holds = survey(engine, place, wishes)
            texts = {f"{one.address.name}.yaml": one.text for one in holds.found if one.text}
            if out is None:
                console.out("---\n".join(texts.values()), newline=False)
            else:
                wishes = _write_all(session, out, texts)
            for note in engine.siblings.notes:
                console.err(f"note: {note}")
            _tell(console, holds)
            if adopt:
                adopt_all(engine, holds.found, wishes)
                for one in holds.found:
                    console.err(f"adopted {one.address}: {one.observed.id}")
            _tell_next(console, holds, out, adopt=adopt)
    finally:
        if made:
            with suppress(OSError):  # it is not empty
                made.rmdir()
    return 0


def _declared(session: Session, unsaved: Mapping[str, str]) -> Mapping[Address, Declared]:
    """What the manifests declare, when there are any. ManifestError when they are not valid."""
    from friendli_iac.cli.authoring import loader
    from friendli_iac.cli.options import Reading

    allowed = session.environ.get("FRIENDLI_IAC_ALLOW_ENV", "").replace(",", " ").split()
    try:
        return loader(session, Reading((), {}, (), tuple(allowed)))(unsaved).resources
    except ManifestError as error:
        if {problem.rule for problem in error.problems} == {"no-manifests"}:
            return {}
        raise


def _write_all(session: Session, out: Path, texts: Mapping[str, str]) -> Mapping[Address, Declared]:
    """Writes manifests into the folder at hand, called `out` by the user; what is declared then."""
    from friendli_iac.manifest.choice import read_files
    from friendli_iac.manifest.write import create_text, exists

    for name in texts:
        if Path(name).exists() or Path(name).is_symlink():
            raise exists(out / name)
    wishes = _declared(session, texts)
    files = dict(texts)
    if session.project.file is None and texts:
        files = {"friendli-iac.yaml": EXPORT_SETTINGS, **files}
    for name, text in files.items():
        create_text(Path(name), text)
        session.console.err(f"wrote  {out / name}")
    if not {Path(name).resolve() for name in texts} <= read_files(session.project, session.chosen):
        session.console.err(
            f"note: the project does not read {out}: add it to `manifests:` in friendli-iac.yaml"
        )
    return wishes


def _tell(console: Console, holds: Survey) -> None:
    """What was left out, and what to do next."""
    for address in holds.ours:
        console.err(f"left out: {address}, which is in state already")
    for one, owner in holds.theirs:
        console.err(f"left out: {one.id} ({one.name}), which belongs to the sibling state {owner}")
    for one in holds.ended:
        console.err(f"left out: {one.id} ({one.name}), which is {one.status}")
    for found in holds.found:
        if found.wish:
            console.err(f"kept   {found.wish.source()}, which declares {found.address}")
    if not holds.found:
        console.err("nothing to export")


def _tell_next(console: Console, holds: Survey, out: Path | None, *, adopt: bool) -> None:
    there = "" if out in (None, Path()) else f"-C {out} "
    blank = next((one for one in holds.found if one.text and one.draft.blanks), None)
    if blank:
        console.err(
            f"next:  put a value for each {BLANK}, for example with friendli-iac set {there}"
            f"{blank.address} spec.{blank.draft.blanks[0]}=VALUE"
        )
    if holds.found and not adopt:
        console.err("then:  take them into state: the same command with --adopt, or import each")
