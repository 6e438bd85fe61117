"""What to do about a resource that is in state and there: the heart of the planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from friendli_iac.core.cost import NOTHING, deposed_cost, live_cost, plus
from friendli_iac.core.diff import FieldChange, difference
from friendli_iac.core.moved import Moved, broken_by_others, moved, own_digest
from friendli_iac.core.pins import HOLDS_ALL, trial, tried
from friendli_iac.core.plan import Change
from friendli_iac.core.rollback import restorable
from friendli_iac.core.routes import awaits_a_hand, seen_now, unseen, unwanted
from friendli_iac.core.scene import Rollback, Scene, Wish
from friendli_iac.core.state import Applied, Pin, Resource, Trial
from friendli_iac.core.wanted import Wanted, at_rest, believed, wanted_now
from friendli_iac.core.wishes import after, located, own_fields
from friendli_iac.resources.artifact import ARTIFACT, DIGEST
from friendli_iac.resources.base import Action, Kind, Observed
from friendli_iac.resources.expiry import expires_at
from friendli_iac.resources.rollout import Rollout
from friendli_iac.resources.spec import Spec, copied, drop_path, get_path


def existing(
    scene: Scene, kind: Kind, wish: Wish, resource: Resource, observed: Observed
) -> Change:
    """The change of a resource that is there; its action is no-op when all is as it should be."""
    address = str(wish.address)
    wanted = wanted_now(scene, kind, wish, resource)
    others = moved(kind, resource, observed, wanted.spec)
    by_hand = others is not None and awaits_a_hand(kind, resource, wanted.spec)
    applied, new_facts = believed(kind, resource, wanted.spec)
    if new_facts and resource.pending is None:  # as if it had been known from the first
        resource = replace(resource, prior=applied)
    found = difference(
        kind,
        wanted=wanted.spec,
        applied=applied,
        live=observed.spec,
        # What came after it, from who is meant to, shows what is in force.
        unproved=resource.pending is not None and not (others and others.by),
        unknown_since=others.unknown_since if others and not by_hand else None,
        unknown=others.only if others else None,
    )
    target, notes = found.target, _notes(resource, observed)
    fields = _moved(wish, applied, found.fields)
    rests = wanted.expired or kind.idle(target)
    if rests:  # what runs nothing is sent nothing
        target, fields, kept = at_rest(kind, applied, found.target, found.fields)
        notes += kept
    target = own_digest(target, wish.spec, applied.spec)
    if get_path(target, DIGEST) == get_path(applied.spec, DIGEST):
        fields = tuple(field for field in fields if field.path != DIGEST)
    goal = after(wish, target, applied)
    fields = located(wish, fields + new_facts + own_fields(applied, goal))
    sent = [field for field in fields if not field.local and not _failed_before(wanted, field)]
    life = {**target, "desired": "terminated"} if wanted.expired else target
    action, reason = _action(scene, kind, address, life, resource, observed, sent)
    if action == "no-op" and fields and resource.pending is None:
        action, reason = "record", "only our own records change"
    if action == "no-op" and not rests and (why := _unasked(kind, target, resource, observed)):
        action, reason = "verify", why
    if wanted.held and resource.pin and resource.pin.stage in HOLDS_ALL:
        action, reason = _held(kind, resource.pin, life, observed)
    if others and (others.by or not sent):
        notes = (*notes, _of_others(others, observed, by_hand=by_hand))
    rollback = scene.rollbacks.get(address)
    ends = get_path(target, "lifecycle.expires")
    if wanted.expired and action == "terminate" and _is_protected(wish, resource):
        action, reason = "no-op", ""
        notes = (*notes, "it has expired, and is protected: it goes on, and bills, until "
                 "`preventDestroy: false` is said")  # fmt: skip
    if action in ("update", "terminate"):
        reason = rollback.reason if rollback else wanted.reason or reason
    before = live_cost(kind, observed, found.before, scene.prices)
    cost_after = kind.hourly_cost(target, scene.prices)
    if action in ("no-op", "record") or (action == "verify" and resource.pending is None):
        cost_after = before
    elif action == "terminate":
        cost_after = NOTHING
    steps = kind.steps(action, observed, target, [field.path for field in sent])
    leftover = False
    if resource.deposed and _is_kept(resource.deposed, target):
        notes = (
            *notes,
            f"{resource.deposed.id} failed as its replacement, and was kept: it may bill",
        )
    elif resource.deposed and action in ("no-op", "record", "verify", "sleep"):
        action, steps, leftover = "replace", ("terminate", "delete", *steps), True
        reason = f"{resource.deposed.id} is left over from a replacement"
    elif resource.deposed and action != "terminate":
        notes = (*notes, f"{resource.deposed.id} is left over from a replacement, and ends later")
    left = deposed_cost(kind, resource, scene.prices)
    ends_left = leftover or action == "terminate" or (action == "replace" and steps[0] != "create")
    back = wanted.back and action != "replace"
    tries = None if back else _trial(kind, wish, action, wanted, resource, observed)
    kept_pin = wanted.pin
    if action == "replace" and wanted.held:  # it must outlive what is deleted
        kept_pin = wanted.pin or resource.pin
    return Change(
        address,
        action,
        reason,
        steps=steps,
        id=resource.id,
        project=kind.place(target),
        name=target["name"],
        after=None if action == "no-op" else goal,
        fields=() if action == "no-op" else fields,
        waits_for=tuple(map(str, wish.depends_on)),
        notes=notes,
        cost_before=plus(before, left),
        cost_after=cost_after if ends_left else plus(cost_after, left),
        trial=tries,
        restorable=restorable(kind, resource, goal, tries),
        pin=_pin(kind, rollback, applied, target, fields) if rollback and sent else kept_pin,
        overdue=wanted.expired and action in ("terminate", "replace"),
        believes=applied if new_facts and resource.pending is None else None,
        leftover=leftover,
        tries=_tries(wish, action, resource),
        wave=Rollout.of(target).wave,
        asleep=observed.asleep,
        unpins=wanted.unpins,
        held=wanted.held,
        expires=expires_at(ends, resource.created) if ends else "",
    )


def _action(
    scene: Scene,
    kind: Kind,
    address: str,
    target: Spec,
    resource: Resource,
    observed: Observed,
    sent: Sequence[FieldChange],
) -> tuple[Action, str]:
    if address in scene.replace:
        return "replace", "asked for with --replace"
    if fixed := [field.path for field in sent if field.immutable]:
        return "replace", f"{', '.join(fixed)} cannot change in place"
    if sent:
        return "update", ", ".join(dict.fromkeys(field.reason for field in sent))
    life = kind.life(target, observed)
    if life and observed.health == "failed" and _unjudged(resource):
        return "verify", "it was sent, and does not serve"
    if life:
        return life
    if resource.pending is not None and not kind.idle(target):
        return "verify", "it was sent, and is not proved to serve"
    return "no-op", ""


def _unasked(kind: Kind, target: Spec, resource: Resource, observed: Observed) -> str:
    """Which routes are to be asked; empty when what is wanted was seen, and nothing beside it."""
    seen = seen_now(resource, observed.version)
    open_, left = unseen(kind, target, seen), unwanted(kind, target, seen)
    return "; ".join(
        f"{what}: {', '.join(routes)}"
        for what, routes in (("not seen to answer", open_), ("not seen to be detached", left))
        if routes
    )


def _moved(wish: Wish, applied: Applied, fields: Sequence[FieldChange]) -> tuple[FieldChange, ...]:
    """`fields`, with a reason of their own for those where what the manifest says is as before, and
    means something else now.
    """
    same = {p: text for p, text in wish.asked.items() if applied.asked.get(p) == text}
    if ARTIFACT in same:
        same[DIGEST] = same[ARTIFACT]
    return tuple(
        replace(field, reason=f"{same[field.path].rpartition(':')[2]} has moved")
        if field.path in same and not field.unknown and None not in (field.prior, field.desired)
        else field
        for field in fields
    )


def _unjudged(resource: Resource) -> bool:
    """Whether what was sent has failed unseen: a run was killed, or did not wait. It is judged as
    that run would have done: to start the same again would only fail once more.
    """
    owed = resource.pin is not None and resource.pin.stage == "owed"
    return resource.pending is not None and (resource.trial is not None or owed)


def _failed_before(wanted: Wanted, field: FieldChange) -> bool:
    """Whether nothing but doubt about what somebody else made speaks for sending what failed."""
    held = wanted.held.values if wanted.held else {}
    return field.unknown and field.path in held and held[field.path] == field.desired


def _held(kind: Kind, pin: Pin, target: Spec, observed: Observed) -> tuple[Action, str]:
    """What is still to do for what a pin holds altogether: what stops it from billing, and an end
    that was interrupted.
    """
    rest = kind.life(target, observed)
    if rest and rest[0] in ("terminate", "sleep"):
        return rest
    if pin.stage == "ending" and observed.health not in ("ending", "stopped"):
        return "terminate", "it did not serve, and its end was interrupted"
    return "no-op", ""


def _notes(resource: Resource, observed: Observed) -> tuple[str, ...]:
    if observed.version is None and observed.updated_at != resource.fence.updated_at:
        return (
            "it was touched since we last looked, and its versions cannot be read: whether "
            "write-only fields changed is UNKNOWN",
        )
    return ()


def _of_others(others: Moved, observed: Observed, *, by_hand: bool) -> str:
    """What is said of versions that are not ours."""
    if others.by:
        return (
            f"version {observed.version} was moved by {others.by}; the artifact cannot be read "
            "back (unverified)"
        )
    taken = ": it is taken for the step by hand, and what cannot be read for as it was sent"
    return f"version {others.since} was not made by us{taken * by_hand}"


def _is_protected(wish: Wish, resource: Resource) -> bool:
    """Whether time alone must not end it. Nobody can apply a `false` first where every apply ends
    it, so that it is said is enough.
    """
    asked = get_path(wish.spec, "lifecycle.preventDestroy")
    return bool(resource.protected if asked is None else asked)


def _is_kept(deposed: Resource, target: Spec) -> bool:
    """Whether a replacement that failed is to be kept for a look, as the manifest says still."""
    return deposed.prior is None and not Rollout.of(target).terminates


def _tries(wish: Wish, action: Action, resource: Resource) -> tuple[tuple[str, str], ...]:
    """What a version tries that is on its way, with where the manifests say it: others that would
    try the same wait for it.
    """
    if action != "verify" or resource.trial is None:
        return ()
    return tuple((path, str(wish.source(path))) for path in resource.trial.bad if wish.wrote(path))


def _trial(
    kind: Kind,
    wish: Wish,
    action: Action,
    wanted: Wanted,
    resource: Resource,
    observed: Observed,
) -> Trial | None:
    """What is pinned when it fails; together with what is held off already."""
    if action not in ("update", "replace", "restart", "wake", "verify"):
        return None
    if action == "verify" and resource.pending is None:  # nothing was sent that could fail
        return None
    spec = copied(wanted.spec)
    if kind.moved_by(spec) and action != "replace":  # then it is not sent
        drop_path(spec, ARTIFACT)
    in_vain = broken_by_others(kind, resource, observed, spec)
    found = replace(trial(kind, wish, spec, resource), in_vain=in_vain)
    if wanted.held is None or resource.pin is None:
        return found
    return replace(found, earlier=wanted.pin or resource.pin)


def _pin(
    kind: Kind, rollback: Rollback, applied: Applied, target: Spec, fields: Sequence[FieldChange]
) -> Pin | None:
    """What holds off the values that a rollback takes back, as long as the manifest says them."""
    old, new = tried(kind, applied.spec), tried(kind, target)
    said = old if rollback.said is None else tried(kind, rollback.said.spec)
    for path, text in applied.asked.items():  # a branch, where its commit was sent
        if path in old and said.get(path, "") == text:
            said = {**said, path: old[path]}
    paths = [field.path for field in fields]
    bad = {p: old[p] for p in paths if p in old and said.get(p) == old[p] != new.get(p)}
    if not bad:
        return None
    return Pin(
        bad,
        {p: new[p] for p in paths if p in new},
        "owed",
        rollback.reason,
        version=rollback.version,
        asked={p: text for p, text in applied.asked.items() if p in bad},
        loose=rollback.said is None,
    )
