"""Plan and apply, composed from observer, planner, executor and backend."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import uuid4

from friendli_iac import __version__
from friendli_iac.backends.base import Backend, who
from friendli_iac.core.journal import Entry, EntryType
from friendli_iac.core.judging import Case
from friendli_iac.core.plan import Plan
from friendli_iac.core.policy import rejudged
from friendli_iac.core.replay import Known, replay
from friendli_iac.core.state import State
from friendli_iac.engine.approval import rest_of_approved, still_asked
from friendli_iac.engine.guards import (
    check_header,
    check_live,
    check_permitted,
    check_prices,
    check_state,
)
from friendli_iac.engine.linking import Linker
from friendli_iac.engine.observe import Observer
from friendli_iac.engine.payloads import outdated
from friendli_iac.engine.planning import Selection, Wishes, make_plan, with_way_out
from friendli_iac.engine.preflight import Preflight
from friendli_iac.engine.report import ApplyOptions, Report
from friendli_iac.engine.resuming import check_begun
from friendli_iac.engine.siblings import Siblings
from friendli_iac.errors import (
    ApiError,
    Cancelled,
    FriendliIacError,
    StateError,
)
from friendli_iac.executor.context import Clock, Context, Reporter, SystemClock
from friendli_iac.executor.outcome import Outcome
from friendli_iac.executor.run import execute
from friendli_iac.executor.settle import settle_all
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address
from friendli_iac.resources.policy import Policy
from friendli_iac.resources.prices import LIST_PRICES, Prices
from friendli_iac.review.times import rfc3339


@dataclass
class Engine:
    """One project, one state, one API: `api`, `team`, `project` (its name or folder) and
    `environment` must agree with the state's header. Where nobody names a team, `on_team` is told
    the one that the state has: the API then checks it. `unsaved` is what an apply did whose state
    could not be stored in the end.
    """

    backend: Backend
    apis: Mapping[str, Any]
    api: str
    team: str
    reporter: Reporter
    project: str = ""
    environment: str = ""
    commit: str = ""  # of the manifests' repository
    environ: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    parallelism: int = 16
    stop: threading.Event = field(default_factory=threading.Event)
    on_team: Callable[[str], None] = lambda team: None
    wandb: Callable[[], str] = str  # the address of W&B's API; asked where something lives there
    siblings: Siblings = field(default_factory=Siblings)
    preflight: Preflight = field(default_factory=Preflight)
    linker: Linker = field(default_factory=Linker)
    prices: Prices = LIST_PRICES
    policies: tuple[Policy, ...] = ()
    override: Callable[[], str] = str  # why what is denied is done; asked when secrets are known
    _named: bool = False  # whether the header of the state learns something from this run
    unsaved: Report | None = None

    # --- plan ---

    def plan(
        self, read_wishes: Callable[[], Wishes], selection: Selection, *, destroy: bool = False
    ) -> Plan:
        """What an apply would do. Takes no lock, writes nothing. Refusals are in the plan.

        `read_wishes` may take its time: what is in state is read meanwhile.
        """
        known, notices = self.known()
        return self._plan(known, read_wishes, selection, destroy, notices)

    @property
    def header(self) -> dict[str, str]:
        """What the header of our state must agree with; empty is anything."""
        return {
            "project": self.project,
            "environment": self.environment,
            "api": self.api,
            "team": self.team,
        }

    def known(self) -> tuple[Known, tuple[str, ...]]:
        """The state with its journal, checked against our API and team, and notices about it."""
        stored = self.backend.read()
        state = stored.state or State(lineage=str(uuid4()))
        header = self.header
        if state.wandb or state.in_wandb:
            header["wandb"] = self.wandb()
        check_header(state, header)
        for key, said in header.items():
            if said and not getattr(state, key):
                setattr(state, key, said)
                self._named = bool(stored.state)
        if state.team and not self.team:
            self.on_team(state.team)
        return replay(state, stored.entries), stored.notices

    def _plan(
        self,
        known: Known,
        read_wishes: Callable[[], Wishes],
        selection: Selection,
        destroy: bool,
        notes: Sequence[str] = (),
    ) -> Plan:
        blank = Plan(
            plan_id=uuid4().hex,
            lineage=known.state.lineage,
            serial=known.state.serial,
            api=self.api,
            team=self.team,
            tool_version=__version__,
            manifest="",
            notes=tuple(notes),
            project=self.project,
            environment=self.environment,
            commit=self.commit,
            created=rfc3339(self.clock.now()),
        )
        if destroy:  # the plan of a project that wants nothing
            read_wishes, selection = dict, replace(selection, complete=True)
        with Observer(known.state, self.apis, self.parallelism) as observer:
            try:
                made = make_plan(
                    known,
                    read_wishes,
                    selection,
                    observer,
                    blank,
                    self.clock.now(),
                    self.siblings,
                    self.preflight,
                    self.linker,
                    self.prices,
                    self.policies,
                )
            except KeyboardInterrupt:
                self.stop.set()  # threads that pause before they ask again would be waited for
                raise
            except ApiError as error:
                if destroy and error is observer.unread:
                    raise with_way_out(error, known.state, selection) from None
                raise
        return self._overridden(made)

    def _overridden(self, plan: Plan) -> Plan:
        """The plan with why it is applied though rules deny it, where somebody says so."""
        return replace(plan, override=self.override()) if plan.denied else plan

    # --- apply ---

    def apply(
        self,
        make_plan: Callable[[Callable[..., Plan]], Plan],
        options: ApplyOptions,
        approve: Callable[[Plan], bool],
        *,
        operation: str = "apply",
        saved: bool = False,
        approved: str = "",
    ) -> Report:
        """Settles, plans, asks, and makes it true, all under one lock.

        `make_plan` is given this engine's planner (`wishes, selection, destroy`) and returns the
        plan, or (`saved`) one that was made before. With `approved`, nothing but the plan with that
        digest is carried out. `approve` is shown the plan when there is something to do. Raises
        Locked, Refused, StalePlan, SettleError and what reading raises; what goes wrong with a
        change is in its outcome.
        """
        with self.backend.lock(operation, self.environ, options.lock_timeout) as quiet:
            known, notices = self.known()
            context = self.context(known, options, quiet)
            settled = self._settle(context)

            def planner(wishes: Wishes, selection: Selection, destroy: bool = False) -> Plan:
                selection = still_asked(context.known.state, selection, approved)
                return self._plan(context.known, lambda: wishes, selection, destroy)

            def check(plan: Plan, saved: bool = True, wanted: Plan | None = None) -> None:
                state, now = context.known.state, self.clock.now()
                check_state(state, plan, api=self.api, team=self.team, now=now)
                if saved:
                    check_live(state, plan, self.apis, self.parallelism)
                    check_begun(context.known, plan, wanted, self.apis, self.parallelism, now)

            plan = make_plan(planner)
            if approved and plan.pending_changes and plan.digest != approved:
                saved = True
                plan = rest_of_approved(
                    context.known.state, plan, approved, settled, partial(check, wanted=plan)
                )
            else:
                check(plan, saved)
            if saved:  # the rules of now hold for it, too
                case = Case(plan, context.known.state, {}, self.prices, self.clock.now())
                plan = self._overridden(rejudged(self.policies, case))
                check_prices(plan, self.policies, self.prices)
            refreshed = self._refresh(context, plan, lifts=not saved)
            if not plan.pending_changes:
                if refreshed or self._named:  # whose it is must be known to the next run
                    context.commit()
                return Report(plan, settled=settled, notices=notices)
            check_permitted(plan, options.allow_destroy)
            context.once = saved or bool(approved)
            if operation == "rollback":  # once more, it would go back further
                named = "".join(f" --target {change.address}" for change in plan.pending_changes)
                context.again = f"Run friendli-iac apply{named}"
            if not approve(plan):
                raise Cancelled("not applied", safe="Nothing was sent and nothing was changed.")
            self.linker.check(context.known.state, plan)
            moved_in = self._move_in(context.known.state, plan)
            if context.known.state.serial == 0:
                context.known.state.lineage = plan.lineage
            if context.known.state.serial == 0 or moved_in:
                context.commit()  # a journal needs a state to belong to
            outcomes = execute(
                context,
                plan,
                parallelism=options.parallelism,
                continue_on_error=options.continue_on_error,
                no_wait=options.no_wait,
                approved=bool(approved),
            )
            now = {a: r.applied.spec for a, r in context.known.state.resources.items()}
            told = outdated(now, [one.address for one in outcomes if one.touched])
            notices = (*notices, *(sentence for _, sentence in told))
            report = Report(plan, tuple(outcomes), settled, notices)
            try:
                self._learn_team(context, outcomes)
                if not (context.known.state.in_wandb or context.known.open):
                    context.known.state.wandb = ""
                context.commit()
            except StateError:
                self.unsaved = report
                raise
            return report

    def context(self, known: Known, options: ApplyOptions, quiet: float = 0.0) -> Context:
        """What the executor needs to work on `known`. To be used under the lock, which gives
        `quiet`.
        """
        return Context(
            backend=self.backend,
            apis=self.apis,
            known=known,
            clock=self.clock,
            reporter=self.reporter,
            by=who(self.environ),
            commit_id=self.commit,
            timeout=options.timeout,
            settle_grace=options.settle_grace,
            quiet=quiet,
            stop=self.stop,
            prices=self.prices,
        )

    def _settle(self, context: Context) -> tuple[str, ...]:
        """Finishes what an interrupted apply left open, and makes what is known the state."""
        stored = self.backend.read()
        if not stored.entries and not context.known.open:
            return ()
        settled = settle_all(context)
        context.commit()
        return tuple(settled)

    def _refresh(self, context: Context, plan: Plan, *, lifts: bool) -> bool:
        """Notes the update times that moved without a version of somebody else (an autoscaler puts
        to sleep and wakes), so that the next plan need not look at those versions again.
        """
        moved = [
            change
            for change in plan.changes
            if (resource := context.known.state.resources.get(change.address))
            and change.action == "no-op"
            and change.fence.version is not None
            and change.fence.version == resource.fence.version
            and change.fence != resource.fence
        ]
        quiet = [change for change in plan.changes if change.action == "no-op"]
        lifted = [change for change in quiet if lifts and (change.unpins or change.pin)]
        now = context.clock.now()
        for change in moved:
            context.write(Entry("fence", now, address=change.address, fence=change.fence))
        for change in lifted:  # the manifest does not say it any more, or not all of it
            entry: EntryType = "pin" if change.pin else "unpin"
            context.write(Entry(entry, now, address=change.address, pin=change.pin))
        return bool(moved or lifted)

    def _move_in(self, state: State, plan: Plan) -> bool:
        """Notes which W&B it is before the first request there. Whether that is news."""
        kinds = {KINDS[Address.parse(change.address).kind] for change in plan.pending_changes}
        if state.wandb or not any(kind.home == "wandb" for kind in kinds):
            return False
        state.wandb = self.wandb()
        return True

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
