"""Judges plans and manifests by the rules of policies. Pure.

What makes things smaller, or takes them back, is never held up: sleep, terminate, fewer replicas,
and going back to settings that were good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from friendli_iac.core.finding import Finding
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.rules import OF_ONE, SCALING, Breach, Subject
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Override, State
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Action, Address
from friendli_iac.resources.policy import Exemption, Level, Policy, Rule
from friendli_iac.resources.prices import Prices
from friendli_iac.resources.spec import Spec, copied, drop_path, get_path, leaves, set_path

_JUDGED: tuple[Action, ...] = ("create", "update", "replace", "restart", "wake", "record")
_NAMED = 5  # addresses that a sentence spells out


# --- plans --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A plan that is to be judged, the state that it was made from, and what is wanted by address,
    as far as it is known. `now` is in seconds since 1970.
    """

    plan: Plan
    state: State
    wishes: Mapping[str, Wish]
    prices: Prices
    now: float

    def source(self, change: Change, path: str) -> str:
        """Where the value at `path` was written."""
        if wish := self.wishes.get(change.address):
            return _shown(wish.source(path))
        places = (f.source for f in change.fields if f.path == path or f.path.startswith(path))
        return next((place for place in places if not place.startswith("(")), "")


def judge(policies: Iterable[Policy], case: Case) -> tuple[Finding, ...]:
    """What the rules say of what a plan would bring about. What stays as it is is not held against
    it, and neither is what is better than before.
    """
    found: list[Finding] = []
    for rule in _rules(policies):
        found += _over(rule, case.now)
        if rule.name in OF_ONE:
            for change in case.plan.changes:
                found += _of_change(rule, change, case)
        else:
            found += _OF_PLAN[rule.name](rule, case)
    return _in_order(found)


def rejudged(policies: Iterable[Policy], case: Case) -> Plan:
    """A plan that was made before, judged by the rules of now. That it was overridden covers what
    was found then, and nothing else.
    """
    plan = case.plan
    known = {_identity(finding) for finding in plan.findings}
    new = [one for one in judge(policies, case) if _identity(one) not in known]
    covered = not any(one.denies for one in new)
    return replace(
        plan,
        findings=_in_order([*plan.findings, *new]),
        override=plan.override if covered else "",
    )


def override_of(plan: Plan, by: str, now: float) -> Override | None:
    """What is kept of an override: the changes that rules denied, all of them where they denied the
    plan as a whole. None for a plan that nobody had to override.
    """
    denying = [finding for finding in plan.findings if finding.denies]
    if not plan.override or not denying:
        return None
    addresses = {finding.address for finding in denying}
    changes = [
        [change.address, change.action, change.key]
        for change in plan.pending_changes
        if "" in addresses or change.address in addresses
    ]
    rules = list(dict.fromkeys(finding.rule for finding in denying))
    return Override(plan.plan_id, plan.override, by, now, rules, changes)


def _identity(finding: Finding) -> tuple[object, ...]:
    return finding.rule, finding.address, finding.path, finding.origin, finding.denies


def _of_change(rule: Rule, change: Change, case: Case) -> Iterator[Finding]:
    after = change.after
    if change.action not in _JUDGED or after is None or change.leftover or _goes_back(change):
        return
    one = Subject(change.address, after.spec, after.labels, after.asked)
    breaches = list(OF_ONE[rule.name](rule.value, one))
    if not breaches:
        return
    was = None if change.action == "create" else _amount(rule, _before(change))
    amount = sum(breach.amount for breach in breaches)
    # What sends nothing, and what only makes it smaller, answers for what it makes worse alone.
    if (change.action == "record" or _is_smaller(change)) and was is not None and amount <= was:
        return
    for breach in breaches:
        finding = _finding(rule, change.address, breach, case.source(change, breach.path), case.now)
        if was is not None and amount < was:
            better = f"{finding.message}; it was worse before"
            finding = replace(finding, level="warn", message=better)
        yield finding


def _goes_back(change: Change) -> bool:
    """Whether it takes something back to what was good: only what is tried out has a trial."""
    return change.action in ("update", "restart", "wake", "replace") and change.trial is None


