"""Another automation deploys an endpoint from now on: what the one before rolled out stays on the
air, unless the team says otherwise.
"""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .artifacts import ALL, AUTOMATION, CHAT, DEPLOY, WEBHOOK, artifact_of, bodies, deployed
from .harness import Project, writes
from .test_artifacts_keys import DISABLED, MOVER, apply, fire, world

__all__ = ["world"]  # a fixture
RENAMED = ALL.replace("name: promote-chat", "name: promote-prod")
MADE = "mutation createFilterTrigger"
WIDER = "{minReplicas: 1, maxReplicas: 3, cooldown: 5m}"


@pytest.fixture
def moved(world: Project, emulator: Emulator) -> Project:
    """The manifest says v1, and the automation has rolled v2 out."""
    apply(world, deployed("v1") + ALL)
    fire(emulator, "v2")
    emulator.clear_requests()
    return world


@pytest.mark.parametrize("updated", [False, True], ids=["", "after an update of ours"])
def test_a_renamed_automation_leaves_it(updated: bool, moved: Project, emulator: Emulator) -> None:
    v1 = deployed("v1", scaling=WIDER) if updated else deployed("v1")
    if updated:
        apply(moved, v1 + ALL)
    apply(moved, v1 + RENAMED, "--allow-destroy")
    assert (artifact_of(emulator), DEPLOY in writes(emulator)) == ("v2", False)
    assert moved.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("how", ["taken away", "not made"])
def test_after_a_time_without_any_the_artifact_is_ours(
    how: str, world: Project, emulator: Emulator
) -> None:
    fire(emulator, "v2")
    text = ALL
    if how == "taken away":
        apply(world, deployed() + WEBHOOK, "--target", MOVER, "--allow-destroy")
    else:
        text = RENAMED
        emulator.fault("POST", MADE, kind="status", status=403)
        world.write(deployed() + text)
        assert world.apply("--allow-destroy").code == 4
    fire(emulator, "v1")  # there and back, and nobody listened
    emulator.clear_requests()
    apply(world, deployed() + text)
    assert (artifact_of(emulator), len(bodies(emulator))) == ("v1", 1)
    assert world.run("plan", "--detailed-exitcode").code == 0
    assert world.state["resources"]["Endpoint/chat"]["mover_ended"] == 0


@pytest.mark.parametrize("automations", [ALL, RENAMED], ids=["the same", "renamed"])
def test_while_one_deploys_it_another_artifact_in_the_manifest_waits(
    automations: str, moved: Project, emulator: Emulator
) -> None:
    moved.write(deployed("v0") + automations)
    assert "what we sent last is v1" in moved.run("plan").out
    assert moved.apply("--allow-destroy").code == 0
    assert (artifact_of(emulator), DEPLOY in writes(emulator)) == ("v2", False)
    apply(moved, deployed("v0") + automations + "  enabled: false\n")
    assert artifact_of(emulator) == "v0"


def test_what_was_missed_while_it_was_disabled_is_rolled_out(
    world: Project, emulator: Emulator
) -> None:
    apply(world, deployed() + DISABLED)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    apply(world, deployed() + ALL)
    assert artifact_of(emulator) == "v2"


def test_nobody_but_it_made_its_versions(moved: Project, emulator: Emulator) -> None:
    """Where the run that removed it did not come to the endpoint: one cold start, not two."""
    apply(moved, deployed("v1") + WEBHOOK, "--target", MOVER, "--allow-destroy")
    (id,) = [one["id"] for one in emulator.endpoints()]
    planned = moved.run("plan").out
    assert "an artifact that was rolled out beside us" in planned
    assert "engine.contentLogging" not in planned
    emulator.change(id, name="chat")  # what is touched later on is somebody else's
    assert "engine.contentLogging" in moved.run("plan").out
    emulator.clear_requests()
    apply(moved, deployed("v1") + WEBHOOK)
    assert artifact_of(emulator) == "v1"
    assert len(bodies(emulator)) == 2


def test_two_that_swap_are_to_be_disabled_first(world: Project, emulator: Emulator) -> None:
    emulator.wandb.move_alias(CHAT, "staging", "v0")
    second = AUTOMATION.replace("promote-chat", "promote-other").replace("production", "staging")

    def both(blue: str, green: str, more: str = "") -> str:
        return (
            f"{deployed(green)}---\n{deployed(blue, name='other')}{WEBHOOK}"
            + AUTOMATION.replace("deploys: chat", f"deploys: {_at('production', blue)}")
            + more
            + second.replace("deploys: chat", f"deploys: {_at('staging', blue)}")
        )

    def _at(alias: str, blue: str) -> str:
        return "other" if alias == blue else "chat"

    apply(world, both("staging", "production"))
    emulator.clear_requests()
    world.write(both("production", "staging"))
    refused = world.apply()
    assert refused.code == 5, refused
    assert "metadata.dependsOn" not in refused.err
    assert f"say `enabled: false` for {MOVER}" in refused.err
    assert writes(emulator) == []
    for blue, green in (("staging", "production"), ("production", "staging")):
        apply(world, both(blue, green, "  enabled: false\n"))
    apply(world, both("production", "staging"))
    assert (artifact_of(emulator), artifact_of(emulator, "other")) == ("v0", "v1")
    assert world.run("plan", "--detailed-exitcode").code == 0
