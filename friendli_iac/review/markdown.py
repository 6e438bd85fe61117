"""Plans as a pull request shows them: Markdown of GitHub, which GitLab understands, too.

Never longer than the host allows: it degrades by meaning, in steps. What a change ends, what denies
it, what it costs and the digest are never left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from friendli_iac.core.plan import Plan
from friendli_iac.review import words
from friendli_iac.review.barely import barely
from friendli_iac.review.build import review
from friendli_iac.review.detail import COUNT, FULL, LINE, NAME, STEPS, Detail, missing_at
from friendli_iac.review.escaping import code, cut, prose, tag
from friendli_iac.review.glance import columns, counted, glance
from friendli_iac.review.links import NO_LINKS, Links, is_page
from friendli_iac.review.model import (
    GROUPS,
    Item,
    Review,
    Task,
    Verdict,
    by_group,
    title,
)

WHERE = 300  # characters
BRIEF = 200
OPEN = 8  # details of so many changes stand open


def render(
    plans: Sequence[Plan], *, limit: int | None = None, links: Links = NO_LINKS, whole: str = ""
) -> str:
    """One document about all of `plans`, one for each environment, of at most `limit` characters.
    `whole` says where all of it is, when something had to be left out.
    """
    reviews = [review(plan) for plan in plans]
    for detail in STEPS:
        text = "\n".join(_Page(reviews, detail, links, whole).lines()) + "\n"
        if limit is None or len(text) <= limit:
            return text
    return barely(reviews, limit or 0, whole)


@dataclass(frozen=True)
class _Page:
    reviews: Sequence[Review]
    detail: Detail
    links: Links
    whole: str

    def lines(self) -> Iterator[str]:
        many = len(self.reviews) > 1
        yield f"### friendli-iac plan: {self.prose(title(self.reviews))}"
        yield ""
        if not many:
            yield from self.place(self.reviews[0])
        yield from self.table()
        yield from self.left_out()
        for number, told in enumerate(self.reviews, 1):
            if many:
                yield f"### {self.code(told.name or f'plan {number}')}: {self.prose(told.headline)}"
                yield ""
                yield from self.place(told)
            yield from self.plan(told)

    def place(self, told: Review) -> Iterator[str]:
        yield f"For {self.prose(told.place)}"
        yield ""

    def table(self) -> Iterator[str]:
        """What happens and what it costs, at a glance."""
        names = columns(self.reviews)
        yield f"| | {' | '.join(self.code(name, cell=True) for name in names)} |"
        yield f"|---|{'---|' * len(names)}"
        for line in glance(self.reviews):
            match line.style:
                case "severe":
                    cells = [f"**{prose(cell)}**" if cell else "" for cell in line.cells]
                case "money":
                    cells = [code(cell, cell=True) for cell in line.cells]
                case _:
                    cells = [self.prose(cell) for cell in line.cells]
            name = f"**{line.name}**" if line.style == "severe" else line.name
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""

    def left_out(self) -> Iterator[str]:
        """What is missing here, and where it is."""
        if self.detail == STEPS[0]:
            return
        missing = missing_at(self.detail, self.reviews)
        yield f"> **Shortened to fit.** Left out: {'; '.join(missing)}."
        yield f"> The whole: {where(self.whole)}"
        yield ""

    def plan(self, told: Review) -> Iterator[str]:
        yield from self.verdicts(told)
        yield from self.by_hand(told)
        if self.detail.rest:
            notes = [*told.notes, *filter(None, [told.order])]
            yield from ("#### Notes", "") if notes else ()
            yield from self.bullets(notes)
        open_ = len(told.items) <= OPEN
        for group, items in by_group(told.items).items():
            level = self.detail.of(group)
            if level == COUNT:
                continue  # the table has it
            if level == NAME:
                names = ", ".join(self.code(item.address) for item in items)
                yield f"**{GROUPS[group]}**, {counted(items)}: {names}"
                yield ""
                continue
            yield f"#### {GROUPS[group]}"
            yield ""
            if level == LINE:
                yield from (self.line(item) for item in items)
                yield ""
                continue
            for item in items:
                yield from self.details(item, open_ or group == "destructive", level == FULL)
        yield from self.quiet(told)
        yield from self.end(told)

    def verdicts(self, told: Review) -> Iterator[str]:
        """What must be read before all else: refusals, what the policy says, and an override."""
        for address, message, way_out in told.refusals:
            said = f"{self.prose(message)} · {self.prose(way_out)}"
            yield f"- ✖ **refused** {self.code(address)}: {said}"
        if told.refusals:
            yield ""
        if told.override:
            yield f"⚠ **The policy is overridden**: {self.prose(told.override)}"
            yield ""
        shown = [v for v in told.verdicts if self.detail.rest or v.mark == "DENY"]
        if told.denied:
            yield "✖ **Denied by the policy**: it is not applied as it is."
            yield ""
        for verdict in shown:
            yield self.verdict(verdict)
        if shown:
            yield ""

    def by_hand(self, told: Review) -> Iterator[str]:
        """What a person must do, for no API can."""
        if told.tasks and self.detail.hand == NAME:
            names = ", ".join(self.code(name) for name in {task.address: 1 for task in told.tasks})
            yield f"☞ **{words.by_hand(len(told.tasks))}**: {names}"
            yield ""
        elif told.tasks:
            yield from ("#### By hand, for no API can do it", "")
            for number, task in enumerate(told.tasks, 1):
                yield from self.task(number, task)
            yield ""

    def task(self, number: int, task: Task) -> Iterator[str]:
        yield f"{number}. {self.code(task.address)}: {self.prose(task.what)}"
        if self.detail.hand < FULL:
            return
        page, _, there = task.page.partition(" ")
        rows = [f"where: {where(page)} {self.prose(there)}".rstrip()] * bool(page)
        rows += [f"{self.prose(label)}: {self.code(value)}" for label, value in task.values]
        yield from (f"   - {row}" for row in (*rows, f"verified: {self.prose(task.check)}"))

    def verdict(self, verdict: Verdict) -> str:
        mark = {"DENY": "✖ **deny**", "warn": "⚠ **warn**"}.get(verdict.mark, "○ exempt")
        about = " ".join(self.code(one) for one in (verdict.address, verdict.path) if one)
        parts = [mark, self.code(verdict.rule), about]
        told = [f"{' '.join(filter(None, parts))}: {self.prose(verdict.message)}"]
        told += [self.place_of(verdict.source)] * bool(verdict.source)
        told += [f"let through: {self.prose(verdict.exempt)}"] * bool(verdict.exempt)
        told += [self.prose(verdict.remedy)] * bool(verdict.remedy and not verdict.exempt)
        told += [f"rule: {self.place_of(verdict.origin)}"] * bool(verdict.origin)
        return f"- {' · '.join(told)}"

    def line(self, item: Item) -> str:
        """One change in one line."""
        head = f"{code(item.symbol)} **{item.action}** {self.code(item.address)}"
        told = [f"{head} {self.code(item.id)}".rstrip(), self.prose(cut(item.brief, BRIEF))]
        told += ["**PROTECTED by preventDestroy**"] * item.protected
        told += [f"☞ **{item.by_hand}**"] * bool(item.by_hand)
        told += [f"⚠ {len(item.warnings)}"] * bool(item.warnings)
        told += [self.code(item.cost)] * bool(item.cost)
        return f"- {' · '.join(told)}"

    def details(self, item: Item, open_: bool, full: bool) -> Iterator[str]:
        """One change that can be opened: what it is stands in its title."""
        yield f"<details{' open' * open_}>{self.summary(item)}"
        yield ""
        facts = [f"id {self.code(item.id)}" * bool(item.id)]  # no code begins a line: no fence
        told = item.impact if item.brief != item.impact else ""
        facts += map(self.prose, (item.status, told, item.reason))
        facts += [self.code(item.labels), f"waits for {self.code(item.waits)}" * bool(item.waits)]
        yield " · ".join(fact for fact in facts if fact)
        yield ""
        if item.same_as:
            yield f"The same {item.shared} as {self.code(item.same_as)}."
            yield ""
        else:
            yield from self.bullets([f"⚠ {warning}" for warning in item.warnings])
            yield from self.fields(item) if item.rows else ()
        rest = [f"Defaults: {item.defaults}"] * bool(item.defaults) if full else []
        rest += item.said
        if full:
            rest += [f"preflight {c.level}: {c.text} {c.remedy}".rstrip() for c in item.checks]
            rest += [item.gate] * bool(item.gate)
        else:
            bad = [check for check in item.checks if check.level != "ok"]
            rest += [f"preflight {c.level}: {c.text}" for c in bad]
        yield from self.bullets(rest)
        yield "</details>"
        yield ""

    def summary(self, item: Item) -> str:
        """The title of a change, within tags: Markdown is not understood there."""
        told = (
            f"<code>{item.symbol}</code> <b>{item.action}</b> <code>{self.tag(item.address)}</code>"
        )
        brief = tag(cut(item.brief, BRIEF))
        facts = [brief if item.ends or not item.rows else f"<code>{brief}</code>"]
        facts += ["<b>PROTECTED by preventDestroy</b>"] * item.protected
        facts += [f"☞ <b>{item.by_hand}</b>"] * bool(item.by_hand)
        facts += [f"⚠ {_some(len(item.warnings), 'warning')}"] * bool(item.warnings)
        marks = {verdict.mark for verdict in item.verdicts}
        facts += ["✖ <b>denied</b>"] * ("DENY" in marks)
        facts += [f"<code>{self.tag(item.cost)}</code>"] * bool(item.cost)
        return f"<summary>{' · '.join([told, *facts])}</summary>"

    def fields(self, item: Item) -> Iterator[str]:
        yield "| | field | now | wanted | where |"
        yield "|---|---|---|---|---|"
        for row in item.rows:
            notes = [self.prose(one) for one in [row.why] * item.reasons_differ + [*row.remarks]]
            old, new = ("" if value == words.NOTHING else value for value in (row.old, row.new))
            cells = [code(row.symbol), *(self.code(one, cell=True) for one in (row.path, old, new))]
            cells.append("; ".join(filter(None, [self.place_of(row.source), *notes])))
            yield f"| {' | '.join(cells)} |"
        yield ""

    def quiet(self, told: Review) -> Iterator[str]:
        """What is unchanged and still worth a word, and what others changed."""
        if not self.detail.rest:
            return
        if told.quiet:
            yield from ("#### Unchanged, and worth a word", "")
        for item in told.quiet:
            yield f"- {self.code(item.address)} {self.code(item.id)} {self.prose(item.status)}"
            yield from (f"  {line}" for line in self.bullets(item.said) if line)
        if told.quiet:
            yield ""
        if told.drift:
            yield "#### Changed outside since the last apply"
            yield ""
            for address, what in told.drift:
                yield f"- {self.code(address)} {self.prose(what)}"
            yield ""
        if told.unchanged:
            yield self.prose(told.unchanged)
            yield ""

    def end(self, told: Review) -> Iterator[str]:
        """How exactly this is applied."""
        if told.expires:
            yield f"Valid until {self.code(told.expires)}."
            yield ""
        if told.next:
            how = f" ({told.how})" if told.how else ""
            yield f"Exactly this, and nothing else, is applied by{how}:"
            yield ""
            yield from ("```sh", told.next, "```", "")
        if told.digest:
            yield f"<sub>digest <code>{told.digest}</code></sub>"
            yield ""

    def bullets(self, lines: Sequence[str]) -> Iterator[str]:
        said = [one for one in lines if one.strip()]
        for one in said:
            yield f"{'  ' * (one[0] == ' ')}- {self.prose(one)}"
        if said:
            yield ""

    def place_of(self, source: str) -> str:
        url = self.links.of(source)
        return f"[{self.prose(source)}]({url})" if url else self.prose(source)

    def prose(self, text: str) -> str:
        return prose(cut(text, self.detail.most))

    def tag(self, text: str) -> str:
        return tag(cut(text, self.detail.most))

    def code(self, text: str, *, cell: bool = False) -> str:
        return code(cut(text, self.detail.most), cell=cell)


def where(whole: str) -> str:
    """Where the whole is, as a link where it is an address."""
    if is_page(whole):
        return f"<{whole}>"
    return prose(cut(whole or "friendli-iac plan shows it", WHERE))


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
