"""The plan: an ordered list of changes, as data. Everything is decided when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from friendli_iac.core.canonical import digest
from friendli_iac.core.diff import FieldChange
from friendli_iac.core.finding import Finding
from friendli_iac.core.preflight import Check
from friendli_iac.core.state import Applied, Fence, Pin, Trial, trial_from_json
from friendli_iac.errors import UsageError
from friendli_iac.resources.base import Action, Step

FORMAT_VERSION = "1.0"

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
    "verify": "nothing is sent",
    "no-op": "",
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

    @property
    def impact(self) -> str:
        """One line about what the change does to those who use the resource."""
        sent = [f for f in self.fields if not f.local]
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
    come from. `override` is why it may be applied though `findings` deny it.
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
        """Equal for two plans that do the same, whenever and wherever they were made."""
        return digest(
            [
                [c.address, c.action, list(c.steps), c.id, asdict(c.after) if c.after else None]
                for c in sorted(self.pending_changes, key=lambda c: c.address)
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """The plan file: self-contained, `format_version` first."""
        return {
            "format_version": FORMAT_VERSION,
            "digest": self.digest,
            "summary": summary(self),
            **asdict(replace(self, changes=())),
            "changes": [_change_as_json(change) for change in self.changes],
        }

    def to_file(self) -> dict[str, Any]:
        """`to_json` with a checksum over all of it."""
        document = self.to_json()
        return {**document, "checksum": digest(document)}

    @classmethod
    def from_file(cls, document: Mapping[str, Any]) -> Plan:
        """The plan in a plan file. UsageError when it is none, or is not as it was written."""
        again = "Make the plan again: friendli-iac plan --out FILE"
        fields = dict(document)
        version = str(fields.get("format_version", ""))
        if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
            raise UsageError(
                f"this is no plan file that this version knows (format_version {version!r})",
                safe="Nothing was sent.",
                next=again,
            )
        if fields.pop("checksum", None) != digest(fields):
            raise UsageError(
                "the plan file was changed after it was written",
                safe="Nothing was sent.",
                next=again,
            )
        try:
            for derived in ("format_version", "digest", "summary"):
                fields.pop(derived)
            fields["changes"] = tuple(_change(change) for change in fields["changes"])
            fields["refusals"] = tuple(Refusal(**refusal) for refusal in fields["refusals"])
            fields["drift"] = tuple(Drift(**drift) for drift in fields["drift"])
            fields["findings"] = tuple(Finding(**finding) for finding in fields["findings"])
            for key in ("notes", "unsettled"):
                fields[key] = tuple(fields[key])
            return cls(**fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"the plan file cannot be read: {error}", safe="Nothing was sent.", next=again
            ) from error


def _change_as_json(change: Change) -> dict[str, Any]:
    # Not dataclasses.asdict for all of it: that takes longer than everything else in a plan.
    return {
        **vars(change),
        "after": asdict(change.after) if change.after else None,
        "believes": asdict(change.believes) if change.believes else None,
        "fields": [asdict(field) for field in change.fields],
        "fence": vars(change.fence),
        "trial": asdict(change.trial) if change.trial else None,
        "pin": asdict(change.pin) if change.pin else None,
        "held": vars(change.held) if change.held else None,
        "checks": [vars(check) for check in change.checks],
        "impact": change.impact,
    }


def _change(document: Mapping[str, Any]) -> Change:
    fields = dict(document)
    fields.pop("impact")
    fields["after"] = Applied(**fields["after"]) if fields["after"] else None
    fields["fence"] = Fence(**fields["fence"])
    fields["fields"] = tuple(FieldChange(**change) for change in fields["fields"])
    fields["believes"] = Applied(**fields["believes"]) if fields["believes"] else None
    fields["tries"] = tuple((path, place) for path, place in fields["tries"])
    fields["trial"] = trial_from_json(fields["trial"]) if fields["trial"] else None
    fields["pin"] = Pin.from_json(fields["pin"]) if fields["pin"] else None
    if held := fields["held"]:
        fields["held"] = Hold(**{**held, "places": tuple(held["places"])})
    fields["checks"] = tuple(Check(**check) for check in fields["checks"])
    for key in ("steps", "waits_for", "behind", "notes", "cost_before", "cost_after"):
        fields[key] = tuple(fields[key]) if fields[key] is not None else None
    return Change(**fields)


def summary(plan: Plan) -> dict[str, int]:
    """How many changes of each action, no-ops included."""
    counts: dict[str, int] = {}
    for change in plan.changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    return counts


def change_key(lineage: str, serial: int, address: str, action: Action, after: object) -> str:
    """The change key: the same wish on the same state has the same key, and no other has it."""
    return digest([lineage, serial, address, action, after], 20)
