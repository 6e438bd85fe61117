"""Endpoints that an automation of W&B rolls out by itself: the plan never fights it."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .artifacts import (
    ALL,
    AUTOMATION,
    CHAT,
    DEPLOY,
    WEBHOOK,
    artifact_of,
    bodies,
    deploy,
    deployed,
    lineage,
    registry,
)
from .harness import TOKEN, Project, writes

MOVER = "WebhookAutomation/promote-chat"
NOTE = f"was moved by {MOVER}; the artifact cannot be read back (unverified)"


@pytest.fixture
def world(project: Project, emulator: Emulator) -> Project:
    """An endpoint on v1, whose versions an automation rolls out."""
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    project.write(deployed() + ALL)
    done = project.apply()
    assert done.code == 0, done
    emulator.clear_requests()
    return project


def fire(emulator: Emulator, version: str) -> None:
    emulator.wandb.move_alias(CHAT, "production", version)
    emulator.wandb.wait()
    assert artifact_of(emulator) == version


def versions(emulator: Emulator) -> int:
    (found,) = emulator.endpoints()
    return len(found["versions"])


def test_what_it_rolled_out_is_left_alone(world: Project, emulator: Emulator) -> None:
    before = world.run("plan", "--detailed-exitcode")
    assert before.code == 0
    assert "unverified" not in before.out
    fire(emulator, "v2")
    assert versions(emulator) == 2
    for refresh in ("fast", "full"):
        planned = world.run("plan", "--detailed-exitcode", "--refresh", refresh)
        assert planned.code == 0, planned
        assert f"version 1 {NOTE}" in planned.out
        assert "production → v2" in planned.out
        assert "what we sent last is v1" in planned.out
    emulator.clear_requests()
    assert world.apply().code == 0
    assert writes(emulator) == []
    assert artifact_of(emulator) == "v2"


def test_reports_are_calm_about_it(world: Project, emulator: Emulator) -> None:
    fire(emulator, "v2")
    drift = world.run("drift")
    assert drift.code == 0, drift
    assert world.run("status").code == 0
    history = world.run("history", "Endpoint/chat")
    assert f"v1 {NOTE.replace(';', ':')}" in history.out


def test_our_own_update_takes_nothing_back(world: Project, emulator: Emulator) -> None:
    fire(emulator, "v2")
    emulator.clear_requests()
    wider = deployed(scaling="{minReplicas: 1, maxReplicas: 3, cooldown: 5m}") + ALL
    world.write(wider)
    planned = world.run("plan")
    assert "model.wandb.artifact" not in planned.out
    done = world.apply()
    assert done.code == 0, done
    assert DEPLOY not in writes(emulator)
    assert artifact_of(emulator) == "v2"
    assert world.run("plan", "--detailed-exitcode").code == 0
    fire(emulator, "v0")
    assert world.run("plan", "--detailed-exitcode").code == 0
    # Without it, nobody knows which version serves.
    world.write(wider.replace(AUTOMATION, ""))
    emulator.clear_requests()
    assert world.apply("--allow-destroy").code == 0
    assert [b["wandbArtifactVersionName"] for b in bodies(emulator) if b] == [f"{CHAT}:v0"]


def test_our_own_update_does_not_hide_what_it_rolled_out(
    world: Project, emulator: Emulator
) -> None:
    fire(emulator, "v2")
    wider = deployed("v1", scaling="{minReplicas: 1, maxReplicas: 3, cooldown: 5m}")
    world.write(wider + ALL)
    assert world.apply().code == 0
    world.write(wider + WEBHOOK)  # v1 is what we sent last, and v2 serves
    emulator.clear_requests()
    assert world.apply("--allow-destroy").code == 0
    assert DEPLOY in writes(emulator)
    assert artifact_of(emulator) == "v1"


@pytest.mark.parametrize("how", ["removed", "disabled", "reviewed"])
def test_without_it_the_artifact_is_unknown(how: str, world: Project, emulator: Emulator) -> None:
    fire(emulator, "v2")
    emulator.wandb.move_alias(CHAT, "production", "v1")  # back to what we sent last
    emulator.wandb.wait()
    fire(emulator, "v2")
    text = {
        "removed": deployed("v1") + WEBHOOK,
        "disabled": deployed("v1") + ALL + "  enabled: false\n",
        "reviewed": deployed("v1") + WEBHOOK + AUTOMATION.replace("direct", "pull-request"),
    }[how]
    if how == "reviewed":
        text = text.replace(
            "https://api.friendli.ai/dedicated/endpoint/wandb-artifact-create",
            "https://api.github.com/repos/acme/infra/dispatches",
        )
    world.write(text)
    planned = world.run("plan")
    assert "unknown since version 1" in planned.out, planned
    assert "engine.contentLogging" not in planned.out  # the route does not touch it
    emulator.clear_requests()
    done = world.apply("--allow-destroy")
    assert done.code in (0, 11), done
    assert [r for r in writes(emulator) if "endpoint" in r] == [DEPLOY]
    assert artifact_of(emulator) == "v1"
    assert world.run("plan", "--detailed-exitcode", "--target", "Endpoint/chat").code == 0


@pytest.mark.parametrize("how", ["saved", "approved"])
def test_a_plan_from_before_it_fired_still_fits(
    how: str, world: Project, emulator: Emulator
) -> None:
    world.write(deployed(scaling="{minReplicas: 1, maxReplicas: 3, cooldown: 5m}") + ALL)
    made = world.run("plan", "--out", "p.json", "--format", "json")
    assert made.code == 0, made
    fire(emulator, "v2")
    if how == "saved":
        done = world.run("apply", "p.json", "--yes")
        assert done.code == 0, done
        assert artifact_of(emulator) == "v2"
    else:  # it is another plan: which version it comes after is a part of what was seen
        assert world.apply("--approved", made.json["digest"]).code == 6


def test_a_rollback_leaves_its_version_in_place(world: Project, emulator: Emulator) -> None:
    world.write(deployed(scaling="{minReplicas: 1, maxReplicas: 3, cooldown: 5m}") + ALL)
    assert world.apply().code == 0
    fire(emulator, "v2")
    emulator.clear_requests()
    done = world.run("rollback", "Endpoint/chat", "--yes")
    assert done.code in (0, 10), done
    assert DEPLOY not in writes(emulator)
    assert artifact_of(emulator) == "v2"
    (found,) = emulator.endpoints()
    assert found["versions"][-1]["settings"]["autoscalingPolicy"]["maxReplica"] == 2


def test_a_narrowed_plan_knows_of_it(world: Project, emulator: Emulator) -> None:
    fire(emulator, "v2")
    world.write(deployed(), "chat.yaml")
    for narrowed in (("--target", "Endpoint/chat"), ("-f", "chat.yaml")):
        world.write(deployed() + ALL)
        if narrowed[0] == "--target":
            (world.root / "chat.yaml").rename(world.root / "chat.txt")
        else:
            (world.root / "chat.txt").rename(world.root / "chat.yaml")
        planned = world.run("plan", "--detailed-exitcode", *narrowed)
        assert planned.code == 0, planned


def test_the_artifact_is_ours_until_it_is_there(project: Project, emulator: Emulator) -> None:
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    project.write(deployed())
    assert project.apply().code == 0
    emulator.wandb.move_alias(CHAT, "production", "v2")
    project.write(deployed() + ALL)
    emulator.fault("POST", "mutation createFilterTrigger", kind="status", status=403, count=None)
    assert project.apply().code == 4
    assert artifact_of(emulator) == "v2"
    key = f"friendli-iac/{lineage(project)}/Endpoint/chat"
    deploy(emulator, key, "v0")  # nobody but a person can have done that
    assert project.run("drift").code == 2
    planned = project.run("plan")
    assert "was moved by" not in planned.out
    assert "unknown since version 2" in planned.out
    emulator.clear_faults()
    assert project.apply().code == 0
    assert artifact_of(emulator) == "v2"
    fire(emulator, "v1")  # and now it is the automation's
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned
    assert NOTE in planned.out.replace("version 4 ", "")


def test_a_renamed_endpoint_is_still_the_automations(world: Project, emulator: Emulator) -> None:
    fire(emulator, "v2")
    moved = world.run("state", "mv", "Endpoint/chat", "Endpoint/talk")
    assert moved.code == 0, moved
    talk = deployed(name="talk", more="  name: chat\n")
    world.write(talk + ALL.replace("deploys: chat", "deploys: talk"))
    planned = world.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned
    assert NOTE in planned.out


def test_a_rollback_to_another_artifact_is_refused(world: Project, emulator: Emulator) -> None:
    fire(emulator, "v2")
    emulator.clear_requests()
    for _ in range(2):
        refused = world.run("rollback", "Endpoint/chat", "--to", "0", "--yes")
        assert refused.code == 5, refused
        assert f"version 0 is of {CHAT}:v1, and {MOVER} decides what it serves" in refused.err
        assert f"`enabled: false` for {MOVER}" in refused.err
        assert DEPLOY not in writes(emulator)
        # Nor where one of ours has hidden that it was moved.
        world.write(deployed(scaling="{minReplicas: 1, maxReplicas: 3, cooldown: 5m}") + ALL)
        assert world.apply().code == 0


def test_it_fires_while_ours_is_not_waited_for(world: Project, emulator: Emulator) -> None:
    world.write(deployed(scaling="{minReplicas: 1, maxReplicas: 3, cooldown: 5m}") + ALL)
    assert world.apply("--no-wait").code == 0
    fire(emulator, "v2")
    emulator.clear_requests()
    done = world.apply()
    assert done.code == 0, done
    assert [one for one in writes(emulator) if "endpoint" in one] == []
    assert world.state["resources"]["Endpoint/chat"]["pending"] is None
    planned = world.run("plan", "--detailed-exitcode")
    assert planned.code == 0
    assert NOTE in planned.out


def test_versions_from_before_it_came_are_nobody_s(project: Project, emulator: Emulator) -> None:
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    project.write(deployed())
    assert project.apply().code == 0
    (found,) = emulator.endpoints()
    emulator.change(found["id"], name="chat")
    project.write(deployed() + ALL)
    planned = project.run("plan")
    assert NOTE not in planned.out
    assert "unknown since version 1" in planned.out
    assert "REPLACE" not in planned.out  # doubt about the key replaces nothing


def test_what_it_missed_is_told(world: Project, emulator: Emulator) -> None:
    emulator.wandb.skip(1)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    assert artifact_of(emulator) == "v1"
    for refresh in ("fast", "full"):
        planned = world.run("plan", "--detailed-exitcode", "--refresh", refresh)
        assert planned.code == 0, planned  # it is not ours to fight
        assert f"production is v2, and {MOVER} has not rolled it out" in planned.out
        assert "has not rolled it out" in world.run("drift", "--refresh", refresh).out
    drift = world.run("drift", "--format", "json")
    assert drift.code == 2
    (found,) = drift.json["resources"]
    assert "which is v1" in found["missed"]
    assert "to put it back" not in world.run("drift").out
    assert world.run("apply", "--refresh-only", "--yes").code == 0
    assert world.run("drift").code == 2  # nothing was done about it
    # Disabled, it is ours again, and the plan does what it missed.
    world.write(deployed() + WEBHOOK + AUTOMATION + "  enabled: false\n")
    assert world.apply().code == 0
    assert artifact_of(emulator) == "v2"


def test_nothing_is_missed_where_nobody_looked(world: Project, emulator: Emulator) -> None:
    emulator.wandb.skip(1)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    assert "has not rolled" not in world.run("plan", "--refresh", "none").out


@pytest.mark.parametrize("how", ["wake", "restart"])
def test_what_is_started_again_may_be_another_version(
    how: str, project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    project.write(deployed("v1") + ALL)
    assert project.apply().code == 0
    (id,) = [one["id"] for one in emulator.endpoints()]
    if how == "restart":
        emulator.fail_next_rollout(id, "down:INFERENCE_ENGINE_MEMORY_ERROR")
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    if how == "wake":
        for desired in ("sleeping", "running"):
            project.write(deployed("v1") + f"  desired: {desired}\n" + ALL)
            assert project.apply().code == 0
    assert project.apply().code == 0
    assert artifact_of(emulator) == "v2"
    # Without the automation it is ours again, and what we sent last is not what serves.
    project.write(deployed("v1") + WEBHOOK)
    assert project.apply("--allow-destroy").code == 0
    assert artifact_of(emulator) == "v1"
