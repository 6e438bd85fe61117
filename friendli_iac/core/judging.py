"""What judging needs: the case, and findings with what exempts from them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from friendli_iac.core.finding import Finding
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.rules import Breach
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import State
from friendli_iac.resources.policy import Exemption, Level, Rule
from friendli_iac.resources.prices import Prices


@dataclass(frozen=True)
class Case:
    """A plan that is to be judged, the state that it was made from, and what is wanted by address,
    as far as it is known. `now` is in seconds since 1970.
    """

    plan: Plan
    state: State
    wishes: Mapping[str, Wish]
    prices: Prices
    now: float

    def source(self, change: Change, path: str) -> str:
        """Where the value at `path` was written."""
        if wish := self.wishes.get(change.address):
            return shown(wish.source(path))
        places = (f.source for f in change.fields if f.path == path or f.path.startswith(path))
        return next((place for place in places if not place.startswith("(")), "")


def finding_of(rule: Rule, address: str, breach: Breach, source: str, now: float) -> Finding:
    """That `rule` is broken at `source`, by the resource at `address` or by the plan (empty)."""
    exemption = exempt(rule, address, now) if address else None
    return Finding(
        rule=rule.name,
        level=rule.level,
        address=address,
        path=breach.path,
        message=breach.message,
        remedy=breach.remedy,
        source=source,
        origin=rule.source,
        exempt=f"{exemption.reason}, until {exemption.until}" if exemption else "",
    )


def exempt(rule: Rule, address: str, now: float) -> Exemption | None:
    """What exempts a resource from a rule today, if anything does."""
    found = (one for one in rule.exempt if fnmatchcase(address, one.address))
    return next((one for one in found if one.until >= _today(now)), None)


def over(rule: Rule, now: float) -> Iterator[Finding]:
    """The exemptions that have ended, for whoever can take them out."""
    for one in rule.exempt:
        if one.until < _today(now):
            yield Finding(
                rule.name,
                "warn",
                one.address,
                "",
                f"its exemption ended on {one.until} and holds no more ({one.reason})",
                "take the exemption out, or agree on a later day",
                one.source,
                rule.source,
            )


def _today(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """What denies first, then by address. Two policies may have the same rule."""
    levels: tuple[Level, ...] = ("deny", "warn")
    return tuple(
        sorted(
            dict.fromkeys(found),
            key=lambda one: (
                not one.denies,
                bool(one.exempt),
                levels.index(one.level),
                one.address,
            ),
        )
    )


def shown(source: object) -> str:
    """A place, where there is one: what comes from the state has none."""
    text = str(source)
    return "" if text.startswith(("(", ":")) or ":" not in text else text


def goes_back(change: Change) -> bool:
    """Whether all that it sends was good before: only what is tried out has a trial."""
    return change.action in ("update", "restart") and change.trial is None
