"""Real processes that want the same state at once, and one that dies or stands still with it."""

from __future__ import annotations

import signal

from friendli_iac.emulator import Emulator
from tests.harness import endpoint, writes

from .machines import APPLY, CREATE, WAIT, Shared

POST = "POST /dedicated/beta/endpoint"
TWO = endpoint("a") + "---\n" + endpoint("b")
WHO = {"GITHUB_ACTOR": "ci-bot"}


def test_eight_at_once(shared: Shared, emulator: Emulator) -> None:
    """Half of them wait for their turn. The first one is at work until all others had theirs."""
    emulator.hold("POST", CREATE)
    machines = [shared.machine(TWO) for _ in range(8)]
    running = [
        machine.spawn(*APPLY, *(WAIT if number % 2 else ()), env={"GITHUB_ACTOR": f"ci-{number}"})
        for number, machine in enumerate(machines)
    ]
    emulator.wait_held(timeout=30)
    first = machines[0].run("unlock", "--format", "json").json["lock"]
    for number in (0, 2, 4, 6):
        if first["who"] == f"ci-{number}":
            continue
        refused = machines[number].finish(running[number])
        assert refused.code == 7, refused
        assert f"locked: apply by {first['who']} since {first['created']}; " in refused.err
        assert f"friendli-iac unlock --force {first['id']}\n" in refused.err
    assert len(writes(emulator)) <= 2, "one machine may send both side by side"
    emulator.release()
    for number, (machine, process) in enumerate(zip(machines, running, strict=True)):
        if number % 2 or first["who"] == f"ci-{number}":
            done = machine.finish(process)
            assert done.code == 0, done
    assert writes(emulator) == [POST, POST]
    shared.has_one_each("a", "b")
    machines[0].is_settled()
    assert not shared.store.keys("lock/"), "nobody left anything"


def test_a_machine_that_is_killed_in_a_rollout_is_taken_over(
    shared: Shared, emulator: Emulator
) -> None:
    emulator.set_durations(create=3600)
    emulator.hold("GET", "/status$", nth=2)
    first = shared.machine()
    process = first.spawn(*APPLY, env={"FRIENDLI_IAC_LEASE": "2s"})
    emulator.wait_held(timeout=30)
    process.kill()
    assert first.finish(process).code == -signal.SIGKILL
    emulator.release()
    other = shared.machine()
    emulator.advance(3600)
    done = other.run(*APPLY, *WAIT)
    assert done.code == 0, done
    assert writes(emulator) == [POST]
    shared.has_one_each("chat")
    other.is_settled()


def test_a_machine_that_stood_still_and_wakes_up_sends_nothing_more(
    shared: Shared, emulator: Emulator
) -> None:
    emulator.hold("POST", CREATE, "after")
    first = shared.machine(TWO)
    process = first.spawn(*APPLY, "--parallelism", "1", env={"FRIENDLI_IAC_LEASE": "2s"})
    emulator.wait_held(timeout=30)
    process.send_signal(signal.SIGSTOP)
    emulator.release()
    other = shared.machine(TWO)
    # It leaves b to be made, so that nothing but the lost lock keeps the first one from it.
    done = other.run(*APPLY, *WAIT, "--target", "Endpoint/a", env=WHO)
    assert done.code == 0, done
    before = shared.records()
    process.send_signal(signal.SIGCONT)
    woken = first.finish(process)
    assert woken.code == 7, woken
    assert "the lock was taken over: apply by ci-bot since 20" in woken.err
    assert "Nothing was sent after that." in woken.err
    assert "next: friendli-iac plan shows how things stand." in woken.err
    assert not (first.root / "errored.state.json").exists()
    assert writes(emulator) == [POST]
    assert shared.records() == before
    done = first.run(*APPLY)
    assert done.code == 0, done
    shared.has_one_each("a", "b")
    other.is_settled()
