"""How roll-outs end: what a test asks for, and what the name of a model brings on."""

from typing import Any

import pytest

from friendli_iac.emulator import Emulator
from friendli_iac.emulator.misbehaviour import ERROR_CODES

from .emulator_client import ENDPOINTS, Client, create, fixtures

server, emulator, client = fixtures()

CODE = "INFERENCE_ENGINE_MEMORY_ERROR"
MODELS = {
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
}


def show(client: Client, endpoint: str) -> tuple[str, str | None, str, int]:
    """The status, the error code, the name in force, and the number of versions."""
    status = client.ask("GET", f"{ENDPOINTS}/{endpoint}/status")
    name = client.spec(endpoint)["name"]
    return status["status"], status["errorCode"], name, len(client.versions(endpoint))


def update(emulator: Emulator, client: Client, endpoint: str, **changes: Any) -> None:
    """Sends an update, and lets the time of its roll-out pass."""
    client.update(endpoint, **changes).raise_for_status()
    emulator.advance(3)


def test_there_is_a_model_for_every_documented_code() -> None:
    assert len(ERROR_CODES) == 14
    assert sorted(MODELS.values()) == sorted(ERROR_CODES)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        *((name, "FAILED", code) for name, code in MODELS.items()),
        ("new-error", "FAILED", "SOME_FUTURE_ERROR"),
        ("goes-down", "FAILED", "INFERENCE_ENGINE_UNKNOWN_ERROR"),
        ("never-ready", "INITIALIZING", None),
        ("ignored", "RUNNING", None),
    ],
)
def test_models_fail_by_their_name(
    emulator: Emulator, client: Client, model: str, status: str, code: str | None
) -> None:
    endpoint = create(emulator, client, hfModelRepo=f"org/{model}-7b")
    emulator.advance(1000)

    assert show(client, endpoint) == (status, code, "chat", 1)


@pytest.mark.parametrize(
    ("outcome", "status", "code", "name", "versions"),
    [
        *((code, "RUNNING", None, "chat", 2) for code in ERROR_CODES),
        ("SOME_FUTURE_ERROR", "RUNNING", None, "chat", 2),
        (f"shown:{CODE}", "RUNNING", CODE, "chat", 2),
        ("ignored", "RUNNING", None, "chat", 2),
        ("ignored-unlisted", "RUNNING", None, "chat", 1),
        ("never", "UPDATING", None, "chat", 2),
        (f"down:{CODE}", "FAILED", CODE, "new", 2),
        ("down:SOME_FUTURE_ERROR", "FAILED", "SOME_FUTURE_ERROR", "new", 2),
        ("status:HIBERNATING", "HIBERNATING", None, "new", 2),
        ("ok", "RUNNING", None, "new", 2),
    ],
)
def test_an_update_ends_as_was_asked_for(
    emulator: Emulator,
    client: Client,
    outcome: str,
    status: str,
    code: str | None,
    name: str,
    versions: int,
) -> None:
    endpoint = create(emulator, client)
    emulator.fail_next_rollout(endpoint, outcome)

    client.update(endpoint, name="new").raise_for_status()
    assert client.status(endpoint) == "UPDATING"
    emulator.advance(1000)

    assert show(client, endpoint) == (status, code, name, versions)
    question = {"model": endpoint, "prompt": "a"}
    answered = client.post("/dedicated/v1/tokenize", json=question).status_code
    assert answered == (200 if status in ("RUNNING", "UPDATING") else 503)


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (CODE, "FAILED", CODE),
        (f"shown:{CODE}", "FAILED", CODE),
        (f"down:{CODE}", "FAILED", CODE),
        ("status:HIBERNATING", "HIBERNATING", None),
        ("never", "INITIALIZING", None),
    ],
)
def test_a_create_ends_as_was_asked_for(
    emulator: Emulator, client: Client, outcome: str, status: str, code: str | None
) -> None:
    emulator.fail_next_rollout("*", outcome)

    failed, fine = create(emulator, client), create(emulator, client)

    assert show(client, failed) == (status, code, "chat", 1)
    assert client.status(fine) == "RUNNING"


