"""What everything costs, estimated and billed: for people, for pull requests and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from friendli_iac.review.escaping import code, prose
from friendli_iac.review.status import Row, gpu, replicas
from friendli_iac.review.times import UNKNOWN, rfc3339
from friendli_iac.review.words import HOURS_A_MONTH, money

HEADS = (
    "ADDRESS", "ID", "REPLICAS", "GPU", "$/H NOW", "$/H MIN-MAX", f"PER {HOURS_A_MONTH} H",
    "BILLED", "GPU H", "OF ESTIMATE",
)  # fmt: skip
NUMBERS = HEADS.index("$/H NOW")  # from there on, digits stand below digits
NAMED = 5  # ids of others that a line names


@dataclass(frozen=True)
class Cost:
    """One resource. `span` is dollars per hour at the fewest and the most replicas, `expected` what
    it would have cost in the period as it is now, `billed` what it did. None: not known.
    """

    row: Row
    span: tuple[float, float] | None
    expected: float | None
    billed: float | None = None
    gpu_hours: float | None = None

    @property
    def ratio(self) -> float | None:
        """What was billed for each dollar that was expected."""
        if self.billed is None or not self.expected:
            return None
        return self.billed / self.expected


@dataclass(frozen=True)
class Seen:
    """A price that was billed, in dollars for one GPU and hour, and ours; None: we have none."""

    gpu: str
    price: float
    ours: float | None


@dataclass(frozen=True)
class CostReport:
    """`start` and `now` are the period, in seconds since 1970. `others` is dollars by id of what is
    not in state, `rest` what is no GPU's time. `unread` counts lines of the bill that make no
    sense; `unbilled` says why there is no bill.
    """

    costs: tuple[Cost, ...]
    days: int
    start: float
    now: float
    prices: str
    others: Mapping[str, float]
    rest: float
    seen: tuple[Seen, ...]
    unread: int
    unbilled: str


def render(report: CostReport) -> str:
    """The table, the total below it, and what needs a word."""
    lines = [title(report), ""]
    if report.costs:
        cells = [HEADS, *map(_cells, report.costs), _total(report)]
        widths = [max(len(line[n]) for line in cells) for n in range(len(HEADS))]
        lines += [*(_line(line, widths) for line in cells), ""]
    return "\n".join([*lines, *remarks(report)]) + "\n"


def markdown(report: CostReport) -> str:
    """The same for pull requests, issues and step summaries."""
    lines = [f"### friendli-iac cost: {prose(headline(report))}", "", prose(title(report)), ""]
    if report.costs:
        ruler = ["---"] * NUMBERS + ["--:"] * (len(HEADS) - NUMBERS)
        lines += [f"| {' | '.join(line)} |" for line in (HEADS, ruler)]
        for cost in report.costs:
            address, id, *facts = _cells(cost)
            cells = [code(address, cell=True), code(id, cell=True), *map(prose, facts)]
            lines.append(f"| {' | '.join(cells)} |")
        lines += [f"| {' | '.join(map(prose, _total(report)))} |", ""]
    lines += [f"- {prose(remark)}" for remark in remarks(report)]
    return "\n".join(lines) + "\n"


def as_json(report: CostReport) -> dict[str, Any]:
    """The report for programs, `format_version` first. Dollars; null: not known."""
    low, high, now, unknown = _estimates(report)
    return {
        "format_version": "1.0",
        "days": report.days,
        "start": rfc3339(report.start),
        "end": rfc3339(report.now),
        "prices": report.prices,
        "endpoints": [_as_json(cost) for cost in report.costs],
        "total": {
            "cost_per_hour": round(now, 2),
            "cost_per_hour_span": [round(low, 2), round(high, 2)],
            "unknown_cost": unknown,
            "billed": None if report.unbilled else _dollars(_sum(report.costs, "billed")),
            "gpu_hours": None if report.unbilled else round(_sum(report.costs, "gpu_hours"), 3),
        },
        "not_in_state": {id: _dollars(dollars) for id, dollars in report.others.items()},
        "other_billed": _dollars(report.rest),
        "billed_prices": [
            {"gpu": one.gpu, "gpu_hour": _dollars(one.price), "estimated_with": one.ours}
            for one in report.seen
        ],
        "unread": report.unread,
        "no_bill": report.unbilled or None,
    }


def title(report: CostReport) -> str:
    """`2026-11-15 to 2026-11-21 in UTC, 7 days; the last one is not over`."""
    first, last = rfc3339(report.start)[:10], rfc3339(report.now)[:10]
    if report.days == 1:
        return f"Billed: {last} in UTC, which is not over"
    return f"Billed: {first} to {last} in UTC, {report.days} days; the last one is not over"


def headline(report: CostReport) -> str:
    """`$3.90 /h now, $655.20 billed in 7 days`."""
    _, _, now, unknown = _estimates(report)
    line = f"{money((now, now))} /h now" + (f", without {unknown} of unknown cost" * bool(unknown))
    if report.unbilled:
        return line
    billed = _sum(report.costs, "billed")
    days = f"{report.days} day{'s' * (report.days != 1)}"
    return f"{line}, {money((billed, billed))} billed in {days}"


def remarks(report: CostReport) -> list[str]:
    """What the table cannot say, one sentence each."""
    found = [] if report.costs else ["Nothing is in state."]
    if report.unbilled:
        found.append(f"There is no bill here, only estimates: {report.unbilled}")
    if report.others:
        found.append(_others(report.others))
    if report.rest:
        found.append(f"Billed for other things than GPUs: {money((report.rest, report.rest))}")
    if report.unread:
        found.append(f"{report.unread} lines of the bill cannot be read, and are in no sum")
    for one in report.seen:
        ours = "has no price here" if one.ours is None else f"is estimated at {_price(one.ours)}"
        found.append(f"{one.gpu} {ours}, and was billed at {_price(one.price)} a GPU and hour")
    if report.seen:
        prices = ", ".join(f"{_key(one.gpu)}: {one.price:.4g}" for one in report.seen)
        found.append(
            f"To estimate as billed, in friendli-iac.yaml: prices: {{gpuHour: {{{prices}}}}}"
        )
    if report.costs:
        found.append(
            f"$/H and per {HOURS_A_MONTH} h are estimates: {report.prices}. OF ESTIMATE is what "
            "was billed, of what the replicas of now would have cost all that time"
        )
    return found


def _others(others: Mapping[str, float]) -> str:
    dearest = sorted(others, key=lambda id: (-others[id], id))
    named = [f"{id} {money((others[id], others[id]))}" for id in dearest[:NAMED]]
    named += [f"{len(dearest) - NAMED} more"] * (len(dearest) > NAMED)
    total = sum(others.values())
    return f"Not in this state, or deleted: {money((total, total))} ({', '.join(named)})"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = enumerate(zip(cells, widths, strict=True))
    return "  ".join(f"{c:<{w}}" if n < NUMBERS else f"{c:>{w}}" for n, (c, w) in pairs).rstrip()


def _cells(cost: Cost) -> tuple[str, ...]:
    row = cost.row
    return (
        row.address + " (old)" * row.old,
        row.resource.id,
        replicas(row),
        gpu(row.observed),
        UNKNOWN if row.cost is None else money((row.cost, row.cost)),
        *_spans(cost.span),
        UNKNOWN if cost.billed is None else money((cost.billed, cost.billed)),
        UNKNOWN if cost.gpu_hours is None else f"{cost.gpu_hours:,.1f}",
        "-" if cost.ratio is None else f"{cost.ratio:.0%}",
    )


def _total(report: CostReport) -> tuple[str, ...]:
    low, high, now, unknown = _estimates(report)
    billed, hours = _sum(report.costs, "billed"), _sum(report.costs, "gpu_hours")
    return (
        "total" + f", without {unknown} of unknown cost" * bool(unknown),
        "", "", "",
        money((now, now)),
        *_spans((low, high)),
        UNKNOWN if report.unbilled else money((billed, billed)),
        UNKNOWN if report.unbilled else f"{hours:,.1f}",
        "",
    )  # fmt: skip


def _spans(span: tuple[float, float] | None) -> tuple[str, str]:
    """Dollars per hour and per month."""
    if span is None:
        return UNKNOWN, UNKNOWN
    return money(span), money((span[0] * HOURS_A_MONTH, span[1] * HOURS_A_MONTH), 0)


def _estimates(report: CostReport) -> tuple[float, float, float, int]:
    """Dollars per hour at the fewest and the most replicas, and now; how many are not known."""
    known = [c for c in report.costs if c.span is not None and c.row.cost is not None]
    spans = [cost.span for cost in known if cost.span]
    now = sum(cost.row.cost or 0.0 for cost in known)
    low, high = sum(span[0] for span in spans), sum(span[1] for span in spans)
    return low, high, now, len(report.costs) - len(known)


def _sum(costs: Sequence[Cost], name: str) -> float:
    return sum(getattr(cost, name) or 0.0 for cost in costs)


def _as_json(cost: Cost) -> dict[str, Any]:
    row = cost.row
    return {
        "address": row.address,
        "old": row.old,
        "id": row.resource.id,
        "status": row.status,
        "replicas": row.current,
        "cost_per_hour": row.cost,
        "cost_per_hour_span": None if cost.span is None else list(cost.span),
        "expected": _dollars(cost.expected),
        "billed": _dollars(cost.billed),
        "gpu_hours": None if cost.gpu_hours is None else round(cost.gpu_hours, 3),
        "billed_to_expected": None if cost.ratio is None else round(cost.ratio, 4),
    }


def _dollars(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 4)


def _price(dollars: float) -> str:
    """`$3.90`, `$3.125`: as many digits as it needs, and two at least."""
    return f"${dollars:.2f}" if abs(dollars - round(dollars, 2)) < 1e-9 else f"${dollars:.4g}"


def _key(gpu: str) -> str:
    """As a key of YAML between braces."""
    return gpu if re.fullmatch(r"[A-Za-z][A-Za-z0-9 -]*", gpu) else json.dumps(gpu)
