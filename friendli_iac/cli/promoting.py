"""promote: what one environment has proved to serve becomes what another one asks for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.authoring import edited_json, loader, tell_edited
from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    Target,
    take_reading,
    take_target,
    with_format,
    with_manifests,
    with_target,
)
from friendli_iac.errors import Refused, StateError, UsageError, did_you_mean

if TYPE_CHECKING:
    from friendli_iac.cli.options import Reading
    from friendli_iac.core.promotion import Verified
    from friendli_iac.manifest import Declared
    from friendli_iac.manifest.setting import Edited
    from friendli_iac.resources.base import Address

NOTHING = "Nothing was written."


@click.command()
@click.argument("address")
@click.option(
    "--from", "source", metavar="ENV", required=True, help="Take what this environment serves."
)
@click.option(
    "--to", "goal", metavar="ENV", required=True, help="Write it into an overlay of this one."
)
@click.option("--with-repo", is_flag=True, help="Also where it is of another repository.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@with_target
@with_manifests
@with_format("text", "json")
@click.pass_obj
def promote(
    console: Console,
    /,
    address: str,
    source: str,
    goal: str,
    with_repo: bool,
    dry_run: bool,
    format_: str,
    **options: Any,
) -> int:
    """Write what one environment serves into another's overlay.

    The model that ADDRESS was proved to serve, by its exact commit, from the state: one line for a
    pull request. Nothing is sent, and no endpoint changes before the other environment is applied.
    """
    from friendli_iac.cli.adopting import parse_address
    from friendli_iac.manifest.write import create_text, replace_text

    wanted = parse_address(address)
    target, reading = take_target(options), take_reading(options, os.environ)
    if reading.files:
        raise UsageError("promote reads the whole project: -f cannot narrow it", safe=NOTHING)
    if source == goal:
        raise UsageError(f"--from and --to are both {goal}", safe=NOTHING)
    model = _verified(console, replace(target, environment=source), wanted)
    where = replace(target, environment=goal, state=None)
    edited = _edited(console, where, reading, wanted, model, with_repo=with_repo)
    if edited.changes and not dry_run:
        path = Path(edited.file)
        if path.exists():
            replace_text(path, edited.before, edited.after)
        else:
            create_text(path, edited.after)
    if format_ == "json":
        console.out_json(edited_json(edited, address, written=bool(edited.changes) and not dry_run))
        return 0
    tell_edited(console, edited, dry_run=dry_run, nothing=f"no changes: {goal} says so already")
    if edited.changes and not dry_run:
        console.err(f"next: friendli-iac plan --env {goal}")
    return 0


def _verified(console: Console, target: Target, address: Address) -> Verified:
    """What the environment of `target` is proved to serve. Reads its state, and takes no lock."""
    from friendli_iac.cli.session import opened
    from friendli_iac.core.promotion import verified
    from friendli_iac.core.replay import replay
    from friendli_iac.core.state import State
    from friendli_iac.engine.guards import check_header

    name = target.environment
    with opened(target, console, online=False) as session:
        if session.chosen is None:
            raise UsageError(
                "promote is for projects with environments, and friendli-iac.yaml has none",
                safe=NOTHING,
                next="Write `environments:` in friendli-iac.yaml.",
            )
        try:
            stored = session.backend.read()
        except (StateError, UsageError) as error:
            raise type(error)(
                f"the state of {name}: {error}", safe=error.safe, next=error.next
            ) from error
        state = replay(stored.state or State(lineage=""), stored.entries).state
        check_header(state, {"environment": session.environment})
        where = session.backend.describe()
    resource = state.resources.get(str(address))
    if resource is None:
        held = ", ".join(sorted(state.resources)[:10])
        listed = f"It holds {held}." if held else f"friendli-iac apply --env {name}"
        raise Refused(
            f"{address} is not in the state of {name} ({where})",
            safe=NOTHING,
            next=did_you_mean(str(address), state.resources, listed),
        )
    model = verified(str(address), resource, name)
    version = f" as v{resource.fence.version}" if resource.fence.version is not None else ""
    asked = f" (asked for as {model.asked})" if model.asked else ""
    serves = " at ".join(model.values.values())
    console.err(f"{name} serves {serves}{asked}{'' if model.newer else version}")
    if model.newer:
        console.err(f"note: {address} in {name}: {model.newer}")
    return model


def _edited(
    console: Console,
    target: Target,
    reading: Reading,
    address: Address,
    model: Verified,
    *,
    with_repo: bool,
) -> Edited:
    """The overlay of the environment of `target`, with the model in it."""
    from friendli_iac.cli.session import opened
    from friendli_iac.core.preflight import REPO
    from friendli_iac.manifest.promotion import place_for, put_in_overlay
    from friendli_iac.manifest.setting import Edited
    from friendli_iac.resources import check_resource
    from friendli_iac.resources.spec import get_path

    goal = target.environment
    with opened(target, console, online=False) as session:
        assert session.chosen is not None, "it was opened with one of them"
        load = loader(session, reading)
        known = load(place_for(session.project, session.chosen, address)).resources
        if address not in known:
            check_resource(str(address), NOTHING)
            listed = f"It declares {', '.join(map(str, known)) or 'nothing'}."
            raise UsageError(
                f"no manifest of {goal} declares {address}",
                safe=NOTHING,
                next=did_you_mean(str(address), map(str, known), listed),
            )
        now = known[address]
        values = {p: v for p, v in model.values.items() if get_path(now.spec, p) != v}
        if model.repo != get_path(now.spec, REPO) and not with_repo:
            raise Refused(
                f"{address} is of another model in {goal}: {_shown(now)}",
                safe=NOTHING,
                next=f"If {goal} is to serve {model.repo or 'that'} as well: --with-repo",
            )
        if not values:
            return Edited("", "", "", ())
        return put_in_overlay(session.project, session.chosen, load, now, values)


def _shown(declared: Declared) -> str:
    """The model of a resource, and where it is said."""
    from friendli_iac.core.preflight import REPO
    from friendli_iac.core.promotion import UPLOADED
    from friendli_iac.resources.spec import get_path

    path = REPO if get_path(declared.spec, REPO) else UPLOADED
    return f"{get_path(declared.spec, path)} ({declared.source(path)})"
