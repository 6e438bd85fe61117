"""How everything in state is, as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from friendli_iac.core.diff import readable
from friendli_iac.core.journal import NOT_APPLIED
from friendli_iac.core.state import Resource
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Kind, Observed
from friendli_iac.resources.expiry import expiry
from friendli_iac.resources.spec import get_path
from friendli_iac.review.times import UNKNOWN, moment, span, stamp
from friendli_iac.review.words import money

SERVED = ("good", "unverified", "")  # outcomes that need no word
# docs: an endpoint that has slept for 48 hours is terminated.
SLEEP_LIMIT = 48 * 3600.0  # seconds
HEADS = (
    "ADDRESS", "STATUS", "PHASE", "VERSION", "REPLICAS", "GPU", "AGE", "$/H NOW", "LAST CHANGE",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One resource: what state has of it, and what the API shows; `observed` is None when it is
    gone. `current`, `desired` and `updated` count replicas. `cost` is dollars per hour now. None:
    not known. `old`: a replacement has taken its place, and it has not ended yet. `over`: its time
    is over (`lifecycle.expires`). `unread`: its service did not tell.
    """

    address: str
    resource: Resource
    observed: Observed | None
    current: int | None = None
    desired: int | None = None
    updated: int | None = None
    cost: float | None = None
    old: bool = False
    over: bool = False
    unread: bool = False

    @property
    def kind(self) -> Kind:
        return KINDS[Address.parse(self.address).kind]

    @property
    def status(self) -> str:
        """The API's own word."""
        if self.unread:
            return "UNREADABLE"
        return self.observed.status if self.observed else "GONE"

    @property
    def phase(self) -> str:
        return (self.observed.phase if self.observed else None) or ""

    @property
    def serves(self) -> bool:
        """Whether it does, or is to run nothing."""
        if self.old or self.over or self.kind.idle(self.resource.applied.spec):
            return True
        return self.observed is not None and self.observed.health == "served"


def render(rows: Sequence[Row], now: float, prices: str) -> str:
    """The table, below each row what needs a word, and the total. `now` is in seconds since 1970,
    as are all times here. `prices` says where the costs come from.
    """
    if not rows:
        return "Nothing is in state.\n"
    cells = [HEADS, *(_cells(row, now) for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(HEADS))]
    lines = [_line(HEADS, widths)]
    for row, line in zip(rows, cells[1:], strict=True):
        lines.append(_line(line, widths))
        lines += [f"    {mark}" for mark in marks(row, now)]
    return "\n".join([*lines, "", total(rows, prices)]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{n}}" for cell, n in zip(cells, widths, strict=True)).rstrip()


def _cells(row: Row, now: float) -> tuple[str, ...]:
    if not row.kind.serves:
        last = _last_change(row.resource, now)
        return (row.address, row.status, "-", "-", "-", "-", age(row.observed, now), "-", last)
    return (
        row.address + " (old)" * row.old,
        row.status,
        row.phase or "-",
        _version(row.resource),
        replicas(row),
        gpu(row.observed),
        age(row.observed, now),
        UNKNOWN if row.cost is None else money((row.cost, row.cost)),
        _last_change(row.resource, now),
    )


def version(resource: Resource) -> tuple[int | None, str]:
    """The newest version of ours that the service did not drop, and what became of it; or a later
    one that counts as ours, as a step by hand makes it. Only what state knows.
    """
    later = resource.fence.version
    for record in reversed(resource.history):
        if record["outcome"] == NOT_APPLIED:
            continue
        ours, outcome = record["version"], record["outcome"]
        served = outcome in SERVED and resource.pending is None
        if served and ours is not None and later is not None and later > ours:
            return later, ""
        return ours, outcome
    return later, ""


def _version(resource: Resource) -> str:
    number, outcome = version(resource)
    told = UNKNOWN if number is None else f"v{number}"
    return told if outcome in SERVED else f"{told} {outcome}"


def replicas(row: Row) -> str:
    """`1/2 (0-4)`: current and desired, and what the autoscaler may choose from."""
    low, high = bounds(row)
    span = UNKNOWN if low is None or high is None else f"{low}" if low == high else f"{low}-{high}"
    now = "/".join(UNKNOWN if n is None else str(n) for n in (row.current, row.desired))
    late = row.updated is not None and row.current is not None and row.updated < row.current
    return f"{now} ({span})" + (f", {row.updated} updated" if late else "")


def bounds(row: Row) -> tuple[int | None, int | None]:
    """The fewest and the most replicas that it may have; None: not known."""
    live = row.observed.spec if row.observed else {}
    fixed = get_path(row.resource.applied.spec, "autoscaling.replicas")
    low = get_path(live, "autoscaling.minReplicas", fixed)
    return low, get_path(live, "autoscaling.maxReplicas", fixed)


def gpu(observed: Observed | None) -> str:
    """`1x H100`."""
    spec = observed.spec if observed else {}
    name, count = get_path(spec, "instance.gpu"), get_path(spec, "instance.count")
    return f"{count or UNKNOWN}x {name}" if name else UNKNOWN


