"""What goes wrong on the way to the API and back: every effect takes place once, all the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from friendli_iac.clients import http
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions, Selection, exit_code
from friendli_iac.errors import SettleError
from friendli_iac.manifest.model import Declared
from friendli_iac.resources.base import NEW_VERSION

from . import artifacts
from .crash.world import wish, wishes
from .harness import (
    FAST,
    PROJECT,
    EmulatorClock,
    Project,
    endpoint,
    engine_for,
    names,
    writes,
)

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "status", "status": 429, "retry_after": 0.1},
    "503": {"kind": "status", "status": 503},
    "truncated": {"kind": "truncate"},
    "html": {"kind": "html"},
    "dropped": {"kind": "drop"},
}
CREATE = r"endpoint$"
ONE = r"endpoint/[^/]+$"
ARTIFACT = "wandb-artifact-create$"
A, GOAL = wish("a"), wish("a", engine__maxBatchSize=128)


def deployed(version: str) -> Declared:
    model = {"wandb": {"artifact": f"acme/models/chat:{version}", "idempotencyKey": "key of a"}}
    return wish("a", model=model, engine={"contentLogging": False})


def stop(emulator: Emulator) -> None:
    for live in emulator.endpoints():
        emulator.set_status(live["id"], "TERMINATED")


# step -> what is there, what happens to it, what is wanted, and the request in question
STEPS: dict[str, tuple[list[Declared], Callable[[Emulator], None], list[Declared], str, str]] = {
    "create": ([], lambda e: None, [A], "POST", CREATE),
    "update": ([A], lambda e: None, [GOAL], "PUT", ONE),
    "deploy": ([], lambda e: None, [deployed("v1")], "POST", ARTIFACT),
    "rollout": ([deployed("v1")], lambda e: None, [deployed("v2")], "POST", ARTIFACT),
    "terminate": ([A], lambda e: None, [], "PUT", "/terminate$"),
    "delete": ([A], lambda e: None, [], "DELETE", ONE),
    "restart": ([A], stop, [A], "PUT", "/restart$"),
}


def applied(project: Project, emulator: Emulator, wanted: list[Declared], grace: float = 5) -> int:
    """The exit code of an apply on the emulator's clock."""
    options = ApplyOptions(allow_destroy=frozenset({"*"}), settle_grace=grace)
    with engine_for(project, emulator) as engine:
        done = engine.apply(
            lambda plan: plan(wishes(*wanted), Selection()), options, lambda plan: True
        )
        planned = engine.plan(lambda: wishes(*wanted), Selection())
    assert planned.pending_changes == ()
    return exit_code(done.outcomes)


@pytest.mark.parametrize(
    ("fault", "when"),
    [(f, w) for f in FAULTS for w in ("before", "after") if (f, w) != ("429", "after")],
)
@pytest.mark.parametrize("step", STEPS)
def test_an_effect_without_a_usable_answer_is_looked_for_before_it_is_sent_again(
    project: Project, emulator: Emulator, step: str, fault: str, when: str
) -> None:
    before, meanwhile, wanted, method, path = STEPS[step]
    if before:
        applied(project, emulator, before)
    meanwhile(emulator)
    emulator.clear_requests()
    emulator.fault(method, path, **FAULTS[fault], when=when)
    assert applied(project, emulator, wanted) == 0
    sent = [w for w in writes(emulator) if w.startswith(method)]
    sent = [w for w in sent if (path == "/terminate$") == w.endswith("/terminate")]
    assert len(sent) == (1 if when == "after" else 2), "as often as it had no effect, and once"
    assert len(emulator.endpoints()) == len(wanted)
    assert [len(e["versions"]) for e in emulator.endpoints()] == [1 + (step in NEW_VERSION)][
        : len(wanted)
    ]


class Meanwhile:
    """A clock on which somebody else does something in the first long wait."""

    def __init__(self, emulator: Emulator, act: Callable[[], object]) -> None:
        self._clock, self._act = EmulatorClock(emulator), act
        self.done = False

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        if seconds > 30 and not self.done:
            self.done = True
            self._act()
        self._clock.sleep(seconds, stop)


