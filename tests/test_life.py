"""An endpoint's whole life: running, sleeping, terminated, expired, replaced."""

from __future__ import annotations

import json

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project, names, writes
from .rollouts import apply, change, live, manifest, outcomes, resource

MEMORY = "INFERENCE_ENGINE_MEMORY_ERROR"
GOOD = manifest()


def desired(word: str, **how: object) -> str:
    return manifest(more=f"  desired: {word}\n", **how)  # type: ignore[arg-type]


def steps(emulator: Emulator) -> list[str]:
    """What was sent: the last word of each path."""
    sent = [w.rsplit("/", 1)[1] for w in writes(emulator)]
    ids = {e["id"] for e in emulator.endpoints()}
    return ["update" if word in ids else word for word in sent]


@pytest.mark.parametrize(
    ("status", "wanted", "action", "after"),
    [
        ("RUNNING", "sleeping", "sleep", "SLEEPING"),
        ("RUNNING", "terminated", "terminate", "TERMINATED"),
        ("SLEEPING", "running", "wake", "RUNNING"),
        ("SLEEPING", "terminated", "terminate", "TERMINATED"),
        ("TERMINATED", "running", "restart", "RUNNING"),
        ("FAILED", "running", "restart", "RUNNING"),
    ],
)
def test_it_comes_to_what_is_desired(
    project: Project, emulator: Emulator, status: str, wanted: str, action: str, after: str
) -> None:
    emulator.set_durations(create=3, wake=3, restart=3, terminate=3)
    assert apply(project, emulator, GOOD)[0] == 0
    emulator.set_status(str(live(emulator)["id"]), status)
    emulator.clear_requests()
    assert change(project, emulator, desired(wanted)).action == action
    code, done = apply(project, emulator, desired(wanted))
    assert code == 0, done
    emulator.advance(10)
    assert live(emulator)["status"] == after
    assert steps(emulator) == [action]
    assert change(project, emulator, desired(wanted)).action == "no-op"


@pytest.mark.parametrize(("status", "wanted"), [
    ("RUNNING", "running"), ("SLEEPING", "sleeping"), ("TERMINATED", "terminated"),
])  # fmt: skip
def test_what_is_as_desired_is_only_recorded(
    project: Project, emulator: Emulator, status: str, wanted: str
) -> None:
    assert apply(project, emulator, GOOD)[0] == 0
    emulator.set_status(str(live(emulator)["id"]), status)
    emulator.clear_requests()
    assert apply(project, emulator, desired(wanted))[0] == 0
    assert writes(emulator) == []
    assert change(project, emulator, desired(wanted)).action == "no-op"


def test_without_a_word_on_it_sleep_is_the_autoscalers(
    project: Project, emulator: Emulator
) -> None:
    assert apply(project, emulator, GOOD)[0] == 0
    emulator.set_status(str(live(emulator)["id"]), "SLEEPING")
    assert change(project, emulator, GOOD).action == "no-op"


def test_a_new_one_that_is_to_sleep_is_proved_first(project: Project, emulator: Emulator) -> None:
    emulator.set_durations(create=5)
    assert apply(project, emulator, desired("sleeping"))[0] == 0
    assert live(emulator)["status"] == "SLEEPING"
    assert steps(emulator) == ["endpoint", "sleep"]
    assert outcomes(project) == ["unverified"]
    assert change(project, emulator, desired("sleeping")).action == "no-op"


def test_a_new_one_that_is_to_be_terminated_is_not_bought(
    project: Project, emulator: Emulator
) -> None:
    assert apply(project, emulator, desired("terminated"))[0] == 0
    assert emulator.endpoints() == []


def test_what_runs_nothing_is_sent_nothing_until_it_runs_again(
    project: Project, emulator: Emulator
) -> None:
    assert apply(project, emulator, desired("terminated", batch=64))[0] == 0
    assert apply(project, emulator, GOOD)[0] == 0
    assert apply(project, emulator, desired("terminated"))[0] == 0
    emulator.clear_requests()
    later = change(project, emulator, desired("terminated", batch=128))
    assert later.action == "no-op"
    assert later.notes == ("sent when it runs again: engine.maxBatchSize",)
    emulator.advance(10)
    assert apply(project, emulator, manifest(batch=128))[0] == 0
    assert steps(emulator) == ["update", "restart"]
    assert live(emulator)["status"] == "RUNNING"


def test_protection_bars_terminate(project: Project, emulator: Emulator) -> None:
    safe = "  lifecycle: {preventDestroy: true}\n"
    assert apply(project, emulator, manifest(more=safe))[0] == 0
    emulator.clear_requests()
    project.write(manifest(more=safe + "  desired: terminated\n"))
    refused = project.apply()
    assert refused.code == 5, refused
    assert "this plan would terminate it" in refused.err
    assert writes(emulator) == []


