"""What a rollback sends, and what it cannot bring back."""

from __future__ import annotations

from dataclasses import replace

from friendli_iac.core.canonical import canonical_json
from friendli_iac.core.diff import flatten, keep
from friendli_iac.core.pins import remote
from friendli_iac.core.state import Applied, Pin, Resource
from friendli_iac.resources.base import Kind
from friendli_iac.resources.spec import Spec, copied, drop_path, get_path, leaves, overlay, set_path


def good_settings(kind: Kind, prior: Applied, failed: Applied) -> Applied:
    """The last good settings, with what only we keep as it is wanted now. They are proved as they
    were proved before, where they were.
    """
    sent = keep(kind, prior.spec, lambda leaf: not leaf.local)
    own = keep(kind, failed.spec, lambda leaf: leaf.local)
    if "rollout" in own and "probe" in prior.spec.get("rollout", {}):
        own["rollout"] = {**own["rollout"], "probe": prior.spec["rollout"]["probe"]}
    own.pop("versionComment", None)  # it is about the version that failed
    for path in get_path(own, "lifecycle.ignoreChanges", []):  # others set it: it stays as it is
        drop_path(sent, path)
        if (live := get_path(failed.spec, path)) is not None:
            set_path(sent, path, copied(live) if isinstance(live, dict) else live)
    return replace(failed, spec=overlay(kind.model, sent, own), asked=prior.asked)


def lost_values(kind: Kind, resource: Resource) -> list[str]:
    """What was tried, and cannot be taken back: the API never shows what was there before, and
    somebody else sent it.
    """
    marks, known = leaves(kind.model), flatten(kind, resource.prior.spec if resource.prior else {})
    blocks = {path.rpartition(".")[0] for path in known}
    tried = resource.trial.bad if resource.trial and resource.adopted else {}
    return [p for p in tried if marks[p].write_only and p.rpartition(".")[0] not in blocks]


def same_settings(kind: Kind, one: Spec, other: Spec) -> bool:
    """Whether two specifications send the same."""
    return canonical_json(remote(kind, one)) == canonical_json(remote(kind, other))


def left_out(kind: Kind, pin: Pin, resource: Resource) -> list[str]:
    """What was new in the version that failed. The API documents no way to take a setting back, and
    not whether one that is left out goes.
    """
    sent = remote(kind, resource.applied.spec)
    return [path for path in pin.bad if path not in sent]
