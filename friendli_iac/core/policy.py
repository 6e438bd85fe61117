"""Judges plans and manifests by the rules of policies. Pure.

What makes things smaller, or takes them back, is never held up: sleep, terminate, fewer replicas,
and going back to settings that were good. What they take away of what only we keep (labels, a
probe, an expiry) is asked about all the same; where it ends, that is a warning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from friendli_iac.core.finding import Finding
from friendli_iac.core.judging import Case, finding_of, goes_back, in_order, over, shown
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.plan_rules import OF_PLAN, cost_of_all
from friendli_iac.core.rules import OF_ONE, SCALING, Breach, Subject
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Override
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Action, Address
from friendli_iac.resources.policy import Policy, Rule
from friendli_iac.resources.prices import Prices
from friendli_iac.resources.spec import Spec, copied, drop_path, get_path, leaves, set_path

_JUDGED: tuple[Action, ...] = (
    "create", "update", "replace", "restart", "wake", "record", "sleep", "terminate",
)  # fmt: skip
_RESTS: tuple[Action, ...] = ("sleep", "terminate")


def judge(policies: Iterable[Policy], case: Case) -> tuple[Finding, ...]:
    """What the rules say of what a plan would bring about. What stays as it is is not held against
    it, and neither is what is better than before.
    """
    found: list[Finding] = []
    rules = [rule for policy in policies for rule in policy.rules]
    for rule in rules:
        found += over(rule, case.now)
        if rule.name in OF_PLAN:
            found += OF_PLAN[rule.name](rule, case)
    for change in case.plan.changes:  # all rules of one at a time: its document is at hand
        for rule in rules:
            if rule.name in OF_ONE:
                found += _of_change(rule, change, case)
    return in_order(found)


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
        findings=in_order([*plan.findings, *new]),
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
    """What somebody has let through: the limit and by how much it is broken are in the message."""
    return (
        finding.rule,
        finding.address,
        finding.path,
        finding.message,
        finding.origin,
        finding.denies,
    )


def _of_change(rule: Rule, change: Change, case: Case) -> Iterator[Finding]:
    after = change.after
    if change.action not in _JUDGED or after is None or change.leftover:
        return
    # What is sent is not asked about where it goes back, and what rests sends nothing.
    free = change.action in _RESTS or goes_back(change)
    sent = {one.path for one in change.fields if not one.local} if free else set()
    breaches = list(OF_ONE[rule.name](rule.value, _without(change, sent)))
    if not breaches:
        return
    was = {} if change.action == "create" else _amounts(rule, _before(change))
    worse = [one for one in breaches if one.amount > was.get(_subject(one), 0.0)]
    # What sends nothing, and what only makes it smaller, answers for what it makes worse alone.
    if free or change.action == "record" or _is_smaller(change):
        breaches = worse
    better = not worse and sum(one.amount for one in breaches) < sum(was.values())
    for breach in breaches:
        source = case.source(change, breach.path)
        finding = finding_of(rule, change.address, breach, source, case.now)
        if better:
            message = f"{finding.message}; it was worse before"
            finding = replace(finding, level="warn", message=message)
        elif change.action == "terminate":  # the end of a bill waits for nothing
            finding = replace(finding, level="warn")
        yield finding


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
    return _without(change, {one.path for one in change.fields})


def _without(change: Change, paths: Collection[str]) -> Subject:
    """The resource as it will be, but for what the change does at `paths`."""
    assert change.after is not None, "only what has a specification is judged"
    spec, labels = copied(change.after.spec), dict(change.after.labels)
    asked = dict(change.after.asked)
    known = leaves(KINDS[Address.parse(change.address).kind].model)
    for one in change.fields:
        if one.path not in paths:
            continue
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


def _amounts(rule: Rule, one: Subject) -> dict[str, float]:
    """By how much it breaks a rule, for each thing that the rule asks about."""
    return {_subject(breach): breach.amount for breach in OF_ONE[rule.name](rule.value, one)}


def _subject(breach: Breach) -> str:
    """What a breach is about: there are two ways to say how many replicas."""
    return SCALING[1] if breach.path in SCALING else breach.path


def judge_manifests(
    policies: Iterable[Policy], wishes: Iterable[Wish], prices: Prices, now: float
) -> tuple[Finding, ...]:
    """What the rules say of all that is wanted, whatever is there."""
    found: list[Finding] = []
    wanted = list(wishes)
    rules = [rule for policy in policies for rule in policy.rules]
    for rule in rules:
        found += over(rule, now)
        if rule.name == "maxHourlyCost":
            found += cost_of_all(rule, wanted, prices, now)
    for wish in wanted:
        one = Subject(str(wish.address), wish.spec, wish.labels)
        for rule in rules:
            for breach in OF_ONE[rule.name](rule.value, one) if rule.name in OF_ONE else ():
                source = shown(wish.source(breach.path))
                found.append(finding_of(rule, one.address, breach, source, now))
    return in_order(found)
