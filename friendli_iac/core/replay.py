"""What a state and its journal come to: the one transition function of the state.

`replay(state, entries)` is what we know now, and tells which effects were begun and never closed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from friendli_iac.core.journal import LOST_KEPT, OVERRIDES_KEPT, RUNS_KEPT, Entry
from friendli_iac.core.keys import keys_of, left_behind
from friendli_iac.core.movers import note_movers
from friendli_iac.core.proved import failed, protect, restored, verified
from friendli_iac.core.routes import doubted, swapped
from friendli_iac.core.state import Applied, Fence, Lost, Resource, Run, State
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import IDEMPOTENCY_KEY
from friendli_iac.resources.base import NEW_VERSION, Address
from friendli_iac.resources.spec import Spec, get_path

HISTORY_KEPT = 20  # records for each resource
SENT = "sent"  # the outcome of a version while nothing is proved


@dataclass
class Known:
    """What is known after a replay: the state, and the effects that were begun and never closed.

    An open effect that is also in `sent` was accepted by the API: it may be looked for, never sent
    again.
    """

    state: State
    open: dict[tuple[str, str], Entry] = field(default_factory=dict)
    sent: set[tuple[str, str]] = field(default_factory=set)

    def to_commit(self) -> State:
        """The state with what is still open written into it: a commit ends the journal."""
        kept = []
        for effect, begun in self.open.items():
            kept.append(begun.to_json())
            if effect in self.sent:
                kept.append(Entry("sent", begun.time, key=begun.key, step=begun.step).to_json())
        return replace(self.state, open=kept)


def replay(state: State, entries: Iterable[Entry]) -> Known:
    """The state with the journal's entries applied in order. `state` itself is not changed."""
    journal = [*map(Entry.from_json, state.open), *entries]
    known = Known(copy.deepcopy(state) if journal else state)
    for entry in journal:
        apply_entry(known, entry)
    return known


def apply_entry(known: Known, entry: Entry) -> None:
    """Applies one entry, in place: the one transition function of the state."""
    state, effect = known.state, (entry.key, entry.step)
    resource = state.resources.get(entry.address)
    match entry.type:
        case "begin":
            known.open[effect] = entry
            known.sent.discard(effect)
        case "sent":
            known.sent.add(effect)
        case "absent" | "refused" if effect in known.open:
            begun = known.open.pop(effect)
            if entry.type == "absent" and begun.step == "create":
                _lose(state, begun)
        case "done" if effect in known.open:
            _done(known, known.open.pop(effect), entry)
        case "verified" if resource is not None:
            verified(resource, entry)
        case "failed" if resource is not None:
            replaces = resource.replaces
            failed(resource, entry)
            if replaces and resource.deposed and entry.stage == "kept":
                state.resources[entry.address] = restored(resource, resource.deposed)
        case "fence" if resource is not None:
            resource.fence = entry.fence
        case "routes" if resource is not None:
            resource.routes, resource.routes_at = entry.routes or {}, entry.version
            resource.fence = entry.fence if entry.fence.version is not None else resource.fence
        case "record" if resource is not None and entry.after is not None:
            before, resource.prior = resource.applied.spec, entry.after
            _swap(resource, entry.address, before)
            resource.records += 1
            resource.name = entry.name or resource.name
            _learn(resource)
            protect(resource, entry.after)
        case "pin" if resource is not None:
            resource.pin = entry.pin
        case "unpin" if resource is not None:
            resource.pin = None
            if resource.pending is not None:
                resource.trial = entry.trial or resource.trial
        case "adopt" if entry.after is not None and entry.id is not None:
            adopted = Resource(
                entry.id,
                entry.project,
                entry.name,
                entry.after,
                fence=entry.fence,
                unknown=entry.unknown or [],
                created=entry.created or entry.time,
                adopted=True,
            )
            protect(adopted, entry.after)
            state.resources[entry.address] = adopted
            state.forgotten_keys = left_behind(state, keys_of(resource))
            _close(known, entry.address)
        case "forget":
            state.resources.pop(entry.address, None)
            keys = [*keys_of(resource), *_begun_keys(known, entry.address)]
            state.forgotten_keys = left_behind(state, keys)
            state.lost = [lost for lost in state.lost if lost.address != entry.address]
            _close(known, entry.address)
        case "moved" if resource is not None:
            state.resources[entry.name] = state.resources.pop(entry.address)
            for other in state.resources.values():
                other.prior = _with_moved(other.prior, entry.address, entry.name)
                other.pending = _with_moved(other.pending, entry.address, entry.name)
            for moving, begun in known.open.items():
                if begun.address == entry.address:
                    known.open[moving] = replace(begun, address=entry.name)
        case "run":
            state.lost = [lost for lost in state.lost if entry.time - lost.time < LOST_KEPT]
            _run(state, entry)
        case "finished":
            state.runs.setdefault(entry.plan, Run()).finished.append(entry.key)
        case "complete":
            run = state.runs.setdefault(entry.plan, Run())
            run.complete, run.plan = True, None
        case _:  # about a resource that is no longer ours
            pass
    note_movers(state, entry.address, entry.time)