def _is_smaller(change: Change) -> bool:
    """Whether all that an update sends is fewer replicas."""
    sent = [one.path for one in change.fields if not one.local]
    if change.action != "update" or not sent or change.after is None:
        return False
    if not set(sent) <= {*SCALING, "autoscaling.cooldown"}:
        return False
    old, new = _span(_before(change).spec), _span(change.after.spec)
    return new != old and new[0] <= old[0] and new[1] <= old[1]


def _span(spec: Spec) -> tuple[int, int]:
    """The fewest and the most replicas, as the API takes them where nothing is said."""
    low, high, fixed = (get_path(spec, path) for path in SCALING)
    if fixed is not None:
        return fixed, fixed
    return low or 0, max(1, low or 0) if high is None else high


def _before(change: Change) -> Subject:
    """The resource as it was, as far as anybody can know."""
    assert change.after is not None, "only what has a specification is judged"
    spec, labels = copied(change.after.spec), dict(change.after.labels)
    asked = dict(change.after.asked)
    known = leaves(KINDS[Address.parse(change.address).kind].model)
    for one in change.fields:
        was = one.prior if one.live is None else one.live
        if one.path.startswith("labels."):
            _put(labels, one.path.partition(".")[2], was)
        elif one.local and one.path in known and not known[one.path].local:
            _put(asked, one.path, was)
        elif one.path in known:
            drop_path(spec, one.path)
            if was is not None:
                set_path(spec, one.path, was)
    return Subject(change.address, spec, labels, asked)


def _put(into: dict[str, str], key: str, value: Any) -> None:
    into.pop(key, None)
    if value is not None:
        into[key] = value


def _amount(rule: Rule, one: Subject) -> float:
    return sum(breach.amount for breach in OF_ONE[rule.name](rule.value, one))


# --- rules about a plan as a whole --------------------------------------------------------------


def _no_delete(rule: Rule, case: Case) -> Iterator[Finding]:
    for change in case.plan.changes:
        if change.destructive and not _goes_back(change):
            message = f"this plan would {change.action} it"
            remedy = "end it with `desired: terminated`, which costs nothing and keeps its id"
            breach = Breach("", message, remedy)
            yield _finding(rule, change.address, breach, case.source(change, ""), case.now)


def _destroyed(rule: Rule, case: Case) -> Iterator[Finding]:
    ending = [
        change.address
        for change in case.plan.changes
        if change.destructive
        and not _goes_back(change)
        and not _exempt(rule, change.address, case.now)
    ]
    there = len(case.state.resources)
    if there and len(ending) * 100 > rule.value * there:
        message = (
            f"{len(ending)} of {there} in state would end ({len(ending) * 100 / there:.0f} %), and "
            f"{rule.value:g} % may: {_listed(ending)}"
        )
        breach = Breach("", message, "end fewer at a time, with --target")
        yield _finding(rule, "", breach, "", case.now)


def _cost(rule: Rule, case: Case) -> Iterator[Finding]:
    changes = [c for c in case.plan.changes if not _exempt(rule, c.address, case.now)]
    if not any(change.action != "no-op" for change in changes):
        return
    # What the plan is not about is there all the same, and bills.
    about = {change.address for change in case.plan.changes}
    others = {
        address: KINDS[Address.parse(address).kind].hourly_cost(resource.applied.spec, case.prices)
        for address, resource in case.state.resources.items()
        if address not in about and not _exempt(rule, address, case.now)
    }
    costs = {**others, **{change.address: change.cost_after for change in changes}}
    total = sum(span[1] for span in costs.values() if span)
    raises = {
        change.address: change.cost_after[1] - (change.cost_before or (0.0, 0.0))[1]
        for change in changes
        if change.cost_after and not _goes_back(change)
    }
    yield from _not_known(rule, costs, case.now)
    if total <= rule.value + 0.005:
        return
    message = f"everything together would cost up to {_dollars(total)}/h, and {_most(rule)} may be"
    raised = sum(raises.values()) > 0.005
    most = max(raises, key=lambda address: raises[address], default="")
    if raised:
        message += f"; {most} adds most, {_dollars(raises[most])}/h"
    dearest = next((change for change in changes if change.address == most), None)
    source = case.source(dearest, "autoscaling.maxReplicas") if dearest and raised else ""
    breach = Breach("", message, "use fewer replicas or smaller GPUs")
    finding = _finding(rule, "", breach, source, case.now)
    if not raised:
        finding = replace(finding, level="warn", message=f"{message}; this plan does not raise it")
    yield finding


