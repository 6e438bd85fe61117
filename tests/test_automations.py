"""Automations of W&B: made, read, changed by id with all that they have, deleted, imported; in one
plan with the endpoints that they deploy.
"""

from __future__ import annotations

from typing import Any

import pytest

from friendli_iac.emulator import Emulator
from friendli_iac.resources.payload import promotion_payload

from .harness import Project, writes
from .wandb_manifests import (
    CHAT,
    DEPLOY,
    ENDPOINT,
    GITHUB,
    GITLAB,
    automation,
    sent_payload,
    team,
    webhook,
)

CREATE, UPDATE = "mutation createFilterTrigger", "mutation updateFilterTrigger"
DIRECT = "deploys: chat\n  promotion: direct"
PULL = "deploys: chat\n  promotion: pull-request"


def one(emulator: Emulator, name: str = "promote") -> dict[str, Any]:
    """The automation of that name."""
    (found,) = [row for row in emulator.wandb.automations("acme") if row["name"] == name]
    return found


def quiet(project: Project) -> bool:
    return "No changes." in project.run("plan").out


@pytest.fixture
def applied(emulator: Emulator, project: Project) -> Project:
    """A project whose webhook and automation are there."""
    team(emulator)
    project.write(webhook() + automation())
    result = project.apply()
    assert result.code == 0, result
    emulator.clear_requests()
    return project


# --- one automation ---


def test_it_is_made_as_the_manifest_says(emulator: Emulator, applied: Project) -> None:
    made = one(emulator)
    assert (made["scope"], made["enabled"]) == (CHAT, True)
    assert made["event_type"] == "ADD_ARTIFACT_ALIAS"
    assert made["event_filter"] == '{"$or":[{"$and":[{"alias":{"$regex":"^production$"}}]}]}'
    assert sent_payload(made) == {"a": 1, "b": [True, 2], "v": "${alias}"}
    assert applied.state["resources"]["WebhookAutomation/promote"]["id"] == f"{CHAT}:{made['id']}"
    assert quiet(applied)
    assert "no drift" in applied.run("drift").out


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"more": "  enabled: false\n"}, {"enabled": False}),
        ({"more": "  name: renamed\n"}, {"name": "renamed"}),
        ({"more": "  description: for people\n"}, {"description": "for people"}),
        ({"trigger": 'tagAdded: "^good$"'}, {"event_type": "ADD_ARTIFACT_TAG"}),
        ({"trigger": "artifactLinked: true"}, {"event_type": "LINK_MODEL"}),
        ({"trigger": "artifactCreated: true"}, {"event_type": "CREATE_ARTIFACT"}),
        ({"sends": "payload: {}"}, {}),
    ],
)
def test_it_is_changed_by_id_and_whole(
    emulator: Emulator, applied: Project, change: dict[str, Any], seen: dict[str, Any]
) -> None:
    before = one(emulator)
    applied.write(webhook() + automation(**change))
    result = applied.apply()
    assert result.code == 0, result
    assert writes(emulator) == [UPDATE]
    (now,) = emulator.wandb.automations("acme")
    assert {key: now[key] for key in ("id", *seen)} == {"id": before["id"], **seen}
    (request,) = [r for r in emulator.requests if r["graphql"] == UPDATE]
    input = request["body"]["variables"]["input"]
    assert {"eventFilter", "triggeredActionConfig", "scopeID", "enabled", "name"} <= set(input)
    assert quiet(applied)


def test_a_description_that_is_not_managed_stays_and_an_empty_one_clears(
    emulator: Emulator, applied: Project
) -> None:
    emulator.wandb.edit_automation(one(emulator)["id"], description="by hand")
    assert quiet(applied)
    applied.write(webhook() + automation(more="  enabled: false\n"))
    assert applied.apply().code == 0
    assert one(emulator)["description"] == "by hand"
    applied.write(webhook() + automation(more='  description: ""\n'))
    assert applied.apply().code == 0
    assert one(emulator)["description"] == ""
    assert quiet(applied)


