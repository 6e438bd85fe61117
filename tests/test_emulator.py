"""The emulator keeps the rules that it documents; everything goes over real HTTP."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from friendli_iac.emulator import Emulator, serve

ENDPOINTS = "/dedicated/beta/endpoint"
HOUR = 3600.0
BODY: dict[str, Any] = {
    "projectId": "project-a",
    "name": "chat",
    "instanceOptionId": "TwD5AqnBSVN0",
    "hfModelRepo": "org/model",
    "advanced": {"tokenizer_skip_special_tokens": True, "tokenizer_add_special_tokens": True},
    "autoscalingPolicy": {"minReplica": 1, "maxReplica": 2, "cooldownPeriod": 300},
}


class Client(httpx.Client):
    """The API by its verbs; answers are parsed, and anything but a 200 raises."""

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        return self.request(method, path, **arguments).raise_for_status().json()

    def spec(self, endpoint: str) -> Any:
        return self.ask("GET", f"{ENDPOINTS}/{endpoint}")

    def status(self, endpoint: str) -> str:
        return str(self.ask("GET", f"{ENDPOINTS}/{endpoint}/status")["status"])

    def versions(self, endpoint: str) -> Any:
        return self.ask("GET", f"{ENDPOINTS}/{endpoint}/version")["data"]

    def update(self, endpoint: str, **changes: Any) -> httpx.Response:
        return self.put(f"{ENDPOINTS}/{endpoint}", json=changes)

    def move(self, endpoint: str, verb: str) -> httpx.Response:
        return self.put(f"{ENDPOINTS}/{endpoint}/{verb}")


def connect(url: str, token: str = "flp_test") -> Client:
    return Client(base_url=url, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with Emulator(clock="manual", seed=1) as running:
        yield running


@pytest.fixture
def emulator(server: Emulator) -> Emulator:
    server.reset()
    return server


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    with connect(emulator.url) as connected:
        yield connected


def create(emulator: Emulator, client: Client, **changes: Any) -> str:
    """The id of a new endpoint, whose roll-out has ended."""
    client.ask("POST", ENDPOINTS, json=BODY | changes)
    emulator.advance(3)
    return str(emulator.endpoints()[-1]["id"])


# Requests


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"name": None}, ["body", "name"]),
        ({"projectId": 1}, ["body", "projectId"]),
        ({"hfModelRepo": None}, ["body", "hfModelRepo"]),
        ({"advanced": {}}, ["body", "advanced", "tokenizer_skip_special_tokens"]),
        (
            {"advanced": BODY["advanced"] | {"max_context_length": 0}},
            ["body", "advanced", "max_context_length"],
        ),
        (
            {"advanced": BODY["advanced"] | {"queue_backpressure_metric_kind": "LUCK"}},
            ["body", "advanced", "queue_backpressure_metric_kind"],
        ),
        ({"autoscalingPolicy": {"maxReplica": 11}}, ["body", "autoscalingPolicy", "maxReplica"]),
        ({"autoscalingPolicy": {"minReplica": -1}}, ["body", "autoscalingPolicy", "minReplica"]),
        ({"autoscalingPolicy": {"minReplica": True}}, ["body", "autoscalingPolicy", "minReplica"]),
        ({"simplescale": {"replicas": 0}}, ["body", "simplescale", "replicas"]),
    ],
)
def test_a_wrong_body_is_a_422_with_its_place(
    emulator: Emulator, client: Client, changes: dict[str, Any], location: list[str]
) -> None:
    answer = client.post(ENDPOINTS, json=BODY | changes)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == location
    assert answer.json()["detail"][0].keys() == {"loc", "msg", "type"}
    assert emulator.endpoints() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"instanceOptionId": "nothing"},
        {"autoscalingPolicy": {"minReplica": 3, "maxReplica": 2}},
        {"autoscalingPolicy": None},
        {"simplescale": {"replicas": 1}},
        {"uploadedModelId": "model-1"},
    ],
)
def test_a_contradiction_is_a_400(
    emulator: Emulator, client: Client, changes: dict[str, Any]
) -> None:
    assert client.post(ENDPOINTS, json=BODY | changes).status_code == 400
    assert emulator.endpoints() == []


def test_an_unknown_path_is_a_404_as_fastapi_gives_it(client: Client) -> None:
    answer = client.get("/dedicated/beta/nothing")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_unknown_keys_are_ignored(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client, adapters=[{"route": "sql"}], colour="green")

    settings = emulator.endpoint(endpoint)["versions"][0]["settings"]
    assert not {"adapters", "colour"} & settings.keys()


def test_tokens_teams_and_projects(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    team = {"X-Friendli-Team": "team-emulator"}
    assert client.get(ENDPOINTS, headers=team).status_code == 200
    assert client.get(ENDPOINTS, headers={"X-Friendli-Team": "team-b"}).status_code == 403
    assert client.get(ENDPOINTS, headers={"Authorization": "Bearer flc_x"}).status_code == 401
    assert httpx.get(emulator.url + ENDPOINTS).status_code == 401

    emulator.set_tokens({"flp_b": {"user": "user-b", "teams": ["team-b", "team-c"]}})

    assert client.get(ENDPOINTS).status_code == 401
    with connect(emulator.url, "flp_b") as other:
        assert other.get(f"{ENDPOINTS}/{endpoint}").status_code == 404
        assert other.post(ENDPOINTS, json=BODY).status_code == 403
        assert other.get(ENDPOINTS, params={"project_id": "project-a"}).status_code == 403
        other.ask(
            "POST",
            ENDPOINTS,
            json=BODY | {"projectId": "project-c"},
            headers={"X-Friendli-Team": "team-c"},
        )
        assert other.ask("GET", ENDPOINTS)["data"] == {}
    assert emulator.endpoints()[-1]["team"] == "team-c"
    assert emulator.endpoints()[-1]["creator"] == "user-b"


def test_the_log_has_what_was_sent_but_no_token(emulator: Emulator, client: Client) -> None:
    client.post(ENDPOINTS, json=BODY, headers={"Idempotency-Key": "key-1"})
    client.get(ENDPOINTS, params={"project_id": "", "limit": "5"})

    created, listed = emulator.requests
    assert (created["method"], created["path"], created["status"]) == ("POST", ENDPOINTS, 200)
    assert created["body"] == BODY
    assert created["headers"]["idempotency-key"] == "key-1"
    assert created["authorization"] is True
    assert listed["query"] == {"project_id": "", "limit": "5"}
    assert "flp_test" not in str(emulator.requests)
    emulator.clear_requests()
    assert emulator.requests == []


# Pages


def pages(client: Client, path: str, limit: int) -> list[list[str]]:
    found, cursor = [], None
    while True:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = client.ask("GET", path, params=query)
        found.append(list(page["data"]))
        cursor = page["nextCursor"]
        if cursor is None:
            return found


def test_a_list_comes_in_pages_newest_first(emulator: Emulator, client: Client) -> None:
    ids = [one["id"] for one in emulator.seed(45)]

    assert [len(page) for page in pages(client, ENDPOINTS, 20)] == [20, 20, 5]
    assert [one for page in pages(client, ENDPOINTS, 7) for one in page] == ids[::-1]
    assert len(client.ask("GET", ENDPOINTS)["data"]) == 20
    assert client.get(ENDPOINTS, params={"limit": 0}).status_code == 422
    assert client.get(ENDPOINTS, params={"limit": "x"}).status_code == 422


def test_a_page_stays_where_it_is_while_endpoints_come_and_go(
    emulator: Emulator, client: Client
) -> None:
    ids = [one["id"] for one in emulator.seed(5)]
    first = client.ask("GET", ENDPOINTS, params={"limit": 2})
    emulator.seed(3)
    emulator.set_status(ids[2], "TERMINATED")
    client.ask("DELETE", f"{ENDPOINTS}/{ids[2]}")

    rest = client.ask("GET", ENDPOINTS, params={"cursor": first["nextCursor"]})

    assert list(first["data"]) == [ids[4], ids[3]]
    assert list(rest["data"]) == [ids[1], ids[0]]


def test_a_cursor_must_be_percent_encoded_and_our_own(emulator: Emulator, client: Client) -> None:
    emulator.seed(3)
    cursor = client.ask("GET", ENDPOINTS, params={"limit": 1})["nextCursor"]

    assert cursor.endswith("==")
    assert client.get(ENDPOINTS, params={"cursor": "nonsense"}).status_code == 400


def test_versions_come_in_pages(emulator: Emulator, client: Client) -> None:
    (one,) = emulator.seed(1, versions=5)

    path = f"{ENDPOINTS}/{one['id']}/version"
    assert pages(client, path, 2) == [["4", "3"], ["2", "1"], ["0"]]


# Updates


def test_an_update_merges(emulator: Emulator, client: Client) -> None:
    endpoint = create(
        emulator,
        client,
        hfModelRepoRevision="abc",
        advanced=BODY["advanced"] | {"max_batch_size": 8, "max_input_length": 100},
    )

    flags = {"tokenizer_skip_special_tokens": False, "tokenizer_add_special_tokens": False}
    client.update(
        endpoint, name=None, advanced=flags | {"max_input_length": None}
    ).raise_for_status()
    emulator.advance(2)

    spec = client.spec(endpoint)
    assert (spec["name"], spec["maxBatchSize"], spec["maxInputLength"]) == ("chat", 8, None)
    assert spec["tokenizerSkipSpecialTokens"] is False
    assert emulator.endpoint(endpoint)["versions"][1]["settings"]["hfModelRepoRevision"] == "abc"


def test_another_repository_does_not_inherit_the_revision(
    emulator: Emulator, client: Client
) -> None:
    endpoint = create(emulator, client, hfModelRepoRevision="abc")

    client.update(endpoint, hfModelRepo="org/other").raise_for_status()

    settings = emulator.endpoint(endpoint)["versions"][1]["settings"]
    assert "hfModelRepoRevision" not in settings


def test_scaling_by_hand_replaces_the_policy_and_back(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.set_durations(update=0)

    client.update(endpoint, simplescale={"replicas": 4}).raise_for_status()
    assert client.spec(endpoint)["autoscalingMin"] == 4
    assert client.spec(endpoint)["currReplicaCnt"] == 4
    client.update(endpoint, autoscalingPolicy={"maxReplica": 3}).raise_for_status()

    spec = client.spec(endpoint)
    assert (spec["autoscalingMin"], spec["autoscalingMax"]) == (0, 3)
    assert spec["autoscalingCooldown"] == 300


def test_a_failed_update_leaves_the_old_version_serving(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)

    client.update(endpoint, name="new", hfModelRepo="org/gated").raise_for_status()
    assert client.status(endpoint) == "UPDATING"
    emulator.advance(2)

    assert client.status(endpoint) == "RUNNING"
    assert client.spec(endpoint)["name"] == "chat"
    assert list(client.versions(endpoint)) == ["1", "0"]
    client.update(endpoint, autoscalingPolicy={"minReplica": 2, "maxReplica": 2})
    emulator.advance(2)
    assert client.spec(endpoint)["name"] == "chat"
    assert list(client.versions(endpoint)) == ["2", "1", "0"]


@pytest.mark.parametrize(
    ("outcome", "status", "name"),
    [
        ("INFERENCE_ENGINE_MEMORY_ERROR", "RUNNING", "chat"),
        ("ignored", "RUNNING", "chat"),
        ("never", "UPDATING", "chat"),
    ],
)
def test_the_next_rollout_can_be_made_to_fail(
    emulator: Emulator, client: Client, outcome: str, status: str, name: str
) -> None:
    endpoint = create(emulator, client)
    emulator.fail_next_rollout(endpoint, outcome)

    client.update(endpoint, name="new").raise_for_status()
    emulator.advance(1000)

    assert (client.status(endpoint), client.spec(endpoint)["name"]) == (status, name)


def test_the_next_create_can_be_made_to_fail(emulator: Emulator, client: Client) -> None:
    emulator.fail_next_rollout("*", "SOME_FUTURE_ERROR")

    failed, fine = create(emulator, client), create(emulator, client)

    status = client.ask("GET", f"{ENDPOINTS}/{failed}/status")
    assert (status["status"], status["errorCode"]) == ("FAILED", "SOME_FUTURE_ERROR")
    assert client.status(fine) == "RUNNING"


# Life


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("org/gated-1", "FAILED", "WORKLOAD_INIT_CANNOT_ACCESS_REPO_ERROR"),
        ("org/missing", "FAILED", "WORKLOAD_INIT_MANIFEST_NOT_FOUND_ERROR"),
        ("org/broken-download", "FAILED", "WORKLOAD_INIT_DOWNLOAD_ERROR"),
        ("org/too-big", "FAILED", "INFERENCE_ENGINE_MEMORY_ERROR"),
        ("org/never-ready", "INITIALIZING", None),
    ],
)
def test_models_fail_by_their_name(
    emulator: Emulator, client: Client, model: str, status: str, code: str | None
) -> None:
    endpoint = create(emulator, client, hfModelRepo=model)
    emulator.advance(1000)

    shown = client.ask("GET", f"{ENDPOINTS}/{endpoint}/status")
    assert (shown["status"], shown["errorCode"]) == (status, code)


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


def test_an_inference_request_wakes_what_sleeps(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    client.move(endpoint, "sleep").raise_for_status()
    question = {"model": endpoint, "messages": [{"role": "user", "content": "Hello"}]}

    first = client.post("/dedicated/v1/chat/completions", json=question)
    assert first.status_code == 503
    assert client.status(endpoint) == "AWAKING"
    emulator.advance(1)
    second = client.post("/dedicated/v1/chat/completions", json=question)

    assert second.json()["model"] == endpoint
    assert emulator.endpoint(endpoint)["inference_requests"] == 2
    nothing = client.post("/dedicated/v1/chat/completions", json=question | {"messages": []})
    assert nothing.status_code == 422


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


# Faults


def test_a_fault_before_has_no_effect_and_one_after_has(emulator: Emulator, client: Client) -> None:
    emulator.fault("POST", "/endpoint$", status=503, body={"message": "busy"}, retry_after=2)
    refused = client.post(ENDPOINTS, json=BODY)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert refused.json() == {"message": "busy"}
    assert emulator.endpoints() == []

    emulator.fault("POST", "/endpoint$", when="after", status=500)
    assert client.post(ENDPOINTS, json=BODY).status_code == 500
    assert len(emulator.endpoints()) == 1
    assert client.post(ENDPOINTS, json=BODY).status_code == 200


def test_a_fault_hits_the_nth_request_so_many_times(emulator: Emulator, client: Client) -> None:
    emulator.fault("GET", "/endpoint$", nth=2, count=2, status=429)

    statuses = [client.get(ENDPOINTS).status_code for _ in range(5)]

    assert statuses == [200, 429, 429, 200, 200]
    assert [one["faults"] for one in emulator.requests] == [[], ["status"], ["status"], [], []]


@pytest.mark.parametrize(("when", "endpoints"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_is_one(
    emulator: Emulator, client: Client, when: Any, endpoints: int
) -> None:
    emulator.fault("POST", "/endpoint$", kind="drop", when=when)

    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        client.post(ENDPOINTS, json=BODY)

    assert len(emulator.endpoints()) == endpoints
    assert emulator.requests[-1]["status"] is None
    assert client.get(ENDPOINTS).status_code == 200


def test_answers_that_are_not_json(emulator: Emulator, client: Client) -> None:
    emulator.seed(3)
    emulator.fault("GET", "/endpoint$", kind="truncate", when="after")
    with pytest.raises(ValueError):
        client.get(ENDPOINTS).raise_for_status().json()
    emulator.fault("GET", "/endpoint$", kind="html")
    assert client.get(ENDPOINTS).headers["content-type"].startswith("text/html")


def test_latency_is_real_time(emulator: Emulator, client: Client) -> None:
    emulator.fault("GET", "/endpoint$", kind="latency", seconds=0.3)
    with pytest.raises(httpx.ReadTimeout):
        client.get(ENDPOINTS, timeout=0.05)
    emulator.set_options(latency_ms=30)
    assert client.get(ENDPOINTS).elapsed.total_seconds() >= 0.03


def test_a_stale_list_hides_what_is_new(emulator: Emulator, client: Client) -> None:
    old, young = create(emulator, client), create(emulator, client)

    emulator.fault("GET", "/endpoint$", kind="stale_list", seconds=4)
    assert list(client.ask("GET", ENDPOINTS)["data"]) == [old]
    emulator.fault("GET", "/endpoint$", kind="stale_list", newest=1)
    assert list(client.ask("GET", ENDPOINTS)["data"]) == [old]
    assert list(client.ask("GET", ENDPOINTS)["data"]) == [young, old]
    assert client.status(young) == "RUNNING"


@pytest.mark.parametrize(("when", "meanwhile"), [("before", 0), ("after", 1)])
def test_a_request_is_held_until_it_is_released(
    emulator: Emulator, client: Client, when: Any, meanwhile: int
) -> None:
    emulator.hold("POST", "/endpoint$", when)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.post, ENDPOINTS, json=BODY)
        (held,) = emulator.wait_held()
        assert (held["method"], held["when"]) == ("POST", when)
        assert len(emulator.endpoints()) == meanwhile
        assert emulator.release() == 1
        assert answer.result().status_code == 200

    assert emulator.held() == []
    assert len(emulator.endpoints()) == 1


def test_a_held_request_does_not_hinder_the_end() -> None:
    with Emulator() as emulator, connect(emulator.url) as client, ThreadPoolExecutor() as pool:
        emulator.hold("GET", "/endpoint$")
        answer = pool.submit(client.get, ENDPOINTS)
        emulator.wait_held()
        emulator.stop()
        assert answer.result().status_code == 200


def test_the_future_can_be_tried(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.set_options(extra_fields={"zone": "moon"}, adapters_key="adapters")
    emulator.set_status(endpoint, "HIBERNATING", "COOLING", "FROST")

    status = client.ask("GET", f"{ENDPOINTS}/{endpoint}/status")
    assert (status["status"], status["phase"], status["errorCode"]) == (
        "HIBERNATING",
        "COOLING",
        "FROST",
    )
    assert status["zone"] == client.spec(endpoint)["zone"] == "moon"
    other = create(emulator, client, adapters=[{"route": "sql"}])
    probe = {"model": f"{other}:sql", "prompt": "a"}
    assert client.post("/dedicated/v1/tokenize", json=probe).status_code == 200


# The process


def test_endpoints_and_time_survive_a_restart(tmp_path: Path) -> None:
    with Emulator(tmp_path, clock="manual", seed=7) as emulator, connect(emulator.url) as client:
        first = create(emulator, client)
        client.update(first, name="new", newVersionComment="second").raise_for_status()
        emulator.advance(1)
        before = emulator.endpoints()
        now = emulator.now()

    with Emulator(tmp_path, clock="manual", seed=7) as emulator, connect(emulator.url) as client:
        assert emulator.now() == now
        assert emulator.endpoints() == before
        assert client.status(first) == "UPDATING"
        emulator.advance(1)
        assert client.spec(first)["name"] == "new"
        assert create(emulator, client) != first


def test_ids_are_the_same_with_the_same_seed() -> None:
    def ids(seed: int | None) -> list[str]:
        emulator = Emulator(seed=seed)
        return [one["id"] for one in emulator.seed(3)]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)
    assert ids(None) != ids(None)


SERVER = """
import sys
from friendli_iac.emulator import serve
serve(data=sys.argv[1], on_ready=lambda url: (sys.stdout.write(url + "\\n"), sys.stdout.flush()))
"""


def start_process(data: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVER, str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    process, url = start_process(tmp_path)
    with process, connect(url) as client:
        for _ in range(3):
            client.ask("POST", ENDPOINTS, json=BODY)
        process.kill()

    process, url = start_process(tmp_path)
    with process, connect(url) as client:
        assert len(client.ask("GET", ENDPOINTS)["data"]) == 3
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly_on_a_signal(tmp_path: Path, number: int) -> None:
    process, url = start_process(tmp_path)
    with process, connect(url) as client:
        client.ask("GET", ENDPOINTS)
        os.kill(process.pid, number)
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_port_in_use_is_an_error(emulator: Emulator, tmp_path: Path) -> None:
    port = int(emulator.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Emulator(tmp_path, port=port).start()


def test_a_refused_update_leaves_the_next_rollout_alone(emulator: Emulator, client: Client) -> None:
    client.ask("POST", ENDPOINTS, json=BODY)
    endpoint = emulator.endpoints()[0]["id"]
    emulator.fail_next_rollout("*", "ignored")

    assert client.update(endpoint, name="new").status_code == 400

    assert emulator.endpoint(endpoint)["next_rollout"] is None


def test_serve_is_for_the_main_thread(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            serve(data=tmp_path)
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert len(errors) == 1


# The control API


def test_the_control_api_does_what_the_object_does(emulator: Emulator, client: Client) -> None:
    def control(method: str, path: str, body: Any = None) -> Any:
        return client.ask(method, f"/__emulator{path}", json=body or {})

    (one,) = control("POST", "/seed", {"count": 1, "project": "project-z", "name": "n-{}"})
    endpoint = one["id"]
    assert one["name"] == "n-0"
    assert control("POST", f"/endpoint/{endpoint}/change", {"name": "new"}) == {"version": 1}
    assert control("PUT", "/durations", {"update": 9})["update"] == 9
    assert control("POST", "/clock", {"advance": 2})["now"] == emulator.now()
    assert client.spec(endpoint)["name"] == "new"
    assert control("GET", f"/endpoint/{endpoint}")["versions"][1]["creator"] == "someone-else"
    control("POST", f"/endpoint/{endpoint}/next-rollout", {"outcome": "never"})
    assert emulator.endpoint(endpoint)["next_rollout"] == "never"
    control("POST", f"/endpoint/{endpoint}/status", {"status": "FAILED", "error_code": "X"})
    assert client.status(endpoint) == "FAILED"

    rule = {"method": "GET", "path": "/endpoint$", "kind": "hold"}
    number = control("POST", "/faults", rule)["id"]
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.get, ENDPOINTS)
        emulator.wait_held()
        assert [held["path"] for held in control("GET", "/holds")] == [ENDPOINTS]
        assert control("POST", "/holds/release") == {"released": 1}
        assert answer.result().status_code == 200
    (in_force,) = control("GET", "/faults")
    assert (in_force["id"], in_force["applied"]) == (number, 1)
    control("DELETE", "/faults")

    control("PUT", "/tokens", {"flp_x": {"user": "user-x", "team": "team-x"}})
    assert client.get(ENDPOINTS).status_code == 401
    assert control("PUT", "/options", {"latency_ms": 1})["latency_ms"] == 1
    assert control("GET", "/state")["endpoints"] == emulator.endpoints()
    assert control("GET", "/requests") == emulator.requests
    control("DELETE", "/requests")
    assert emulator.requests == []
    control("POST", "/reset")
    assert emulator.endpoints() == []
    assert client.get(ENDPOINTS).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/faults", [], 400),
        ("/faults", {"method": "GET"}, 400),
        ("/faults", {"method": "GET", "path": "(", "kind": "drop"}, 400),
        ("/faults", {"method": "GET", "path": "x", "kind": "gremlin"}, 400),
        ("/endpoint/nothing/status", {"status": "RUNNING"}, 404),
        ("/endpoint/nothing/status", {}, 400),
        ("/seed", {"count": 1, "instanceOptionId": "nothing"}, 400),
    ],
)
def test_the_control_api_refuses_nonsense(
    client: Client, path: str, body: Any, status: int
) -> None:
    answer = client.post(f"/__emulator{path}", json=body)

    assert answer.status_code == status
    assert "error" in answer.json()
