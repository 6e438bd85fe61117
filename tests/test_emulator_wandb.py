"""The emulator's half of W&B: what its GraphQL answers and refuses, and its artifacts."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from friendli_iac.emulator import Emulator

from .wandb_client import CHAT, DEPLOY, EVERY, KEY, Wandb, connect

MEMBERSHIP = """
query ($name: String!) {
  project(entityName: "acme", name: "wandb-registry-model") {
    artifactCollectionMembership(name: $name) {
      versionIndex
      aliases { alias }
      artifact {
        digest metadata size state
        createdBy { __typename ... on Run { displayName summaryMetrics } ... on User { username } }
      }
    }
  }
}"""


@pytest.fixture
def wandb(emulator: Emulator) -> Iterator[Wandb]:
    emulator.wandb.seed()
    with connect(emulator.url) as client:
        yield client


def message(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["message"])


# Who asks


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        f"Basic {base64.b64encode(b'api:short').decode()}",
        f"Basic {base64.b64encode(b'user:' + KEY.encode()).decode()}",
        "Basic %%%",
        "Bearer short",
        f"Digest {KEY}",
    ],
)
def test_who_has_no_key_gets_nothing(emulator: Emulator, authorization: str) -> None:
    answer = httpx.post(
        f"{emulator.url}/graphql",
        json={"query": "{viewer{id}}"},
        headers={"Authorization": authorization},
    )
    assert answer.status_code == 401
    assert answer.json() == {"errors": [{"message": "user is not logged in"}], "data": None}


@pytest.mark.parametrize("key", [KEY, f"wandb-{KEY}"])
def test_a_key_comes_as_basic_or_as_bearer(emulator: Emulator, key: str) -> None:
    emulator.wandb.seed()
    body = {"query": "{ viewer { entity } }"}
    url = f"{emulator.url}/graphql"
    basic = httpx.post(url, json=body, auth=("api", key))
    bearer = httpx.post(url, json=body, headers={"Authorization": f"Bearer {key}"})
    assert basic.json() == bearer.json() == {"data": {"viewer": {"entity": "acme"}}}


def test_only_the_keys_that_it_is_told_of_are_known(emulator: Emulator, wandb: Wandb) -> None:
    emulator.wandb.keys = {"x" * 40}
    assert wandb.send_query("{ viewer { id } }").status_code == 401


def test_the_log_has_the_operation_and_no_key(emulator: Emulator, wandb: Wandb) -> None:
    wandb.ask("query A { first: viewer { id } }")
    wandb.send_query(
        "mutation B($id: ID!) { x: deleteTrigger(input: {triggerID: $id}) { success } }"
    )
    assert [one["graphql"] for one in emulator.requests] == [
        "query viewer",
        "mutation deleteTrigger",
    ]
    assert KEY not in json.dumps(emulator.requests)


# What is asked


def test_an_empty_operation_name_is_none(wandb: Wandb) -> None:
    body = {"query": "query Q { viewer { entity } }", "operationName": ""}
    assert wandb.post("/graphql", json=body).json() == {"data": {"viewer": {"entity": "acme"}}}


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b'{"query": 1}', b'{"query": "{"}'])
def test_what_is_no_graphql_is_a_400(wandb: Wandb, content: bytes) -> None:
    answer = wandb.post("/graphql", content=content)
    assert answer.status_code == 400
    assert message(answer)


def test_an_unknown_field_is_refused_in_the_words_that_the_sdk_looks_for(wandb: Wandb) -> None:
    answer = wandb.send_query("{ serverInfo { colour } }")
    assert answer.status_code == 400
    assert message(answer) == 'Cannot query field "colour" on type "ServerInfo".'


def test_usage_metrics_are_not_wanted(wandb: Wandb) -> None:
    assert wandb.post("/sdk/otel/v1/metrics", content=b"x").status_code == 404


@pytest.mark.parametrize("field", ["updateGenericWebhookIntegration", "deleteIntegration"])
def test_what_w_and_b_may_lack_is_not_there_unless_it_is_offered(
    emulator: Emulator, wandb: Wandb, field: str
) -> None:
    def known() -> bool:
        answer = wandb.ask("{ __schema { mutationType { fields { name } } } }")
        names = [one["name"] for one in answer["__schema"]["mutationType"]["fields"]]
        assert "createGenericWebhookIntegration" in names
        return field in names

    assert not known()
    emulator.wandb.offers = {field}
    assert known()
    emulator.wandb.introspection = False
    assert wandb.send_query("{ __schema { mutationType { name } } }").status_code == 400


def test_names_of_secrets_are_shown_where_that_is_offered_and_values_never(
    emulator: Emulator, wandb: Wandb
) -> None:
    query = '{ entity(name: "acme") { secrets { name } } }'
    assert wandb.send_query(query).status_code == 400
    emulator.wandb.offers = {"secrets"}
    assert wandb.ask(query) == {"entity": {"secrets": [{"name": "FRIENDLI_TOKEN"}]}}
    assert "flp_emulator" not in json.dumps(emulator.wandb.state())


# Versions and aliases


def test_a_version_by_its_alias_and_by_its_number(wandb: Wandb) -> None:
    by_alias = wandb.ask(MEMBERSHIP, name="chat:production")
    assert by_alias == wandb.ask(MEMBERSHIP, name="chat:v1")
    found = by_alias["project"]["artifactCollectionMembership"]
    assert found["versionIndex"] == 1
    assert found["aliases"] == [{"alias": "production"}]
    assert json.loads(found["artifact"]["metadata"]) == {"base": "llama-3.1-8b"}
    assert json.loads(found["artifact"]["createdBy"].pop("summaryMetrics")) == {
        "eval/accuracy": 0.89
    }
    assert found["artifact"]["createdBy"] == {"__typename": "Run", "displayName": "chat-sft-2"}
    assert len(found["artifact"]["digest"]) == 32


@pytest.mark.parametrize("name", ["chat:staging", "chat:v3", "other:v0"])
def test_there_is_nothing_where_nothing_is(wandb: Wandb, name: str) -> None:
    assert wandb.ask(MEMBERSHIP, name=name) == {"project": {"artifactCollectionMembership": None}}


def test_a_person_has_logged_what_no_run_did(emulator: Emulator, wandb: Wandb) -> None:
    version = emulator.wandb.log(CHAT, logged_by="grace")
    found = wandb.ask(MEMBERSHIP, name=f"chat:{version}")["project"]["artifactCollectionMembership"]
    assert found["artifact"]["createdBy"] == {"__typename": "User", "username": "grace"}


def test_an_alias_is_on_one_version_of_its_collection(emulator: Emulator, wandb: Wandb) -> None:
    emulator.wandb.log("acme/wandb-registry-model/other", aliases=["production"])
    emulator.wandb.move_alias(CHAT, "production", "v2")
    aliases = {one["version"]: one["aliases"] for one in emulator.wandb.versions(CHAT)}
    assert aliases == {"v0": [], "v1": [], "v2": ["latest", "production"]}
    assert emulator.wandb.versions("acme/wandb-registry-model/other")[0]["aliases"] == [
        "latest",
        "production",
    ]
    emulator.wandb.remove_alias(CHAT, "production")
    assert emulator.wandb.versions(CHAT)[2]["aliases"] == ["latest"]
    with pytest.raises(KeyError, match="production"):
        emulator.wandb.remove_alias(CHAT, "production")
    with pytest.raises(KeyError, match="v9"):
        emulator.wandb.move_alias(CHAT, "production", "v9")


def test_teams_and_the_entity_of_their_organization(emulator: Emulator, wandb: Wandb) -> None:
    emulator.wandb.add_team("research", "Globex Corporation", "globex")
    emulator.wandb.log("globex/wandb-registry-model/chat")
    query = """{
      entity(name: "research") { entityType organization { name orgEntity { name entityType } } }
      organization(name: "Globex Corporation") {
        orgEntity { projects { edges { node { name } } } }
      }
    }"""
    found = wandb.ask(query)
    assert found["entity"] == {
        "entityType": "team",
        "organization": {
            "name": "Globex Corporation",
            "orgEntity": {"name": "globex", "entityType": "organization"},
        },
    }
    projects = found["organization"]["orgEntity"]["projects"]["edges"]
    assert projects == [{"node": {"name": "wandb-registry-model"}}]
    # what is linked there was logged by the team
    assert emulator.wandb.versions("research/models/chat")[0]["version"] == "v0"


# The process


def test_the_world_survives_a_restart(tmp_path: Path) -> None:
    with Emulator(tmp_path) as emulator:
        emulator.wandb.seed()
        webhook = emulator.wandb.add_webhook("acme", "hook", DEPLOY, "FRIENDLI_TOKEN")
        emulator.wandb.add_raw_automation(CHAT, "promote", webhook=webhook, event_filter=EVERY)
        before = emulator.wandb.state()["world"]
    with Emulator(tmp_path) as emulator:
        emulator.wandb.seed()  # does nothing to a world that is there
        assert emulator.wandb.state()["world"] == before
        emulator.reset()
        assert emulator.wandb.state()["world"]["entities"] == {}
    with Emulator(tmp_path) as emulator:
        assert emulator.wandb.state()["world"]["entities"] == {}
