"""What an interrupted create has left open is hidden by nobody: pushes, imports, siblings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from friendli_iac.engine.ownership import adopt
from friendli_iac.engine.siblings import Siblings
from friendli_iac.engine.transfer import pull, push
from friendli_iac.errors import Refused
from friendli_iac.resources.base import Address

from .crash.shared import LONG, SharedWorld
from .crash.test_matrix import A, B
from .crash.world import Fuse, Killed, World, wish, wishes


def killed_after_its_request(world: World, wanted: Any) -> None:
    class AfterPost(Fuse):
        def __call__(self, what: str, *, effect: bool = True) -> None:
            self.blown = self.blown or what.startswith("after POST")
            if self.blown:
                raise Killed

    with pytest.raises(Killed):
        world.apply(wanted, AfterPost())


def test_what_a_forced_push_gives_up_is_said() -> None:
    world = SharedWorld()
    world.apply(wishes(A))
    document = {**pull(world.engine().backend), "environment": "prod"}
    killed_after_its_request(world, wishes(A, B))
    done = push(world.engine(), document, force=True, lock_timeout=LONG)
    (said,) = done.given_up
    assert said.startswith("create Endpoint/b was begun, and nobody will look what came of it")
    assert "an endpoint called 'b' in project p1 may bill" in said


def test_an_import_does_not_hide_what_an_interrupted_create_has_made(tmp_path: Path) -> None:
    world = SharedWorld()
    world.apply(wishes(wish("older")))
    older = world.emulator.endpoints()[0]["id"]
    world.engine().backend.read()
    killed_after_its_request(world, wishes(wish("older"), A))
    made = next(e["id"] for e in world.emulator.endpoints() if e["id"] != older)
    free = world.emulator.seed(1, project="p1", name="free")[0]["id"]
    world.clock.sleep(100, world.engine().stop)
    with pytest.raises(Refused, match="left open: create Endpoint/a"):
        adopt(world.engine(), Address("Endpoint", "a"), free, None, [])
    assert adopt(world.engine(), Address("Endpoint", "a"), made, None, []), "that is what it is"


def test_what_a_sibling_may_have_made_is_not_ours(tmp_path: Path) -> None:
    world, ours = SharedWorld(), World(tmp_path / "ours")
    ours.emulator, ours._edge = world.emulator, world._edge
    killed_after_its_request(world, wishes(A))
    (made,) = [e["id"] for e in world.emulator.endpoints()]
    engine = ours.engine()
    engine.siblings = Siblings({"team-a": world.engine().backend})
    with pytest.raises(Refused, match="create of Endpoint/a in the sibling state team-a may have"):
        adopt(engine, Address("Endpoint", "mine"), made, None, [])


def test_an_import_elsewhere_does_not_hide_it_either() -> None:
    world = SharedWorld()
    killed_after_its_request(world, wishes(A))
    (made,) = [e["id"] for e in world.emulator.endpoints()]
    world.clock.sleep(100, world.engine().stop)
    with pytest.raises(Refused, match="left open: create Endpoint/a"):
        adopt(world.engine(), Address("Endpoint", "other"), made, None, [])