def test_another_scope_needs_another_automation(emulator: Emulator, applied: Project) -> None:
    before = one(emulator)["id"]
    scope = "project: acme/wandb-registry-model"
    applied.write(webhook() + automation(scope=scope))
    result = applied.apply("--allow-destroy", "WebhookAutomation/promote")
    assert result.code == 0, result
    (now,) = emulator.wandb.automations("acme")
    assert now["id"] != before
    assert now["scope_type"] == "PROJECT"
    assert quiet(applied)
    assert applied.run("destroy", "--yes").code == 11  # the webhook is deleted by hand
    assert emulator.wandb.automations("acme") == []


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(
    "saved",
    [
        '{"alias":{"$regex":"^production$"}}',
        '{"$or":[{"$and":[{"alias":{"$regex":"^production$"}}]}]}',
        '{"alias":{"$eq":"production"}}',
        '{"$and":[{"$or":[{"alias":"production"}]}]}',
        '{"$and":[{"$and":[]},{"alias":{"$eq":"production"}}]}',
    ],
)
def test_one_filter_in_other_words_is_no_difference(
    emulator: Emulator, applied: Project, saved: str, *, wrapped: bool
) -> None:
    emulator.wandb.filter_as_object = wrapped
    changes = {"event_filter": saved}
    emulator.wandb.edit_automation(one(emulator)["id"], **changes)
    assert quiet(applied)


@pytest.mark.parametrize(
    "saved",
    [
        '{"$or":[{"$and":[]}]}',
        '{"$or":[{"alias":{"$eq":"production"}},{"alias":{"$eq":"other"}}]}',
        '{"alias":{"$in":["production"]}}',
        '{"$not":{"alias":{"$eq":"x"}}}',
    ],
)
def test_another_filter_is_shown_and_set_back(
    emulator: Emulator, applied: Project, saved: str
) -> None:
    emulator.wandb.edit_automation(one(emulator)["id"], event_filter=saved)
    shown = applied.run("plan")
    assert "trigger.aliasAdded" in shown.out
    assert "changed outside" in shown.out
    assert applied.apply().code == 0
    assert (
        one(emulator)["event_filter"] == '{"$or":[{"$and":[{"alias":{"$regex":"^production$"}}]}]}'
    )
    assert quiet(applied)


@pytest.mark.parametrize("payload", ["", "[]", "no json ${x}", "7", None])
def test_payloads_that_are_no_objects_are_shown_and_set_back(
    emulator: Emulator, applied: Project, payload: str | None
) -> None:
    row = one(emulator)
    config = {"genericWebhookActionInput": {
        **row["config"]["genericWebhookActionInput"], "requestPayload": payload,
    }}  # fmt: skip
    emulator.wandb.edit_automation(row["id"], config=config)
    shown = applied.run("plan")
    assert "payload" in shown.out
    assert applied.apply().code == 0
    assert sent_payload(one(emulator))["a"] == 1


def test_one_that_does_something_else_now_is_set_back(emulator: Emulator, applied: Project) -> None:
    emulator.wandb.edit_automation(one(emulator)["id"], action_type="NO_OP", config={})
    assert "NoOpTriggeredAction" in applied.run("plan").out
    assert applied.apply().code == 0
    assert one(emulator)["action_type"] == "GENERIC_WEBHOOK"
    assert quiet(applied)


def test_it_is_imported_by_its_name(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook())
    assert project.apply().code == 0
    emulator.clear_requests()
    (id,) = [row["id"] for row in emulator.wandb.webhooks("acme")]
    body = '{"v": "${alias}", "b": [true, 2], "a": 1}'
    emulator.wandb.add_raw_automation(
        CHAT, "promote", event_filter='{"alias":{"$eq":"production"}}', webhook=id, payload=body
    )
    project.write(webhook() + automation())
    refused = project.run("plan")
    assert refused.code == 5
    assert f"friendli-iac import WebhookAutomation/promote {CHAT}:" in refused.out
    taken = project.run("import", "WebhookAutomation/promote", f"{CHAT}:promote")
    assert taken.code == 0, taken
    assert project.apply().code == 0
    assert writes(emulator) == []
    assert quiet(project)


