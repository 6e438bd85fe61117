"""Plans as one page that needs nothing else: an artifact of a job, or a file that is opened.

Its style and its script stand in it, and nothing else may run or be loaded: the policy in its head
names both by their hash. Without scripts, everything can be read.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape as e
from importlib.resources import files
from urllib.parse import quote

from friendli_iac.core.plan import Plan
from friendli_iac.review import words
from friendli_iac.review.build import review
from friendli_iac.review.glance import columns, glance
from friendli_iac.review.links import NO_LINKS, Links, is_page
from friendli_iac.review.model import (
    GROUPS,
    Item,
    Review,
    Row,
    Verdict,
    by_group,
    title,
)

OPEN = 10  # of so many changes, all stand open
_OWN_IDS = ("summary", "changes", "find", "level", "open", "close", "reset")
_MARKS = {"DENY": ("bad", "✖ denied"), "warn": ("warn", "⚠ warns"), "exempt": ("calm", "○ exempt")}


def render(plans: Sequence[Plan], *, links: Links = NO_LINKS) -> str:
    """One page about all of `plans`, one for each environment."""
    reviews = [review(plan) for plan in plans]
    page = _Page(links, many=len(reviews) > 1, open_=sum(len(r.items) for r in reviews) <= OPEN)
    return "\n".join(page.document(reviews)) + "\n"


@dataclass
class _Page:
    links: Links
    many: bool
    open_: bool
    ids: set[str] = field(default_factory=lambda: set(_OWN_IDS))

    def document(self, reviews: Sequence[Review]) -> Iterator[str]:
        style, script = _data("page.css"), _data("page.js")
        only = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        only += "base-uri 'none'; form-action 'none'"
        name = f"friendli-iac plan: {title(reviews)}"
        yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
        yield f'<meta http-equiv="Content-Security-Policy" content="{only}">'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield '<meta name="referrer" content="no-referrer">'
        yield f"<title>{e(name)}</title>\n<style>{style}</style>\n</head>\n<body>"
        yield '<a class="skip" href="#changes">Skip to the changes</a>'
        whose = f" for {reviews[0].name}" if reviews[0].name and not self.many else ""
        yield f"<header>\n<h1>friendli-iac plan{e(whose)}</h1>"
        if self.many:
            yield f"<p>{e(title(reviews))}</p>"
        else:
            yield from self.head(reviews[0])
        yield "</header>\n<main>"
        yield from self.summary(reviews)
        yield from self.filter(reviews)
        yield '<div id="changes" tabindex="-1">'
        for number, told in enumerate(reviews, 1):
            yield from self.plan(told, number)
        yield "</div>\n</main>"
        yield "<footer><p>Costs are estimates. Made by friendli-iac.</p></footer>"
        yield f"<script>{script}</script>\n</body>\n</html>"

    def head(self, told: Review) -> Iterator[str]:
        """Where a plan is for, and what must be read before all else."""
        yield f'<p class="quiet">{e(told.place)}</p>'
        if told.work:
            yield f"<p><strong>{e(told.headline)}</strong></p>"
        if told.refusals:
            yield '<p class="banner bad">✖ <strong>Refused</strong>: it cannot be applied</p>'
        if told.denied:
            yield '<p class="banner bad">✖ <strong>Denied by the policy</strong></p>'
        if told.tasks:
            count = words.by_hand(len(told.tasks))
            yield f'<p class="banner warn">☞ <strong>{count}</strong>: no API can do it</p>'
        if told.override:
            said = f"⚠ <strong>The policy is overridden</strong>: {e(told.override)}"
            yield f'<p class="banner warn">{said}</p>'
        if not told.work:
            yield '<p class="banner good">✓ No changes</p>'

    def summary(self, reviews: Sequence[Review]) -> Iterator[str]:
        """What happens and what it costs, at a glance."""
        names = columns(reviews)
        yield '<section aria-labelledby="summary"><h2 id="summary">Summary</h2>'
        yield '<div class="scroll"><table class="sums"><thead><tr><th scope="col">What</th>'
        yield "".join(f'<th scope="col">{e(name)}</th>' for name in names) + "</tr></thead><tbody>"
        for line in glance(reviews):
            cells = "".join(f"<td>{e(cell)}</td>" for cell in line.cells)
            yield f'<tr class="{line.style}"><th scope="row">{line.name}</th>{cells}</tr>'
        yield "</tbody></table></div></section>"

    def filter(self, reviews: Sequence[Review]) -> Iterator[str]:
        """Shown by the script, for without it there is nothing to filter with."""
        groups = by_group(item for told in reviews for item in told.items)
        yield '<section class="filter" role="search" aria-label="Filter the changes" hidden>'
        yield '<div><label for="find">Search by address, field or label</label>'
        yield '<input id="find" type="search" autocomplete="off" spellcheck="false"></div>'
        yield "<fieldset><legend>Changes</legend>"
        for group, items in groups.items():
            box = f'<input id="show-{group}" type="checkbox" value="{group}" checked>'
            yield f'<label for="show-{group}">{box}{GROUPS[group]} ({len(items)})</label>'
        yield "</fieldset>"
        yield '<div><label for="level">Warnings and findings</label><select id="level">'
        yield '<option value="">all changes</option>'
        yield '<option value="warning">with a warning</option>'
        yield '<option value="DENY">denied by the policy</option>'
        yield '<option value="warn">the policy warns</option>'
        yield '<option value="exempt">exempt from the policy</option></select></div>'
        yield '<div><button id="open" type="button">Expand all</button>'
        yield '<button id="close" type="button">Collapse all</button>'
        yield '<button id="reset" type="button">Reset</button></div>'
        yield '<output role="status" aria-live="polite"></output></section>'

    def plan(self, told: Review, number: int) -> Iterator[str]:
        level = 3 if self.many else 2
        name = told.name or f"plan {number}"
        if self.many:
            anchor = self.id(f"plan/{name}")
            yield f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{e(name)}</h2>'
            yield from self.head(told)
        prefix = f"{name}/" if self.many else ""
        yield from self.verdicts(told, level)
        yield from self.by_hand(told, level)
        lines = [*told.notes, *filter(None, [told.order, told.unchanged])]
        yield from _bullets(lines)
        for group, items in by_group(told.items).items():
            anchor = self.id(f"{prefix}{group}")
            yield f'<section class="group" aria-labelledby="{anchor}">'
            yield f'<h{level} id="{anchor}">{GROUPS[group]} ({len(items)})</h{level}>'
            for item in items:
                yield from self.item(item, prefix, level + 1)
            yield "</section>"
        yield from self.rest(told, prefix, level)
        if self.many:
            yield "</section>"

    def verdicts(self, told: Review, level: int) -> Iterator[str]:
        if not (told.refusals or told.verdicts):
            return
        yield f"<h{level}>Refusals and findings of the policy</h{level}>"
        yield '<ul class="verdicts">'
        for address, message, way_out in told.refusals:
            yield f'<li class="bad"><strong>✖ refused</strong> <code>{e(address)}</code>: '
            yield f"{e(message)}<br>{e(way_out)}</li>"
        yield from map(self.verdict, told.verdicts)
        yield "</ul>"

    def by_hand(self, told: Review, level: int) -> Iterator[str]:
        """What a person must do, for no API can."""
        if not told.tasks:
            return
        yield f'<h{level}>By hand</h{level}><ul class="verdicts">'
        for task in told.tasks:
            address, _, there = task.page.partition(" ")
            page = e(address)
            page = f'<a href="{page}" rel="noreferrer">{page}</a>' if is_page(address) else page
            page += f" {e(there)}" * bool(there)
            rows = [("where", page), *((e(label), e(value)) for label, value in task.values)]
            rows.append(("verified", e(task.check)))
            told_ = "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in rows if value)
            yield f'<li class="warn"><strong>☞</strong> <code>{e(task.address)}</code>: '
            yield f"{e(task.what)}<dl>{told_}</dl></li>"
        yield "</ul>"

    def verdict(self, verdict: Verdict) -> str:
        style, mark = _MARKS[verdict.mark]
        about = " ".join(f"<code>{e(t)}</code>" for t in (verdict.address, verdict.path) if t)
        told = f"<strong>{mark}</strong> <code>{e(verdict.rule)}</code> {about}".rstrip() + ": "
        told += f"{e(verdict.message)} {self.place(verdict.source)}"
        told += f"<br>let through: {e(verdict.exempt)}" * bool(verdict.exempt)
        told += f"<br>{e(verdict.remedy)}" * bool(verdict.remedy and not verdict.exempt)
        told += f"<br>rule: {self.place(verdict.origin)}" * bool(verdict.origin)
        return f'<li class="{style}">{told}</li>'

    def item(self, item: Item, prefix: str, level: int) -> Iterator[str]:
        anchor = self.id(f"{prefix}{item.address}")
        marks = " ".join(["warning"] * bool(item.warnings) + [v.mark for v in item.verdicts])
        yield f'<article class="item {item.group}" id="{anchor}" data-group="{item.group}" '
        yield f'data-marks="{marks}" aria-label="{e(item.action)} {e(item.address)}">'
        open_ = self.open_ or item.group == "destructive"
        yield f"<details{' open' * open_}><summary><h{level}>"
        yield f'<span class="action"><span aria-hidden="true">{item.symbol}</span> {item.action}'
        yield f"</span> <code>{e(item.address)}</code></h{level}>"
        yield f"<span>{e(item.brief)}</span>"
        yield from self.chips(item)
        yield f'<code class="cost">{e(item.cost)}</code>' * bool(item.cost)
        yield '</summary><div class="body">'
        waits = f"waits for {item.waits}" * bool(item.waits)
        impact = item.impact if item.brief != item.impact else ""
        facts = [item.id, item.status, impact, item.reason, item.labels, waits]
        shown = " · ".join(e(fact) for fact in facts if fact)
        yield f'<p>{shown} <a href="#{anchor}">link</a></p>'
        yield from _bullets([f"⚠ {one}" for one in item.warnings], "warnings warn")
        if item.verdicts:
            yield '<ul class="verdicts">'
            yield from map(self.verdict, item.verdicts)
            yield "</ul>"
        yield from self.fields(item)
        yield from _bullets([f"defaults: {item.defaults}"] * bool(item.defaults))
        yield from _bullets([line.strip() for line in item.said])
        yield from _bullets([f"preflight {c.level}: {c.text} {c.remedy}" for c in item.checks])
        yield from _bullets([item.gate] * bool(item.gate))
        yield "</div></details></article>"

    def chips(self, item: Item) -> Iterator[str]:
        if item.protected:
            yield '<span class="chip bad">✖ protected by preventDestroy</span>'
        if item.by_hand:
            yield f'<span class="chip warn">☞ {item.by_hand}</span>'
        marks = [verdict.mark for verdict in item.verdicts]
        yield from ('<span class="chip bad">✖ denied</span>',) * ("DENY" in marks)
        count = len(item.warnings)
        if count:
            yield f'<span class="chip warn">⚠ {count} warning{"s" * (count > 1)}</span>'

    def fields(self, item: Item) -> Iterator[str]:
        """What differs, side by side, and folded beneath it what stays."""
        if item.rows:
            yield '<table class="diff"><thead><tr><th scope="col">Field</th><th scope="col">Before'
            yield '</th><th scope="col">After</th><th scope="col">Where and why</th></tr></thead>'
            yield f"<tbody>{''.join(self.row(row, item.reasons_differ) for row in item.rows)}"
            yield "</tbody></table>"
        if item.context:
            pairs = "".join(f"<dt>{e(p)}</dt><dd>{e(value)}</dd>" for p, value in item.context)
            yield f'<details class="context"><summary>{len(item.context)} unchanged</summary>'
            yield f"<dl>{pairs}</dl></details>"

    def row(self, row: Row, why: bool) -> str:
        old, new = ("" if value == words.NOTHING else e(value) for value in (row.old, row.new))
        same = row.symbol == "="
        told = [f'<th scope="row" class="path">{e(row.path)}</th>']
        told.append(f'<td class="old">{old}</td>' if old and not same else f"<td>{old}</td>")
        told.append(f'<td class="new">{new}</td>' if new and not same else f"<td>{new}</td>")
        notes = [self.place(row.source), *(e(one) for one in ([row.why] * why + [*row.remarks]))]
        told.append(f'<td class="why">{"".join(f"<span>{n}</span>" for n in notes if n)}</td>')
        return f"<tr>{''.join(told)}</tr>"

    def rest(self, told: Review, prefix: str, level: int) -> Iterator[str]:
        """What is unchanged and still worth a word, what others changed, the bill, and what is
        typed to apply it.
        """
        if told.quiet:
            yield f"<h{level}>Unchanged, and worth a word</h{level}><ul>"
            for item in told.quiet:
                anchor = self.id(f"{prefix}{item.address}")
                yield f'<li id="{anchor}"><code>{e(item.address)}</code> {e(item.id)} '
                yield e(item.status)
                yield from _bullets([line.strip() for line in item.said])
                yield "</li>"
            yield "</ul>"
        if told.drift:
            yield f"<h{level}>Changed outside since the last apply</h{level}><ul>"
            yield from (f"<li><code>{e(a)}</code> {e(what)}</li>" for a, what in told.drift)
            yield "</ul>"
        yield from self.bill(told, level)
        if told.expires:
            yield f"<p>Valid until {e(told.expires)}.</p>"
        if told.next:
            how = f" ({e(told.how)})" * bool(told.how)
            yield f"<h{level}>Apply exactly this</h{level}>"
            yield f"<p>This command applies this, and nothing else{how}:</p>"
            yield f"<pre><code>{e(told.next)}</code></pre>"
        if told.digest:
            yield f'<p class="quiet">digest <code>{told.digest}</code></p>'

    def bill(self, told: Review, level: int) -> Iterator[str]:
        if told.cost is None:
            return
        yield f"<h{level}>Cost of each change, per hour</h{level}>"
        yield '<details class="plain"><summary>show</summary><div class="scroll"><table><thead><tr>'
        heads = ("Change", "Before", "After", "On top while rolling")
        yield "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead><tbody>"
        for item in (one for one in told.items if one.bill != words.FREE):
            cells = item.bill or ("UNKNOWN", "UNKNOWN", "")
            shown = "".join(f"<td>{e(cell)}</td>" for cell in cells)
            yield f'<tr><th scope="row"><code>{e(item.address)}</code></th>{shown}</tr>'
        sums = told.cost.sums
        up = f"up to +{words.amount(sums.surge)}" * bool(sums.surge)
        cells = (*told.cost.hour, up)
        shown = "".join(f"<td>{e(cell)}</td>" for cell in cells)
        yield f'</tbody><tfoot><tr><th scope="row">All, unchanged ones too</th>{shown}</tr></tfoot>'
        yield f"</table></div><p>{e(told.cost.note)}</p></details>"

    def place(self, source: str) -> str:
        url = self.links.of(source)
        return f'<a href="{e(url)}" rel="noreferrer">{e(source)}</a>' if url else e(source)

    def id(self, name: str) -> str:
        """An id that no other element has, and that can stand behind a `#`."""
        wanted = found = quote(name, safe="/")
        number = 1
        while found in self.ids:
            number += 1
            found = f"{wanted}~{number}"
        self.ids.add(found)
        return found


def _bullets(lines: Iterable[str], name: str = "") -> Iterator[str]:
    shown = "".join(f"<li>{e(line.strip())}</li>" for line in lines)
    mark = f' class="{name}"' * bool(name)
    yield f"<ul{mark}>{shown}</ul>" * bool(shown)


def _data(name: str) -> str:
    return (files("friendli_iac.review") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
