"""What rules ask of a plan as a whole. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from friendli_iac.core.cost import deposed_cost, plus
from friendli_iac.core.finding import Finding
from friendli_iac.core.judging import Case, exempt, finding_of, goes_back
from friendli_iac.core.rules import Breach
from friendli_iac.core.scene import Wish
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address
from friendli_iac.resources.policy import Rule
from friendli_iac.resources.prices import Prices

_NAMED = 5  # addresses that a sentence spells out


def _no_delete(rule: Rule, case: Case) -> Iterator[Finding]:
    for change in case.plan.changes:
        if change.destructive:
            message = f"this plan would {change.action} it"
            remedy = "end it with `desired: terminated`, which costs nothing and keeps its id"
            breach = Breach("", message, remedy)
            yield finding_of(rule, change.address, breach, case.source(change, ""), case.now)


def _destroyed(rule: Rule, case: Case) -> Iterator[Finding]:
    ending = [
        change.address
        for change in case.plan.changes
        if change.destructive and not exempt(rule, change.address, case.now)
    ]
    there = len(_there(case))
    if there and len(ending) * 100 > rule.value * there:
        message = (
            f"{len(ending)} of {there} in state would end ({len(ending) * 100 / there:.0f} %, and "
            f"the limit is {rule.value:g} %): {_listed(ending)}"
        )
        breach = Breach("", message, "end fewer at a time, with --target")
        yield finding_of(rule, "", breach, "", case.now)


def _there(case: Case) -> set[str]:
    """What was in state when the plan was made, also where a part of it has been carried out."""
    changes = case.plan.changes
    new = {c.address for c in changes if c.action == "create" and not c.based_on}
    return ({*case.state.resources} | {c.address for c in changes if c.destructive}) - new


def _cost(rule: Rule, case: Case) -> Iterator[Finding]:
    changes = [c for c in case.plan.changes if not exempt(rule, c.address, case.now)]
    if not any(change.action != "no-op" for change in changes):
        return
    # What the plan is not about is there all the same, and bills.
    about = {change.address for change in case.plan.changes}
    others = {
        address: plus(
            kind.hourly_cost(resource.applied.spec, case.prices),
            deposed_cost(kind, resource, case.prices),
        )
        for address, resource in case.state.resources.items()
        if address not in about and not exempt(rule, address, case.now)
        for kind in (KINDS[Address.parse(address).kind],)
    }
    costs = {**others, **{change.address: change.cost_after for change in changes}}
    total = sum(span[1] for span in costs.values() if span)
    raises = {
        change.address: change.cost_after[1] - (change.cost_before or (0.0, 0.0))[1]
        for change in changes
        if change.cost_after and not goes_back(change)
    }
    yield from _not_known(rule, costs, case.now)
    if total <= rule.value + 0.005:
        return
    message = f"everything together would cost up to {_dollars(total)}/h: {_limit(rule)}"
    raised = sum(raises.values()) > 0.005
    most = max(raises, key=lambda address: raises[address], default="")
    if raised:
        message += f"; {most} adds most, {_dollars(raises[most])}/h"
    dearest = next((change for change in changes if change.address == most), None)
    source = case.source(dearest, "autoscaling.maxReplicas") if dearest and raised else ""
    breach = Breach("", message, "use fewer replicas or smaller GPUs")
    finding = finding_of(rule, "", breach, source, case.now)
    if not raised:
        finding = replace(finding, level="warn", message=f"{message}; this plan does not raise it")
    yield finding


def _not_known(rule: Rule, costs: Mapping[str, object], now: float) -> Iterator[Finding]:
    """What cannot be counted is said, and is no reason to stop."""
    missing = [address for address, cost in costs.items() if cost is None]
    if missing:
        message = f"what {_listed(missing)} would cost is not known, and not counted"
        breach = Breach("", message, "say what the GPU costs: prices.gpuHour")
        yield replace(finding_of(rule, "", breach, "", now), level="warn")


def _limit(rule: Rule) -> str:
    return f"the limit is {_dollars(rule.value)}/h"


OF_PLAN: dict[str, Callable[[Rule, Case], Iterator[Finding]]] = {
    "denyDelete": _no_delete,
    "maxDestroyPercent": _destroyed,
    "maxHourlyCost": _cost,
}


def cost_of_all(
    rule: Rule, wanted: Sequence[Wish], prices: Prices, now: float
) -> Iterator[Finding]:
    """What everything that is wanted costs, whatever is there."""
    costs = {
        str(wish.address): (0.0, 0.0)
        if kind.idle(wish.spec)
        else kind.hourly_cost(wish.spec, prices)
        for wish in wanted
        if not exempt(rule, str(wish.address), now)
        for kind in (KINDS[wish.address.kind],)
    }
    yield from _not_known(rule, costs, now)
    total = sum(span[1] for span in costs.values() if span)
    if total > rule.value + 0.005:
        message = f"everything would cost up to {_dollars(total)}/h: {_limit(rule)}"
        breach = Breach("", message, "use fewer replicas or smaller GPUs")
        yield finding_of(rule, "", breach, "", now)


def _listed(addresses: Sequence[str]) -> str:
    more = len(addresses) - _NAMED
    return ", ".join(addresses[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}"