@pytest.mark.parametrize("step", ["create", "update"])
def test_what_another_one_does_while_we_are_turned_away_is_not_taken_for_ours(
    project: Project, emulator: Emulator, step: str
) -> None:
    """A 429 is believed: nothing was sent, and what comes up while we wait is another one's."""
    if step == "update":
        applied(project, emulator, [A])
    method, path = STEPS[step][3:]
    emulator.fault(method, path, status=429, retry_after=50)

    def another() -> None:
        if step == "create":
            emulator.seed(1, project="p1", name="a")
        else:
            emulator.change(emulator.endpoints()[0]["id"], comment="by hand")

    emulator.clear_requests()
    with engine_for(project, emulator) as engine:
        engine.clock = Meanwhile(emulator, another)
        done = engine.apply(
            lambda plan: plan(wishes(GOAL), Selection()), ApplyOptions(), lambda plan: True
        )
        assert engine.clock.done
        known, _ = engine.known()
    assert exit_code(done.outcomes) == (5 if step == "create" else 6)
    assert [w.split()[0] for w in writes(emulator)] == [method], "the one that was turned away"
    if step == "create":
        assert known.state.resources == {}
    else:
        assert known.state.resources["Endpoint/a"].applied.spec["engine"]["maxBatchSize"] == 64


@pytest.mark.parametrize("step", STEPS)
def test_what_was_turned_away_and_took_effect_all_the_same_is_not_done_twice(
    project: Project, emulator: Emulator, step: str
) -> None:
    before, meanwhile, wanted, method, path = STEPS[step]
    if before:
        applied(project, emulator, before)
    meanwhile(emulator)
    emulator.clear_requests()
    emulator.fault(method, path, **FAULTS["429"], when="after")
    with engine_for(project, emulator) as engine:
        engine.apply(
            lambda plan: plan(wishes(*wanted), Selection()),
            ApplyOptions(allow_destroy=frozenset({"*"})),
            lambda plan: True,
        )
    sent = [w for w in writes(emulator) if w.startswith(method)]
    assert len([w for w in sent if (path == "/terminate$") == w.endswith("/terminate")]) == 1
    assert len(emulator.endpoints()) == len(wanted)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", [CREATE, ONE, "/status$", "/version$"])
def test_reads_are_asked_again(project: Project, emulator: Emulator, fault: str, path: str) -> None:
    emulator.fault("GET", path, **FAULTS[fault], count=3)
    assert applied(project, emulator, [A]) == 0
    emulator.fault("GET", path, **FAULTS[fault], count=3)
    assert applied(project, emulator, [GOAL]) == 0
    assert [w.split()[0] for w in writes(emulator)] == ["POST", "PUT"]


def test_an_api_that_stays_away_ends_the_run_and_the_next_one_goes_on(
    project: Project, emulator: Emulator
) -> None:
    emulator.fault("GET", "/status$", kind="status", status=503, count=None)
    with engine_for(project, emulator) as engine:
        done = engine.apply(
            lambda plan: plan(wishes(A), Selection()), ApplyOptions(), lambda plan: True
        )
    assert exit_code(done.outcomes) == 4
    emulator.clear_faults()
    assert applied(project, emulator, [A]) == 0
    assert len(writes(emulator)) == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_answer_that_is_too_slow_is_not_waited_for_and_not_lost(
    project: Project, emulator: Emulator, method: str
) -> None:
    if method == "PUT":
        applied(project, emulator, [A])
        emulator.clear_requests()
    emulator.fault(method, "", kind="latency", seconds=0.6, when="after")
    with mock.patch.object(http, "READ_TIMEOUT", 0.2):
        assert applied(project, emulator, [A if method == "POST" else GOAL]) == 0
    assert len(writes(emulator)) == 1
    assert names(emulator) == ["a"]


LATE = {
    "create": ("POST", CREATE, [endpoint(batch=64)]),
    "update": ("PUT", "", [endpoint(batch=64), endpoint(batch=128)]),
    "rollout": ("POST", ARTIFACT, [artifacts.deployed("v0"), artifacts.deployed("v1")]),
}


