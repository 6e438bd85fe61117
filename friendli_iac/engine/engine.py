"""Plan and apply, composed from observer, planner, executor and backend."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from friendli_iac import __version__
from friendli_iac.backends.base import Backend, who
from friendli_iac.core.canonical import digest
from friendli_iac.core.journal import Known, replay
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.planner import (
    Scene,
    Wish,
    assemble,
    based_on,
    decide,
    seen_digest,
)
from friendli_iac.core.selection import select
from friendli_iac.core.state import State
from friendli_iac.engine.observe import Observer, View
from friendli_iac.errors import Cancelled, FriendliIacError, Refused, StalePlan
from friendli_iac.executor.context import Clock, Context, Reporter, SystemClock
from friendli_iac.executor.run import Outcome, execute
from friendli_iac.executor.settle import settle_all
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address

Wishes = Mapping[Address, Wish]


@dataclass(frozen=True)
class Selection:
    """What a run is about. `complete`: the whole project was read, so absence deletes."""

    complete: bool = True
    targets: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()

    @property
    def narrowed(self) -> str:
        """How it is narrowed, in words; empty for the whole project."""
        parts = [] if self.complete else ["only the files given with -f"]
        parts += [f"--target {target}" for target in self.targets]
        parts += [f"--selector {selector}" for selector in self.selectors]
        return ", ".join(parts)


@dataclass(frozen=True)
class ApplyOptions:
    """How to apply. Times in seconds. `allow_destroy` are addresses, or `*` for all of them; None
    when somebody looked at the plan and said yes.
    """

    parallelism: int = 16
    timeout: float = 1800.0
    settle_grace: float = 120.0
    lock_timeout: float = 0.0
    no_wait: bool = False
    continue_on_error: bool = False
    allow_destroy: frozenset[str] | None = frozenset()


@dataclass(frozen=True)
class Applied:
    """What an apply did. `settled` are sentences about what an interrupted one had left."""

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    settled: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass
class Engine:
    """One project, one state, one API: `api` and `team` must agree with the state's header."""

    backend: Backend
    apis: Mapping[str, Any]
    api: str
    team: str
    reporter: Reporter
    environ: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    parallelism: int = 16
    stop: threading.Event = field(default_factory=threading.Event)

    # --- plan ---

    def plan(self, wishes: Wishes, selection: Selection, *, destroy: bool = False) -> Plan:
        """What an apply would do. Takes no lock, writes nothing. Refusals are in the plan."""
        known, notices = self.known()
        return self._plan(known, wishes, selection, destroy, notices)

    def known(self) -> tuple[Known, tuple[str, ...]]:
        """The state with its journal, checked against our API and team, and notices about it."""
        stored = self.backend.read()
        state = stored.state or State(lineage=str(uuid4()), api=self.api, team=self.team)
        for name, ours, theirs in (
            ("API address", self.api, state.api),
            ("team", self.team, state.team),
        ):
            if ours and theirs and ours != theirs:
                raise Refused(
                    f"the state belongs to the {name} {theirs}, and this run uses {ours}",
                    safe="Nothing was sent.",
                    next="Set FRIENDLI_BASE_URL and FRIENDLI_TEAM_ID as the state has them, or use "
                    "another state.",
                )
        return replay(state, stored.entries), stored.notices

    def _plan(
        self,
        known: Known,
        wishes: Wishes,
        selection: Selection,
        destroy: bool,
        notes: Sequence[str] = (),
    ) -> Plan:
        state = known.state
        wanted = {} if destroy else {str(address): wish for address, wish in wishes.items()}
        chosen = select(
            state,
            wanted,
            complete=selection.complete or destroy,
            targets=(*selection.targets, *selection.replace)
            if selection.targets
            else selection.targets,
            selectors=selection.selectors,
        )
        for address in selection.replace:
            if address not in wanted or address not in state.resources:
                raise Refused(
                    f"--replace {address}: it is not in state, or not in the manifests",
                    safe="Nothing was sent.",
                    next="See friendli-iac state list.",
                )
        observer = Observer(self.apis, self.parallelism)
        places = {(Address.parse(a).kind, wanted[a].spec["project"]) for a in chosen if a in wanted}
        view = observer.view(state, chosen, places)
        scene = Scene(
            state,
            replace=frozenset(selection.replace),
            open={begun.address: begun.step for begun in known.open.values()},
        )

        def decided(scene: Scene, addresses: Sequence[str]) -> dict[str, Any]:
            return {
                a: decide(scene, Address.parse(a), wanted.get(a), view.live.get(a))
                for a in addresses
            }

        decisions = decided(scene, sorted(chosen))
        again = [a for a in decisions if _needs_version(state, view, decisions[a][0])]
        observer.with_versions(view, again)
        decisions |= decided(scene, again)
        named = [c for c, _ in decisions.values() if _takes_a_name(c)]
        if named:
            spots = {(Address.parse(c.address).kind, c.project) for c in named}
            strangers = observer.strangers(state, view, sorted(spots))
            scene = Scene(state, strangers, scene.replace, scene.open)
            decisions |= decided(scene, [c.address for c in named])
        return assemble(
            scene,
            decisions.values(),
            observed=view.live,
            identity=Plan(
                plan_id=uuid4().hex,
                lineage=state.lineage,
                serial=state.serial,
                api=self.api,
                team=self.team,
                tool_version=__version__,
                manifest=manifest_digest(wanted),
                notes=(*notes, *_late_twins(observer, known, view)),
                listed=view.ids() if named else {},
                narrowed=selection.narrowed,
            ),
        )

    # --- apply ---

    def apply(
        self,
        make_plan: Callable[[Callable[..., Plan]], Plan],
        options: ApplyOptions,
        approve: Callable[[Plan], bool],
        *,
        operation: str = "apply",
        saved: bool = False,
    ) -> Applied:
        """Settles, plans, asks, and makes it true, all under one lock.

        `make_plan` is given this engine's planner (`wishes, selection, destroy`) and returns the
        plan, or (`saved`) one that was made before. `approve` is shown the plan when there is something to do.
        Raises Locked, Refused, StalePlan, SettleError and what reading raises; what goes wrong with
        a change is in its outcome.
        """
        with self.backend.lock(operation, self.environ, options.lock_timeout):
            known, notices = self.known()
            context = self.context(known, options)
            settled = self._settle(context)

            def planner(wishes: Wishes, selection: Selection, destroy: bool = False) -> Plan:
                return self._plan(context.known, wishes, selection, destroy)

            plan = make_plan(planner)
            self._check(context.known.state, plan)
            if saved:
                self._check_live(context.known.state, plan)
            if not plan.pending_changes:
                return Applied(plan, settled=settled, notices=notices)
            _guard(plan, options.allow_destroy)
            if not approve(plan):
                raise Cancelled("not applied", safe="Nothing was sent and nothing was changed.")
            if context.known.state.serial == 0:
                context.known.state.lineage = plan.lineage
                context.commit()  # a journal needs a state to belong to
            outcomes = execute(
                context,
                plan,
                parallelism=options.parallelism,
                continue_on_error=options.continue_on_error,
                no_wait=options.no_wait,
            )
            self._learn_team(context, outcomes)
            context.commit()
            return Applied(plan, tuple(outcomes), settled, notices)

    def context(self, known: Known, options: ApplyOptions) -> Context:
        """What the executor needs to work on `known`. To be used under the lock."""
        return Context(
            backend=self.backend,
            apis=self.apis,
            known=known,
            clock=self.clock,
            reporter=self.reporter,
            by=who(self.environ),
            timeout=options.timeout,
            settle_grace=options.settle_grace,
            stop=self.stop,
        )

    def _settle(self, context: Context) -> tuple[str, ...]:
        """Finishes what an interrupted apply left open, and makes what is known the state."""
        stored = self.backend.read()
        if not stored.entries and not context.known.open:
            return ()
        settled = settle_all(context)
        context.commit()
        return tuple(settled)

    def _check(self, state: State, plan: Plan) -> None:
        """StalePlan unless the plan still fits the state, and what it touches did not move."""
        moved = []
        run = state.runs.get(plan.plan_id)
        if run and run.complete:
            raise StalePlan(["it was applied already, and a plan runs once"])
        if (plan.api, plan.team or self.team) != (self.api, self.team or plan.team):
            moved.append(f"it was made for {plan.api} and team {plan.team or 'default'}")
        if state.serial and plan.lineage != state.lineage:
            moved.append(f"the state is another one (lineage {state.lineage})")
        touched = [
            change
            for change in plan.pending_changes
            if not (run and (change.key in run.steps or change.key in run.finished))
        ]
        for change in touched:
            if based_on(state.resources.get(change.address)) != change.based_on:
                moved.append(f"{change.address} is not in state as it was")
        if moved:
            raise StalePlan(moved)

    def _check_live(self, state: State, plan: Plan) -> None:
        """StalePlan when a resource that a saved plan touches was changed since, by anybody."""
        run = state.runs.get(plan.plan_id)
        touched = [
            change
            for change in plan.pending_changes
            if change.id and not (run and (change.key in run.steps or change.key in run.finished))
        ]
        observer = Observer(self.apis, self.parallelism)
        view = observer.view(state, [change.address for change in touched], set())
        observer.with_versions(view, [change.address for change in touched])
        moved = [sentence for change in touched if (sentence := _moved(change, view))]
        if moved:
            raise StalePlan(moved)

    def _learn_team(self, context: Context, outcomes: Sequence[Outcome]) -> None:
        """The team that the resources turned out to be in: the next run must be in it, too."""
        state = context.known.state
        for outcome in outcomes:
            if state.team or not outcome.id or outcome.address not in state.resources:
                continue
            kind = KINDS[Address.parse(outcome.address).kind]
            try:
                state.team = kind.read(self.apis[kind.name], outcome.id).team or ""
            except FriendliIacError:
                return  # the next apply learns it


