"""Versions that we did not make: who may have made them, and what is not known because of them.

An automation rolls versions of an artifact out by itself. That is no reason to doubt anything but
which artifact serves, and none at all as long as it is meant to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from friendli_iac.core.state import Applied, Resource
from friendli_iac.resources.artifact import ARTIFACT, DIGEST
from friendli_iac.resources.base import Kind, Observed
from friendli_iac.resources.expiry import moment
from friendli_iac.resources.spec import Spec, copied, drop_path, get_path, set_path


@dataclass(frozen=True)
class Moved:
    """`since` is the first version that is not ours; `by` who makes them, as is wanted; `only` the
    paths that are not known any more, all that the API does not show where it is None.
    """

    since: int
    by: str = ""
    only: tuple[str, ...] | None = None

    @property
    def unknown_since(self) -> int | None:
        """The version since when values are unknown that are ours to say."""
        return None if self.by else self.since


def moved(kind: Kind, resource: Resource, observed: Observed, wanted: Spec) -> Moved | None:
    """What others did since we last looked, None when they made no version."""
    since = moved_since(resource, observed)
    if since is None:
        return None
    by = kind.moved_by(resource.applied.spec)
    # By one that ended since, unless it was touched later on.
    left = 0.0 < moment(observed.updated_at) <= resource.mover_ended
    if not by and not left:  # then it was not there yet to make them
        return Moved(since)
    return Moved(since, by if kind.moved_by(wanted) else "", (ARTIFACT,))


def moved_since(resource: Resource, observed: Observed) -> int | None:
    """The first version that is not ours, when somebody else made one since we last looked."""
    if resource.fence.version is None or observed.version is None:
        return None
    ours = resource.fence.version
    return ours + 1 if observed.version > ours else None


def is_theirs(kind: Kind, spec: Spec) -> bool:
    """Whether which artifact serves is not known, for others rolled it out who are meant to."""
    return bool(kind.moved_by(spec)) and get_path(spec, ARTIFACT) is None


def broken_by_others(kind: Kind, resource: Resource, observed: Observed, wanted: Spec) -> bool:
    """Whether what does not serve was rolled out by others, who are meant to: what is sent onto it
    does not help, and is not why. What is ours, and failed, says so itself.
    """
    if observed.health == "served" or not kind.moved_by(wanted):
        return False
    if moved_since(resource, observed):
        return observed.health == "failed"
    if resource.trial is not None:  # what was sent last is not judged yet
        return resource.trial.in_vain
    ours = resource.pin is not None and resource.pin.stage == "halted"
    return observed.health == "failed" and is_theirs(kind, resource.applied.spec) and not ours


def stands_still(resource: Resource, version: int | None, updated_at: str | None) -> bool:
    """Whether the newest version is the last one of ours: it was read, or nothing was touched
    since we last looked.
    """
    ours = resource.fence
    if resource.pending is not None or ours.version is None:
        return False
    untouched = updated_at is not None and updated_at == ours.updated_at
    return version == ours.version or (version is None and untouched)


def is_fenced(kind: Kind, spec: Spec, planned: int | None, now: int | None) -> bool:
    """Whether the newest version is `planned` still, or was made by who is meant to."""
    later = planned is not None and now is not None and now > planned
    return now == planned or (later and bool(kind.moved_by(spec)))


def own_digest(target: Spec, wanted: Spec, applied: Spec) -> Spec:
    """`target`, whose digest goes with its artifact: where that is not the one that is `wanted`, as
    when a pin holds it off, it has the digest of what was `applied`, or none.
    """
    artifact, digest = get_path(target, ARTIFACT), get_path(target, DIGEST)
    if artifact == get_path(wanted, ARTIFACT) or digest != get_path(wanted, DIGEST):
        return target
    kept = copied(target)
    drop_path(kept, DIGEST)
    known = get_path(applied, DIGEST)
    if known and artifact == get_path(applied, ARTIFACT):
        set_path(kept, DIGEST, known)
    return kept


def without_artifact(applied: Applied) -> Applied:
    """What was sent where another artifact was rolled out since, and nobody can say which."""
    if get_path(applied.spec, ARTIFACT) is None:
        return applied
    spec = copied(applied.spec)
    for path in (ARTIFACT, DIGEST):
        drop_path(spec, path)
    asked = {path: text for path, text in applied.asked.items() if path != ARTIFACT}
    return replace(applied, spec=spec, asked=asked)
