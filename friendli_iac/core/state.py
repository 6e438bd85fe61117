"""What we applied and what we began: the state, the entries of its journal, and `replay`.

The state is the last committed truth. The journal holds what happened since: an entry is written
before each effect and after it. `replay(state, entries)` is what we know now, and tells which
effects were begun and never closed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from friendli_iac.errors import StateError
from friendli_iac.resources.spec import Spec, get_path

STATE_VERSION = 1
HISTORY_KEPT = 20  # versions for each resource
RUNS_KEPT = 20  # plans that were begun


@dataclass(frozen=True)
class Applied:
    """What was sent for a resource: the whole specification, and what only we keep."""

    spec: Spec
    labels: dict[str, str] = field(default_factory=dict)
    depends_on: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fence:
    """The newest version and update time when we last looked: if they moved, somebody was here."""

    version: int | None = None
    updated_at: str | None = None


@dataclass
class Resource:
    """One resource that is ours.

    `prior` was proved to serve; `pending` was sent and is not proved yet. `protected` outlives the
    manifest: it bars delete and replace until `preventDestroy: false` has been applied.
    `history` lists the versions that we made, oldest first:
    `{version, spec, time, by, key, outcome}`.
    """

    id: str
    project: str
    name: str
    prior: Applied | None = None
    pending: Applied | None = None
    fence: Fence = Fence()
    protected: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def applied(self) -> Applied:
        """What was sent last, proved or not."""
        return self.pending or self.prior or Applied({})


@dataclass
class Run:
    """How far a plan came: `steps` done and `finished` changes, by change key."""

    steps: dict[str, list[str]] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    complete: bool = False


@dataclass
class State:
    """Everything that is kept. `api` and `team` say where the resources live."""

    lineage: str
    serial: int = 0
    write_id: str = ""
    tool_version: str = ""
    api: str = ""
    team: str = ""
    resources: dict[str, Resource] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    open: list[dict[str, Any]] = field(default_factory=list)  # effects that a commit left open

    def to_json(self) -> dict[str, Any]:
        """The document that backends store."""
        return {"state_version": STATE_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> State:
        """The state in a stored document. StateError when a newer version wrote it, or nobody."""
        found = document.get("state_version")
        if found != STATE_VERSION:
            raise StateError(
                f"the state has version {found!r}, and this program knows version {STATE_VERSION}",
                safe="The state was not touched.",
                next="Use the version of friendli-iac that wrote it, or a newer one.",
            )
        try:
            fields = {key: value for key, value in document.items() if key != "state_version"}
            fields["resources"] = {
                address: _resource(value) for address, value in fields["resources"].items()
            }
            fields["runs"] = {id: Run(**value) for id, value in fields["runs"].items()}
            return cls(**fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise StateError(
                f"the state cannot be read: {error}",
                safe="The state was not touched.",
                next="Restore a backup: they lie beside the state file.",
            ) from error


def _resource(value: Mapping[str, Any]) -> Resource:
    fields = dict(value)
    fields["fence"] = Fence(**fields["fence"])
    for key in ("prior", "pending"):
        fields[key] = Applied(**fields[key]) if fields[key] else None
    return Resource(**fields)


# --- the journal -------------------------------------------------------------------------------

EntryType = Literal[
    "begin",  # an effect is about to be sent
    "sent",  # the API answered that it accepted it
    "done",  # the effect took place: for a create, the id is known
    "absent",  # the effect was looked for and did not take place
    "refused",  # the API said no
    "verified",  # what was sent is proved to serve (`outcome`: good or unverified)
    "failed",  # what was sent does not serve
    "record",  # only our own knowledge changes
    "adopt",  # an existing resource becomes ours
    "forget",  # a resource is no longer ours, or is gone
    "moved",  # a resource has another address
    "run",  # a plan was begun
    "finished",  # a change of a plan needs nothing more
    "complete",  # every change of a plan is finished
]


@dataclass(frozen=True)
class Entry:
    """One line of the journal. Which of the fields are set depends on the type:

    - `begin`: key, step, address, id, project, name, after, fence, time, by, and for a create
      `listed` (the ids that were in the project just before)
    - `sent`, `done`, `absent`, `refused`: key, step, and what is known of id and time
    - `verified`, `failed`: address, key, fence, outcome, detail, by
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
            return cls(**fields)
        except TypeError as error:
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
        case "absent" | "refused":
            known.open.pop(effect, None)
        case "done" if effect in known.open:
            _done(known, known.open.pop(effect), entry)
        case "verified" if resource is not None:
            _verified(resource, entry)
        case "failed" if resource is not None:
            _failed(resource, entry)
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
            _close(known, entry.address)
        case "moved" if resource is not None:
            state.resources[entry.name] = state.resources.pop(entry.address)
        case "run":
            state.runs.setdefault(entry.plan, Run())
            for old in list(state.runs)[:-RUNS_KEPT]:
                del state.runs[old]
        case "finished":
            state.runs.setdefault(entry.plan, Run()).finished.append(entry.key)
        case "complete":
            state.runs.setdefault(entry.plan, Run()).complete = True
        case _:  # about a resource that is no longer ours
            pass


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
    resource.fence = begun.fence  # as it was just before: what comes next is ours
    # Protection begins with the effect, not only when it serves.
    if get_path(begun.after.spec, "lifecycle.preventDestroy"):
        resource.protected = True


def _verified(resource: Resource, entry: Entry) -> None:
    if resource.pending is None:
        resource.fence = entry.fence
        return
    resource.prior, resource.pending = resource.pending, None
    _remember(resource, entry, resource.prior.spec)
    _protect(resource, resource.prior)


def _failed(resource: Resource, entry: Entry) -> None:
    if resource.pending is not None:
        _remember(resource, entry, resource.pending.spec)
    # With an older version still there, what was sent is not in force. A first version that
    # failed stays pending: the resource exists, and what it was made with is worth knowing.
    if resource.prior is not None:
        resource.pending = None


def _remember(resource: Resource, entry: Entry, spec: Spec) -> None:
    resource.fence = entry.fence
    resource.history.append(
        {
            "version": entry.fence.version,
            "spec": spec,
            "time": entry.time,
            "by": entry.by,
            "key": entry.key,
            "outcome": entry.outcome,
        }
    )
    del resource.history[:-HISTORY_KEPT]


def _protect(resource: Resource, applied: Applied) -> None:
    wanted = get_path(applied.spec, "lifecycle.preventDestroy")
    if wanted is not None:
        resource.protected = bool(wanted)
