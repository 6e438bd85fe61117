"""W&B's API in plain GraphQL, for the tests of the emulator."""

import json
from typing import Any

import httpx

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