# --- lost answers, and races ---


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_create_without_an_answer_makes_one(
    emulator: Emulator, project: Project, when: str
) -> None:
    team(emulator)
    project.write(webhook() + automation())
    emulator.fault("POST", CREATE, kind="drop", when=when)
    result = project.apply()
    assert result.code == 0, result
    assert len(emulator.wandb.automations("acme")) == 1
    assert quiet(project)


def test_a_name_that_is_taken_all_at_once_is_ours_and_is_set_whole(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook())
    assert project.apply().code == 0
    (id,) = [row["id"] for row in emulator.wandb.webhooks("acme")]
    project.write(webhook() + automation())
    emulator.on_request(
        "POST", CREATE, lambda: emulator.wandb.add_raw_automation(CHAT, "promote", webhook=id)
    )
    result = project.apply()
    assert result.code == 0, result
    assert writes(emulator)[-2:] == [CREATE, UPDATE]
    assert sent_payload(one(emulator))["a"] == 1
    assert quiet(project)


def test_an_update_without_an_answer_is_looked_for(emulator: Emulator, applied: Project) -> None:
    applied.write(webhook() + automation(more="  enabled: false\n"))
    emulator.fault("POST", UPDATE, kind="drop", when="after")
    assert applied.apply().code == 0
    assert writes(emulator) == [UPDATE]
    assert one(emulator)["enabled"] is False


def test_a_plan_that_somebody_else_overtook_is_stale(emulator: Emulator, applied: Project) -> None:
    applied.write(webhook() + automation(more="  enabled: false\n"))
    assert applied.run("plan", "--out", "a.plan").code == 0
    emulator.wandb.edit_automation(one(emulator)["id"], name="renamed")
    result = applied.run("apply", "a.plan", "--yes")
    assert result.code == 6, result
    assert writes(emulator) == []


# --- many, and strange ones ---


def test_many_automations_are_read_with_one_list(emulator: Emulator, project: Project) -> None:
    team(emulator)
    names = [f"set{index}" for index in range(10)]
    for name in names:
        emulator.wandb.log(f"acme/plain/{name}")
    documents = [automation(f"a-{name}", scope=f"collection: acme/plain/{name}") for name in names]
    project.write(webhook() + "".join(documents))
    result = project.apply()
    assert result.code == 0, result
    for index in range(110):
        emulator.wandb.add_raw_automation(
            "acme", f"other{index}", action_type="NO_OP", config={}, event_type="RUN_STATE"
        )
    emulator.clear_requests()
    assert quiet(project)
    listed = [r for r in emulator.requests if "triggers" in str(r["body"])]
    assert len(emulator.wandb.automations("acme")) == 120
    assert len(listed) == 3  # one list, of three pages


def test_strange_ones_beside_ours_do_no_harm(emulator: Emulator, applied: Project) -> None:
    put = emulator.wandb.add_raw_automation
    put(CHAT, "tomorrow", action_type="TOMORROW", config={})
    put(CHAT, "job", action_type="QUEUE_JOB", config={})
    put("acme", "metric", event_type="WEAVE_METRIC_THRESHOLD", event_filter="{}",
        action_type="NO_OP", config={})  # fmt: skip
    put(CHAT, "event", event_type="NEVER_HEARD_OF", event_filter="[]", action_type="NO_OP",
        config={})  # fmt: skip
    assert quiet(applied)
    applied.write(webhook() + automation(more="  enabled: false\n"))
    assert applied.apply().code == 0
    assert len(emulator.wandb.automations("acme")) == 5


