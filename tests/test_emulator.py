"""The emulator keeps the rules that it documents; everything goes over real HTTP."""

from typing import Any

import httpx
import pytest

from friendli_iac.emulator import Emulator

from .emulator_client import BODY, ENDPOINTS, Client, connect, create, fixtures

server, emulator, client = fixtures()

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
