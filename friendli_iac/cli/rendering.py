"""render: the manifests of an environment as they are put together."""

from __future__ import annotations

import os
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
from friendli_iac.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from friendli_iac.manifest import Declared, Manifest


@click.command()
@click.argument("addresses", nargs=-1, metavar="[ADDR]...")
@with_target
@with_manifests
@with_format("yaml", "json")
@click.pass_obj
def render(console: Console, /, addresses: tuple[str, ...], format_: str, **options: Any) -> int:
    """Print the manifests as they are put together.

    With variables, defaults, profiles and overlays in place, and behind each value where it comes
    from. Only ADDR, if one is given. Sends nothing.
    """
    from friendli_iac.cli.session import opened
    from friendli_iac.manifest.render import as_yaml, document

    target, reading = take_target(options), take_reading(options, os.environ)
    with opened(target, console, online=False) as session:
        wanted = _chosen(session.manifest(reading), addresses)
        if format_ == "json":
            documents = [{**data, "sources": sources} for data, sources in map(document, wanted)]
            console.out_json(
                {
                    "format_version": "1.0",
                    "environment": session.environment,
                    "documents": documents,
                }
            )
        else:
            console.out("---\n".join(map(as_yaml, wanted)), newline=False)
    return 0


def _chosen(manifest: Manifest, addresses: Sequence[str]) -> list[Declared]:
    """What is wanted, in the order of the addresses."""
    from friendli_iac.resources import check_resource

    known = {str(address): declared for address, declared in manifest.resources.items()}
    for address in addresses:
        if address not in known:
            check_resource(address)
            listed = f"Declared: {', '.join(sorted(known)[:10]) or 'nothing'}."
            raise UsageError(
                f"no manifest declares {address}", next=did_you_mean(address, known, listed)
            )
    return [known[address] for address in sorted(addresses or known)]
