"""A plan as a person reads it at a terminal."""

from __future__ import annotations

from collections.abc import Callable

from friendli_iac.core.plan import Change, Plan
from friendli_iac.review.words import (
    SYMBOL,
    by_severity,
    cost,
    headline,
    remarks,
    shown_before,
    status,
    total_cost,
    value,
)

Paint = Callable[[str, str], str]  # (text, colour) -> text
_COLOUR = {
    "delete": "red", "replace": "red", "update": "yellow", "restart": "yellow", "create": "green",
    "verify": "cyan", "record": "cyan",
}  # fmt: skip


def plain(text: str, colour: str) -> str:
    """No colours."""
    return text


def render(plan: Plan, *, reads: int | None = None, paint: Paint = plain) -> str:
    """The whole plan: header, one block a resource, and the summary as the last lines."""
    lines = [_header(plan)]
    if reads is not None:
        lines.append(f"{reads} reads, 0 writes, nothing woken")
    lines += [f"note: {note}" for note in plan.notes]
    for change in by_severity(plan.changes):
        lines += ["", *_block(change, paint)]
    quiet = [c for c in plan.changes if c.action == "no-op" and (c.notes or _odd(c))]
    for change in quiet:
        lines += ["", f"  {change.address}   {change.id}   {status(change)}"]
        lines += [f"      {note}" for note in change.notes]
    lines += ["", *_footer(plan, paint)]
    return "\n".join(lines) + "\n"


def _header(plan: Plan) -> str:
    team = f" (team {plan.team})" if plan.team else ""
    scope = f" · narrowed to {plan.narrowed}" if plan.narrowed else ""
    return f"Plan for {plan.api}{team} · serial {plan.serial}{scope}"


def _odd(change: Change) -> bool:
    return change.status not in ("RUNNING", "READY", "SLEEPING")


def _block(change: Change, paint: Paint) -> list[str]:
    colour = _COLOUR[change.action]
    head = f"{SYMBOL[change.action]} {change.action.upper()} {change.address}"
    id = f"   {change.id}" if change.id else ""
    lines = [paint(head, colour) + f"{id}   ({change.reason})"]
    live = status(change)
    lines.append(f"    {live + ' · ' if live else ''}{change.impact}")
    if change.protected and change.destructive:
        lines.append(f"    {paint('PROTECTED by preventDestroy', 'red')}")
    width = max((len(field.path) for field in change.fields), default=0)
    for field in change.fields:
        old, new = (value(change, field, v) for v in (shown_before(field), field.desired))
        symbol = "+" if old == "(none)" else "-" if new == "(none)" else "~"
        what = new if symbol == "+" else f"{old} → {new}"
        arrow = "" if not field.source else f"   {field.source}"
        reason = "" if change.action in ("create", "replace") else f"   {field.reason}"
        lines.append(f"    {paint(symbol, colour)} {field.path:<{width}}  {what}{arrow}{reason}")
        lines += [f"        {remark}" for remark in remarks(change, field)]
    lines += [f"    {note}" for note in change.notes]
    if cost(change):
        lines.append(f"    {cost(change)}")
    return lines


def _footer(plan: Plan, paint: Paint) -> list[str]:
    lines = []
    for refusal in plan.refusals:
        lines.append(paint(f"REFUSED {refusal.address}: {refusal.message}", "red"))
        lines.append(f"    {refusal.next}")
    if plan.refusals:
        lines.append("")
    ordered = [c.address for c in plan.pending_changes]
    if any(c.waits_for for c in plan.pending_changes) and len(ordered) > 1:
        lines.append("order: " + " → ".join(ordered))
    if any(c.action == "no-op" for c in plan.changes):
        lines.append("unchanged: write-only fields are presumed to be what we last sent")
    total = total_cost(plan)
    if total:
        lines.append(total)
    if not plan.pending_changes and not plan.refusals:
        lines.append(paint(f"No changes. {headline(plan)}", "green"))
        return lines
    lines.append(headline(plan))
    return lines
