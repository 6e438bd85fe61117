"""What everything in state costs by our estimate, and what the API billed for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from friendli_iac.core.cost import NOTHING, live_cost
from friendli_iac.core.diff import current
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.status import look_at
from friendli_iac.errors import ApiError
from friendli_iac.resources import KINDS
from friendli_iac.resources.billing import Line
from friendli_iac.resources.prices import Prices
from friendli_iac.review.cost import Cost, CostReport, Seen
from friendli_iac.review.status import Row
from friendli_iac.review.times import moment, rfc3339

DAY = 86400.0  # seconds
NEAR = 0.005  # dollars: prices that differ by less are the same


def look_at_cost(engine: Engine, days: int) -> CostReport:
    """The estimate for everything in state, and the bill of the last `days` days, today among them:
    the API bills by days of UTC. Only GETs, and nothing is woken. Raises what reading raises, but
    nothing for a bill that cannot be had.
    """
    rows = look_at(engine, serving=True).rows
    now = engine.clock.now()
    end = now - now % DAY + DAY
    start = end - days * DAY
    lines: list[Line] = []
    unread, unbilled = 0, ""
    try:
        for kind in (one for one in KINDS.values() if one.serves):
            bill = kind.bill(engine.apis[kind.name], rfc3339(start), rfc3339(end))
            lines += bill.lines
            unread += bill.unread
    except ApiError as error:
        if error.status == 401:
            raise
        lines, unbilled = [], str(error)
    billed = _by_id(lines)
    costs = tuple(
        _cost(row, engine.prices, None if unbilled else billed, (start, now)) for row in rows
    )
    ours = {row.resource.id for row in rows}
    return CostReport(
        costs=costs,
        days=days,
        start=start,
        now=now,
        prices=engine.prices.words,
        others={id: dollars for id, (dollars, _) in billed.items() if id and id not in ours},
        rest=billed.get("", NOTHING)[0],
        seen=_seen(lines, engine.prices),
        unread=unread,
        unbilled=unbilled,
    )


def _by_id(lines: Iterable[Line]) -> dict[str, tuple[float, float]]:
    """Dollars and GPU hours of each resource; of all else under an empty id."""
    found: dict[str, tuple[float, float]] = {}
    for line in lines:
        dollars, hours = found.get(line.id, NOTHING)
        found[line.id] = dollars + line.dollars, hours + line.gpu_hours
    return found


def _cost(
    row: Row,
    prices: Prices,
    billed: Mapping[str, tuple[float, float]] | None,
    period: tuple[float, float],
) -> Cost:
    observed, span = row.observed, NOTHING
    if observed is not None:
        live = current(row.kind, row.resource.applied, observed.spec)
        found = live_cost(row.kind, observed, live, prices)
        if found is None:
            return _billed(row, None, None, billed)
        span = found
    start, now = period
    created = moment(observed.created_at) if observed else None
    hours = max(0.0, now - max(start, created or start)) / 3600
    return _billed(row, span, None if row.cost is None else row.cost * hours, billed)


def _billed(
    row: Row,
    span: tuple[float, float] | None,
    expected: float | None,
    billed: Mapping[str, tuple[float, float]] | None,
) -> Cost:
    if billed is None:
        return Cost(row, span, expected)
    dollars, hours = billed.get(row.resource.id, NOTHING)
    return Cost(row, span, expected, dollars, hours)


def _seen(lines: Iterable[Line], prices: Prices) -> tuple[Seen, ...]:
    """The prices that were billed last, where they are not ours."""
    last: dict[str, Line] = {}
    for line in lines:
        if line.price is None or line.price <= 0:  # what a reservation or a credit covers
            continue
        newest = last.get(line.gpu, line)
        if (line.day, line.gpu_hours) >= (newest.day, newest.gpu_hours):
            last[line.gpu] = line
    return tuple(
        Seen(gpu, line.price, ours)
        for gpu, line in sorted(last.items())
        if line.price is not None
        and ((ours := prices.of(gpu)) is None or abs(line.price - ours) > NEAR)
    )
