"""What goes wrong with a version: how its roll-out ends, and how it behaves once it serves.

A test says so beforehand (`fail_next_rollout`, `serves_badly`, `fails_after`). Without that, the
name of the model does; it is enough that it contains one of these:

| in the name | what happens |
|---|---|
| `gated` | the roll-out fails: WORKLOAD_INIT_CANNOT_ACCESS_REPO_ERROR |
| `missing` | WORKLOAD_INIT_MANIFEST_NOT_FOUND_ERROR |
| `bad-token` | WORKLOAD_INIT_INVALID_TOKEN_ERROR |
| `broken-download` | WORKLOAD_INIT_DOWNLOAD_ERROR |
| `odd-manifest` | WORKLOAD_INIT_MANIFEST_TYPE_ERROR |
| `hub-down` | WORKLOAD_INIT_HF_WANDB_API_ERROR |
| `disk-full` | WORKLOAD_INIT_INSUFFICIENT_DISK_ERROR |
| `bad-settings` | WORKLOAD_INIT_SETTINGS_ERROR |
| `broken-grpc` | WORKLOAD_INIT_GRPC_ERROR |
| `broken-start` | WORKLOAD_INIT_UNKNOWN_ERROR |
| `too-big` | INFERENCE_ENGINE_MEMORY_ERROR |
| `bad-argument` | INFERENCE_ENGINE_INVALID_ARGUMENT_ERROR |
| `no-metering` | INFERENCE_ENGINE_METERING_CLIENT_CONFIG_ERROR |
| `broken-engine` | INFERENCE_ENGINE_UNKNOWN_ERROR |
| `new-error` | SOME_FUTURE_ERROR, which no document knows |
| `never-ready` | the roll-out does not end |
| `ignored` | an update seems to succeed, but the old version serves on |
| `goes-down` | an update takes the old version down, and fails |
| `wrong-answer` | inference answers `lorem ipsum` |
| `broken-answer` | inference answers 500 |
| `slow-answer` | inference answers after 10 seconds |
| `dies-later` | 5 seconds after the roll-out has succeeded, the endpoint turns FAILED |
"""

from dataclasses import dataclass
from typing import Literal, get_args

WORKLOAD_CODES = tuple(
    f"WORKLOAD_INIT_{word}_ERROR"
    for word in (
        "UNKNOWN",
        "SETTINGS",
        "GRPC",
        "MANIFEST_NOT_FOUND",
        "MANIFEST_TYPE",
        "DOWNLOAD",
        "INVALID_TOKEN",
        "CANNOT_ACCESS_REPO",
        "HF_WANDB_API",
        "INSUFFICIENT_DISK",
    )
)
ENGINE_CODES = tuple(
    f"INFERENCE_ENGINE_{word}_ERROR"
    for word in ("UNKNOWN", "INVALID_ARGUMENT", "MEMORY", "METERING_CLIENT_CONFIG")
)
ERROR_CODES = WORKLOAD_CODES + ENGINE_CODES
"""OpenAPI 2026-07-22: every `errorCode`."""

End = Literal["ok", "never", "ignored", "ignored-unlisted", "fails", "shown", "down", "status"]
_WITHOUT_WORD = ("ok", "never", "ignored", "ignored-unlisted")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a roll-out ends; written as one of these:

    - `ok`: it succeeds, whatever the model's name says
    - `never`: it does not end
    - `ignored`: it seems to succeed and has a version number, but the old settings serve on
    - `ignored-unlisted`: the same, and the history has no new version either
    - `CODE`: it fails with this error code, known or not. A first start ends FAILED; after an
      update the old version serves on (docs), and the status shows no code (unknown)
    - `shown:CODE`: the same, but the status of the old version that serves on shows the code
    - `down:CODE`: it ends FAILED also after an update: the new version has replaced the old one,
      and nothing serves. The docs promise otherwise
    - `status:STATUS`: the new version takes over, in this status, known or not
    """

    end: End
    word: str = ""


OK = Outcome("ok")


def parse_outcome(text: str) -> Outcome:
    """The outcome that is written as `text`; ValueError for what is none."""
    end, colon, word = text.partition(":")
    if not colon and end in _WITHOUT_WORD:
        return Outcome(end)  # type: ignore[arg-type]
    if not colon and end and end not in get_args(End):
        return Outcome("fails", end)
    if end in ("shown", "down", "status") and word:
        return Outcome(end, word)  # type: ignore[arg-type]
    raise ValueError(f"{text!r} is not how a roll-out ends")


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a version behaves once it serves; by default, well.

    `status`, `text` and `seconds` are of its answers to inference requests: another status than
    200, another text than the right one, and how long they take. `dies_after` seconds in RUNNING
    the endpoint turns `dies_as`, with `error_code`; None is never.
    """

    status: int = 200
    text: str | None = None
    seconds: float = 0.0
    dies_after: float | None = None
    dies_as: str = "FAILED"
    error_code: str | None = None


GOOD = Conduct()

_OUTCOMES = {
    "gated": "WORKLOAD_INIT_CANNOT_ACCESS_REPO_ERROR",
    "missing": "WORKLOAD_INIT_MANIFEST_NOT_FOUND_ERROR",
    "bad-token": "WORKLOAD_INIT_INVALID_TOKEN_ERROR",
    "broken-download": "WORKLOAD_INIT_DOWNLOAD_ERROR",
    "odd-manifest": "WORKLOAD_INIT_MANIFEST_TYPE_ERROR",
    "hub-down": "WORKLOAD_INIT_HF_WANDB_API_ERROR",
    "disk-full": "WORKLOAD_INIT_INSUFFICIENT_DISK_ERROR",
    "bad-settings": "WORKLOAD_INIT_SETTINGS_ERROR",
    "broken-grpc": "WORKLOAD_INIT_GRPC_ERROR",
    "broken-start": "WORKLOAD_INIT_UNKNOWN_ERROR",
    "too-big": "INFERENCE_ENGINE_MEMORY_ERROR",
    "bad-argument": "INFERENCE_ENGINE_INVALID_ARGUMENT_ERROR",
    "no-metering": "INFERENCE_ENGINE_METERING_CLIENT_CONFIG_ERROR",
    "broken-engine": "INFERENCE_ENGINE_UNKNOWN_ERROR",
    "new-error": "SOME_FUTURE_ERROR",
    "never-ready": "never",
    "ignored": "ignored",
    "goes-down": "down:INFERENCE_ENGINE_UNKNOWN_ERROR",
}
_CONDUCTS = {
    "wrong-answer": Conduct(text="lorem ipsum"),
    "broken-answer": Conduct(status=500),
    "slow-answer": Conduct(seconds=10.0),
    "dies-later": Conduct(dies_after=5.0, error_code="INFERENCE_ENGINE_UNKNOWN_ERROR"),
}


def outcome_of_model(model: str) -> str:
    """How a roll-out of `model` ends, as it is written."""
    return next((end for part, end in _OUTCOMES.items() if part in model), "ok")


def conduct_of_model(model: str) -> Conduct:
    """How `model` behaves once it serves."""
    return next((conduct for part, conduct in _CONDUCTS.items() if part in model), GOOD)
