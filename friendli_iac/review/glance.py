"""What happens and what it costs, at a glance: the table on top of a review."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from friendli_iac.review import words
from friendli_iac.review.estimate import Cost, together
from friendli_iac.review.model import GROUPS, Item, Review, Verdict

Style = Literal["severe", "plain", "money", "note"]


@dataclass(frozen=True)
class Line:
    """One line of the table, with a cell for each column."""

    name: str
    style: Style
    cells: tuple[str, ...]


def columns(reviews: Sequence[Review]) -> list[str]:
    """A plan each, and where there are several, their sum."""
    return [told.name or "this plan" for told in reviews] + ["together"] * (len(reviews) > 1)


def glance(reviews: Sequence[Review]) -> Iterator[Line]:
    """The lines of the table that say something."""
    many = len(reviews) > 1
    items = [list(told.items) for told in reviews]
    items += [[item for some in items for item in some]] * many
    verdicts = [list(told.verdicts) for told in reviews]
    verdicts += [[one for some in verdicts for one in some]] * many
    numbers = [[len(told.refusals), told.quiet_count, len(told.tasks)] for told in reviews]
    numbers += [[sum(column) for column in zip(*numbers, strict=True)]] * many
    costs: list[Cost | None] = [told.cost for told in reviews]
    costs += [together(costs)] * many
    lines = [
        Line(
            name,
            "severe" if group == "destructive" else "plain",
            tuple(counted(item for item in some if item.group == group) for some in items),
        )
        for group, name in GROUPS.items()
    ]
    lines += [
        Line("By hand", "severe", tuple(f"☞ {n}" * bool(n) for *_, n in numbers)),
        Line("Unchanged", "plain", tuple(str(quiet or "") for _, quiet, _ in numbers)),
        Line("Refused", "severe", tuple(f"✖ {count}" * bool(count) for count, *_ in numbers)),
        Line("Findings of the policy", "plain", tuple(map(found, verdicts))),
        Line(
            "Estimated cost per hour",
            "money",
            tuple(words.movement(*c.hour) if c else "" for c in costs),
        ),
        Line(
            f"Estimated per month ({words.HOURS_A_MONTH} h)",
            "money",
            tuple(words.movement(*c.month) if c else "" for c in costs),
        ),
        Line("What it rests on", "note", tuple(c.note if c else "" for c in costs)),
    ]
    return (line for line in lines if any(line.cells))


def counted(items: Iterable[Item]) -> str:
    """`1 delete, 2 replace`."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.action] = counts.get(item.action, 0) + 1
    return ", ".join(f"{count} {action}" for action, count in counts.items())


def found(verdicts: Sequence[Verdict]) -> str:
    """`✖ 1 denies, ⚠ 2 warn, 1 exempt`."""
    marks = [verdict.mark for verdict in verdicts]
    names = {"DENY": "✖ {} deny", "warn": "⚠ {} warn", "exempt": "{} exempt"}
    return ", ".join(s.format(marks.count(m)) for m, s in names.items() if m in marks)
