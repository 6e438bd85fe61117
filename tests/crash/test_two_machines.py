"""Every crash point of an apply whose state is shared, and every pair of some of them.

One machine is killed at any instant before or after a request, or before or after anything that it
writes to the store, its lock among it. Another one, which has nothing but the store, waits until
the lock has run out, takes over and settles: the world is what one undisturbed run makes of it, by
the same accepted requests.
"""

from __future__ import annotations

import pytest

from . import test_healing, test_matrix
from .shared import SharedWorld
from .test_matrix import SCENARIOS, Scenario, check_every_pair, check_every_point
from .world import Fuse, wishes

LEFT_OUT = ("update what cannot be read", "restart", "everything at once")  # see test_matrix
CHOSEN = [s for s in SCENARIOS if s.name not in LEFT_OUT]
HEALING = [test_healing.FAILS[0], test_healing.GOES_WELL[0]]
PAIRS = [(test_matrix.PAIRS[0][0], 11), (test_matrix.PAIRS[1][0], 17)]


@pytest.fixture
def world() -> SharedWorld:
    return SharedWorld()


@pytest.mark.parametrize("scenario", CHOSEN, ids=lambda s: s.name)
def test_any_crash_point(world: SharedWorld, scenario: Scenario) -> None:
    check_every_point(world, scenario)


@pytest.mark.parametrize("scenario", HEALING, ids=lambda s: s.name)
def test_any_crash_point_of_what_fails(world: SharedWorld, scenario: test_healing.Scenario) -> None:
    points, versions = test_healing.undisturbed(world, scenario, effects=True)
    scenario.prepare(world)
    start = world.snapshot()
    for at in range(1, points + 1):
        world.restore(start)
        fuse = Fuse(at, effects=True)
        assert not world.survives(lambda f: scenario.run(world, f), fuse)
        try:
            test_healing.go_on(world, scenario)
            test_healing.check(world, scenario, versions)
        except BaseException as error:
            error.add_note(f"killed at point {at} of {points}: {fuse.passed[-1]}")
            raise


@pytest.mark.parametrize(("scenario", "stride"), PAIRS, ids=("create and update", "replace"))
def test_any_pair_of_crash_points(world: SharedWorld, scenario: Scenario, stride: int) -> None:
    """The second one while it takes over, settles, or goes on; a third machine ends it."""
    check_every_pair(world, scenario, stride)


def test_a_dead_machine_holds_nobody_up_for_longer_than_its_lease() -> None:
    world = SharedWorld(lease=60)
    wanted = wishes(test_matrix.A)
    fuse = Fuse()
    world.apply(wanted, fuse)
    sent = fuse.passed.index("after POST /dedicated/beta/endpoint")
    world.reset()
    assert not world.survives(lambda f: world.apply(wanted, f), Fuse(sent))
    with pytest.raises(Exception, match="the state is locked") as caught:
        world.apply(wanted, lock_timeout=0)
    assert caught.type.exit_code == 7  # type: ignore[attr-defined]
    world.waited.clear()
    world.apply(wanted)
    assert 60 <= sum(world.waited) <= 62