@pytest.mark.parametrize("step", LATE)
def test_an_effect_that_comes_after_its_client_gave_up_is_awaited(
    project: Project, emulator: Emulator, step: str
) -> None:
    """On the machine's own clock: the request takes effect later than the first look for it."""
    method, path, (*before, wanted) = LATE[step]
    artifacts.registry(emulator)
    for text in before:
        project.write(text)
        assert project.apply().code == 0
    project.write(wanted)
    emulator.clear_requests()
    emulator.fault(method, path, kind="latency", seconds=0.6, when="before")
    with mock.patch.object(http, "READ_TIMEOUT", 0.2):
        done = project.apply("--settle-grace", "5s")
    assert done.code == 0, done
    assert len(writes(emulator)) == 1
    assert names(emulator) == ["chat"]


def test_a_list_that_lags_behind_costs_patience_and_no_second_gpu(
    project: Project, emulator: Emulator
) -> None:
    emulator.fault("GET", CREATE, kind="stale_list", seconds=20, count=None)
    assert applied(project, emulator, [A]) == 0
    assert len(writes(emulator)) == 1


def test_an_unanswered_create_and_a_list_that_lags_less_than_the_grace(
    project: Project, emulator: Emulator
) -> None:
    emulator.fault("POST", CREATE, kind="drop", when="after")
    emulator.fault("GET", CREATE, kind="stale_list", seconds=60, count=None)
    assert applied(project, emulator, [A], grace=120) == 0
    assert len(writes(emulator)) == 1


def test_a_create_that_the_api_accepted_is_never_sent_again(
    project: Project, emulator: Emulator
) -> None:
    """It told us so, and the endpoint does not appear: only a person can tell."""
    emulator.fault("GET", CREATE, kind="stale_list", newest=1, count=None)
    options = ApplyOptions(timeout=60)
    with engine_for(project, emulator) as engine:
        done = engine.apply(lambda plan: plan(wishes(A), Selection()), options, lambda plan: True)
        (outcome,) = done.outcomes
        assert isinstance(outcome.error, SettleError)
        for _ in range(2):
            with pytest.raises(SettleError, match="no endpoint called 'a' has appeared"):
                engine.apply(lambda plan: plan(wishes(A), Selection()), options, lambda plan: True)
    emulator.clear_faults()
    assert applied(project, emulator, [A]) == 0
    assert len(writes(emulator)) == 1


def test_a_create_that_was_accepted_and_cannot_be_looked_for_is_not_sent_again(
    project: Project, emulator: Emulator
) -> None:
    """The lists fail, and when they come back, they lag behind for longer than the grace."""
    emulator.fault("GET", CREATE, kind="stale_list", seconds=300, count=None)
    emulator.fault("GET", CREATE, kind="drop", nth=3, count=5)  # all attempts of one read
    with engine_for(project, emulator) as engine:
        done = engine.apply(
            lambda plan: plan(wishes(A), Selection()),
            ApplyOptions(settle_grace=5),
            lambda plan: True,
        )
    assert exit_code(done.outcomes) == 4
    assert len(writes(emulator)) == 1
    emulator.clear_faults()
    assert applied(project, emulator, [A]) == 0
    assert len(writes(emulator)) == 1


def test_a_clock_that_was_set_back_does_not_shorten_the_grace(
    project: Project, emulator: Emulator
) -> None:
    emulator.fault("POST", CREATE, kind="drop", when="after")
    emulator.fault("GET", CREATE, kind="drop", nth=3, count=None)  # the run ends in doubt
    with engine_for(project, emulator) as engine:
        engine.apply(lambda plan: plan(wishes(A), Selection()), ApplyOptions(), lambda plan: True)
    assert project.state["open"]
    emulator.clear_faults()
    emulator.fault("GET", CREATE, kind="stale_list", newest=1, count=4)
    with engine_for(project, emulator) as engine:
        now = engine.clock.now
        engine.clock.now = lambda: now() - 7200  # type: ignore[method-assign]
        done = engine.apply(
            lambda plan: plan(wishes(A), Selection()),
            ApplyOptions(settle_grace=30),
            lambda plan: True,
        )
    assert exit_code(done.outcomes) == 0
    assert len(writes(emulator)) == 1


# --- names that are taken (faults 5, 6, 7) ---


def test_a_lost_answer_to_a_create_is_adopted_by_name(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("chat"))
    emulator.fault("POST", CREATE, kind="drop", when="after")
    done = project.apply()
    assert done.code == 0, done
    assert len(writes(emulator)) == 1
    (live,) = emulator.endpoints()
    assert project.state["resources"]["Endpoint/chat"]["id"] == live["id"]


