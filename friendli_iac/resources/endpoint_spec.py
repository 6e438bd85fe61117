"""The specification of an Endpoint, as manifests write it.

Which fields the API gives back, and which it does not, is from Friendli's OpenAPI of 2026-07-22
(`DedicatedEndpointSpec`): what is not in it carries the marker `WriteOnly`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from friendli_iac.resources import instances
from friendli_iac.resources.artifact import check_artifact
from friendli_iac.resources.autoscaling import Scaling
from friendli_iac.resources.expiry import check_expiry
from friendli_iac.resources.rollout import RolloutSpec
from friendli_iac.resources.spec import (
    Immutable,
    Include,
    Leaf,
    Local,
    Parts,
    Ref,
    SpecModel,
    WriteOnly,
    leaves,
)
from friendli_iac.resources.values import Bool, Float, Int, Json, Text


class HuggingFaceModel(SpecModel):
    """A model repository on Hugging Face."""

    repo: Annotated[Text, WriteOnly()] = Field(
        description="The repository, such as `meta-llama/Llama-3.1-8B-Instruct`."
    )
    revision: Annotated[Text, WriteOnly()] | None = Field(
        default=None,
        description="A commit, a branch or a tag; preflight locks it to the full commit when it "
        "changes. Left out on a create, the newest one is taken; left out later, the commit "
        "stays.",
    )


class UploadedModel(SpecModel):
    """A model that was uploaded to Friendli."""

    id: Annotated[Text, WriteOnly()] = Field(description="The id of the uploaded model.")


class WandbModel(SpecModel):
    """A model that was logged to Weights & Biases. Each plan looks at where an alias is now."""

    DERIVED: ClassVar = {
        # Of the version that the alias meant when the plan was made, as W&B tells it.
        "digest": Leaf("digest", local=True),
        # The automation that rolls new versions out by itself, if one does.
        "movedBy": Leaf("movedBy", local=True),
    }

    artifact: Annotated[Text, AfterValidator(check_artifact), WriteOnly()] = Field(
        description="The artifact and its alias or version, such as "
        "`acme/wandb-registry-model/chat:production` or `…/chat:v7`. An alias is locked to the "
        "version that it means when the plan is made."
    )
    idempotency_key: Annotated[Text, WriteOnly(), Immutable()] | None = Field(
        default=None,
        description="The key by which Friendli knows the endpoint when W&B rolls a version out. "
        "Left out: `friendli-iac/LINEAGE/ADDRESS`. For an endpoint that an automation made, it is "
        "that automation's own.",
    )


class Model(SpecModel):
    """Which model is served: from Hugging Face, uploaded, or from Weights & Biases."""

    ALTERNATIVES: ClassVar = (("huggingFace",), ("uploaded",), ("wandb",))
    REQUIRED: ClassVar = True

    hugging_face: HuggingFaceModel | None = None
    uploaded: UploadedModel | None = None
    wandb: WandbModel | None = None


def _gpu(value: object) -> object:
    return instances.normalise_gpu(value) if isinstance(value, str) else value


class Instance(SpecModel):
    """The GPUs of one replica."""

    ALTERNATIVES: ClassVar = (("gpu", "count"), ("optionId",))
    REQUIRED: ClassVar = True

    gpu: Annotated[Text, BeforeValidator(_gpu)] | None = Field(
        default=None,
        description="A100 80GB, H100, H200, B200 or B300; `NVIDIA H100` and `h100` are understood.",
    )
    count: Annotated[Int, Field(ge=1)] | None = Field(
        default=None, description="GPUs per replica: 1, 2, 4 or 8. Left out on a create: 1."
    )
    option_id: Annotated[Text, WriteOnly()] | None = Field(
        default=None, description="The API's instance option id, for one that has no name here yet."
    )

    @model_validator(mode="before")
    @classmethod
    def _known_option(cls, value: object) -> object:
        # An id that the table knows is the same wish as its GPU and count: one canonical form.
        if isinstance(value, dict) and set(value) == {"optionId"}:
            known = instances.from_option_id(str(value["optionId"]))
            return {"gpu": known[0], "count": known[1]} if known else value
        return value

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.count is not None and self.gpu is None:
            raise PydanticCustomError("instance", "count needs gpu beside it")
        if self.gpu is not None and not instances.counts(self.gpu):
            raise PydanticCustomError(
                "instance",
                "no GPU is called {gpu}: there are {gpus} (another one can be given as optionId)",
                {"gpu": self.gpu, "gpus": ", ".join(instances.GPUS)},
            )
        if self.gpu is not None and instances.option_id(self.gpu, self.count or 1) is None:
            raise PydanticCustomError(
                "instance",
                "{gpu} comes in {counts} per replica, not {count}",
                {
                    "gpu": self.gpu,
                    "counts": ", ".join(map(str, instances.counts(self.gpu))),
                    "count": self.count,
                },
            )
        return self


class Autoscaling(Scaling):
    """Replicas: by load, a fixed number, or as an AutoscalingPolicy says."""

    ALTERNATIVES: ClassVar = (
        ("minReplicas", "maxReplicas", "cooldown"),
        ("replicas",),
        ("policy",),
    )

    replicas: Annotated[Int, WriteOnly(), Field(ge=1)] | None = Field(
        default=None, description="A fixed number of replicas, without autoscaling."
    )
    policy: Annotated[Text, Ref("AutoscalingPolicy")] | None = Field(
        default=None, description="The name of an AutoscalingPolicy in these manifests."
    )


class Tokenizer(SpecModel):
    """How special tokens are treated."""

    add_special_tokens: Bool | None = Field(
        default=None, description="Add special tokens to the input. Left out on a create: true."
    )
    skip_special_tokens: Bool | None = Field(
        default=None, description="Leave special tokens out of the output. On a create: true."
    )


class Backpressure(SpecModel):
    """When new requests are turned away instead of queued."""

    metric: Annotated[Text, WriteOnly(), Field(pattern="^[A-Z][A-Z_]*$")] = Field(
        description="TPOT_MS, TTFT_MS, REQUEST_COUNT, WORKSPACE_UTILIZATION or "
        "QUEUED_PREFILL_TOKENS."
    )
    threshold: Annotated[Float, WriteOnly()] = Field(
        description="Above this value of the metric, requests are turned away."
    )


class Queue(SpecModel):
    """The request queue in front of the engine."""

    timeout_ms: Annotated[Int, WriteOnly(), Field(ge=0)] | None = Field(
        default=None, description="How long a request may wait in the queue, in milliseconds."
    )
    backpressure: Backpressure | None = None


class Engine(SpecModel):
    """Settings of the inference engine (`advanced` in the API)."""

    max_batch_size: Annotated[Int, Field(ge=1)] | None = Field(
        default=None, description="The most sequences that are processed at once."
    )
    max_input_length: Annotated[Int, Field(ge=1)] | None = Field(
        default=None, description="The longest input, in tokens."
    )
    max_context_length: Annotated[Int, Field(ge=1)] | None = Field(
        default=None, description="The longest input and output together, in tokens."
    )
    max_token_count: Annotated[Int, WriteOnly(), Field(ge=1)] | None = Field(
        default=None, description="The most tokens of a batch. The API's default is 2560."
    )
    content_logging: Annotated[Bool, WriteOnly()] | None = Field(
        default=None, description="Log what users send and receive. Always sent; off by default."
    )
    tokenizer: Tokenizer | None = None
    queue: Queue | None = None


class Lifecycle(SpecModel):
    """What friendli-iac itself may do with the endpoint."""

    prevent_destroy: Annotated[Bool, Local()] | None = Field(
        default=None,
        description="Refuse to delete or replace it. Holds until `false` has been applied, also "
        "when the block or the whole document is removed.",
    )
    create_before_destroy: Annotated[Bool, Local()] | None = Field(
        default=None,
        description="Where it must be replaced, create the new endpoint first, and end the old one "
        "only when the new one serves. Its id changes either way.",
    )
    expires: Annotated[Text, AfterValidator(check_expiry), Local()] | None = Field(
        default=None,
        description="When it is to be terminated: `72h` after it was created, or a date such as "
        '`"2026-12-24"` or `"2026-12-24T18:00Z"` (UTC, and quoted).',
    )
    ignore_changes: Annotated[list[Text], Local()] | None = Field(
        default=None,
        description="Paths of fields below `spec` whose differences are left alone, such as "
        "`autoscaling.maxReplicas`; a block's path stands for all that is in it.",
    )

    @field_validator("ignore_changes")
    @classmethod
    def _paths_exist(cls, paths: list[str] | None) -> list[str] | None:
        fields = leaves(EndpointSpec)
        known = [path for path, leaf in fields.items() if not leaf.local and not leaf.include]
        for path in paths or ():
            if path in fields and fields[path].ref:  # only what the template says is ever sent
                raise PydanticCustomError(
                    "ignore_changes",
                    "ignoreChanges: {path} is only a reference; ignore {block}",
                    {"path": path, "block": path.rpartition(".")[0]},
                )
            if not any(leaf == path or leaf.startswith(path + ".") for leaf in known):
                raise PydanticCustomError(
                    "ignore_changes", "ignoreChanges: there is no field {path}", {"path": path}
                )
        return paths


SUITE = Literal["quantization", "speculation", "chatTemplate", "reasoningParser", "adapters"]


class EndpointFields(SpecModel):
    """All that can be said of an endpoint, by its own document or by a profile."""

    IN_PROJECT: ClassVar = True
    # `adapters`, where the service takes them with create and update.
    DERIVED: ClassVar = {"sentAdapters": Leaf("sentAdapters", write_only=True, nested=True)}

    project: Annotated[Text, Immutable()] = Field(
        description="The id of the Friendli project. Changing it replaces the endpoint."
    )
    name: Text | None = Field(
        default=None, description="The endpoint's name, where it is not `metadata.name`."
    )
    model: Model
    instance: Instance
    autoscaling: Autoscaling | None = None
    engine: Engine | None = None
    adapters: Annotated[list[Text], Parts("Adapter", unique="route"), Local()] | None = Field(
        default=None,
        description="The names of Adapters in these manifests that it serves beside its model, "
        "such as `[support-tone, legal-summaries]`.",
    )
    version_comment: Annotated[Text, Local()] | None = Field(
        default=None,
        description="Text for the Versions tab, sent with the next new version. A change of it "
        "alone makes no new version.",
    )
    desired: Annotated[Literal["running", "sleeping", "terminated"], Local()] | None = Field(
        default=None,
        description="Keep it running, sleeping or terminated. Left out, the autoscaler decides "
        "about sleep, and what is terminated or failed is restarted.",
    )
    rollout: RolloutSpec | None = None
    suite: Annotated[Literal["none"] | dict[SUITE, Json], Local()] | None = Field(
        default=None,
        description="What is set in the web page and the API does not show, such as "
        "`{quantization: 8-bit}`; `none` when nothing is. An adopted endpoint is not updated until "
        "this is said: whether an update keeps such settings is not known.",
    )
    lifecycle: Lifecycle | None = None


class EndpointSpec(EndpointFields):
    """A Dedicated Endpoint: one model on dedicated GPUs behind one id.

    What is left out is not managed: it is sent back as it is found.
    """

    profiles: Annotated[list[Text], Include("Profile")] | None = Field(
        default=None,
        description="The names of Profiles in these manifests, such as `[small, low-latency]`. "
        "They give what is left out here, and later ones win over earlier ones.",
    )
