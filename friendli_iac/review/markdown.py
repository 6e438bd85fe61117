"""A plan as a pull request shows it."""

from __future__ import annotations

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


def render(plan: Plan) -> str:
    """GitHub-flavoured Markdown: the summary first, then a section a resource."""
    lines = [f"### friendli-iac plan: {headline(plan)}", ""]
    if plan.narrowed:
        lines += [f"Narrowed to {plan.narrowed}.", ""]
    for refusal in plan.refusals:
        lines += [f"> **Refused** `{refusal.address}`: {_text(refusal.message)}"]
        lines += [f"> {_text(refusal.next)}", ""]
    total = total_cost(plan)
    if total:
        lines += [total, ""]
    for change in by_severity(plan.changes):
        lines += [*_section(change), ""]
    lines += [f"<sub>serial {plan.serial}, plan digest `{plan.digest[:12]}`</sub>"]
    return "\n".join(lines) + "\n"


def _section(change: Change) -> list[str]:
    id = f" `{change.id}`" if change.id else ""
    lines = [f"#### `{SYMBOL[change.action]}` {change.action} `{change.address}`{id}", ""]
    facts = [status(change), change.impact, change.reason, cost(change)]
    if change.protected and change.destructive:
        facts.append("**protected by preventDestroy**")
    lines.append(" · ".join(_text(fact) for fact in facts if fact))
    if change.fields:
        lines += ["", "| field | now | wanted | why | where |", "|---|---|---|---|---|"]
    for field in change.fields:
        old, new = (_code(value(change, field, v)) for v in (shown_before(field), field.desired))
        why = "; ".join([field.reason, *remarks(change, field)])
        lines.append(f"| `{field.path}` | {old} | {new} | {_text(why)} | {field.source} |")
    return lines + [f"- {_text(note)}" for note in change.notes]


def _code(text: str) -> str:
    """`text` as code that cannot break out of a table or of its backticks."""
    if text == "(none)":
        return ""
    safe = text.replace("`", "'").replace("|", "\\|").replace("\n", " ")
    return f"`{safe}`"


def _text(text: str) -> str:
    """`text` that cannot become markup, a mention or a table cell."""
    for mark in "\\`*_<>[]|@#":
        text = text.replace(mark, f"\\{mark}" if mark not in "<>@" else f"&#{ord(mark)};")
    return text.replace("\n", " ")