def _not_known(rule: Rule, costs: Mapping[str, object], now: float) -> Iterator[Finding]:
    """What cannot be counted is said, and is no reason to stop."""
    missing = [address for address, cost in costs.items() if cost is None]
    if missing:
        message = f"what {_listed(missing)} would cost is not known, and not counted"
        breach = Breach("", message, "say what the GPU costs: prices.gpuHour")
        yield replace(_finding(rule, "", breach, "", now), level="warn")


def _most(rule: Rule) -> str:
    return f"{_dollars(rule.value)}/h"


_OF_PLAN: dict[str, Callable[[Rule, Case], Iterator[Finding]]] = {
    "denyDelete": _no_delete,
    "maxDestroyPercent": _destroyed,
    "maxHourlyCost": _cost,
}


# --- manifests ----------------------------------------------------------------------------------


def judge_manifests(
    policies: Iterable[Policy], wishes: Iterable[Wish], prices: Prices, now: float
) -> tuple[Finding, ...]:
    """What the rules say of all that is wanted, whatever is there."""
    found: list[Finding] = []
    wanted = list(wishes)
    for rule in _rules(policies):
        found += _over(rule, now)
        if rule.name == "maxHourlyCost":
            found += _cost_of_all(rule, wanted, prices, now)
        for wish in wanted if rule.name in OF_ONE else ():
            one = Subject(str(wish.address), wish.spec, wish.labels)
            for breach in OF_ONE[rule.name](rule.value, one):
                source = _shown(wish.source(breach.path))
                found.append(_finding(rule, one.address, breach, source, now))
    return _in_order(found)


def _cost_of_all(
    rule: Rule, wanted: Sequence[Wish], prices: Prices, now: float
) -> Iterator[Finding]:
    costs = {
        str(wish.address): (0.0, 0.0)
        if kind.idle(wish.spec)
        else kind.hourly_cost(wish.spec, prices)
        for wish in wanted
        if not _exempt(rule, str(wish.address), now)
        for kind in (KINDS[wish.address.kind],)
    }
    yield from _not_known(rule, costs, now)
    total = sum(span[1] for span in costs.values() if span)
    if total > rule.value + 0.005:
        message = f"everything would cost up to {_dollars(total)}/h, and {_most(rule)} may be"
        breach = Breach("", message, "use fewer replicas or smaller GPUs")
        yield _finding(rule, "", breach, "", now)


# --- findings -----------------------------------------------------------------------------------


def _rules(policies: Iterable[Policy]) -> Iterator[Rule]:
    for policy in policies:
        yield from policy.rules


def _finding(rule: Rule, address: str, breach: Breach, source: str, now: float) -> Finding:
    exemption = _exempt(rule, address, now) if address else None
    return Finding(
        rule=rule.name,
        level=rule.level,
        address=address,
        path=breach.path,
        message=breach.message,
        remedy=breach.remedy,
        source=source,
        origin=rule.source,
        exempt=f"{exemption.reason}, until {exemption.until}" if exemption else "",
    )


def _exempt(rule: Rule, address: str, now: float) -> Exemption | None:
    """What exempts a resource from a rule today, if anything does."""
    found = (one for one in rule.exempt if fnmatchcase(address, one.address))
    return next((one for one in found if one.until >= _today(now)), None)


def _over(rule: Rule, now: float) -> Iterator[Finding]:
    """The exemptions that have ended, for whoever can take them out."""
    for one in rule.exempt:
        if one.until < _today(now):
            yield Finding(
                rule.name,
                "warn",
                one.address,
                "",
                f"its exemption ended on {one.until} and holds no more ({one.reason})",
                "take the exemption out, or agree on a later day",
                one.source,
                rule.source,
            )


def _today(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def _in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """What denies first, then by address. Two policies may have the same rule."""
    levels: tuple[Level, ...] = ("deny", "warn")
    return tuple(
        sorted(
            dict.fromkeys(found),
            key=lambda one: (
                not one.denies,
                bool(one.exempt),
                levels.index(one.level),
                one.address,
            ),
        )
    )


def _listed(addresses: Sequence[str]) -> str:
    more = len(addresses) - _NAMED
    return ", ".join(addresses[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}"


def _shown(source: object) -> str:
    """A place, where there is one: what comes from the state has none."""
    text = str(source)
    return "" if text.startswith(("(", ":")) or ":" not in text else text
