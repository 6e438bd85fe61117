"""A plan that one machine makes, another one applies, and a third one resumes."""

from __future__ import annotations

import shutil
import signal

from friendli_iac.emulator import Emulator
from tests.harness import FAST, endpoint, writes

from .machines import APPLY, CREATE, WAIT, Machine, Shared

TWO = endpoint("a") + "---\n" + endpoint("b")
APPLY_IT = ("apply", "p.plan", *FAST)


def planned(machine: Machine) -> Machine:
    """With a plan in p.plan."""
    made = machine.run("plan", "--out", "p.plan")
    assert made.code == 0, made
    return machine


def hand_over(giver: Machine, *takers: Machine) -> None:
    """As a pipeline hands its artifact on to a later job."""
    for taker in takers:
        shutil.copy(giver.root / "p.plan", taker.root)


def test_planned_here_and_applied_there(shared: Shared, emulator: Emulator) -> None:
    here, there = planned(shared.machine(TWO)), shared.machine(TWO)
    hand_over(here, there)
    done = there.run(*APPLY_IT)
    assert done.code == 0, done
    shared.has_one_each("a", "b")
    here.is_settled()
    again = here.run(*APPLY_IT)  # a plan runs once
    assert again.code == 6, again
    assert len(writes(emulator)) == 2


def test_a_plan_is_stale_when_another_machine_was_faster(
    shared: Shared, emulator: Emulator
) -> None:
    here = shared.machine()
    assert here.run(*APPLY).code == 0
    here.write(endpoint(batch=128))
    planned(here)
    faster = shared.machine(endpoint(batch=256))
    assert faster.run(*APPLY).code == 0
    there = shared.machine(endpoint(batch=128))
    hand_over(here, there)
    emulator.clear_requests()
    for machine in (here, there):
        stale = machine.run(*APPLY_IT)
        assert stale.code == 6, stale
        assert "Endpoint/chat is not in state as it was" in stale.err
        assert "next: Make a new plan" in stale.err
    assert writes(emulator) == []
    faster.is_settled()


def test_a_plan_whose_apply_was_killed_is_resumed_elsewhere(
    shared: Shared, emulator: Emulator
) -> None:
    first, second, third = (shared.machine(TWO) for _ in range(3))
    hand_over(planned(first), second, third)
    emulator.hold("POST", CREATE, "after", nth=2)
    process = second.spawn(*APPLY_IT, "--parallelism", "1", env={"FRIENDLI_IAC_LEASE": "1s"})
    emulator.wait_held(timeout=30)
    process.kill()
    assert second.finish(process).code == -signal.SIGKILL
    emulator.release()
    done = third.run(*APPLY_IT, *WAIT)
    assert done.code == 0, done
    assert "the interrupted create took place" in done.err
    assert len(writes(emulator)) == 2
    shared.has_one_each("a", "b")
    first.is_settled()
