"""What the emulator remembers of an endpoint, and what the API lets one see of it."""

from dataclasses import asdict, dataclass, field
from typing import Any

from .catalog import INSTANCE_OPTIONS
from .clock import timestamp
from .misbehaviour import Conduct, conduct_of_model

Json = dict[str, Any]

RUNNING = "RUNNING"
READY = "READY"
UPDATING = "UPDATING"
INITIALIZING = "INITIALIZING"
AWAKING = "AWAKING"
SLEEPING = "SLEEPING"
STOPPING = "STOPPING"
FAILED = "FAILED"
TERMINATING = "TERMINATING"
TERMINATED = "TERMINATED"

SERVING = frozenset({RUNNING, READY, UPDATING})
"""Statuses in which a version answers inference requests (and costs money)."""

DEFAULT_MAX_BATCH_SIZE = 256
"""What a null `max_batch_size` reads back as; from SDK 0.9, unknown in the API of today."""

DEFAULT_AUTOSCALING = {"minReplica": 0, "maxReplica": 1, "cooldownPeriod": 300}
"""OpenAPI 2026-07-22: the defaults of `AutoscalingPolicy`; cooldown in seconds."""


@dataclass(slots=True)
class Version:
    """Everything that was sent for one version: more than the API ever shows again."""

    settings: Json
    comment: str | None
    creator: str
    created_at: float


@dataclass(slots=True)
class Step:
    """A moment to come in the life of an endpoint; `serve` is the version that then takes over."""

    at: float
    status: str
    phase: str | None = None
    error_code: str | None = None
    serve: int | None = None


@dataclass(slots=True)
class Moment:
    """When an endpoint came into a status; the next moment is when it left it."""

    at: float
    status: str


@dataclass(slots=True)
class Endpoint:
    """One endpoint. Times are seconds since the epoch on the emulator's clock.

    `status` is what holds since `since`; `steps` are the transitions still to come. What the API
    shows is derived from them when somebody looks, so nothing runs in the background. The number of
    a version is its place in `versions`; `serving` is that of the one whose settings are in force.
    `conduct` is by version number (as text, for JSON), also of versions still to come.
    `next_rollouts` says how the next roll-outs end, one after the other (see `Outcome`).
    """

    id: str
    serial: int
    team: str
    project: str
    creator: str
    created_at: float
    updated_at: float
    versions: list[Version]
    status: str = INITIALIZING
    phase: str | None = None
    error_code: str | None = None
    since: float = 0.0
    serving: int = 0
    steps: list[Step] = field(default_factory=list)
    past: list[Moment] = field(default_factory=list)
    inference_requests: int = 0
    inference_wakes: int = 0
    last_inference_at: float = 0.0
    idempotency_key: str | None = None
    next_rollouts: list[str] = field(default_factory=list)
    conduct: dict[str, Conduct] = field(default_factory=dict)

    @property
    def settings(self) -> Json:
        """The settings that the API shows, and to which a partial update is applied."""
        return self.versions[self.serving].settings

    def conduct_of(self, version: int) -> Conduct:
        """How a version behaves once it serves: as was asked for, or as its model's name says."""
        asked = self.conduct.get(str(version))
        if asked is not None or version >= len(self.versions):
            return asked or Conduct()
        return conduct_of_model(model_of(self.versions[version].settings))

    def enter(self, step: Step) -> None:
        """Let `step` happen."""
        if step.status != self.status or not self.past:
            self.past.append(Moment(step.at, step.status))
            self.since = step.at
        self.status, self.phase, self.error_code = step.status, step.phase, step.error_code
        if step.serve is not None:
            self.serving = step.serve

    def to_json(self) -> Json:
        """Every field, the write-only settings included; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> "Endpoint":
        """The endpoint that `to_json` wrote."""
        return cls(
            **{
                **data,
                "versions": [Version(**version) for version in data["versions"]],
                "steps": [Step(**step) for step in data["steps"]],
                "past": [Moment(**moment) for moment in data["past"]],
                "conduct": {key: Conduct(**one) for key, one in data["conduct"].items()},
            }
        )


def model_of(settings: Json) -> str:
    """The model's repository, W&B artifact or id, whichever there is."""
    keys = ("hfModelRepo", "wandbArtifactVersionName", "uploadedModelId")
    return str(next((settings[key] for key in keys if settings.get(key)), ""))


def scaling(settings: Json) -> tuple[int, int, int]:
    """Minimum and maximum replicas, and the cooldown in seconds.

    `simplescale` is write-only; that it reads back as minimum = maximum is the emulator's choice,
    unknown in the real API.
    """
    if simple := settings.get("simplescale"):
        replicas = simple["replicas"]
        return replicas, replicas, DEFAULT_AUTOSCALING["cooldownPeriod"]
    policy = settings["autoscalingPolicy"]
    return policy["minReplica"], policy["maxReplica"], policy["cooldownPeriod"]


def replicas_when_serving(settings: Json) -> int:
    """Replicas of an endpoint without load: its minimum, but one while it is awake."""
    return max(1, scaling(settings)[0])


def show_status(endpoint: Endpoint, extra: Json) -> Json:
    """`DedicatedEndpointStatus` of the OpenAPI."""
    return {
        "status": endpoint.status,
        "errorCode": endpoint.error_code,
        "createdAt": timestamp(endpoint.created_at),
        "updatedAt": timestamp(endpoint.updated_at),
        "phase": endpoint.phase,
        **extra,
    }


def show_spec(endpoint: Endpoint, extra: Json, version: int | None = None) -> Json:
    """`DedicatedEndpointSpec` of the OpenAPI: of what serves, or of one version of the history.

    Whether `instanceId` is the instance option, whose id `creatorId` is in the history, and what
    the replica counts say there, is unknown in the real API. The emulator shows the option id, the
    creator of the endpoint, and no counts.
    """
    settings = endpoint.settings if version is None else endpoint.versions[version].settings
    option = INSTANCE_OPTIONS[settings["instanceOptionId"]]
    advanced = settings["advanced"]
    minimum, maximum, cooldown = scaling(settings)
    return {
        "name": settings["name"],
        "gpuType": option.gpu_type,
        "numGpu": option.gpu_count,
        "instanceId": settings["instanceOptionId"],
        "projectId": endpoint.project,
        "creatorId": endpoint.creator,
        "teamId": endpoint.team,
        "autoscalingMin": minimum,
        "autoscalingMax": maximum,
        "autoscalingCooldown": cooldown,
        "maxBatchSize": advanced.get("max_batch_size") or DEFAULT_MAX_BATCH_SIZE,
        "maxInputLength": advanced.get("max_input_length"),
        "maxContextLength": advanced.get("max_context_length"),
        "tokenizerSkipSpecialTokens": advanced["tokenizer_skip_special_tokens"],
        "tokenizerAddSpecialTokens": advanced["tokenizer_add_special_tokens"],
        **(_replica_counts(endpoint) if version is None else dict.fromkeys(_COUNTS)),
        **extra,
    }


_COUNTS = ("currReplicaCnt", "desiredReplicaCnt", "updatedReplicaCnt")


def _replica_counts(endpoint: Endpoint) -> Json:
    replicas = replicas_when_serving(endpoint.settings)
    serving = endpoint.status in SERVING
    starting = endpoint.status in {INITIALIZING, AWAKING}
    counts = (
        replicas if serving else 0,
        replicas if serving or starting else 0,
        replicas if serving and endpoint.serving == len(endpoint.versions) - 1 else 0,
    )
    return dict(zip(_COUNTS, counts, strict=True))
