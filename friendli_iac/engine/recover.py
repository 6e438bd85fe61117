"""Closes what an interrupted apply left open; where only a person can tell, asks one.

Nothing is sent but reads: a resource that turns out to be ours is recorded, one that is not is
named and left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from friendli_iac.core.journal import Entry
from friendli_iac.core.replay import Known
from friendli_iac.core.state import State
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.report import ApplyOptions
from friendli_iac.errors import NotFound, Refused, SettleError, UsageError
from friendli_iac.executor.context import Context
from friendli_iac.executor.settle import mark_first_version, resolve
from friendli_iac.resources.base import Observed

NEVER = ""  # the decision that a create never took place


@dataclass(frozen=True)
class Doubt:
    """An open create of which only a person can tell what it made, and what it may have made."""

    begun: Entry
    error: SettleError
    candidates: tuple[Observed, ...]


Decide = Callable[[Doubt], str | None]  # an id, or NEVER; None: not now


@dataclass(frozen=True)
class Recovered:
    """`settled` are sentences about what was closed, `doubts` is what is still open."""

    settled: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()


def open_effects(known: Known) -> list[tuple[Entry, bool]]:
    """What was begun and never closed, oldest first, and whether the API accepted it."""
    found = [(begun, effect in known.sent) for effect, begun in known.open.items()]
    return sorted(found, key=lambda one: one[0].time)


def recover(
    engine: Engine,
    options: ApplyOptions,
    *,
    adopt: Mapping[str, str],
    never: Collection[str],
    decide: Decide,
) -> Recovered:
    """Settles every open effect under the lock. `adopt` (address to id) and `never` (addresses) are
    decisions about open creates that were made before; `decide` is asked about the rest.

    Raises UsageError and Refused for a decision that cannot be right, before anything is recorded;
    Locked; and what reading raises.
    """
    with engine.backend.lock("state recover", engine.environ, options.lock_timeout) as quiet:
        known, _ = engine.known()
        context = engine.context(known, options, quiet)
        context.await_quiet()
        creates = _open_creates(known)
        for address in (*adopt, *never):
            if address not in creates:
                raise _not_open(address, creates)
        chosen = {a: _checked(context, creates[a], id) for a, id in adopt.items()}
        settled: list[str] = []
        doubts: list[Doubt] = []
        for begun, accepted in open_effects(known):
            mine = creates.get(begun.address) is begun
            if mine and begun.address in chosen:
                settled += _close(context, begun, chosen[begun.address].id)
            elif mine and begun.address in never:
                settled += _close(context, begun, NEVER)
            else:
                _settle(context, begun, accepted, decide, settled, doubts)
        if settled or engine.backend.read().entries:
            context.commit()
        return Recovered(tuple(settled), tuple(doubts))


def _open_creates(known: Known) -> dict[str, Entry]:
    """The newest open create of each address."""
    return {begun.address: begun for begun, _ in open_effects(known) if begun.step == "create"}


def _settle(
    context: Context,
    begun: Entry,
    accepted: bool,
    decide: Decide,
    settled: list[str],
    doubts: list[Doubt],
) -> None:
    try:
        outcome = resolve(context, begun, accepted=accepted)
    except SettleError as error:
        doubt = Doubt(begun, error, _candidates(context, begun, error.candidates))
        decision = decide(doubt)
        if decision is None:
            doubts.append(doubt)
            return
        if decision != NEVER:
            _checked(context, begun, decision)
        settled += _close(context, begun, decision)
        return
    told = "took place" if outcome else "did not take place"
    id = f" ({outcome})" if outcome and begun.step == "create" else ""
    settled.append(f"{begun.address}: the interrupted {begun.step} {told}{id}")


def _candidates(context: Context, begun: Entry, ids: Collection[str]) -> tuple[Observed, ...]:
    kind, api = context.kind_of(begun.address)
    found = []
    for id in ids:
        try:
            found.append(kind.read(api, id))
        except NotFound:  # it went away between the list and now
            continue
    return tuple(found)


def _close(context: Context, begun: Entry, id: str) -> list[str]:
    """Writes down what a person decided, as settling does."""
    context.write(
        Entry(
            "done" if id else "absent",
            context.clock.now(),
            address=begun.address,
            key=begun.key,
            step=begun.step,
            id=id or None,
            by=context.by,
        )
    )
    if id:
        mark_first_version(context, begun.address, id)
        closed = f"{begun.address} is {id} from now on; the next apply waits until it serves"
    else:
        closed = f"{begun.address}: closed, it was never created"
    return [closed, *_others(context, begun)]


def _others(context: Context, begun: Entry) -> list[str]:
    """What else has the name that the create gave, and is not ours: nobody watches its bill."""
    kind, api = context.kind_of(begun.address)
    listed = kind.list(api, begun.project)
    state = context.known.state
    strange = [id for id in listed if not _owner(state, id) and id not in (begun.listed or ())]
    return [
        f"{one.id} ({one.name}, {one.status}) is not ours and was not touched. It may bill: if "
        "nobody needs it, delete it in the web page"
        for one in _candidates(context, begun, strange)
        if one.name == begun.name and one.health != "stopped"
    ]


def _checked(context: Context, begun: Entry, id: str) -> Observed:
    """What `id` is, when the open create can have made it."""
    kind, api = context.kind_of(begun.address)
    state = context.known.state
    nothing = "Nothing was recorded."
    try:
        observed = kind.read(api, id)
    except NotFound as error:
        raise UsageError(
            f"there is no {kind.name.lower()} {id}",
            safe=nothing,
            next="friendli-iac state recover shows which ones there are.",
        ) from error
    if taken := _owner(state, id):
        raise Refused(f"{id} is in state already, as {taken}", safe=nothing)
    if not begun.may_have_made(id, observed.name, observed.project):
        older = id in (begun.listed or ())
        raise Refused(
            f"the interrupted create of {begun.address} cannot have made {id}: "
            + (
                "it was there before"
                if older
                else f"it is called {observed.name!r} in {observed.project}, and should be "
                f"{begun.name!r} in {begun.project}"
            ),
            safe=nothing,
            next=f"To take it into state all the same: friendli-iac import {begun.address} {id}",
        )
    return observed


def _owner(state: State, id: str) -> str | None:
    for address, resource in state.resources.items():
        if id in (resource.id, resource.deposed.id if resource.deposed else None):
            return address
    return None


def _not_open(address: str, creates: Collection[str]) -> UsageError:
    there = f"Open creates: {', '.join(creates)}." if creates else "No create is open."
    return UsageError(f"no create of {address} is open", safe="Nothing was recorded.", next=there)
