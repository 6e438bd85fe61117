"""Drift: what is live against what was applied, whatever the manifests say.

Replica counts, phases and the sleep that the autoscaler decides about are never drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from friendli_iac.core.diff import displayed, flatten, keep, readable
from friendli_iac.core.journal import Entry
from friendli_iac.core.moved import moved, without_artifact
from friendli_iac.core.pins import HOLDS_ALL
from friendli_iac.core.plan import Drift
from friendli_iac.core.replay import Known
from friendli_iac.core.state import Applied, Fence, Resource
from friendli_iac.core.strangers import Place, Stranger
from friendli_iac.errors import ApiError
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Action, Address, Kind, Observed
from friendli_iac.resources.spec import Spec, get_path, leaves, overlay


@dataclass(frozen=True)
class RouteDrift:
    """A route that does not answer though it is wanted, or answers though it is not."""

    route: str
    found: Literal["missing", "unexpected"]


@dataclass(frozen=True)
class Drifted:
    """One resource that is not as it was left.

    `fields` are readable fields whose live value is another one. `since` is the first version that
    is not ours, and `unknown` what we last sent of the write-only fields, by path. `action` is what
    would bring its life back to what was applied, and `why`; `may_sleep` says that nothing kept it
    from sleeping for long. `leftover` is the id of what a replacement has taken the place of, and
    `leftover_status` is empty when it is not listed. `sent`: what was sent last is not proved to
    serve. `missed`: what an automation should have done and did not, as a sentence.
    """

    address: str
    id: str
    name: str
    status: str = ""
    version: int | None = None
    gone: bool = False
    fields: tuple[Drift, ...] = ()
    since: int | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)
    action: Action | None = None
    why: str = ""
    may_sleep: bool = False
    leftover: str = ""
    leftover_status: str = ""
    sent: bool = False
    routes: tuple[RouteDrift, ...] = ()
    missed: str = ""

    @property
    def beyond_apply(self) -> bool:
        """Whether no apply changes anything about it: its routes, or what others did not do."""
        other = self.gone or self.fields or self.since is not None or self.action or self.leftover
        return not other


@dataclass(frozen=True)
class Acceptance:
    """How a resource is accepted as it is: the journal entries, and what that means in words.
    Without entries, the words say why it is not.
    """

    address: str
    entries: tuple[Entry, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class DriftReport:
    """What differs, of `checked` resources. `strangers` is None when nobody asked about them;
    `accepted` only says something where reality is to be accepted. `unread` is why W&B did not
    tell of `left_out` (addresses), or of what automations should have done.
    """

    api: str
    team: str
    serial: int
    narrowed: str
    checked: int
    found: tuple[Drifted, ...] = ()
    strangers: tuple[Stranger, ...] | None = None
    notes: tuple[str, ...] = ()
    accepted: tuple[Acceptance, ...] = ()
    prices: str = ""  # where the costs come from
    unread: ApiError | None = None
    left_out: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether there is anything to report."""
        return bool(self.found or self.strangers)


def drifted(
    address: str,
    resource: Resource,
    observed: Observed | None,
    listed: Mapping[Place, Mapping[str, Observed]],
) -> Drifted | None:
    """How one resource differs from what was applied; None when it does not. `observed` is None
    when it is gone; its version must have been read, where it is to be judged. `listed` has the
    projects, with that of a leftover.
    """
    kind = KINDS[Address.parse(address).kind]
    old, leftover, leftover_status = resource.deposed, "", ""
    if old is not None:
        there = listed.get((kind.name, old.project), {}).get(old.id)
        leftover, leftover_status = old.id, there.status if there else ""
    if observed is None:
        return Drifted(
            address,
            resource.id,
            resource.name,
            gone=True,
            leftover=leftover,
            leftover_status=leftover_status,
        )
    applied = resource.applied.spec
    others = moved(kind, resource, observed, applied)
    since = others.unknown_since if others else None
    action, why = _life(kind, resource, observed)
    found = Drifted(
        address,
        resource.id,
        observed.name or resource.name,
        observed.status,
        observed.version,
        fields=field_drift(kind, address, resource, observed),
        since=since,
        unknown={} if since is None else _write_only(kind, applied),
        action=action,
        why=why,
        may_sleep=observed.health in ("ending", "stopped") and _may_sleep(kind, applied),
        leftover=leftover,
        leftover_status=leftover_status,
        sent=resource.pending is not None,
    )
    return found if found.fields or since is not None or action or leftover else None


def field_drift(
    kind: Kind, address: str, resource: Resource, observed: Observed
) -> tuple[Drift, ...]:
    """The readable fields whose live value is not what was applied. What was sent and is not proved
    yet may not be in force: there, the values from before are no drift either. What we never sent
    is not ours to miss, and what `ignoreChanges` names is left alone.
    """
    applied = readable(kind, resource.applied.spec)
    live = readable(kind, observed.spec)
    before = readable(kind, resource.prior.spec) if resource.pending and resource.prior else {}
    ignored = get_path(resource.applied.spec, "lifecycle.ignoreChanges", [])
    known = leaves(kind.model)
    return tuple(
        Drift(address, path, displayed(known[path], value), displayed(known[path], live.get(path)))
        for path, value in applied.items()
        if not _same(value, live.get(path))
        and not (path in before and _same(before[path], live.get(path)))
        and not any(path == one or path.startswith(f"{one}.") for one in ignored)
    )


