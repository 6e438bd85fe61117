"""A job that applies what was approved is killed anywhere; the next one, with the same digest, ends
what it began: it never takes the remains of the first for something that nobody approved.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from friendli_iac.engine import ApplyOptions, Report, Selection

from .test_matrix import SCENARIOS, Scenario
from .world import Fuse, Snapshot, Wishes, World, check_converged, code_of, wish, wishes

FIRST = {"createBeforeDestroy": True}
HERE = wish("a", lifecycle=FIRST)
THERE = wish("a", lifecycle=FIRST, project="p2")
MANY = next(one for one in SCENARIOS if one.name == "everything at once")
TWO_VERSIONS = [one for one in SCENARIOS if one.name.endswith(", and the rest")]
KEPT = Scenario(
    "replace, the new one first",
    wishes(HERE),
    wishes(THERE),
    ("POST", "PUT /ID/terminate", "DELETE /ID"),
)
BIGGER = wish("a", engine__maxBatchSize=128)
UNPROVED = Scenario(
    "what was sent before, and not waited for",
    wishes(wish("a")),
    wishes(BIGGER, wish("b")),
    ("POST",),
    lambda world: world.apply(wishes(BIGGER), no_wait=True),
)


def apply(world: World, wanted: Wishes, approved: str, fuse: Fuse | None = None) -> Report:
    return world.engine(fuse).apply(
        lambda planner: planner(wanted, Selection()),
        ApplyOptions(parallelism=1, allow_destroy=None),
        lambda plan: True,
        approved=approved,
    )


@pytest.mark.parametrize(
    "scenario", [MANY, KEPT, UNPROVED, *TWO_VERSIONS], ids=lambda one: one.name
)
def test_killed_anywhere(scenario: Scenario, tmp_path: Path) -> None:
    world, start, approved, total = prepared(scenario, tmp_path)
    for at in range(1, total + 1):
        check(world, scenario, start, approved, at)


def test_killed_twice(tmp_path: Path) -> None:
    world, start, approved, total = prepared(MANY, tmp_path)
    for first in range(5, total, 31):
        for second in range(1, total - first, 13):
            check(world, MANY, start, approved, first, second)


def prepared(scenario: Scenario, folder: Path) -> tuple[World, Snapshot, str, int]:
    """A world before the first job, what is approved, and how many crash points there are."""
    world = World(folder / "state")
    scenario.prepare(world)
    start, approved = world.snapshot(), world.plan(scenario.wanted).digest
    counting = Fuse(effects=True)
    apply(world, scenario.wanted, approved, counting)
    assert sorted(world.effects()) == sorted(scenario.effects)
    assert not apply(world, scenario.wanted, approved).outcomes  # once more: nothing to do
    return world, start, approved, len(counting.passed)


def check(world: World, scenario: Scenario, start: Snapshot, approved: str, *kills: int) -> None:
    world.restore(start)
    for at in kills:
        fuse = Fuse(at, effects=True)
        world.survives(lambda f: apply(world, scenario.wanted, approved, f), fuse)
    try:
        assert code_of(apply(world, scenario.wanted, approved)) == 0
        assert sorted(world.effects()) == sorted(scenario.effects)
        check_converged(world, scenario.wanted)
    except BaseException as error:
        error.add_note(f"killed at {kills}, the last time {fuse.passed[-1]}")
        raise
