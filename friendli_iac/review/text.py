"""A plan as a person reads it at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from friendli_iac.core.plan import Plan
from friendli_iac.review import words
from friendli_iac.review.build import review
from friendli_iac.review.model import Item, Review, Task, Verdict

Paint = Callable[[str, str], str]  # (text, colour) -> text
_COLOUR = {
    "delete": "red", "replace": "red", "update": "yellow", "restart": "yellow", "create": "green",
    "verify": "cyan", "record": "cyan", "terminate": "red", "sleep": "yellow", "wake": "yellow",
    "DENY": "red", "warn": "yellow", "exempt": "cyan",
}  # fmt: skip
WIDEST = 60  # a longer value does not push the places of all others to the right


def plain(text: str, colour: str) -> str:
    """No colours."""
    return text


def render(
    plan: Plan, *, reads: int | None = None, paint: Paint = plain, only_look: bool = False
) -> str:
    """The whole plan: header, one block a resource, and the summary as the last lines. `only_look`:
    nobody is to apply just this.
    """
    told = review(plan)
    if only_look:
        told = replace(told, digest="", next="")
    lines = [f"Plan for {told.place}"]
    if reads is not None:
        lines.append(f"{reads} read{'s' * (reads != 1)}, 0 writes, nothing woken")
    lines += [f"note: {note}" for note in told.notes]
    for item in told.items:
        lines += ["", *_block(item, paint)]
    for item in told.quiet:
        lines += ["", f"  {item.address}   {item.id or '(new)'}   {item.status}".rstrip()]
        lines += [f"    {line}" for line in item.said]
    if told.drift:
        lines += ["", "Changed outside since the last apply:"]
        lines += [f"  {address}   {what}" for address, what in told.drift]
    for number, task in enumerate(told.tasks, 1):
        lines += ["", paint("BY HAND, for no API can do it:", "yellow")] * (number == 1)
        lines += _task(number, task)
    lines += [""] * (len(lines) > 2) + list(_footer(told, paint, bool(plan.changes)))
    return "\n".join(lines) + "\n"


def _block(item: Item, paint: Paint) -> Iterator[str]:
    colour = _COLOUR[item.action]
    head = paint(f"{item.symbol} {item.action.upper()} {item.address}", colour)
    yield "   ".join([head, *filter(None, [item.id, item.labels, f"({item.reason})"])])
    yield "    " + " · ".join(filter(None, [item.status, item.impact]))
    if item.protected:
        yield f"    {paint('PROTECTED by preventDestroy', 'red')}"
    if item.by_hand:
        yield f"    {paint('☞', 'yellow')} {item.by_hand}, below"
    if item.same_as:
        yield f"    {paint('~', colour)} the same {item.shared} as {item.same_as} above"
    else:
        yield from (f"    {paint('!', 'yellow')} {warning}" for warning in item.warnings)
        yield from _fields(item, paint)
    yield from (f"    {line}" for line in item.said)
    if item.checks:
        yield "    preflight"
    for check in item.checks:
        yield f"        {check.level:<7}  {check.text}"
        if check.remedy:
            yield f"                 {check.remedy}"
    if item.waits:
        yield f"    waits for {item.waits}"
    yield from (f"    {line}" for line in (item.gate, item.cost) if line)


def _task(number: int, task: Task) -> Iterator[str]:
    rows = [("where", task.page), *task.values, ("verified", task.check)]
    width = max(len(label) for label, _ in rows)
    yield f"  {number}. {task.address}: {task.what}"
    yield from (f"       {label:<{width}}  {value}" for label, value in rows if value)


def _fields(item: Item, paint: Paint) -> Iterator[str]:
    rows = [(row, row.values) for row in item.rows]
    path_width = max((len(row.path) for row in item.rows), default=0)
    width = max((len(said) for _, said in rows if len(said) <= WIDEST), default=0)
    for row, said in rows:
        line = f"{row.path:<{path_width}}  {said:<{width}}   {row.source}"
        line += f"   {row.why}" * item.reasons_differ
        yield f"    {paint(row.symbol, _COLOUR[item.action])} {line.rstrip()}"
        yield from (f"        {remark}" for remark in row.remarks)
    if item.defaults:
        yield f"    defaults: {item.defaults}"


def _footer(told: Review, paint: Paint, any_: bool) -> Iterator[str]:
    for address, message, way_out in told.refusals:
        yield paint(f"REFUSED {address}: {message}", "red")
        yield f"    {way_out}"
        yield ""
    for verdict in told.verdicts:
        yield from _verdict(verdict, paint)
    if told.override:
        yield paint(f"OVERRIDDEN, although the policy denies it: {told.override}", "red")
    if told.verdicts or told.override:
        yield ""
    yield from filter(None, [told.unchanged, told.order])
    if told.expires:
        yield f"valid until {told.expires}"
    if told.digest:
        yield f"digest {told.digest}" + "   (apply --approved takes exactly this)" * bool(told.next)
    if told.cost:
        hour = words.movement(*told.cost.hour, " /h")
        month = " → ".join(dict.fromkeys(told.cost.month))
        yield f"{hour}   ({month} per {words.HOURS_A_MONTH} h)"
        yield f"    {told.cost.note}"
    if told.work:
        yield told.headline + (paint(", DENIED by the policy", "red") if told.denied else "")
    else:
        yield paint("No changes." if any_ else f"No changes: {told.headline}.", "green")


def _verdict(verdict: Verdict, paint: Paint) -> Iterator[str]:
    about = " ".join(filter(None, [verdict.address, verdict.path])) or "the plan"
    mark = paint(f"{verdict.mark} {verdict.rule}", _COLOUR[verdict.mark])
    yield f"{mark}   {about}: {verdict.message}" + (f"   {verdict.source}" * bool(verdict.source))
    if verdict.exempt:
        yield f"    let through: {verdict.exempt}"
    elif verdict.remedy:
        yield f"    {verdict.remedy}"
    if verdict.origin:
        yield f"    the rule: {verdict.origin}"
