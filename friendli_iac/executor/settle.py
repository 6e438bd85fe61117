"""Finds out what became of an effect whose answer never came: this run's, or a killed one's.

Nothing is sent here. The outcome is `done` (it took place) or `absent` (it did not), and is written
to the journal; where only a person can tell, SettleError says what to look at.
"""

from __future__ import annotations

from typing import Any

from friendli_iac.core.diff import readable
from friendli_iac.core.state import Entry
from friendli_iac.errors import NotFound, SettleError
from friendli_iac.executor.context import Context
from friendli_iac.resources.base import Kind, Observed

LOOK_EVERY = 5.0  # seconds between two looks for a create


def settle_all(context: Context) -> list[str]:
    """Settles every open effect, and says what was found, one sentence each."""
    found = []
    for effect, begun in list(context.known.open.items()):
        outcome = resolve(context, begun, accepted=effect in context.known.sent)
        told = "took place" if outcome else "did not take place"
        id = f" ({outcome})" if outcome and begun.step == "create" else ""
        found.append(f"{begun.address}: the interrupted {begun.step} {told}{id}")
    return found


def resolve(context: Context, begun: Entry, *, accepted: bool) -> str | None:
    """The id of the resource when the effect took place, None when it did not; journalled."""
    if begun.step == "create":
        id = locate(context, begun, accepted=accepted)
    else:
        id = begun.id if _took_place(context, begun) else None
    context.write(
        Entry(
            "done" if id else "absent",
            context.clock.now(),
            address=begun.address,
            key=begun.key,
            step=begun.step,
            id=id,
        )
    )
    return id


def locate(
    context: Context, begun: Entry, *, accepted: bool, timeout: float | None = None
) -> str | None:
    """The id that a create brought about: in the project's list now and not before, with our name.

    None only after two complete lists, the later one at least the settle grace after the request,
    showed nothing. A create that was accepted is never given up: then SettleError. SettleError
    also when several fit.
    """
    kind, api = context.kind_of(begun.address)
    patience = timeout if timeout is not None else context.settle_grace
    looks, wait = 0, 0.2
    while True:
        asked_at = context.clock.now()
        candidates = _candidates(kind, api, begun)
        looks += 1
        if len(candidates) > 1:
            raise _several(begun, candidates)
        if candidates:
            return candidates[0].id
        # The clock may have been set back since: never wait longer than the grace itself.
        waited = asked_at - begun.time if asked_at >= begun.time else patience
        if looks >= 2 and waited >= patience:
            break
        wait = min(wait * 2, LOOK_EVERY)
        context.pause(min(wait, max(0.0, patience - waited)))
    if not accepted:
        return None
    raise SettleError(
        f"the API accepted the create of {begun.address}, and no endpoint called "
        f"{begun.name!r} has appeared in project {begun.project}",
        address=begun.address,
        safe="It is not sent again: that could buy a second GPU.",
        next=f"Look for it in the web page. If it is there: friendli-iac import {begun.address} ID."
        f" If you are sure that it is not: friendli-iac state forget {begun.address}.",
    )


def _candidates(kind: Kind, api: Any, begun: Entry) -> list[Observed]:
    before = set(begun.listed or ())
    found = []
    for id, listed in kind.list(api, begun.project).items():
        if id in before:
            continue
        try:
            observed = kind.combine(id, kind.fetch(api, id), listed)
        except NotFound:
            continue
        if (observed.name, observed.project) == (begun.name, begun.project):
            found.append(observed)
    return found


def _several(begun: Entry, candidates: list[Observed]) -> SettleError:
    ids = sorted(candidate.id for candidate in candidates)
    return SettleError(
        f"{len(ids)} endpoints called {begun.name!r} appeared in project {begun.project} since the "
        f"create of {begun.address}: {', '.join(ids)}",
        address=begun.address,
        candidates=ids,
        safe="None was touched, and both may bill.",
        next=f"Keep one: friendli-iac import {begun.address} ID. Delete the others there.",
    )


def _took_place(context: Context, begun: Entry) -> bool:
    kind, api = context.kind_of(begun.address)
    assert begun.id is not None, "only a create begins without an id"
    try:
        observed = kind.read(api, begun.id)
    except NotFound:
        gone = begun.id not in kind.list(api, begun.project)
        return gone and begun.step in ("terminate", "delete")
    match begun.step:
        case "terminate":
            return observed.health in ("ending", "stopped")
        case "restart":
            return observed.health in ("changing", "served")
        case "update":
            return _updated(kind, api, begun, observed)
        case _:
            return False


def _updated(kind: Kind, api: Any, begun: Entry, observed: Observed) -> bool:
    """Nobody sees whose version is whose: one new version that is on its way, or shows what we
    sent, is ours. Anything else is left to the next plan, which calls it unknown.
    """
    version = kind.newest_version(api, begun.id or "")
    before = begun.fence.version
    if version is None or before is None or version == before:
        return observed.health == "changing" and version != before
    return version == before + 1 and (observed.health != "served" or shows(kind, begun, observed))


def shows(kind: Kind, begun: Entry, observed: Observed) -> bool:
    """Whether the live resource has every readable value that was sent."""
    sent = readable(kind, begun.after.spec) if begun.after else {}
    live = readable(kind, observed.spec)
    return all(live.get(path) == value for path, value in sent.items())
