"""What a plan costs: of each change while it is rolled out, and of all of them together."""

from __future__ import annotations

from dataclasses import dataclass

from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.state import Resource
from friendli_iac.resources.base import NEW_VERSION, Kind, Observed
from friendli_iac.resources.prices import Prices
from friendli_iac.resources.spec import Spec

Span = tuple[float, float]  # dollars per hour, at the fewest and at the most replicas

NOTHING: Span = (0.0, 0.0)


@dataclass(frozen=True)
class Totals:
    """What everything in a plan costs, changed or not, as far as it is known: `unknown` counts the
    changes without a price, which are in no sum, and `known` the others. `surge` is what may come
    on top of the dearer of `before` and `after` while the plan is carried out.
    """

    before: Span
    after: Span
    surge: float
    known: int
    unknown: int


def totals(plan: Plan) -> Totals:
    """The sums of a plan. All of a wave may be under way at a time, and the next one comes after;
    what ends may end last.
    """
    before, after, dearer = NOTHING, NOTHING, 0.0
    surges: dict[int, float] = {}
    known = 0
    for change in plan.changes:
        if change.cost_before is None or change.cost_after is None:
            continue
        known += 1
        before, after = _plus(before, change.cost_before), _plus(after, change.cost_after)
        dearer += max(change.cost_before[1], change.cost_after[1])
        surges[change.wave] = surges.get(change.wave, 0.0) + (change.surge or 0.0)
    most = dearer + max(surges.values(), default=0.0)
    return Totals(
        before=before,
        after=after,
        surge=round(max(0.0, most - max(before[1], after[1])), 2),
        known=known,
        unknown=len(plan.changes) - known,
    )


def surge(change: Change, beside: Span | None = NOTHING) -> float | None:
    """Dollars per hour on top of the dearer of before and after, at most, while `change` is rolled
    out; None: not known. What bills `beside` it is in both, and does not start anew.

    How the API rolls out a version is not documented, nor whether a change of the name or of the
    scaling alone makes one. So the bound is that what is sent starts whole, at its most replicas,
    while all of what it takes the place of still runs: both bill, as where a replacement is
    created first.
    """
    rolled = change.action == "update" and not {*NEW_VERSION}.isdisjoint(change.steps)
    if not rolled and not change.deposes:
        return 0.0
    if change.cost_before is None or change.cost_after is None or beside is None:
        return None
    return round(min(change.cost_before[1], change.cost_after[1]) - beside[1], 2)


def _plus(one: Span, other: Span) -> Span:
    return one[0] + other[0], one[1] + other[1]


def plus(one: Span | None, other: Span | None) -> Span | None:
    """The sum of two; None where one of them is not known."""
    return _plus(one, other) if one and other else None


def live_cost(
    kind: Kind, observed: Observed, spec: Spec, prices: Prices
) -> tuple[float, float] | None:
    """What it costs now, in dollars per hour, at the fewest and the most replicas, whatever is
    wanted of its life.
    """
    if observed.health == "stopped":
        return NOTHING
    now = {**spec, "desired": "sleeping" if observed.asleep else "running"}
    return kind.hourly_cost(now, prices)


def deposed_cost(kind: Kind, resource: Resource, prices: Prices) -> Span | None:
    """What that costs which replacements have taken the place of: it bills until it is ended."""
    cost: Span | None = NOTHING
    while resource.deposed:
        resource = resource.deposed
        cost = plus(cost, kind.hourly_cost(resource.applied.spec, prices))
    return cost
