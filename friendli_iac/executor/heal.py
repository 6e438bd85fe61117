"""What happens when a version does not serve: try again, end it, or bring the good one back.

Every way writes down first what is still owed, so that a kill in between only delays it: the next
plan shows it, and the next apply does it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from friendli_iac.core.canonical import digest
from friendli_iac.core.diff import changed_paths
from friendli_iac.core.journal import NOT_APPLIED, Entry
from friendli_iac.core.moved import is_theirs
from friendli_iac.core.plan import Change
from friendli_iac.core.planner import seen_digest
from friendli_iac.core.rollback import good_settings, left_out, lost_values, same_settings
from friendli_iac.core.state import Applied, Fence, Stage
from friendli_iac.errors import ApiError, RolledBack, RolloutFailed, StalePlan, Unreachable
from friendli_iac.executor.context import Context
from friendli_iac.executor.effects import perform
from friendli_iac.executor.gate import Failure, timed_out, wait_until_served
from friendli_iac.executor.proof import Served, fence_now
from friendli_iac.executor.verdicts import (
    back_again,
    bill,
    halted,
    kept,
    not_ours,
    not_ours_to_take_back,
    remedy,
    rolled_back,
    stuck,
)
from friendli_iac.resources.base import Step
from friendli_iac.resources.rollout import Rollout

RETRIES = 2  # of what failed for a cause that passes, such as a download
RETRY_PAUSE = 10.0  # seconds, doubled each time


def prove(context: Context, change: Change, *, version_needed: bool, recovering: bool) -> Served:
    """Waits until what was sent for `change` serves, and heals it when it does not.

    Raises RolledBack when what served before does again; RolloutFailed when nothing does, or it is
    somebody else's to mend; and what waiting raises.
    """
    retries, restarted = 0, False
    resource = context.known.state.resources[change.address]
    rolling_back = resource.pin is not None and resource.pin.stage == "owed"
    while True:
        try:
            served = wait_until_served(
                context, change.address, version_needed=version_needed, recovering=recovering
            )
        except Failure as failure:
            failed = failure.observed is not None and failure.observed.health == "failed"
            # What a run before this one sent, and nobody saw fail, is judged, and not started.
            may_start = change.action == "update" or rolling_back
            starts = restarted or "restart" in change.steps
            if failed and failure.idle and may_start and not starts:
                # Whether an update starts what has failed, or waits for a restart, is not known.
                restarted = True
                _restart(context, change, failure, "it did not start by itself")
                continue
            if failed and failure.fault and failure.fault.passes and retries < RETRIES:
                retries += 1
                context.pause(RETRY_PAUSE * 2 ** (retries - 1))
                why = f"{failure.why}; this passes as a rule: {retries}/{RETRIES} again"
                _restart(context, change, failure, why)
                continue
            _heal(context, change, failure, recovering=recovering)
        pin = context.known.state.resources[change.address].pin
        if rolling_back and pin and pin.key:  # one without was set by hand: it did what was asked
            kind, _ = context.kind_of(change.address)
            raise rolled_back(pin, served, resource, left_out(kind, pin, resource))
        return served


def _restart(context: Context, change: Change, failure: Failure, why: str) -> None:
    context.tell("note", change.address, f"{why}; restarting it")
    again = _follow_up(context, change, f"restart {why}", failure, None)
    perform(context, again, "restart", plan="", listed=[], first=False)


def _follow_up(
    context: Context, change: Change, what: str, failure: Failure, good: Applied | None
) -> Change:
    """A change that nobody planned and that follows from one that was."""
    resource = context.known.state.resources[change.address]
    kind, _ = context.kind_of(change.address)
    after = good or resource.pending
    observed = failure.observed
    return replace(
        change,
        action="update" if good else "restart",
        id=resource.id,
        project=resource.project,
        name=after.spec["name"] if after else resource.name,
        after=after,
        trial=None if good else resource.trial,
        key=digest([change.key, resource.key, what], 20),
        fence=Fence(failure.version),
        seen=seen_digest(kind, observed),
        status=observed.status if observed else "",
    )


def _heal(context: Context, change: Change, failure: Failure, *, recovering: bool) -> NoReturn:
    address = change.address
    kind, _ = context.kind_of(address)
    resource = context.known.state.resources[address]
    pending = resource.pending
    assert pending is not None, "only what was sent can fail"
    rollout = Rollout.of(pending.spec)
    if failure.verdict == "taken over":
        _write(context, address, failure, None)
        raise not_ours(failure)
    late = failure.verdict == "late" and not (failure.observed and failure.observed.strange)
    if resource.pin and resource.pin.stage == "owed":
        if late:  # it stays owed, and may still get there
            raise timed_out(context, address, failure.why)
        dropped = failure.verdict == "kept"
        _write(context, address, failure, "stuck", outcome=NOT_APPLIED if dropped else "failed")
        raise stuck(address, failure.why)
    if failure.verdict == "kept":
        _write(context, address, failure, "kept", outcome=NOT_APPLIED)
        raise kept(failure)
    if resource.replaces:
        _restore(context, change, failure, rollout)
    if resource.prior is None:
        _end(context, change, failure, rollout)
    if late:  # an update on its way cannot be called off
        raise timed_out(context, address, failure.why)
    # A rollback has no trial.
    theirs = recovering and is_theirs(kind, pending.spec)
    if resource.trial.in_vain if resource.trial else theirs:
        _write(context, address, failure, None)
        raise not_ours_to_take_back(kind, resource, failure, context.prices)
    good = good_settings(kind, resource.prior, pending)
    lost = lost_values(kind, good.spec, resource.trial)
    if lost:
        failure.why += f"; and nobody knows what was there before at {', '.join(lost)}"
    if not rollout.rolls_back or lost or same_settings(kind, resource.prior.spec, pending.spec):
        _write(context, address, failure, "halted")
        raise halted(kind, address, resource, failure, context.prices)
    _write(context, address, failure, "owed")
    _roll_back(context, change, failure, good)


def _roll_back(context: Context, change: Change, failure: Failure, good: Applied) -> NoReturn:
    address = change.address
    kind, _ = context.kind_of(address)
    pin = context.known.state.resources[address].pin
    what = "what we sent last" if pin and pin.over else "the last good settings"
    context.tell("note", address, f"{failure.why}; rolling back to {what}")
    back = _follow_up(context, change, "rollback", failure, good)
    sent = context.known.state.resources[address].applied.spec
    steps = kind.steps("update", failure.observed, good.spec, changed_paths(kind, sent, good.spec))
    try:
        for step in steps:
            first = step == steps[0]
            perform(context, back, step, plan="", listed=[], first=first)
    except Unreachable:
        raise  # it stays owed: the next apply sends it
    except StalePlan as error:
        _restage(context, address, "halted")
        raise not_ours(replace(failure, why="; ".join(error.moved))) from error
    except ApiError as error:
        _restage(context, address, "stuck")
        raise stuck(address, f"the API refused to take the good settings back: {error}") from error
    failed = failure.observed is not None and failure.observed.health == "failed"
    served = prove(context, back, version_needed=True, recovering=failed)
    # Where nothing was on trial, nothing is held off: a rollback to what the manifest says already.
    raise back_again(address, failure, served)


def _restore(context: Context, change: Change, failure: Failure, rollout: Rollout) -> NoReturn:
    """A replacement does not serve, and what it should replace still does: that is ours again."""
    address = change.address
    new = context.known.state.resources[address].id
    _write(context, address, failure, "kept")
    old = context.known.state.resources[address].id
    left = f"{new} was kept for a look at it, and may bill"
    if rollout.terminates:
        steps: tuple[Step, ...] = ("terminate", "delete")
        end = _follow_up(context, change, "end", failure, None)
        try:
            for step in steps:
                perform(context, end, step, plan="", listed=[], first=False)
            left = f"{new} was ended"
        except ApiError as error:
            left = f"{new} could not be ended ({error}), and may bill: the next apply tries again"
    raise RolledBack(
        f"its replacement does not serve: {failure.why}",
        safe=f"{old} serves on; {left}.",
        next=remedy(failure),
    )


def _end(context: Context, change: Change, failure: Failure, rollout: Rollout) -> NoReturn:
    """Something new does not serve: nothing good is there to go back to."""
    address = change.address
    kind, _ = context.kind_of(address)
    resource = context.known.state.resources[address]
    _write(context, address, failure, "ending" if rollout.terminates else "halted")
    if not rollout.terminates:
        raise RolloutFailed(
            failure.why,
            safe=f"{resource.id} was kept for a look at it (onCreateFailure: keep), and may bill"
            f"{bill(kind, resource, context.prices)}.",
            next=f"{remedy(failure)} To end it: friendli-iac destroy --target {address}",
        )
    end = _follow_up(context, change, "end", failure, None)
    try:
        perform(context, end, "terminate", plan="", listed=[], first=False)
    except ApiError as error:
        raise RolloutFailed(
            failure.why,
            safe=f"{resource.id} could not be terminated ({error}), and may bill"
            f"{bill(kind, resource, context.prices)}.",
            next=f"The next apply tries again, or end it in the web page. {remedy(failure)}",
        ) from error
    raise RolloutFailed(
        failure.why,
        safe=f"{resource.id} was terminated: it does not bill any more.",
        next=remedy(failure),
    )


def _restage(context: Context, address: str, stage: Stage) -> None:
    pin = context.known.state.resources[address].pin
    assert pin is not None, "what is owed is pinned"
    context.write(Entry("pin", context.clock.now(), address=address, pin=replace(pin, stage=stage)))


def _write(
    context: Context,
    address: str,
    failure: Failure,
    stage: Stage | None,
    *,
    outcome: str = "failed",
) -> None:
    resource = context.known.state.resources[address]
    context.write(
        Entry(
            "failed",
            context.clock.now(),
            address=address,
            fence=fence_now(resource, failure.observed, failure.version),
            outcome=outcome,
            detail=failure.why,
            by=context.by,
            stage=stage,
        )
    )
