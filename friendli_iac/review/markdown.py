"""A plan as a pull request shows it."""

from __future__ import annotations

from friendli_iac.core.plan import Change, Plan
from friendli_iac.review import asides, words


def render(plan: Plan) -> str:
    """GitHub-flavoured Markdown: the summary first, then a section a resource."""
    title = words.headline(plan) if words.is_work(plan) else "no changes"
    lines = [f"### friendli-iac plan: {title}", "", f"For {prose(words.place(plan))}", ""]
    notes = words.notes(plan)
    lines += [f"- {prose(note)}" for note in notes] + [""] * bool(notes)
    for refusal in plan.refusals:
        lines += [f"> **Refused** `{refusal.address}`: {prose(refusal.message)}"]
        lines += [f"> {prose(refusal.next)}", ""]
    for line in filter(None, [words.total_cost(plan), asides.order(plan), words.unchanged(plan)]):
        lines += [prose(line), ""]
    for change in words.by_severity(plan.changes):
        lines += [*_section(change), ""]
    for change in plan.changes:
        if change.action == "no-op" and words.needs_a_look(change):
            facts = [words.status(change), *map(str.strip, asides.said_of(change))]
            told = prose(", ".join(filter(None, facts)))
            lines += [f"- `{change.address}` `{change.id}`: {told}", ""]
    outside = asides.outside(plan)
    if outside:
        lines += ["Changed outside since the last apply:", ""]
        lines += [f"- `{address}` {prose(told)}" for address, told in outside] + [""]
    lines += [f"<sub>plan digest `{plan.digest[:12]}`</sub>"]
    return "\n".join(lines) + "\n"


def _section(change: Change) -> list[str]:
    id = f" `{change.id}`" if change.id else ""
    lines = [f"#### `{words.SYMBOL[change.action]}` {change.action} `{change.address}`{id}", ""]
    waits = f"waits for {', '.join(change.waits_for)}" if change.waits_for else ""
    facts = [words.status(change), change.impact, change.reason, words.labels(change), waits]
    facts = [prose(fact) for fact in [*facts, words.cost(change)] if fact]
    if change.protected and change.destructive:
        facts.append("**protected by preventDestroy**")
    lines.append(" · ".join(facts))
    shown, defaults = words.fields_shown(change)
    if shown:
        lines += ["", "| field | now | wanted | why | where |", "|---|---|---|---|---|"]
    for field in shown:
        old, new = words.before(change, field), words.value(change, field, field.desired)
        why = "; ".join(filter(None, [words.why(change, field), *words.remarks(change, field)]))
        cells = [f"`{field.path}`", code(old), code(new), prose(why), prose(field.source)]
        lines.append(f"| {' | '.join(cells)} |")
    rest = [f"{field.path} {words.value(change, field, field.desired)}" for field in defaults]
    after = [f"Defaults: {', '.join(rest)}"] * bool(rest)
    after += map(str.strip, asides.said_of(change))
    after += [f"preflight: {c.level} {c.text} {c.remedy}".rstrip() for c in change.checks]
    after += [asides.gate(change)] * bool(asides.gate(change))
    return lines + [""] * bool(after) + [f"- {prose(line)}" for line in after]


def code(text: str) -> str:
    """`text` as code that cannot break out of a table or of its backticks."""
    if text == words.NOTHING:
        return ""
    safe = text.replace("`", "'").replace("|", "\\|").replace("\n", " ")
    return f"`{safe}`"


def prose(text: str) -> str:
    """`text` that cannot become markup, a mention or a table cell."""
    for mark in "\\`*_<>[]|@#~$":
        text = text.replace(mark, f"\\{mark}" if mark not in "<>@" else f"&#{ord(mark)};")
    return text.replace("\n", " ")
