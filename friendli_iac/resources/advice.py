"""What a kind has to say of a change: what a person must do, what to beware of, what forbids it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Manual:
    """One thing that no API can do, and a person must. `page` is the address of the web page,
    `values` what to put there, by the label that the page has (never a secret), `check` how it is
    verified afterwards; empty: it cannot be.
    """

    what: str
    page: str
    values: tuple[tuple[str, str], ...] = ()
    check: str = ""


@dataclass(frozen=True)
class Advice:
    """`refusals` are pairs: why it must not be done as it is, and the way out."""

    manual: tuple[Manual, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusals: tuple[tuple[str, str], ...] = ()

    def with_(self, other: Advice) -> Advice:
        """All that both say."""
        if self is NOTHING or other is NOTHING:
            return other if self is NOTHING else self
        return Advice(
            (*self.manual, *other.manual),
            (*self.warnings, *other.warnings),
            (*self.notes, *other.notes),
            (*self.refusals, *other.refusals),
        )


NOTHING = Advice()
