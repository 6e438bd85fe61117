"""How plans are put into words, whatever they are rendered as."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from friendli_iac.core.diff import FieldChange
from friendli_iac.core.plan import Change, Plan, summary
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Action, Address
from friendli_iac.resources.instances import LIST_PRICES_DATE
from friendli_iac.resources.spec import format_duration, leaves

# Most severe first: what a reviewer must not miss stands on top.
SEVERITY: tuple[Action, ...] = (
    "delete", "replace", "update", "restart", "create", "verify", "record",
)  # fmt: skip
SYMBOL: dict[str, str] = {
    "delete": "-", "replace": "±", "update": "~", "restart": "↻", "create": "+",
    "verify": "?", "record": "·",
}  # fmt: skip
HOURS_A_MONTH = 730


def by_severity(changes: Iterable[Change]) -> list[Change]:
    """The changes that are something to do, most severe first, then by address."""
    todo = [change for change in changes if change.action != "no-op"]
    return sorted(todo, key=lambda c: (SEVERITY.index(c.action), c.address))


def value(change: Change, field: FieldChange, what: Any) -> str:
    """A value as a manifest would write it; `(none)` for what is not there."""
    if what is None:
        return "(none)"
    leaf = leaves(KINDS[Address.parse(change.address).kind].model).get(field.path)
    if leaf and leaf.duration and isinstance(what, int):
        return format_duration(what)
    return what if isinstance(what, str) else json.dumps(what, ensure_ascii=False)


def remarks(change: Change, field: FieldChange) -> list[str]:
    """What a reader must know about a field beside its two values."""
    found = []
    if field.write_only and field.prior is not None and field.reason.startswith("unknown"):
        known = value(change, field, field.prior)
        found.append(f"UNKNOWN live ({field.reason}, made by someone else); we last sent {known}")
    elif field.write_only and field.prior is not None:
        presumed = value(change, field, field.prior)
        found.append(f"not readable live; {presumed} is what we last sent")
    elif field.write_only and change.action not in ("create", "replace"):
        found.append("not readable live, and never sent by us: whether it differs is UNKNOWN")
    elif not field.local and field.live is not None and field.live != field.prior:
        before = "nothing" if field.prior is None else value(change, field, field.prior)
        found.append(f"live {value(change, field, field.live)}; {before} is what we last sent")
    return found


def shown_before(field: FieldChange) -> Any:
    """The left side of the arrow: what is in force, as far as anybody can know."""
    if field.live is not None:
        return field.live
    return field.prior


def status(change: Change) -> str:
    """`RUNNING v12`, as far as it is known."""
    version = f" v{change.fence.version}" if change.fence.version is not None else ""
    return f"{change.status}{version}"


def headline(plan: Plan) -> str:
    """`1 to create, 2 to update, 38 unchanged`."""
    counts = summary(plan)
    words: dict[str, str] = {
        "delete": "to delete", "replace": "to replace", "update": "to update",
        "restart": "to restart", "create": "to create", "verify": "to verify",
        "record": "to record",
    }  # fmt: skip
    parts = [
        f"{counts[action]} {words[action]}" for action in reversed(SEVERITY) if action in counts
    ]
    if counts.get("no-op"):
        parts.append(f"{counts['no-op']} unchanged")
    return ", ".join(parts) or "nothing in the manifests or in state"


def money(low: float, high: float) -> str:
    """`$3.90-7.80`, or `$3.90` when both are the same."""
    return f"${low:,.2f}" if low == high else f"${low:,.2f}-{high:,.2f}"


def cost(change: Change) -> str:
    """What the change does to the bill, per hour; empty when it does nothing to it."""
    if change.action in ("record", "verify"):
        return ""
    before, after = change.cost_before, change.cost_after
    if before is None or after is None:
        return "cost UNKNOWN: no list price for this GPU"
    if before == after:
        return f"{money(*after)} /h, as before"
    return f"{money(*before)} → {money(*after)} /h"


def total_cost(plan: Plan) -> str:
    """The bill of everything in the plan before and after, with where the prices come from."""
    known = [c for c in plan.changes if c.cost_before is not None and c.cost_after is not None]
    sums = [
        (sum(c.cost_before[i] for c in known if c.cost_before),
         sum(c.cost_after[i] for c in known if c.cost_after))
        for i in (0, 1)
    ]  # fmt: skip
    before, after = (sums[0][0], sums[1][0]), (sums[0][1], sums[1][1])
    if not known or before == after == (0, 0):
        return ""
    month = [(low * HOURS_A_MONTH, high * HOURS_A_MONTH) for low, high in (before, after)]
    line = (
        f"{money(*before)} → {money(*after)} /h"
        f"   ({_round(month[0])} → {_round(month[1])} per {HOURS_A_MONTH} h; "
        f"list prices of {LIST_PRICES_DATE})"
    )
    missing = len(plan.changes) - len(known)
    return line + (f", without {missing} of unknown price" if missing else "")


def _round(span: tuple[float, float]) -> str:
    low, high = (f"{round(x):,}" for x in span)
    return f"${low}" if low == high else f"${low}-{high}"
