"""preflight: look at the models of the manifests on Hugging Face. Nothing is sent to Friendli."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    SECONDS,
    take_reading,
    take_target,
    with_format,
    with_manifests,
    with_target,
)
from friendli_iac.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from friendli_iac.core.preflight import Check
    from friendli_iac.core.scene import Wish

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "UNKNOWN": "yellow"}


@click.command()
@click.argument("addresses", nargs=-1, metavar="[ADDR]...")
@with_target
@with_manifests
@click.option(
    "--timeout", type=SECONDS, default="20s", show_default=True,
    envvar="FRIENDLI_IAC_PREFLIGHT_TIMEOUT", help="How long all of it may take.",
)  # fmt: skip
@with_format("text", "json")
@click.pass_obj
def preflight(
    console: Console, /, addresses: tuple[str, ...], timeout: float, format_: str, **options: Any
) -> int:
    """Check the models in the manifests on Hugging Face.

    All of them, or those of ADDR, changed or not. Needs no FRIENDLI_TOKEN and sends nothing.
    """
    from friendli_iac.cli.session import opened
    from friendli_iac.clients.hub import Hub
    from friendli_iac.core.preflight import REPO
    from friendli_iac.core.state import State
    from friendli_iac.engine.preflight import Preflight
    from friendli_iac.resources.spec import get_path

    target, reading = take_target(options), take_reading(options, os.environ)
    with opened(target, console, online=False) as session:
        console.hide(session.environ.get("HF_TOKEN", "").strip())
        wishes = session.manifest(reading).resources
        known = {str(address) for address in wishes}
        _check_addresses(addresses, known)
        chosen = set(addresses) or known
        hub = Hub(session.environ, deadline=timeout)
        try:
            looking = Preflight(hub)
            # As for a project that is all new: the state plays no part.
            locked = looking.lock(wishes, State(lineage=""), chosen)
            asked = {str(a): w for a, w in locked.items() if str(a) in chosen}
            found = looking.look({address: wish.spec for address, wish in asked.items()})
        finally:
            hub.close()
    about = {address: asked[address] for address in sorted(found)}
    if format_ == "json":
        console.out_json(_document(about, found))
    else:
        for address, wish in about.items():
            repo = get_path(wish.spec, REPO)
            console.out(f"{address}  {repo or '(uploaded model)'}{_revision(wish)}")
            for check in found[address]:
                _print(console, check)
        failed = sum(_failed(checks) for checks in found.values())
        console.err(f"{len(found)} checked, {failed} failed")
    return 1 if any(map(_failed, found.values())) else 0


def _check_addresses(addresses: tuple[str, ...], known: set[str]) -> None:
    from friendli_iac.resources import check_resource

    for address in addresses:
        if address not in known:
            check_resource(address, "Nothing was sent.")
            raise UsageError(
                f"there is no {address} in the manifests",
                safe="Nothing was sent.",
                next=did_you_mean(address, known, "friendli-iac validate reads them."),
            )


def _failed(checks: tuple[Check, ...]) -> bool:
    return any(check.level == "fail" for check in checks)


def _revision(wish: Wish) -> str:
    """The revision as it was written, and the commit that it is now."""
    from friendli_iac.core.preflight import REVISION, is_commit
    from friendli_iac.resources.spec import get_path

    revision = get_path(wish.spec, REVISION)
    if not revision:
        return ""
    said = wish.asked.get(REVISION)
    shown = revision[:12] if is_commit(revision) else revision
    return f" @ {said or 'default branch'} = {shown}" if said is not None else f" @ {shown}"


def _print(console: Console, check: Check) -> None:
    level = console.paint(f"{check.level:7}", COLOURS[check.level])
    console.out(f"  {level}  {check.text}")
    if check.remedy and check.level != "ok":
        console.out(f"           {check.remedy}")


def _document(
    about: Mapping[str, Wish], found: Mapping[str, tuple[Check, ...]]
) -> dict[str, object]:
    from friendli_iac.core.preflight import REPO, REVISION, is_commit
    from friendli_iac.resources.spec import get_path

    resources = []
    for address, wish in about.items():
        revision = get_path(wish.spec, REVISION)
        resources.append(
            {
                "address": address,
                "repo": get_path(wish.spec, REPO),
                "revision": wish.asked.get(REVISION, revision) or None,
                "commit": revision if is_commit(revision) else None,
                "passed": not _failed(found[address]),
                "checks": [vars(check) for check in found[address]],
            }
        )
    return {
        "format_version": "1.0",
        "passed": not any(map(_failed, found.values())),
        "resources": resources,
    }
