"""Killed anywhere, nothing is believed of an adapter that was not seen since.

However a run is killed: applied again, the routes that state has for served are those that answer,
by the same accepted requests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .world import Fuse, Snapshot, Wishes, World, check_converged, code_of, wish, wishes

BLOCKS = [{"name": "legal", "route": "legal", "huggingFace": {"repo": "acme/legal-lora"}}]
BY_HAND = wish("a", adapters=BLOCKS)
BIGGER = wish("a", adapters=BLOCKS, engine__maxBatchSize=128)
SENT = wish("a", adapters=BLOCKS, sentAdapters={"routes": ["legal"], "body": {"lora": ["legal"]}})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


def routes(world: World) -> dict[str, str]:
    return dict(world.stored().resources["Endpoint/a"].routes)


def killed_everywhere(world: World, start: Snapshot, wanted: Wishes, **options: object) -> int:
    """How many crash points there are; after each of them, `wanted` is applied once more."""
    world.restore(start)
    world.emulator.set_options(**options)
    counting = Fuse(effects=True)
    code = code_of(world.apply(wanted, counting))
    undisturbed = (code, routes(world), world.effects())
    for at in range(1, len(counting.passed) + 1):
        world.restore(start)
        world.emulator.set_options(**options)
        fuse = Fuse(at, effects=True)
        assert not world.survives(lambda f: world.apply(wanted, f), fuse)
        done = world.apply(wanted)
        told = f"killed at {at}: {fuse.passed[-1]}"
        assert (code_of(done), routes(world), world.effects()) == undisturbed, told
    return len(counting.passed)


def test_an_update_that_drops_what_was_attached(world: World) -> None:
    wanted = wishes(BY_HAND)
    assert code_of(world.apply(wanted)) == 11
    (live,) = world.emulator.endpoints()
    world.emulator.attach_adapter(live["id"], "legal")
    assert code_of(world.apply(wanted)) == 0
    assert routes(world) == {"legal": "served"}
    world.emulator.clear_requests()
    start = world.snapshot()
    assert killed_everywhere(world, start, wishes(BIGGER), updates_drop_adapters=True) > 10
    assert routes(world) == {"legal": "missing"}
    assert world.plan(wishes(BIGGER)).pending_changes


def test_a_create_with_adapters_in_it(world: World) -> None:
    world.reset()
    start = world.snapshot()
    assert killed_everywhere(world, start, wishes(SENT), adapters_key="lora") > 10
    assert routes(world) == {"legal": "served"}
    check_converged(world, wishes(SENT))
