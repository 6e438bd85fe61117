"""Every command of the generic part with a webhook and an automation in it: nothing breaks, nothing
is said of costs, versions or clients that they do not have.
"""

from __future__ import annotations

import json

import pytest

from friendli_iac.emulator import Emulator

from .harness import TOKEN, WANDB_KEY, Project, writes
from .test_wandb_cli import ALL, CHAT

HOOK, AUTOMATION = "Webhook/deploy", "WebhookAutomation/promote-chat"


@pytest.fixture
def world(project: Project, emulator: Emulator) -> Emulator:
    emulator.wandb.log(CHAT, aliases=("production",))
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    project.write(ALL)
    done = project.apply()
    assert done.code == 0, done
    emulator.clear_requests()
    return emulator


READS = (
    ("validate",), ("render",), ("status",), ("status", HOOK), ("cost",), ("drift",),
    ("drift", "--unmanaged"), ("show",), ("state", "list"), ("state", "show", HOOK),
    ("history", HOOK), ("history", AUTOMATION, "--offline"), ("export", "--project", "p1"),
    ("doctor",), ("reap", "--dry-run"), ("plan", "--destroy"), ("plan", "--refresh", "full"),
    ("plan", "--refresh", "none"), ("plan", "--format", "markdown"), ("plan", "--format", "html"),
    ("status", "--format", "json"), ("cost", "--format", "json"), ("drift", "--format", "json"),
    ("history", HOOK, "--format", "json"),
)  # fmt: skip


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_it_is_read_and_nothing_breaks(
    project: Project, world: Emulator, words: tuple[str, ...]
) -> None:
    done = project.run(*words)
    assert done.code == 0, done
    assert "defect" not in done.err
    assert writes(world) == []
    for secret in (TOKEN, WANDB_KEY):
        assert secret not in done.out + done.err + project.everything_written()


def test_words_are_those_of_what_is_meant(project: Project, world: Emulator) -> None:
    status = project.run("status").out
    assert "1 endpoint: 1 RUNNING" in status
    assert "1 webhook, 1 automation" in status
    assert status.count("$0.00") == 0
    told = project.run("status", "--format", "json").json
    assert [one["address"] for one in told["endpoints"]] == ["Endpoint/chat"]
    assert [one["address"] for one in told["others"]] == [HOOK, AUTOMATION]
    assert "Webhook" not in project.run("cost").out
    assert "project acme" not in project.run("state", "list").out
    assert "v?" not in project.run("history", HOOK).out
    assert "wandb: " in project.run("doctor").out
    for words, said in (
        (("output", HOOK), "no client calls a webhook"),
        (("rollback", AUTOMATION), "an automation has no versions to go back to"),
    ):
        refused = project.run(*words)
        assert (refused.code, said in refused.err) == (64, True), refused


def test_changes_of_others_are_told_accepted_or_taken_back(
    project: Project, world: Emulator
) -> None:
    (live,) = world.wandb.automations("acme")
    world.wandb.edit_automation(live["id"], enabled=False)
    drift = project.run("drift")
    assert (drift.code, "enabled" in drift.out) == (2, True), drift
    planned = project.run("plan")
    assert "in place" in planned.out
    assert "cold start" not in planned.out
    accepted = project.run("apply", "--refresh-only", "--yes")
    assert accepted.code == 0, accepted
    assert writes(world) == []
    assert project.run("drift").code == 0
    assert project.apply().code == 0
    assert writes(world) == ["mutation updateFilterTrigger"]
    assert [one["enabled"] for one in world.wandb.automations("acme")] == [True]


def test_what_is_given_up_is_taken_in_again_under_its_name(
    project: Project, world: Emulator
) -> None:
    moved = project.run("state", "mv", HOOK, "Webhook/other")
    assert "webhook goes on being called deploy" in moved.err
    assert project.run("state", "mv", "Webhook/other", HOOK).code == 0
    forgot = project.run("state", "forget", HOOK, AUTOMATION)
    assert "The webhooks and automations themselves were not touched" in forgot.err
    refused = project.run("plan")
    assert refused.code == 5
    assert "a webhook called 'deploy' is in acme already" in refused.out
    assert f"an automation called 'promote-chat' is in {CHAT} already" in refused.out
    for address, name in ((HOOK, "acme:deploy"), (AUTOMATION, f"{CHAT}:promote-chat")):
        taken = project.run("import", address, name)
        assert taken.code == 0, taken
    assert project.run("plan").code == 0, "what hides settings is the web page of an endpoint alone"
    again = project.run("import", "Webhook/twin", "acme:deploy")
    assert (again.code, f"already, as {HOOK}" in again.err) == (5, True), again
    assert writes(world) == []


def test_set_and_new(project: Project, world: Emulator) -> None:
    done = project.run("set", AUTOMATION, "spec.enabled=false")
    assert done.code == 0, done
    planned = project.run("plan", "--format", "json").json
    actions = {change["address"]: change["action"] for change in planned["changes"]}
    assert actions[AUTOMATION] == "update"
    for kind in ("Webhook", "WebhookAutomation", "Adapter"):
        written = project.run("new", "made", "--kind", kind, "--file", "-")
        assert (written.code, f"kind: {kind}\n" in written.out) == (0, True), written


def test_its_end_leaves_no_automation(project: Project, world: Emulator) -> None:
    done = project.run("destroy", "--yes", "--format", "json")
    assert done.code == 11, done
    results = {one["address"]: one["result"] for one in done.json["outcomes"]}
    assert results == {"Endpoint/chat": "applied", HOOK: "by hand", AUTOMATION: "applied"}
    assert world.wandb.automations("acme") == []
    assert [write.split()[0] for write in writes(world)] == ["mutation", "PUT", "DELETE"]
    (hook,) = world.wandb.webhooks("acme")
    world.wandb.remove_webhook(hook["id"])
    assert project.run("destroy", "--yes").code == 0
    assert json.loads(project.state_path.read_text())["resources"] == {}


def test_what_is_still_blank_is_refused_by_a_plan_alone(
    project: Project, emulator: Emulator
) -> None:
    assert project.run("new", "promote", "--kind", "WebhookAutomation").code == 0
    assert project.run("validate").code == 0
    emulator.wandb.log(CHAT)
    done = project.run("set", "WebhookAutomation/promote", f"spec.collection={CHAT}")
    assert done.code == 0, done
    refused = project.run("plan")
    assert refused.code == 5, refused
    assert "spec.webhook is still FILL-ME-IN" in refused.out
    assert writes(emulator) == []
