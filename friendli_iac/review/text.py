"""A plan as a person reads it at a terminal."""

from __future__ import annotations

from collections.abc import Callable

from friendli_iac.core.diff import FieldChange
from friendli_iac.core.plan import Change, Plan
from friendli_iac.review import asides, words

Paint = Callable[[str, str], str]  # (text, colour) -> text
_COLOUR = {
    "delete": "red", "replace": "red", "update": "yellow", "restart": "yellow", "create": "green",
    "verify": "cyan", "record": "cyan", "terminate": "red", "sleep": "yellow", "wake": "yellow",
}  # fmt: skip
WIDEST = 60  # a longer value does not push the places of all others to the right


def plain(text: str, colour: str) -> str:
    """No colours."""
    return text


def render(plan: Plan, *, reads: int | None = None, paint: Paint = plain) -> str:
    """The whole plan: header, one block a resource, and the summary as the last lines."""
    lines = [f"Plan for {words.place(plan)}"]
    if reads is not None:
        lines.append(f"{reads} read{'s' * (reads != 1)}, 0 writes, nothing woken")
    lines += [f"note: {note}" for note in words.notes(plan)]
    told: dict[tuple[str, ...], str] = {}
    for change in words.by_severity(plan.changes):
        lines += ["", *_block(change, told, paint)]
    for change in plan.changes:
        if change.action == "no-op" and words.needs_a_look(change):
            lines += [
                "",
                f"  {change.address}   {change.id or '(new)'}   {words.status(change)}".rstrip(),
            ]
            lines += [f"    {line}" for line in asides.said_of(change)]
    if outside := asides.outside(plan):
        lines += ["", "Changed outside since the last apply:"]
        lines += [f"  {address}   {told}" for address, told in outside]
    lines += [""] * (len(lines) > 2) + _footer(plan, paint)
    return "\n".join(lines) + "\n"


def _block(change: Change, told: dict[tuple[str, ...], str], paint: Paint) -> list[str]:
    """One resource. `told` has the field lines so far, and whose they were: a change that comes
    from one line for forty endpoints is spelled out once.
    """
    colour = _COLOUR[change.action]
    head = paint(f"{words.SYMBOL[change.action]} {change.action.upper()} {change.address}", colour)
    beside = [change.id or "", words.labels(change), f"({change.reason})"]
    lines = ["   ".join([head, *filter(None, beside)])]
    lines.append("    " + " · ".join(filter(None, [words.status(change), change.impact])))
    if change.protected and change.destructive:
        lines.append(f"    {paint('PROTECTED by preventDestroy', 'red')}")
    fields = tuple(_fields(change, paint))
    first = told.setdefault(fields, change.address)
    if first != change.address and len(fields) > 2:
        lines.append(f"    {paint('~', colour)} the same fields and values as {first} above")
    else:
        lines += fields
    lines += [f"    {line}" for line in asides.said_of(change)]
    lines += [f"    {line}" for line in asides.preflight(change)]
    if change.waits_for:
        lines.append(f"    waits for {', '.join(change.waits_for)}")
    last = filter(None, [asides.gate(change), words.cost(change)])
    return lines + [f"    {line}" for line in last]


def _fields(change: Change, paint: Paint) -> list[str]:
    shown, defaults = words.fields_shown(change)
    rows = [(field, *_what(change, field)) for field in shown]
    path_width = max((len(field.path) for field in shown), default=0)
    width = max((len(what) for _, _, what in rows if len(what) <= WIDEST), default=0)
    one_reason = len({field.reason for field in shown}) == 1  # it stands in the first line already
    lines = []
    for field, symbol, what in rows:
        line = f"{field.path:<{path_width}}  {what:<{width}}   {field.source}"
        line += "" if one_reason else f"   {words.why(change, field)}"
        mark = paint(symbol, _COLOUR[change.action])
        lines.append(f"    {mark} {line.rstrip()}")
        lines += [f"        {remark}" for remark in words.remarks(change, field)]
    if defaults:
        told = (f"{f.path} {words.value(change, f, f.desired)}" for f in defaults)
        lines.append(f"    defaults: {', '.join(told)}")
    return lines


def _what(change: Change, field: FieldChange) -> tuple[str, str]:
    """The symbol and the values of a field."""
    old, new = words.before(change, field), words.value(change, field, field.desired)
    if old == words.NOTHING:
        return "+", new
    if old == new:  # from now on ours
        return "=", new
    return ("-" if new == words.NOTHING else "~"), f"{old} → {new}"


def _footer(plan: Plan, paint: Paint) -> list[str]:
    lines = []
    for refusal in plan.refusals:
        lines.append(paint(f"REFUSED {refusal.address}: {refusal.message}", "red"))
        lines += [f"    {refusal.next}", ""]
    lines += filter(None, [words.unchanged(plan), asides.order(plan), words.total_cost(plan)])
    if words.is_work(plan):
        return [*lines, words.headline(plan)]
    return [
        *lines,
        paint("No changes." if plan.changes else f"No changes: {words.headline(plan)}.", "green"),
    ]
