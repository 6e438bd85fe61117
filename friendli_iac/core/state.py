"""The state: what we applied, and what we are not sure of yet. Committed as one document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from friendli_iac.core.canonical import plain
from friendli_iac.errors import StateError
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Seen
from friendli_iac.resources.spec import Spec

STATE_VERSION = 1


@dataclass(frozen=True)
class Applied:
    """What was sent for a resource: the whole specification, and what only we keep. `asked` has,
    by path, what the manifest said where the plan locked it to something exact: `main`, and the
    specification has the commit.
    """

    spec: Spec
    labels: dict[str, str] = field(default_factory=dict)
    depends_on: list[str] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fence:
    """The newest version that we know of as ours, and its update time: a higher one was made by
    somebody else. None: not known.
    """

    version: int | None = None
    updated_at: str | None = None


Stage = Literal[
    "kept",  # the service kept the version from before: nothing was sent
    "owed",  # the good settings are to be sent, or were sent and are not proved yet
    "rolled back",  # the good settings serve again
    "halted",  # what failed was left as it is
    "ending",  # what failed is to be terminated
    "ended",  # what failed was terminated
    "stuck",  # the good settings do not serve either: a person must look
]


@dataclass(frozen=True)
class Trial:
    """What a change tries out: the values that the manifest said, and those from before. Both by
    path; what is not there is left out. `asked` is as in `Applied`. `in_vain`: it is sent onto what
    others rolled out, who are meant to, and what does not serve: if it fails, that is why.
    """

    bad: dict[str, Any]
    good: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    earlier: Pin | None = None  # what is held off meanwhile
    in_vain: bool = False


@dataclass(frozen=True)
class Pin:
    """Values that failed, and are not to be sent again until the manifest says others. Those that
    failed `earlier` are lifted for themselves.

    `loose`: a path that the manifest leaves out does not lift it. `story` is for people. `over`:
    somebody else had made the version before, and what that had is not known.
    """

    bad: dict[str, Any]
    good: dict[str, Any]
    stage: Stage
    story: str
    version: int | None = None
    key: str = ""
    time: float = 0.0
    by: str = ""
    asked: dict[str, str] = field(default_factory=dict)
    loose: bool = False
    over: bool = False
    earlier: Pin | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Pin:
        """The pin in a stored document."""
        earlier = value.get("earlier")
        return cls(**{**value, "earlier": cls.from_json(earlier) if earlier else None})


def trial_from_json(value: Mapping[str, Any]) -> Trial:
    """The trial in a stored document."""
    earlier = value.get("earlier")
    return Trial(**{**value, "earlier": Pin.from_json(earlier) if earlier else None})


@dataclass
class Resource:
    """One resource that is ours.

    `prior` was proved to serve; `pending` was sent and is not proved yet, and `trial` is what it
    tries out. `key` is the change key in the comment of the newest version that is ours.
    `protected` outlives the manifest: it bars delete, replace and terminate until `preventDestroy:
    false` has been applied. `pin` holds values off that failed. `unknown` are paths of write-only
    fields of which an adoption learnt nothing: what the manifest says of them first is believed.
    `ours_before` is the newest version that was ours when `pending` was sent: if that is dropped,
    what somebody else made after it is in force again; and so is `before`, which was pending then.
    `records` counts how often only our own knowledge of it changed: nothing else tells one such
    change from an earlier one. `created` is in seconds since 1970; `adopted`: somebody else made
    it. `deposed` is what a replacement has taken the place of, and has not ended yet.
    `routes` is what was last seen of what requests call beside its id, and `routes_at` the version
    that it was seen of. `history`
    lists the versions that we made, oldest first: `{version, spec, asked, time, by, commit, key,
    outcome}`. `mover_ended` is when the automation ended that rolled its versions out, in seconds
    since 1970; 0 without one, and once an artifact of ours was proved again.
    """

    id: str
    project: str
    name: str
    prior: Applied | None = None
    pending: Applied | None = None
    fence: Fence = Fence()
    protected: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)
    key: str = ""
    trial: Trial | None = None
    pin: Pin | None = None
    unknown: list[str] = field(default_factory=list)
    created: float = 0.0
    adopted: bool = False
    deposed: Resource | None = None
    ours_before: int | None = None
    before: Applied | None = None
    records: int = 0
    routes: dict[str, Seen] = field(default_factory=dict)
    routes_at: int | None = None
    mover_ended: float = 0.0

    @property
    def replaces(self) -> bool:
        """Whether it is to take the place of what serves, and is not proved: that one stays ours
        when it fails. What a failed replacement has left is none that serves.
        """
        return self.prior is None and self.deposed is not None and self.deposed.prior is not None

    @property
    def applied(self) -> Applied:
        """What was sent last, proved or not."""
        return self.pending or self.prior or Applied({})


@dataclass
class Run:
    """How far a plan came: `steps` done and `finished` changes, by change key. `approved` is the
    digest that it was applied for, and `plan` the document of what is to be carried out, kept until
    it is: whoever goes on has no file with it.
    """

    steps: dict[str, list[str]] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    complete: bool = False
    approved: str = ""
    plan: dict[str, Any] | None = None


@dataclass
class Override:
    """That a plan was applied though rules denied it, and why. `changes` are those that they
    denied, as address, action and change key. `time` is in seconds since 1970.
    """

    plan: str
    reason: str
    by: str
    time: float
    rules: list[str]
    changes: list[list[str]]


@dataclass
class Lost:
    """A create that was never answered and given up. It may take place yet: whatever else is called
    `name` in `project`, and was not `listed` before it was sent, may be what it made.
    """

    address: str
    project: str
    name: str
    listed: list[str]
    time: float


@dataclass
class State:
    """Everything that is kept. `api`, `team` and `wandb` say where the resources live, `project`
    (a name, or its repository and folder) and `environment` whose they are. `forgotten_keys` are
    the idempotency keys of endpoints that were given up (W&B's route knows them by these still),
    each with the serial of the state at that time.
    """

    lineage: str
    serial: int = 0
    write_id: str = ""
    tool_version: str = ""
    project: str = ""
    environment: str = ""
    api: str = ""
    team: str = ""
    wandb: str = ""
    resources: dict[str, Resource] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    open: list[dict[str, Any]] = field(default_factory=list)  # effects that a commit left open
    lost: list[Lost] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)  # the newest is last
    forgotten_keys: dict[str, int] = field(default_factory=dict)

    @property
    def in_wandb(self) -> bool:
        """Whether some of it lives in W&B."""
        return any(KINDS[Address.parse(a).kind].home == "wandb" for a in self.resources)

    def listed_before(self, project: str, name: str) -> list[str] | None:
        """What `project` held before the create of `name` that was lost; None without one."""
        wanted = (project, name)
        return next((o.listed for o in self.lost if (o.project, o.name) == wanted), None)

    def to_json(self) -> dict[str, Any]:
        """The document that backends store."""
        return {"state_version": STATE_VERSION, **plain(self)}

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
            fields["lost"] = [Lost(**value) for value in fields.get("lost", ())]
            fields["overrides"] = [Override(**value) for value in fields.get("overrides", ())]
            fields["open"] = [dict(value) for value in fields.get("open", ())]
            fields["forgotten_keys"] = dict(fields.get("forgotten_keys", {}))
            for address in fields["resources"]:
                if Address.parse(address).kind not in KINDS:
                    raise ValueError(f"{address} is of no kind that this version knows")
            if not isinstance(fields["serial"], int):
                raise TypeError(f"serial {fields['serial']!r}")
            return cls(**fields)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise StateError(
                f"the state cannot be read: {error}",
                safe="The state was not touched.",
                next="Restore a backup: they lie beside the state file.",
            ) from error


def _resource(value: Mapping[str, Any]) -> Resource:
    fields = dict(value)
    fields["fence"] = Fence(**fields["fence"])
    for key in ("prior", "pending", "before"):
        fields[key] = Applied(**fields[key]) if fields.get(key) else None
    fields["trial"] = trial_from_json(fields["trial"]) if fields.get("trial") else None
    fields["pin"] = Pin.from_json(fields["pin"]) if fields.get("pin") else None
    fields["deposed"] = _resource(fields["deposed"]) if fields.get("deposed") else None
    return Resource(**fields)
