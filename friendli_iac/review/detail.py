"""How much of a plan is said where there is little room, in steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from friendli_iac.review import words
from friendli_iac.review.model import GROUPS, Group, Review, by_group

COUNT, NAME, LINE, FIELDS, FULL = range(5)  # how much is said of a change
_LEFT_OUT = {
    FIELDS: "preflight, gate and defaults",
    LINE: "fields and other details",
    NAME: "all but the names",
    COUNT: "all but the number",
}


@dataclass(frozen=True)
class Detail:
    """How much is said: of each group of changes, of what is done by `hand`, whether of everything
    beside them (`rest`), and the most characters of one text.
    """

    destructive: int = FULL
    versions: int = FULL
    new: int = FULL
    small: int = FULL
    hand: int = FULL
    rest: bool = True
    most: int | None = None

    def of(self, group: Group) -> int:
        level: int = getattr(self, group)
        return level


# What goes first is what a reviewer misses least.
STEPS = (
    Detail(),
    Detail(small=LINE, most=2000),
    Detail(versions=FIELDS, small=LINE, most=1000),
    Detail(versions=LINE, small=LINE, most=500),
    Detail(versions=LINE, new=FIELDS, small=LINE, most=500),
    Detail(versions=LINE, new=LINE, small=LINE, most=500),
    Detail(versions=LINE, new=LINE, small=NAME, most=500),
    Detail(versions=NAME, new=LINE, small=NAME, most=500),
    Detail(versions=NAME, new=NAME, small=NAME, most=500),
    Detail(FIELDS, NAME, NAME, NAME, most=500),
    Detail(LINE, NAME, NAME, NAME, LINE, most=200),
    Detail(LINE, NAME, NAME, NAME, LINE, rest=False, most=200),
    Detail(LINE, COUNT, COUNT, COUNT, LINE, rest=False, most=120),
    Detail(NAME, COUNT, COUNT, COUNT, NAME, rest=False, most=100),
)


def missing_at(detail: Detail, reviews: Sequence[Review]) -> list[str]:
    """What is left out, in words."""
    missing = []
    for group, name in GROUPS.items():
        level = detail.of(group)
        count = sum(len(by_group(told.items).get(group, [])) for told in reviews)
        if level < FULL and count:
            missing.append(f"{_LEFT_OUT[level]} of {count} under “{name}”")
    tasks = sum(len(told.tasks) for told in reviews)
    if detail.hand < FULL and tasks:
        missing.append(f"how to do the {words.by_hand(tasks)}")
    missing += ["notes, drift and findings that only warn"] * (not detail.rest)
    return [*missing, f"what goes beyond {detail.most} characters"]
