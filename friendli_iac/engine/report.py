"""How to apply, what an apply did, and the exit code that says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from friendli_iac.core.plan import Plan
from friendli_iac.errors import ByHand, Refused, RolledBack, RolloutFailed, TimedOut
from friendli_iac.executor.outcome import Outcome


@dataclass(frozen=True)
class ApplyOptions:
    """How to apply. Times in seconds. `allow_destroy` are addresses, or `*` for all of them; None
    when somebody looked at the plan and said yes.
    """

    parallelism: int = 16
    timeout: float = 1800.0
    settle_grace: float = 120.0
    lock_timeout: float = 0.0
    no_wait: bool = False
    continue_on_error: bool = False
    allow_destroy: frozenset[str] | None = frozenset()


@dataclass(frozen=True)
class Report:
    """What an apply did. `settled` are sentences about what an interrupted one had left."""

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    settled: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def exit_code(outcomes: Sequence[Outcome], *, held: bool = False) -> int:
    """0 when all is applied; 8 when stopped; 4 when some changes took and others failed, or a
    person must look; 9 when time ran out; 10 when what failed was rolled back; 11 when a person
    must do something by hand; 5 when something is `held` off; in this order. Otherwise
    the first error's own.
    """
    if any(o.result == "cancelled" for o in outcomes):
        return 8
    failed = [o for o in outcomes if o.result == "failed"]
    if failed and any(o.touched or o.result in ("applied", "sent") for o in outcomes):
        return 4
    if failed:
        return failed[0].error.exit_code if failed[0].error else 1
    if any(o.result == "timed out" for o in outcomes):
        return TimedOut.exit_code
    if any(o.result == "skipped" for o in outcomes) and all(o.error is None for o in outcomes):
        return RolloutFailed.exit_code  # with --no-wait: what goes first was not waited for
    if any(o.result == "rolled back" for o in outcomes):
        return RolledBack.exit_code
    if any(o.result == "by hand" for o in outcomes):
        return ByHand.exit_code
    return Refused.exit_code if held else 0
