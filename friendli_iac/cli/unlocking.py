"""unlock: who holds the lock of the state, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import take_target, with_format, with_target
from friendli_iac.errors import Locked

if TYPE_CHECKING:
    from friendli_iac.backends import Held

STOPS = "If its run lives after all, it stops at its next effect, and before it stores its state."
THEN = "friendli-iac apply settles what that run left open, and goes on"


@click.command("unlock")
@click.option(
    "--force", "id_", metavar="ID",
    help="Break this lock. Only if its run is dead for sure: a lease ends by itself.",
)  # fmt: skip
@with_target
@with_format("text", "json")
@click.pass_obj
def unlock(console: Console, /, id_: str | None, format_: str, **options: Any) -> int:
    """Show who holds the lock, or break it.

    Exit code 7 while somebody holds it.
    """
    from friendli_iac.backends.base import who
    from friendli_iac.cli.session import opened

    with opened(take_target(options), console, online=False) as session:
        where = session.backend.describe()
        if id_ is not None:
            session.backend.unlock(id_, who(session.environ))
            held = None
        else:
            held = session.backend.held()
    if format_ == "json":
        console.out_json(
            {
                "format_version": "1.0",
                "exit_code": Locked.exit_code if held else 0,
                "broken": id_,
                "lock": as_json(held) if held else None,
            }
        )
    elif held:
        _show(console, held)
    elif id_ is None:
        console.out(f"Nobody holds the lock of {where}.")
    else:
        console.out(f"The lock {id_} is broken. {STOPS}")
        console.err(f"next: {THEN}")
    return Locked.exit_code if held else 0


def as_json(held: Held) -> dict[str, Any]:
    """Who holds a lock; `left` is in seconds, null: as long as the process lives."""
    return {**held.holder.to_json(), "left": held.left}


def _show(console: Console, held: Held) -> None:
    holder = held.holder
    console.out(str(holder))
    console.out(f"    id {holder.id}, friendli-iac {holder.version}")
    if held.left is None:
        console.out("    It lasts as long as its process, also when that is killed.")
    elif held.left > 0:
        console.out(f"    It runs out in {held.left:.0f}s if that run does not renew it.")
        console.err(
            "next: Wait for it to end. Only if it is dead for sure: "
            f"friendli-iac unlock --force {holder.id}"
        )
    else:
        console.out("    It has run out: that run is dead, or cannot reach the store.")
        console.err(f"next: nothing is to be unlocked: {THEN}")
