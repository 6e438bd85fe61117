"""The journal: what happened since the state was committed, and `replay`.

An entry is written before each effect and after it. `replay(state, entries)` is what we know now,
and tells which effects were begun and never closed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from friendli_iac.core.state import Applied, Fence, Lost, Resource, Run, State
from friendli_iac.errors import StateError
from friendli_iac.resources.spec import Spec, get_path

HISTORY_KEPT = 20  # records for each resource
RUNS_KEPT = 100  # plans that were begun
LOST_KEPT = 3600.0  # seconds for which a create without an answer may still take place
NOT_APPLIED = "not applied"  # the outcome where the version from before serves on

EntryType = Literal[
    "begin",  # an effect is about to be sent
    "sent",  # the API answered that it accepted it
    "done",  # the effect took place: for a create, the id is known
    "absent",  # the effect was looked for and did not take place
    "refused",  # the API said no
    "verified",  # what was sent is proved to serve (`outcome`: good or unverified)
    "failed",  # what was sent does not serve (`outcome`: failed or not applied)
    "fence",  # the newest version was looked at, and it is ours
    "record",  # only our own knowledge changes
    "adopt",  # an existing resource becomes ours
    "forget",  # a resource is no longer ours, or is gone
    "moved",  # a resource has another address
    "run",  # a plan was begun
    "finished",  # a change of a plan needs nothing more
    "complete",  # every change of a plan is finished
]


_TYPES = frozenset(get_args(EntryType))


@dataclass(frozen=True)
class Entry:
    """One line of the journal. Which of the fields are set depends on the type:

    - `begin`: key, step, address, id, project, name, after, fence, time, by, and just before
      it, for a create `listed` (the ids in the project), else `seen` (digest of what was readable)
    - `sent`, `done`, `absent`, `refused`: key, step, and what is known of id and time
    - `verified`, `failed`: address, fence, outcome, detail, by
    - `record`, `adopt`: address, after, and for `adopt` id, project, name, fence
    - `forget`, `moved`: address (`name` is the new address of a move)
    - `run`, `finished`, `complete`: plan, and key for `finished`
    """

    type: EntryType
    time: float
    address: str = ""
    key: str = ""
    step: str = ""
    plan: str = ""
    id: str | None = None
    project: str = ""
    name: str = ""
    after: Applied | None = None
    fence: Fence = Fence()
    seen: str = ""
    listed: list[str] | None = None
    outcome: str = ""
    detail: str = ""
    by: str = ""

    def to_json(self) -> dict[str, Any]:
        """What differs from an empty entry, as one JSON object."""
        full = asdict(self)
        blank = asdict(Entry(type=self.type, time=0))
        return {
            key: value
            for key, value in full.items()
            if key in ("type", "time") or value != blank[key]
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Entry:
        """The entry of one line. StateError when it is none that this version knows."""
        try:
            fields = dict(document)
            if fields.get("after"):
                fields["after"] = Applied(**fields["after"])
            if "fence" in fields:
                fields["fence"] = Fence(**fields["fence"])
            if fields["type"] not in _TYPES:
                raise TypeError(f"type {fields['type']!r}")
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(
                f"the journal has an entry that this version does not know: {error}",
                safe="Neither the state nor the journal was touched.",
                next="Use the version of friendli-iac that wrote it, or a newer one.",
            ) from error


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
            _verified(resource, entry)
        case "failed" if resource is not None:
            _failed(resource, entry)
        case "fence" if resource is not None:
            resource.fence = entry.fence
        case "record" if resource is not None and entry.after is not None:
            resource.prior = entry.after
            _protect(resource, entry.after)
        case "adopt" if entry.after is not None and entry.id is not None:
            adopted = Resource(entry.id, entry.project, entry.name, entry.after, fence=entry.fence)
            _protect(adopted, entry.after)
            state.resources[entry.address] = adopted
            _close(known, entry.address)
        case "forget":
            state.resources.pop(entry.address, None)
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
            state.runs.setdefault(entry.plan, Run())
            for old in list(state.runs)[:-RUNS_KEPT]:
                del state.runs[old]
        case "finished":
            state.runs.setdefault(entry.plan, Run()).finished.append(entry.key)
        case "complete":
            state.runs.setdefault(entry.plan, Run()).complete = True
        case _:  # about a resource that is no longer ours
            pass


def _with_moved(applied: Applied | None, old: str, new: str) -> Applied | None:
    if applied is None or old not in applied.depends_on:
        return applied
    return replace(applied, depends_on=[new if a == old else a for a in applied.depends_on])


def _close(known: Known, address: str) -> None:
    """A person decided what an interrupted effect came to."""
    for effect in [effect for effect, begun in known.open.items() if begun.address == address]:
        del known.open[effect]


def _done(known: Known, begun: Entry, entry: Entry) -> None:
    """A step took place: what was sent becomes pending, what was deleted is forgotten."""
    resources = known.state.resources
    if begun.plan:
        run = known.state.runs.setdefault(begun.plan, Run())
        run.steps.setdefault(begun.key, []).append(begun.step)
    if begun.step == "delete":
        resources.pop(begun.address, None)
        return
    if begun.step == "create" and entry.id is not None:
        resources[begun.address] = Resource(entry.id, begun.project, begun.name)
    resource = resources.get(begun.address)
    if resource is None or begun.after is None or begun.step == "terminate":
        return
    resource.pending = begun.after
    resource.name = begun.name
    if begun.step != "restart":  # which makes no version
        resource.key = begun.key
    resource.fence = begun.fence
    if begun.step == "update" and begun.fence.version is not None:
        resource.fence = Fence(begun.fence.version + 1)  # what comes next is ours
    # Protection begins with the effect, not only when it serves.
    if get_path(begun.after.spec, "lifecycle.preventDestroy"):
        resource.protected = True


def _verified(resource: Resource, entry: Entry) -> None:
    if resource.pending is None:
        return
    resource.prior, resource.pending = resource.pending, None
    _remember(resource, entry, resource.prior.spec)
    _protect(resource, resource.prior)


def _failed(resource: Resource, entry: Entry) -> None:
    if resource.pending is not None:
        _remember(resource, entry, resource.pending.spec)
    # Where the service kept the version before, what was sent is not in force. Where it runs
    # nothing now, what was sent is what a restart would start: it stays pending.
    if entry.outcome == NOT_APPLIED:
        resource.pending = None


def _lose(state: State, begun: Entry) -> None:
    if state.listed_before(begun.project, begun.name) is None:
        listed = list(begun.listed or ())
        state.lost.append(Lost(begun.address, begun.project, begun.name, listed, begun.time))


def _remember(resource: Resource, entry: Entry, spec: Spec) -> None:
    resource.fence = entry.fence
    resource.history.append(
        {
            "version": entry.fence.version,
            "spec": spec,
            "time": entry.time,
            "by": entry.by,
            "key": resource.key,
            "outcome": entry.outcome,
        }
    )
    del resource.history[:-HISTORY_KEPT]


def _protect(resource: Resource, applied: Applied) -> None:
    wanted = get_path(applied.spec, "lifecycle.preventDestroy")
    if wanted is not None:
        resource.protected = bool(wanted)
