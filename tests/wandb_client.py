"""W&B's API in plain GraphQL, and a receiver of its webhooks, for the tests of the emulator."""

import json
from typing import Any

import httpx

from .served import Served

KEY = "k" * 40
CHAT = "acme/wandb-registry-model/chat"
DEPLOY = "https://api.friendli.ai/dedicated/endpoint/wandb-artifact-create"
EVERY = '{"$or":[{"$and":[]}]}'

CREATE = """
mutation ($input: CreateFilterTriggerInput!) {
  createFilterTrigger(input: $input) { trigger { id } }
}"""
UPDATE = """
mutation ($input: UpdateFilterTriggerInput!) {
  updateFilterTrigger(input: $input) { trigger { id name description enabled updatedAt } }
}"""
DELETE = "mutation ($id: ID!) { deleteTrigger(input: {triggerID: $id}) { success } }"


class Wandb(httpx.Client):
    """Asks `/graphql`; anything but a 200 raises in `ask`."""

    def send_query(self, query: str, **variables: Any) -> httpx.Response:
        return self.post("/graphql", json={"query": query, "variables": variables})

    def ask(self, query: str, **variables: Any) -> Any:
        return self.send_query(query, **variables).raise_for_status().json()["data"]


def connect(url: str, key: str = KEY) -> Wandb:
    return Wandb(base_url=url, auth=("api", key))


def scope_id(wandb: Wandb, path: str = CHAT) -> str:
    """The id of a collection, by its path."""
    entity, project, collection = path.split("/")
    query = """
    query ($entity: String!, $project: String!, $name: String!) {
      project(entityName: $entity, name: $project) { artifactCollection(name: $name) { id } }
    }"""
    found = wandb.ask(query, entity=entity, project=project, name=collection)
    return str(found["project"]["artifactCollection"]["id"])


def trigger(scope: str, webhook: str, **changes: Any) -> dict[str, Any]:
    """A CreateFilterTriggerInput."""
    payload = json.dumps({"artifact": "${artifact_version_string}"})
    return {
        "name": "promote",
        "enabled": True,
        "scopeType": "ARTIFACT_COLLECTION",
        "scopeID": scope,
        "triggeringEventType": "ADD_ARTIFACT_ALIAS",
        "eventFilter": '{"$or":[{"$and":[{"alias":{"$regex":"^production$"}}]}]}',
        "triggeredActionType": "GENERIC_WEBHOOK",
        "triggeredActionConfig": {
            "genericWebhookActionInput": {"integrationID": webhook, "requestPayload": payload}
        },
        **changes,
    }


class Receiver(Served):
    """Keeps what it is sent: path with query, headers, body."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = f"{scope['path']}?{scope['query_string'].decode()}"
        self.received.append((path, headers, body))
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"taken"})
