"""What an endpoint of the emulator goes through, and what it refuses meanwhile."""

import pytest

from friendli_iac.emulator import Emulator

from .emulator_client import BODY, ENDPOINTS, HOUR, Client, connect, create, fixtures

server, emulator, client = fixtures()


def test_phases_pass_one_by_one(emulator: Emulator, client: Client) -> None:
    shown = [client.ask("POST", ENDPOINTS, json=BODY)["phase"]]
    endpoint = emulator.endpoints()[0]["id"]
    for _ in range(3):
        emulator.advance(1)
        shown.append(client.ask("GET", f"{ENDPOINTS}/{endpoint}/status")["phase"])

    assert shown == [
        "REQUESTING_VIRTUAL_MACHINE",
        "DOWNLOADING_MODEL",
        "ENGINE_INITIALIZING",
        None,
    ]


REFUSALS = {
    "INITIALIZING": {"update", "sleep", "wake", "restart", "delete"},
    "RUNNING": {"wake", "restart", "delete"},
    "READY": {"wake", "restart", "delete"},
    "UPDATING": {"update", "sleep", "wake", "restart", "delete"},
    "SLEEPING": {"sleep", "restart", "delete"},
    "AWAKING": {"update", "sleep", "wake", "restart", "delete"},
    "FAILED": {"sleep", "wake"},
    "STOPPING": {"update", "sleep", "wake", "restart", "delete"},
    "TERMINATING": {"update", "sleep", "wake", "restart", "terminate", "delete"},
    "TERMINATED": {"sleep", "wake", "terminate"},
}


@pytest.mark.parametrize("status", REFUSALS)
def test_each_status_refuses_some_requests(emulator: Emulator, client: Client, status: str) -> None:
    refused = set()
    for verb in ("update", "sleep", "wake", "restart", "terminate", "delete"):
        (one,) = emulator.seed(1)
        emulator.set_status(one["id"], status)
        path = f"{ENDPOINTS}/{one['id']}"
        if verb == "update":
            answer = client.put(path, json={"name": "new"})
        elif verb == "delete":
            answer = client.delete(path)
        else:
            answer = client.move(one["id"], verb)
        if answer.status_code == 400:
            refused.add(verb)
        else:
            answer.raise_for_status()

    assert refused == REFUSALS[status]


@pytest.mark.parametrize(
    ("status", "after", "name"),
    [
        ("SLEEPING", "SLEEPING", "new"),
        ("TERMINATED", "TERMINATED", "new"),
        ("FAILED", "INITIALIZING", "new"),
    ],
)
def test_an_update_of_what_does_not_run_shows_at_once(
    emulator: Emulator, client: Client, status: str, after: str, name: str
) -> None:
    endpoint = create(emulator, client)
    emulator.set_status(endpoint, status)

    client.update(endpoint, name="new").raise_for_status()

    assert client.status(endpoint) == after
    assert client.spec(endpoint)["name"] == name
    assert list(client.versions(endpoint)) == ["1", "0"]


def test_the_autoscaler_puts_to_sleep_and_the_limit_terminates(
    emulator: Emulator, client: Client
) -> None:
    policy = {"minReplica": 0, "maxReplica": 1, "cooldownPeriod": 100}
    endpoint = create(emulator, client, autoscalingPolicy=policy)
    emulator.advance(90)
    client.ask("POST", "/dedicated/v1/tokenize", json={"model": endpoint, "prompt": "a b"})
    emulator.advance(90)
    assert client.status(endpoint) == "RUNNING"

    emulator.advance(10)
    assert client.status(endpoint) == "SLEEPING"
    assert client.spec(endpoint)["currReplicaCnt"] == 0
    emulator.advance(48 * HOUR - 1)
    assert client.status(endpoint) == "SLEEPING"
    emulator.advance(1)
    assert client.status(endpoint) == "TERMINATED"


def test_adapters_are_attached_in_the_web_page_only(emulator: Emulator, client: Client) -> None:
    emulator.set_durations(update=0)
    endpoint = create(emulator, client)
    probe = {"model": f"{endpoint}:sql", "prompt": "a"}
    assert client.post("/dedicated/v1/tokenize", json=probe).status_code == 404

    version = emulator.change(endpoint, adapters=["sql"], comment="adapter")

    client.status(endpoint)
    assert client.post("/dedicated/v1/tokenize", json=probe).status_code == 200
    assert version == 1
    assert emulator.endpoint(endpoint)["versions"][1]["creator"] == "someone-else"


def test_zero_durations_are_over_at_the_next_look() -> None:
    with Emulator(durations=0) as emulator, connect(emulator.url) as client:
        assert client.ask("POST", ENDPOINTS, json=BODY)["status"] == "INITIALIZING"
        (endpoint,) = client.ask("GET", ENDPOINTS)["data"]
        assert client.status(endpoint) == "RUNNING"
        client.update(endpoint, name="new").raise_for_status()
        assert client.spec(endpoint)["name"] == "new"
        assert client.move(endpoint, "terminate").json()["status"] == "TERMINATING"
        client.ask("DELETE", f"{ENDPOINTS}/{endpoint}")
        assert client.get(f"{ENDPOINTS}/{endpoint}").status_code == 404


def test_the_wandb_route_needs_a_project_for_its_key(emulator: Emulator, client: Client) -> None:
    path = "/dedicated/endpoint/wandb-artifact-create"
    body = {"wandbArtifactVersionName": "org/registry/model:v0"}
    by_key = body | {"idempotencyKey": "key", "projectId": "project-a"}

    assert client.post(path, json=body | {"idempotencyKey": "key"}).status_code == 400
    one, two = (client.ask("POST", path, json=body)["endpointId"] for _ in range(2))
    first = client.ask("POST", path, json=by_key)["endpointId"]
    assert client.post(path, json=by_key).status_code == 400  # It is still initializing.
    emulator.advance(3)
    again = client.ask("POST", path, json=by_key)["endpointId"]
    elsewhere = client.ask("POST", path, json=by_key | {"projectId": "project-b"})["endpointId"]

    assert again == first
    assert len({one, two, first, elsewhere}) == 4
