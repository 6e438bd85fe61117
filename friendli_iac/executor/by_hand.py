"""What a person must do because no request can: is it done? Of kinds that run nothing."""

from __future__ import annotations

from collections.abc import Sequence

from friendli_iac.core.journal import Entry
from friendli_iac.core.plan import Change
from friendli_iac.errors import ByHand, StalePlan
from friendli_iac.executor.context import Context
from friendli_iac.executor.look import look
from friendli_iac.resources.advice import Manual
from friendli_iac.resources.base import Observed
from friendli_iac.resources.spec import Spec


def seen_to_by_hand(context: Context, change: Change) -> str:
    """For a change of which nothing is sent: what came of it, when it is as it should be.

    What is wanted is recorded, for it was asked for; what is live is read each time. ByHand as long
    as it is otherwise, and once where that cannot be read. StalePlan when it is gone.
    """
    now = context.clock.now()
    resource = context.known.state.resources[change.address]
    kind, api = context.kind_of(change.address)
    observed = look(kind, api, resource.id, resource.project)
    if observed is None and change.action == "delete":
        context.write(Entry("forget", now, address=change.address))
        return f"deleted ({change.id})"
    if observed is None:
        raise StalePlan([f"{change.address} ({resource.id}) is gone"])
    before = resource.applied.spec
    if change.action == "update":
        after = change.after
        context.write(Entry("record", now, address=change.address, after=after, name=change.name))
    left = _left(context, change, before, observed)
    if left:
        raise _by_hand(context, left)
    return f"as it should be ({resource.id})"


def check_by_hand(context: Context, change: Change) -> None:
    """ByHand when a step that can be checked is still to be done, though all was sent."""
    resource = context.known.state.resources[change.address]
    kind, api = context.kind_of(change.address)
    observed = look(kind, api, resource.id, resource.project)
    left = [step for step in _left(context, change, {}, observed) if step.check]
    if left:
        raise _by_hand(context, left)


def _left(
    context: Context, change: Change, before: Spec, observed: Observed | None
) -> Sequence[Manual]:
    kind, api = context.kind_of(change.address)
    target = change.after.spec if change.after else {}
    return kind.advise(api, change.action, before, target, observed, {}).manual


def _by_hand(context: Context, left: Sequence[Manual]) -> ByHand:
    what = f"to be done by hand: {'; '.join(step.what for step in left)}"
    return left_to_do(context, what, left, safe="All that requests can do is done.")


def left_to_do(context: Context, what: str, left: Sequence[Manual], *, safe: str) -> ByHand:
    """The error that says `what` is left, and each step of it."""
    checked = any(step.check for step in left)
    again = "Then make the same plan anew, and apply it" if context.once else context.again
    then = f"{again}: it looks again." if checked else "No API shows it."
    said = [*(f"{_sentence(step)}." for step in left), then]
    return ByHand(what, steps=left, safe=safe, next=" ".join(said))


def _sentence(step: Manual) -> str:
    """A step as one sentence, without its full stop."""
    values = ", ".join(f"{label}: {value}" for label, value in step.values)
    return f"At {step.page}, {step.what} ({values})"