def changed_outside(
    known: Known, live: Mapping[str, Observed | None], *, full: bool
) -> tuple[Drift, ...]:
    """The readable fields that somebody else changed, of everything in `live`: of all of it
    (`full`), or where the update time or the version moved. What an interrupted apply left open is
    not judged.
    """
    open_now = {begun.address for begun in known.open.values()}
    found: list[Drift] = []
    for address in sorted(live):
        observed, resource = live[address], known.state.resources[address]
        if observed is None or address in open_now:
            continue
        if full or may_have_moved(resource, observed):
            found += field_drift(KINDS[Address.parse(address).kind], address, resource, observed)
    return tuple(found)


def may_have_moved(resource: Resource, observed: Observed) -> bool:
    """Whether the update time says that something happened since we last looked."""
    return observed.updated_at is None or observed.updated_at != resource.fence.updated_at


def presumed(kind: Kind, resource: Resource) -> Observed:
    """The resource as state has it, for a plan that reads nothing. Its status is empty."""
    applied = resource.applied.spec
    return Observed(
        id=resource.id,
        project=resource.project,
        name=resource.name,
        spec=keep(kind, applied, lambda leaf: not leaf.write_only and not leaf.local),
        status="",
        health="stopped" if kind.idle(applied) else "served",
        updated_at=resource.fence.updated_at,
        version=resource.fence.version,
        asleep=applied.get("desired") == "sleeping",
    )


def acceptance(
    found: Drifted, resource: Resource, observed: Observed | None, now: float
) -> Acceptance:
    """How reality becomes what was applied. `now` is in seconds since 1970. Nothing is sent, so
    nothing that bills is forgotten, and no life changes.
    """
    if found.gone and found.leftover:
        return _kept(found, f"{found.leftover} is left over from a replacement: apply ends it")
    if observed is None:
        entry = Entry("forget", now, address=found.address)
        return Acceptance(found.address, (entry,), ("it is forgotten, for it is gone",))
    if found.sent:
        return _kept(found, "what was sent last is not proved to serve: apply goes on with it")
    words = []
    if found.fields:
        words.append("what is live counts as applied")
    if found.unknown:
        words.append(
            "what we last sent of the write-only fields is dropped: the next plan sends what the "
            "manifest says of them"
        )
    if found.action:
        words.append(f"still to do, for a status is not accepted: {found.action}")
    if found.leftover:
        words.append(f"still to do: {found.leftover} is left over from a replacement")
    if not found.fields and found.since is None:
        return Acceptance(found.address, (), tuple(words))
    after = accepted(KINDS[Address.parse(found.address).kind], resource, observed)
    entries = [Entry("record", now, address=found.address, after=after, name=observed.name)]
    if observed.version is not None:  # without one, nobody could tell the next foreign version
        fence = Fence(observed.version, observed.updated_at)
        entries.append(Entry("fence", now, address=found.address, fence=fence))
    said = tuple(words) or ("its version counts as known",)
    return Acceptance(found.address, tuple(entries), said)


def accepted(kind: Kind, resource: Resource, observed: Observed) -> Applied:
    """What counts as applied once reality is accepted: the readable fields as they are live. Of a
    version that is not ours, no write-only value is known.
    """
    others = moved(kind, resource, observed, resource.applied.spec)
    applied = without_artifact(resource.applied) if others and others.by else resource.applied
    foreign = others is not None and not others.by
    ours = keep(kind, applied.spec, lambda leaf: leaf.local or (leaf.write_only and not foreign))
    spec = overlay(kind.model, observed.spec, ours)
    asked = {path: text for path, text in applied.asked.items() if get_path(spec, path) is not None}
    return Applied(spec, applied.labels, applied.depends_on, asked)


def _kept(found: Drifted, why: str) -> Acceptance:
    return Acceptance(found.address, (), (f"not accepted: {why}",))


def _life(kind: Kind, resource: Resource, observed: Observed) -> tuple[Action | None, str]:
    held = resource.pin is not None and resource.pin.stage in HOLDS_ALL
    if held or resource.pending is not None:  # the plan says what is to be done about it
        return None, ""
    return kind.life(resource.applied.spec, observed) or (None, "")


def _may_sleep(kind: Kind, applied: Spec) -> bool:
    """Whether it could have slept: as few as no replicas were wanted."""
    return kind.replicas(applied)[0] == 0


def _write_only(kind: Kind, spec: Spec) -> dict[str, Any]:
    return flatten(kind, keep(kind, spec, lambda leaf: leaf.write_only))


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other  # 1, 1.0 and true are told apart
