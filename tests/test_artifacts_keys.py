"""Two endpoints never come of one key, nor one endpoint of two: whoever deploys, and whenever."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Literal

import httpx
import pytest

from friendli_iac.emulator import Emulator

from .artifacts import ALL, CHAT, artifact_of, bodies, deployed, lineage, registry
from .harness import FAST, TOKEN, Project, endpoint, names, writes
from .test_reap import three_days_later

MOVER = "WebhookAutomation/promote-chat"
ANEW = ("--replace", "Endpoint/chat", "--allow-destroy")
CREATE = "/wandb-artifact-create$"
DISABLED = ALL + "  enabled: false\n"


@pytest.fixture
def world(project: Project, emulator: Emulator) -> Project:
    """An endpoint on v1, whose versions an automation rolls out."""
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    apply(project, deployed() + ALL)
    emulator.clear_requests()
    return project


def apply(project: Project, text: str, *words: str) -> None:
    project.write(text)
    done = project.apply(*words)
    assert done.code == 0, done


def fire(emulator: Emulator, version: str) -> None:
    emulator.wandb.move_alias(CHAT, "production", version)
    emulator.wandb.wait()


def enable(emulator: Emulator) -> None:
    """In the web page."""
    (automation,) = emulator.wandb.automations("acme")
    emulator.wandb.edit_automation(automation["id"], enabled=True)


def remove(project: Project, emulator: Emulator) -> None:
    """Ends the endpoint, in the web page."""
    id = project.state["resources"]["Endpoint/chat"]["id"]
    at = f"{emulator.url}/dedicated/beta/endpoint/{id}"
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        client.put(f"{at}/terminate").raise_for_status()
        client.delete(at).raise_for_status()


OTHER_PROJECT = deployed().replace("project: p1", "project: p2")
BESIDE_ALONE = endpoint("beside")
BESIDE = deployed() + ALL + "---\n" + BESIDE_ALONE  # else all of the project would be gone at once
SAFELY = deployed(more="  lifecycle: {createBeforeDestroy: true}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (deployed() + ALL, ANEW),
        (SAFELY + ALL, ANEW),
        (deployed() + DISABLED, ANEW),  # it is enabled still, and would be until afterwards
        (OTHER_PROJECT + ALL, ANEW[2:]),
        (deployed(key="other") + ALL, ANEW[2:]),
        (deployed() + ALL, (*ANEW, "--target", "Endpoint/chat", "--refresh", "none")),
    ],
    ids=["asked", "safely", "at once", "project", "key", "unread"],
)
def test_what_an_automation_deploys_is_not_made_anew(
    text: str, words: tuple[str, ...], world: Project, emulator: Emulator
) -> None:
    world.write(text)
    refused = world.apply(*words)
    assert refused.code == 5, refused
    assert f"{MOVER} may deploy it while it is made anew" in refused.err
    assert f"`enabled: false` for {MOVER} (in its manifest: put it back" in refused.err
    assert writes(emulator) == []


@pytest.mark.parametrize("refresh", ["fast", "none"])
def test_what_was_enabled_in_the_web_page_counts(
    refresh: str, world: Project, emulator: Emulator
) -> None:
    apply(world, deployed() + DISABLED)
    enable(emulator)
    emulator.clear_requests()
    refused = world.apply(*ANEW, "--target", "Endpoint/chat", "--refresh", refresh)
    assert (refused.code, writes(emulator)) == (5, []), refused


def test_a_saved_plan_is_stale_when_it_was_enabled_since(
    world: Project, emulator: Emulator
) -> None:
    apply(world, deployed() + DISABLED)
    only = ("--target", "Endpoint/chat", "--replace", "Endpoint/chat")
    made = world.run("plan", *only, "--out", "x.plan")
    assert made.code == 0, made
    enable(emulator)
    emulator.clear_requests()
    stale = world.run("apply", "x.plan", "--allow-destroy", *FAST)
    assert stale.code == 6, stale
    assert f"{MOVER} may deploy it" in stale.err
    assert writes(emulator) == []


def test_what_is_gone_fires_no_more(world: Project, emulator: Emulator) -> None:
    (automation,) = emulator.wandb.automations("acme")
    emulator.wandb.remove_automation(automation["id"])
    assert world.apply(*ANEW).code == 0
    fire(emulator, "v2")
    assert (names(emulator), artifact_of(emulator)) == (["chat"], "v2")


@pytest.mark.parametrize("text", [deployed(), SAFELY], ids=["asked", "safely"])
def test_disabled_it_is_made_anew_and_deployed_again(
    text: str, world: Project, emulator: Emulator
) -> None:
    apply(world, text + DISABLED)
    (old,) = (one["id"] for one in emulator.endpoints())
    fire_at_each_request(emulator)
    done = world.apply(*ANEW)
    assert done.code == 0, done
    emulator.wandb.wait()
    assert emulator.wandb.deliveries == []
    (new,) = (one["id"] for one in emulator.endpoints())
    assert new != old
    apply(world, text + ALL)
    emulator.clear_faults()
    emulator.wandb.wait()
    fire(emulator, "v0")
    fire(emulator, "v2")
    assert artifact_of(emulator) == "v2"
    assert [one["id"] for one in emulator.endpoints()] == [new]
    assert world.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    ("text", "method", "path", "when"),
    [
        (deployed(), "DELETE", "/endpoint/", "after"),
        (deployed(), "POST", CREATE, "after"),
        (SAFELY, "POST", CREATE, "after"),
        (SAFELY, "DELETE", "/endpoint/", "before"),
    ],
    ids=["ended", "made", "safely made", "safely ends"],
)
def test_killed_while_it_is_made_anew_one_is_left(
    text: str,
    method: str,
    path: str,
    when: Literal["before", "after"],
    world: Project,
    emulator: Emulator,
) -> None:
    apply(world, text + DISABLED)
    emulator.hold(method, path, when)
    running = world.spawn("apply", "--yes", *FAST, *ANEW)
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.clear_faults()
    fire(emulator, "v2")
    apply(world, text + ALL, *ANEW[2:])
    apply(world, text + ALL, *ANEW[2:])  # what a replacement has left may end later
    fire(emulator, "v0")
    fire(emulator, "v2")
    (only,) = (one["id"] for one in emulator.endpoints())
    assert world.state["resources"]["Endpoint/chat"]["id"] == only
    assert artifact_of(emulator) == "v2"
    assert world.run("plan", "--detailed-exitcode").code == 0


def fire_at_each_request(emulator: Emulator) -> None:
    """Before and after each request that could change something, somebody moves the alias."""
    versions = cycle(("v2", "v0"))

    def move() -> None:
        emulator.wandb.move_alias(CHAT, "production", next(versions))

    for method in ("PUT", "DELETE", "POST"):
        emulator.on_request(method, "/dedicated/", move, "before", count=None)
        emulator.on_request(method, "/dedicated/", move, "after", count=None)


def test_what_an_event_bought_is_taken_in(world: Project, emulator: Emulator) -> None:
    key = f"friendli-iac/{lineage(world)}/Endpoint/chat"
    apply(world, BESIDE)
    remove(world, emulator)
    fire(emulator, "v2")
    bought = id_of(emulator)
    emulator.clear_requests()
    refused = world.apply()
    assert (refused.code, writes(emulator)) == (5, [])
    assert f"import Endpoint/chat {bought}" in refused.err
    assert world.run("state", "forget", "Endpoint/chat").code == 0
    assert list(world.state["forgotten_keys"]) == [key]
    said = f"spec.model.wandb.idempotencyKey={key}"
    taken = world.run("import", "Endpoint/chat", bought, "--set", said)
    assert taken.code == 0, taken
    assert world.state["forgotten_keys"] == {}
    apply(world, BESIDE)
    fire(emulator, "v1")
    assert (id_of(emulator), artifact_of(emulator)) == (bought, "v1")


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_event_beside_our_create_is_of_the_same_endpoint(
    when: Literal["before", "after"], world: Project, emulator: Emulator
) -> None:
    apply(world, BESIDE)
    remove(world, emulator)
    emulator.hold("POST", CREATE, when)

    def somebody() -> None:
        emulator.wait_held()
        fire(emulator, "v2")
        emulator.release()

    with ThreadPoolExecutor(1) as pool:
        fired = pool.submit(somebody)
        done = world.apply()
        fired.result()
    assert done.code == 0, done
    assert world.state["resources"]["Endpoint/chat"]["id"] == id_of(emulator)
    assert world.run("plan", "--detailed-exitcode").code == 0


def id_of(emulator: Emulator) -> str:
    """Of the only endpoint that is called chat."""
    settings = {
        one["id"]: one["versions"][one["serving"]]["settings"]["name"]
        for one in emulator.endpoints()
    }
    (found,) = (id for id, name in settings.items() if name == "chat")
    return found


def test_an_import_says_what_plans_need(project: Project, emulator: Emulator) -> None:
    registry(emulator)
    apply(project, deployed(more="  suite: none\n"))
    id = project.state["resources"]["Endpoint/chat"]["id"]
    key = f"friendli-iac/{lineage(project)}/Endpoint/chat"
    assert project.run("state", "forget", "Endpoint/chat").code == 0
    taken = project.run("import", "Endpoint/chat", id)
    assert taken.code == 0, taken
    assert "the next plan will send them" not in taken.err
    assert project.run("plan", "--target", "Endpoint/chat").code == 5
    next_ = "friendli-iac set Endpoint/chat spec.model.wandb.idempotencyKey=VALUE"
    assert f"needed: model.wandb.idempotencyKey, as it was when {id} was made" in taken.err
    assert taken.err.rstrip().endswith(next_)
    assert project.run(*next_.replace("VALUE", key).split()[1:]).code == 0
    planned = project.run("plan", "--target", "Endpoint/chat")
    assert planned.code == 0, planned


def test_a_forgotten_key_is_not_given_again(project: Project, emulator: Emulator) -> None:
    registry(emulator)
    apply(project, deployed())
    key = f"friendli-iac/{lineage(project)}/Endpoint/chat"
    assert project.run("state", "forget", "Endpoint/chat").code == 0
    apply(project, deployed("v2", more="  name: new\n"))
    assert [body["idempotencyKey"] for body in bodies(emulator)] == [key, f"{key}/2"]
    assert names(emulator) == ["chat", "new"]
    assert artifact_of(emulator) == "v1"


def test_what_an_interrupted_create_may_have_made_keeps_its_key(
    project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    project.write(deployed())
    emulator.hold("POST", CREATE, "after")
    running = project.spawn("apply", "--yes", *FAST)
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.clear_faults()
    assert project.run("state", "forget", "Endpoint/chat").code == 0
    apply(project, deployed("v2", more="  name: new\n"))
    assert names(emulator) == ["chat", "new"]
    assert artifact_of(emulator) == "v1"


def test_a_key_that_a_restore_takes_out_of_state_is_not_given_again(
    project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    apply(project, BESIDE_ALONE)
    serial = project.state["serial"]
    pulled = project.run("state", "pull").out
    apply(project, BESIDE_ALONE + "---\n" + deployed())
    key = f"friendli-iac/{lineage(project)}/Endpoint/chat"
    restored = project.run("state", "restore", str(serial), "--yes")
    assert restored.code == 0, restored
    assert list(project.state["forgotten_keys"]) == [key]
    emulator.clear_requests()
    apply(project, BESIDE_ALONE + "---\n" + deployed("v2", more="  name: new\n"))
    assert [body["idempotencyKey"] for body in bodies(emulator)] == [f"{key}/2"]
    pushed = project.run("state", "push", "-", "--force", stdin=pulled)
    assert pushed.code == 0, pushed
    assert sorted(project.state["forgotten_keys"]) == [key, f"{key}/2"]


def test_a_state_from_before_is_read(world: Project) -> None:
    state = world.state
    del state["forgotten_keys"]
    world.state_path.write_text(json.dumps(state))
    assert world.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("autoscaling.maxReplicas", "autoscalingPolicy"),
        ("instance", "accelerator"),
        ("name", "name"),
    ],
)
def test_what_is_ignored_is_not_in_the_payload(
    path: str, key: str, world: Project, emulator: Emulator
) -> None:
    ignoring = deployed(more=f"  lifecycle: {{ignoreChanges: [{path}]}}\n")
    world.write(ignoring + ALL)
    planned = world.run("plan")
    assert f"it does not send {key}, which Endpoint/chat ignores" in planned.out
    assert "left out is not documented" in " ".join(planned.out.split())
    assert world.apply().code == 0
    (automation,) = emulator.wandb.automations("acme")
    payload = json.loads(automation["config"]["genericWebhookActionInput"]["requestPayload"])
    wanted = {"wandbArtifactVersionName", "projectId", "idempotencyKey"}
    wanted |= {"name", "accelerator", "autoscalingPolicy"} - {key}
    assert payload.keys() == wanted
    assert world.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    ("more", "rests"),
    [
        ("  desired: terminated\n", True),
        ("  desired: sleeping\n", True),
        ('  lifecycle: {expires: "2026-01-01"}\n', True),
        ("  desired: running\n", False),
    ],
)
def test_what_an_event_would_start_again_is_told(more: str, rests: bool, world: Project) -> None:
    world.write(deployed(more=more) + ALL)
    warned = f"! {MOVER} is enabled: the next event may start it again"
    assert (warned in world.run("plan").out) == rests
    world.write(deployed(more=more) + DISABLED)
    assert warned not in world.run("plan").out


def test_it_is_told_as_long_as_it_rests(world: Project) -> None:
    apply(world, deployed(more="  desired: terminated\n") + ALL)
    said = "Endpoint/chat is to be terminated, and the next event may start it again"
    assert said in " ".join(world.run("plan").out.split())


def test_reap_tells_it(world: Project) -> None:
    apply(world, deployed(more="  lifecycle: {expires: 72h}\n") + ALL)
    three_days_later(world)
    for words in (("reap", "--dry-run"), ("reap", "--yes", *FAST)):
        done = world.run(*words)
        assert done.code == 0, done
        assert f"! {MOVER} is enabled: the next event may start it again" in done.out


def test_what_a_plan_did_not_look_at_has_not_appeared(world: Project, emulator: Emulator) -> None:
    apply(world, deployed() + DISABLED)
    emulator.clear_requests()
    assert world.run("state", "forget", "Endpoint/chat").code == 0
    refused = world.apply("--refresh", "none")
    assert refused.code == 5, refused
    said = " ".join(refused.err.split())
    assert "is there already with the name 'chat' in project p1, and the plan did not look" in said
    assert "since the plan was made" not in said
    assert writes(emulator) == []
