"""What is doubtful of manifests, and may be meant all the same: said before anything is read."""

from __future__ import annotations

from collections.abc import Iterable

from friendli_iac.core.finding import Finding
from friendli_iac.core.judging import shown
from friendli_iac.core.scene import Wish
from friendli_iac.resources import KINDS

RULE = "doubtful"


def doubts(wishes: Iterable[Wish]) -> tuple[Finding, ...]:
    """One warning for each doubt of each wish."""
    wanted = list(wishes)
    every = {str(wish.address): wish.spec for wish in wanted}
    return tuple(
        Finding(RULE, "warn", address, "", message, source=shown(wish.source()))
        for wish in wanted
        for address in (str(wish.address),)
        for message in KINDS[wish.address.kind].lint(None, address, wish.spec, every)
    )
