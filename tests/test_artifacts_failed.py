"""Artifacts of W&B that do not serve: what was good comes back, what failed is held off."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .artifacts import ALL, CHAT, DEPLOY, apply, artifact_of, bodies, deployed, registry
from .harness import TOKEN, Project, writes
from .rollouts import live, outcomes, resource

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
