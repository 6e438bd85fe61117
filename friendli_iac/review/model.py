"""A plan as a reviewer sees it: what is shown, in which order and in which words.

Text, Markdown and HTML are thin renderers of this, so that none says what another does not. Every
text is one line without characters that steer a terminal; whatever else it may mean to what it is
put into, its renderer escapes. `review.build` makes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from friendli_iac.core.preflight import Check
from friendli_iac.review import words
from friendli_iac.review.estimate import Cost

Group = Literal["destructive", "versions", "new", "small"]

# Most severe first: what a reviewer must not miss stands on top.
GROUPS: dict[Group, str] = {
    "destructive": "Destructive",
    "versions": "New versions and cold starts",
    "new": "New",
    "small": "In place",
}
LONG = 32  # characters of a value in brief
FEW_ROWS = 3  # that are told in brief


@dataclass(frozen=True)
class Row:
    """One field: what is in force, what will be, why, and where the manifest says it."""

    symbol: str  # + - ~, or = where only its owner changes
    path: str
    old: str
    new: str
    why: str = ""
    source: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def values(self) -> str:
        """`4 → 6`, or the one value that there is."""
        return self.new if self.symbol in "+=" else f"{self.old} → {self.new}"

    @property
    def brief(self) -> str:
        """The same, with the beginnings of what is long, such as a commit."""
        old, new = (
            value if len(value) <= LONG else f"{value[: words.COMMIT]}…"
            for value in (self.old, self.new)
        )
        return replace(self, old=old, new=new).values


@dataclass(frozen=True)
class Verdict:
    """A finding of the policy. `mark` is DENY, warn or exempt."""

    mark: str
    rule: str
    address: str
    path: str
    message: str
    remedy: str
    source: str
    origin: str
    exempt: str


@dataclass(frozen=True)
class Task:
    """What a person must do for one resource. `check` says how it is verified afterwards."""

    address: str
    what: str
    page: str
    values: tuple[tuple[str, str], ...]
    check: str


@dataclass(frozen=True)
class Item:
    """One resource. `rows` are the fields that differ, `context` those that stay as they are; where
    `same_as` is not empty, that item has the same rows and warnings. Lines of `said` that begin
    with spaces belong to the one above.
    """

    address: str
    action: str
    symbol: str
    group: Group
    ends: bool  # something that clients call
    id: str
    status: str
    impact: str
    reason: str
    labels: str
    protected: bool
    rows: tuple[Row, ...]
    defaults: str
    context: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    said: tuple[str, ...]
    checks: tuple[Check, ...]
    waits: str
    gate: str
    cost: str
    bill: tuple[str, str, str] | None  # before, after, and what may come on top meanwhile
    by_hand: str  # how many tasks, in words
    same_as: str = ""

    @property
    def shared(self) -> str:
        """What it has in common with `same_as`."""
        return "fields, values and warnings" if self.warnings else "fields and values"

    @property
    def brief(self) -> str:
        """What a reader with a minute must know of it: what breaks, or what changes."""
        if self.ends or not self.rows:
            return self.impact
        told = [f"{row.path} {row.brief}" for row in self.rows[:FEW_ROWS]]
        more = len(self.rows) - len(told)
        return ", ".join(told) + (f" and {more} more" if more else "")

    @property
    def reasons_differ(self) -> bool:
        """Whether each row must say why it is there; else `reason` does."""
        return len({row.why for row in self.rows}) > 1


@dataclass(frozen=True)
class Review:
    """A plan in words. `next` is the command that applies exactly this; empty when it must not be,
    or there is nothing to do. Then, there is no `digest` either.
    """

    name: str  # the environment
    place: str
    headline: str
    work: bool
    denied: bool
    override: str
    expires: str
    notes: tuple[str, ...]
    refusals: tuple[tuple[str, str, str], ...]  # address, message, what to do
    verdicts: tuple[Verdict, ...]
    tasks: tuple[Task, ...]
    items: tuple[Item, ...]
    quiet: tuple[Item, ...]  # unchanged, and still worth a word
    drift: tuple[tuple[str, str], ...]
    unchanged: str
    quiet_count: int
    order: str
    cost: Cost | None
    digest: str
    next: str
    how: str  # what must be heeded when `next` is typed


def title(reviews: Sequence[Review]) -> str:
    """What happens, in a line."""
    if len(reviews) == 1:
        (told,) = reviews
        name = f"{told.name}: " if told.name else ""
        against = ", DENIED by the policy" * told.denied + ", REFUSED" * bool(told.refusals)
        return name + (told.headline if told.work else "no changes") + against
    busy = sum(told.work for told in reviews)
    return f"{busy} of {len(reviews)} environments change" if busy else "no changes"


def by_group(items: Iterable[Item]) -> dict[Group, list[Item]]:
    """The items of each group, most severe first."""
    found: dict[Group, list[Item]] = {group: [] for group in GROUPS}
    for item in items:
        found[item.group].append(item)
    return {group: some for group, some in found.items() if some}
