"""What answers of the API say of an endpoint, in our words (Friendli's OpenAPI of 2026-07-22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from friendli_iac.resources import instances
from friendli_iac.resources.base import Health, Observed, Replicas
from friendli_iac.resources.spec import Spec, get_path, set_path

_HEALTH: dict[str, Health] = {
    "RUNNING": "served",
    "READY": "served",  # not defined by the docs; public users treat it as RUNNING
    "SLEEPING": "served",  # by the autoscaler or by hand: the next request wakes it
    "FAILED": "failed",
    "TERMINATING": "ending",
    "TERMINATED": "stopped",
}

_CHANGING = ("INITIALIZING", "UPDATING", "AWAKING", "STOPPING")

# Manifest path -> key of the spec that the API reads back.
_READABLE = {
    "project": "projectId",
    "name": "name",
    "instance.gpu": "gpuType",
    "instance.count": "numGpu",
    "autoscaling.minReplicas": "autoscalingMin",
    "autoscaling.maxReplicas": "autoscalingMax",
    "autoscaling.cooldown": "autoscalingCooldown",
    "engine.maxBatchSize": "maxBatchSize",
    "engine.maxInputLength": "maxInputLength",
    "engine.maxContextLength": "maxContextLength",
    "engine.tokenizer.addSpecialTokens": "tokenizerAddSpecialTokens",
    "engine.tokenizer.skipSpecialTokens": "tokenizerSkipSpecialTokens",
}

_COUNTS = ("currReplicaCnt", "desiredReplicaCnt", "updatedReplicaCnt")


def health_of(status: str) -> Health:
    """What a status means for us; one that nobody knows is `changing`."""
    return _HEALTH.get(status, "changing")


def readable_of(spec: Mapping[str, Any]) -> Spec:
    """The canonical form of a specification as the API gives it back."""
    readable: Spec = {}
    for path, key in _READABLE.items():
        value = spec.get(key)
        if value is not None:
            set_path(readable, path, value)
    gpu = get_path(readable, "instance.gpu")
    if isinstance(gpu, str):
        readable["instance"]["gpu"] = instances.normalise_gpu(gpu)
    return readable


def observed_of(id: str, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Observed:
    """The endpoint that an answer with its specification and one with its status tell of."""
    word = str(status.get("status") or "UNKNOWN")
    return Observed(
        id=id,
        project=str(spec.get("projectId") or ""),
        name=str(spec.get("name") or ""),
        spec=readable_of(spec),
        status=word,
        health=health_of(word),
        phase=status.get("phase"),
        error=status.get("errorCode"),
        updated_at=status.get("updatedAt"),
        team=spec.get("teamId"),
        asleep=word == "SLEEPING",
        strange=word not in _HEALTH and word not in _CHANGING,
        created_at=status.get("createdAt"),
        creator=spec.get("creatorId"),
        replicas=Replicas(*(_count(spec.get(key)) for key in _COUNTS)),
        details=status,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
