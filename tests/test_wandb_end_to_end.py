"""From W&B's registry to an endpoint that serves; W&B's own SDK is the hand that moves aliases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import TOKEN, WANDB_KEY, Project, writes
from .wandb_client import CHAT, DEPLOY, Receiver
from .wandb_sdk import official_sdk, put_alias

OTHER = "acme/wandb-registry-model/other"
DISPATCHES = "https://api.github.com/repos/acme/models/dispatches"

HOOK = f"""\
apiVersion: friendli-iac/v1
kind: Webhook
metadata: {{name: friendli-deploy}}
spec:
  team: acme
  url: {DEPLOY}
  accessTokenSecret: FRIENDLI_TOKEN
  signingSecret: WEBHOOK_HMAC
"""
DEPLOYED = """\
---
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {{name: {name}}}
spec:
  project: p1
  model: {{wandb: {{artifact: "{collection}:production"}}}}
  instance: {{gpu: H100, count: 1}}
  autoscaling: {{minReplicas: 1, maxReplicas: {maximum}, cooldown: 5m}}
---
apiVersion: friendli-iac/v1
kind: WebhookAutomation
metadata: {{name: promote-{name}}}
spec:
  collection: {collection}
  trigger: {{aliasAdded: "^production$"}}
  webhook: friendli-deploy
  deploys: {name}
  promotion: direct
