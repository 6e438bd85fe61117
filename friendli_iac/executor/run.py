"""Carries out a plan: changes in their order, side by side where nothing forbids it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from friendli_iac.core.canonical import digest
from friendli_iac.core.journal import Entry
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.planfile import to_json
from friendli_iac.core.policy import override_of
from friendli_iac.core.state import Resource
from friendli_iac.errors import (
    UNKNOWN_REQUEST,
    ApiError,
    ByHand,
    Cancelled,
    FriendliIacError,
    RolledBack,
    StalePlan,
    StateError,
    TimedOut,
)
from friendli_iac.executor.adapters import prove_routes
from friendli_iac.executor.by_hand import check_by_hand, seen_to_by_hand
from friendli_iac.executor.context import Context
from friendli_iac.executor.effects import ENDING, perform
from friendli_iac.executor.heal import prove
from friendli_iac.executor.look import look, wait_for
from friendli_iac.executor.proof import Served, version_is_needed
from friendli_iac.executor.versions import is_second
from friendli_iac.resources.base import Health, Step

Result = Literal[
    "applied", "sent", "by hand", "failed", "rolled back", "timed out", "cancelled", "skipped"
]  # fmt: skip
# After which what waits for it may begin.
GOES_ON = ("applied", "by hand", "sent")
# What can only be done to what serves.
AFTER_PROOF = ("sleep",)


@dataclass(frozen=True)
class Outcome:
    """What came of one change. `sent`: without waiting. `by hand`: all is done but what a person
    must do. `touched`: some request was accepted.
    """

    address: str
    action: str
    result: Result
    text: str
    error: FriendliIacError | None = None
    touched: bool = False
    id: str | None = None


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
                    future = pool.submit(_carry_out, context, plan, change, no_wait)
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


def _carry_out(context: Context, plan: Plan, change: Change, no_wait: bool) -> Outcome:
    """One change, from its first step to its proof. Errors become outcomes."""

    def outcome(result: Result, text: str, error: FriendliIacError | None = None) -> Outcome:
        done = _steps_done(context, plan, change)
        resource = context.known.state.resources.get(change.address)
        id = resource.id if resource else change.id
        open_now = any(begun.key == change.key for begun in list(context.known.open.values()))
        return Outcome(
            change.address, change.action, result, text, error, bool(done) or open_now, id
        )

    try:
        text = _apply(context, plan, change, no_wait)
    except Cancelled as error:
        context.tell("failed", change.address, "stopped as asked")
        return outcome("cancelled", str(error), error)
    except TimedOut as error:
        context.tell("failed", change.address, str(error))
        return outcome("timed out", str(error), error)
    except ByHand as error:
        context.tell("by hand", change.address, str(error))
        return outcome("by hand", str(error), error)
    except RolledBack as error:
        context.tell("failed", change.address, str(error))
        return outcome("rolled back", str(error), error)
    except FriendliIacError as error:
        context.tell("failed", change.address, str(error))
        return outcome("failed", str(error), error)
    context.tell("done", change.address, text)
    resource = context.known.state.resources.get(change.address)
    unproved = bool(change.steps) or (resource is not None and resource.pending is not None)
    return outcome("sent" if no_wait and unproved else "applied", text)


def _steps_done(context: Context, plan: Plan, change: Change) -> list[str]:
    run = context.known.state.runs.get(plan.plan_id)
    return run.steps.get(change.key, []) if run else []


def _apply(context: Context, plan: Plan, change: Change, no_wait: bool) -> str:
    run = context.known.state.runs.get(plan.plan_id)
    if run and change.key in run.finished:
        return "done before"
    context.check_stop()
    context.tell("start", change.address, change.action)
    done = _steps_done(context, plan, change)
    if not done:
        _move_pins(context, change)
    _end_leftovers(context, change)
    for step in change.steps:
        if step in done:
            continue
        if _needs_proof(context, change, step):
            _prove(context, change)
        try:
            perform(
                context,
                change,
                step,
                plan=plan.plan_id,
                listed=list(plan.listed.get(change.project, [])),
                first=not done and step == change.steps[0],
            )
        except ApiError as error:
            if error.reason != UNKNOWN_REQUEST or len(change.steps) > 1:
                raise
            return seen_to_by_hand(context, change)
        done = [*done, step]
    text = _finish(context, change, no_wait)
    if not no_wait:
        context.write(Entry("finished", context.clock.now(), plan=plan.plan_id, key=change.key))
    return text


def _end_leftovers(context: Context, change: Change) -> None:
    """What an interrupted replacement left ends before that which took its place."""
    resource = context.known.state.resources.get(change.address)
    anew = change.action == "replace" and "create" in change.steps and not change.deposes
    if resource is None or not (anew or change.action in ("delete", "terminate")):
        return
    steps: tuple[Step, ...] = ("terminate", "delete")
    while resource.deposed:
        end = replace(change, key=digest([change.key, resource.deposed.id], 20))
        for step in steps:
            perform(context, end, step, plan="", listed=[], first=False)


def _move_pins(context: Context, change: Change) -> None:
    """Written before the first effect: a kill in between must not send what is held off."""
    now = context.clock.now()
    if change.believes and change.steps:  # what a failure would have to bring back
        context.write(Entry("record", now, address=change.address, after=change.believes))
    if change.unpins:
        context.write(Entry("unpin", now, address=change.address, trial=change.trial))
    if change.pin:
        pin = change.pin if change.pin.time else replace(change.pin, time=now, by=context.by)
        context.write(Entry("pin", now, address=change.address, pin=pin))


def _needs_proof(context: Context, change: Change, step: Step) -> bool:
    """Whether what was sent must serve before this step: what sleeps cannot prove itself, what is
    replaced ends only when its replacement serves, and of two versions one comes after the other.
    """
    resource = context.known.state.resources.get(change.address)
    if resource is None or resource.pending is None:
        return False
    return (
        is_second(change, step)
        or step in AFTER_PROOF
        or (step in ENDING and resource.deposed is not None)
    )


def _prove(context: Context, change: Change) -> Served:
    kind, _ = context.kind_of(change.address)
    resource = context.known.state.resources[change.address]
    recovering = change.status != "" and kind.health(change.status) in ("failed", "stopped")
    compared = change.action in ("update", "verify") or "update" in change.steps
    needed = compared and version_is_needed(kind, resource)
    return prove(context, change, version_needed=needed, recovering=recovering)


def _check_gone(context: Context, change: Change) -> None:
    """StalePlan when what is to be forgotten is there after all."""
    resource = context.known.state.resources.get(change.address)
    kind, api = context.kind_of(change.address)
    if resource and look(kind, api, resource.id, resource.project):
        raise StalePlan([f"{change.address} ({resource.id}) is there again"])


def _finish(context: Context, change: Change, no_wait: bool) -> str:
    """What remains when everything was sent: our own records, the proof, and its routes."""
    kind, _ = context.kind_of(change.address)
    resource = context.known.state.resources.get(change.address)
    plain = not kind.serves and resource is not None and resource.pending is None
    if plain and not change.steps and change.action in ("update", "delete", "verify"):
        return seen_to_by_hand(context, change)
    text = _settled(context, change, no_wait)
    resource = context.known.state.resources.get(change.address)
    if not kind.serves and change.manual and resource is not None and resource.pending is None:
        check_by_hand(context, change)
    rests = change.action in ("sleep", "terminate", "delete")
    if rests or resource is None or resource.pending is not None:
        return text
    said = "; ".join(filter(None, [text, prove_routes(context, change)]))
    return said or "proved before"


def _settled(context: Context, change: Change, no_wait: bool) -> str:
    now = context.clock.now()
    if change.action == "record" and change.after is None:
        _check_gone(context, change)
        context.write(Entry("forget", now, address=change.address))
        return "forgotten: it was gone already"
    if change.action == "delete":
        return f"deleted ({change.id})"
    resource = context.known.state.resources[change.address]
    if change.action in ("record", "sleep", "terminate") and resource.pending is None:
        context.write(Entry("record", now, address=change.address, after=change.after))
    if change.action in ("sleep", "terminate"):
        return _await_rest(context, change)
    if change.action == "record":
        return "recorded"
    if resource.pending is None:
        return _came_to(change, resource)
    if no_wait:
        return f"sent ({resource.id}); not waited for"
    served = _prove(context, change)
    version = f" v{served.version}" if served.version is not None else ""
    text = f"{served.status}{version} ({resource.id})"
    if served.unproved:
        text += f"; unverified, for it is not readable: {', '.join(served.unproved)}"
    return "; ".join(filter(None, [text, served.remark]))


def _await_rest(context: Context, change: Change) -> str:
    """Waits until it sleeps or ends, as it was told to."""
    resource = context.known.state.resources[change.address]
    wanted: set[Health] = {"served"} if change.action == "sleep" else {"ending", "stopped"}
    observed = wait_for(context, change.address, resource.id, resource.project, wanted)
    return f"{observed.status if observed else 'gone'} ({resource.id})"


def _came_to(change: Change, resource: Resource) -> str:
    """What this change came to when its plan was applied before: RolledBack, or nothing to say."""
    if resource.pin and resource.pin.key == change.key:
        raise RolledBack(
            f"this plan sent it before: {resource.pin.story}",
            safe="What served before serves on; nothing was sent again.",
            next="Change the manifest and make a new plan.",
        )
    return ""
