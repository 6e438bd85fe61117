"""Pins: values that failed are not sent again, until the manifest says others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from friendli_iac.core.canonical import same
from friendli_iac.core.diff import flatten, keep
from friendli_iac.core.plan import Hold
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Pin, Resource, Trial
from friendli_iac.resources.alternatives import replaced
from friendli_iac.resources.artifact import IDEMPOTENCY_KEY
from friendli_iac.resources.base import Kind
from friendli_iac.resources.endpoint_adapters import ADAPTERS, SENT
from friendli_iac.resources.spec import Leaf, Spec, copied, drop_path, overlay, set_path

# Nothing is sent for it, whatever else the manifest says: there is nothing good to stand on.
HOLDS_ALL = ("halted", "ending", "ended", "stuck")


def remote(kind: Kind, spec: Spec) -> dict[str, Any]:
    """The values of a specification that are sent, by path."""
    return flatten(kind, keep(kind, spec, lambda leaf: not leaf.local))


def goes_back(leaf: Leaf) -> bool:
    """Whether a rollback brings its value back: what is sent, and which adapters belong to the
    model, whoever attaches them.
    """
    return not leaf.local or leaf.parts is not None


def tried(kind: Kind, spec: Spec) -> dict[str, Any]:
    """The values of a specification that are tried out with it, by path."""
    return flatten(kind, keep(kind, spec, goes_back))


def trial(kind: Kind, wish: Wish, wanted: Spec, resource: Resource | None) -> Trial:
    """What sending `wanted` for a wish tries out: what it says other than what served last, or all
    of it. A key that nobody wrote is not on trial: no manifest could say another one.
    """
    said, asked = tried(kind, wanted), dict(wish.asked)
    if not wish.wrote(IDEMPOTENCY_KEY):
        said.pop(IDEMPOTENCY_KEY, None)
    if resource is None or resource.prior is None:
        return Trial(said, asked=asked)
    before = keep(kind, resource.prior.spec, goes_back)
    good = flatten(kind, before)
    new = {p: v for p, v in said.items() if not same(good.get(p), v)}
    if not new.keys() & remote(kind, wanted).keys():
        return Trial(said, asked=asked)
    # What an alternative takes the place of comes back with it: minReplicas for replicas.
    after = overlay(kind.model, kind.inheritable(before, wanted), wanted)
    gone = good.keys() - tried(kind, after).keys()
    kept = {p: good[p] for p in good if p in new or p in gone}
    return Trial(new, kept, asked)


def narrowed(kind: Kind, whole: Trial, applied: Spec) -> Trial:
    """`whole` without what `applied` has by now, proved: only the rest is on trial still, and it is
    sent onto what serves.
    """
    there = tried(kind, applied)
    bad = {p: v for p, v in whole.bad.items() if not same(there.get(p), v)}
    good = {p: there[p] for p in bad if p in there}
    return replace(whole, bad=bad, good=good, in_vain=False)


def in_force(kind: Kind, pin: Pin, wanted: Spec) -> Pin | None:
    """What of `pin` the manifest still says; None when it says none of it any more.

    Values of one block that failed together belong together: a repository, its revision and the
    adapters for it are one wish. Where nothing good is there to stand on, all of them do: any other
    value makes another attempt.
    """
    own = _own_in_force(kind, pin, wanted)
    earlier = in_force(kind, pin.earlier, wanted) if pin.earlier else None
    if own is None:
        return earlier
    return own if earlier == own.earlier else replace(own, earlier=earlier)


def _own_in_force(kind: Kind, pin: Pin, wanted: Spec) -> Pin | None:
    said = tried(kind, wanted)
    asked = {p: v for p, v in pin.bad.items() if p in said or not pin.loose}
    changed = {_block(p) for p, v in asked.items() if not same(said.get(p), v)}
    changed |= {_block(p) for p in pin.bad if p not in said and replaced(kind.model, p, said)}
    if pin.stage in HOLDS_ALL:
        return pin if asked and not changed else None
    held = {p: v for p, v in pin.bad.items() if _block(p) not in changed}
    if not held.keys() & asked.keys():
        return None
    if not changed:
        return pin
    blocks = {_block(p) for p in held}
    return replace(pin, bad=held, good={p: v for p, v in pin.good.items() if _block(p) in blocks})


def _block(path: str) -> str:
    """`model` for everything about the model, `engine` for the engine, and so on."""
    block = path.partition(".")[0]
    return "model" if block in (ADAPTERS, SENT) else block


def held_off(pin: Pin, wanted: Spec) -> Spec:
    """`wanted` with the good values in the place of those that failed."""
    calm = copied(held_off(pin.earlier, wanted) if pin.earlier else wanted)
    for path in pin.bad:
        drop_path(calm, path)
    for path, value in pin.good.items():
        set_path(calm, path, value)
    return calm


def hold(pin: Pin, wish: Wish) -> Hold:
    """What a plan says of it."""
    earlier = hold(pin.earlier, wish) if pin.earlier else Hold({}, "")
    places = [str(wish.source(path)) for path in pin.bad if wish.wrote(path)]
    return Hold(
        {**earlier.values, **pin.bad},
        pin.story,
        pin.version,
        tuple(dict.fromkeys([*earlier.places, *places])),
        {**earlier.asked, **pin.asked},
        whole=pin.stage in HOLDS_ALL,
    )
