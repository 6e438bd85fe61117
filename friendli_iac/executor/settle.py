"""Finds out what became of an effect whose answer never came: this run's, or a killed one's.

Nothing is sent here. The outcome is `done` (it took place) or `absent` (it did not), and is written
to the journal; where only a person can tell, SettleError says what to look at.
"""

from __future__ import annotations

from friendli_iac.core.diff import readable
from friendli_iac.core.journal import Entry
from friendli_iac.core.planner import seen_digest
from friendli_iac.core.state import Fence
from friendli_iac.errors import ApiError, NotFound, SettleError
from friendli_iac.executor.context import Context
from friendli_iac.executor.look import look
from friendli_iac.resources.base import NEW_VERSION, Kind, Observed, place_of

LOOK_EVERY = 5.0  # seconds between two looks
# The longest grace, in seconds, of what starts nothing: it is there at once, or not at all.
PLAIN_GRACE = 2.0


def settle_all(context: Context) -> list[str]:
    """Settles every open effect, and says what was found, one sentence each."""
    found = []
    context.await_quiet()
    for effect, begun in list(context.known.open.items()):
        outcome = resolve(context, begun, accepted=effect in context.known.sent)
        told = "took place" if outcome else "did not take place"
        id = f" ({outcome})" if outcome and begun.step == "create" else ""
        found.append(f"{begun.address}: the interrupted {begun.step} {told}{id}")
    return found


def resolve(context: Context, begun: Entry, *, accepted: bool) -> str | None:
    """The id of the resource when the effect took place, None when it did not; journalled.

    `accepted`: the API said that it would take place.
    """
    if begun.step == "create":
        id = locate(context, begun, accepted=accepted)
    else:
        # An update that comes late would be one more cold start. The others come to nothing then.
        late = begun.step in NEW_VERSION
        id = _watch(context, begun, context.settle_grace if late else 0.0)
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
    if begun.step == "create" and id:
        mark_first_version(context, begun.address, id)
    return id


def mark_first_version(context: Context, address: str, id: str) -> None:
    """Notes the version that a create made, so that one by somebody else is told from it."""
    kind, api = context.kind_of(address)
    try:
        version = kind.newest_version(api, id)
    except ApiError:  # the create is known, and that is what matters
        return
    fence = Fence(version)
    context.write(Entry("fence", context.clock.now(), address=address, fence=fence))


def locate(
    context: Context, begun: Entry, *, accepted: bool, timeout: float | None = None
) -> str | None:
    """The id that a create brought about: in the project's list now and not before, with our name.

    None only after two complete lists, the later one at least the settle grace (or `timeout`) after
    the request, showed nothing. A create that was accepted is never given up: then SettleError.
    SettleError also when several fit.
    """
    id = _watch(context, begun, context.settle_grace if timeout is None else timeout)
    if id or not accepted:
        return id
    kind, _ = context.kind_of(begun.address)
    twice = "buy a second GPU" if kind.serves else "make a second one"
    raise SettleError(
        f"the API accepted the create of {begun.address}, and no {kind.noun} called "
        f"{begun.name!r} has appeared in {place_of(kind, begun.project)}",
        address=begun.address,
        safe=f"It is not sent again: that could {twice}.",
        next="friendli-iac state recover shows what may be it, and takes the decision: --adopt "
        f"{begun.address}=ID, or --none {begun.address} where you are sure that there is none.",
    )


def _watch(context: Context, begun: Entry, patience: float) -> str | None:
    """Looks at least twice, and until `patience` (seconds) after the request has passed."""
    if not context.kind_of(begun.address)[0].versioned:
        patience = min(patience, PLAIN_GRACE)
    # The clock may have been set back since: then what is left of the grace is not known.
    since = min(begun.time, context.clock.now())
    looks, wait = 0, 0.2
    while True:
        left = since + patience - context.clock.now()
        looks += 1
        last = looks >= 2 and left <= 0
        id = _created(context, begun) if begun.step == "create" else _changed(context, begun, last)
        if id or last:
            return id
        wait = min(wait * 2, LOOK_EVERY)
        context.pause(min(wait, max(0.0, left)))


def _created(context: Context, begun: Entry) -> str | None:
    kind, api = context.kind_of(begun.address)
    resources = list(context.known.state.resources.items())
    others = {resource.id for address, resource in resources if address != begun.address}
    found: list[str] = []
    for id, listed in kind.list(api, begun.project).items():
        if id in others or id in (begun.listed or ()):
            continue
        try:
            observed = kind.combine(id, kind.fetch(api, id), listed)
        except NotFound:
            continue
        if (observed.name, observed.project) == (begun.name, begun.project):
            found.append(id)
    if len(found) > 1:
        raise _several(kind, begun, sorted(found))
    return found[0] if found else None


def _several(kind: Kind, begun: Entry, ids: list[str]) -> SettleError:
    return SettleError(
        f"{len(ids)} {kind.noun}s called {begun.name!r} appeared in "
        f"{place_of(kind, begun.project)} since the create of {begun.address}: {', '.join(ids)}",
        address=begun.address,
        candidates=ids,
        safe="None was touched" + ", and each may bill" * kind.serves + ".",
        next="friendli-iac state recover shows them. Keep one with --adopt "
        f"{begun.address}=ID, and delete the others in the web page.",
    )


def _changed(context: Context, begun: Entry, last: bool) -> str | None:
    """The id when what was begun on it shows. A change of what is gone did not take place. `last`:
    there is no more time to wait for more to show.
    """
    kind, api = context.kind_of(begun.address)
    assert begun.id is not None, "only a create begins without an id"
    observed = look(kind, api, begun.id, begun.project)
    match begun.step:
        case "terminate":
            seen = observed is None or observed.health in ("ending", "stopped")
        case "delete":
            seen = observed is None
        case "sleep":
            seen = observed is not None and observed.asleep
        case "wake":
            awake = observed is not None and not observed.asleep
            seen = awake and observed is not None and observed.health in ("changing", "served")
        case "restart":
            seen = observed is not None and observed.health in ("changing", "served")
        case _:
            version = kind.newest_version(api, begun.id) if observed else None
            seen = observed is not None and _updated(context, begun, observed, version, last)
    return begun.id if seen else None


def _updated(
    context: Context, begun: Entry, observed: Observed, version: int | None, last: bool
) -> bool:
    """Nobody sees whose version is whose: one new version is ours when it is on its way, shows what
    we sent, or still shows at the `last` look what was there before (a roll-out that failed: the
    gate will say so). Anything else is left to the next plan, which calls it unknown.
    """
    kind, _ = context.kind_of(begun.address)
    sent = readable(kind, begun.after.spec) if begun.after else {}
    live = readable(kind, observed.spec)
    shows = all(live.get(path) == value for path, value in sent.items())
    if not kind.versioned:  # where nothing of it can be read, it is sent once more
        return shows and seen_digest(kind, observed) != begun.seen
    before = begun.fence.version
    if version is None or before is None:
        return observed.health == "changing"
    ours = shows or (last and seen_digest(kind, observed) == begun.seen)
    meant = version > before and kind.moved_by(begun.after.spec if begun.after else {})
    made = version == before + 1 or bool(meant)
    return made and (observed.health != "served" or ours)
