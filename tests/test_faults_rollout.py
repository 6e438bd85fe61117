"""Between sent and served: kills, timeouts, Ctrl-C, roll-outs that fail, plans that are resumed."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import httpx
import pytest

from friendli_iac.clients.http import Http
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions, Selection, exit_code
from friendli_iac.executor.context import SystemClock

from .crash.world import wish, wishes
from .harness import FAST, TOKEN, Project, endpoint, engine_for, names, writes

CREATE = r"endpoint$"
APPLY = ("apply", "--yes", *FAST)
A, BIGGER = wish("a"), wish("a", engine__maxBatchSize=128)
OTHER_MODEL = wish("a", model__huggingFace={"repo": "acme/other"})


# --- killed, timed out or stopped while it waits ---


def test_a_kill_while_waiting_leaves_verify_and_no_second_write(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("chat"))
    emulator.set_durations(create=3600)
    emulator.hold("GET", "/status$", nth=2)
    process = project.spawn(*APPLY)
    emulator.wait_held()
    process.kill()
    process.communicate()
    emulator.release()
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 2, planned
    assert "VERIFY Endpoint/chat" in planned.out
    assert "No changes" not in planned.out
    emulator.advance(3600)
    done = project.apply()
    assert done.code == 0, done
    assert len(writes(emulator)) == 1
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_a_timeout_is_exit_9_and_pending(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("chat"))
    emulator.set_durations(create=3600)
    late = project.apply("--timeout", "1s")
    assert late.code == 9, late
    resource = project.state["resources"]["Endpoint/chat"]
    assert resource["pending"]
    assert resource["prior"] is None
    assert project.run("plan", "--detailed-exitcode").code == 2
    emulator.advance(3600)
    assert project.apply().code == 0
    assert len(writes(emulator)) == 1
    assert project.state["resources"]["Endpoint/chat"]["pending"] is None


def test_no_wait_sends_and_leaves_verify(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("chat"))
    emulator.set_durations(create=3600)
    sent = project.apply("--no-wait")
    assert sent.code == 0, sent
    assert "VERIFY" in project.run("plan").out
    emulator.advance(3600)
    assert project.apply().code == 0
    assert len(writes(emulator)) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_waiting(project: Project, emulator: Emulator, number: int) -> None:
    project.write(endpoint("chat"))
    emulator.set_durations(create=3600)
    emulator.hold("GET", "/status$", nth=2)
    process = project.spawn(*APPLY)
    emulator.wait_held()
    process.send_signal(number)
    emulator.release()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 8, out + err
    assert "Traceback" not in err
    assert project.state["resources"]["Endpoint/chat"]["pending"]
    emulator.advance(3600)
    assert project.apply().code == 0
    assert len(writes(emulator)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_during_a_create_records_it_and_begins_nothing_more(
    project: Project, emulator: Emulator, when: str
) -> None:
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    emulator.hold("POST", CREATE, when)  # type: ignore[arg-type]
    process = project.spawn(*APPLY, "--parallelism", "1")
    emulator.wait_held()
    process.send_signal(signal.SIGINT)
    with pytest.raises(Exception, match="timed out"):
        process.wait(timeout=0.3)  # it waits for the answer
    emulator.release()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 8, out + err
    assert names(emulator) == ["a"]
    (live,) = emulator.endpoints()
    assert project.state["resources"]["Endpoint/a"]["id"] == live["id"]
    done = project.apply()
    assert done.code == 0, done
    assert names(emulator) == ["a", "b"]
    assert len(writes(emulator)) == 2


# --- roll-outs that fail ---


def run(
    project: Project,
    emulator: Emulator,
    *wanted: object,
    retry_failed: bool = False,
    **options: object,
) -> int:
    selection = Selection(retry_failed=retry_failed)
    with engine_for(project, emulator) as engine:
        done = engine.apply(
            lambda plan: plan(wishes(*wanted), selection),  # type: ignore[arg-type]
            ApplyOptions(allow_destroy=frozenset({"*"}), **options),  # type: ignore[arg-type]
            lambda plan: True,
        )
    return exit_code(done.outcomes, held=any(change.held for change in done.plan.changes))


def action(project: Project, emulator: Emulator, *wanted: object) -> str:
    with engine_for(project, emulator) as engine:
        plan = engine.plan(lambda: wishes(*wanted), Selection())  # type: ignore[arg-type]
    (change,) = plan.changes
    return change.action


def test_a_create_that_fails_for_a_cause_that_passes_is_tried_again(
    project: Project, emulator: Emulator
) -> None:
    emulator.fail_next_rollout("*", "WORKLOAD_INIT_DOWNLOAD_ERROR")
    assert run(project, emulator, A) == 0
    assert [w.rsplit("/", 1)[1] for w in writes(emulator)] == ["endpoint", "restart"]
    assert action(project, emulator, A) == "no-op"


def test_a_create_that_fails_can_be_mended_in_the_manifest(
    project: Project, emulator: Emulator
) -> None:
    emulator.fail_next_rollout("*", "INFERENCE_ENGINE_MEMORY_ERROR")
    assert run(project, emulator, A) == 4
    assert action(project, emulator, OTHER_MODEL) == "update"
    assert run(project, emulator, OTHER_MODEL) == 0
    (live,) = emulator.endpoints()
    assert live["versions"][-1]["settings"]["hfModelRepo"] == "acme/other"


@pytest.mark.parametrize("outcome", ["WORKLOAD_INIT_DOWNLOAD_ERROR", "ignored"])
def test_an_update_that_fails_leaves_the_old_version_serving_and_known(
    project: Project, emulator: Emulator, outcome: str
) -> None:
    run(project, emulator, A)
    (live,) = emulator.endpoints()
    emulator.set_durations(update=5)
    emulator.fail_next_rollout(live["id"], outcome)
    assert run(project, emulator, BIGGER) == 10
    resource = project.state["resources"]["Endpoint/a"]
    assert resource["pending"] is None
    assert resource["prior"]["spec"]["engine"]["maxBatchSize"] == 64
    assert [record["outcome"] for record in resource["history"]][1:] == ["not applied"]
    assert action(project, emulator, A) == "no-op", "what serves is known"
    assert action(project, emulator, BIGGER) == "no-op", "it is held off"
    assert run(project, emulator, BIGGER) == 5
    assert len(writes(emulator)) == 2
    assert run(project, emulator, BIGGER, retry_failed=True) == 0
    assert len(writes(emulator)) == 3
    assert project.state["resources"]["Endpoint/a"]["pin"] is None


def test_an_update_that_never_ends_times_out_and_stays_pending(
    project: Project, emulator: Emulator
) -> None:
    run(project, emulator, A)
    (live,) = emulator.endpoints()
    emulator.fail_next_rollout(live["id"], "never")
    assert run(project, emulator, BIGGER, timeout=60.0) == 9
    assert action(project, emulator, BIGGER) == "verify"


def test_a_stopped_endpoint_that_fails_with_a_new_model_gets_the_old_one_back(
    project: Project, emulator: Emulator
) -> None:
    """The model cannot be read: only we know which one a restart would start."""
    run(project, emulator, A)
    (live,) = emulator.endpoints()
    emulator.set_status(live["id"], "TERMINATED")
    emulator.fail_next_rollout(live["id"], "INFERENCE_ENGINE_MEMORY_ERROR")
    emulator.set_durations(restart=30)
    assert run(project, emulator, OTHER_MODEL) == 10
    assert action(project, emulator, OTHER_MODEL) == "no-op", "it is held off"
    assert action(project, emulator, A) == "no-op"
    (live,) = emulator.endpoints()
    assert live["versions"][-1]["settings"]["hfModelRepo"] == "acme/model"


@pytest.mark.parametrize("status", ["TERMINATED", "FAILED"])
def test_what_ended_is_restarted_and_never_created_beside(
    project: Project, emulator: Emulator, status: str
) -> None:
    run(project, emulator, A)
    (live,) = emulator.endpoints()
    emulator.set_status(live["id"], status)
    emulator.clear_requests()
    assert action(project, emulator, A) == "restart"
    assert run(project, emulator, A) == 0
    assert [w.rsplit("/", 1)[1] for w in writes(emulator)] == ["restart"]


def test_a_delete_of_what_never_stops_times_out_and_is_taken_up_again(
    project: Project, emulator: Emulator
) -> None:
    run(project, emulator, A)
    emulator.set_durations(terminate=4000)
    assert run(project, emulator, timeout=60.0) == 9
    (live,) = emulator.endpoints()
    assert project.state["resources"]["Endpoint/a"]["id"] == live["id"]
    emulator.advance(4000)
    assert run(project, emulator) == 0
    assert emulator.endpoints() == []
    assert [w.split()[0] for w in writes(emulator)] == ["POST", "PUT", "DELETE"]


def test_a_404_for_what_is_still_listed_is_not_the_end_of_it(
    project: Project, emulator: Emulator
) -> None:
    """Forgetting it would leave it running, and nobody would know."""
    run(project, emulator, A)
    emulator.fault("GET", "/status$", kind="status", status=404, nth=2, count=3)
    run(project, emulator, timeout=60.0)
    emulator.clear_faults()
    if emulator.endpoints():
        assert project.state["resources"], "it is there, and we know it"
        assert run(project, emulator) == 0
    assert emulator.endpoints() == []
    assert project.state["resources"] == {}


def test_a_version_made_by_somebody_else_while_we_waited_is_noticed(
    project: Project, emulator: Emulator
) -> None:
    """What they changed cannot be read, and everything that can be read is as we sent it."""
    run(project, emulator, A)
    (live,) = emulator.endpoints()
    assert run(project, emulator, BIGGER, no_wait=True) == 0
    emulator.advance(60)
    emulator.change(live["id"], hfModelRepo="acme/theirs")
    emulator.advance(60)
    assert action(project, emulator, BIGGER) == "update"
    assert run(project, emulator, BIGGER) == 0
    (live,) = emulator.endpoints()
    assert live["versions"][-1]["settings"]["hfModelRepo"] == "acme/model"


def test_a_restart_makes_no_version_so_the_next_one_is_somebody_elses(
    project: Project, emulator: Emulator
) -> None:
    run(project, emulator, A)
    (live,) = emulator.endpoints()
    emulator.set_status(live["id"], "TERMINATED")
    assert run(project, emulator, A, no_wait=True) == 0
    emulator.advance(60)
    emulator.change(live["id"], hfModelRepo="acme/theirs")
    assert action(project, emulator, A) == "update"


# --- saved plans ---


def saved(project: Project, text: str) -> Path:
    project.write(text)
    made = project.run("plan", "--out", "the.plan")
    assert made.code == 0, made
    return project.root / "the.plan"


def test_a_plan_runs_once(project: Project, emulator: Emulator) -> None:
    plan = saved(project, endpoint("chat"))
    assert project.run("apply", str(plan), *FAST).code == 0
    again = project.run("apply", str(plan), *FAST)
    assert again.code == 6, again
    assert "a plan runs once" in again.err
    assert len(writes(emulator)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_plan_is_resumed_after_a_kill_and_what_is_done_is_skipped(
    project: Project, emulator: Emulator, nth: int, when: str
) -> None:
    plan = saved(project, endpoint("a") + "---\n" + endpoint("b"))
    emulator.hold("POST", CREATE, when, nth=nth)  # type: ignore[arg-type]
    process = project.spawn("apply", str(plan), *FAST, "--parallelism", "1")
    emulator.wait_held()
    process.kill()
    process.communicate()
    emulator.release()
    done = project.run("apply", str(plan), *FAST)
    assert done.code == 0, done
    assert names(emulator) == ["a", "b"]
    assert len(writes(emulator)) == 2
    assert project.run("apply", str(plan), *FAST).code == 6


def test_a_plan_that_failed_half_way_is_resumed_and_tells_again_what_failed(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    plan = saved(project, endpoint("a", batch=128) + "---\n" + endpoint("b"))
    emulator.fail_next_rollout(live["id"], "WORKLOAD_INIT_DOWNLOAD_ERROR")
    emulator.set_durations(update=0.5)
    emulator.fault("POST", CREATE, kind="status", status=403)
    first = project.run("apply", str(plan), *FAST)
    assert first.code == 4, first
    emulator.clear_requests()
    again = project.run("apply", str(plan), *FAST)
    assert again.code == 10, again
    assert "this plan sent it before: the service did not apply it" in again.out
    assert [w.split()[0] for w in writes(emulator)] == ["POST"], "b was not sent before"
    assert names(emulator) == ["a", "b"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_replacement_is_resumed_where_the_old_one_went_away_by_itself(
    project: Project, emulator: Emulator, when: str
) -> None:
    project.write(endpoint("a"))
    assert project.apply().code == 0
    plan = saved(project, endpoint("a").replace("project: p1", "project: p2"))
    emulator.hold("GET", "/status$", nth=2)  # between terminate and delete
    emulator.hold("POST", CREATE, when)  # type: ignore[arg-type]
    process = project.spawn("apply", str(plan), *FAST)
    emulator.wait_held()
    with emulator.service.store.lock:
        (old,) = emulator.service.store.newest_first()
        emulator.service.delete(old)
    emulator.release()
    emulator.wait_held()
    process.kill()
    process.communicate()
    emulator.release()
    done = project.run("apply", str(plan), *FAST)
    assert done.code == 0, done
    (live,) = emulator.endpoints()
    assert live["project"] == "p2"


def test_a_resumed_plan_does_not_take_a_later_version_of_somebody_else_for_its_own(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    assert project.apply().code == 0
    plan = saved(project, endpoint("a", batch=128))
    emulator.hold("GET", "/status$", nth=2)  # the first is the look before, the second the wait
    process = project.spawn("apply", str(plan), *FAST)
    emulator.wait_held()
    process.kill()
    process.communicate()
    emulator.release()
    (live,) = emulator.endpoints()
    emulator.change(live["id"], hfModelRepo="acme/theirs")
    emulator.clear_requests()
    refused = project.run("apply", str(plan), *FAST)
    assert (refused.code, writes(emulator)) == (6, []), "which one serves, nobody can tell"
    assert "unknown since version 2" in refused.err
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 2, planned
    assert "unknown since version 2" in planned.out


# --- defects of our own ---


def test_a_defect_in_one_change_stops_the_others_and_loses_nothing(
    project: Project, emulator: Emulator
) -> None:
    emulator.set_durations(create=3600)

    class Defective(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and b'"name":"b"' in request.read().replace(b" ", b""):
                emulator_has_a.wait(10)
                raise ZeroDivisionError
            answer = super().handle_request(request)
            if request.url.path.endswith("/status"):
                emulator_has_a.set()
            return answer

    emulator_has_a = threading.Event()
    client = Http(emulator.url, {"Authorization": f"Bearer {TOKEN}"}, transport=Defective)
    goal = wishes(A, wish("b"))
    two = ApplyOptions(parallelism=2)
    with engine_for(project, emulator, http=client) as engine:
        engine.clock = SystemClock()
        with pytest.raises(ZeroDivisionError):
            engine.apply(lambda plan: plan(goal, Selection()), two, lambda plan: True)
    emulator.advance(3600)
    emulator.set_durations(create=0)
    assert run(project, emulator, A, wish("b"), settle_grace=5.0) == 0
    assert names(emulator) == ["a", "b"]
    assert len(writes(emulator)) == 2


# --- one at a time (fault 10) ---


def test_twenty_applies_at_once_are_one_apply(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("chat"))
    emulator.hold("POST", CREATE)
    first = project.spawn(*APPLY)
    emulator.wait_held()
    others = [project.spawn(*APPLY) for _ in range(19)]
    said = [(other.communicate(timeout=60)[1], other.returncode) for other in others]
    emulator.release()
    out, err = first.communicate(timeout=30)
    assert first.returncode == 0, out + err
    for text, code in said:
        assert code == 7, text
        assert "the state is locked: apply by" in text
        assert "since 20" in text
    assert len(writes(emulator)) == 1
    assert names(emulator) == ["chat"]


def test_a_second_apply_waits_for_the_first_one(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("chat"))
    emulator.hold("POST", CREATE)
    first = project.spawn(*APPLY)
    emulator.wait_held()
    second = project.spawn(*APPLY, "--lock-timeout", "60s")
    with pytest.raises(Exception, match="timed out"):
        second.wait(timeout=1)
    emulator.release()
    assert first.communicate(timeout=30)
    out, err = second.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0), out + err
    assert "No changes" in out
    assert len(writes(emulator)) == 1
