"""The bill of a plan, before and after. Always an estimate, and it says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from friendli_iac.core.cost import Totals, totals
from friendli_iac.core.plan import Plan
from friendli_iac.review import words
from friendli_iac.review.words import line


@dataclass(frozen=True)
class Cost:
    """What everything in a plan costs: always an estimate."""

    sums: Totals
    prices: str  # where they come from

    @property
    def hour(self) -> tuple[str, str]:
        """Before and after, for one hour."""
        return words.money(self.sums.before), words.money(self.sums.after)

    @property
    def month(self) -> tuple[str, str]:
        """Before and after, for a month of 730 hours."""
        before, after = self.sums.before, self.sums.after
        return words.month(before), words.month(after)

    @property
    def note(self) -> str:
        """What the estimate rests on, and what is not in it."""
        notes = [f"estimate from {self.prices}" if self.prices else "estimate"]
        if self.sums.surge:
            notes.append(f"while rolling: up to +{words.amount(self.sums.surge)} /h")
        if self.sums.unknown:
            notes.append(f"without {self.sums.unknown} of unknown price")
        return "; ".join(notes)


def estimate(plan: Plan) -> Cost | None:
    """What a plan costs; None where nobody knows, nothing changes, or nothing bills."""
    sums = totals(plan)
    bills = any((*sums.before, *sums.after, sums.surge, sums.unknown))
    told = sums.known and bills and plan.pending_changes
    return Cost(sums, line(plan.prices)) if told else None


def together(costs: Iterable[Cost | None]) -> Cost | None:
    """What all of them cost; None where nobody knows of any."""
    known = [one for one in costs if one]
    if not known:
        return None
    return Cost(_added([c.sums for c in known]), ", ".join(sorted({c.prices for c in known})))


def _added(sums: Sequence[Totals]) -> Totals:
    def both(spans: Iterable[tuple[float, float]]) -> tuple[float, float]:
        lows, highs = zip(*spans, strict=True)
        return sum(lows), sum(highs)

    return Totals(
        before=both(one.before for one in sums),
        after=both(one.after for one in sums),
        surge=sum(one.surge for one in sums),
        unknown=sum(one.unknown for one in sums),
        known=sum(one.known for one in sums),
    )
