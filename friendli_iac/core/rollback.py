"""What a rollback sends, and what it cannot bring back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from friendli_iac.core.canonical import same
from friendli_iac.core.diff import flatten, keep
from friendli_iac.core.pins import goes_back, remote, tried
from friendli_iac.core.state import Applied, Pin, Resource, Trial
from friendli_iac.resources.alternatives import replaced
from friendli_iac.resources.artifact import ARTIFACT, DIGEST
from friendli_iac.resources.base import Kind
from friendli_iac.resources.spec import (
    Spec,
    copied,
    drop_path,
    get_path,
    leaves,
    overlay,
    set_path,
    submodel,
)


def good_settings(kind: Kind, prior: Applied, failed: Applied) -> Applied:
    """The last good settings, with what only we keep as it is wanted now, but for the adapters:
    those go with the model. They are proved as they were proved before, where they were.
    """
    sent = keep(kind, prior.spec, goes_back)
    own = keep(kind, failed.spec, lambda leaf: not goes_back(leaf))
    if "rollout" in own and "probe" in prior.spec.get("rollout", {}):
        own["rollout"] = {**own["rollout"], "probe": prior.spec["rollout"]["probe"]}
    own.pop("versionComment", None)  # it is about the version that failed
    for path in kind.left_alone(own):  # others set it: it stays as it is
        drop_path(sent, path)
        if (live := get_path(failed.spec, path)) is not None:
            set_path(sent, path, copied(live) if isinstance(live, dict) else live)
    drop_path(own, DIGEST)  # it is of the artifact that failed
    if get_path(sent, ARTIFACT) and (digest := get_path(prior.spec, DIGEST)):
        set_path(own, DIGEST, digest)
    spec = kind.restorable(overlay(kind.model, sent, own), failed.spec)
    return replace(failed, spec=spec, asked=prior.asked)


def lost_values(kind: Kind, good: Spec, trial: Trial | None) -> list[str]:
    """What was tried, decides what serves, and cannot be taken back with `good`: the API never
    shows what was there before, and nobody recorded it.
    """
    marks, known = leaves(kind.model), flatten(kind, good)
    return [
        path
        for path in (trial.bad if trial else ())
        if marks[path].write_only and path not in known and _decides(kind, path, known)
    ]


def _decides(kind: Kind, path: str, known: Mapping[str, object]) -> bool:
    """Whether `path` is in a block that must be there, and nothing known takes its place."""
    block = submodel(kind.model, path.partition(".")[0])
    return block is not None and block.REQUIRED and not replaced(kind.model, path, known)


def restorable(kind: Kind, resource: Resource, goal: Applied, tries: Trial | None) -> bool:
    """Whether what was there before can be sent again, and would help."""
    if tries is None:
        return True
    if tries.in_vain:
        return False
    good = good_settings(kind, resource.prior, goal).spec if resource.prior else {}
    return not lost_values(kind, good, tries)


def same_settings(kind: Kind, one: Spec, other: Spec) -> bool:
    """Whether two specifications send the same."""
    return same(remote(kind, one), remote(kind, other))


def left_out(kind: Kind, pin: Pin, resource: Resource) -> list[str]:
    """What was new in the version that failed. The API documents no way to take a setting back, and
    not whether one that is left out goes.
    """
    there = tried(kind, resource.applied.spec)
    return [path for path in pin.bad if path not in there]
