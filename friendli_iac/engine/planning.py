"""Makes a plan: reads what is there while the manifests are read, and lets the planner decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from friendli_iac.core.canonical import digest
from friendli_iac.core.drift import changed_outside, may_have_moved
from friendli_iac.core.journal import LOST_KEPT
from friendli_iac.core.judging import Case
from friendli_iac.core.keys import deployers
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.planner import assemble, decide
from friendli_iac.core.policy import judge
from friendli_iac.core.replay import Known
from friendli_iac.core.scene import Decision, Rollback, Scene, Wish
from friendli_iac.core.selection import select
from friendli_iac.core.state import State
from friendli_iac.core.strangers import unmanaged
from friendli_iac.engine.advising import advised
from friendli_iac.engine.linking import Linker
from friendli_iac.engine.observe import Observer
from friendli_iac.engine.preflight import Preflight
from friendli_iac.engine.siblings import Siblings
from friendli_iac.errors import ApiError, Refused
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, place_of
from friendli_iac.resources.policy import Policy
from friendli_iac.resources.prices import LIST_PRICES, Prices

NAMED = 3  # endpoints that a way out spells out
Wishes = Mapping[Address, Wish]
# How much is read: `fast` looks at versions where the update time moved, `full` at all of them,
# `none` at nothing.
Refresh = Literal["fast", "full", "none"]


@dataclass(frozen=True)
class Selection:
    """What a run is about. `complete`: the whole project was read, so absence deletes.
    `retry_failed`: what is pinned is tried again. `rollbacks` are wishes for versions from before.
    """

    complete: bool = True
    targets: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    retry_failed: bool = False
    refresh: Refresh = "fast"
    rollbacks: Mapping[str, Rollback] = field(default_factory=dict)

    @property
    def narrowed(self) -> str:
        """How it is narrowed, in words; empty for the whole project."""
        if self.rollbacks:
            return f"the rollback of {', '.join(self.rollbacks)}"
        parts = [] if self.complete else ["only the files given with -f"]
        parts += [f"--target {target}" for target in self.targets]
        parts += [f"--selector {selector}" for selector in self.selectors]
        return ", ".join(parts)


def make_plan(
    known: Known,
    read_wishes: Callable[[], Wishes],
    selection: Selection,
    observer: Observer,
    blank: Plan,
    now: float,
    siblings: Siblings | None = None,
    preflight: Preflight | None = None,
    linker: Linker | None = None,
    prices: Prices = LIST_PRICES,
    policies: Sequence[Policy] = (),
) -> Plan:
    """`blank` with its changes: what must be done so that the wishes come true. `now` is in seconds
    since 1970. What is in a state of `siblings` is not ours, and no stranger. `preflight` looks at
    the models that change, and `policies` judge what comes of it.

    `read_wishes` is called while the answers for everything in state are on their way, where
    nothing narrows the plan: at a thousand endpoints that is most of the waiting.
    """
    state = known.state
    if not selection.narrowed and selection.refresh != "none":
        observer.expect(state.resources)
    wanted = {str(address): wish for address, wish in read_wishes().items()}
    chosen = sorted(_chosen(state, wanted, selection))
    as_written, preflight, linker = wanted, preflight or Preflight(), linker or Linker()
    scene = Scene(
        state,
        now=now,
        replace=frozenset(selection.replace),
        rollbacks=selection.rollbacks,
        retry_failed=selection.retry_failed,
        open={begun.address: begun.step for begun in known.open.values()},
        prices=prices,
    )
    if not selection.rollbacks:  # a version from before is exact as it is
        wanted = preflight.lock(wanted, state, chosen)
        wanted = linker.linked(wanted, scene, chosen)
    kinds = {a: KINDS[Address.parse(a).kind] for a in chosen if a in wanted}
    places = {(kind.name, kind.place(wanted[a].spec)) for a, kind in kinds.items()}

    def decided(scene: Scene, addresses: Iterable[str]) -> dict[str, Decision]:
        return {
            a: decide(scene, Address.parse(a), wanted.get(a), observer.live.get(a))
            for a in addresses
        }

    match selection.refresh:
        case "none":
            decisions = decided(scene, observer.presume(chosen))
        case "full":
            observer.add_versions(list(observer.observe(chosen, places)))
            decisions = decided(scene, chosen)
        case "fast":
            decisions = decided(scene, observer.observe(chosen, places))
            again = [a for a, (c, _) in decisions.items() if _needs_version(state, observer, c)]
            observer.add_versions(again)
            decisions |= decided(scene, again)
    named = [change for change, _ in decisions.values() if change.takes_a_name]
    if named and selection.refresh != "none":
        spots = {(Address.parse(change.address).kind, change.project) for change in named}
        scene = replace(scene, strangers=observer.strangers(sorted(spots)))
        decisions |= decided(scene, [change.address for change in named])
    _look_at_deployers(state, observer, (change for change, _ in decisions.values()), selection)
    made = assemble(
        scene, decisions.values(), live=observer.live, listed=observer.listed, blank=blank
    )
    made = advised(made, state, observer.live, observer.apis, wanted)
    made = linker.told(state, made)
    made = replace(
        made if selection.rollbacks else preflight.checked(made),
        # With -f, what the files said cannot be told from the project later on.
        manifest=manifest_digest(as_written) if selection.complete else "",
        prices=prices.words,
        gpu_hour=prices.table,
        notes=(*made.notes, *_notes(observer, known, selection, siblings or Siblings(), now)),
        listed=observer.ids() if named else {},
        narrowed=selection.narrowed,
        drift=changed_outside(known, observer.live, full=selection.refresh == "full"),
    )
    return replace(made, findings=judge(policies, Case(made, state, wanted, prices, now)))


def with_way_out(error: ApiError, state: State, selection: Selection) -> ApiError:
    """`error` of W&B, which keeps a destroy from what automations deploy (they have to go first:
    else W&B would have it made anew), with how what bills is stopped without W&B.
    """
    ending = sorted(_chosen(state, {}, selection))
    billing = [a for a in ending if KINDS[Address.parse(a).kind].serves]
    if billing:
        error.next += f" {without_wandb(billing)}."
    return error


def without_wandb(billing: Sequence[str]) -> str:
    """How what bills at these addresses is stopped, whatever W&B has."""
    sets = "; ".join(f"friendli-iac set {a} spec.desired=terminated" for a in billing[:NAMED])
    targets = " ".join(f"--target {a}" for a in billing[:NAMED])
    more = len(billing) - NAMED
    return (
        f"To stop what bills now, without W&B: {sets}; friendli-iac apply {targets}"
        + (f" (and so on for {more} more)" if more > 0 else "")
        + "; or terminate it in Friendli's web page"
    )


def manifest_digest(wanted: Mapping[str, Wish]) -> str:
    """What a saved plan remembers of the manifests: every wish, without comments and places."""
    if not wanted:
        return ""
    return digest(
        {a: [w.spec, w.labels, sorted(map(str, w.depends_on))] for a, w in wanted.items()}
    )


def _chosen(state: State, wanted: Mapping[str, Wish], selection: Selection) -> set[str]:
    chosen = select(
        state,
        wanted,
        complete=selection.complete,
        # What is to be replaced is in question, too, where targets narrow the rest.
        targets=selection.targets and (*selection.targets, *selection.replace),
        selectors=selection.selectors,
    )
    for address in selection.replace:
        if address not in chosen or address not in wanted or address not in state.resources:
            raise Refused(
                f"--replace {address}: it is not in state, not in the manifests, or not selected",
                safe="Nothing was sent.",
                next="See friendli-iac state list.",
            )
    return chosen


def _look_at_deployers(
    state: State, observer: Observer, changes: Iterable[Change], selection: Selection
) -> None:
    """Reads what may send events to what is made anew, though the plan may not be about it, or is
    about what nobody read: that would buy one more.
    """
    by = {address for some in deployers(state, changes).values() for address in some}
    list(observer.observe(by if selection.refresh == "none" else by - observer.live.keys()))


def _needs_version(state: State, observer: Observer, change: Change) -> bool:
    observed = observer.live.get(change.address)
    if observed is None:
        return False
    resource = state.resources[change.address]
    return may_have_moved(resource, observed) or change.action not in ("no-op", "record")


def _notes(
    observer: Observer,
    known: Known,
    selection: Selection,
    siblings: Siblings,
    now: float,
) -> list[str]:
    """What concerns the plan as a whole."""
    if selection.refresh == "none":
        return [
            "nothing was read (--refresh none): what is live is taken to be as it was applied; an "
            "apply refuses what turns out to be otherwise"
        ]
    twins, notes = late_twins(observer, known, now)
    if selection.narrowed:
        return notes
    return [*notes, *_not_ours(observer, known, twins, siblings)]


def _not_ours(observer: Observer, known: Known, twins: set[str], siblings: Siblings) -> list[str]:
    """One line about what is in our projects and nobody's here. The lists were read anyway; the
    states of siblings are read only where there is something to ask them about.
    """
    listed = {place: ids for place, ids in observer.listed.items() if KINDS[place[0]].serves}
    if not unmanaged(known, listed, twins):
        return []
    others = siblings.ids | twins
    parts = []
    for (kind, project), found in unmanaged(known, listed, others).items():
        statuses = Counter(observed.status for observed in found.values())
        told = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
        noun = f"{KINDS[kind].noun}{'s' * (len(found) != 1)}"
        parts.append(f"{len(found)} {noun} in {place_of(KINDS[kind], project)} ({told})")
    line = f"not ours: {', '.join(parts)}, which may bill: friendli-iac drift --unmanaged"
    return [*siblings.notes, *([line] if parts else [])]


def late_twins(observer: Observer, known: Known, now: float) -> tuple[set[str], list[str]]:
    """What creates that were given up seem to have made after all: their ids, and a note on each.
    They are reported, never touched.
    """
    opened = {(begun.project, begun.name) for begun in known.open.values()}
    lost = [
        one
        for one in known.state.lost
        if now - one.time < LOST_KEPT
        and (Address.parse(one.address).kind, one.project) in observer.listed
        and (one.project, one.name) not in opened
    ]
    places = {(Address.parse(one.address).kind, one.project) for one in lost}
    strangers = observer.strangers(sorted(places))
    found = [
        (one, twin)
        for one in lost
        for twin in strangers
        if (twin.project, twin.name) == (one.project, one.name) and twin.id not in one.listed
    ]
    return {twin.id for _, twin in found}, [
        f"{twin.id} ({twin.status}) in {place_of(KINDS[kind], twin.project)} is called "
        f"{twin.name!r} and is not in state: probably a create of {one.address} that got no answer "
        "and took place late. It was not touched, and may bill: delete it in the web page."
        for one, twin in found
        for kind in [Address.parse(one.address).kind]
    ]
