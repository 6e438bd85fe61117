"""The plan: an ordered list of changes, as data. Everything is decided when it is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from friendli_iac.core.canonical import canonical_json, digest
from friendli_iac.core.diff import FieldChange
from friendli_iac.core.finding import Finding
from friendli_iac.core.preflight import Check
from friendli_iac.core.state import Applied, Fence, Pin, Trial
from friendli_iac.resources import KINDS
from friendli_iac.resources.advice import Manual
from friendli_iac.resources.artifact import KEY_PREFIX
from friendli_iac.resources.base import Action, Address, Step

# What an action does to the people who call the resource.
IMPACT: dict[Action, str] = {
    "record": "in place, no request",
    "create": "new id",
    "update": "same id; a new version, with a cold start",
    "replace": "the id changes: clients break until they use the new one",
    "delete": "clients that call it get 404; the id is lost",
    "restart": "same id; a cold start",
    "wake": "same id; a cold start, then it bills",
    "sleep": "same id; nothing bills, and the next request wakes it",
    "terminate": "same id; it stops serving and billing until it is restarted",
    "verify": "nothing is changed",
    "no-op": "",
}
# The same, of what nobody calls by its id.
UNSERVED: dict[Action, str] = {
    "create": "new",
    "update": "in place",
    "replace": "it ends, and is made anew",
    "delete": "it ends",
}


@dataclass(frozen=True)
class Hold:
    """What is held off, by path with the value that failed, and its story."""

    values: dict[str, Any]
    story: str
    version: int | None = None
    places: tuple[str, ...] = ()  # where the manifest says it, such as `chat.yaml:7`
    asked: dict[str, str] = field(default_factory=dict)  # as in `Applied`
    whole: bool = False  # nothing at all is sent for it
    behind: str = ""  # what is held off itself, and comes before it


@dataclass(frozen=True)
class Change:
    """One resource and what will be done about it.

    `after` is the whole specification that will be sent (or recorded), `fields` is what differs.
    `seen` is the digest of the readable fields and `fence` the version at planning: the executor
    refuses when either has moved. `waits_for` are addresses whose changes come first.
    `key` names this very wish in the journal, the version comment and the request.

    `trial` is what is tried out: it is pinned when it fails. `pin` is one to set before anything is
    sent (a rollback), `unpins` says that there is one to lift, `held` what a pin holds off.
    `wave` and `waits_for` say what comes first, and `behind` who tries first what is common to all.
    """

    address: str
    action: Action
    reason: str
    key: str = ""
    steps: tuple[Step, ...] = ()
    id: str | None = None
    project: str = ""
    name: str = ""
    after: Applied | None = None
    fields: tuple[FieldChange, ...] = ()
    fence: Fence = Fence()
    seen: str = ""
    status: str = ""
    waits_for: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    protected: bool = False
    based_on: str = ""  # digest of what state held for this address
    cost_before: tuple[float, float] | None = None  # dollars per hour, fewest and most replicas
    cost_after: tuple[float, float] | None = None
    surge: float | None = 0.0  # dollars per hour more, at most, while it is rolled out
    trial: Trial | None = None
    pin: Pin | None = None
    unpins: bool = False
    held: Hold | None = None
    wave: int = 1
    behind: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    expires: str = ""  # when it is to be terminated, in words
    believes: Applied | None = None  # what was in force before, now that the manifest says it
    leftover: bool = False  # it only ends what a replacement has left
    tries: tuple[tuple[str, str], ...] = ()  # paths on trial, and where the manifests say them
    asleep: bool = False
    overdue: bool = False  # it has expired, and may end
    restorable: bool = True  # whether what was before can be sent again
    manual: tuple[Manual, ...] = ()  # what a person must do beside it
    beware: tuple[str, ...] = ()  # warnings of the kind itself

    @property
    def impact(self) -> str:
        """One line about what the change does to those who use the resource."""
        sent = [f for f in self.fields if not f.local]
        if not KINDS[Address.parse(self.address).kind].serves:
            return UNSERVED.get(self.action, IMPACT[self.action])
        if self.leftover:
            return "what serves stays as it is; the other one is not called by anybody"
        if self.action == "update" and sent and all(f.path == "name" for f in sent):
            return "same id; the name changes"
        return IMPACT[self.action]

    @property
    def takes_a_name(self) -> bool:
        """Whether afterwards a name is in use that was not before."""
        renamed = any(f.path == "name" for f in self.fields)
        anew = self.action == "create" or (self.action == "replace" and not self.leftover)
        return anew or renamed

    @property
    def deposes(self) -> bool:
        """Whether something new is created while what it replaces still serves."""
        return self.action == "replace" and self.steps[:1] == ("create",)

    @property
    def destructive(self) -> bool:
        """Whether something that clients call ends."""
        return self.action in ("delete", "replace") and not self.leftover

    def digest(self, lineage: str) -> str:
        """Equal for two changes that do the same to the same thing as a reviewer saw it. When and
        from which state it was planned is not in it, nor what moves by itself: a status, an update
        time, whether it sleeps (what `after` says of that is brought about either way), and what
        is on its way where nothing is sent. What makes no version and keeps the id could be done
        once more by the same approval, so that what state held counts for it. Keys that are made
        from the `lineage` of the plan are the same in every plan of a project without a state.
        """
        steps = [s for s in self.steps if s == self.action or s not in ("sleep", "wake")]
        pin = [self.pin.bad, self.pin.good, self.pin.stage] if self.pin else None
        moves = self.action in ("create", "update", "replace", "delete", "verify")
        return _without_lineage(
            lineage,
            [
                [self.address, self.action, steps, self.id, self.leftover, self.unpins, pin],
                vars(self.after) if self.after else None,
                [[f.path, f.prior, f.live, f.desired, f.unknown] for f in self.fields],
                [self.fence.version, self.seen] if self.steps else [],
                "" if moves and not self.leftover else self.based_on,
            ],
        )


@dataclass(frozen=True)
class Drift:
    """One field that somebody else changed: what was applied, and what is live."""

    address: str
    path: str
    applied: Any
    live: Any


@dataclass(frozen=True)
class Refusal:
    """Why a plan must not be applied as it is, and the way out."""

    address: str
    message: str
    next: str


@dataclass(frozen=True)
class Plan:
    """What to do, in order. `listed` are the ids that each project held when the plan was made.

    `project`, `environment` and `commit` say whose it is and what it was made from; `created` and
    `expires` are times as RFC 3339 has them, in UTC (empty: never). `prices` says where the costs
    come from, and `gpu_hour` has dollars by GPU. `override` is why it may be applied though
    `findings` deny it.
    """

    plan_id: str
    lineage: str
    serial: int
    api: str
    team: str
    tool_version: str
    manifest: str  # digest of what the whole project wants; "" when it was not read (-f, destroy)
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()  # effects that an interrupted apply left open: `create ADDR`
    listed: Mapping[str, list[str]] = field(default_factory=dict)
    narrowed: str = ""  # what was asked for, when it is not the whole project
    drift: tuple[Drift, ...] = ()
    project: str = ""
    environment: str = ""
    commit: str = ""
    created: str = ""
    expires: str = ""
    prices: str = ""
    gpu_hour: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    override: str = ""

    @property
    def denied(self) -> bool:
        """Whether a rule keeps it from being applied."""
        return not self.override and any(finding.denies for finding in self.findings)

    @property
    def pending_changes(self) -> tuple[Change, ...]:
        """The changes that are not no-op."""
        return tuple(change for change in self.changes if change.action != "no-op")

    @property
    def digest(self) -> str:
        """Equal for two plans that do the same to the same things, whenever and wherever they were
        made: what a reviewer approves. What is left as it is does not count.
        """
        changes = sorted((c.address, c.digest(self.lineage)) for c in self.pending_changes)
        return digest([self.environment, self.api, self.team, changes])


def _without_lineage(lineage: str, content: object) -> str:
    """The digest of `content` with the same lineage, in keys for W&B's route, for all plans."""
    text, mark = canonical_json(content), f"{KEY_PREFIX}/{lineage}/"
    return digest(json.loads(text.replace(mark, f"{KEY_PREFIX}/-/")) if mark in text else content)


def summary(plan: Plan) -> dict[str, int]:
    """How many changes of each action, no-ops included."""
    counts: dict[str, int] = {}
    for change in plan.changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    return counts


def change_key(lineage: str, serial: int, address: str, action: Action, after: object) -> str:
    """The change key: the same wish on the same state has the same key, and no other has it."""
    return digest([lineage, serial, address, action, after], 20)