def age(observed: Observed | None, now: float) -> str:
    """How long ago it was created, coarsely; `?` when that cannot be read."""
    created = moment(observed.created_at) if observed else None
    return UNKNOWN if created is None else span(now - created)


def _last_change(resource: Resource, now: float) -> str:
    if not resource.history:
        return "not by us"
    last = resource.history[-1]
    return f"{last['by'] or UNKNOWN}, {span(now - last['time'])} ago"


def marks(row: Row, now: float) -> list[str]:
    """What needs a word beside the table, one sentence each."""
    resource, observed = row.resource, row.observed
    found = []
    if row.old:
        found.append("left over from a replacement, and may bill: the next apply ends it")
    if observed is None and not row.unread:
        found.append(f"{resource.id} is gone: 404, and not in the project's list")
    if observed and observed.error:
        fault = row.kind.explain(observed.error, resource.applied.spec)
        found.append(f"{observed.error}: {fault.sentence}; {fault.remedy}")
    if observed and observed.asleep:
        found.append(_sleeps(observed, now))
    if resource.pending:
        found.append("pending: what was sent last is not proved to serve; the next apply goes on")
    elif outside := changed_outside(row):
        found.append(f"changed outside: {', '.join(outside)}; friendli-iac plan shows it")
    if resource.pin:
        found.append(f"pinned ({resource.pin.stage}): {resource.pin.story}")
    found += _routes(row)
    if (ends := expires(resource)) is not None:
        found.append(_expiry(resource, observed, ends, now))
    return found


def _routes(row: Row) -> list[str]:
    """What state knows of its routes, where that is not as it should be."""
    routes, seen = row.kind.routes(row.resource.applied.spec), row.resource.routes
    if not routes.path:
        return []
    wanted = routes.names
    said = {
        "missing": [route for route in wanted if seen.get(route) == "missing"],
        "not seen which adapter answers": [
            route for route in wanted if seen.get(route) in ("swapped", "unproved")
        ],
        "served, and not declared": [
            route for route, what in seen.items() if route not in wanted and what != "missing"
        ],
    }
    return [f"adapters {what}: {', '.join(routes)}" for what, routes in said.items() if routes]


def _expiry(resource: Resource, observed: Observed | None, ends: float, now: float) -> str:
    if ends > now:
        return f"expires at {stamp(ends)} (in {span(ends - now)})"
    if _ended(observed):
        return f"expired at {stamp(ends)}"
    if resource.protected:
        return f"expired at {stamp(ends)}, and preventDestroy keeps it"
    return f"expired at {stamp(ends)}: friendli-iac reap terminates it"


def _ended(observed: Observed | None) -> bool:
    return observed is None or observed.health in ("ending", "stopped")


def _sleeps(observed: Observed, now: float) -> str:
    since = moment(observed.updated_at)
    if since is None:
        return "asleep: the API terminates it after 48 h, and does not say since when it sleeps"
    ends = since + SLEEP_LIMIT
    if ends <= now:
        return "asleep: its 48 h should be over, and it may be terminated at any time"
    return (
        f"asleep: terminated after 48 h, at the latest about {stamp(ends)} "
        f"(in {span(ends - now)}), unless a request wakes it"
    )


def changed_outside(row: Row) -> list[str]:
    """The readable fields that are no longer as we sent them, by path."""
    if row.observed is None or row.old or not row.observed.name:  # only its status was read
        return []
    applied = row.resource.applied.spec
    sent, live = readable(row.kind, applied), readable(row.kind, row.observed.spec)
    moved = [path for path, value in sent.items() if live.get(path) != value]
    ignored = get_path(applied, "lifecycle.ignoreChanges", [])
    return sorted(p for p in moved if not any(f"{p}.".startswith(f"{i}.") for i in ignored))


def expires(resource: Resource) -> float | None:
    """When its time is over, as it was applied; None when it has no end."""
    text = get_path(resource.applied.spec, "lifecycle.expires")
    return expiry(text, resource.created) if text and resource.created else None


def total(rows: Sequence[Row], prices: str) -> str:
    """`3 endpoints: 2 RUNNING, 1 SLEEPING · $7.80 /h now (list prices of 2025-09)`, and how many
    there are of what never bills.
    """
    serving = [row for row in rows if row.kind.serves]
    others: dict[str, int] = {}
    for row in rows:
        if not row.kind.serves:
            others[row.kind.noun] = others.get(row.kind.noun, 0) + 1
    beside = ", ".join(_counted(count, noun) for noun, count in others.items())
    if not serving:
        return beside
    counts: dict[str, int] = {}
    for row in serving:
        counts[row.status] = counts.get(row.status, 0) + 1
    known = [row.cost for row in serving if row.cost is not None]
    missing = len(serving) - len(known)
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    line = f"{_counted(len(serving), serving[0].kind.noun)}: {told} · "
    line += f"{money((sum(known), sum(known)))} /h now ({prices})"
    line += f", without {missing} of unknown cost" if missing else ""
    return f"{line} · {beside}" if beside else line


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
