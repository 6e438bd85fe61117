"""What is really wanted of what is there: pins, what has expired, and what is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from friendli_iac.core.diff import FieldChange, keep
from friendli_iac.core.pins import HOLDS_ALL, goes_back, held_off, hold, in_force
from friendli_iac.core.plan import Hold
from friendli_iac.core.rollback import good_settings
from friendli_iac.core.scene import Scene, Wish
from friendli_iac.core.state import Applied, Pin, Resource
from friendli_iac.resources.base import Kind
from friendli_iac.resources.expiry import is_over
from friendli_iac.resources.spec import Spec, copied, get_path, leaves, overlay, set_path


@dataclass(frozen=True)
class Wanted:
    """What is wanted once pins and the end of its time are heeded."""

    spec: Spec
    held: Hold | None = None
    unpins: bool = False
    pin: Pin | None = None  # what is left of the one in state, where some of it is lifted
    reason: str = ""
    expired: bool = False
    back: bool = False  # to settings that were good: nothing new is tried


def wanted_now(scene: Scene, kind: Kind, wish: Wish, resource: Resource) -> Wanted:
    """What a wish comes to, with the values that a pin holds off replaced by the good ones."""
    spec, pin = wish.spec, resource.pin
    if str(wish.address) in scene.rollbacks:  # which has a pin of its own, or needs none
        return Wanted(spec, unpins=pin is not None, back=True)
    ends = get_path(spec, "lifecycle.expires")
    if resource.created and is_over(ends, resource.created, scene.now):
        return Wanted(spec, reason=f"it has expired ({ends})", expired=True)
    if pin is None:
        return Wanted(spec)
    left = None if scene.retry_failed else in_force(kind, pin, spec)
    if left is None:
        return Wanted(spec, unpins=True)
    held = hold(left, wish)
    if pin.stage in HOLDS_ALL:
        return Wanted(spec, held)
    narrowed = None if left is pin else left
    if pin.stage != "owed":
        return Wanted(held_off(left, spec), held, pin=narrowed)
    reason = f"back to the good settings: {pin.story}"
    return Wanted(_owed(kind, pin, resource, spec), held, pin=narrowed, reason=reason, back=True)


def _owed(kind: Kind, pin: Pin, resource: Resource, wanted: Spec) -> Spec:
    """What is to be sent first, and only that: whatever else is `wanted` comes afterwards."""
    if pin.key and resource.prior:
        return good_settings(kind, resource.prior, Applied(wanted)).spec
    # Set by hand: what served last is just what is taken back.
    back = keep(kind, held_off(pin, resource.applied.spec), goes_back)
    return overlay(kind.model, back, keep(kind, wanted, lambda leaf: not goes_back(leaf)))


def believed(
    kind: Kind, resource: Resource, wanted: Spec
) -> tuple[Applied, tuple[FieldChange, ...]]:
    """What was applied, with what the manifest is the first to say of it. Nobody knew, so it is
    taken for a statement of fact: a cold start would be a high price for being told.
    """
    applied = resource.applied
    unknown = [*resource.unknown, *_fixed_and_unknown(kind, resource)]
    said = {p: v for p in unknown if (v := get_path(wanted, p)) is not None}
    if not said:
        return applied, ()
    spec = copied(applied.spec)
    for path, value in said.items():
        set_path(spec, path, value)
    reason = "said for the first time: believed, not sent"
    fields = [
        FieldChange(path, None, None, value, reason, write_only=True, local=True)
        for path, value in said.items()
    ]
    return replace(applied, spec=spec), tuple(fields)


def _fixed_and_unknown(kind: Kind, resource: Resource) -> list[str]:
    """What cannot change in place and is never shown, of a block of which an adoption learnt
    nothing at all: to take it for another one would replace what nobody doubts.
    """
    applied = resource.applied.spec
    return [
        path
        for path, leaf in leaves(kind.model).items()
        if leaf.write_only and leaf.immutable
        if resource.adopted and path.partition(".")[0] not in applied
    ]


def at_rest(
    kind: Kind, applied: Applied, target: Spec, fields: Sequence[FieldChange]
) -> tuple[Spec, tuple[FieldChange, ...], tuple[str, ...]]:
    """Target and fields of what runs nothing: only our own records change; and a note on the rest,
    which is sent when it runs again.
    """
    later = [field.path for field in fields if not field.local]
    notes = (f"sent when it runs again: {', '.join(later)}",) if later else ()
    local = tuple(field for field in fields if field.local)
    sent = keep(kind, applied.spec, lambda leaf: not leaf.local)
    return overlay(kind.model, sent, keep(kind, target, lambda leaf: leaf.local)), local, notes
