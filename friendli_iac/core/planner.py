"""`decide` for one resource and `assemble` for all of them: what is wanted against what is there.

Pure: the engine reads, the planner decides, the executor obeys. Plan and destroy are the same two
functions with other wishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from friendli_iac.core.canonical import digest, plain
from friendli_iac.core.cost import NOTHING, Span, deposed_cost, live_cost, plus, surge
from friendli_iac.core.diff import current, difference, readable
from friendli_iac.core.existing import existing
from friendli_iac.core.keys import refired, shared, stopped
from friendli_iac.core.order import held_behind, ordered
from friendli_iac.core.pins import HOLDS_ALL, held_off, hold, in_force, trial
from friendli_iac.core.plan import Change, Plan, change_key
from friendli_iac.core.refusals import gone_at_once, in_a_circle, refusals
from friendli_iac.core.scene import Decision, Scene, Wish
from friendli_iac.core.state import Applied, Fence, Resource
from friendli_iac.core.wishes import after, located
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import MOVED_BY
from friendli_iac.resources.base import Address, Kind, Observed
from friendli_iac.resources.expiry import expires_at, is_over
from friendli_iac.resources.rollout import Rollout
from friendli_iac.resources.spec import drop_path, get_path


def based_on(resource: Resource | None) -> str:
    """What a plan remembers of the state of a resource: when this differs, the plan is stale. Its
    update time is left out, for that moves by itself, and its pin and who moves it or did, which
    the plan may change.
    """
    if resource is None:
        return ""
    known = {**plain(resource), "fence": resource.fence.version, "pin": None}
    del known["mover_ended"]
    for applied in (known["prior"], known["pending"], known["before"]):
        if applied:
            drop_path(applied["spec"], MOVED_BY)
    return digest(known, 16)


def seen_digest(kind: Kind, observed: Observed | None) -> str:
    """What a plan remembers of the live resource: its readable fields, not its status."""
    return digest(readable(kind, observed.spec), 16) if observed else ""


def decide(
    scene: Scene, address: Address, wish: Wish | None, observed: Observed | None
) -> Decision:
    """What to do about one address, and why that must not be done, if so.

    `observed` is None when the resource is gone, or was never there.
    """
    kind = KINDS[address.kind]
    resource = scene.state.resources.get(str(address))
    if wish is None:
        change = _unwanted(scene, kind, address, resource, observed)
    elif resource is None or observed is None:
        change = _missing(scene, kind, wish, resource)
    else:
        change = existing(scene, kind, wish, resource, observed)
    change = replace(
        change,
        status=observed.status if observed else "",
        fence=Fence(observed.version, observed.updated_at) if observed else Fence(),
    )
    if change.action == "no-op":  # nothing will be done, so nothing need be held against it
        return change, []
    goal = plain(change.after)
    change = replace(
        change,
        based_on=based_on(resource),
        seen=seen_digest(kind, observed),
        protected=_protected(resource, wish),
        key=change_key(scene.state.lineage, scene.state.serial, str(address), change.action, goal),
    )
    return change, refusals(scene, change)


def _protected(resource: Resource | None, wish: Wish | None) -> bool:
    """Protection that was applied holds until its end was applied; asked for, it holds at once."""
    asked = wish is not None and get_path(wish.spec, "lifecycle.preventDestroy") is True
    return asked or bool(resource and resource.protected)


def _unwanted(
    scene: Scene,
    kind: Kind,
    address: Address,
    resource: Resource | None,
    observed: Observed | None,
) -> Change:
    assert resource is not None, "only what is in state can be unwanted"
    if observed is None and not resource.deposed:
        return Change(
            str(address),
            "record",
            "it is gone already",
            id=resource.id,
            name=resource.name,
            cost_before=NOTHING,
            cost_after=NOTHING,
        )
    before: Span | None = NOTHING
    if observed:
        live = current(kind, resource.applied, observed.spec)
        before = live_cost(kind, observed, live, scene.prices)
    return Change(
        str(address),
        "delete",
        "it is in state, and not wanted any more",
        steps=kind.steps("delete", observed, {}),
        id=resource.id,
        project=resource.project,
        name=resource.name,
        cost_before=plus(before, deposed_cost(kind, resource, scene.prices)),
        cost_after=NOTHING,
    )


def _missing(scene: Scene, kind: Kind, wish: Wish, resource: Resource | None) -> Change:
    pin = resource.pin if resource and not scene.retry_failed else None
    left = in_force(kind, pin, wish.spec) if pin else None
    calm = left is not None and left.stage not in HOLDS_ALL
    spec = held_off(left, wish.spec) if left and calm else wish.spec
    found = difference(kind, wanted=spec, applied=Applied({}), live=None)
    address, name, project = str(wish.address), found.target["name"], kind.place(found.target)
    ends = get_path(found.target, "lifecycle.expires")
    since = (resource.created if resource else 0.0) or scene.now
    expired = is_over(ends, since, scene.now)
    if expired or kind.idle(found.target):
        why = f"it has expired ({ends})" if expired else "it is to be terminated"
        note = f"{address} is not there, and {why}: nothing to do"
        return Change(
            address, "no-op", "", name=name, project=project, notes=(note,),
            cost_before=NOTHING, cost_after=NOTHING,
        )  # fmt: skip
    if left and not calm:
        return Change(
            address, "no-op", "", name=name, project=project, held=hold(left, wish),
            cost_before=NOTHING, cost_after=NOTHING,
        )  # fmt: skip
    reason = "new in the manifests"
    if resource is not None:
        reason = f"{resource.id} is gone: 404, and not in the project's list"
    return Change(
        address,
        "create",
        reason,
        steps=kind.steps("create", None, found.target),
        project=project,
        name=name,
        after=after(wish, found.target),
        fields=located(wish, found.fields),
        waits_for=tuple(map(str, wish.depends_on)),
        cost_before=NOTHING,
        cost_after=kind.hourly_cost(found.target, scene.prices),
        trial=trial(kind, wish, spec, None),
        unpins=resource is not None and resource.pin is not None and left is None,
        pin=left if left is not pin else None,
        held=hold(left, wish) if left else None,
        expires=expires_at(ends, None) if ends else "",
        wave=Rollout.of(found.target).wave,
    )


def assemble(
    scene: Scene,
    decisions: Iterable[Decision],
    *,
    live: Mapping[str, Observed | None],
    listed: Mapping[tuple[str, str], Mapping[str, Observed]],
    blank: Plan,
) -> Plan:
    """All decisions as one plan, in order. `blank` is a plan without changes; `live` and `listed`
    (by kind and project) are what was seen.
    """
    decided = list(decisions)
    gone = gone_at_once(scene.state, live, listed)
    found = [refusal for _, against in decided for refusal in against]
    changes, circle = ordered(scene.state, [change for change, _ in decided])
    waiting = in_a_circle(circle, stopped(scene.state, changes)) if circle else []
    beside = {
        address: deposed_cost(KINDS[Address.parse(address).kind], resource, scene.prices)
        for address, resource in scene.state.resources.items()
        if resource.deposed
    }
    changes = [
        replace(change, surge=surge(change, beside.get(change.address, NOTHING)))
        for change in held_behind(changes)
    ]
    found += refired(scene.state, live, changes) + shared(scene.state, changes)
    return replace(
        blank,
        changes=tuple(changes),
        refusals=tuple(gone or found + waiting),
        unsettled=tuple(f"{step} {address}" for address, step in sorted(scene.open.items())),
    )
