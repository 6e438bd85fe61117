"""A key that nothing has any more, and that something sends still, buys a GPU: it is refused."""

from __future__ import annotations

import copy
import json

import httpx
import pytest

from friendli_iac.emulator import Emulator

from .artifacts import AUTOMATION, CHAT, WEBHOOK, deployed, registry
from .harness import FAST, TOKEN, Project, endpoint, names, writes
from .test_artifacts_keys import (
    ANEW,
    BESIDE,
    BESIDE_ALONE,
    MOVER,
    apply,
    enable,
    fire,
    id_of,
    remove,
    world,
)

__all__ = ["world"]  # a fixture
ONLY_CHAT = ("--target", "Endpoint/chat")
OTHER_KEY = BESIDE.replace(deployed(), deployed(key="new"))


@pytest.mark.parametrize("narrowed", [ONLY_CHAT, ()], ids=["narrowed", "all"])
@pytest.mark.parametrize("how", ["replaced", "another key", "forgotten"])
def test_what_is_gone_is_not_made_anew_under_another_key(
    how: str, narrowed: tuple[str, ...], world: Project, emulator: Emulator
) -> None:
    apply(world, BESIDE)
    remove(world, emulator)
    text, words = BESIDE, narrowed
    if how == "replaced":
        words += ("--replace", "Endpoint/chat")
    elif how == "another key":
        text = OTHER_KEY
    else:
        assert world.run("state", "forget", "Endpoint/chat").code == 0
    world.write(text)
    emulator.clear_requests()
    refused = world.apply(*words)
    assert refused.code == 5, refused
    assert f"{MOVER} deploys it by another key than it is to have" in refused.err
    assert writes(emulator) == []
    # The way out: it stops first, in one apply, and is enabled by the next.
    disabled = text.replace("promotion: direct\n", "promotion: direct\n  enabled: false\n")
    apply(world, disabled, *(words if how == "replaced" and not narrowed else ()))
    apply(world, text)
    fire(emulator, "v0")
    assert names(emulator) == ["beside", "chat"]
    assert world.run("plan", "--detailed-exitcode").code == 0


def test_a_saved_plan_does_not_make_it_when_it_was_enabled_since(
    world: Project, emulator: Emulator
) -> None:
    disabled = BESIDE.replace("promotion: direct\n", "promotion: direct\n  enabled: false\n")
    apply(world, disabled)
    remove(world, emulator)
    world.write(disabled.replace(deployed(), deployed(key="new")))
    assert world.run("plan", *ONLY_CHAT, "--out", "x.plan").code == 0
    enable(emulator)
    emulator.clear_requests()
    stale = world.run("apply", "x.plan", *FAST)
    assert (stale.code, writes(emulator)) == (6, []), stale


