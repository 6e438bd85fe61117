"""state and output: what we know, without asking the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import take_target, with_format, with_target
from friendli_iac.cli.recovering import recover
from friendli_iac.cli.restoring import claim, history, restore
from friendli_iac.cli.transferring import migrate, pull, push

if TYPE_CHECKING:
    from friendli_iac.cli.session import Session
    from friendli_iac.core.state import Resource, State


@click.group()
def state() -> None:
    """Look at the state, and mend it.

    None of these commands changes an endpoint, or anything in W&B.
    """


for command in (recover, history, restore, pull, push, migrate, claim):
    state.add_command(command)


@state.command("list")
@with_target
@with_format("text", "json")
@click.pass_obj
def list_(console: Console, /, format_: str, **options: Any) -> int:
    """List what is in state."""
    from friendli_iac.cli.session import opened

    with opened(take_target(options), console, online=False) as session:
        print_resources(session, format_, details=False)
    return 0


@state.command("show")
@click.argument("address")
@with_target
@with_format("text", "json")
@click.pass_obj
def show(console: Console, /, address: str, format_: str, **options: Any) -> int:
    """Show what is known of one resource."""
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.status import known_resource

    with opened(take_target(options), console, online=False) as session:
        resource = known_resource(_state(session), address)
        if format_ == "json":
            console.out_json({"format_version": "1.0", "address": address, **asdict(resource)})
        else:
            console.out("\n".join(_block(address, resource, details=True)))
    return 0


@state.command("mv")
@click.argument("address")
@click.argument("new_address")
@with_target
@click.pass_obj
def mv(console: Console, /, address: str, new_address: str, **options: Any) -> int:
    """Give a resource another address.

    Rename it in the manifests as well.
    """
    from friendli_iac.cli.adopting import parse_address
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.ownership import move
    from friendli_iac.resources import KINDS

    old, new = parse_address(address), parse_address(new_address)
    with opened(take_target(options), console, online=False) as session:
        name = move(session.engine(Lines(console)), old, new)
    console.err(f"{old} is {new} now. In its manifest, metadata.name is {new.name}, and the")
    noun = KINDS[new.kind].noun
    console.err(f"{noun} goes on being called {name} as long as spec.name says {name}.")
    return 0


@state.command("forget")
@click.argument("addresses", nargs=-1, required=True)
@with_target
@click.pass_obj
def forget(console: Console, /, addresses: tuple[str, ...], **options: Any) -> int:
    """Give resources up; they stay, and go on billing."""
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.core.movers import deployed_by
    from friendli_iac.engine.ownership import forget as forget_all
    from friendli_iac.resources import KINDS
    from friendli_iac.resources.base import Address

    with opened(take_target(options), console, online=False) as session:
        forgotten = forget_all(session.engine(Lines(console)), addresses)
    nouns = dict.fromkeys(f"{KINDS[Address.parse(one).kind].noun}s" for one in addresses)
    them = " and ".join(nouns)
    console.err(f"forgotten: {', '.join(addresses)}. The {them} themselves were not touched.")
    for address, resource in forgotten.items():
        spec = resource.applied.spec
        if (deployed := deployed_by(spec)) and spec.get("enabled", True):
            console.err(
                f"{address} stays enabled in W&B, and goes on deploying {deployed}: disable or "
                "delete it there before that ends or is made anew, or the next event buys another "
                "one."
            )
    return 0


@click.command()
@click.argument("address")
@with_target
@with_format("text", "json", "dotenv")
@click.pass_obj
def output(console: Console, /, address: str, format_: str, **options: Any) -> int:
    """Print what clients need: id, model, URL."""
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.status import known_resource
    from friendli_iac.errors import UsageError
    from friendli_iac.resources import KINDS
    from friendli_iac.resources.base import Address, article

    with opened(take_target(options), console, online=False) as session:
        resource = known_resource(_state(session), address)
        kind = KINDS[Address.parse(address).kind]
        if not kind.serves:
            raise UsageError(
                f"{address}: no client calls {article(kind.noun)}",
                next=f"friendli-iac state show {address} shows what is known of it.",
            )
        values = {"id": resource.id, "model": resource.id, "url": f"{session.api}/dedicated/v1"}
        if format_ == "json":
            console.out_json({"format_version": "1.0", "address": address, **values})
        elif format_ == "dotenv":
            console.out(f"FRIENDLI_ENDPOINT_ID={values['id']}")
            console.out(f"OPENAI_MODEL={values['model']}\nOPENAI_BASE_URL={values['url']}")
        else:
            console.out("\n".join(f"{name:<6} {value}" for name, value in values.items()))
    return 0


def print_resources(session: Session, format_: str, *, details: bool) -> None:
    """Everything in state, as a list or in full."""
    state = _state(session)
    if format_ == "json":
        session.console.out_json({"format_version": "1.0", **state.to_json()})
        return
    for address, resource in sorted(state.resources.items()):
        session.console.out("\n".join(_block(address, resource, details=details)))
    if not state.resources:
        session.console.err(f"nothing in state ({session.backend.describe()})")


def _state(session: Session) -> State:
    from friendli_iac.core.replay import replay
    from friendli_iac.core.state import State

    stored = session.backend.read()
    for notice in stored.notices:
        session.console.err(f"note: {notice}")
    known = replay(stored.state or State(lineage=""), stored.entries)
    for begun in known.open.values():
        session.console.err(
            f"note: an interrupted apply left open: {begun.step} {begun.address}; the next apply "
            "settles it"
        )
    return known.state


def _block(address: str, resource: Resource, *, details: bool) -> list[str]:
    from friendli_iac.core.diff import flatten
    from friendli_iac.resources import KINDS
    from friendli_iac.resources.base import Address, place_of
    from friendli_iac.review.words import written

    marks = ["protected"] if resource.protected else []
    marks += ["not proved to serve"] if resource.pending else []
    version = f" v{resource.fence.version}" if resource.fence.version is not None else ""
    kind = KINDS[Address.parse(address).kind]
    head = f"{address}   {resource.id}{version}   {place_of(kind, resource.project)}"
    lines = [head + (f"   ({', '.join(marks)})" if marks else "")]
    if details:
        flat = flatten(kind, resource.applied.spec)
        lines += [f"    {path}: {written(kind, path, value)}" for path, value in flat.items()]
        lines += [f"    labels.{key}: {value}" for key, value in resource.applied.labels.items()]
        lines += [
            (f"    v{entry['version']}: " if kind.versioned else "    ")
            + f"{entry['outcome']}, by {entry['by']}"
            for entry in resource.history
        ]
    return lines
