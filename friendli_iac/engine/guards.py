"""Why a plan must not be applied: it is stale, it was refused, or it ends what nobody gave up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from friendli_iac.core.journal import RUNS_KEPT
from friendli_iac.core.keys import deployers, refired, taken_since
from friendli_iac.core.moved import is_fenced
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.planfile import has_expired
from friendli_iac.core.planner import based_on, seen_digest
from friendli_iac.core.state import Resource, Run, State
from friendli_iac.engine.observe import Observer
from friendli_iac.errors import Refused, StalePlan
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import NEW_VERSION, Address
from friendli_iac.resources.policy import Policy
from friendli_iac.resources.prices import Prices

TOLD = 5  # findings that a sentence spells out

HEADER = {
    "project": (
        "project",
        "Work in the folder of that project, or use another state. If it is the "
        "same one: write `name: {theirs}` in friendli-iac.yaml, or rename it for all with "
        "friendli-iac state claim.",
    ),
    "environment": (
        "environment",
        "Say --env {theirs}, or use another state. If that one has "
        "another name now: friendli-iac state claim --env {ours}.",
    ),
    "api": ("API address", "Set FRIENDLI_BASE_URL as the state has it, or use another state."),
    "team": ("team", "Set FRIENDLI_TEAM_ID as the state has it, or use another state."),
    "wandb": ("W&B address", "Set WANDB_BASE_URL as the state has it, or use another state."),
}  # what it is called, and what to do where it is another one
SAY = {
    "project": "Git does not say here which repository this is: write `name: {}` in "
    "friendli-iac.yaml, or use another state.",
    "environment": "Say --env {}, or use another state.",
}  # what a run must name if the state does


def check_header(state: State, header: Mapping[str, str]) -> None:
    """Refused when the state is that of something else: another project's resources would be ended
    as nobody's wish. Where it does not say whose it is, all is well.
    """
    for key, (name, remedy) in HEADER.items():
        ours, theirs = header.get(key, ""), getattr(state, key)
        if theirs and ours and ours != theirs:
            raise Refused(
                f"the state belongs to the {name} {theirs}, and this run uses {ours}",
                safe="Nothing was sent.",
                next=remedy.format(ours=ours, theirs=theirs),
            )
        if theirs and not ours and key in SAY and key in header:
            raise Refused(
                f"the state belongs to the {name} {theirs}, and this run names none",
                safe="Nothing was sent.",
                next=SAY[key].format(theirs),
            )


def check_state(state: State, plan: Plan, *, api: str, team: str, now: float) -> None:
    """StalePlan unless the plan still fits the state: a plan runs once, on the state that it was
    made from. What an interrupted run of this very plan did is no reason. `team` is the one that
    this run asks for, empty for the token's own; `now` is in seconds since 1970.
    """
    run = state.runs.get(plan.plan_id)
    if run and run.complete:
        raise StalePlan(["it was applied already, and a plan runs once"])
    moved = []
    if has_expired(plan, now):  # it may have waited long for the lock
        moved.append(f"it has expired, at {plan.expires}")
    if run is None and state.serial - plan.serial >= RUNS_KEPT:
        moved.append(f"it is of serial {plan.serial}, and the state has {state.serial}")
    if plan.environment != state.environment:
        moved.append(f"it was made for environment {plan.environment or '(none)'}")
    if plan.api != api:
        moved.append(f"it was made for {plan.api}")
    if plan.team != (team or state.team) and (plan.team or team not in ("", state.team)):
        moved.append(f"it was made for team {plan.team or '(the token’s own)'}")
    if plan.serial and not state.serial:
        moved.append("there is no state here, and it was made from one")
    elif state.serial and plan.lineage != state.lineage:
        moved.append(f"the state is another one (lineage {state.lineage})")
    elif plan.serial > state.serial:
        moved.append(f"it is of serial {plan.serial}, and the state is back at {state.serial}")
    moved += [
        f"{change.address} is not in state as it was"
        for change in plan.pending_changes
        if not _fits(state.resources.get(change.address), change, run)
    ]
    moved += taken_since(state, plan.serial, plan.pending_changes)
    if moved:
        raise StalePlan(moved)


def _fits(resource: Resource | None, change: Change, run: Run | None) -> bool:
    """Whether state has of a resource what the plan saw, or what its own interrupted run left."""
    if run and change.key in run.finished:
        return True
    steps = run.steps.get(change.key, []) if run else []
    if {"create", *NEW_VERSION}.intersection(steps):
        return resource is not None and resource.key == change.key
    if "restart" in steps or "wake" in steps:
        return resource is not None and resource.applied == change.after
    if "delete" in steps and resource is None:
        return True
    if run and change.action == "record" and change.after is None and resource is None:
        return True
    if run and resource and resource.prior and not resource.pending:
        # What it writes down at first or in the end stands there: it was cut off just then.
        ended = set(change.steps) <= set(steps)
        if resource.prior in (change.believes, change.after if ended else None):
            return True
    return based_on(resource) == change.based_on


def check_live(state: State, plan: Plan, apis: Mapping[str, Any], parallelism: int) -> None:
    """StalePlan when a resource that a saved plan touches was changed since, by anybody."""
    todo = _untouched(state, plan)
    touched = [change for change in todo if change.id]
    addresses = [change.address for change in touched]
    by = {address for some in deployers(state, todo).values() for address in some}
    with Observer(state, apis, parallelism) as observer:
        observer.add_versions(list(observer.observe(addresses)))
        list(observer.observe(by - observer.live.keys()))
        moved = [sentence for change in touched if (sentence := _moved(state, change, observer))]
        moved += [f"{one.address}: {one.message}" for one in refired(state, observer.live, todo)]
    if moved:
        raise StalePlan(moved)


def check_prices(plan: Plan, policies: Iterable[Policy], prices: Prices) -> None:
    """StalePlan when a rule asks what a plan costs that was estimated with other prices. One that
    is denied already is told so.
    """
    asked = any(rule.name == "maxHourlyCost" for policy in policies for rule in policy.rules)
    if asked and not plan.denied and plan.gpu_hour != prices.table:
        raise StalePlan(
            [f"its cost was estimated with other prices ({plan.prices}) than hold here "
             f"({prices.words}), and maxHourlyCost asks for it"]
        )  # fmt: skip


def check_permitted(plan: Plan, allowed: frozenset[str] | None) -> None:
    """Refused when the plan holds refusals, a rule denies it, or it ends something that `allowed`
    does not name (`*` is everything; None: somebody saw the plan and said yes).
    """
    if plan.refusals:
        first = plan.refusals[0]
        more = len(plan.refusals) - 1
        raise Refused(
            f"{first.address}: {first.message}" + (f" (and {more} more)" if more else ""),
            safe="Nothing was sent.",
            next=first.next,
        )
    if plan.denied:
        _denied(plan)
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


def _denied(plan: Plan) -> NoReturn:
    findings = [finding for finding in plan.findings if finding.denies]
    told = [
        f"{f'{one.address}: ' if one.address else ''}{one.message} ({one.rule}, {one.origin})"
        for one in findings[:TOLD]
    ]
    more = len(findings) - len(told)
    denied = {finding.address for finding in findings}
    free = [c.address for c in plan.pending_changes if not denied & {c.address, ""}]
    rest = ""
    if free:
        names = " ".join(f"--target {address}" for address in free[:TOLD])
        rest = f". What no rule denies can be applied by itself: {names}"
        rest += " …" if len(free) > TOLD else ""
    raise Refused(
        f"denied by policy: {'; '.join(told)}" + (f"; and {more} more" if more else ""),
        safe="Nothing was sent.",
        next="Mend it, or say why it must be done all the same, which is recorded: "
        f"--override REASON{rest}",
    )


def _untouched(state: State, plan: Plan) -> list[Change]:
    """The changes that no interrupted run of this plan has begun."""
    run = state.runs.get(plan.plan_id)
    begun = {*run.steps, *run.finished} if run else set()
    return [change for change in plan.pending_changes if change.key not in begun]


def _moved(state: State, change: Change, observer: Observer) -> str:
    observed = observer.live.get(change.address)
    kind = KINDS[Address.parse(change.address).kind]
    if observed is None:
        return "" if change.action == "record" else f"{change.address} is gone"
    if change.action == "record" and change.after is None:
        return f"{change.address} is there again"
    if change.action == "verify":  # nothing is sent, and whether it is still ours is part of proof
        return ""
    after = change.after or state.resources[change.address].applied
    fenced = is_fenced(kind, after.spec, change.fence.version, observed.version)
    if not fenced and change.fence.version is not None:
        return (
            f"{change.address} is at version {observed.version}, and the plan saw "
            f"{change.fence.version}"
        )
    if seen_digest(kind, observed) != change.seen:
        return f"{change.address} was changed since the plan was made"
    return ""
