"""The official SDK of W&B, as a client that we did not write, gets along with the emulator.

Where the SDK is known to be wrong, a test pins the fault, so that a new SDK shows when it is gone.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from ..wandb_client import CHAT, CREATE, DEPLOY, connect, scope_id, trigger
from ..wandb_sdk import official_sdk, put_alias

MODEL = "acme/models/chat"  # where the versions of CHAT were logged
PAYLOAD = {"wandbArtifactVersionName": "${artifact_version_string}", "idempotencyKey": "k"}


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(durations=0, seed=1) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wandb")


@pytest.fixture(scope="module")
def wandb(running: Emulator, folder: Path) -> Iterator[Any]:
    running.wandb.seed()
    with official_sdk(folder, running.url) as wandb:
        yield wandb


@pytest.fixture
def emulator(running: Emulator, wandb: Any) -> Emulator:
    running.reset()
    running.wandb.seed()
    return running


@pytest.fixture
def sdk(emulator: Emulator, wandb: Any, capfd: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """An API object, as new as the emulator; the SDK keeps its word and prints nothing."""
    yield wandb.Api()
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def webhook(emulator: Emulator, sdk: Any) -> Any:
    emulator.wandb.add_webhook("acme", "friendli-deploy", DEPLOY, "FRIENDLI_TOKEN")
    [found] = sdk.webhook_integrations("acme")
    return found


def promoting(sdk: Any, webhook: Any, *, name: str = "promote", **changes: Any) -> Any:
    """An automation as in the docs: `production` on any version of the collection."""
    from wandb.automations import ArtifactEvent, OnAddArtifactAlias, SendWebhook

    event = OnAddArtifactAlias(
        scope=sdk.artifact_collection("model", CHAT),
        filter=ArtifactEvent.alias.matches_regex("^production$"),
    )
    action = SendWebhook.from_integration(webhook, payload=PAYLOAD)
    return sdk.create_automation(event >> action, name=name, **changes)


# Who, and webhooks


def test_the_key_is_verified(emulator: Emulator, wandb: Any, sdk: Any) -> None:
    assert sdk.default_entity == "acme"
    assert sdk.viewer.username == "ada"
    emulator.wandb.keys = {"x" * 40}
    with pytest.raises(wandb.errors.AuthenticationError):
        wandb.Api()


def test_webhooks_are_made_and_listed(emulator: Emulator, sdk: Any) -> None:
    from wandb.automations._generated import (
        CREATE_GENERIC_WEBHOOK_INTEGRATION_GQL,
        CreateGenericWebhookIntegration,
        CreateGenericWebhookIntegrationInput,
    )

    sent = CreateGenericWebhookIntegrationInput(
        entity_name="acme",
        name="friendli-deploy",
        url_endpoint=DEPLOY,
        access_token_ref="FRIENDLI_TOKEN",
        secret_ref="HMAC",
    )
    made = sdk._service_api.execute_graphql(  # the SDK has the operation, but no method for it
        CREATE_GENERIC_WEBHOOK_INTEGRATION_GQL,
        {"input": sent.model_dump()},
        parse=CreateGenericWebhookIntegration.model_validate_json,
    )
    [kept] = emulator.wandb.webhooks("acme")
    assert made.result.integration.id == kept["id"]
    assert (kept["access_token_ref"], kept["secret_ref"]) == ("FRIENDLI_TOKEN", "HMAC")
    [listed] = sdk.webhook_integrations("acme")
    assert (listed.name, listed.url_endpoint) == ("friendli-deploy", DEPLOY)
    assert list(sdk.integrations("acme")) == [listed]
    assert list(sdk.slack_integrations(entity="acme")) == []


def test_webhooks_come_in_pages(emulator: Emulator, sdk: Any) -> None:
    for number in range(7):
        emulator.wandb.add_webhook("acme", f"hook-{number}", DEPLOY)
    found = sdk.webhook_integrations("acme", per_page=3)
    assert [one.name for one in found] == [f"hook-{number}" for number in range(7)]


# Automations


def test_an_automation_lives_and_dies(emulator: Emulator, sdk: Any, webhook: Any) -> None:
    made = promoting(sdk, webhook, description="to production")
    [kept] = emulator.wandb.automations("acme")
    assert json.loads(kept["event_filter"]) == {
        "$or": [{"$and": [{"alias": {"$regex": "^production$"}}]}]
    }
    assert kept["scope"] == CHAT
    assert json.loads(kept["config"]["genericWebhookActionInput"]["requestPayload"]) == PAYLOAD

    [listed] = sdk.automations("acme")
    assert listed == made == sdk.automation("promote", entity="acme")
    assert (listed.description, listed.enabled) == ("to production", True)
    assert listed.action.request_payload == PAYLOAD

    listed.description = ""
    updated = sdk.update_automation(listed, name="promote-chat", enabled=False)
    assert (updated.name, updated.description, updated.enabled) == ("promote-chat", "", False)
    [after] = emulator.wandb.automations("acme")
    changed = {key for key in after if after[key] != kept[key]}
    assert changed == {"name", "description", "enabled", "updated_at"}

    assert sdk.delete_automation(updated) is True
    assert emulator.wandb.automations("acme") == list(sdk.automations("acme")) == []


def test_the_event_is_changed_and_keeps_its_filter(
    emulator: Emulator, sdk: Any, webhook: Any
) -> None:
    from wandb.automations import ArtifactEvent, OnAddArtifactAlias

    made = promoting(sdk, webhook)
    event = OnAddArtifactAlias(scope=made.scope, filter=ArtifactEvent.alias.eq("staging"))
    sdk.update_automation(made, event=event)
    [kept] = emulator.wandb.automations("acme")
    assert json.loads(kept["event_filter"]) == {"$or": [{"$and": [{"alias": {"$eq": "staging"}}]}]}
    [again] = sdk.automations("acme")
    sdk.update_automation(again, enabled=False)  # of 0.25 it was said to wipe the filter
    [after] = emulator.wandb.automations("acme")
    assert json.loads(after["event_filter"]) == json.loads(kept["event_filter"])


def test_a_name_that_is_taken(emulator: Emulator, wandb: Any, sdk: Any, webhook: Any) -> None:
    promoting(sdk, webhook)
    with pytest.raises(wandb.errors.CommError, match="'promote' exists"):
        promoting(sdk, webhook)
    assert len(emulator.wandb.automations("acme")) == 1
    # W&B's own way to adopt it walks the projects of the person: those of registries are missed
    # where the organization's entity is no team of theirs.
    assert promoting(sdk, webhook, fetch_existing=True).name == "promote"


def test_one_that_is_gone(emulator: Emulator, wandb: Any, sdk: Any, webhook: Any) -> None:
    made = promoting(sdk, webhook)
    emulator.wandb.remove_automation(made.id)
    with pytest.raises(wandb.errors.CommError, match="not found"):
        sdk.update_automation(made, enabled=False)


@pytest.mark.parametrize("scope", ["registry", "project", "team", "organization"])
def test_wider_scopes(emulator: Emulator, sdk: Any, webhook: Any, scope: str) -> None:
    from wandb.automations import DoNothing, OnLinkArtifact

    made = {
        "registry": lambda: sdk.registry("model", "acme"),
        "project": lambda: sdk.project("models", "acme"),
        "team": lambda: sdk.team("acme"),
        "organization": lambda: sdk.organization("acme"),
    }[scope]()
    sdk.create_automation(OnLinkArtifact(scope=made) >> DoNothing(), name="x")
    [kept] = emulator.wandb.automations("acme")
    wanted = {"registry": "acme/wandb-registry-model", "project": "acme/models"}
    assert kept["scope"] == wanted.get(scope, "acme")
    assert (kept["event_type"], kept["action_type"]) == ("LINK_MODEL", "NO_OP")
    assert json.loads(kept["event_filter"]) == {"$or": [{"$and": []}]}
    [listed] = sdk.automations("acme")
    assert listed.scope.id == kept["scope_id"]


@pytest.mark.parametrize("wrapping", [False, True], ids=["string", "object"])
@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        ({"alias": {"$regex": "^(production|staging)$"}}, "matches_regex:^(production|staging)$"),
        ({"alias": {"$eq": "production"}}, "eq:production"),
        ({"alias": {"$contains": "prod"}}, "contains:prod"),
        ({"alias": {"$in": ["production", "staging"]}}, "in_:production,staging"),
    ],
)
def test_it_sees_what_others_created_as_it_was_meant(
    emulator: Emulator, sdk: Any, webhook: Any, condition: Any, meant: str, wrapping: bool
) -> None:
    from wandb.automations import ArtifactEvent, OnAddArtifactAlias

    emulator.wandb.filter_as_object = wrapping
    with connect(emulator.url) as client:
        wanted = json.dumps({"$or": [{"$and": [condition]}]})
        sent = trigger(scope_id(client), webhook.id, eventFilter=wanted, description="ours")
        client.ask(CREATE, input=sent)
    [seen] = sdk.automations("acme")
    method, _, value = meant.partition(":")
    values = value.split(",") if method == "in_" else value
    by_sdk = OnAddArtifactAlias(
        scope=sdk.artifact_collection("model", CHAT),
        filter=getattr(ArtifactEvent.alias, method)(values),
    )
    assert seen.event.filter.filter == by_sdk.filter
    assert seen.event.event_type == by_sdk.event_type
    assert seen.scope == by_sdk.scope
    assert (seen.name, seen.description, seen.enabled) == ("promote", "ours", True)
    assert seen.action.integration.id == webhook.id
    assert seen.action.request_payload == {"artifact": "${artifact_version_string}"}


@pytest.mark.parametrize("features", ["all", "none"])
def test_120_automations(emulator: Emulator, sdk: Any, webhook: Any, features: str) -> None:
    if features == "none":  # then the SDK walks the projects
        emulator.wandb.features = set()
    for number in range(120):
        emulator.wandb.add_raw_automation(CHAT, f"a{number}", webhook=webhook.id)
    emulator.clear_requests()
    found = [one.name for one in sdk.automations("acme")]
    assert found == [f"a{number}" for number in range(120)]
    pages = [one for one in emulator.requests if one["graphql"] == "query entity"]
    assert len(pages) == (3 if features == "all" else 1)


@pytest.mark.parametrize(
    "odd",
    [
        {"payload": "[1]"},
        {"payload": ""},
        {"event_type": "WEAVE_METRIC_THRESHOLD"},
        {"action_type": "NOT_KNOWN_YET", "config": {}},
    ],
)
def test_fault_of_the_sdk_one_odd_automation_breaks_the_list(
    emulator: Emulator, sdk: Any, webhook: Any, odd: dict[str, Any]
) -> None:
    promoting(sdk, webhook)
    emulator.wandb.add_raw_automation(CHAT, "odd", webhook=webhook.id, **odd)
    with pytest.raises(ValueError, match=r"validation error|Unexpected response data"):
        list(sdk.automations("acme"))


# Artifacts


def test_an_artifact_by_alias_and_by_version(emulator: Emulator, wandb: Any, sdk: Any) -> None:
    artifact = sdk.artifact(f"{CHAT}:production")
    kept = emulator.wandb.versions(CHAT)[1]
    assert (artifact.version, artifact.aliases) == ("v1", ["production"])
    assert (artifact.digest, artifact.id) == (kept["digest"], kept["id"])
    assert artifact.metadata == {"base": "llama-3.1-8b"}
    assert artifact.is_link
    assert artifact.source_qualified_name == f"{MODEL}:v1"
    assert sdk.artifact(f"{CHAT}:v1").id == artifact.id
    with pytest.raises(wandb.errors.CommError, match="not found"):
        sdk.artifact(f"{CHAT}:staging")


def test_an_alias_is_added_moved_and_removed(emulator: Emulator, sdk: Any, webhook: Any) -> None:
    promoting(sdk, webhook)

    def aliases() -> dict[str, list[str]]:
        return {one["version"]: one["aliases"] for one in emulator.wandb.versions(CHAT)}

    first = put_alias(sdk, f"{CHAT}:v0", "staging")
    assert aliases() == {"v0": ["staging"], "v1": ["production"], "v2": ["latest"]}
    put_alias(sdk, f"{CHAT}:v2", "production")
    assert aliases() == {"v0": ["staging"], "v1": [], "v2": ["latest", "production"]}
    first.aliases.remove("staging")
    first.save()
    assert aliases() == {"v0": [], "v1": [], "v2": ["latest", "production"]}
    emulator.wandb.wait()
    [delivery] = emulator.wandb.deliveries
    assert delivery["body"] == {
        "wandbArtifactVersionName": f"{CHAT}:v2",
        "idempotencyKey": "k",
    }
    assert delivery["headers"]["Authorization"] == "Bearer flp_emulator"


def test_an_alias_that_is_there_already_is_not_sent(
    emulator: Emulator, sdk: Any, webhook: Any
) -> None:
    promoting(sdk, webhook)
    emulator.clear_requests()
    put_alias(sdk, f"{CHAT}:v1", "production")
    assert "mutation addAliases" not in [one["graphql"] for one in emulator.requests]
    assert emulator.wandb.deliveries == []


def test_a_version_is_linked_to_a_registry_and_unlinked(
    emulator: Emulator, sdk: Any, webhook: Any
) -> None:
    from wandb.automations import OnLinkArtifact, SendWebhook

    event = OnLinkArtifact(scope=sdk.registry("model", "acme"))
    payload = {"event": "${event_type}", "version": "${artifact_version_string}"}
    action = SendWebhook.from_integration(webhook, payload=payload)
    sdk.create_automation(event >> action, name="linked")
    promoting(sdk, webhook)

    other = "acme/wandb-registry-model/other"
    linked = sdk.artifact(f"{MODEL}:v2").link("wandb-registry-model/other", aliases=["production"])
    assert linked.qualified_name == f"{other}:v0"
    assert sorted(linked.aliases) == ["latest", "production"]
    emulator.wandb.wait()
    assert [one["body"] for one in emulator.wandb.deliveries] == [
        {"event": "LINK_ARTIFACT", "version": f"{other}:v0"}
    ]
    assert emulator.wandb.versions(CHAT)[1]["aliases"] == ["production"]  # another collection
    linked.unlink()
    assert emulator.wandb.versions(other) == []


def test_tags(emulator: Emulator, sdk: Any, webhook: Any) -> None:
    from wandb.automations import ArtifactEvent, OnAddArtifactTag, SendWebhook

    event = OnAddArtifactTag(
        scope=sdk.artifact_collection("model", MODEL), filter=ArtifactEvent.tag.eq("approved")
    )
    action = SendWebhook.from_integration(webhook, payload={"tag": "${tag}"})
    sdk.create_automation(event >> action, name="tagged")
    artifact = sdk.artifact(f"{MODEL}:v0")
    artifact.tags += ["approved", "other"]
    artifact.save()
    emulator.wandb.wait()
    assert [one["body"] for one in emulator.wandb.deliveries] == [{"tag": "approved"}]


def test_registries_collections_and_versions(emulator: Emulator, sdk: Any) -> None:
    emulator.wandb.log("acme/wandb-registry-eu/chat", aliases=["production"])
    assert sorted(one.name for one in sdk.registries("acme")) == ["eu", "model"]
    registry = sdk.registry("model", "acme")
    assert [one.name for one in registry.collections()] == ["chat"]
    assert [one.version for one in registry.collections().versions()] == ["v2", "v1", "v0"]
    assert [one.version for one in sdk.artifacts("model", CHAT, per_page=2)] == ["v2", "v1", "v0"]
    assert [one.name for one in registry.versions(filter={"alias": "production"})] == ["chat:v1"]
    found = {one.name for one in sdk.artifact_collection("model", CHAT).artifacts()}
    assert found == {"chat:v0", "chat:v1", "chat:v2"}


def test_it_wrote_into_its_folder_only(folder: Path, sdk: Any) -> None:
    assert not Path("wandb").exists()
    assert not (folder / "netrc").exists()  # the key is kept nowhere