def test_the_same_name_in_two_scopes_is_two_automations(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    emulator.wandb.log("acme/wandb-registry-model/code", aliases=["production"])
    other = automation(
        "second", scope="collection: acme/wandb-registry-model/code", more="  name: promote\n"
    )
    project.write(webhook() + automation() + other)
    assert project.apply().code == 0
    assert quiet(project)
    assert {row["scope"] for row in emulator.wandb.automations("acme")} == {
        CHAT, "acme/wandb-registry-model/code",
    }  # fmt: skip
    twice = automation("third", more="  name: promote\n")
    project.write(webhook() + automation() + twice)
    assert "have the same name" in project.run("validate").err


# --- what endpoints and webhooks have to do with it ---


def test_the_payload_follows_from_the_endpoint(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(automation(sends=DIRECT) + webhook() + ENDPOINT)
    shown = project.run("plan")
    assert "past review" in shown.out or "No plan is reviewed" in shown.out
    assert "Friendli token" in shown.out
    result = project.apply()
    assert result.code == 0, result
    order = [w for w in writes(emulator) if "wandb-artifact-create" in w or w.startswith("mut")]
    assert order[-1] == CREATE
    key = f"friendli-iac/{project.state['lineage']}/Endpoint/chat"
    assert sent_payload(one(emulator)) == {
        "wandbArtifactVersionName": "${artifact_version_string}",
        "name": "chat",
        "projectId": "p1",
        "idempotencyKey": key,
        "accelerator": {"type": "NVIDIA H100", "count": 2},
        "autoscalingPolicy": {"minReplica": 1, "maxReplica": 2, "cooldownPeriod": 300},
    }
    assert quiet(project)
    # The same key as the create had: what fires rolls that endpoint out, and buys no second one.
    emulator.wandb.log(CHAT)
    emulator.wandb.move_alias(CHAT, "production", "v1")
    emulator.wandb.wait()
    assert [delivery["status"] for delivery in emulator.wandb.deliveries] == [200]
    assert len(emulator.endpoints()) == 1
    assert quiet(project)


def test_the_payload_changes_with_the_endpoint(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(automation(sends=DIRECT) + webhook() + ENDPOINT)
    assert project.apply().code == 0
    emulator.clear_requests()
    project.write(
        automation(sends=DIRECT) + webhook() + ENDPOINT.replace("maxReplicas: 2", "maxReplicas: 4")
    )
    result = project.apply()
    assert result.code == 0, result
    assert sent_payload(one(emulator))["autoscalingPolicy"]["maxReplica"] == 4
    assert quiet(project)


@pytest.mark.parametrize(("url", "forge"), [(GITHUB, "github"), (GITLAB, "gitlab")])
def test_a_pull_request_is_asked_for_where_the_webhook_points(
    emulator: Emulator, project: Project, url: str, forge: Any
) -> None:
    team(emulator)
    project.write(automation(sends=PULL) + webhook(url=url) + ENDPOINT)
    result = project.apply()
    assert result.code == 0, result
    payload = sent_payload(one(emulator))
    assert payload == promotion_payload(forge, "Endpoint/chat")
    assert ("event_type" in payload) == (forge == "github")
    assert "TOKEN" not in str(payload)
    assert quiet(project)


def test_gitlab_is_told_the_branch_of_the_address(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(automation(sends=PULL) + webhook(url=f"{GITLAB}?ref=trunk") + ENDPOINT)
    assert project.apply().code == 0
    assert sent_payload(one(emulator))["ref"] == "trunk"


def test_what_cannot_be_deployed_says_how_it_could(emulator: Emulator, project: Project) -> None:
    team(emulator)
    hub = ENDPOINT.replace(f'{{wandb: {{artifact: "{CHAT}:production"}}}}',
                           "{huggingFace: {repo: acme/model}}")  # fmt: skip
    project.write(webhook() + hub + automation(sends=DIRECT))
    for command in ("validate", "plan"):
        result = project.run(command)
        assert result.code == 1, result
        assert "main.yaml:22:3" in result.err or "main.yaml:2" in result.err
        assert "a second endpoint" in result.err
        assert "model: {wandb:" in result.err
    # Where the endpoint is in another file, its state shows it.
    project.write(webhook() + hub)
    assert project.apply().code == 0
    only = project.write(automation(sends=DIRECT), "more.yaml")
    refused = project.run("plan", "-f", str(only))
    assert refused.code == 5, refused
    assert "a second endpoint" in refused.err


def test_a_pull_request_needs_a_forge_or_a_payload(emulator: Emulator, project: Project) -> None:
    team(emulator)
    elsewhere = webhook(url="https://hooks.example.com/x")
    project.write(elsewhere + ENDPOINT + automation(sends=PULL))
    result = project.run("validate")
    assert result.code == 1
    assert "api.github.com/repos/OWNER/REPO/dispatches" in result.err
    project.write(elsewhere + ENDPOINT + automation(sends=PULL + "\n  payload: {mine: 1}"))
    assert project.apply().code == 0
    assert sent_payload(one(emulator)) == {"mine": 1}


def test_a_webhook_of_another_name_is_followed(emulator: Emulator, applied: Project) -> None:
    applied.write(webhook() + webhook("other") + automation(calls="other"))
    assert applied.apply().code == 0
    ids = {row["name"]: row["id"] for row in emulator.wandb.webhooks("acme")}
    config = one(emulator)["config"]["genericWebhookActionInput"]
    assert config["integrationID"] == ids["other"]
    assert quiet(applied)


def test_a_webhook_that_was_made_anew_takes_its_automations_along(
    emulator: Emulator, applied: Project
) -> None:
    emulator.wandb.remove_webhook(emulator.wandb.webhooks("acme")[0]["id"])
    result = applied.apply()
    assert result.code == 0, result
    assert len(emulator.wandb.automations("acme")) == 1
    assert quiet(applied)


def test_a_scope_that_is_not_there_is_told_before_anything_is_sent(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook() + automation(scope="collection: acme/wandb-registry-model/chit"))
    result = project.apply()
    assert result.code == 5, result
    assert "chit" in result.out
    assert writes(emulator) == []


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (automation(sends="enabled: true"), "deploys, or payload"),
        (automation(sends="deploys: chat"), "promotion"),
        (automation(sends="payload: {}\n  promotion: direct"), "promotion needs deploys"),
        (automation(sends=DIRECT + "\n  payload: {}"), "exclude each other"),
        (automation(sends="payload: [1]"), "payload"),
        (automation(sends="payload: text"), "payload"),
        (automation(scope="collection: acme/chat"), "collection"),
        (automation(scope="project: acme"), "project"),
        (automation(scope="team: acme\n  project: a/b"), "exclude each other"),
        (automation(scope="enabled: true"), "one of"),
        (automation(trigger='aliasAdded: "("'), "no regular expression"),
        (automation(trigger="aliasAdded: one, tagAdded: two"), "exclude each other"),
        (automation(trigger=""), "one of"),
        (automation(scope="team: acme", trigger="artifactCreated: true"), "needs a collection"),
        (automation(calls="nobody"), "there is no Webhook nobody"),
        (automation(more=f"  name: {256 * 'n'}\n"), "name"),
        (automation(more="  filter: {}\n"), "filter"),
        (automation(more="  webhookName: x\n"), "webhookName"),
    ],
)
def test_what_cannot_be_is_a_problem_with_a_place(
    emulator: Emulator, project: Project, document: str, says: str
) -> None:
    project.write(document + webhook())
    result = project.run("validate")
    assert result.code == 1
    assert "main.yaml:" in result.err
    assert says in result.err
    assert not emulator.requests


def test_the_webhook_goes_last(emulator: Emulator, project: Project) -> None:
    team(emulator)
    emulator.wandb.offers = {"deleteIntegration"}
    project.write(webhook(url=DEPLOY) + automation())
    assert project.apply().code == 0
    emulator.clear_requests()
    assert project.run("destroy", "--yes").code == 0
    assert writes(emulator) == ["mutation deleteTrigger", "mutation deleteIntegration"]


def test_what_the_files_given_leave_out_is_named(project: Project) -> None:
    project.write(ENDPOINT, "chat.yaml")
    project.write(webhook() + automation(sends=DIRECT), "auto.yaml")
    refused = project.run("plan", "-f", "auto.yaml")
    assert refused.code == 5, refused
    assert "Endpoint/chat is neither among the files given nor in state" in refused.err