def manifest_digest(wanted: Mapping[str, Wish]) -> str:
    """What a saved plan remembers of the manifests: every wish, without comments and places."""
    if not wanted:
        return ""
    return digest(
        {a: [w.spec, w.labels, sorted(map(str, w.depends_on))] for a, w in wanted.items()}
    )


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 when all is applied; 8 when stopped; 4 when some changes took and others failed; 9 when
    only time ran out; otherwise the first error's own.
    """
    if any(o.result == "cancelled" for o in outcomes):
        return 8
    failed = [o for o in outcomes if o.result == "failed"]
    if failed and any(o.touched or o.result in ("applied", "sent") for o in outcomes):
        return 4
    if failed:
        return failed[0].error.exit_code if failed[0].error else 1
    return 9 if any(o.result == "timed out" for o in outcomes) else 0


def _late_twins(observer: Observer, known: Known, view: View) -> list[str]:
    """What creates that were given up seem to have made after all: reported, never touched."""
    found = []
    opened = {(begun.project, begun.name) for begun in known.open.values()}
    for lost in known.state.lost:
        place = (Address.parse(lost.address).kind, lost.project)
        if place not in view.listed or (lost.project, lost.name) in opened:
            continue
        strangers = observer.strangers(known.state, view, [place], known=lost.listed)
        found += [
            f"{twin.id} ({twin.status}) in project {twin.project} is called {twin.name!r} and is "
            f"not in state: probably a create of {lost.address} that got no answer and took place "
            "late. It was not touched, and may bill: delete it in the web page."
            for twin in strangers
            if twin.name == lost.name
        ]
    return found


def _needs_version(state: State, view: View, change: Change) -> bool:
    observed = view.live.get(change.address)
    if observed is None:
        return False
    fence = state.resources[change.address].fence
    moved = observed.updated_at is None or observed.updated_at != fence.updated_at
    return moved or change.action not in ("no-op", "record")


def _takes_a_name(change: Change) -> bool:
    renamed = any(f.path == "name" for f in change.fields)
    return change.action in ("create", "replace") or renamed


def _guard(plan: Plan, allowed: frozenset[str] | None) -> None:
    """Refused when the plan must not be applied, or ends something that nobody allowed to end."""
    if plan.refusals:
        first = plan.refusals[0]
        more = len(plan.refusals) - 1
        raise Refused(
            f"{first.address}: {first.message}" + (f" (and {more} more)" if more else ""),
            safe="Nothing was sent.",
            next=first.next,
        )
    if allowed is None or "*" in allowed:
        return
    ending = [c for c in plan.changes if c.destructive and c.address not in allowed]
    if ending:
        names = " ".join(f"--allow-destroy {c.address}" for c in ending)
        raise Refused(
            "this would end what clients call: "
            + ", ".join(f"{c.action} {c.address}" for c in ending),
            safe="Nothing was sent.",
            next=f"If that is meant: {names}",
        )


def _moved(change: Change, view: View) -> str:
    observed = view.live.get(change.address)
    kind = KINDS[Address.parse(change.address).kind]
    if observed is None:
        return "" if change.action == "record" else f"{change.address} is gone"
    if change.action == "record" and change.after is None:
        return f"{change.address} is there again"
    if observed.version != change.fence.version and change.fence.version is not None:
        return (
            f"{change.address} is at version {observed.version}, and the plan saw "
            f"{change.fence.version}"
        )
    if seen_digest(kind, observed) != change.seen:
        return f"{change.address} was changed since the plan was made"
    return ""
