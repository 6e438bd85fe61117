"""Carries out one change: its steps in order, the proof that it serves, and our own records."""

from __future__ import annotations

from dataclasses import replace

from friendli_iac.core.canonical import digest
from friendli_iac.core.journal import Entry
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.state import Resource
from friendli_iac.errors import (
    UNKNOWN_REQUEST,
    ApiError,
    ByHand,
    Cancelled,
    FriendliIacError,
    RolledBack,
    StalePlan,
    TimedOut,
)
from friendli_iac.executor.adapters import prove_routes
from friendli_iac.executor.by_hand import check_by_hand, seen_to_by_hand
from friendli_iac.executor.context import Context
from friendli_iac.executor.effects import ENDING, perform
from friendli_iac.executor.heal import prove
from friendli_iac.executor.look import look, wait_for
from friendli_iac.executor.outcome import Outcome, Result
from friendli_iac.executor.proof import Served, version_is_needed
from friendli_iac.executor.versions import is_second
from friendli_iac.resources.base import Health, Step

# What can only be done to what serves.
AFTER_PROOF = ("sleep",)


def carry_out(context: Context, plan: Plan, change: Change, no_wait: bool) -> Outcome:
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
        context.tell("by hand", change.address, str(error), by_hand=error.steps)
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
                listed=plan.listed.get(change.project),
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
