"""`decide` for one resource and `assemble` for all of them: what is wanted against what is there.

Pure: the engine reads, the planner decides, the executor obeys. Plan, destroy and import are the
same two functions with other wishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from friendli_iac.core.canonical import digest
from friendli_iac.core.diff import DEFAULT, FieldChange, current, difference, readable
from friendli_iac.core.plan import Change, Plan, Refusal, change_key, in_order
from friendli_iac.core.state import Applied, Fence, Resource, State
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Action, Address, Kind, Observed
from friendli_iac.resources.spec import Spec, get_path

NOTHING = (0.0, 0.0)  # dollars per hour

Decision = tuple[Change, list[Refusal]]


class Wish(Protocol):
    """What a manifest wants of one resource."""

    @property
    def address(self) -> Address: ...
    @property
    def spec(self) -> Spec: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def depends_on(self) -> tuple[Address, ...]: ...
    def source(self, path: str = "") -> object: ...


@dataclass(frozen=True)
class Scene:
    """What all decisions of one plan share.

    `strangers` are resources in our projects that are not in our state, read where a name matters.
    `replace` are the addresses that the user wants made anew.
    """

    state: State
    strangers: Sequence[Observed] = ()
    replace: frozenset[str] = frozenset()
    open: Mapping[str, str] = field(default_factory=dict)  # address -> step that was interrupted


def based_on(resource: Resource | None) -> str:
    """What a plan remembers of the state of a resource: when this differs, the plan is stale."""
    return digest(asdict(resource), 16) if resource else ""


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
    if str(address) in scene.open:
        note = f"an interrupted apply left {scene.open[str(address)]} open: settled before applying"
        change = replace(change, notes=(*change.notes, note))
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
        protected=bool(resource and resource.protected),
        key=change_key(scene.state.lineage, scene.state.serial, str(address), change.action, after),
    )
    return change, _refusals(scene, change)


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
        cost_before=_live_cost(
            kind, observed, current(kind, resource.applied, observed.spec, unproved=False)
        ),
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
        fields=_located(kind, wish, found.fields),
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
    fields = _located(kind, wish, found.fields + ours)
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
    elif observed.health in ("failed", "stopped"):
        cause = f" ({observed.error})" if observed.error else ""
        action, reason = "restart", f"it is {observed.status}{cause} and should serve"
    elif resource.pending is not None:
        action, reason = "verify", "it was sent, and is not proved to serve"
    elif fields:
        action, reason = "record", "only our own records change"
    notes = []
    if since is not None and not remote:
        notes.append(f"version {since} was not made by us")
    cost_before = _live_cost(kind, observed, found.before)
    if action == "replace":
        found = difference(kind, wanted=wish.spec, applied=Applied({}), live=None)
        after = _after(wish, found.target)
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
        cost_before=cost_before,
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


def _located(kind: Kind, wish: Wish, fields: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    """`fields` with the places of their wishes; a default of ours has none."""
    always = kind.desired(wish.address, {})

    def place(field: FieldChange) -> str:
        asked = get_path(wish.spec, field.path)
        ours = asked == get_path(always, field.path)  # both None: `complete` put it in
        if ours and field.desired is not None and not field.local:
            return DEFAULT
        return str(wish.source(field.path))

    return tuple(replace(f, source=place(f)) for f in fields)


def _refusals(scene: Scene, change: Change) -> list[Refusal]:
    found = []
    if change.destructive and change.protected:
        found.append(
            Refusal(
                change.address,
                f"it is protected (preventDestroy), and this plan would {change.action} it",
                "Apply `lifecycle: {preventDestroy: false}` for it first, then try again.",
            )
        )
    if change.after is not None and change.steps:
        kind = KINDS[Address.parse(change.address).kind]
        found += [
            Refusal(change.address, conflict, "Say both in the manifest, so that they agree.")
            for conflict in kind.conflicts(change.after.spec)
        ]
    # A twin of a create that is open is most likely its own: settling finds out, before applying.
    if change.takes_a_name and scene.open.get(change.address) != "create":
        twins = [
            other
            for other in scene.strangers
            if (other.project, other.name) == (change.project, change.name)
        ]
        if twins:
            ids = ", ".join(f"{twin.id} ({twin.status})" for twin in twins)
            imports = " or ".join(
                f"friendli-iac import {change.address} {twin.id}" for twin in twins
            )
            found.append(
                Refusal(
                    change.address,
                    f"an endpoint called {change.name!r} is in project {change.project} already, "
                    f"and it is not ours: {ids}",
                    f"Adopt it with {imports}, or choose another spec.name. It was not touched.",
                )
            )
    return found


def all_gone(state: State, observed: Mapping[str, Observed | None]) -> Refusal | None:
    """The refusal when everything that was looked for is gone at once: more likely the wrong token,
    team or address than that somebody deleted it all.
    """
    looked_for = sorted(a for a in observed if a in state.resources)
    if not looked_for or any(observed[a] is not None for a in looked_for):
        return None
    return Refusal(
        looked_for[0],
        "everything in state is gone at once: " + ", ".join(looked_for),
        "Check token and team with friendli-iac doctor. If it was really deleted elsewhere: "
        "friendli-iac state forget " + " ".join(looked_for),
    )


def assemble(
    scene: Scene,
    decisions: Iterable[Decision],
    *,
    observed: Mapping[str, Observed | None],
    identity: Plan,
) -> Plan:
    """All decisions as one plan, in order. `identity` is a plan without changes."""
    decided = list(decisions)
    refusals = [refusal for _, found in decided for refusal in found]
    gone = all_gone(scene.state, observed)
    changes = in_order(_deletes_last(scene.state, [change for change, _ in decided]))
    return replace(
        identity,
        changes=tuple(changes),
        refusals=tuple([gone] if gone else refusals),
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