def test_a_rollback_can_fail_as_well(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.fail_next_rollout(endpoint, f"down:{CODE}", "WORKLOAD_INIT_DOWNLOAD_ERROR")

    update(emulator, client, endpoint, name="new")
    assert show(client, endpoint) == ("FAILED", CODE, "new", 2)
    update(emulator, client, endpoint, name="chat")
    assert show(client, endpoint) == ("FAILED", "WORKLOAD_INIT_DOWNLOAD_ERROR", "chat", 3)
    update(emulator, client, endpoint, name="chat")
    assert show(client, endpoint) == ("RUNNING", None, "chat", 4)


@pytest.mark.parametrize("whose", ["*", "its own"])
def test_a_download_fails_twice_and_then_succeeds(
    emulator: Emulator, client: Client, whose: str
) -> None:
    failures = ["WORKLOAD_INIT_DOWNLOAD_ERROR"] * 2
    if whose == "*":
        emulator.fail_next_rollout("*", *failures)
    endpoint = create(emulator, client)
    if whose != "*":
        emulator.set_status(endpoint, "FAILED")
        emulator.fail_next_rollout(endpoint, *failures)

    statuses = []
    for _ in range(2 if whose == "*" else 3):
        client.move(endpoint, "restart").raise_for_status()
        emulator.advance(3)
        statuses.append(client.status(endpoint))

    assert statuses[-2:] == ["FAILED", "RUNNING"]


def test_a_model_that_fails_by_its_name_can_be_made_to_succeed(
    emulator: Emulator, client: Client
) -> None:
    emulator.fail_next_rollout("*", "ok")

    endpoint = create(emulator, client, hfModelRepo="org/gated")

    assert client.status(endpoint) == "RUNNING"


def test_a_wake_can_fail(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    client.move(endpoint, "sleep").raise_for_status()
    emulator.fail_next_rollout(endpoint, CODE)

    client.move(endpoint, "wake").raise_for_status()
    emulator.advance(3)

    assert show(client, endpoint) == ("FAILED", CODE, "chat", 1)


def test_an_ignored_update_of_what_failed_starts_the_old_version(
    emulator: Emulator, client: Client
) -> None:
    endpoint = create(emulator, client)
    emulator.set_status(endpoint, "FAILED")
    emulator.fail_next_rollout(endpoint, "ignored")

    update(emulator, client, endpoint, name="new")

    assert show(client, endpoint) == ("RUNNING", None, "chat", 2)


def test_a_later_word_replaces_an_earlier_one(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.fail_next_rollout(endpoint, "never")
    emulator.fail_next_rollout(endpoint)

    update(emulator, client, endpoint, name="new")

    assert show(client, endpoint) == ("RUNNING", None, "new", 2)


@pytest.mark.parametrize("outcome", ["", "down", "down:", "shown", "status:", "up:X", "fails"])
def test_what_is_no_outcome_is_refused(emulator: Emulator, client: Client, outcome: str) -> None:
    with pytest.raises(ValueError, match="is not how a roll-out ends"):
        emulator.fail_next_rollout("*", outcome)
    path = "/__emulator/endpoint/*/next-rollout"
    assert client.post(path, json={"outcome": outcome}).status_code == 400
    assert client.post(path, json={}).status_code == 404


# Somebody else


def test_the_web_page_can_change_what_is_being_rolled_out(
    emulator: Emulator, client: Client
) -> None:
    endpoint = create(emulator, client)
    client.update(endpoint, name="ours", newVersionComment="us").raise_for_status()
    emulator.advance(1)

    assert emulator.change(endpoint, name="theirs", comment="them") == 2

    assert client.status(endpoint) == "UPDATING"
    emulator.advance(1.9)
    assert show(client, endpoint) == ("UPDATING", None, "chat", 3)
    emulator.advance(0.1)
    assert show(client, endpoint) == ("RUNNING", None, "theirs", 3)
    kept = emulator.versions(endpoint)
    assert [one["comment"] for one in kept] == [None, "us", "them"]
    assert kept[2]["creator"] == "someone-else" != kept[1]["creator"]
    assert [one["current"] for one in kept] == [False, False, True]


def test_the_api_refuses_what_the_web_page_can_do(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    client.update(endpoint, name="ours").raise_for_status()

    assert client.update(endpoint, name="again").status_code == 400
    assert len(client.versions(endpoint)) == 2


def test_somebody_can_step_in_at_any_request(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.on_request("GET", "/status$", lambda: emulator.change(endpoint, name="x"), nth=2)
    emulator.on_request("PUT", "/sleep$", lambda: emulator.advance(1000), "after")

    assert client.status(endpoint) == "RUNNING"
    assert client.status(endpoint) == "UPDATING"
    emulator.advance(2)
    assert client.status(endpoint) == "RUNNING"
    before = emulator.now()
    client.move(endpoint, "sleep").raise_for_status()
    assert emulator.now() == before + 1000
    first, second = client.ask("GET", "/__emulator/faults")
    assert (first["kind"], first["applied"], second["applied"]) == ("call", 1, 1)


# The record


def test_the_versions_are_told_with_all_that_was_sent(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client, initialVersionComment="first")
    emulator.fail_next_rollout(endpoint, CODE)
    update(emulator, client, endpoint, hfModelRepo="org/new", newVersionComment="second")

    first, second = emulator.versions(endpoint)

    assert first.keys() == {
        "number", "settings", "comment", "creator", "created_at", "current", "serves"
    }  # fmt: skip
    assert (first["number"], first["comment"], first["current"]) == (0, "first", True)
    assert (second["number"], second["comment"], second["current"]) == (1, "second", False)
    assert second["settings"]["hfModelRepo"] == "org/new"
    assert second["created_at"] == first["created_at"] + 3
    assert [str(one["number"]) for one in (second, first)] == list(client.versions(endpoint))
    assert first["serves"] is True
    client.move(endpoint, "sleep").raise_for_status()
    assert [one["serves"] for one in emulator.versions(endpoint)] == [False, False]
    over_http = client.ask("GET", f"/__emulator/endpoint/{endpoint}/versions")
    assert over_http == emulator.versions(endpoint)
    with pytest.raises(KeyError):
        emulator.versions("nothing")
