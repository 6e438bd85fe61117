"""state pull, push and migrate: the state as a document, and from one place to another."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import SECONDS, take_target, with_format, with_target
from friendli_iac.errors import UsageError

if TYPE_CHECKING:
    from friendli_iac.backends import Backend
    from friendli_iac.cli.session import Session
    from friendli_iac.engine.transfer import Pushed

NOTHING = "Nothing was changed."


@click.command("pull")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write it here, readable for its owner only.",
)  # fmt: skip
@with_target
@click.pass_obj
def pull(console: Console, /, out: Path | None, **options: Any) -> int:
    """Print the state, with what its journal adds.

    `state push` takes it back.
    """
    from friendli_iac.backends.files import Files
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.transfer import pull as pulled

    with opened(take_target(options), console, online=False) as session:
        document = pulled(session.backend)
        if out is None:
            console.out_json(document)
            return 0
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        Files().replace(out.resolve(), text.encode())
    console.err(f"serial {document['serial']} is in {out}")
    return 0


@click.command("push")
@click.argument("file")
@click.option(
    "--force", is_flag=True,
    help="Also over another lineage, a newer serial, or what the file does not know.",
)  # fmt: skip
@click.option(
    "--lock-timeout", type=SECONDS, default="90s", show_default=True,
    help="How long to wait for the lock: that of a run which could not store its state runs out.",
)  # fmt: skip
@with_target
@with_format("text", "json")
@click.pass_obj
def push(
    console: Console, /, file: str, force: bool, lock_timeout: float, format_: str, **options: Any
) -> int:
    """Store the state in FILE as the next serial.

    FILE is what `state pull` made (- is stdin), or errored.state.json, which is removed then.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.transfer import push as pushed

    path = None if file == "-" else Path(file)
    with opened(take_target(options), console, online=False) as session:
        document = _document(path)
        engine = session.engine(Lines(console))
        if force:  # also where it was moved away from
            engine.backend = session.open(session.state, trusted=session.trusted, revive=True)
        done = pushed(engine, document, force=force, lock_timeout=lock_timeout)
        where = engine.backend.describe()
        resolved = path is not None and path.resolve() == session.places.errored.resolve()
        if path and resolved:
            path.unlink(missing_ok=True)
    if format_ == "json":
        console.out_json(
            {
                "format_version": "1.0",
                "serial": done.state.serial,
                "landed": done.landed,
                "removed": str(path) if resolved else None,
                "exchange": done.exchange.to_json() if done.exchange else None,
                "given_up": list(done.given_up),
            }
        )
    _tell_pushed(console, done, where, forced=force)
    if resolved:
        console.err(f"{path} is removed: it is settled.")
    return 0


def _document(path: Path | None) -> Any:
    """What is in a JSON file; None is stdin. UsageError where it cannot be read."""
    from friendli_iac.resources.foreign import loads

    where = str(path) if path else "stdin"
    try:
        text = path.read_text("utf-8") if path else sys.stdin.read()
        return loads(text)
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror or error}", safe=NOTHING) from error
    except ValueError as error:
        raise UsageError(
            f"{where} is no JSON: {error}",
            safe=NOTHING,
            next="It is a file that friendli-iac state pull made, or errored.state.json.",
        ) from error


def _tell_pushed(console: Console, done: Pushed, where: str, *, forced: bool) -> None:
    serial = done.state.serial
    if done.landed:
        console.err(f"that state is stored already, as serial {serial} ({where}). {NOTHING}")
        return
    if done.over and forced:
        count = len(done.over.resources)
        console.err(
            f"overwritten: serial {done.over.serial} of lineage {done.over.lineage}, with {count} "
            f"resource{'' if count == 1 else 's'}"
            + (f" and {done.unseen} entries of its journal" if done.unseen else "")
        )
    for line in (*(done.exchange.lines() if done.exchange else ()), *done.given_up):
        console.err(line)
    console.err(f"stored as serial {serial} ({where}). Nothing was sent.")


@click.command("migrate")
@click.argument("source", metavar="FROM")
@click.argument("place", metavar="TO")
@with_target
@click.pass_obj
def migrate(console: Console, /, source: str, place: str, **options: Any) -> int:
    """Move the state from one address to another.

    Copies it, reads it back, and marks the old place: whoever comes there is told where it is.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.transfer import migrate as migrated
    from friendli_iac.manifest.environments import ENVIRONMENT

    target = replace(take_target(options), state=place, emulator=False)
    source = source.replace(ENVIRONMENT, target.environment or ENVIRONMENT)
    with opened(target, console, online=False) as session:
        if ENVIRONMENT in source:
            raise UsageError(f"{source}: which environment? Say --env NAME", safe=NOTHING)
        there = session.open(session.state, trusted=True, revive=True)
        again = session.open(session.state, trusted=True)
        old = session.open(source, trusted=True)
        state = migrated(session.engine(Lines(console)), old, there, again)
        where = _as_setting(session, there)
    count = len(state.resources)
    plural = "" if count == 1 else "s"
    console.err(f"serial {state.serial} is at {there.describe()}, with {count} resource{plural}.")
    console.err(f"{old.describe()} is marked as moved.")
    if where is None:
        console.err("friendli-iac.yaml says so already. next: friendli-iac plan")
        return 0
    block = f", below environments.{session.environment}" if session.chosen else ""
    console.err(f"next: write this in friendli-iac.yaml{block} (or set FRIENDLI_IAC_STATE):")
    console.out(f"state: {where}")
    return 0


def _as_setting(session: Session, backend: Backend) -> str | None:
    """An address as the project's settings have it: a path as seen from there. None where they say
    so already.
    """
    from friendli_iac.manifest.environments import ENVIRONMENT

    where = backend.describe()
    own = (session.chosen or session.project).state or ""
    said = own.replace(ENVIRONMENT, session.environment)
    if said in (where, session.state):
        return None
    path = Path(where)
    if path.is_absolute() and path.is_relative_to(session.project.root):
        return str(path.relative_to(session.project.root))
    return where
