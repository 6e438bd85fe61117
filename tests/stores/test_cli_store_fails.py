"""A store that fails, or loses its answers, while commands are at work."""

from __future__ import annotations

from friendli_iac.emulator import Emulator
from tests.harness import endpoint, writes

from .conftest import Place
from .machines import APPLY, CREATE, WAIT, Shared, impatient
from .proxy import Proxy

DEAD_SOON = {"FRIENDLI_IAC_LEASE": "1s"}
POST = "POST /dedicated/beta/endpoint"
LOST = 3  # every so-many-th answer to a write


def test_a_store_that_fails_after_a_create_was_accepted(
    shared: Shared, proxy: Proxy, emulator: Emulator
) -> None:
    first = shared.machine(port=proxy.port)
    emulator.on_request("POST", CREATE, proxy.refuse, when="after")
    with impatient():
        failed = first.run(*APPLY, env=DEAD_SOON)
    assert failed.code == 1, failed
    assert "the state could not be stored: " in failed.err
    assert "refused" in failed.err
    assert "every effect is in the shared journal as far as it could be reached" in failed.err
    assert "next: When the store can be reached again: friendli-iac state push" in failed.err
    proxy.accept()
    other = shared.machine()
    done = other.run(*APPLY, *WAIT)
    assert done.code == 0, done
    assert "the interrupted create took place" in done.err
    assert writes(emulator) == [POST]
    shared.has_one_each("chat")
    other.is_settled()


def test_nothing_is_sent_whose_begin_cannot_be_stored(
    shared: Shared, proxy: Proxy, emulator: Emulator
) -> None:
    machine = shared.machine(endpoint("a"), port=proxy.port)
    assert machine.run(*APPLY).code == 0
    machine.write(endpoint("a") + "---\n" + endpoint("b"))
    emulator.clear_requests()
    emulator.on_request("GET", CREATE, proxy.refuse, when="after", nth=2)
    with impatient():
        failed = machine.run(*APPLY, env=DEAD_SOON)
    assert failed.code == 1, failed
    assert "refused" in failed.err
    assert "FAILED  create Endpoint/b: " in failed.out
    assert "safe: It may have been written all the same: the next run looks." in failed.out
    assert writes(emulator) == []
    (machine.root / "errored.state.json").unlink(missing_ok=True)
    proxy.accept()
    done = machine.run(*APPLY, *WAIT)
    assert done.code == 0, done
    assert writes(emulator) == [POST]
    shared.has_one_each("a", "b")
    machine.is_settled()


def test_a_store_that_cannot_be_reached_at_all(
    shared: Shared, proxy: Proxy, emulator: Emulator
) -> None:
    machine = shared.machine(port=proxy.port)
    proxy.refuse()
    with impatient(0.3):
        for command in (["plan"], APPLY, ["unlock"], ["state", "list"]):
            failed = machine.run(*command)
            assert failed.code == 1, failed
            assert "refused" in failed.err
            assert "safe: " in failed.err
            assert "next: " in failed.err
    assert emulator.requests == []


def test_answers_that_are_lost_all_the_time_show_nowhere(
    shared: Shared, served: Place, proxy: Proxy, emulator: Emulator
) -> None:
    proxy.drop_replies(every=LOST, containing=served.write)
    machine = shared.machine(port=proxy.port)
    for batch in (64, 128, 256):
        machine.write(endpoint(batch=batch))
        done = machine.run(*APPLY)
        assert done.code == 0, done
        assert "lock" not in done.err
        assert "conflict" not in done.out + done.err
    assert proxy.dropped > 5, "many more than one a run"
    assert [w.split()[0] for w in writes(emulator)] == ["POST", "PUT", "PUT"]
    (live,) = emulator.endpoints()
    assert len(live["versions"]) == 3
    records = shared.records().values()
    assert len({record["id"] for record in records}) == len(records)
    told = machine.run("state", "history", "--format", "json").json
    assert [one["serial"] for one in told["states"]] == [4, 3, 2, 1]
    machine.is_settled()


def test_records_whose_writing_is_never_acknowledged_are_found(
    shared: Shared, served: Place, proxy: Proxy, emulator: Emulator
) -> None:
    """Each attempt at one is given up without an answer, and looked for."""
    machine = shared.machine(port=proxy.port)
    assert machine.run(*APPLY).code == 0
    proxy.drop_replies(every=1, containing=served.create)
    machine.write(endpoint(batch=128))
    with impatient(0.6):
        done = machine.run(*APPLY)
    assert done.code == 0, done
    assert proxy.dropped > 7, "each record took more than one attempt"
    assert [w.split()[0] for w in writes(emulator)] == ["POST", "PUT"]
    assert list(shared.records().values())[-1]["kind"] == "close"
    machine.is_settled()
