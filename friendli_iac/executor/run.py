"""Carries out a plan: changes in their order, side by side where nothing forbids it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal

from friendli_iac.core.journal import NOT_APPLIED, Entry
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.state import Resource
from friendli_iac.errors import Cancelled, FriendliIacError, StalePlan, TimedOut
from friendli_iac.executor.context import Context
from friendli_iac.executor.effects import perform
from friendli_iac.executor.gate import RolloutFailed, version_is_needed, wait_until_served
from friendli_iac.executor.look import look

Result = Literal["applied", "sent", "failed", "timed out", "cancelled", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """What came of one change. `sent`: without waiting. `touched`: some request was accepted."""

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
) -> list[Outcome]:
    """The outcome of every change, in the order of the plan. Raises only what is a defect."""
    changes = {change.address: change for change in plan.pending_changes}
    context.write(Entry("run", context.clock.now(), plan=plan.plan_id))
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
                if all(needed in outcomes for needed in change.waits_for if needed in changes):
                    future = pool.submit(_carry_out, context, plan, change, no_wait)
                    running[future] = address
            if len(outcomes) == len(changes):
                break
            if not running:
                continue  # something was skipped: what waits for it is next
            for future in _ended(context, running):
                address = running.pop(future)
                outcomes[address] = future.result()
                if outcomes[address].error and not continue_on_error:
                    halted = True
    if all(outcome.result in ("applied", "sent") for outcome in outcomes.values()):
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


def _blocker(
    change: Change, changes: Mapping[str, Change], outcomes: Mapping[str, Outcome]
) -> str | None:
    for needed in change.waits_for:
        outcome = outcomes.get(needed)
        if needed in changes and outcome and outcome.result not in ("applied", "sent"):
            return needed
    return None


def _skipped(change: Change, blocked: str | None, stopped: bool) -> Outcome:
    why = "stopped as asked" if stopped else "an earlier change failed"
    if blocked:
        why = f"it needs {blocked}, which was not applied"
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
    except FriendliIacError as error:
        context.tell("failed", change.address, str(error))
        return outcome("failed", str(error), error)
    context.tell("done", change.address, text)
    return outcome("sent" if no_wait and change.steps else "applied", text)


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
    recovering = change.status != "" and context.kind_of(change.address)[0].health(
        change.status
    ) in ("failed", "stopped")
    for step in change.steps:
        if step in done:
            continue
        perform(
            context,
            change,
            step,
            plan=plan.plan_id,
            listed=list(plan.listed.get(change.project, [])),
            first=not done and step == change.steps[0],
        )
        done = [*done, step]
    text = _finish(context, change, recovering, no_wait)
    if not no_wait:
        context.write(Entry("finished", context.clock.now(), plan=plan.plan_id, key=change.key))
    return text


def _check_gone(context: Context, change: Change) -> None:
    """StalePlan when what is to be forgotten is there after all."""
    resource = context.known.state.resources.get(change.address)
    kind, api = context.kind_of(change.address)
    if resource and look(kind, api, resource.id, resource.project):
        raise StalePlan([f"{change.address} ({resource.id}) is there again"])


def _finish(context: Context, change: Change, recovering: bool, no_wait: bool) -> str:
    """What remains when everything was sent: our own records, or the proof."""
    now = context.clock.now()
    if change.action == "record":
        if change.after is None:
            _check_gone(context, change)
            context.write(Entry("forget", now, address=change.address))
            return "forgotten: it was gone already"
        context.write(Entry("record", now, address=change.address, after=change.after))
        return "recorded"
    if change.action == "delete":
        return f"deleted ({change.id})"
    resource = context.known.state.resources[change.address]
    if resource.pending is None:
        return _came_to(change, resource)
    if no_wait:
        return f"sent ({resource.id}); not waited for"
    kind, _ = context.kind_of(change.address)
    served = wait_until_served(
        context,
        change.address,
        version_needed=change.action in ("update", "verify") and version_is_needed(kind, resource),
        recovering=recovering,
    )
    version = f" v{served.version}" if served.version is not None else ""
    text = f"{served.status}{version} ({resource.id})"
    if served.unproved:
        text += f"; not readable, so presumed: {', '.join(served.unproved)}"
    return text


def _came_to(change: Change, resource: Resource) -> str:
    """What this change came to when its plan was applied before. RolloutFailed says it again."""
    for record in reversed(resource.history):
        if record["key"] == change.key and record["outcome"] == NOT_APPLIED:
            raise RolloutFailed(
                f"{change.address}: this plan sent it before, and the service did not apply it",
                safe="The version from before serves on; nothing was sent again.",
                next="Mend the manifest and make a new plan.",
            )
    return "proved before"
