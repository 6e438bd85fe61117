"""import: an endpoint that exists becomes ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import take_reading, take_target, with_manifests, with_target
from friendli_iac.errors import ManifestError, UsageError

if TYPE_CHECKING:
    from friendli_iac.resources.base import Address


def parse_address(text: str) -> Address:
    """The address that the user typed, or UsageError."""
    from friendli_iac.resources.base import Address

    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


@click.command("import")
@click.argument("address")
@click.argument("id")
@with_target
@with_manifests
@click.option(
    "--set", "settings", multiple=True, metavar="spec.PATH=VALUE",
    help="What the API does not tell, such as spec.model.huggingFace.repo=ORG/NAME.",
)  # fmt: skip
@click.pass_obj
def import_(
    console: Console, /, address: str, id: str, settings: tuple[str, ...], **options: Any
) -> int:
    """Take an existing endpoint into state, as ADDRESS.

    Nothing is sent to it.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.ownership import adopt

    wanted = parse_address(address)
    target, reading = take_target(options), take_reading(options, os.environ)
    with opened(target, console) as session:
        try:
            wish = session.manifest(reading).resources.get(wanted)
        except ManifestError as error:
            wish = None
            console.err(f"note: imported without a manifest: {error}")
        taken = adopt(session.engine(Lines(console)), wanted, id, wish, settings)
    console.out(f"imported {wanted}: {id} ({taken.observed.name}, {taken.observed.status})")
    if taken.presumed:
        console.err(
            f"presumed, for the API does not tell: {', '.join(taken.presumed)}; if it is "
            "otherwise, import again with --set"
        )
    if taken.unknown:
        when = "a plan sends them once the next line is done" if taken.needed else ""
        console.err(
            f"not known: {', '.join(taken.unknown)}; {when or 'the next plan will send them'}. If "
            "they are in force already: state forget, then import with --set spec.PATH=VALUE for "
            "each"
        )
    for path in taken.needed:
        console.err(
            f"needed: {path}, as it was when {id} was made; a plan that rolls anything out is "
            f"refused without it: friendli-iac set {wanted} spec.{path}=VALUE"
        )
    if wish is None:
        console.err(f"next: write a manifest for {wanted}, then friendli-iac plan")
    return 0
