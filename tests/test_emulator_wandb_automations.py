"""The emulator's half of W&B: its automations and webhooks."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .wandb_client import CHAT, CREATE, DELETE, DEPLOY, UPDATE, Wandb, connect, scope_id, trigger

LIST = """
query ($entity: String!, $cursor: String, $filters: JSONString) {
  scope: entity(name: $entity) {
    triggers(after: $cursor, first: 50, filters: $filters) {
      pageInfo { endCursor hasNextPage }
      edges { node {
        id name
        scope { __typename ... on ArtifactPortfolio { name } ... on Project { name } }
        event: triggeringCondition { ... on FilterEventTriggeringCondition { eventType filter } }
        action: triggeredAction { __typename ... on GenericWebhookTriggeredAction {
          requestPayload integration { ... on GenericWebhookIntegration { name urlEndpoint } }
        } }
      } }
    }
  }
}"""


@pytest.fixture
def wandb(emulator: Emulator) -> Iterator[Wandb]:
    emulator.wandb.seed()
    with connect(emulator.url) as client:
        yield client


@pytest.fixture
def webhook(emulator: Emulator, wandb: Wandb) -> str:
    return emulator.wandb.add_webhook("acme", "friendli-deploy", DEPLOY)


# Automations


def test_a_saved_filter_comes_back_wrapped(emulator: Emulator, wandb: Wandb, webhook: str) -> None:
    sent = trigger(scope_id(wandb), webhook)
    wandb.ask(CREATE, input=sent)
    node = wandb.ask(LIST, entity="acme")["scope"]["triggers"]["edges"][0]["node"]
    assert json.loads(node["event"]["filter"]) == {"filter": sent["eventFilter"]}
    assert node["event"]["eventType"] == "ADD_ARTIFACT_ALIAS"
    assert node["scope"] == {"__typename": "ArtifactPortfolio", "name": "chat"}
    assert node["action"] == {
        "__typename": "GenericWebhookTriggeredAction",
        "requestPayload": sent["triggeredActionConfig"]["genericWebhookActionInput"][
            "requestPayload"
        ],
        "integration": {"name": "friendli-deploy", "urlEndpoint": DEPLOY},
    }
    emulator.wandb.filter_as_object = True
    node = wandb.ask(LIST, entity="acme")["scope"]["triggers"]["edges"][0]["node"]
    assert json.loads(node["event"]["filter"]) == {"filter": json.loads(sent["eventFilter"])}


def test_a_name_is_taken_in_its_scope_only(emulator: Emulator, wandb: Wandb, webhook: str) -> None:
    emulator.wandb.log("acme/wandb-registry-model/other")
    chat = scope_id(wandb)
    other = scope_id(wandb, "acme/wandb-registry-model/other")
    wandb.ask(CREATE, input=trigger(chat, webhook))
    again = wandb.send_query(CREATE, input=trigger(chat, webhook))
    assert again.status_code == 409
    assert again.json()["data"] == {"createFilterTrigger": None}
    assert again.json()["errors"][0]["path"] == ["createFilterTrigger"]
    second = wandb.ask(CREATE, input=trigger(other, webhook))["createFilterTrigger"]["trigger"][
        "id"
    ]
    moved = wandb.send_query(UPDATE, input={"id": second, "scopeID": chat})
    assert moved.status_code == 409
    assert [one["scope"] for one in emulator.wandb.automations("acme")] == [
        CHAT,
        "acme/wandb-registry-model/other",
    ]


def test_an_update_changes_what_it_names(emulator: Emulator, wandb: Wandb, webhook: str) -> None:
    sent = trigger(scope_id(wandb), webhook, description="first")
    made = wandb.ask(CREATE, input=sent)["createFilterTrigger"]["trigger"]["id"]
    before = emulator.wandb.automations("acme")[0]
    changed = wandb.ask(UPDATE, input={"id": made, "enabled": False, "description": None})
    shown = changed["updateFilterTrigger"]["trigger"]
    assert shown.pop("updatedAt")
    assert shown == {"id": made, "name": "promote", "description": "first", "enabled": False}
    after = emulator.wandb.automations("acme")[0]
    assert {key for key in after if after[key] != before[key]} == {"enabled", "updated_at"}
    wandb.ask(UPDATE, input={"id": made, "description": ""})
    assert emulator.wandb.automations("acme")[0]["description"] == ""


def test_what_is_not_there_is_a_404(wandb: Wandb, webhook: str) -> None:
    nowhere = "bm90aGluZw=="
    assert wandb.send_query(UPDATE, input={"id": nowhere, "name": "x"}).status_code == 404
    assert wandb.send_query(DELETE, id=nowhere).status_code == 404
    assert wandb.send_query(CREATE, input=trigger(nowhere, webhook)).status_code == 404
    assert wandb.send_query(CREATE, input=trigger(scope_id(wandb), nowhere)).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"name": "n" * 256},
        {"eventFilter": "{"},
        {"eventFilter": "[]"},
        {"triggeringEventType": "SOMETHING"},
        {"triggeredActionType": "NO_OP"},
        {"triggeredActionConfig": {}},
    ],
)
def test_what_cannot_be_is_a_400(
    emulator: Emulator, wandb: Wandb, webhook: str, change: dict[str, Any]
) -> None:
    answer = wandb.send_query(CREATE, input=trigger(scope_id(wandb), webhook, **change))
    assert answer.status_code == 400
    assert emulator.wandb.automations("acme") == []


def test_120_automations_come_in_three_pages(
    emulator: Emulator, wandb: Wandb, webhook: str
) -> None:
    wanted = [f"a{number}" for number in range(120)]
    for name in wanted:
        emulator.wandb.add_raw_automation(CHAT, name, webhook=webhook)
    found: list[str] = []
    pages, cursor = 0, None
    while pages == 0 or cursor:
        page = wandb.ask(LIST, entity="acme", cursor=cursor)["scope"]["triggers"]
        found += [edge["node"]["name"] for edge in page["edges"]]
        cursor = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
        pages += 1
        if pages == 1:  # a cursor names what it follows: nothing is missed when others go
            emulator.wandb.remove_automation(emulator.wandb.automations("acme")[0]["id"])
    assert (found, pages) == (wanted, 3)
    assert wandb.send_query(LIST, entity="acme", cursor="x").status_code == 400
    only = wandb.ask(LIST, entity="acme", filters='{"name": "a7"}')["scope"]["triggers"]["edges"]
    assert [edge["node"]["name"] for edge in only] == ["a7"]


def test_automations_of_unknown_kinds_break_nothing(
    emulator: Emulator, wandb: Wandb, webhook: str
) -> None:
    put = emulator.wandb.add_raw_automation
    put(CHAT, "queue", action_type="QUEUE_JOB", config={"x": {"queueID": "1", "template": "{}"}})
    put(CHAT, "note", action_type="NOTIFICATION", config={"x": {"integrationID": "1"}})
    put(CHAT, "push", action_type="PUSH_NOTIFICATION", config={"x": {"userID": "1"}})
    put(CHAT, "aria", action_type="ARIA", config={"x": {"prompt": "hello"}})
    put(CHAT, "tomorrow", event_type="NOT_KNOWN_YET", action_type="NOT_KNOWN_EITHER")
    put("acme", "weave", event_type="WEAVE_METRIC_THRESHOLD", webhook=webhook)
    put("acme/wandb-registry-model", "odd", webhook=webhook, payload="[${alias}", event_filter="?")
    edges = wandb.ask(LIST, entity="acme")["scope"]["triggers"]["edges"]
    assert [edge["node"]["action"]["__typename"] for edge in edges] == [
        "QueueJobTriggeredAction",
        "NotificationTriggeredAction",
        "PushNotificationTriggeredAction",
        "ARIATriggeredAction",
        "TomorrowTriggeredAction",
        "GenericWebhookTriggeredAction",
        "GenericWebhookTriggeredAction",
    ]
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    ended = {one["automation"]: one["skipped"] for one in emulator.wandb.deliveries}
    assert ended == {
        "queue": "QUEUE_JOB calls no webhook",
        "note": "NOTIFICATION calls no webhook",
        "push": "PUSH_NOTIFICATION calls no webhook",
        "aria": "ARIA calls no webhook",
    }


# Webhooks


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a.b"},
        {"name": "w" * 65},
        {"name": " a"},
        {"urlEndpoint": "ftp://x"},
        {"urlEndpoint": "http://["},
    ],
)
def test_a_webhook_that_cannot_be(wandb: Wandb, change: dict[str, str]) -> None:
    query = """mutation ($input: CreateGenericWebhookIntegrationInput!) {
      createGenericWebhookIntegration(input: $input) { integration { id } } }"""
    sent = {"entityName": "acme", "name": "hook", "urlEndpoint": DEPLOY, **change}
    assert wandb.send_query(query, input=sent).status_code == 400


def test_a_webhook_is_changed_and_deleted_where_that_is_offered(
    emulator: Emulator, wandb: Wandb, webhook: str
) -> None:
    emulator.wandb.offers = {"updateGenericWebhookIntegration", "deleteIntegration"}
    update = """mutation ($input: UpdateGenericWebhookIntegrationInput!) {
      updateGenericWebhookIntegration(input: $input) {
        integration { ... on GenericWebhookIntegration { name urlEndpoint } } } }"""
    delete = "mutation ($id: ID!) { deleteIntegration(input: {id: $id}) { success } }"
    changed = wandb.ask(update, input={"id": webhook, "urlEndpoint": "https://example.com/x"})
    assert changed["updateGenericWebhookIntegration"]["integration"] == {
        "name": "friendli-deploy",
        "urlEndpoint": "https://example.com/x",
    }
    assert wandb.send_query(update, input={"id": webhook, "name": "?"}).status_code == 400
    assert emulator.wandb.webhooks("acme")[0]["name"] == "friendli-deploy"
    used = emulator.wandb.add_raw_automation(CHAT, "promote", webhook=webhook)
    assert wandb.send_query(delete, id=webhook).status_code == 409
    emulator.wandb.remove_automation(used)
    wandb.ask(delete, id=webhook)
    assert emulator.wandb.webhooks("acme") == []
