"""What creates and updates of a Dedicated Endpoint send (Friendli's OpenAPI of 2026-07-22)."""

from __future__ import annotations

from typing import Any

from friendli_iac.resources import instances
from friendli_iac.resources.endpoint_adapters import with_adapters
from friendli_iac.resources.spec import Spec, get_path

# Manifest path -> key of `advanced`, which alone of all bodies is snake_case.
_ADVANCED = {
    "engine.maxBatchSize": "max_batch_size",
    "engine.maxInputLength": "max_input_length",
    "engine.maxContextLength": "max_context_length",
    "engine.maxTokenCount": "max_token_count",
    "engine.contentLogging": "enable_content_logging",
    "engine.tokenizer.addSpecialTokens": "tokenizer_add_special_tokens",
    "engine.tokenizer.skipSpecialTokens": "tokenizer_skip_special_tokens",
    "engine.queue.timeoutMs": "queue_timeout_ms",
    "engine.queue.backpressure.metric": "queue_backpressure_metric_kind",
    "engine.queue.backpressure.threshold": "queue_backpressure_metric_threshold",
}
# With `advanced`, the API wants both. Of what W&B's route made, they may not be known.
_ALWAYS = ("tokenizer_add_special_tokens", "tokenizer_skip_special_tokens")
# All that we send at the top of a body.
_KEYS = (
    "projectId", "name", "instanceOptionId", "hfModelRepo", "hfModelRepoRevision",
    "uploadedModelId", "advanced", "simplescale", "autoscalingPolicy", "initialVersionComment",
    "newVersionComment",
)  # fmt: skip


def is_ours(path: str) -> bool:
    """Whether a dotted path of a body is, or is in, what fields of a specification say."""
    key, _, rest = path.partition(".")
    if key == "advanced" and rest:
        return rest.partition(".")[0] in _ADVANCED.values()
    return key in _KEYS


def body_of(spec: Spec) -> dict[str, Any]:
    """The whole object, as create and update share it: an update never leaves anything to chance,
    because whether the API merges or replaces what a body leaves out is documented nowhere.
    """
    sent: dict[str, Any] = {"name": spec["name"]}
    source = {
        "instanceOptionId": option_of(spec),  # a GPU that an answer named and no table knows stays
        "hfModelRepo": get_path(spec, "model.huggingFace.repo"),
        "hfModelRepoRevision": get_path(spec, "model.huggingFace.revision"),
        "uploadedModelId": get_path(spec, "model.uploaded.id"),
    }
    sent |= {key: value for key, value in source.items() if value is not None}
    values = {key: get_path(spec, path) for path, key in _ADVANCED.items()}
    sent["advanced"] = {key: value for key, value in values.items() if value is not None}
    for key in _ALWAYS:
        sent["advanced"].setdefault(key, True)
    scaling = spec.get("autoscaling", {})
    if "replicas" in scaling:
        sent["simplescale"] = {"replicas": scaling["replicas"]}
    elif scaling:
        sent["autoscalingPolicy"] = {
            "minReplica": scaling["minReplicas"],
            "maxReplica": scaling["maxReplicas"],
            "cooldownPeriod": scaling["cooldown"],
        }
    return with_adapters(sent, spec)


def option_of(spec: Spec) -> str | None:
    """The instance option that a specification means, None where no table knows it."""
    instance = spec.get("instance", {})
    known = instances.option_id(instance.get("gpu", ""), instance.get("count", 1))
    return instance.get("optionId") or known
