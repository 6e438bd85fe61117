"""`decide` for one resource and `assemble` for all of them: what is wanted against what is there.

Pure: the engine reads, the planner decides, the executor obeys. Plan and destroy are the same two
functions with other wishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

from friendli_iac.core.canonical import digest
from friendli_iac.core.diff import DEFAULT, KEPT, FieldChange, current, difference, readable
from friendli_iac.core.plan import Change, Plan, change_key, in_order
from friendli_iac.core.refusals import gone_at_once, in_a_circle, refusals
from friendli_iac.core.scene import Decision, Scene, Wish
from friendli_iac.core.state import Applied, Fence, Resource, State
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Action, Address, Kind, Observed
from friendli_iac.resources.spec import Spec, get_path

NOTHING = (0.0, 0.0)  # dollars per hour


def based_on(resource: Resource | None) -> str:
    """What a plan remembers of the state of a resource: when this differs, the plan is stale. Its
    update time is left out, for that moves by itself.
    """
    if resource is None:
        return ""
    return digest({**asdict(resource), "fence": resource.fence.version}, 16)


def seen_digest(kind: Kind, observed: Observed | None) -> str:
    """What a plan remembers of the live resource: its readable fields, not its status."""
    return digest(readable(kind, observed.spec), 16) if observed else ""


def moved_since(resource: Resource, observed: Observed) -> int | None:
    """The first version that is not ours, when somebody else made one since we last looked."""
    if resource.fence.version is None or observed.version is None:
        return None
    ours = resource.fence.version
    return ours + 1 if observed.version > ours else None


def decide(
    scene: Scene, address: Address, wish: Wish | None, observed: Observed | None
) -> Decision:
    """What to do about one address, and why that must not be done, if so.

    `observed` is None when the resource is gone, or was never there.
    """
    kind = KINDS[address.kind]
    resource = scene.state.resources.get(str(address))
    if wish is None:
        change = _unwanted(kind, address, resource, observed)
    elif resource is None or observed is None:
        change = _missing(kind, wish, resource)
    else:
        change = _existing(kind, wish, resource, observed, str(address) in scene.replace)
    change = replace(
        change,
        status=observed.status if observed else "",
        fence=Fence(observed.version, observed.updated_at) if observed else Fence(),
    )
    if change.action == "no-op":  # nothing will be done, so nothing need be held against it
        return change, []
    after = asdict(change.after) if change.after else None
    change = replace(
        change,
        based_on=based_on(resource),
        seen=seen_digest(kind, observed),
        protected=_protected(resource, wish),
        key=change_key(scene.state.lineage, scene.state.serial, str(address), change.action, after),
    )
    return change, refusals(scene, change)


def _protected(resource: Resource | None, wish: Wish | None) -> bool:
    """Protection that was applied holds until its end was applied; asked for, it holds at once."""
    asked = wish is not None and get_path(wish.spec, "lifecycle.preventDestroy") is True
    return asked or bool(resource and resource.protected)


def _unwanted(
    kind: Kind, address: Address, resource: Resource | None, observed: Observed | None
) -> Change:
    assert resource is not None, "only what is in state can be unwanted"
    if observed is None:
        return Change(
            str(address),
            "record",
            "it is gone already",
            id=resource.id,
            name=resource.name,
            cost_before=NOTHING,
            cost_after=NOTHING,
        )
    return Change(
        str(address),
        "delete",
        "it is in state, and not wanted any more",
        steps=kind.steps("delete", observed),
        id=resource.id,
        project=resource.project,
        name=resource.name,
        cost_before=_live_cost(kind, observed, current(kind, resource.applied, observed.spec)),
        cost_after=NOTHING,
    )


def _missing(kind: Kind, wish: Wish, resource: Resource | None) -> Change:
    found = difference(kind, wanted=wish.spec, applied=Applied({}), live=None)
    reason = "new in the manifests"
    if resource is not None:
        reason = f"{resource.id} is gone: 404, and not in the project's list"
    return Change(
        str(wish.address),
        "create",
        reason,
        steps=kind.steps("create", None),
        project=found.target["project"],
        name=found.target["name"],
        after=_after(wish, found.target),
        fields=_located(wish, found.fields),
        waits_for=tuple(map(str, wish.depends_on)),
        cost_before=NOTHING,
        cost_after=kind.hourly_cost(found.target),
    )


def _existing(
    kind: Kind, wish: Wish, resource: Resource, observed: Observed, asked: bool
) -> Change:
    applied = resource.applied
    since = moved_since(resource, observed)
    found = difference(
        kind,
        wanted=wish.spec,
        applied=applied,
        live=observed.spec,
        unproved=resource.pending is not None,
        unknown_since=since,
    )
    after = _after(wish, found.target)
    ours = _own_fields(applied, after)
    fields = _located(wish, found.fields + ours)
    remote = [f for f in fields if not f.local]
    action: Action = "no-op"
    reason = ""
    if asked:
        action, reason = "replace", "asked for with --replace"
    elif any(f.immutable for f in remote):
        names = ", ".join(f.path for f in remote if f.immutable)
        action, reason = "replace", f"{names} cannot change in place"
    elif remote:
        action, reason = "update", _why(remote)
    elif observed.health in ("failed", "ending", "stopped"):
        cause = f" ({observed.error})" if observed.error else ""
        action, reason = "restart", f"it is {observed.status}{cause} and should serve"
    elif resource.pending is not None:
        action, reason = "verify", "it was sent, and is not proved to serve"
    elif fields:
        action, reason = "record", "only our own records change"
    notes = []
    if since is not None and not remote:
        notes.append(f"version {since} was not made by us")
    if observed.version is None and observed.updated_at != resource.fence.updated_at:
        notes.append(
            "it was touched since we last looked, and its versions cannot be read: whether "
            "write-only fields changed is UNKNOWN"
        )
    return Change(
        str(wish.address),
        action,
        reason,
        steps=kind.steps(action, observed),
        id=resource.id,
        project=found.target["project"],
        name=found.target["name"],
        after=None if action == "no-op" else after,
        fields=() if action == "no-op" else fields,
        waits_for=tuple(map(str, wish.depends_on)),
        notes=tuple(notes),
        cost_before=_live_cost(kind, observed, found.before),
        cost_after=kind.hourly_cost(found.target),
    )


def _live_cost(kind: Kind, observed: Observed, spec: Spec) -> tuple[float, float] | None:
    return NOTHING if observed.health == "stopped" else kind.hourly_cost(spec)


def _why(fields: Sequence[FieldChange]) -> str:
    return ", ".join(dict.fromkeys(f.reason for f in fields))


def _after(wish: Wish, target: Spec) -> Applied:
    return Applied(target, dict(sorted(wish.labels.items())), sorted(map(str, wish.depends_on)))


def _own_fields(applied: Applied, after: Applied) -> tuple[FieldChange, ...]:
    """Differences in what only we keep beside the specification: labels and dependencies."""

    def change(path: str, old: object, new: object) -> FieldChange:
        return FieldChange(path, old, None, new, "changed in manifest", local=True)

    labels = [
        change(f"labels.{key}", applied.labels.get(key), after.labels.get(key))
        for key in {**applied.labels, **after.labels}
        if applied.labels.get(key) != after.labels.get(key)
    ]
    if applied.depends_on != after.depends_on:
        labels.append(change("dependsOn", applied.depends_on, after.depends_on))
    return tuple(labels)


def _located(wish: Wish, fields: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    """`fields` with the places of their wishes; what nobody wrote has none."""

    def place(field: FieldChange) -> str:
        if field.local or field.desired is None or wish.wrote(field.path):
            return str(wish.source(field.path))
        stated = get_path(wish.spec, field.path) is not None
        return KEPT if field.prior is not None and not stated else DEFAULT

    return tuple(replace(f, source=place(f)) for f in fields)


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
    changes, circle = in_order(_deletes_last(scene.state, [change for change, _ in decided]))
    return replace(
        blank,
        changes=tuple(changes),
        refusals=tuple(gone or found + in_a_circle(circle)),
        unsettled=tuple(f"{step} {address}" for address, step in sorted(scene.open.items())),
    )


def _deletes_last(state: State, changes: Sequence[Change]) -> list[Change]:
    """What depends on a resource goes before it; what it needs stays until it is gone."""
    dependents: dict[str, list[str]] = {}
    for address, resource in state.resources.items():
        for needed in resource.applied.depends_on:
            dependents.setdefault(needed, []).append(address)
    return [
        replace(change, waits_for=tuple(dependents.get(change.address, ())))
        if change.action == "delete"
        else change
        for change in changes
    ]
