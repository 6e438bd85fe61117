"""Request bodies, checked as the OpenAPI (2026-07-22) and SDK 0.16.3 describe them.

The shapes are written out by hand, apart from the client's own models, so that the two cannot
share a mistake. Unknown keys are ignored without a word, as FastAPI does by default.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
Location = tuple[str | int, ...]


class ApiError(Exception):
    """An answer other than 200: its status, its JSON body (or plain text) and its headers."""

    def __init__(
        self, status: int, body: Body | str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a body. `kind` is a Python type (`object` is any), or an object's nested keys."""

    kind: "type | Mapping[str, Field]"
    required: bool = False
    nullable: bool = True
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = field(default=())


AUTOSCALING = {
    "minReplica": Field(int, nullable=False, minimum=0),
    "maxReplica": Field(int, nullable=False, maximum=10),
    "cooldownPeriod": Field(int, nullable=False),
}
ADVANCED = {
    "tokenizer_skip_special_tokens": Field(bool, required=True, nullable=False),
    "tokenizer_add_special_tokens": Field(bool, required=True, nullable=False),
    "max_token_count": Field(int, nullable=False),
    "max_batch_size": Field(int),
    "enable_content_logging": Field(bool),
    "max_input_length": Field(int),
    "max_context_length": Field(int, minimum=1),
    "queue_timeout_ms": Field(int),
    "queue_backpressure_metric_kind": Field(
        str,
        choices=(
            "TPOT_MS",
            "TTFT_MS",
            "REQUEST_COUNT",
            "WORKSPACE_UTILIZATION",
            "QUEUED_PREFILL_TOKENS",
        ),
    ),
    "queue_backpressure_metric_threshold": Field(float),
}
_SCALING_AND_MODEL = {
    "simplescale": Field({"replicas": Field(int, required=True, nullable=False, minimum=1)}),
    "autoscalingPolicy": Field(AUTOSCALING),
    "hfModelRepo": Field(str),
    "hfModelRepoRevision": Field(str),
    "uploadedModelId": Field(str),
}
CREATE = {
    "projectId": Field(str, required=True, nullable=False),
    "name": Field(str, required=True, nullable=False),
    "instanceOptionId": Field(str, required=True, nullable=False),
    "advanced": Field(ADVANCED, required=True, nullable=False),
    "initialVersionComment": Field(str),
    **_SCALING_AND_MODEL,
}
UPDATE = {
    "name": Field(str),
    "instanceOptionId": Field(str),
    "advanced": Field(ADVANCED),
    "newVersionComment": Field(str),
    **_SCALING_AND_MODEL,
}
WANDB = {
    "wandbArtifactVersionName": Field(str, required=True, nullable=False),
    "name": Field(str),
    "projectId": Field(str),
    "idempotencyKey": Field(str),
    "autoscalingPolicy": Field(AUTOSCALING),
    "accelerator": Field(
        {
            "type": Field(str, required=True, nullable=False),
            "count": Field(int, required=True, nullable=False),
        }
    ),
}
_TYPE_ERRORS = {
    str: ("string_type", "Input should be a valid string"),
    int: ("int_type", "Input should be a valid integer"),
    bool: ("bool_type", "Input should be a valid boolean"),
    float: ("float_type", "Input should be a valid number"),
    list: ("list_type", "Input should be a valid list"),
}


def problem(location: Location, kind: str, message: str) -> Body:
    """One entry of a 422's `detail`, in the words of FastAPI."""
    return {"loc": list(location), "msg": message, "type": kind}


def unprocessable(*problems: Body) -> ApiError:
    """A 422 as FastAPI gives it (OpenAPI: `HTTPValidationError`)."""
    return ApiError(422, {"detail": list(problems)})


def check(body: object, shape: Mapping[str, Field]) -> Body:
    """The keys of `body` that `shape` knows; raises a 422 which names every fault at once."""
    problems = list(_object_problems(body, shape, ("body",)))
    if problems:
        raise unprocessable(*problems)
    return known_keys(body, shape)


def known_keys(body: Any, shape: Mapping[str, Field]) -> Body:
    """`body` without the keys that `shape` does not have, at every depth."""
    return {
        key: known_keys(value, kind)
        if isinstance(kind := shape[key].kind, Mapping) and value is not None
        else value
        for key, value in body.items()
        if key in shape
    }


def _object_problems(
    value: object, shape: Mapping[str, Field], location: Location
) -> Iterator[Body]:
    if not isinstance(value, dict):
        yield problem(location, "model_attributes_type", "Input should be a valid dictionary")
        return
    for key, expected in shape.items():
        if key in value:
            yield from _value_problems(value[key], expected, (*location, key))
        elif expected.required:
            yield problem((*location, key), "missing", "Field required")


def _value_problems(value: object, expected: Field, location: Location) -> Iterator[Body]:
    if value is None and expected.nullable:
        return
    if isinstance(expected.kind, Mapping):
        yield from _object_problems(value, expected.kind, location)
    elif not _is_a(value, expected.kind):
        yield problem(location, *_TYPE_ERRORS[expected.kind])
    elif expected.choices and value not in expected.choices:
        choices = " or ".join(f"'{choice}'" for choice in expected.choices)
        yield problem(location, "enum", f"Input should be {choices}")
    elif isinstance(value, int):
        yield from _range_problems(value, expected, location)


def _range_problems(value: int, expected: Field, location: Location) -> Iterator[Body]:
    if expected.minimum is not None and value < expected.minimum:
        message = f"Input should be greater than or equal to {expected.minimum}"
        yield problem(location, "greater_than_equal", message)
    if expected.maximum is not None and value > expected.maximum:
        message = f"Input should be less than or equal to {expected.maximum}"
        yield problem(location, "less_than_equal", message)


def _is_a(value: object, kind: type) -> bool:
    if kind is object:
        return True
    if kind is float:
        kinds: tuple[type, ...] = (int, float)
    else:
        kinds = (kind,)
    # A bool is an int to Python, but not to JSON.
    return isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))
