"""The life cycle: which status follows which, when, and what is refused meanwhile.

A request writes the transitions to come as steps with a time; `settle` lets those happen whose time
has passed. Statuses, phases and error codes are those of the OpenAPI 2026-07-22; what the docs do
not say (which status refuses which request, in the REST API) is the emulator's choice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from .misbehaviour import Outcome, outcome_of_model, parse_outcome
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
    model_of,
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


@dataclass(slots=True)
class Course:
    """What decides about the roll-outs to come: how long they take, and how the next ones end.

    `next_rollouts` is for those of any endpoint, unless the endpoint has outcomes of its own.
    """

    durations: Durations
    next_rollouts: list[str]


def settle(endpoint: Endpoint, now: float) -> None:
    """Let everything happen to `endpoint` that had to happen by `now`."""
    while endpoint.steps and endpoint.steps[0].at <= now:
        endpoint.enter(endpoint.steps.pop(0))
    if endpoint.steps:
        return
    if endpoint.status in {RUNNING, READY}:
        leave = min(_departures(endpoint), key=lambda step: step.at, default=None)
        if leave is not None and leave.at <= now:
            endpoint.enter(leave)
    if endpoint.status == SLEEPING and endpoint.since + SLEEP_LIMIT <= now:
        endpoint.enter(Step(endpoint.since + SLEEP_LIMIT, TERMINATED))


def _departures(endpoint: Endpoint) -> Iterator[Step]:
    """How what runs ceases to: the autoscaler puts it to sleep, or the version dies."""
    minimum, _, cooldown = scaling(endpoint.settings)
    if minimum == 0:
        yield Step(max(endpoint.since, endpoint.last_inference_at) + cooldown, SLEEPING)
    conduct = endpoint.conduct_of(endpoint.serving)
    if conduct.dies_after is not None:
        died_at = endpoint.since + conduct.dies_after
        yield Step(died_at, conduct.dies_as, error_code=conduct.error_code)


def start(endpoint: Endpoint, now: float, course: Course) -> None:
    """Begin the life of an endpoint with version 0."""
    outcome = _next_outcome(endpoint, endpoint.settings, course)
    _roll_out(endpoint, now, INITIALIZING, course.durations.create, outcome)


def add_version(endpoint: Endpoint, version: Version, now: float, course: Course) -> None:
    """Accept an update: register the next version, and roll it out unless nothing shall run.

    A BUSY endpoint refuses it; the caller has seen to that. An update that is under way all the
    same is given up, and the version that serves then serves on until this one takes over.
    """
    endpoint.updated_at = now
    number = len(endpoint.versions)
    if endpoint.status in {SLEEPING, TERMINATED}:
        endpoint.versions.append(version)
        endpoint.serving = number
        return
    outcome = _next_outcome(endpoint, version.settings, course)
    if outcome.end != "ignored-unlisted":
        endpoint.versions.append(version)
    if endpoint.status != FAILED:
        _roll_out(endpoint, now, UPDATING, course.durations.update, outcome, number)
        return
    if not outcome.end.startswith("ignored"):
        endpoint.serving = number
    _roll_out(endpoint, now, INITIALIZING, course.durations.create, outcome)


def sleep(endpoint: Endpoint, now: float) -> None:
    """`PUT …/sleep`: only what runs can go to sleep."""
    _require(endpoint, {RUNNING, READY}, "put to sleep")
    _interrupt(endpoint, now, Step(now, SLEEPING))


def wake(endpoint: Endpoint, now: float, course: Course) -> None:
    """`PUT …/wake`, and what any inference request does to a sleeping endpoint."""
    _require(endpoint, {SLEEPING}, "woken up")
    endpoint.updated_at = now
    outcome = _next_outcome(endpoint, endpoint.settings, course)
    _roll_out(endpoint, now, AWAKING, course.durations.wake, outcome)


def restart(endpoint: Endpoint, now: float, course: Course) -> None:
    """`PUT …/restart`: OpenAPI: "Restart a FAILED or TERMINATED endpoint"."""
    _require(endpoint, {FAILED, TERMINATED}, "restarted")
    endpoint.updated_at = now
    outcome = _next_outcome(endpoint, endpoint.settings, course)
    _roll_out(endpoint, now, INITIALIZING, course.durations.restart, outcome)


def terminate(endpoint: Endpoint, now: float, course: Course) -> None:
    """`PUT …/terminate`: possible in every status but the two that it leads to."""
    refuse(endpoint, {TERMINATING, TERMINATED}, "terminated")
    _interrupt(endpoint, now, Step(now, TERMINATING))
    endpoint.steps = [Step(now + course.durations.terminate, TERMINATED)]


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


def _next_outcome(endpoint: Endpoint, settings: Json, course: Course) -> Outcome:
    """How the roll-out of `settings` that begins now shall end."""
    for asked in (endpoint.next_rollouts, course.next_rollouts):
        if asked:
            return parse_outcome(asked.pop(0))
    return parse_outcome(outcome_of_model(model_of(settings)))


def _roll_out(
    endpoint: Endpoint,
    now: float,
    status: str,
    seconds: float,
    outcome: Outcome,
    version: int | None = None,
) -> None:
    """Write the steps of a roll-out that begins now; `version` is the one that shall take over."""
    phases = PHASES[-1:] if status == AWAKING else PHASES
    moments = [now + seconds * i / len(phases) for i in range(len(phases))]
    steps = [Step(at, status, phase) for at, phase in zip(moments, phases, strict=True)]
    steps += _last_steps(outcome, now + seconds, version)
    endpoint.enter(steps[0])
    endpoint.steps = steps[1:]


def _last_steps(outcome: Outcome, at: float, version: int | None) -> list[Step]:
    """How a roll-out ends: none, one that does not end."""
    updates = version is not None
    if outcome.end == "never":
        return []
    if outcome.end == "status":
        return [Step(at, outcome.word, serve=version)]
    if outcome.end == "down" or (outcome.end in ("fails", "shown") and not updates):
        return [Step(at, FAILED, error_code=outcome.word, serve=version)]
    if outcome.end == "shown":
        return [Step(at, RUNNING, error_code=outcome.word)]
    if outcome.end == "ok":
        return [Step(at, RUNNING, serve=version)]
    # The old version serves on, and nothing in the status tells it from a success.
    return [Step(at, RUNNING)]