def test_what_has_expired_is_terminated_and_not_started_again(
    project: Project, emulator: Emulator
) -> None:
    short = manifest(more="  lifecycle: {expires: 72h}\n")
    assert apply(project, emulator, short)[0] == 0
    assert change(project, emulator, short).action == "no-op"
    emulator.advance(73 * 3600)
    emulator.set_status(str(live(emulator)["id"]), "RUNNING")
    over = change(project, emulator, short)
    assert over.action == "terminate"
    assert "expired" in over.reason
    assert apply(project, emulator, short)[0] == 0
    emulator.advance(10)
    assert live(emulator)["status"] == "TERMINATED"
    assert change(project, emulator, short).action == "no-op"
    longer = manifest(more="  lifecycle: {expires: 30d}\n")
    assert apply(project, emulator, longer)[0] == 0
    assert live(emulator)["status"] == "RUNNING"


# --- createBeforeDestroy ---

FIRST = "  lifecycle: {createBeforeDestroy: true}\n"
MOVED = manifest(more=FIRST).replace("project: p1", "project: p2")


@pytest.fixture
def old(project: Project, emulator: Emulator) -> str:
    """The id of an endpoint that is to be replaced."""
    emulator.set_durations(create=5, terminate=1)
    assert apply(project, emulator, manifest(more=FIRST))[0] == 0
    emulator.clear_requests()
    return str(live(emulator)["id"])


def test_the_new_one_serves_before_the_old_one_ends(
    project: Project, emulator: Emulator, old: str
) -> None:
    during: list[list[str]] = []
    emulator.on_request(
        "PUT",
        f"{old}/terminate",
        lambda: during.append([e["status"] for e in emulator.endpoints()]),
    )
    planned = change(project, emulator, MOVED)
    assert planned.steps == ("create", "terminate", "delete")
    assert "clients break" in planned.impact
    assert apply(project, emulator, MOVED)[0] == 0
    assert during == [["RUNNING", "RUNNING"]]
    assert live(emulator)["id"] != old
    assert resource(project)["deposed"] is None
    assert change(project, emulator, MOVED).action == "no-op"


def test_a_new_one_that_does_not_serve_leaves_the_old_one_in_its_place(
    project: Project, emulator: Emulator, old: str
) -> None:
    emulator.fail_next_rollout("*", MEMORY)
    code, done = apply(project, emulator, MOVED)
    assert code == 10, done
    assert live(emulator)["id"] == old, "the new one was ended"
    assert live(emulator)["status"] == "RUNNING"
    assert resource(project)["id"] == old
    emulator.clear_requests()
    assert apply(project, emulator, MOVED)[0] == 5
    assert writes(emulator) == []
    assert apply(project, emulator, manifest(more=FIRST))[0] == 0


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_in_between_leaves_one(
    project: Project, emulator: Emulator, old: str, nth: int, when: str
) -> None:
    emulator.set_durations(create=0, terminate=0)
    project.write(MOVED)
    emulator.hold("*", "(beta/endpoint$|/terminate$|DELETE)", when)  # type: ignore[arg-type]
    emulator.clear_faults()
    method, path = [("POST", "endpoint$"), ("PUT", "/terminate$"), ("DELETE", "endpoint/")][nth - 1]
    emulator.hold(method, path, when)  # type: ignore[arg-type]
    process = project.spawn(
        "apply", "--yes", "--settle-grace", "1s", "--allow-destroy", "Endpoint/chat"
    )
    emulator.wait_held()
    process.kill()
    process.communicate()
    emulator.release()
    done = project.apply("--allow-destroy")
    assert done.code == 0, done
    assert names(emulator) == ["chat"]
    assert live(emulator)["id"] != old
    assert "No changes" in project.run("plan").out


def test_a_rollback_never_ends_what_has_expired(project: Project, emulator: Emulator) -> None:
    short = "  lifecycle: {expires: 1h}\n"
    for repo in ("acme/one", "acme/two"):
        project.write(manifest(repo=repo, more=short))
        assert project.apply().code == 0
    state = project.state
    state["resources"]["Endpoint/chat"]["created"] -= 7200
    project.state_path.write_text(json.dumps(state))
    emulator.clear_requests()
    done = project.run("rollback", "Endpoint/chat", "--yes")
    assert done.code == 0, done
    assert live(emulator)["status"] == "RUNNING"
    assert live(emulator)["versions"][-1]["settings"]["hfModelRepo"] == "acme/one"


def test_what_has_expired_and_is_protected_holds_nothing_else_up(
    project: Project, emulator: Emulator
) -> None:
    both = "  lifecycle: {expires: 1h, preventDestroy: true}\n"
    assert apply(project, emulator, manifest(more=both))[0] == 0
    emulator.advance(7200)
    code, done = apply(project, emulator, manifest(more=both) + "---\n" + manifest("other"))
    assert code == 0, done
    assert names(emulator) == ["chat", "other"]
    (chat,) = [c for c in done.plan.changes if c.address == "Endpoint/chat"]
    assert "it has expired, and is protected" in chat.notes[0]
    freed = both.replace("true", "false")
    assert apply(project, emulator, manifest(more=freed) + "---\n" + manifest("other"))[0] == 0
    emulator.advance(60)
    statuses = sorted(e["status"] for e in emulator.endpoints())
    assert statuses == ["RUNNING", "TERMINATED"]
