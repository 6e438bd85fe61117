"""Every crash point, and every pair of them, over the real engine on a virtual clock.

A crash point is an instant before or after a request or a write, or in the middle of a write.
However a run is killed: when `apply` is run again, the world is what one undisturbed run makes of
it, by the same accepted requests, neither more nor fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from friendli_iac.manifest.model import Declared

from .world import Fuse, Wishes, World, check_converged, some, version_counts, wish, wishes


@dataclass(frozen=True)
class Scenario:
    """What is there before, what is wanted, and the accepted requests that it takes (in any order
    between resources). `meanwhile` is done to the world between the two.
    """

    name: str
    before: Wishes
    wanted: Wishes
    effects: tuple[str, ...]
    meanwhile: Callable[[World], object] = lambda world: None

    def prepare(self, world: World) -> None:
        world.reset()
        if self.before:
            world.apply(self.before)
        self.meanwhile(world)
        world.emulator.clear_requests()
        world.past = []


def terminate_all(world: World) -> None:
    for endpoint in world.emulator.endpoints():
        world.emulator.set_status(endpoint["id"], "TERMINATED")


def fail_all(world: World) -> None:
    for endpoint in world.emulator.endpoints():
        world.emulator.set_status(endpoint["id"], "FAILED", error_code="WORKLOAD_INIT_UNKNOWN")


A, B = wish("a"), wish("b")
BIGGER = wish("a", engine__maxBatchSize=128)
OTHER_MODEL = wish("a", model__huggingFace={"repo": "acme/other"})  # cannot be read back
MOVED = wish("a", project="p2")


def deployed(version: str, **engine: int) -> Declared:
    """From an artifact of W&B, with settings that its route does or does not carry."""
    model = {"wandb": {"artifact": f"acme/models/chat:{version}", "idempotencyKey": "key of a"}}
    return wish("a", model=model, engine={"contentLogging": False, **engine})


SCENARIOS = [
    Scenario("deploy", {}, wishes(deployed("v1")), ("POST artifact",)),
    Scenario(
        "deploy, and the rest",
        {},
        wishes(deployed("v1", maxBatchSize=64)),
        ("POST artifact", "PUT /ID"),
    ),
    Scenario("roll out", wishes(deployed("v1")), wishes(deployed("v2")), ("POST artifact",)),
    Scenario(
        "roll out, and the rest",
        wishes(deployed("v1", maxBatchSize=64)),
        wishes(deployed("v2", maxBatchSize=32)),
        ("POST artifact", "PUT /ID"),
    ),
    Scenario("create two", {}, wishes(A, B), ("POST", "POST")),
    Scenario("update", wishes(A), wishes(BIGGER), ("PUT /ID",)),
    Scenario("update what cannot be read", wishes(A), wishes(OTHER_MODEL), ("PUT /ID",)),
    Scenario("delete", wishes(A, B), wishes(B), ("PUT /ID/terminate", "DELETE /ID")),
    Scenario("replace", wishes(A), wishes(MOVED), ("PUT /ID/terminate", "DELETE /ID", "POST")),
    Scenario("restart", wishes(A), wishes(A), ("PUT /ID/restart",), fail_all),
    Scenario(
        "update what is stopped",
        wishes(A),
        wishes(OTHER_MODEL),
        ("PUT /ID", "PUT /ID/restart"),
        terminate_all,
    ),
    Scenario("record", wishes(A), wishes(wish("a", labels={"team": "x"})), ()),
    Scenario(
        "everything at once",
        wishes(A, B, wish("c"), wish("d")),
        wishes(BIGGER, wish("c", project="p2"), wish("d", labels={"x": "y"}), wish("e")),
        (
            "PUT /ID",
            "PUT /ID/terminate",
            "DELETE /ID",
            "PUT /ID/terminate",
            "DELETE /ID",
            "POST",
            "POST",
        ),
    ),
]


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("crash") / "state")


@pytest.fixture
def world(module_world: World) -> Iterator[World]:
    yield module_world
    module_world.reset()


def crash_points(world: World, scenario: Scenario, *, effects_only: bool = False) -> int:
    """How many there are in an undisturbed run."""
    scenario.prepare(world)
    fuse = Fuse(effects=effects_only)
    world.apply(scenario.wanted, fuse)
    return len(fuse.passed)


def check(world: World, scenario: Scenario, versions: object) -> None:
    check_converged(world, scenario.wanted)
    assert sorted(world.effects()) == sorted(scenario.effects)
    assert version_counts(world) == versions


def check_every_point(world: World, scenario: Scenario) -> None:
    """Kills a run at each crash point, and runs it again."""
    points = crash_points(world, scenario)
    versions = version_counts(world)
    check(world, scenario, versions)
    scenario.prepare(world)
    start = world.snapshot()
    for at in range(1, points + 1):
        world.restore(start)
        fuse = Fuse(at)
        assert not world.survives(lambda f: world.apply(scenario.wanted, f), fuse)
        try:
            world.apply(scenario.wanted)
            check(world, scenario, versions)
        except BaseException as error:
            error.add_note(f"killed at point {at} of {points}: {fuse.passed[-1]}")
            raise


def check_every_pair(world: World, scenario: Scenario, stride: int) -> None:
    """Kills a run, and the one after it. Only at the instants between two durable effects: killed
    while it reads, a process leaves what it left just before. `stride`: every how many-th of the
    first ones is tried, with all second ones.
    """
    points = crash_points(world, scenario, effects_only=True)
    versions = version_counts(world)
    scenario.prepare(world)
    start = world.snapshot()
    for first in some(points, stride):
        world.restore(start)
        fuse = Fuse(first, effects=True)
        assert not world.survives(lambda f: world.apply(scenario.wanted, f), fuse)
        killed_once = world.snapshot()
        second, survived = 0, False
        while not survived:
            second += 1
            world.restore(killed_once)
            again = Fuse(second, effects=True)
            survived = world.survives(lambda f: world.apply(scenario.wanted, f), again)
            try:
                world.apply(scenario.wanted)
                check(world, scenario, versions)
            except BaseException as error:
                places = " and ".join(f.passed[-1] for f in (fuse, again) if f.passed)
                error.add_note(f"killed at {first} and {second}: {places}")
                raise
        assert second > 1, "a run that is killed leaves something to do"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_any_crash_point(world: World, scenario: Scenario) -> None:
    check_every_point(world, scenario)


PAIRS = [
    (Scenario("create and update", wishes(A), wishes(BIGGER, B), ("PUT /ID", "POST")), 3),
    (Scenario("replace", wishes(A), wishes(MOVED), ("PUT /ID/terminate", "DELETE /ID", "POST")), 5),
]


@pytest.mark.parametrize(("scenario", "stride"), PAIRS, ids=("create and update", "replace"))
def test_any_pair_of_crash_points(world: World, scenario: Scenario, stride: int) -> None:
    check_every_pair(world, scenario, stride)
