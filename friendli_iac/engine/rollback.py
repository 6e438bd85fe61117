"""Back to a version from before: its whole specification, as one more wish for the planner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from friendli_iac.core.diff import keep
from friendli_iac.core.pins import remote
from friendli_iac.core.rollback import good_settings
from friendli_iac.core.scene import Rollback, Wish
from friendli_iac.core.state import Applied, Resource, State
from friendli_iac.engine.planning import Selection
from friendli_iac.errors import Refused, UsageError
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import ARTIFACT
from friendli_iac.resources.base import Address, Kind, article
from friendli_iac.resources.spec import Spec, get_path, leaves, overlay

GOOD = ("good", "unverified")  # outcomes of versions that served


@dataclass(frozen=True)
class Snapshot:
    """A wish for what was in force once. See `friendli_iac.core.scene.Wish`."""

    address: Address
    spec: Spec
    labels: dict[str, str]
    depends_on: tuple[Address, ...]
    version: int
    asked: dict[str, str]

    def source(self, path: str = "") -> object:
        """The version: no line of a manifest says this."""
        return f"version {self.version}"

    def wrote(self, path: str) -> bool:
        """A snapshot says all that it holds."""
        return True


@dataclass(frozen=True)
class Target:
    """What a rollback leads to. `unknown` are paths of write-only fields that nobody recorded: they
    stay as they were sent last.
    """

    snapshot: Snapshot
    selection: Selection
    unknown: tuple[str, ...]


def rollback_target(
    state: State, api: Any, address: Address, version: int | None, said: Wish | None
) -> Target:
    """The wish for `version` of a resource, or for the last good one before what is in force.

    `api` is the kind's client: it is asked for a version that we did not make. `said` is what the
    manifests want now, None when they cannot be read. UsageError for an address or a version that
    nobody knows, Refused when there is nothing to go back to, and what reading raises.
    """
    resource = state.resources.get(str(address))
    if resource is None:
        raise UsageError(f"{address} is not in state", next="See friendli-iac state list.")
    kind = KINDS[address.kind]
    if not kind.versioned:
        raise UsageError(
            f"{address}: {article(kind.noun)} has no versions to go back to",
            safe="Nothing was sent.",
            next="Have the manifest say what it said before, and apply that.",
        )
    now = kind.newest_version(api, resource.id)
    ours = resource.fence.version
    theirs = now is not None and ours is not None and now > ours  # what is in force is not ours
    theirs = theirs and not kind.moved_by(resource.applied.spec)
    record, named = _record(kind, address, resource, version, theirs=theirs), version is not None
    if record is not None:
        unknown: tuple[str, ...] = ()
        spec, version = record["spec"], int(record["version"])
        asked = dict(record.get("asked", {}))
    else:
        assert version is not None, "only a version that was asked for may be somebody else's"
        spec, unknown = _theirs(kind, api, address, resource, version)
        asked = dict(resource.applied.asked)
    applied = resource.applied
    mover, artifact = kind.moved_by(applied.spec), get_path(spec, ARTIFACT)
    known = None if now != ours else get_path(applied.spec, ARTIFACT)
    # Other settings go back without it, where no version was named that has another.
    old, new = remote(kind, applied.spec), remote(kind, spec)
    model_only = all(old.get(path) == new.get(path) for path in {*old, *new} - {ARTIFACT})
    if mover and artifact and artifact != known and (named or model_only):
        raise Refused(
            f"{address}: version {version} is of {artifact}, and {mover} decides what it serves",
            safe="Nothing was sent.",
            next=f"Move the alias in W&B; or say `enabled: false` for {mover}, apply that, and "
            "roll back then.",
        )
    snapshot = Snapshot(
        address=address,
        spec=good_settings(kind, Applied(spec), applied).spec,
        labels=dict(applied.labels),
        depends_on=tuple(map(Address.parse, applied.depends_on)),
        version=version,
        asked=asked,
    )
    now = now if theirs else ours
    reason = f"rolled back from version {now} to the settings of version {version}"
    rollback = Rollback(reason, now, said)
    selection = Selection(
        complete=False, targets=(str(address),), rollbacks={str(address): rollback}
    )
    return Target(snapshot, selection, unknown)


def _record(
    kind: Kind, address: Address, resource: Resource, version: int | None, *, theirs: bool
) -> dict[str, Any] | None:
    """What we recorded of `version`, or of the newest good one with other settings than are in
    force (any, where those are `theirs`); None for a version that we did not make.
    """
    if version is not None:
        found: list[dict[str, Any]] = [r for r in resource.history if r["version"] == version]
        return found[-1] if found else None
    in_force = remote(kind, resource.applied.spec)
    for past in reversed(resource.history):
        known: dict[str, Any] = past
        good = known["outcome"] in GOOD and known["version"] is not None
        if good and (theirs or remote(kind, known["spec"]) != in_force):
            return known
    raise Refused(
        f"{address}: no good version from before is recorded",
        safe="Nothing was sent.",
        next=f"friendli-iac history {address} lists every version; name one with --to VERSION.",
    )


def _theirs(
    kind: Kind, api: Any, address: Address, resource: Resource, version: int
) -> tuple[Spec, tuple[str, ...]]:
    """A version that we did not make: what the API shows of it, and for the rest what we sent."""
    shown = kind.versions(api, resource.id)
    if version not in shown:
        raise UsageError(
            f"{address} has no version {version}",
            safe="Nothing was sent.",
            next=f"friendli-iac history {address} lists them.",
        )
    marks = leaves(kind.model)
    ours = keep(kind, resource.applied.spec, lambda leaf: leaf.write_only)
    spec = overlay(kind.model, ours, shown[version])
    return spec, tuple(path for path, leaf in marks.items() if leaf.write_only)