@pytest.mark.parametrize("how", ["forgotten", "moved"])
def test_a_saved_plan_does_not_roll_out_what_has_its_key_now(
    how: str, project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    apply(project, BESIDE_ALONE)
    project.write(BESIDE_ALONE + "---\n" + deployed())
    assert project.run("plan", "--out", "x.plan").code == 0
    assert project.apply().code == 0  # by a colleague, who gives it to somebody
    id = id_of(emulator)
    away = ("forget",) if how == "forgotten" else ("mv",)
    new = ("Endpoint/theirs",) if how == "moved" else ()
    assert project.run("state", *away, "Endpoint/chat", *new).code == 0
    at = f"{emulator.url}/dedicated/beta/endpoint/{id}"
    theirs = httpx.put(at, headers={"Authorization": f"Bearer {TOKEN}"}, json={"name": "theirs"})
    assert theirs.is_success
    emulator.clear_requests()
    stale = project.run("apply", "x.plan", "--yes", *FAST)
    assert (stale.code, writes(emulator)) == (6, []), stale
    assert "the idempotencyKey of Endpoint/chat" in stale.err


@pytest.mark.parametrize("how", ["replaced", "ended"])
def test_an_automation_that_was_forgotten_still_counts(
    how: str, world: Project, emulator: Emulator
) -> None:
    apply(world, BESIDE)
    told = world.run("state", "forget", MOVER)
    assert f"{MOVER} stays enabled in W&B, and goes on deploying Endpoint/chat" in told.err
    text = BESIDE.replace(AUTOMATION, "") if how == "replaced" else BESIDE_ALONE + "---\n" + WEBHOOK
    words = ANEW if how == "replaced" else ("--allow-destroy",)
    world.write(text)
    emulator.clear_requests()
    refused = world.apply(*words)
    assert (refused.code, writes(emulator)) == (5, []), refused
    assert "'promote-chat' of acme/wandb-registry-model/chat is not in state" in refused.err
    (automation,) = emulator.wandb.automations("acme")
    id = f"{CHAT}:{automation['id']}"
    assert f"friendli-iac import WebhookAutomation/NAME {id}" in refused.err
    stop = "friendli-iac set Endpoint/chat spec.desired=terminated; friendli-iac apply --target"
    assert stop in refused.err
    # It is looked at once more before a plan from then is carried out.
    emulator.wandb.edit_automation(automation["id"], enabled=False)
    saved = world.run("plan", *(word for word in words if word != "--allow-destroy"), "--out", "x")
    assert saved.code == 0, saved
    enable(emulator)
    emulator.clear_requests()
    stale = world.run("apply", "x", "--allow-destroy", *FAST)
    assert (stale.code, writes(emulator)) == (6, []), stale
    emulator.wandb.edit_automation(automation["id"], enabled=False)
    assert world.apply(*words).code == 0


def test_a_team_that_is_gone_hides_no_other(world: Project, emulator: Emulator) -> None:
    apply(world, BESIDE)
    assert world.run("state", "forget", MOVER).code == 0
    state = world.state
    for name, team in (("chat", "aaa"), ("beside", "bbb")):  # of which one ends
        past = copy.deepcopy(state["resources"]["Endpoint/chat"]["history"][0])
        past["spec"]["model"]["wandb"]["artifact"] = f"{team}/models/chat:v0"
        state["resources"][f"Endpoint/{name}"]["history"].insert(0, past)
    world.state_path.write_text(json.dumps(state))
    world.write(BESIDE_ALONE + "---\n" + WEBHOOK)
    refused = world.apply("--allow-destroy")
    assert refused.code == 5, refused
    assert "would buy it anew is not known" in refused.out
    assert "aaa" in refused.out
    assert "bbb" not in refused.out
    # What bills is stopped all the same.
    world.write(deployed() + "---\n" + BESIDE_ALONE + "---\n" + WEBHOOK)
    assert world.run("set", "Endpoint/chat", "spec.desired=terminated").code == 0
    assert world.apply("--target", "Endpoint/chat").code == 0


def test_what_an_interrupted_apply_made_is_no_strangers(
    project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    project.write(BESIDE)
    emulator.hold("POST", "mutation createFilterTrigger", "after")
    running = project.spawn("apply", "--yes", *FAST)
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.clear_faults()
    project.write(BESIDE_ALONE + "---\n" + WEBHOOK)
    planned = project.run("plan")
    assert planned.code == 0, planned
    assert "If it is not of what is settled first, apply refuses this" in planned.out
    assert project.apply("--allow-destroy").code == 0
    assert names(emulator) == ["beside"]


def test_a_key_that_was_given_up_before_the_plan_keeps_nothing_from_it(
    project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    one = deployed(key="one") + "---\n" + BESIDE_ALONE
    apply(project, one)
    remove(project, emulator)
    assert project.run("state", "forget", "Endpoint/chat").code == 0
    project.write(one + "---\n" + endpoint("third"))
    assert project.run("plan", *ONLY_CHAT, "--out", "x.plan").code == 0
    assert project.apply("--target", "Endpoint/third").code == 0
    done = project.run("apply", "x.plan", "--yes", *FAST)
    assert (done.code, names(emulator)) == (0, ["beside", "chat", "third"]), done


@pytest.mark.parametrize("without", ["a key", "an address", "an answer"])
def test_what_bills_ends_without_wandb(without: str, project: Project, emulator: Emulator) -> None:
    registry(emulator)
    apply(project, deployed())
    if without == "a key":
        project.env["WANDB_API_KEY"] = ""
    elif without == "an address":
        project.env["WANDB_BASE_URL"] = "http://w.acme.example"
    else:
        emulator.fault("POST", "/graphql", kind="status", status=403, count=None)
    done = project.run("destroy", "--yes", *FAST)
    assert (done.code, names(emulator)) == (0, []), done
    assert "! whether an automation that is not in state would buy it anew is not known" in done.out
