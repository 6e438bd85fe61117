"""wandb: what automations of Weights & Biases send and bring about, and pull requests instead."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.authoring import edited_json, loader, tell_edited
from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    take_reading,
    take_target,
    with_format,
    with_manifests,
    with_target,
)
from friendli_iac.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from friendli_iac.cli.options import Reading, Target
    from friendli_iac.cli.session import Session
    from friendli_iac.manifest import Declared
    from friendli_iac.manifest.setting import Edited
    from friendli_iac.resources.base import Address

NOTHING = "Nothing was written."


@click.group()
def wandb() -> None:
    """Look at what Weights & Biases sends and brings about.

    None of these commands changes an endpoint, or anything in W&B.
    """


@wandb.command("payload")
@click.argument("address")
@with_target
@with_manifests
@click.pass_obj
def payload(console: Console, /, address: str, **options: Any) -> int:
    """Print what the automation at ADDRESS sends, as JSON.

    For people who set it up by hand. Of an Endpoint, it is what an automation must send that
    deploys it. Needs the state, for the key by which the endpoint is known, and asks no API.
    """
    from friendli_iac.cli.adopting import parse_address
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.preview import payload as made

    wanted = parse_address(address)
    target, reading = take_target(options), take_reading(options, os.environ)
    with opened(target, console, online=False) as session:
        wishes = session.manifest(reading).resources
        _declared(wishes, wanted)
        console.out_json(made(session.engine(Lines(console)), wishes, str(wanted)))
    return 0


@wandb.command("preview")
@click.argument("artifact", metavar="ENTITY/PROJECT/COLLECTION")
@click.option("--alias", required=True, metavar="NAME", help="The alias that is to be added.")
@click.option("--to", metavar="vN", default="", help="To this version.  [default: the newest one]")
@with_target
@with_manifests
@with_format("text", "json")
@click.pass_obj
def preview(
    console: Console, /, artifact: str, alias: str, to: str, format_: str, **options: Any
) -> int:
    """Show what adding an alias to a version would bring about.

    Which automations fire, whosever they are, and what they send; which endpoint gets which
    version, the plan and the cost that follow, and the metrics of both. Sends and locks nothing.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.preview import preview as made
    from friendli_iac.review.preview import render, to_json

    target, reading = take_target(options), take_reading(options, os.environ)
    with opened(target, console) as session:
        wishes = session.manifest(reading).resources
        told = made(session.engine(Lines(console)), session.wandb, wishes, artifact, alias, to)
    if format_ == "json":
        console.out_json(to_json(told))
    else:
        console.out(render(told, console.paint), newline=False)
    return 0


@wandb.command("promote")
@click.argument("address")
@click.option("--alias", required=True, metavar="NAME", help="The alias whose version is meant.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@with_target
@with_manifests
@with_format("text", "json")
@click.pass_obj
def promote(
    console: Console, /, address: str, alias: str, dry_run: bool, format_: str, **options: Any
) -> int:
    """Write the version that an alias means now into ADDRESS.

    One line, for a pull request. Where the alias is, W&B is asked: whatever an event said of it is
    only a hint. Says so where the manifest has that version already.
    """
    from friendli_iac.cli.adopting import parse_address
    from friendli_iac.cli.session import opened
    from friendli_iac.manifest.write import replace_text

    wanted = parse_address(address)
    target, reading = take_target(options), take_reading(options, os.environ)
    if "-" in reading.files:
        raise UsageError("promote edits files, and standard input is none", safe=NOTHING)
    with opened(target, console, online=_emulated(target)) as session:
        edited = _promoted(session, reading, wanted, alias)
        if edited.changes and not dry_run:
            replace_text(Path(edited.file), edited.before, edited.after)
    written = bool(edited.changes) and not dry_run
    if format_ == "json":
        console.out_json({**edited_json(edited, address, written=written), "alias": alias})
        return 0
    tell_edited(console, edited, dry_run=dry_run, nothing="no changes: the manifest says so")
    return 0


def _promoted(session: Session, reading: Reading, address: Address, alias: str) -> Edited:
    """The file that says the artifact of `address`, with the version that the alias means now."""
    from friendli_iac.manifest.asked import parse_settings
    from friendli_iac.manifest.promotion import put_in_overlay
    from friendli_iac.manifest.setting import Edited, edit, overlay_of
    from friendli_iac.resources.artifact import ARTIFACT, ArtifactName
    from friendli_iac.resources.spec import get_path

    load = loader(session, reading)
    known = load({}).resources
    declared = _declared(known, address)
    said = get_path(declared.spec, ARTIFACT)
    if said is None:
        raise UsageError(
            f"{address} is of no artifact in W&B ({declared.source('model')})",
            safe=NOTHING,
            next="Only where the manifest says model.wandb.artifact, there is one to promote.",
        )
    try:
        asked = replace(ArtifactName.parse(str(said)), at=alias)
        ArtifactName.parse(str(asked))
    except ValueError:
        raise UsageError(f"--alias {alias!r} is no alias", safe=NOTHING) from None
    if asked.is_version:
        raise UsageError(
            f"--alias {alias} is a version: which one it is, W&B is to say, and not who asks",
            safe=NOTHING,
            next=f"Name an alias; or write the version yourself: friendli-iac set {address} "
            f"spec.{ARTIFACT}={asked}",
        )
    _check_fires(known, address, alias)
    version = session.wandb.resolve(asked)
    session.console.err(f"{alias} of {version.path} is {version.version} in W&B")
    new = str(version.name)
    if new == said:
        return Edited("", "", "", ())
    chosen = session.chosen
    over = overlay_of(session.project, chosen, address) if chosen else None
    if chosen and over and over.has(("spec", *ARTIFACT.split("."))):
        return put_in_overlay(session.project, chosen, load, declared, {ARTIFACT: new})
    settings = parse_settings(address, [f"spec.{ARTIFACT}={new}"], ())
    files = reading.files
    return edit(session.project, files, load, address, settings, here=None, environment=chosen)


def _check_fires(known: Mapping[Address, Declared], address: Address, alias: str) -> None:
    """UsageError for an alias that sets off no automation which asks for pull requests of this
    endpoint, where any is declared: an event may say every alias that there is.
    """
    from friendli_iac.resources.automation_filter import ADD_ALIAS, fires

    triggers = {
        str(other): one.spec["trigger"]
        for other, one in known.items()
        if one.spec.get("deploys") == address.name and one.spec.get("promotion") == "pull-request"
    }
    if triggers and not any(fires(t, ADD_ALIAS, {"alias": alias}) for t in triggers.values()):
        raise UsageError(
            f"--alias {alias!r} sets off none of {', '.join(triggers)}, as far as can be told",
            safe=NOTHING,
            next="Name an alias that its trigger.aliasAdded matches, or change that.",
        )


def _declared(known: dict[Address, Declared], address: Address) -> Declared:
    from friendli_iac.resources import check_resource

    if address not in known:
        check_resource(str(address), NOTHING)
        listed = f"Declared are {', '.join(map(str, known)) or 'none'}."
        raise UsageError(
            f"no manifest declares {address}",
            safe=NOTHING,
            next=did_you_mean(str(address), map(str, known), listed),
        )
    return known[address]


def _emulated(target: Target) -> bool:
    """Whether the emulator is meant; else, Friendli's API is not needed, and no token for it."""
    from friendli_iac.cli.session import EMULATOR

    return target.emulator or target.base_url == EMULATOR
