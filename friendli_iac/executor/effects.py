"""One effect: journal `begin`, one API call, journal what came of it.

The plan has decided. A last look before the effect may refuse, and never chooses.
"""

from __future__ import annotations

from dataclasses import replace

from friendli_iac.core.journal import Entry, EntryType
from friendli_iac.core.moved import is_fenced
from friendli_iac.core.plan import Change
from friendli_iac.core.planner import based_on, seen_digest
from friendli_iac.core.state import Fence, Resource
from friendli_iac.core.strangers import our_ids
from friendli_iac.errors import (
    ApiError,
    LockLost,
    NotFound,
    Refused,
    StalePlan,
    StateError,
    Unreachable,
)
from friendli_iac.executor.context import Context
from friendli_iac.executor.look import look, unread, wait_for
from friendli_iac.executor.settle import locate, mark_first_version, resolve
from friendli_iac.executor.versions import in_force, of_another, on_trial
from friendli_iac.resources.base import NEW_VERSION, Observed, Step, place_of

ATTEMPTS = 3  # each only after it was found out that the one before had no effect
PAUSE = 1.0  # seconds, where the API does not say how long
TOO_MANY = 429  # the status of a request that the API turned away unread

ENDING = ("terminate", "delete")
# What is refused while something else is under way.
WHEN_QUIET = (*NEW_VERSION, "restart", "wake", "sleep")


def perform(
    context: Context,
    change: Change,
    step: Step,
    *,
    plan: str,
    listed: list[str] | None,
    first: bool,
) -> None:
    """Brings one step about, or raises: StalePlan and Refused before anything was sent, ApiError
    when the API said no, SettleError when only a person can tell what happened.

    `listed` are the ids that the project held when the plan was made, None where it did not look;
    `first` says that nothing of this change has been done yet, so that its fence must still hold.
    """
    resource = None
    if step != "create":
        resource = context.known.state.resources.get(change.address)
        if resource is None:
            raise StateError(
                f"{change.address} is not in state any more",
                safe="Nothing was sent for it.",
                next="Make a new plan.",
            )
        # What a replacement took the place of is what is to end.
        if step in ENDING and resource.deposed:
            resource, first = resource.deposed, False  # the plan's fence is of its replacement
    attempt, started = 1, context.clock.now()
    while True:
        begin, gone = _begin(context, change, step, plan, resource, listed, fenced=first)
        context.check_stop()
        context.write(begin)
        if gone:  # what was to come about has come about by itself
            _note(context, begin, "done", begin.id)
            return
        try:
            told = _send(context, change, begin)
        except Unreachable as error:
            if error.status == TOO_MANY:
                # Turned away unread: what comes up while we wait is another one's work, and is
                # never taken for ours. As long as there is time, it is begun anew.
                _note(context, begin, "refused")
                context.tell("note", change.address, f"turned away for now ({error})")
                context.clock.sleep(error.retry_after or PAUSE, context.stop)
                if context.clock.now() - started >= context.timeout:
                    raise
                continue
            # Whether it took effect is not known: it is looked for before anything is sent again.
            context.tell("note", change.address, f"no usable answer ({error}); looking for it")
            if error.retry_after:
                context.clock.sleep(error.retry_after, context.stop)
            if resolve(context, begin, accepted=False):
                context.tell("sent", change.address, f"{step} was sent")
                return
            if attempt == ATTEMPTS or context.clock.now() - started >= context.timeout:
                raise
            attempt += 1
            continue
        except ApiError:
            _note(context, begin, "refused")
            raise
        try:
            _record(context, begin, told)
        except LockLost:
            raise
        except StateError as error:
            raise _unrecorded(begin, error) from error
        return


def _begin(
    context: Context,
    change: Change,
    step: Step,
    plan: str,
    resource: Resource | None,
    listed: list[str] | None,
    *,
    fenced: bool,
) -> tuple[Entry, bool]:
    """The last look: the journal entry that it leads to, and whether there is nothing to send: the
    resource is gone, has ended by itself, or serves by itself.

    Before a create, everything counts that appeared since the *first* one of its name that was
    lost: that one may have been slower than the grace.
    """
    before: list[str] | None = None
    observed: Observed | None = None
    there = context.known.state.resources.get(change.address)
    if resource is None and there and not change.deposes:
        if based_on(there) != change.based_on:
            raise StalePlan([f"{change.address} is in state: it was created meanwhile"])
        kind, api = context.kind_of(change.address)
        if look(kind, api, there.id, there.project):
            raise StalePlan([f"{change.address} ({there.id}) is there again"])
    if resource is None:
        first = context.known.state.listed_before(change.project, change.name)
        before = _no_twin(context, change, listed if first is None else first)
    else:
        observed = _look(context, change, step, resource, fenced)
        if observed is None and step not in ENDING:
            raise StalePlan([f"{change.address} ({resource.id}) is gone"])
    kind, _ = context.kind_of(change.address)
    begin = Entry(
        "begin",
        context.clock.now(),
        address=change.address,
        key=change.key,
        step=step,
        plan=plan,
        id=resource.id if resource else change.id if change.deposes else None,
        project=resource.project if resource else change.project,
        name=change.name,
        after=in_force(kind, change, step, resource, observed),
        trial=on_trial(kind, change, step, resource),
        pin=change.pin if step == "create" else None,
        fence=Fence(observed.version, observed.updated_at) if observed else Fence(),
        seen=seen_digest(kind, observed),
        listed=before,
        by=context.by,
        commit=context.commit_id,
    )
    # What is to end has ended, or what is to start serves: a restart would take it off the air.
    enough = {"terminate": ("ending", "stopped"), "restart": ("served",)}.get(step, ())
    there_already = observed is not None and observed.health in enough
    return begin, resource is not None and (observed is None or there_already)


