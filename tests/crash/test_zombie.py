"""A holder that is not dead: it stands still at any boundary, while another machine takes over.

A boundary is an instant before or after a request, or before or after any operation of the store,
reads among them. When it goes on, it sends nothing, commits nothing, and says so.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from friendli_iac.engine import Report
from friendli_iac.errors import FriendliIacError, LockLost

from .shared import SharedWorld
from .test_matrix import BIGGER, MOVED, A, B, Scenario, check
from .world import Fuse, Wishes, code_of, version_counts, wishes

SCENARIOS = [
    Scenario("create", {}, wishes(A), ("POST",)),
    Scenario("update", wishes(A), wishes(BIGGER), ("PUT /ID",)),
    Scenario("delete", wishes(A, B), wishes(B), ("PUT /ID/terminate", "DELETE /ID")),
    Scenario("replace", wishes(A), wishes(MOVED), ("PUT /ID/terminate", "DELETE /ID", "POST")),
]


@dataclass
class Gate:
    """Stands still at the `at`-th boundary, all threads of the process with it, until `open`; the
    heart beats again from `pulse` on.
    """

    at: int = 0
    passed: list[str] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    pulse: threading.Event = field(default_factory=threading.Event)
    beaten: threading.Event = field(default_factory=threading.Event)
    beats: int = 0

    def __call__(self, what: str, *, effect: bool = True) -> None:
        beats = threading.current_thread().name == "lease"
        if not beats:
            self.passed.append(what)
            if len(self.passed) == self.at:
                self.reached.set()
        if self.reached.is_set():
            assert (self.pulse if beats else self.open).wait(30), "nobody woke it up"
        if beats and self.pulse.is_set():
            self.beats += 1
            if self.beats > 4:  # the first one was under way already
                self.beaten.set()


class Zombie:
    """An apply in a thread of its own."""

    def __init__(self, world: SharedWorld, wanted: Wishes, at: int) -> None:
        self.gate = Gate(at)
        self.report: Report | None = None
        self.error: FriendliIacError | None = None
        self._world, self._wanted = world, wanted
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.report = self._world.apply(self._wanted, self.gate)
        except FriendliIacError as error:
            self.error = error
        finally:
            self.gate.reached.set()  # also where it ended before

    def stands(self) -> str:
        assert self.gate.reached.wait(30)
        return self.gate.passed[-1]

    def goes_on(self) -> None:
        self.gate.pulse.set()
        self.gate.open.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def boundaries(world: SharedWorld, scenario: Scenario) -> tuple[int, Any, int]:
    """How many there are; how many versions there are and which serial, in the end."""
    scenario.prepare(world)
    zombie = Zombie(world, scenario.wanted, 0)
    zombie.gate.open.set()
    zombie.goes_on()
    assert zombie.report
    assert code_of(zombie.report) == 0
    return len(zombie.gate.passed), version_counts(world), world.stored().serial


def sent(world: SharedWorld) -> list[str]:
    """What was sent to change something, accepted or not."""
    return [
        f"{one['method']} {one['path']}"
        for one in world.emulator.requests
        if one["method"] != "GET"
    ]


@pytest.mark.parametrize("how", ["runs out", "is broken"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_a_zombie_at_any_boundary(scenario: Scenario, how: str) -> None:
    # Long: where the lock is broken, the zombie's own clock must not tell it anything.
    world = SharedWorld(lease=2.0 if how == "runs out" else 3600.0)
    points, versions, serial = boundaries(world, scenario)
    scenario.prepare(world)
    start = world.snapshot()
    lost, late = 0, 0
    for at in range(1, points + 1):
        world.restore(start)
        zombie = Zombie(world, scenario.wanted, at)
        place = zombie.stands()
        try:
            other = world.backend(Fuse())
            held, before = other.held(), other.read()
            if held and how == "is broken":
                other.unlock(held.holder.id, "ada")
            world.apply(scenario.wanted)
            check(world, scenario, versions)
            done = world.stored()
            already = sent(world)
            zombie.goes_on()
            after = sent(world)[len(already) :]
            if place.startswith("before ") and place.split()[1] in ("POST", "PUT", "DELETE"):
                # It was being sent: nobody can call that back. Nothing follows it.
                assert after == [place.removeprefix("before ")]
                late += 1
            else:
                assert after == []
                check(world, scenario, versions)
            assert world.stored() == done, "what the other one committed stays"
            committed = before.state is not None and before.state.serial == serial
            if held and before.entries:  # else it was still reading, or had stored everything
                assert not committed
                assert isinstance(zombie.error, LockLost), (zombie.error, zombie.report)
                assert zombie.error.exit_code == 7
                lost += 1
        except BaseException as error:
            zombie.goes_on()
            error.add_note(f"stood still at point {at} of {points}: {place}")
            raise
    assert lost > points // 3
    assert late == len(scenario.effects)


def test_a_create_that_comes_late_is_told_and_not_repeated() -> None:
    """What no lock can prevent: the request was already on its way for longer than any grace."""
    world = SharedWorld()
    scenario = SCENARIOS[0]
    points, _, _ = boundaries(world, scenario)
    for at in range(1, points + 1):
        scenario.prepare(world)
        zombie = Zombie(world, scenario.wanted, at)
        place = zombie.stands()
        if place.startswith("before POST"):
            world.apply(scenario.wanted)
            zombie.goes_on()
            break
        zombie.goes_on()
    assert isinstance(zombie.error, LockLost)
    assert len(world.emulator.endpoints()) == 2
    ours = world.stored().resources["Endpoint/a"].id
    (other,) = {one["id"] for one in world.emulator.endpoints()} - {ours}
    plan = world.plan(scenario.wanted)
    assert other in "\n".join((*plan.notes, *map(str, plan.refusals)))
    assert plan.pending_changes == ()


def test_a_heartbeat_of_a_zombie_does_not_bring_its_lock_back() -> None:
    """It wakes, its lease is renewed first, and only then does it go on with what it had begun."""
    scenario = SCENARIOS[0]
    world = SharedWorld(lease=0.04)  # a heartbeat each 10 ms
    points, versions, _ = boundaries(world, scenario)
    tried = 0
    for at in range(1, points + 1):
        scenario.prepare(world)
        zombie = Zombie(world, scenario.wanted, at)
        begun = zombie.stands().startswith("after create log/")
        if begun and world.backend(Fuse()).read().entries:
            world.apply(scenario.wanted)
            zombie.gate.pulse.set()
            assert zombie.gate.beaten.wait(30)
            tried += 1
        zombie.goes_on()
        check(world, scenario, versions)
    assert tried > 3
