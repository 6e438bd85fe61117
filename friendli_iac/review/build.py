"""A plan put into words, once, whatever it is rendered as."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace

from friendli_iac.core.diff import FieldChange, flatten
from friendli_iac.core.finding import Finding
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.preflight import Check
from friendli_iac.core.warnings import warnings
from friendli_iac.review import asides, words
from friendli_iac.review.estimate import estimate
from friendli_iac.review.model import GROUPS, Group, Item, Review, Row, Task, Verdict
from friendli_iac.review.words import line

ADDRESSES_IN_A_COMMAND = 5
FEW_LINES = 2  # of fields, which are not worth a reference to another change


def review(plan: Plan) -> Review:
    """What there is to say of a plan."""
    verdicts = _verdicts(plan.findings)
    by_address: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_address.setdefault(verdict.address, []).append(verdict)
    first: dict[object, str] = {}
    items = []
    for change in by_severity(plan.changes):
        item = _item(change, tuple(by_address.get(change.address, ())))
        origin = first.setdefault((item.rows, item.defaults, item.warnings), item.address)
        long = sum(1 + len(row.remarks) for row in item.rows) > FEW_LINES
        items.append(replace(item, same_as=origin) if long and origin != item.address else item)
    quiet = [c for c in plan.changes if c.action == "no-op" and words.needs_a_look(c)]
    work = words.is_work(plan)
    whose = " of ".join(filter(None, [plan.environment, plan.project]))
    runs = work and not plan.refusals and not plan.denied and bool(plan.pending_changes)
    return Review(
        name=line(plan.environment),
        place=line(" · ".join([*filter(None, [whose]), words.place(plan, plan.commit)])),
        headline=words.headline(plan),
        work=work,
        denied=plan.denied,
        override=line(plan.override),
        expires=line(plan.expires),
        notes=tuple(map(line, words.notes(plan))),
        refusals=tuple((line(r.address), line(r.message), line(r.next)) for r in plan.refusals),
        verdicts=verdicts,
        tasks=tuple(task for change in by_severity(plan.changes) for task in _tasks(change)),
        items=tuple(items),
        quiet=tuple(_item(change, tuple(by_address.get(change.address, ()))) for change in quiet),
        drift=tuple((line(address), line(told)) for address, told in asides.outside(plan)),
        unchanged=words.unchanged(plan),
        quiet_count=sum(c.action == "no-op" and c.held is None for c in plan.changes),
        order=line(asides.order(plan)),
        cost=estimate(plan),
        digest=plan.digest if plan.pending_changes else "",
        next=line(command(plan)) if runs else "",
        how="narrowed as this plan is" if plan.narrowed else "",
    )


def command(plan: Plan) -> str:
    """The command line that applies exactly this plan, wherever it is made again."""
    typed = ["friendli-iac", "apply"]
    typed += ["--env", plan.environment] if plan.environment else []
    typed += ["--approved", plan.digest]
    ending = [change.address for change in plan.changes if change.destructive]
    if len(ending) > ADDRESSES_IN_A_COMMAND:
        typed.append("--allow-destroy")
    else:
        typed += [word for address in ending for word in ("--allow-destroy", address)]
    typed += ["--override", plan.override] if plan.override else []
    return shlex.join(typed)


def group_of(change: Change) -> Group:
    """How severe a change is for those who use the resource."""
    sent = [field for field in change.fields if not field.local]
    match change.action:
        case "update" if not words.kind_of(change).serves:
            return "small"
        case "delete" | "replace" if not change.leftover:
            return "destructive"
        case "terminate":
            return "destructive"
        case "update" if sent and all(field.path == "name" for field in sent):
            return "small"
        case "update" | "restart" | "wake" | "sleep":
            return "versions"
        case "create":
            return "new"
        case _:
            return "small"


def by_severity(changes: Iterable[Change]) -> list[Change]:
    """The changes that are something to do, most severe first, then by address."""
    groups = list(GROUPS)
    return sorted(
        (change for change in changes if change.action != "no-op"),
        key=lambda c: (groups.index(group_of(c)), words.SEVERITY.index(c.action), c.address),
    )


def _item(change: Change, verdicts: tuple[Verdict, ...]) -> Item:
    shown, defaults = words.fields_shown(change)
    rows = tuple(_row(change, field) for field in shown)
    told = (f"{f.path} {words.value(change, f, f.desired)}" for f in defaults)
    return Item(
        address=line(change.address),
        action=change.action,
        symbol=words.SYMBOL.get(change.action, " "),
        group=group_of(change),
        ends=change.destructive,
        id=line(change.id or ""),
        status=line(words.status(change)),
        impact=change.impact,
        reason=line(change.reason),
        labels=line(words.labels(change)),
        protected=change.protected and (change.destructive or change.action == "terminate"),
        rows=rows,
        defaults=line(", ".join(told)),
        context=_context(change),
        warnings=tuple(map(line, warnings(change))),
        verdicts=verdicts,
        said=tuple(map(line, asides.said_of(change))),
        checks=tuple(Check(c.level, line(c.text), line(c.remedy)) for c in change.checks),
        waits=line(", ".join(change.waits_for)),
        gate=line(asides.gate(change)),
        cost=words.cost(change),
        bill=words.bill(change),
        by_hand=words.by_hand(len(change.manual)),
    )


def _tasks(change: Change) -> list[Task]:
    return [
        Task(
            line(change.address),
            line(one.what),
            line(one.page),
            tuple((line(label), line(value)) for label, value in one.values),
            line(one.check or words.NOT_CHECKED),
        )
        for one in change.manual
    ]


def _row(change: Change, field: FieldChange) -> Row:
    old, new = words.before(change, field), words.after(change, field)
    if old == words.NOTHING:
        symbol = "+"
    else:
        symbol = "=" if old == new else "-" if new == words.NOTHING else "~"
    return Row(
        symbol=symbol,
        path=line(field.path),
        old=line(old),
        new=line(new),
        why=line(words.why(change, field)),
        source=line(field.source),
        remarks=tuple(map(line, words.remarks(change, field))),
    )


def _context(change: Change) -> tuple[tuple[str, str], ...]:
    """What stays as it is, of something that is there."""
    if change.after is None or change.action not in ("update", "replace"):
        return ()
    kind, differ = words.kind_of(change), {field.path for field in change.fields}
    return tuple(
        (path, line(words.written(kind, path, value)))
        for path, value in sorted(flatten(kind, change.after.spec).items())
        if path not in differ
    )


def _verdicts(findings: Iterable[Finding]) -> tuple[Verdict, ...]:
    """The findings, with what denies first, then what warns, then what is exempt."""
    marks = ("DENY", "warn", "exempt")
    found = []
    for one in findings:
        mark = "exempt" if one.exempt else "DENY" if one.denies else "warn"
        texts = (one.rule, one.address, one.path, one.message, one.remedy, one.source, one.origin)
        found.append(Verdict(mark, *map(line, (*texts, one.exempt))))
    return tuple(sorted(found, key=lambda v: (marks.index(v.mark), v.rule, v.address, v.path)))
