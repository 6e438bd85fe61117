"""Carries out a plan: changes in their order, side by side where nothing forbids it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace

from friendli_iac.core.journal import Entry
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.planfile import to_json
from friendli_iac.core.policy import override_of
from friendli_iac.errors import (
    StateError,
)
from friendli_iac.executor.change import carry_out
from friendli_iac.executor.context import Context
from friendli_iac.executor.outcome import Outcome

# After which what waits for it may begin.
GOES_ON = ("applied", "by hand", "sent")


def execute(
    context: Context,
    plan: Plan,
    *,
    parallelism: int,
    continue_on_error: bool = False,
    no_wait: bool = False,
    approved: bool = False,
) -> list[Outcome]:
    """The outcome of every change, in the order of the plan. Raises only what is a defect.

    `approved`: the plan is kept, so that a later run can go on with it.
    """
    changes = {change.address: change for change in plan.pending_changes}
    kept = to_json(replace(plan, changes=plan.pending_changes)) if approved else None
    now = context.clock.now()
    override = override_of(plan, context.by, now)
    context.write(Entry("run", now, plan=plan.plan_id, approved=kept, override=override))
    outcomes: dict[str, Outcome] = {}
    running: dict[Future[Outcome], str] = {}
    halted = False
    with ThreadPoolExecutor(parallelism, thread_name_prefix="apply") as pool:
        while True:
            started = {*outcomes, *running.values()}
            for address, change in changes.items():
                if address in started:
                    continue
                blocked = _blocker(change, changes, outcomes)
                if halted or context.stop.is_set() or blocked:
                    if blocked or not running:
                        outcomes[address] = _skipped(change, blocked, context.stop.is_set())
                    continue
                if len(running) == parallelism:  # a pool's queue would go on after a failure
                    continue
                if all(needed in outcomes for needed in _before(change, changes)):
                    future = pool.submit(carry_out, context, plan, change, no_wait)
                    running[future] = address
            if len(outcomes) == len(changes):
                break
            if not running:
                continue  # something was skipped: what waits for it is next
            for future in _ended(context, running):
                address = running.pop(future)
                outcomes[address] = future.result()
                last = outcomes[address]
                if last.error and last.result not in GOES_ON and not continue_on_error:
                    halted = True
    # What was approved and only sent is gone on with: nobody is asked once more to wait for it.
    ended = ("applied", "by hand") if approved else ("applied", "by hand", "sent")
    if all(outcome.result in ended for outcome in outcomes.values()):
        with suppress(StateError):  # the commit says it, too, or leaves it where it can be pushed
            context.write(Entry("complete", context.clock.now(), plan=plan.plan_id))
    return [outcomes[address] for address in changes]


def _ended(context: Context, running: Mapping[Future[Outcome], str]) -> set[Future[Outcome]]:
    """The changes that ended, at least one. One that ended with a defect, or a second Ctrl-C here,
    stops the others: nobody would hear of them.
    """
    try:
        ended = wait(running, return_when=FIRST_COMPLETED).done
        for future in ended:
            future.result()
    except BaseException:
        context.stop.set()
        raise
    return ended


def _before(change: Change, changes: Mapping[str, Change]) -> list[str]:
    """What must be over before this change begins: what it waits for, and the waves before."""
    earlier = [a for a, other in changes.items() if other.wave < change.wave]
    return [*(a for a in (*change.waits_for, *change.behind) if a in changes), *earlier]


def _blocker(
    change: Change, changes: Mapping[str, Change], outcomes: Mapping[str, Outcome]
) -> str | None:
    """Why this change must not begin any more; None when nothing stands against it."""
    for needed in _before(change, changes):
        outcome = outcomes.get(needed)
        if needed in change.waits_for and outcome and outcome.result in GOES_ON:
            continue
        if outcome and outcome.result == "sent":
            return f"{needed} was sent and not waited for, and goes first"
        if outcome and outcome.result not in ("applied", "by hand"):
            if needed in change.waits_for:
                return f"it waits for {needed}, which was not applied"
            if needed in change.behind:
                return f"{needed}, which tried the same first, was not applied"
            return f"{needed}, of an earlier wave, was not applied"
    return None


def _skipped(change: Change, blocked: str | None, stopped: bool) -> Outcome:
    why = blocked or ("stopped as asked" if stopped else "an earlier change failed")
    return Outcome(
        change.address, change.action, "cancelled" if stopped else "skipped", f"not begun: {why}"
    )