def _send(context: Context, change: Change, begin: Entry) -> str | None:
    kind, api = context.kind_of(change.address)
    return kind.send(
        api,
        begin.step,  # type: ignore[arg-type]
        id=begin.id,
        spec=change.after.spec if change.after else {},
        comment=_comment(context, change),
        key=change.key,
    )


def _record(context: Context, begin: Entry, told: str | None) -> None:
    """The API accepted it. Whatever goes wrong from here on, it is not sent again."""
    id = begin.id
    state = context.known.state
    known = our_ids(replace(state, resources=dict(state.resources)))  # others are at work
    if error := of_another(begin, told, known):
        _note(context, begin, "refused")
        raise error
    if begin.step in ("create", "delete"):
        # Saved before anything else: a kill here must not lead to a second GPU.
        _note(context, begin, "sent")
    context.tell("sent", begin.address, f"{begin.step} was sent")
    if begin.step == "create":
        id = told or locate(context, begin, accepted=True, timeout=context.timeout)
    elif begin.step == "delete":
        wait_for(context, begin.address, begin.id or "", begin.project, set())
    _note(context, begin, "done", id)
    if begin.step == "create" and id:
        mark_first_version(context, begin.address, id)


def _note(context: Context, begin: Entry, type: EntryType, id: str | None = None) -> None:
    now = context.clock.now()
    context.write(Entry(type, now, address=begin.address, key=begin.key, step=begin.step, id=id))


def _look(
    context: Context, change: Change, step: Step, resource: Resource, fenced: bool
) -> Observed | None:
    """The resource just before an effect, in a state that takes it; None when it is gone.

    StalePlan when it is no longer what the plan saw.
    """
    kind, api = context.kind_of(change.address)
    id, project = resource.id, resource.project
    if step == "delete" and kind.serves:
        ready = wait_for(context, change.address, id, project, {"stopped", "failed"})
    elif step in WHEN_QUIET:
        ready = wait_for(context, change.address, id, project, {"served", "failed", "stopped"})
    else:
        ready = look(kind, api, id, project)
    if ready is None:
        return None
    version = kind.newest_version(api, id)
    spec = (change.after or resource.applied).spec
    if fenced:
        moved = []
        if not is_fenced(kind, spec, change.fence.version, version):
            moved.append(
                f"{change.address} is at version {version}, and the plan saw {change.fence.version}"
            )
        # A plan that read nothing took it for served, and its fields for those in state.
        elif change.status == "" and step in NEW_VERSION and ready.health != "served":
            moved.append(f"{change.address} is {ready.status}, and the plan did not read it")
        elif change.status == "" and seen_digest(kind, ready) != change.seen:
            moved.append(unread(kind, resource, ready, change.address))
        # Planned while a version was on its way, the readable fields were still those from before.
        elif change.status and kind.health(change.status) == "changing":
            pass
        elif seen_digest(kind, ready) != change.seen:
            moved.append(f"{change.address} was changed since the plan was made")
        if moved:
            raise StalePlan(moved)
    elif step in NEW_VERSION and resource.fence.version is not None:
        # Of two versions, the second comes right after the first: nobody comes in between.
        ours = is_fenced(kind, spec, resource.fence.version, version)
        why = f"{change.address}: version {version} was made by somebody else meanwhile"
        if not ours:
            raise StalePlan([why])
    return replace(ready, version=version)


def _no_twin(context: Context, change: Change, planned: list[str] | None) -> list[str]:
    """The ids that the project holds now. Refused when one among them that was not `planned` has
    our name.
    """
    kind, api = context.kind_of(change.address)
    listed = kind.list(api, change.project)
    ours = {resource.id for resource in list(context.known.state.resources.values())}
    for id in listed.keys() - set(planned or ()) - ours:
        try:
            other = kind.combine(id, kind.fetch(api, id), listed[id])
        except NotFound:
            continue
        if (other.name, other.project) == (change.name, change.project):
            where = f"with the name {change.name!r} in {place_of(kind, change.project)}"
            raise Refused(
                f"{change.address}: {id} is there already {where}, and the plan did not look"
                if planned is None
                else f"{change.address}: since the plan was made, {id} has appeared {where}",
                safe="It was not touched, and nothing was created.",
                next=f"Adopt it with friendli-iac import {change.address} {id}, or choose another "
                "spec.name.",
            )
    return sorted(listed)


def _unrecorded(begin: Entry, error: StateError) -> StateError:
    return type(error)(
        f"{begin.step} {begin.address} was sent, and this could not be recorded: {error}",
        safe="That it was begun is in the journal: the next apply finds out what came of it, and "
        "sends nothing twice.",
        next=error.next,
    )


def _comment(context: Context, change: Change) -> str:
    """What people see in the Versions tab."""
    own = change.after.spec.get("versionComment", "") if change.after else ""
    back = "" if change.trial or change.action != "update" else "back to good settings, "
    mark = f"friendli-iac {change.address} {back}key={change.key} by={context.by}"
    return f"{own} ({mark})" if own else mark
