"""wandb payload and wandb preview: what automations send, and what that brings about."""

from __future__ import annotations

import json

import pytest

from friendli_iac.emulator import Emulator

from .harness import TOKEN, WANDB_KEY, Project, Result, writes

CHAT = "acme/wandb-registry-model/chat"
ENDPOINT = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: chat}
spec:
  project: p1
  model: {wandb: {artifact: "acme/wandb-registry-model/chat:production"}}
  instance: {gpu: H100, count: 1}
  autoscaling: {minReplicas: 1, maxReplicas: 2, cooldown: 5m}
"""
WEBHOOK = """\
apiVersion: friendli-iac/v1
kind: Webhook
metadata: {name: deploy}
spec:
  team: acme
  url: https://api.friendli.ai/dedicated/endpoint/wandb-artifact-create
  accessTokenSecret: FRIENDLI_TOKEN
"""
AUTOMATION = """\
apiVersion: friendli-iac/v1
kind: WebhookAutomation
metadata: {name: promote-chat}
spec:
  collection: acme/wandb-registry-model/chat
  trigger: {aliasAdded: ^production$}
  webhook: deploy
  deploys: chat
  promotion: direct
"""
ALL = "---\n".join((ENDPOINT, WEBHOOK, AUTOMATION))


@pytest.fixture
def registry(emulator: Emulator, project: Project) -> Emulator:
    world = emulator.wandb
    world.log(CHAT, metrics={"eval/accuracy": 0.88})
    world.log(CHAT, metrics={"eval/accuracy": 0.91, "_step": 7}, aliases=("production",))
    world.log(CHAT, metrics={"eval/accuracy": 0.93}, metadata={"params": 8, "note": "x"})
    world.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    return emulator


@pytest.fixture
def applied(project: Project, registry: Emulator) -> Emulator:
    project.write(ALL)
    done = project.apply()
    assert done.code == 0, done
    registry.clear_requests()
    return registry


def preview(project: Project, *more: str, alias: str = "production") -> Result:
    return project.run("wandb", "preview", CHAT, "--alias", alias, *more)


def test_the_payload_is_the_one_that_the_automation_has(
    project: Project, applied: Emulator
) -> None:
    project.env.pop("FRIENDLI_TOKEN")
    project.env.pop("WANDB_API_KEY")
    applied.clear_requests()
    of_endpoint = project.run("wandb", "payload", "Endpoint/chat")
    of_automation = project.run("wandb", "payload", "WebhookAutomation/promote-chat")
    assert (of_endpoint.code, of_endpoint.err) == (0, "")
    assert of_automation.json == of_endpoint.json
    (live,) = applied.wandb.automations("acme")
    sent = live["config"]["genericWebhookActionInput"]["requestPayload"]
    assert json.loads(sent) == of_endpoint.json
    lineage = project.state["lineage"]
    assert of_endpoint.json["idempotencyKey"] == f"friendli-iac/{lineage}/Endpoint/chat"
    assert of_endpoint.json["wandbArtifactVersionName"] == "${artifact_version_string}"
    assert applied.requests == [], "nobody was asked"


def test_there_is_no_payload_before_the_key_is_known(project: Project, registry: Emulator) -> None:
    project.write(ALL)
    refused = project.run("wandb", "payload", "Endpoint/chat")
    assert (refused.code, refused.out) == (5, "")
    assert "not known before the first apply" in refused.err
    project.write(ALL.replace(":production", ':production", idempotencyKey: "ours'))
    assert project.run("wandb", "payload", "Endpoint/chat").json["idempotencyKey"] == "ours"
    none = project.run("wandb", "payload", "Webhook/deploy")
    assert (none.code, "has no payload" in none.err) == (64, True)
    typo = project.run("wandb", "payload", "Endpoint/caht")
    assert (typo.code, "Did you mean Endpoint/chat" in typo.err) == (64, True)


def test_a_preview_tells_it_all_and_sends_nothing(project: Project, applied: Emulator) -> None:
    told = preview(project)
    assert told.code == 0, told
    for said in (
        f"production of {CHAT}: v1 → v2",
        "eval/accuracy  0.91  0.93",
        "params         -     8",
        "1 automation fires",
        f"promote-chat (WebhookAutomation/promote-chat)   in {CHAT}",
        "Friendli rolls it out, past review",
        "for Endpoint/chat, with v2",
        f'"wandbArtifactVersionName": "{CHAT}:v2"',
        "UPDATE Endpoint/chat",
        f"{CHAT}:v1 → {CHAT}:v2",
        "while rolling: up to +$7.80",
    ):
        assert said in told.out, told.out
    for absent in (
        "_step",
        "not applied yet",
        "otherwise",
        "movedBy",
        "--approved",
        TOKEN,
        WANDB_KEY,
    ):
        assert absent not in told.out
    assert writes(applied) == []

    data = preview(project, "--format", "json").json
    assert (data["leaves"]["version"], data["comes"]["version"]) == ("v1", "v2")
    (one,) = data["automations"]
    assert (one["address"], one["live"], one["endpoint"]) == (
        "WebhookAutomation/promote-chat", True, "Endpoint/chat",
    )  # fmt: skip
    plan = data["plans"]["Endpoint/chat"]
    assert [change["action"] for change in plan["changes"]] == ["update"]
    project.run("plan", "--detailed-exitcode")


def test_what_a_preview_says_is_what_happens(project: Project, applied: Emulator) -> None:
    said = preview(project, "--to", "v0", "--format", "json").json["automations"][0]["payload"]
    applied.wandb.move_alias(CHAT, "production", "v0")
    applied.wandb.wait()
    (delivery,) = applied.wandb.deliveries
    assert delivery["status"] == 200, delivery
    body = delivery["body"]
    assert (json.loads(body) if isinstance(body, str) else body) == said


def test_others_and_what_is_not_applied_yet(project: Project, registry: Emulator) -> None:
    project.write(ALL)
    hook = registry.wandb.add_webhook("acme", "chatter", "https://hooks.example.com/x")
    registry.wandb.add_raw_automation(
        "acme/wandb-registry-model",
        name="tell-the-team",
        webhook=hook,
        payload='{"text": "${alias} of ${artifact_collection_name} by ${event_author}, ${KEY}"}',
    )
    told = preview(project)
    assert told.code == 0, told
    assert "2 automations fire" in told.out
    assert "tell-the-team (not ours)   in acme/wandb-registry-model" in told.out
    assert "https://hooks.example.com/x: what that does is not known here" in told.out
    assert '"production of chat by ${event_author}, ${KEY}"' in told.out
    assert "W&B keeps payloads in its history: KEY would be there" in told.out
    assert "not applied yet" in told.out
    assert "nothing is applied yet" in told.out
    assert writes(registry) == []


def test_what_does_not_fire_is_told(project: Project, applied: Emulator) -> None:
    assert "0 automations fire" in preview(project, alias="staging").out
    same = preview(project, "--to", "v1")
    assert "It has the alias already: W&B sends nothing" in same.out
    assert "fires" not in same.out
    data = preview(project, "--to", "v1", "--format", "json").json
    assert (data["unchanged"], data["plans"]) == (True, {})
    project.write(ALL.replace("promotion: direct", "promotion: direct\n  enabled: false"))
    assert project.apply().code == 0
    project.write(ALL)
    off = preview(project)
    assert "0 automations fire" in off.out
    assert "the manifests want it otherwise" in off.out
    assert "DISABLED: it does not fire" in off.out
    assert "UPDATE" not in off.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((CHAT, "--alias", "production", "--to", "v9"), 1, "has no version v9"),
        ((CHAT + "s", "--alias", "production"), 1, "has no collection"),
        (("chat", "--alias", "production"), 64, "are no collection and alias"),
        ((CHAT, "--alias", "a b"), 64, "are no collection and alias"),
        ((CHAT,), 64, "--alias"),
    ],
)
def test_what_is_not_there_is_told(
    project: Project, applied: Emulator, words: tuple[str, ...], code: int, told: str
) -> None:
    done = project.run("wandb", "preview", *words)
    assert (done.code, done.out) == (code, ""), done
    assert told in done.err


def test_two_that_deploy_one_endpoint_are_told(project: Project, applied: Emulator) -> None:
    twin = AUTOMATION.replace("promote-chat", "twin")
    project.write(f"{ALL}---\n{twin}")
    told = preview(project)
    assert "2 automations fire" in told.out
    assert "more than one of them deploys Endpoint/chat" in told.out
    assert writes(applied) == []