"""


def manifest(name: str = "chat", collection: str = CHAT, maximum: int = 2) -> str:
    return DEPLOYED.format(name=name, collection=collection, maximum=maximum)


@pytest.fixture(scope="module")
def wandb(instant_server: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with official_sdk(tmp_path_factory.mktemp("wandb"), instant_server.url) as wandb:
        yield wandb


@pytest.fixture
def world(emulator: Emulator) -> Emulator:
    """`CHAT` and `OTHER` with v0 to v7, and `production` on v1; a team with its secrets."""
    for collection in (CHAT, OTHER):
        for number in range(8):
            emulator.wandb.log(collection, metrics={"eval/accuracy": 0.8 + number / 100})
        emulator.wandb.move_alias(collection, "production", "v1")
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    emulator.wandb.set_secret("acme", "WEBHOOK_HMAC", "hmac-canary")
    return emulator


@pytest.fixture
def sdk(world: Emulator, wandb: Any) -> Any:
    return wandb.Api()


def serving(emulator: Emulator) -> dict[str, str]:
    """The artifact that each endpoint serves, by its name."""
    found = {}
    for endpoint in emulator.endpoints():
        settings = endpoint["versions"][endpoint["serving"]]["settings"]
        assert settings["name"] not in found, "a second endpoint was bought"
        found[settings["name"]] = settings["wandbArtifactVersionName"].removeprefix(
            "acme/wandb-registry-model/"
        )
    return found


def is_empty(project: Project) -> str:
    """What a plan says that has nothing to do."""
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned
    return planned.out


@pytest.mark.parametrize("form", ["version", "alias"])
def test_the_alias_moves_and_the_endpoint_follows(
    project: Project, world: Emulator, sdk: Any, form: Any
) -> None:
    world.wandb.version_string = form
    project.write(HOOK + manifest())
    applied = project.apply()
    assert applied.code == 0, applied
    assert writes(world)[2:] == ["mutation createFilterTrigger"]  # it needs the other two
    assert sorted(writes(world)[:2]) == [
        "POST /dedicated/endpoint/wandb-artifact-create",
        "mutation createGenericWebhookIntegration",
    ]
    [before] = world.endpoints()
    assert serving(world) == {"chat": "chat:v1"}
    assert world.wandb.deliveries == []

    for version in ("v7", "v1"):
        world.clear_requests()
        put_alias(sdk, f"{CHAT}:{version}", "production")
        world.wandb.wait()
        assert world.wandb.deliveries[-1]["status"] == 200
        expected = version if form == "version" else "production"
        assert serving(world) == {"chat": f"chat:{expected}"}
        assert [one["id"] for one in world.endpoints()] == [before["id"]]
        world.clear_requests()
        assert f"production → {version}" in is_empty(project)
        assert project.apply().code == 0
        assert writes(world) == []

    [after] = world.endpoints()
    assert len(after["versions"]) == 3
    assert {json.dumps(one["settings"]["autoscalingPolicy"]) for one in after["versions"]} == {
        json.dumps(before["versions"][0]["settings"]["autoscalingPolicy"])
    }
    assert world.wandb.deliveries[0]["headers"].keys() == {
        "Content-Type",
        "Authorization",
        "X-Wandb-Signature",
    }


def test_the_sdk_sees_what_we_made_as_we_meant_it(
    project: Project, world: Emulator, sdk: Any
) -> None:
    from wandb.automations import ArtifactEvent, OnAddArtifactAlias

    project.write(HOOK + manifest())
    assert project.apply().code == 0
    [webhook] = sdk.webhook_integrations("acme")
    assert (webhook.name, webhook.url_endpoint) == ("friendli-deploy", DEPLOY)
    [seen] = sdk.automations("acme")
    meant = OnAddArtifactAlias(
        scope=sdk.artifact_collection("model", CHAT),
        filter=ArtifactEvent.alias.matches_regex("^production$"),
    )
    assert (seen.name, seen.enabled) == ("promote-chat", True)
    assert (seen.event.event_type, seen.scope) == (meant.event_type, meant.scope)
    assert seen.event.filter.filter == meant.filter
    assert seen.action.integration.id == webhook.id
    [created] = [one["body"] for one in world.requests if one["path"].endswith("artifact-create")]
    assert seen.action.request_payload == {
        **created,
        "wandbArtifactVersionName": "${artifact_version_string}",
    }

    seen.description = "edited by hand"
    sdk.update_automation(seen, enabled=False)
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 2, planned
    assert "UPDATE WebhookAutomation/promote-chat" in planned.out
    assert project.apply().code == 0
    assert sdk.automation("promote-chat", entity="acme").enabled is True
    is_empty(project)


def test_two_collections_with_one_alias_do_not_disturb_each_other(
    project: Project, world: Emulator, sdk: Any
) -> None:
    project.write(HOOK + manifest() + manifest("other", OTHER))
    assert project.apply().code == 0
    assert serving(world) == {"chat": "chat:v1", "other": "other:v1"}
    put_alias(sdk, f"{OTHER}:v7", "production")
    world.wandb.wait()
    assert serving(world) == {"chat": "chat:v1", "other": "other:v7"}
    put_alias(sdk, f"{CHAT}:v3", "production")
    world.wandb.wait()
    assert serving(world) == {"chat": "chat:v3", "other": "other:v7"}
    assert [one["automation"] for one in world.wandb.deliveries] == [
        "promote-other",
        "promote-chat",
    ]
    keys = {one["body"]["idempotencyKey"] for one in world.wandb.deliveries}
    assert len(keys) == 2
    is_empty(project)


def test_a_changed_manifest_is_what_the_next_firing_sends(
    project: Project, world: Emulator, sdk: Any
) -> None:
    project.write(HOOK + manifest())
    assert project.apply().code == 0
    project.write(HOOK + manifest(maximum=3))
    world.clear_requests()
    assert project.apply().code == 0
    assert "mutation updateFilterTrigger" in writes(world)
    put_alias(sdk, f"{CHAT}:v7", "production")
    world.wandb.wait()
    [endpoint] = world.endpoints()
    settings = endpoint["versions"][endpoint["serving"]]["settings"]
    assert settings["wandbArtifactVersionName"] == f"{CHAT}:v7"
    assert settings["autoscalingPolicy"]["maxReplica"] == 3
    is_empty(project)


def test_by_a_pull_request_the_repository_is_told_and_the_manifest_changes(
    project: Project, world: Emulator, sdk: Any
) -> None:
    reviewed = manifest().replace("promotion: direct", "promotion: pull-request")
    reviewed = reviewed.replace(f'"{CHAT}:production"', f'"{CHAT}:v1"')
    main = project.write(HOOK.replace(DEPLOY, DISPATCHES) + reviewed)
    assert project.apply().code == 0
    with Receiver() as github:
        world.wandb.hosts["api.github.com"] = github.url
        put_alias(sdk, f"{CHAT}:v7", "production")
        world.wandb.wait()
    [(path, headers, body)] = github.received
    assert path == "/repos/acme/models/dispatches?"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    event = json.loads(body)
    assert event["event_type"] == "friendli-iac-promote"
    told = event["client_payload"]
    assert (told["alias"], told["version"]) == ("production", f"{CHAT}:v7")
    assert serving(world) == {"chat": "chat:v1"}  # nothing happens past review
    is_empty(project)

    done = project.run("wandb", "promote", told["address"], "--alias", told["alias"])
    assert done.code == 0, done
    assert main.read_text() == (HOOK.replace(DEPLOY, DISPATCHES) + reviewed).replace(
        f'"{CHAT}:v1"', f'"{CHAT}:v7"'
    )
    assert project.apply().code == 0
    assert serving(world) == {"chat": "chat:v7"}
    is_empty(project)


def test_the_embedded_emulator_has_a_registry_to_try_it_on(project: Project) -> None:
    none = {
        "FRIENDLI_TOKEN": "",
        "FRIENDLI_BASE_URL": "",
        "WANDB_API_KEY": "",
        "WANDB_BASE_URL": "",
    }
    project.write(HOOK + manifest())
    assert project.apply("--emulator", env=none).code == 0
    again = project.run("plan", "--emulator", "--detailed-exitcode", env=none)
    assert again.code == 0, again
    assert "production → v1" in again.out


def test_no_secret_is_shown_or_kept(project: Project, world: Emulator) -> None:
    world.wandb.offers = {"deleteIntegration"}
    project.write(HOOK + manifest())
    said = [project.run("plan", "--out", "plan.json"), project.apply("-v"), project.run("plan")]
    said += [project.run("destroy", "--yes")]
    assert said[-1].code == 0, said[-1]
    text = "".join(f"{one.out}{one.err}" for one in said) + project.everything_written()
    for secret in (TOKEN, WANDB_KEY, "hmac-canary"):
        assert secret not in text
    assert (
        world.wandb.automations("acme") == world.wandb.webhooks("acme") == world.endpoints() == []
    )
