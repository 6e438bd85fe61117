"""What the error codes of a Dedicated Endpoint mean: likely cause, remedy, and whether they pass.

The codes are those of Friendli's OpenAPI of 2026-07-22 (`InferenceDeploymentErrorCode`); it lists
them without a word on their causes, so causes and remedies are ours.
"""

from __future__ import annotations

from friendli_iac.resources import instances
from friendli_iac.resources.base import Fault
from friendli_iac.resources.spec import Spec, get_path

_INTEGRATION = "the account that is integrated in Friendli's web page"

_FAULTS = {
    "WORKLOAD_INIT_UNKNOWN_ERROR": Fault(
        "the start failed, and the service does not say why",
        "try once more with --retry-failed; if it stays, ask Friendli's support with the id",
    ),
    "WORKLOAD_INIT_SETTINGS_ERROR": Fault(
        "the settings do not fit the model", "check spec.engine against the model's config.json"
    ),
    "WORKLOAD_INIT_GRPC_ERROR": Fault(
        "a part of the service did not answer another", "nothing to mend here", passes=True
    ),
    "WORKLOAD_INIT_MANIFEST_NOT_FOUND_ERROR": Fault(
        "the model or its revision was not found", "check spec.model; friendli-iac preflight looks"
    ),
    "WORKLOAD_INIT_MANIFEST_TYPE_ERROR": Fault(
        "the repository holds no model that can be served",
        "it needs config.json and safetensors in its top folder; friendli-iac preflight looks",
    ),
    "WORKLOAD_INIT_DOWNLOAD_ERROR": Fault(
        "the model could not be downloaded", "nothing to mend here, as a rule", passes=True
    ),
    "WORKLOAD_INIT_INVALID_TOKEN_ERROR": Fault(
        "Friendli's integration with Hugging Face or W&B has no valid token",
        "renew the integration in Friendli's web page",
    ),
    "WORKLOAD_INIT_CANNOT_ACCESS_REPO_ERROR": Fault(
        "the repository is gated or private, and Friendli has no access",
        f"accept its terms on Hugging Face with {_INTEGRATION}",
    ),
    "WORKLOAD_INIT_HF_WANDB_API_ERROR": Fault(
        "Hugging Face or W&B did not answer", "nothing to mend here", passes=True
    ),
    "WORKLOAD_INIT_INSUFFICIENT_DISK_ERROR": Fault(
        "the model does not fit the disk", "take a larger instance, or a repository with less in it"
    ),
    "INFERENCE_ENGINE_UNKNOWN_ERROR": Fault(
        "the engine failed, and the service does not say why",
        "try once more with --retry-failed; if it stays, ask Friendli's support with the id",
    ),
    "INFERENCE_ENGINE_INVALID_ARGUMENT_ERROR": Fault(
        "the engine refused a setting", "check spec.engine, such as maxBatchSize and lengths"
    ),
    "INFERENCE_ENGINE_METERING_CLIENT_CONFIG_ERROR": Fault(
        "the service could not set up its metering", "nothing to mend here: ask Friendli's support"
    ),
}
_UNKNOWN = Fault("the service gave no more than this code", "look in the endpoint's web page")


def explain(error: str | None, spec: Spec) -> Fault:
    """What `error` means for an endpoint with `spec`. A code that nobody knows is no failure of
    ours: it is shown as it is.
    """
    if error == "INFERENCE_ENGINE_MEMORY_ERROR":
        return _memory(spec)
    return _FAULTS.get(error or "", _UNKNOWN)


def _memory(spec: Spec) -> Fault:
    gpu, count = get_path(spec, "instance.gpu"), get_path(spec, "instance.count", 1)
    if gpu is None:
        return Fault("the model does not fit the GPU memory", "take a larger instance")
    larger = (
        [f"gpu {other}" for other in instances.GPUS[instances.GPUS.index(gpu) + 1 :][:1]]
        if gpu in instances.GPUS
        else []
    )
    more = [f"count {n}" for n in instances.counts(gpu) if n > count][:1]
    remedy = " or ".join(larger + more) or "a quantized model"
    return Fault(
        f"it needs more memory than {count}x {gpu} has",
        f"try {remedy}, or a smaller engine.maxBatchSize",
    )
