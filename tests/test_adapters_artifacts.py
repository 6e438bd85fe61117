"""LoRA adapters of endpoints from W&B: what a rollout of others may undo is asked for again."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .artifacts import CHAT, DEPLOY, artifact_of, deployed, registry
from .harness import TOKEN, Project, writes
from .test_adapters import adapter, change, seen, the_id
from .test_adapters_rest import bodies, configured
from .test_artifacts_moved import ALL

LISTED = deployed(more="  adapters: [legal]\n") + adapter("legal")


@pytest.fixture
def world(project: Project, emulator: Emulator) -> Project:
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    return project


def test_a_rollout_of_the_automation_is_asked_about(world: Project, emulator: Emulator) -> None:
    world.write(LISTED + ALL)
    assert world.apply().code == 11
    emulator.attach_adapter(the_id(world), "legal")
    done = world.apply()
    assert done.code == 0, done
    assert world.run("plan", "--detailed-exitcode").code == 0
    emulator.set_options(updates_drop_adapters=True)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    assert change(world)["action"] == "verify"
    emulator.clear_requests()
    done = world.apply()
    assert done.code == 11, done
    assert DEPLOY not in writes(emulator)
    assert artifact_of(emulator) == "v2"
    assert seen(world) == {"legal": "missing"}
    emulator.attach_adapter(the_id(world), "legal")
    done = world.apply()
    assert done.code == 0, done
    assert world.run("plan", "--detailed-exitcode").code == 0


def test_sent_by_the_update_that_follows(world: Project, emulator: Emulator) -> None:
    """The route of W&B has no field for them."""
    configured(world)
    emulator.set_options(adapters_key="adapters")
    world.write(LISTED)
    done = world.apply()
    assert done.code == 0, done
    assert bodies(emulator, "PUT")[0]["adapters"] == ["legal"]
    assert seen(world) == {"legal": "served"}
    assert world.run("plan", "--detailed-exitcode").code == 0
