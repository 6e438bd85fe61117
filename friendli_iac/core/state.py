"""The state: what we applied, and what we are not sure of yet. Committed as one document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from friendli_iac.errors import StateError
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import Spec

STATE_VERSION = 1


@dataclass(frozen=True)
class Applied:
    """What was sent for a resource: the whole specification, and what only we keep."""

    spec: Spec
    labels: dict[str, str] = field(default_factory=dict)
    depends_on: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fence:
    """The newest version that we know of as ours, and its update time: a higher one was made by
    somebody else. None: not known.
    """

    version: int | None = None
    updated_at: str | None = None


@dataclass
class Resource:
    """One resource that is ours.

    `prior` was proved to serve; `pending` was sent and is not proved yet. `key` is the change key
    in the comment of the newest version that is ours. `protected` outlives the manifest: it bars
    delete and replace until `preventDestroy: false` has been applied. `history` lists what we sent
    and what came of it, oldest first: `{version, spec, time, by, key, outcome}`.
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
    lost: list[Lost] = field(default_factory=list)

    def listed_before(self, project: str, name: str) -> list[str] | None:
        """What `project` held before the create of `name` that was lost; None without one."""
        wanted = (project, name)
        return next((o.listed for o in self.lost if (o.project, o.name) == wanted), None)

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
            fields["lost"] = [Lost(**value) for value in fields.get("lost", ())]
            fields["open"] = [dict(value) for value in fields.get("open", ())]
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
    for key in ("prior", "pending"):
        fields[key] = Applied(**fields[key]) if fields[key] else None
    return Resource(**fields)
