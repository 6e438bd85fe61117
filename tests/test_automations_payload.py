"""What an automation sends is what is in force on the endpoint; where it is not, that is told."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .artifacts import ALL, CHAT, deployed, registry
from .harness import TOKEN, Project
from .wandb_manifests import sent_payload

MOVER = "WebhookAutomation/promote-chat"
WIDE = deployed(scaling="{minReplicas: 1, maxReplicas: 8, cooldown: 5m}")
TARGET = ("--target", "Endpoint/chat")


@pytest.fixture
def world(project: Project, emulator: Emulator) -> Project:
    """An endpoint with 2 replicas, whose versions an automation rolls out."""
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    apply(project, deployed() + ALL)
    return project


def apply(project: Project, text: str, *words: str) -> None:
    project.write(text)
    done = project.apply(*words)
    assert done.code == 0, done


def most(emulator: Emulator) -> tuple[int, int]:
    """The most replicas that are in force, and that the automation sends."""
    (one,), (automation,) = emulator.endpoints(), emulator.wandb.automations("acme")
    settings = one["versions"][one["serving"]]["settings"]
    there, sent = settings["autoscalingPolicy"], sent_payload(automation)["autoscalingPolicy"]
    return there["maxReplica"], sent["maxReplica"]


def fire(emulator: Emulator) -> None:
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()


def told(count: int) -> str:
    """What is said of an automation that sends another number of replicas."""
    return (
        f"{MOVER} goes on to send autoscalingPolicy.maxReplica {count}: the next event brings that "
        f"back. To have it send what is in force then: friendli-iac apply --target {MOVER}"
    )


@pytest.mark.parametrize("words", [(), ("--target", MOVER)], ids=["all", "as told"])
def test_what_was_rolled_back_does_not_come_back_by_an_event(
    words: tuple[str, ...], world: Project, emulator: Emulator
) -> None:
    apply(world, WIDE + ALL)
    assert most(emulator) == (8, 8)
    back = world.run("rollback", "Endpoint/chat", "--yes")
    assert back.code == 0, back
    assert f"! {told(8)}" in back.out
    assert f"note: {told(8)}" in back.err
    assert most(emulator) == (2, 8)
    held = world.apply(*words)
    assert held.code == 5, held  # the 8 of the manifest are held off
    assert told(8) not in held.out + held.err
    assert most(emulator) == (2, 2)
    fire(emulator)
    assert most(emulator) == (2, 2)
    again = world.apply("--retry-failed")
    assert again.code == 0, again
    assert most(emulator) == (8, 8)


def test_what_was_applied_without_it_is_told(world: Project, emulator: Emulator) -> None:
    world.write(WIDE + ALL)
    assert f"! {told(2)}" in world.run("plan", *TARGET).out
    done = world.apply(*TARGET, "--format", "json")
    assert done.code == 0, done
    assert told(2) in done.json["notices"]
    assert most(emulator) == (8, 2)
    kept = world.run("plan", "--target", MOVER)
    assert told(2) not in kept.out
    assert world.apply("--target", MOVER).code == 0
    assert most(emulator) == (8, 8)
    fire(emulator)
    assert most(emulator) == (8, 8)


def test_it_is_told_where_the_artifact_is_the_automations(
    world: Project, emulator: Emulator
) -> None:
    fire(emulator)
    apply(world, WIDE + ALL)  # without an artifact: it is not known which one serves
    world.write(deployed() + ALL)
    assert f"! {told(8)}" in world.run("plan", *TARGET).out
    done = world.apply(*TARGET)
    assert f"note: {told(8)}" in done.err, done
    assert most(emulator) == (2, 8)


@pytest.mark.parametrize("state", ["disabled", "all of it"])
def test_nothing_is_told_where_nothing_comes_back(state: str, world: Project) -> None:
    if state == "disabled":
        apply(world, deployed() + ALL + "  enabled: false\n")
    world.write(WIDE + ALL + "  enabled: false\n" * (state == "disabled"))
    done = world.apply(*(TARGET if state == "disabled" else ()))
    assert done.code == 0, done
    assert "goes on to send" not in done.out + done.err


def test_what_a_selection_leaves_as_it_is_is_sent_as_it_is(
    world: Project, emulator: Emulator
) -> None:
    """Nobody rolled the 8 out: an event must not do it past review."""
    labelled = ALL.replace("{name: promote-chat}", "{name: promote-chat, labels: {of: events}}")
    world.write(WIDE + labelled + "  description: new\n")
    done = world.apply("--selector", "of=events")
    assert done.code == 0, done
    assert most(emulator) == (2, 2)


def test_the_note_on_an_alias_says_what_the_automation_listens_to(
    world: Project, emulator: Emulator
) -> None:
    apply(world, deployed() + ALL.replace("^production$", "^(production|hot)$"))
    fire(emulator)
    shown = " ".join(world.run("plan").out.split())
    assert f"what we sent last is v1; {MOVER} listens to aliasAdded ^(production|hot)$" in shown