def _run(state: State, entry: Entry) -> None:
    run = state.runs.setdefault(entry.plan, Run())
    for id, past in state.runs.items():
        if id != entry.plan:  # what came after it may have taken back what it did
            past.plan = None
    if entry.approved:
        run.approved, run.plan = entry.approved["digest"], entry.approved
    for old in list(state.runs)[:-RUNS_KEPT]:
        del state.runs[old]
    if entry.override and all(one.plan != entry.plan for one in state.overrides):
        state.overrides = [*state.overrides, entry.override][-OVERRIDES_KEPT:]


def _with_moved(applied: Applied | None, old: str, new: str) -> Applied | None:
    if applied is None or old not in applied.depends_on:
        return applied
    spec, name = applied.spec, Address.parse(new).name
    if str(spec.get("deploys", "")) in (old, Address.parse(old).name):
        spec = {**spec, "deploys": name}
    depends_on = [new if a == old else a for a in applied.depends_on]
    return replace(applied, spec=spec, depends_on=depends_on)


def _close(known: Known, address: str) -> None:
    """A person decided what an interrupted effect came to."""
    for effect in [effect for effect, begun in known.open.items() if begun.address == address]:
        del known.open[effect]


def _begun_keys(known: Known, address: str) -> list[str]:
    """The keys of what interrupted creates may have made."""
    specs = [one.after.spec for one in known.open.values() if one.address == address and one.after]
    return [str(key) for spec in specs if (key := get_path(spec, IDEMPOTENCY_KEY))]


def _done(known: Known, begun: Entry, entry: Entry) -> None:
    """A step took place: what was sent becomes pending, what was deleted is forgotten."""
    resources = known.state.resources
    if begun.plan:
        run = known.state.runs.setdefault(begun.plan, Run())
        run.steps.setdefault(begun.key, []).append(begun.step)
    resource = resources.get(begun.address)
    if begun.step == "delete":
        if resource is not None and resource.deposed and resource.deposed.id == begun.id:
            resource.deposed = resource.deposed.deposed
        else:
            resources.pop(begun.address, None)
        return
    if begun.step == "create" and entry.id is not None:
        left = resource.deposed if resource else None  # it is not gone with what replaced it
        deposed = resource if begun.id is not None else left
        pin = begun.pin or (resource.pin if resource else None)
        resource = Resource(entry.id, begun.project, begun.name, created=begun.time, pin=pin)
        resource.deposed = deposed
        resources[begun.address] = resource
    if resource is None or begun.after is None:
        return
    ended = begun.step == "terminate" and begun.id == resource.id
    if ended and resource.pin and resource.pin.stage == "ending":
        resource.pin = replace(resource.pin, stage="ended")
    if begun.step in ("terminate", "sleep"):  # which sends no specification
        return
    if begun.step in NEW_VERSION:
        resource.before = resource.pending
    before = resource.applied.spec
    resource.pending, resource.trial = begun.after, begun.trial
    resource.name = begun.name
    resource.ours_before = resource.fence.version
    resource.fence = begun.fence
    if begun.step in NEW_VERSION and begun.fence.version is not None:
        resource.fence = Fence(begun.fence.version + 1)  # what comes next is ours
    if begun.step in ("create", *NEW_VERSION):  # the others make no version
        resource.key = begun.key
        _remember(resource, begun)
        resource.routes = doubted(resource.routes)
    _swap(resource, begun.address, before)
    _learn(resource)
    # Protection begins with the effect, not only when it serves.
    if get_path(begun.after.spec, "lifecycle.preventDestroy"):
        resource.protected = True


def _swap(resource: Resource, address: str, before: Spec) -> None:
    kind = KINDS[Address.parse(address).kind]
    resource.routes = swapped(kind, before, resource.applied.spec, resource.routes)


def _remember(resource: Resource, begun: Entry) -> None:
    assert begun.after is not None, "only what has a specification makes a version"
    resource.history.append(
        {
            "version": resource.fence.version,
            "spec": begun.after.spec,
            "asked": begun.after.asked,
            "time": begun.time,
            "by": begun.by,
            "commit": begun.commit,
            "key": begun.key,
            "outcome": SENT,
        }
    )
    del resource.history[:-HISTORY_KEPT]


def _learn(resource: Resource) -> None:
    """What was applied since has said all that the manifests have to say: from now on, another
    value is another wish.
    """
    resource.unknown = []


def _lose(state: State, begun: Entry) -> None:
    if state.listed_before(begun.project, begun.name) is None:
        listed = list(begun.listed or ())
        state.lost.append(Lost(begun.address, begun.project, begun.name, listed, begun.time))
