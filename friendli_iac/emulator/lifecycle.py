"""The life cycle: which status follows which, when, and what is refused meanwhile.

A request writes the transitions to come as steps with a time; `settle` lets those happen whose time
has passed. Statuses, phases and error codes are those of the OpenAPI 2026-07-22; what the docs do
not say (which status refuses which request, in the REST API) is the emulator's choice.
"""

from dataclasses import dataclass, fields, replace

from .catalog import IGNORED, NEVER, outcome_of_model
from .model import (
    AWAKING,
    FAILED,
    INITIALIZING,
    READY,
    RUNNING,
    SLEEPING,
    STOPPING,
    TERMINATED,
    TERMINATING,
    UPDATING,
    Endpoint,
    Json,
    Step,
    Version,
    scaling,
)
from .validation import ApiError

PHASES = ("REQUESTING_VIRTUAL_MACHINE", "DOWNLOADING_MODEL", "ENGINE_INITIALIZING")
SLEEP_LIMIT = 48 * 3600.0
"""docs: an endpoint that has slept for 48 hours is terminated."""

BUSY = frozenset({INITIALIZING, UPDATING, AWAKING, STOPPING, TERMINATING})


@dataclass(frozen=True, slots=True)
class Durations:
    """How long each transition takes, in seconds; 0 means: over when one looks next."""

    create: float = 3.0
    update: float = 2.0
    wake: float = 1.0
    restart: float = 3.0
    terminate: float = 1.0

    def changed(self, changes: dict[str, float]) -> "Durations":
        """These durations with some of them replaced, by name."""
        unknown = changes.keys() - {known.name for known in fields(self)}
        if unknown:
            raise ValueError(f"unknown durations: {', '.join(sorted(unknown))}")
        return replace(self, **changes)

    @classmethod
    def all(cls, seconds: float) -> "Durations":
        """The same time for every transition."""
        return cls(**{known.name: seconds for known in fields(cls)})


def settle(endpoint: Endpoint, now: float) -> None:
    """Let everything happen to `endpoint` that had to happen by `now`."""
    while endpoint.steps and endpoint.steps[0].at <= now:
        endpoint.enter(endpoint.steps.pop(0))
    if endpoint.steps:
        return
    if endpoint.status in {RUNNING, READY}:
        minimum, _, cooldown = scaling(endpoint.settings)
        asleep_at = max(endpoint.since, endpoint.last_inference_at) + cooldown
        if minimum == 0 and asleep_at <= now:
            endpoint.enter(Step(asleep_at, SLEEPING))
    if endpoint.status == SLEEPING and endpoint.since + SLEEP_LIMIT <= now:
        endpoint.enter(Step(endpoint.since + SLEEP_LIMIT, TERMINATED))


def start(endpoint: Endpoint, now: float, durations: Durations) -> None:
    """Begin the life of an endpoint with version 0."""
    _roll_out(endpoint, now, INITIALIZING, durations.create)


def add_version(
    endpoint: Endpoint,
    settings: Json,
    comment: str | None,
    creator: str,
    now: float,
    durations: Durations,
) -> None:
    """Accept an update: register the next version, and roll it out unless nothing shall run.

    A BUSY endpoint refuses it; the caller has seen to that.
    """
    endpoint.versions.append(Version(settings, comment, creator, now))
    endpoint.updated_at = now
    newest = len(endpoint.versions) - 1
    if endpoint.status in {SLEEPING, TERMINATED}:
        endpoint.serving = newest
    elif endpoint.status == FAILED:
        endpoint.serving = newest
        _roll_out(endpoint, now, INITIALIZING, durations.create)
    else:
        _roll_out(endpoint, now, UPDATING, durations.update, newest)


def sleep(endpoint: Endpoint, now: float) -> None:
    """`PUT …/sleep`: only what runs can go to sleep."""
    _require(endpoint, {RUNNING, READY}, "put to sleep")
    _interrupt(endpoint, now, Step(now, SLEEPING))


def wake(endpoint: Endpoint, now: float, durations: Durations) -> None:
    """`PUT …/wake`, and what any inference request does to a sleeping endpoint."""
    _require(endpoint, {SLEEPING}, "woken up")
    endpoint.updated_at = now
    _roll_out(endpoint, now, AWAKING, durations.wake)


def restart(endpoint: Endpoint, now: float, durations: Durations) -> None:
    """`PUT …/restart`: OpenAPI: "Restart a FAILED or TERMINATED endpoint"."""
    _require(endpoint, {FAILED, TERMINATED}, "restarted")
    endpoint.updated_at = now
    _roll_out(endpoint, now, INITIALIZING, durations.restart)


def terminate(endpoint: Endpoint, now: float, durations: Durations) -> None:
    """`PUT …/terminate`: possible in every status but the two that it leads to."""
    refuse(endpoint, {TERMINATING, TERMINATED}, "terminated")
    _interrupt(endpoint, now, Step(now, TERMINATING))
    endpoint.steps = [Step(now + durations.terminate, TERMINATED)]


def set_status(endpoint: Endpoint, step: Step) -> None:
    """Put the endpoint into any status, known to the OpenAPI or not, and leave it there."""
    endpoint.steps = []
    endpoint.since = step.at
    endpoint.enter(step)


def refuse(endpoint: Endpoint, statuses: frozenset[str] | set[str], verb: str) -> None:
    """Raise a 400 if the endpoint is in one of `statuses`."""
    if endpoint.status in statuses:
        raise ApiError(
            400, {"detail": f"The endpoint cannot be {verb} while it is {endpoint.status}."}
        )


def _require(endpoint: Endpoint, statuses: set[str], verb: str) -> None:
    if endpoint.status not in statuses:
        refuse(endpoint, {endpoint.status}, verb)


def _interrupt(endpoint: Endpoint, now: float, step: Step) -> None:
    endpoint.updated_at = now
    endpoint.steps = []
    endpoint.enter(step)


def _roll_out(
    endpoint: Endpoint, now: float, status: str, seconds: float, version: int | None = None
) -> None:
    """Write the steps of a roll-out that begins now; `version` is the one that it shall serve."""
    target = endpoint.versions[endpoint.serving if version is None else version].settings
    outcome, endpoint.next_rollout = endpoint.next_rollout or _outcome(target), None

    phases = PHASES[-1:] if status == AWAKING else PHASES
    moments = [now + seconds * i / len(phases) for i in range(len(phases))]
    steps = [Step(at, status, phase) for at, phase in zip(moments, phases, strict=True)]
    end = now + seconds

    if outcome == NEVER:
        pass
    elif outcome is None:
        steps.append(Step(end, RUNNING, serve=version))
    elif outcome == IGNORED or status == UPDATING:
        # The old version serves on, and nothing in the status tells it from a success.
        steps.append(Step(end, RUNNING))
    else:
        steps.append(Step(end, FAILED, error_code=outcome))
    endpoint.enter(steps[0])
    endpoint.steps = steps[1:]


def _outcome(settings: Json) -> str | None:
    model = settings.get("hfModelRepo") or settings.get("wandbArtifactVersionName")
    return outcome_of_model(model or settings.get("uploadedModelId"))
