"""Why a plan must not be applied: it is stale, it was refused, or it ends what nobody gave up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.planner import based_on, seen_digest
from friendli_iac.core.state import State
from friendli_iac.engine.observe import Observer
from friendli_iac.errors import Refused, StalePlan
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address


def check_state(state: State, plan: Plan, *, api: str, team: str) -> None:
    """StalePlan unless the plan still fits the state: a plan runs once, on the state that it was
    made from. What an interrupted run of this very plan did is no reason.
    """
    run = state.runs.get(plan.plan_id)
    if run and run.complete:
        raise StalePlan(["it was applied already, and a plan runs once"])
    moved = []
    if (plan.api, plan.team or team) != (api, team or plan.team):
        moved.append(f"it was made for {plan.api} and team {plan.team or 'default'}")
    if state.serial and plan.lineage != state.lineage:
        moved.append(f"the state is another one (lineage {state.lineage})")
    moved += [
        f"{change.address} is not in state as it was"
        for change in _untouched(state, plan)
        if based_on(state.resources.get(change.address)) != change.based_on
    ]
    if moved:
        raise StalePlan(moved)


def check_live(state: State, plan: Plan, apis: Mapping[str, Any], parallelism: int) -> None:
    """StalePlan when a resource that a saved plan touches was changed since, by anybody."""
    touched = [change for change in _untouched(state, plan) if change.id]
    addresses = [change.address for change in touched]
    with Observer(state, apis, parallelism) as observer:
        observer.add_versions(list(observer.observe(addresses)))
        moved = [sentence for change in touched if (sentence := _moved(change, observer))]
    if moved:
        raise StalePlan(moved)


def check_permitted(plan: Plan, allowed: frozenset[str] | None) -> None:
    """Refused when the plan holds refusals, or ends something that `allowed` does not name (`*` is
    everything; None: somebody saw the plan and said yes).
    """
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


def _untouched(state: State, plan: Plan) -> list[Change]:
    """The changes that no interrupted run of this plan has begun."""
    run = state.runs.get(plan.plan_id)
    begun = {*run.steps, *run.finished} if run else set()
    return [change for change in plan.pending_changes if change.key not in begun]


def _moved(change: Change, observer: Observer) -> str:
    observed = observer.live.get(change.address)
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
