"""rollback: the settings of a version from before, as a new version."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    take_reading,
    take_target,
    with_apply,
    with_format,
    with_manifests,
    with_parallelism,
    with_target,
)
from friendli_iac.errors import FriendliIacError, Refused

if TYPE_CHECKING:
    from friendli_iac.cli.options import Reading
    from friendli_iac.cli.session import Session
    from friendli_iac.core.plan import Change, Plan
    from friendli_iac.core.scene import Wish
    from friendli_iac.resources.base import Address


@click.command()
@click.argument("address")
@click.option("--to", type=int, metavar="VERSION", help="Instead of the last good one before.")
@click.option(
    "--accept-unknown", is_flag=True,
    help="Go back to a version that was not made here, though not all of it can be known.",
)  # fmt: skip
@with_target
@with_manifests
@with_parallelism
@with_apply
@with_format("text", "json")
@click.pass_obj
def rollback(
    console: Console,
    /,
    address: str,
    to: int | None,
    accept_unknown: bool,
    format_: str,
    **options: Any,
) -> int:
    """Bring the settings of a version from before back.

    They go out as a new version, which is proved like any other. What the manifests still say is
    held off until they say something else.
    """
    from friendli_iac.cli.adopting import parse_address
    from friendli_iac.cli.running import Run
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.rollback import rollback_target

    where = parse_address(address)
    target, reading = take_target(options), take_reading(options, os.environ)
    with opened(target, console) as session:
        said = _said(session, reading, where)
        run = Run(session, format_, {**options, "allow_destroy": ()})

        def make(planner: Callable[..., Plan]) -> Plan:
            engine = run.engine
            assert engine is not None, "it is asked for a plan while it applies"
            found = rollback_target(
                engine.known()[0].state, engine.apis[where.kind], where, to, said
            )
            if found.unknown and not accept_unknown:
                raise Refused(
                    f"version {found.snapshot.version} of {where} was not made here, and the API "
                    f"does not show all of it. Not known: {', '.join(found.unknown)}",
                    safe="Nothing was sent.",
                    next="--accept-unknown sends for these what was sent last.",
                )
            for path in found.unknown:
                console.err(f"note: not known of version {found.snapshot.version}: {path}")
            return planner({where: found.snapshot}, found.selection)

        code = run.apply(make, "rollback")
        changes = run.plan.pending_changes if run.plan else ()
    if code == 0:
        for change in changes:
            _tell_git(console, change, said)
    return code


def _said(session: Session, reading: Reading, where: Address) -> Wish | None:
    """What the manifests want. A rollback must not wait for a manifest that is broken."""
    try:
        return session.manifest(reading).resources.get(where)
    except FriendliIacError as error:
        session.console.err(
            f"note: the manifests cannot be read ({error}): whatever they say is held off"
        )
        return None


def _tell_git(console: Console, change: Change, said: Wish | None) -> None:
    """Which lines to change, so that the manifests say what is in force again."""
    if change.pin is None:
        return
    from friendli_iac.resources import KINDS
    from friendli_iac.resources.base import Address
    from friendli_iac.resources.spec import leaves

    console.err("held off until the manifests say something else. To agree with what serves now:")
    marks = leaves(KINDS[Address.parse(change.address).kind].model)
    for path, bad in change.pin.bad.items():
        if marks[path].derived:  # it follows from what is written
            continue
        place = f"{said.source(path)}: " if said else ""
        good = change.pin.good.get(path)
        if marks[path].parts:  # written as a list of names
            bad, good = (
                f"[{', '.join(block['name'] for block in blocks)}]" if blocks is not None else None
                for blocks in (bad, good)
            )
        now = "remove it" if good is None else f"make it {good}"
        console.err(f"  {place}{path} is {bad}: {now}")
        if good is not None:
            console.err(f"    friendli-iac set {change.address} spec.{path}={good}")
