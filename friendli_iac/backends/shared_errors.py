"""What is said when a shared state cannot be had, or is ours no more."""

from __future__ import annotations

from friendli_iac.backends.base import Held, Holder, Kept
from friendli_iac.backends.log import Record
from friendli_iac.errors import Locked, LockLost, Refused, StateError


def locked(held: Held) -> Locked:
    """Another one has the lock."""
    return Locked(
        f"the state is locked: {held.holder}; if it is dead, its lock runs out in {held.left:.0f}s",
        safe="Nothing was sent.",
        next="Wait for it to end. apply and destroy can wait: --lock-timeout 10m. Only if that run "
        f"is dead for sure: friendli-iac unlock --force {held.holder.id}",
    )


def lost(found: Record | None) -> LockLost:
    """Another one's record has the number that was to be ours."""
    what = "somebody else has taken the lock"
    if found and found.kind == "open":
        what = f"the lock was taken over: {Holder.from_json(found.holder or {})}"
    elif found and found.kind == "close":
        what = f"the lock was broken by {found.by}"
    return LockLost(
        f"{what}; this run has stopped",
        safe="Nothing was sent after that. What was sent before is in the journal, and who has the "
        "lock settles it.",
        next="friendli-iac plan shows how things stand.",
    )


def not_that_lock(id: str, holder: Holder | None) -> Refused:
    """The lock that is to be broken is not held."""
    there = f"it is {holder.id}: {holder}" if holder else "nobody holds it"
    return Refused(
        f"the lock is not {id}: {there}",
        safe="Nothing was changed.",
        next="friendli-iac unlock shows who holds it.",
    )


def put_back(where: str, first: str, last: str) -> StateError:
    """Records are gone that we wrote."""
    return StateError(
        f"{where} was put back to an earlier time while this run was at work: what it wrote from "
        f"{first} to {last} is not all there",
        safe="Nothing more was sent.",
        next="Find out who restored it; friendli-iac plan shows how things stand.",
    )


def too_slow(where: str) -> StateError:
    """By the time we hear that the lock is ours, it may not be."""
    return StateError(
        f"{where} answers too slowly to tell who has the lock",
        safe="What was about to be sent was not sent.",
        next="Run the same command again when it answers faster.",
    )


def not_kept(kept: Kept) -> StateError:
    """An old state was cleared away."""
    return StateError(
        f"serial {kept.serial} is not kept any more",
        safe="Nothing was changed.",
        next="friendli-iac state history shows which ones are.",
    )
