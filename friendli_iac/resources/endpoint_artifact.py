"""Endpoints from artifacts of Weights & Biases: what their route carries, and what is said of them.

`POST /dedicated/endpoint/wandb-artifact-create` (Friendli's OpenAPI of 2026-07-22, and the official
SDK 0.16) makes an endpoint, and with the same `idempotencyKey` in the same project it rolls another
version of the artifact out on that one. It has fields for the artifact, the name, the GPUs and the
scaling only; all else goes by the normal update, which in turn has no field for an artifact.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from friendli_iac.errors import ApiError
from friendli_iac.resources.advice import NOTHING, Advice
from friendli_iac.resources.artifact import ARTIFACT, IDEMPOTENCY_KEY, ArtifactName
from friendli_iac.resources.base import Action, Step
from friendli_iac.resources.endpoint_spec import EndpointSpec
from friendli_iac.resources.spec import Spec, copied, drop_path, get_path, leaves, set_path

DOCUMENTED_GPU = "H100"  # the only type that the documents of the route name

_POLICY = {
    "autoscaling.minReplicas": "minReplica",
    "autoscaling.maxReplicas": "maxReplica",
    "autoscaling.cooldown": "cooldownPeriod",
}
_CARRIED = (
    ARTIFACT,
    IDEMPOTENCY_KEY,
    "project",
    "name",
    "instance.gpu",
    "instance.count",
    *_POLICY,
)
# What the OpenAPI gives an endpoint for which nothing is said. Of the tokenizer flags it says
# nothing, so that they are left as they are found.
_DEFAULTS = {"engine.contentLogging": False, "engine.maxTokenCount": 2560}


def from_artifact(spec: Spec) -> bool:
    """Whether the model comes from W&B."""
    return get_path(spec, "model.wandb") is not None


def deploy_body(spec: Spec) -> dict[str, Any]:
    """What the route is sent. ApiError for an alias: which version it means was not looked up."""
    artifact = str(get_path(spec, ARTIFACT))
    if not ArtifactName.parse(artifact).is_version:
        raise ApiError(
            f"{artifact} is an alias, and which version it means was not looked up",
            safe="Nothing was sent.",
            next="Make a new plan.",
        )
    instance, policy = spec.get("instance", {}), {}
    for path, key in _POLICY.items():
        if (value := get_path(spec, path)) is not None:
            policy[key] = value
    body = {
        "wandbArtifactVersionName": artifact,
        "name": spec["name"],
        "projectId": spec["project"],
        "idempotencyKey": get_path(spec, IDEMPOTENCY_KEY),
        "accelerator": {"type": f"NVIDIA {instance['gpu']}", "count": instance.get("count", 1)},
        "autoscalingPolicy": policy or None,
    }
    return {key: value for key, value in body.items() if value is not None}


def not_carried(target: Spec, changed: Collection[str] | None = None) -> list[str]:
    """The paths of what the route has no field for: all that a new endpoint would not have by
    itself, or all that is `changed`.
    """
    said = {
        path: value
        for path, leaf in leaves(EndpointSpec).items()
        if not (leaf.local or leaf.ref or leaf.include) and path not in _CARRIED
        and (value := get_path(target, path)) is not None
    }  # fmt: skip
    if changed is not None:
        return [path for path in said if path in changed]
    return [p for p, v in said.items() if p not in _DEFAULTS or v != _DEFAULTS[p]]


def carried(step: Step, before: Spec, target: Spec) -> Spec:
    """See `Kind.carried`: what the route does not carry is as it was `before`."""
    if step not in ("create", "rollout") or not get_path(target, ARTIFACT):
        return target
    kept = copied(target)
    every = leaves(EndpointSpec) if step == "rollout" else None
    for path in not_carried(target, every):
        drop_path(kept, path)
        if (value := get_path(before, path)) is not None:
            set_path(kept, path, value)
    if "autoscaling" not in kept and "autoscaling" in before:
        kept["autoscaling"] = copied(before["autoscaling"])
    return kept


def shared_key(spec: Spec, every: Mapping[str, Spec]) -> list[tuple[str, str, str]]:
    """See `Kind.disagreements`: one key that two endpoints of a project say."""
    if (key := get_path(spec, IDEMPOTENCY_KEY)) is None:
        return []
    for address, other in every.items():
        if other is spec:
            break
        same = get_path(other, IDEMPOTENCY_KEY) == key
        if same and other.get("project") == spec.get("project"):
            message = f"{address} in the same project has the idempotencyKey {key}, too"
            why = ": W&B's route would take one for the other"
            return [(IDEMPOTENCY_KEY, message + why, "say another one, or leave it out")]
    return []


def artifact_advice(action: Action, before: Spec, target: Spec) -> Advice:
    """What must be said of a change that deploys an artifact."""
    anew = action in ("create", "replace")
    old, new = get_path(before, ARTIFACT), get_path(target, ARTIFACT)
    if new is None or not (anew or (action == "update" and old != new)):
        return NOTHING
    refusals, warnings, notes = [], [], []
    instance, key = target.get("instance", {}), get_path(target, IDEMPOTENCY_KEY)
    if "gpu" not in instance:
        refusals.append(
            (
                "W&B's route takes a type of GPU, and which one instance option "
                f"{instance.get('optionId')} has is not known",
                "Say instance.gpu and instance.count.",
            )
        )
    elif instance["gpu"] != DOCUMENTED_GPU:
        warnings.append(
            f"the documents of W&B's route name the {DOCUMENTED_GPU} only: it may refuse the "
            f"{instance['gpu']}"
        )
    if key is None:
        refusals.append(
            (
                "its idempotencyKey is not known: without it, W&B's route would make one more "
                "endpoint",
                "Say model.wandb.idempotencyKey, as it is in the payload of the automation that "
                "made it.",
            )
        )
    same_place = target.get("project") == before.get("project")
    if (
        action == "replace"
        and key is not None
        and key == get_path(before, IDEMPOTENCY_KEY)
        and same_place
    ):
        refusals.append(
            (
                f"the manifest says the idempotencyKey {key}, by which the old endpoint is known: "
                "it would be rolled out once more, and not replaced",
                "Say another model.wandb.idempotencyKey, or leave it out.",
            )
        )
    if anew and (rest := not_carried(target)):
        notes.append(
            f"W&B's route does not carry {', '.join(rest)}: sent as an update when the first "
            "version serves, with a second cold start"
        )
    if get_path(target, "versionComment"):
        notes.append("W&B's route has no field for the versionComment: it is not sent with it")
    return Advice(warnings=tuple(warnings), notes=tuple(notes), refusals=tuple(refusals))
