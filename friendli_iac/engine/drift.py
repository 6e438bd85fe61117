"""Drift, what is not ours, and taking reality for what was applied. Only GETs are sent, and where
routes are to be asked, one inference request for each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from friendli_iac.core.drift import (
    Drifted,
    DriftReport,
    acceptance,
    drifted,
    may_have_moved,
)
from friendli_iac.core.refusals import gone_at_once
from friendli_iac.core.replay import Known
from friendli_iac.core.selection import select
from friendli_iac.core.state import State
from friendli_iac.core.strangers import Stranger, unmanaged
from friendli_iac.engine.drift_routes import Asking
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.observe import Observer, Place
from friendli_iac.engine.planning import Refresh, late_twins
from friendli_iac.engine.report import ApplyOptions
from friendli_iac.errors import ApiError, Cancelled, Refused
from friendli_iac.manifest.compose import slug
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Observed


@dataclass(frozen=True)
class Question:
    """What to look at: the resources of `targets` and `selectors`, or all in state; of all of them
    the versions (`full`) or where the update time moved. `projects`: what is not ours in these,
    and in those of everything in state; None: not asked. `routes`: what is awake is asked for
    those that it has, each with an inference request.
    """

    targets: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    refresh: Refresh = "full"
    projects: tuple[str, ...] | None = None
    routes: bool = False

    @property
    def narrowed(self) -> str:
        """How it is narrowed, in words; empty for everything in state."""
        parts = [f"--target {target}" for target in self.targets]
        return ", ".join(parts + [f"--selector {selector}" for selector in self.selectors])


def find_drift(engine: Engine, question: Question) -> DriftReport:
    """What is not as it was left. Takes no lock, writes nothing. Raises ApiError and its children,
    but not those of W&B, which are in the report; Refused for another team or API, UsageError for
    a target that is not in state.
    """
    known, notices = engine.known()
    with Observer(known.state, engine.apis, engine.parallelism, apart=True) as observer:
        try:
            return _look(engine, known, observer, question, notices)
        except KeyboardInterrupt:
            engine.stop.set()  # threads that pause before they ask again would be waited for
            raise


def accept_drift(
    engine: Engine,
    question: Question,
    approve: Callable[[DriftReport], bool],
    lock_timeout: float = 0.0,
) -> DriftReport:
    """Takes what is live for what was applied, under the lock. `approve` is shown the report when
    there is something to record. Raises Refused where something is open, or all is gone at once;
    Cancelled, Locked, and what `find_drift` raises.
    """
    with engine.backend.lock("refresh", engine.environ, lock_timeout):
        known, notices = engine.known()
        for begun in known.open.values():
            raise Refused(
                f"an interrupted apply left open: {begun.step} {begun.address}",
                safe="Nothing was recorded.",
                next="Run friendli-iac apply first: it settles that.",
            )
        context = engine.context(known, ApplyOptions())
        with Observer(known.state, engine.apis, engine.parallelism) as observer:
            try:
                report = _look(engine, known, observer, question, notices, accept=True)
            except KeyboardInterrupt:
                engine.stop.set()
                raise
            for refusal in gone_at_once(known.state, observer.live, observer.listed):
                raise Refused(refusal.message, safe="Nothing was recorded.", next=refusal.next)
        entries = [entry for one in report.accepted for entry in one.entries]
        if not entries:
            return report
        if not approve(report):
            raise Cancelled("not recorded", safe="Nothing was sent and nothing was changed.")
        for entry in entries:
            context.write(replace(entry, by=context.by))
        context.commit()
        return report


def _look(
    engine: Engine,
    known: Known,
    observer: Observer,
    question: Question,
    notices: Sequence[str],
    *,
    accept: bool = False,
) -> DriftReport:
    state, now = known.state, engine.clock.now()
    chosen = _chosen(known, question)
    places = _places(engine, known, question)
    addresses = list(observer.observe(chosen, places))
    full = question.refresh == "full"
    observer.add_versions(
        a
        for a in addresses
        if (seen := observer.live.get(a)) and (full or may_have_moved(state.resources[a], seen))
    )
    open_now = {begun.address: begun.step for begun in known.open.values()}
    found = [
        one
        for a in addresses
        if a not in open_now
        and (one := drifted(a, state.resources[a], observer.live[a], observer.listed))
    ]
    routes = Asking(engine.apis, known.state, observer.live)
    settled = [a for a in addresses if a not in open_now]
    if question.routes:
        found = routes.added(found, settled)
    else:
        routes.count(settled)
    try:
        found = _with_missed(engine, state, {a: observer.live[a] for a in settled}, found)
    except ApiError as error:  # what an automation should have done, only W&B tells
        observer.leave("WebhookAutomation", error)
        notices = [*notices, "whether an automation missed its event is not known: see the error"]
    notes = [*notices, *_notes(known, observer, addresses, open_now), *routes.notes]
    strangers = None
    if question.projects is not None:
        twins, told = late_twins(observer, known, now)
        strangers = _strangers(engine, known, observer, twins, now)
        notes += [*told, *engine.siblings.notes]
    return DriftReport(
        api=engine.api,
        team=engine.team,
        serial=state.serial,
        narrowed=question.narrowed,
        checked=len(addresses),
        found=tuple(found),
        strangers=strangers,
        notes=tuple(notes),
        prices=engine.prices.words,
        unread=observer.unread,
        left_out=tuple(sorted({*chosen} - {*addresses})),
        accepted=tuple(
            routes.accepted(
                acceptance(one, state.resources[one.address], observer.live[one.address], now), now
            )
            for one in found
        )
        if accept
        else (),
    )


def _with_missed(
    engine: Engine, state: State, live: Mapping[str, Observed | None], found: Sequence[Drifted]
) -> list[Drifted]:
    """`found` with what automations should have rolled out and did not."""
    drifted_now = {one.address: one for one in found}
    for address, sentence in engine.linker.missed(state, live).items():
        seen = live[address]
        assert seen is not None, "only of what is live can something be missed"
        id = state.resources[address].id
        plain = Drifted(address, id, seen.name, seen.status, seen.version)
        drifted_now[address] = replace(drifted_now.get(address, plain), missed=sentence)
    return [drifted_now[address] for address in sorted(drifted_now)]


def _chosen(known: Known, question: Question) -> list[str]:
    """What is asked about: a target stands for itself alone."""
    chosen = select(
        known.state, {}, complete=True, targets=question.targets, selectors=question.selectors
    )
    return sorted(chosen.intersection(question.targets) if question.targets else chosen)


def _places(engine: Engine, known: Known, question: Question) -> set[Place]:
    deposed = {
        (Address.parse(a).kind, r.deposed.project)
        for a, r in known.state.resources.items()
        if r.deposed
    }
    if question.projects is None:
        return deposed
    ours = {(Address.parse(a).kind, r.project) for a, r in known.state.resources.items()}
    return (deposed | ours).union(
        (kind, project)
        for kind in engine.apis
        for project in question.projects
        if KINDS[kind].model.IN_PROJECT
    )


def _notes(
    known: Known, observer: Observer, addresses: Iterable[str], open_now: dict[str, str]
) -> list[str]:
    """What cannot be judged, and why."""
    notes = [
        f"an interrupted apply left open: {step} {address}; the next apply settles it, and until "
        "then it is not judged"
        for address, step in sorted(open_now.items())
    ]
    for address in addresses:
        seen, resource = observer.live.get(address), known.state.resources[address]
        if seen and resource.pending is not None:
            notes.append(
                f"{address}: what was sent last is not proved to serve; the next apply goes on "
                "with it"
            )
        numbered = KINDS[Address.parse(address).kind].versioned
        if seen and numbered and seen.version is None and may_have_moved(resource, seen):
            notes.append(
                f"{address} was touched since we last looked, and its versions cannot be read: "
                "whether write-only fields changed is UNKNOWN"
            )
    notes += [
        f"{refusal.message}. {refusal.next}"
        for refusal in gone_at_once(known.state, observer.live, observer.listed)
    ]
    return notes


def _strangers(
    engine: Engine, known: Known, observer: Observer, twins: set[str], now: float
) -> tuple[Stranger, ...]:
    found = unmanaged(known, observer.listed, engine.siblings.ids | twins)
    there = observer.named(
        (kind, id, listed) for (kind, _), ids in found.items() for id, listed in ids.items()
    )
    kinds = {id: kind for (kind, _), ids in found.items() for id in ids}
    taken = set(known.state.resources)
    strangers = []
    for one in sorted(there, key=lambda one: (one.project, one.name, one.id)):
        address = _free_address(kinds[one.id], one, taken)
        taken.add(address)
        cost = KINDS[kinds[one.id]].hourly_cost(one.spec, engine.prices)
        strangers.append(Stranger(address, one, _age(one.created_at, now), cost))
    return tuple(strangers)


def _free_address(kind: str, one: Observed, taken: set[str]) -> str:
    last = re.sub("[^a-z0-9]", "", one.id.lower())[-6:]
    for name in (slug(one.name), f"{slug(one.name)}-{last}"):
        if f"{kind}/{name}" not in taken:
            return f"{kind}/{name}"
    return f"{kind}/{slug(one.id)}"


def _age(created: str | None, now: float) -> float | None:
    try:
        return max(0.0, now - datetime.fromisoformat(created or "").timestamp())
    except ValueError:
        return None
