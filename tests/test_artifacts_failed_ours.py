"""Settings of ours that fail on an artifact that an automation rolled out: whose fault it is."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .artifacts import ALL, artifact_of, bodies, deployed
from .harness import Project
from .rollouts import live, resource
from .test_artifacts_keys import MOVER, fire
from .test_artifacts_keys import world as world  # a fixture

MEMORY = "INFERENCE_ENGINE_MEMORY_ERROR"


def wider(most: int, more: str = "") -> str:
    scaling = f"{{minReplicas: 1, maxReplicas: {most}, cooldown: 5m}}"
    return deployed(scaling=scaling, more=more) + ALL


def starts_again(world: Project, emulator: Emulator) -> None:
    """What has failed is seen to start once more by the next apply, which else waits until nothing
    can be left from before.
    """
    id = str(live(emulator)["id"])
    emulator.clear_requests()
    world.run("plan")
    looks = sum(one["path"].endswith(f"{id}/status") for one in emulator.requests)
    emulator.clear_requests()

    def starts() -> None:
        emulator.set_status(id, "INITIALIZING")
        emulator.on_request("GET", f"{id}/status$", fails)

    def fails() -> None:
        emulator.set_status(id, "FAILED", error_code=MEMORY)

    emulator.on_request("GET", f"{id}/status$", starts, nth=looks + 1)


def test_what_fails_of_ours_is_taken_back_though_the_artifact_is_not_ours(
    world: Project, emulator: Emulator
) -> None:
    """Nobody waited for it; the version that the automation rolled out did serve."""
    fire(emulator, "v2")
    emulator.fail_next_rollout(str(live(emulator)["id"]), f"down:{MEMORY}")
    world.write(wider(3))
    assert world.apply("--no-wait").code == 0
    starts_again(world, emulator)
    done = world.apply()
    assert done.code == 10, done
    assert (live(emulator)["status"], artifact_of(emulator)) == ("RUNNING", "v2")
    assert [body["autoscalingPolicy"]["maxReplica"] for body in bodies(emulator)] == [2]
    assert resource(world)["pin"]["bad"] == {"autoscaling.maxReplicas": 3}
    assert world.apply().code == 5  # held off


@pytest.mark.parametrize("failed", ["unseen", "left"])
def test_what_comes_after_what_failed_of_ours_is_taken_back_if_it_fails(
    failed: str, world: Project, emulator: Emulator
) -> None:
    fire(emulator, "v2")
    emulator.fail_next_rollout(str(live(emulator)["id"]), f"down:{MEMORY}")
    if failed == "left":
        emulator.set_durations(update=0.2)  # so that it is seen to start
    world.write(wider(3, "  rollout: {onFailure: halt}\n"))
    words = ["--no-wait"] if failed == "unseen" else []
    assert world.apply(*words).code == (4 if failed == "left" else 0)
    assert live(emulator)["status"] == "FAILED"
    world.write(wider(4, "  rollout: {onFailure: rollback}\n"))
    assert "else the last good settings again" in " ".join(world.run("plan").out.split())


def test_what_was_sent_onto_what_an_automation_broke_is_not_taken_back_later_on(
    world: Project, emulator: Emulator
) -> None:
    id = str(live(emulator)["id"])
    emulator.fail_next_rollout(id, *[f"down:{MEMORY}"] * 2)  # v2, and with our settings
    fire(emulator, "v2")
    world.write(wider(3))
    assert world.apply("--no-wait").code == 0
    starts_again(world, emulator)
    failed = world.apply()
    assert failed.code == 4, failed
    assert f"the version that {MOVER} rolled out does not serve" in failed.out
    assert bodies(emulator) == []
    assert resource(world)["pin"] is None
