"""Artifacts of W&B that do not serve: what was good comes back, what failed is held off."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .artifacts import ALL, CHAT, DEPLOY, apply, artifact_of, bodies, deployed, registry
from .harness import TOKEN, Project, writes
from .rollouts import live, outcomes, resource
from .test_artifacts_keys import ANEW, DISABLED, MOVER, fire
from .test_artifacts_keys import world as world  # a fixture

MEMORY = "INFERENCE_ENGINE_MEMORY_ERROR"


@pytest.fixture
def id(project: Project, emulator: Emulator) -> str:
    """Of an endpoint that serves v1, with a setting that the route does not carry."""
    registry(emulator)
    emulator.set_durations(create=5, update=5, restart=5, terminate=1, wake=1)
    assert apply(project, emulator, with_batch(64))[0] == 0
    emulator.clear_requests()
    return str(live(emulator)["id"])


def with_batch(size: int) -> str:
    return deployed(more=f"  engine: {{maxBatchSize: {size}}}\n")


def batch(emulator: Emulator) -> object:
    found = live(emulator)
    return found["versions"][found["serving"]]["settings"]["advanced"]["max_batch_size"]


def test_a_rollout_that_fails_takes_the_old_version_back_by_the_route(
    project: Project, emulator: Emulator, id: str
) -> None:
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.fail_next_rollout(id, f"down:{MEMORY}")
    code, done = apply(project, emulator, with_batch(32))
    assert code == 10, done
    assert writes(emulator) == [DEPLOY, DEPLOY]
    assert [b["wandbArtifactVersionName"][-2:] for b in bodies(emulator)] == ["v2", "v1"]
    assert (artifact_of(emulator), batch(emulator)) == ("v1", 64)
    emulator.clear_requests()
    assert apply(project, emulator, with_batch(32))[0] == 5  # all of the change is held off
    assert writes(emulator) == []
    kept = resource(project)["prior"]["spec"]["model"]["wandb"]
    assert kept["artifact"] == f"{CHAT}:v1"
    assert kept["digest"] == emulator.wandb.versions(CHAT)[1]["digest"]
    emulator.wandb.move_alias(CHAT, "production", "v0")  # another one may be tried
    assert apply(project, emulator, with_batch(48))[0] == 0
    assert (artifact_of(emulator), batch(emulator)) == ("v0", 48)
    assert resource(project)["pin"] is None


def test_an_update_that_fails_after_it_leaves_the_new_artifact(
    project: Project, emulator: Emulator, id: str
) -> None:
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.fail_next_rollout(id, "ok", f"down:{MEMORY}")
    code, done = apply(project, emulator, with_batch(32))
    assert code == 10, done
    put = f"PUT /dedicated/beta/endpoint/{id}"
    assert writes(emulator) == [DEPLOY, put, put]
    assert (artifact_of(emulator), batch(emulator)) == ("v2", 64)
    assert resource(project)["pin"]["bad"] == {"engine.maxBatchSize": 32}
    assert outcomes(project)[-3:] == ["unverified", "rolled back", "good"]
    emulator.clear_requests()
    assert apply(project, emulator, with_batch(32))[0] == 5
    assert writes(emulator) == []


def test_where_an_automation_moves_it_only_what_we_sent_is_held_off(
    project: Project, emulator: Emulator, id: str
) -> None:
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    emulator.set_durations(create=0, update=0, restart=0, terminate=0, wake=0)
    project.write(with_batch(64) + ALL)
    assert project.apply().code == 0
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    assert artifact_of(emulator) == "v2"
    emulator.fail_next_rollout(id, f"down:{MEMORY}")
    project.write(with_batch(32) + ALL)
    assert project.apply().code == 10
    assert resource(project)["pin"]["bad"] == {"engine.maxBatchSize": 32}
    assert (artifact_of(emulator), batch(emulator)) == ("v2", 64)
    emulator.clear_requests()
    assert project.apply().code == 5
    project.write(with_batch(64) + ALL)
    assert project.apply().code == 0
    assert [one for one in writes(emulator) if "endpoint" in one] == []


def test_a_first_version_that_fails_is_ended(project: Project, emulator: Emulator) -> None:
    registry(emulator)
    emulator.fail_next_rollout("*", f"down:{MEMORY}")
    code, done = apply(project, emulator, with_batch(64))
    assert code == 4, done
    assert writes(emulator)[0] == DEPLOY
    assert live(emulator)["status"] == "TERMINATED"


def test_a_rollback_by_hand_leaves_the_alias_where_it_is(
    project: Project, emulator: Emulator, id: str
) -> None:
    emulator.wandb.move_alias(CHAT, "production", "v2")
    assert apply(project, emulator, with_batch(64))[0] == 0
    emulator.set_durations(create=0, update=0, restart=0, terminate=0, wake=0)
    done = project.run("rollback", "Endpoint/chat", "--yes")
    assert done.code in (0, 10), done
    assert artifact_of(emulator) == "v1"
    emulator.clear_requests()
    held = project.apply()  # the alias still means what was taken back
    assert held.code == 5, held
    assert writes(emulator) == []
    emulator.wandb.move_alias(CHAT, "production", "v0")
    assert project.apply().code == 0
    assert artifact_of(emulator) == "v0"


# --- made anew ---


def test_after_a_failed_replacement_any_other_manifest_is_tried(
    project: Project, emulator: Emulator
) -> None:
    """Its key is another one than before, and nobody wrote it: it is not what failed."""
    registry(emulator)
    project.write(deployed("v1"))
    assert project.apply().code == 0
    emulator.fail_next_rollout("*", f"down:{MEMORY}")
    assert project.apply(*ANEW).code == 4
    assert "model.wandb.idempotencyKey" not in resource(project)["pin"]["bad"]
    emulator.clear_requests()
    assert project.apply().code == 5  # the same is not tried again
    assert writes(emulator) == []
    project.write(deployed("v1", gpu="H200"))
    done = project.apply("--allow-destroy")
    assert done.code == 0, done
    assert live(emulator)["status"] == "RUNNING"


def test_after_a_failed_safe_replacement_it_can_be_replaced(
    project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    safely = "  lifecycle: {createBeforeDestroy: true}\n"
    project.write(deployed("v1", more=safely))
    assert project.apply().code == 0
    emulator.fail_next_rollout("*", f"down:{MEMORY}")
    assert project.apply(*ANEW).code == 10
    project.write(deployed("v2", more=safely))
    done = project.apply(*ANEW)
    assert "1 applied" in done.out, done
    assert artifact_of(emulator) == "v2"


def test_a_key_that_was_written_is_held_off_with_the_rest(
    project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    safely = "  lifecycle: {createBeforeDestroy: true}\n"
    project.write(deployed("v1", key="one", more=safely))
    assert project.apply().code == 0
    emulator.fail_next_rollout("*", f"down:{MEMORY}")
    project.write(deployed("v1", key="two", more=safely))
    assert project.apply("--allow-destroy").code == 10
    emulator.clear_requests()
    assert project.apply("--allow-destroy").code == 5
    assert writes(emulator) == []


# --- what an automation has rolled out ---


def test_what_comes_back_is_called_what_we_sent_last(world: Project, emulator: Emulator) -> None:
    id = str(live(emulator)["id"])
    fire(emulator, "v2")  # which serves, and nobody can know that it is what serves
    emulator.fail_next_rollout(id, f"down:{MEMORY}")
    world.write(deployed("v0") + DISABLED)
    planned = " ".join(world.run("plan").out.split())
    assert "if ours does not serve, what we sent last comes back" in planned
    done = world.apply()
    assert done.code == 10, done
    assert artifact_of(emulator) == "v1"
    said = " ".join(f"{done.out} {done.err}".split())
    assert f"What we sent last serves again: {CHAT}:v1, as version 3" in said
    assert "What others had rolled out since is not known." in said
    assert "last good settings" not in said


def test_what_an_automation_broke_is_not_held_against_us(
    world: Project, emulator: Emulator
) -> None:
    id = str(live(emulator)["id"])
    emulator.fail_next_rollout(id, *[f"down:{MEMORY}"] * 3)  # v2, and each time that it is started
    fire(emulator, "v2")
    emulator.clear_requests()
    emulator.set_durations(restart=0.4)  # so that it is seen to start
    for _ in range(2):
        failed = world.apply()
        assert failed.code == 4, failed
        assert f"the version that {MOVER} rolled out does not serve" in failed.out
        assert "Move the alias in W&B to a version that serves" in failed.out
    restart = f"PUT /dedicated/beta/endpoint/{id}/restart"
    assert writes(emulator) == [restart, restart]
    assert resource(world)["pin"] is None
    assert outcomes(world) == ["unverified"]  # ours was good
    fire(emulator, "v0")
    done = world.apply()
    assert done.code == 0, done
    assert "HELD OFF" not in done.out
    assert world.run("plan", "--detailed-exitcode").code == 0


def test_settings_sent_onto_what_an_automation_broke_are_not_held_off(
    world: Project, emulator: Emulator
) -> None:
    id = str(live(emulator)["id"])
    emulator.fail_next_rollout(id, f"down:{MEMORY}")
    fire(emulator, "v2")
    emulator.clear_requests()
    put = f"PUT /dedicated/beta/endpoint/{id}"

    def starts() -> None:
        emulator.set_status(id, "INITIALIZING")
        emulator.on_request("GET", f"{id}/status$", fails, "after")

    def fails() -> None:
        emulator.set_status(id, "FAILED", error_code=MEMORY)

    emulator.on_request("PUT", f"{id}$", starts, "after")
    wider = deployed(scaling="{minReplicas: 1, maxReplicas: 3, cooldown: 5m}")
    world.write(f"{wider}  rollout: {{timeout: 5m}}\n{ALL}")
    assert "else left as it is" in world.run("plan").out
    failed = world.apply()
    assert failed.code == 4, failed
    assert writes(emulator) == [put]
    assert resource(world)["pin"] is None
    fire(emulator, "v0")  # with the scaling that the automation has still
    emulator.clear_requests()
    assert world.apply().code == 0
    assert put in writes(emulator)
    assert world.run("plan", "--detailed-exitcode").code == 0


def test_what_waits_for_what_is_held_off_is_told_a_way_that_works(
    world: Project, emulator: Emulator
) -> None:
    emulator.fail_next_rollout(str(live(emulator)["id"]), f"down:{MEMORY}")
    wider = deployed(scaling="{minReplicas: 1, maxReplicas: 3, cooldown: 5m}")
    world.write(f"{wider}{ALL}  description: hello\n")
    assert world.apply().code == 10
    said = world.run("plan").out
    assert f"--target {MOVER}" not in said  # what it needs is chosen with it, and holds it still
    assert "it goes on when Endpoint/chat is good; to try that again: --retry-failed" in said
    done = world.apply("--retry-failed", "--target", "Endpoint/chat")
    assert done.code == 0, done
    assert world.apply().code == 0