def killed_in_create(project: Project, emulator: Emulator) -> None:
    """A process killed while its create is still on its way to the API, where it is held."""
    emulator.hold("POST", CREATE)
    process = project.spawn("apply", "--yes", *FAST)
    emulator.wait_held()
    process.kill()
    process.communicate()


def test_a_plan_after_a_kill_in_create_says_what_settling_will_do(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("chat"))
    killed_in_create(project, emulator)
    emulator.release()
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 2, planned
    assert "an interrupted apply left open: create Endpoint/chat" in planned.out
    assert project.apply().code == 0
    assert names(emulator) == ["chat"]


def test_a_create_that_takes_place_after_it_was_given_up_is_reported_and_not_touched(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("chat"))
    killed_in_create(project, emulator)
    again = project.apply()  # two complete lists, the second after the grace: it is sent again
    assert again.code == 0, again
    assert "the interrupted create did not take place" in again.err
    ours = project.state["resources"]["Endpoint/chat"]["id"]
    emulator.release()
    deadline = time.monotonic() + 10
    while len(emulator.endpoints()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    (twin,) = (e["id"] for e in emulator.endpoints() if e["id"] != ours)
    for _ in range(2):  # it stays in our memory
        planned = project.run("plan", "--detailed-exitcode")
        assert planned.code == 0, planned
        assert twin in planned.out
        assert "may bill" in planned.out
        assert twin in str(project.apply())
    project.write(endpoint("chat", batch=128))
    assert project.apply().code == 0, "what is ours can still be changed"
    assert sorted(e["id"] for e in emulator.endpoints()) == sorted([ours, twin])


def test_a_given_up_create_that_lands_beside_the_second_one_stops_with_both_ids(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("chat"))
    killed_in_create(project, emulator)
    emulator.hold("POST", CREATE)
    process = project.spawn("apply", "--yes", *FAST)
    emulator.wait_held(2)
    emulator.release()
    out, err = process.communicate(timeout=60)
    ids = sorted(e["id"] for e in emulator.endpoints())
    assert len(ids) == 2
    assert process.returncode == 4, out + err
    for _ in range(2):
        again = project.apply()
        assert again.code == 4, again
        assert all(id in again.err for id in ids)
        assert "friendli-iac state recover" in again.err
    assert len(emulator.endpoints()) == 2
    assert project.run("import", "Endpoint/chat", ids[0]).code == 0
    planned = project.run("plan")
    assert ids[1] in planned.out, "the other one is not forgotten"


def test_two_endpoints_with_the_name_already_stop_the_plan_with_their_ids(
    project: Project, emulator: Emulator
) -> None:
    seeded = emulator.seed(2, project=PROJECT, name="chat")
    project.write(endpoint("chat"))
    for command in (["plan"], ["apply", "--yes", *FAST]):
        refused = project.run(*command)
        assert refused.code == 5, refused
        for twin in seeded:
            assert f"friendli-iac import Endpoint/chat {twin['id']}" in str(refused)
    assert writes(emulator) == []


# --- journals that were damaged (faults 3 and 4; every variant is in test_local_backend) ---


def test_a_torn_journal_is_mended_with_a_notice(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("chat"))
    killed_in_create(project, emulator)
    emulator.release()
    journal = project.state_path.with_name("state.json.journal")
    with journal.open("ab") as file:
        file.write(b'{"crc":"00')
    done = project.apply()
    assert done.code == 0, done
    assert "a torn last line" in done.err
    assert names(emulator) == ["chat"]
    assert len(writes(emulator)) == 1


def test_a_damaged_journal_stops_everything(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("chat"))
    killed_in_create(project, emulator)
    emulator.release()
    journal = project.state_path.with_name("state.json.journal")
    damaged = journal.read_text().replace('"type":"run"', '"type":"ran"')
    journal.write_text(damaged)
    for command in (["plan"], ["apply", "--yes", *FAST], ["destroy", "--yes"]):
        refused = project.run(*command)
        assert refused.code == 1, refused
        assert f"{journal}:2" in refused.err
        assert "Traceback" not in refused.err
    assert journal.read_text() == damaged
    assert len(writes(emulator)) == 1


# --- what the API says that nobody knows (fault 18) ---


def test_words_that_nobody_knows_are_shown_and_change_nothing(
    project: Project, emulator: Emulator
) -> None:
    emulator.set_options(extra_fields={"colour": "red", "nested": {"numGpu": [1]}})
    project.write(endpoint("chat"))
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    emulator.set_status(live["id"], "HIBERNATING", phase="DREAMING", error_code="NIGHTMARE")
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned
    assert "HIBERNATING" in planned.out
    assert project.apply().code == 0
    assert len(writes(emulator)) == 1


def test_an_error_code_that_nobody_knows_is_told(project: Project, emulator: Emulator) -> None:
    emulator.fail_next_rollout("*", "WORKLOAD_ATE_BY_GRUE")
    project.write(endpoint("chat"))
    failed = project.apply()
    assert failed.code == 4, failed
    assert "WORKLOAD_ATE_BY_GRUE" in failed.out


# --- plans that are stale (fault 15) ---


def saved(project: Project, batch: int = 128) -> Path:
    project.write(endpoint("chat", batch=64))
    assert project.apply().code == 0
    project.write(endpoint("chat", batch=batch))
    assert project.run("plan", "--out", "change.plan").code == 0
    return project.root / "change.plan"


def drift(project: Project, emulator: Emulator) -> None:
    (live,) = emulator.endpoints()
    emulator.change(live["id"], advanced={"max_batch_size": 7})


def hidden_drift(project: Project, emulator: Emulator) -> None:
    (live,) = emulator.endpoints()
    emulator.change(live["id"], hfModelRepo="acme/other")


def other_manifest(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("chat", batch=256))


def other_state(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("chat", maximum=3))
    assert project.apply().code == 0
    project.write(endpoint("chat", batch=128))


@pytest.mark.parametrize(
    ("move", "named"),
    [
        (drift, "Endpoint/chat is at version 1"),
        (hidden_drift, "Endpoint/chat is at version 1"),
        (other_manifest, "the manifests say something else"),
        (other_state, "Endpoint/chat is not in state as it was"),
    ],
)
def test_a_plan_is_stale_when_what_it_stands_on_moved(
    project: Project, emulator: Emulator, move: Callable[[Project, Emulator], None], named: str
) -> None:
    plan = saved(project)
    move(project, emulator)
    emulator.clear_requests()
    stale = project.run("apply", str(plan), *FAST)
    assert stale.code == 6, stale
    assert named in stale.err
    assert writes(emulator) == []


def test_a_change_between_plan_and_effect_is_not_overwritten(
    project: Project, emulator: Emulator
) -> None:
    """Somebody is faster than the apply that just showed its plan."""
    applied(project, emulator, [A])
    (live,) = emulator.endpoints()
    emulator.clear_requests()

    def approve(plan: object) -> bool:
        emulator.change(live["id"], advanced={"max_batch_size": 7})
        return True

    with engine_for(project, emulator) as engine:
        done = engine.apply(lambda plan: plan(wishes(GOAL), Selection()), ApplyOptions(), approve)
    assert exit_code(done.outcomes) == 6
    assert writes(emulator) == []


def test_a_change_between_a_lost_update_and_its_repetition_is_not_overwritten(
    project: Project, emulator: Emulator
) -> None:
    applied(project, emulator, [A])
    (live,) = emulator.endpoints()
    emulator.fault("PUT", ONE, kind="drop", when="before")
    reads = 0
    real = emulator.service.spec

    def spec(one: Any) -> Any:
        nonlocal reads
        reads += 1
        if [w for w in writes(emulator) if w.startswith("PUT")] and len(one.versions) == 1:
            emulator.change(live["id"], advanced={"max_batch_size": 7})
        return real(one)

    with mock.patch.object(emulator.service, "spec", spec), engine_for(project, emulator) as engine:
        done = engine.apply(
            lambda plan: plan(wishes(GOAL), Selection()),
            ApplyOptions(settle_grace=5),
            lambda plan: True,
        )
    assert exit_code(done.outcomes) == 6
    (live,) = emulator.endpoints()
    assert live["versions"][-1]["settings"]["advanced"]["max_batch_size"] == 7
