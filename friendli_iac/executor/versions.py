"""What each version of a change is made of, where one request cannot carry all of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from friendli_iac.core.journal import Entry
from friendli_iac.core.moved import moved_since, without_artifact
from friendli_iac.core.pins import narrowed
from friendli_iac.core.plan import Change
from friendli_iac.core.state import Applied, Resource, Trial
from friendli_iac.errors import ApiError
from friendli_iac.resources.base import NEW_VERSION, Kind, Observed, Step

SENDS = ("create", *NEW_VERSION)  # the steps that send a specification
COUNTED = (*NEW_VERSION, "restart", "wake")  # after which the newest version counts as ours


def is_second(change: Change, step: Step) -> bool:
    """Whether `step` sends what an earlier one of the same change did not carry."""
    before = change.steps[: change.steps.index(step)] if step in change.steps else ()
    return step in NEW_VERSION and not set(SENDS).isdisjoint(before)


def in_force(
    kind: Kind, change: Change, step: Step, resource: Resource | None, observed: Observed | None
) -> Applied | None:
    """What is in force once `step` took place: where several bring a change about, the next plan
    must see the rest if they are cut off.
    """
    if change.after is None:
        return None
    before = resource.applied.spec if resource else {}
    after = replace(change.after, spec=kind.carried(step, before, change.after.spec))
    # What comes next counts as ours from here on, and what others rolled out is in it.
    if step in COUNTED and resource and observed and moved_since(resource, observed):
        return without_artifact(after) if kind.moved_by(after.spec) else after
    return after


def on_trial(kind: Kind, change: Change, step: Step, resource: Resource | None) -> Trial | None:
    """What `step` tries: not what an earlier one of the same change has proved to serve."""
    proved = resource.prior if resource and is_second(change, step) else None
    if change.trial is None or proved is None:
        return change.trial
    return narrowed(kind, change.trial, proved.spec)


def of_another(begin: Entry, told: str | None, known: Collection[str]) -> ApiError | None:
    """The error where the API says that it did `begin` to something else: the key by which it knows
    what to roll out is that of `told`. `known` are the ids of what is in state.
    """
    twice = begin.step == "create" and told in (*(begin.listed or ()), *known)
    if not twice and not (begin.step == "rollout" and told != begin.id):
        return None
    meant = begin.id if begin.step == "rollout" else "a new one"
    return ApiError(
        f"the {begin.step} of {begin.address} was to be of {meant}, and the API answers that it "
        f"was of {told}: the key in the specification is that of {told}",
        safe=f"{told} has one more version now, or is new, and may bill; it is not in state.",
        next=f"Look at {told} in the web page, and say another key in the manifest.",
    )
