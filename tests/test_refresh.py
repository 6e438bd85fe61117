"""--refresh: how much a plan reads, what each level misses, and that an apply refuses the rest."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest

from friendli_iac.core.planfile import from_file
from friendli_iac.emulator import Emulator
from friendli_iac.emulator.clock import timestamp

from .harness import TOKEN, Project, endpoint, writes

ENDPOINTS = "/dedicated/beta/endpoint"
WIDER = {"minReplica": 1, "maxReplica": 5, "cooldownPeriod": 300}


@pytest.fixture
def ours(project: Project) -> Project:
    project.write("---\n".join(endpoint(name) for name in "abc"))
    assert project.apply().code == 0
    return project


def id_of(project: Project, name: str) -> str:
    id: str = project.state["resources"][f"Endpoint/{name}"]["id"]
    return id


def rewrite(project: Project, **changes: int) -> None:
    """The manifest of `a`, changed."""
    project.write("---\n".join([endpoint("a", **changes), endpoint("b"), endpoint("c")]))


@pytest.mark.parametrize(("level", "requests"), [("fast", 1 + 3), ("full", 1 + 3 + 3), ("none", 0)])
def test_what_each_level_reads(
    ours: Project, emulator: Emulator, level: str, requests: int
) -> None:
    emulator.clear_requests()
    planned = ours.run("plan", "--refresh", level)
    assert planned.code == 0, planned
    assert "No changes." in planned.out
    assert len(emulator.requests) == requests
    assert "Endpoint/" not in planned.out  # nothing is worth a look
    assert ours.run("plan").out.count("unchanged") == planned.out.count("unchanged")


def test_fast_is_the_default(ours: Project, emulator: Emulator) -> None:
    emulator.clear_requests()
    ours.run("plan")
    assert len(emulator.requests) == 4


def test_full_finds_a_version_whose_update_time_did_not_move(
    ours: Project, emulator: Emulator
) -> None:
    emulator.change(id_of(ours, "a"), hfModelRepo="acme/other")
    known = ours.state["resources"]["Endpoint/a"]["fence"]["updated_at"]
    live = timestamp(emulator.endpoint(id_of(ours, "a"))["updated_at"])
    ours.state_path.write_text(ours.state_path.read_text().replace(known, live))
    assert "No changes." in ours.run("plan").out
    assert "unknown since version 1" in ours.run("plan", "--refresh", "full").out


def test_a_plan_keeps_drift_apart_from_what_the_manifest_asks_for(
    ours: Project, emulator: Emulator
) -> None:
    emulator.change(id_of(ours, "a"), autoscalingPolicy=WIDER)
    emulator.clear_requests()
    planned = ours.run("plan", "--format", "json").json
    assert planned["drift"] == [
        {"address": "Endpoint/a", "path": "autoscaling.maxReplicas", "applied": 2, "live": 5}
    ]
    assert len(emulator.requests) == 5  # the list, three reads, the versions of one
    # A manifest that says what is live has nothing to ask for, and yet somebody changed it.
    rewrite(ours, maximum=5)
    again = ours.run("plan", "--format", "json").json
    assert again["drift"] == planned["drift"]
    assert "autoscaling.maxReplicas" not in [
        field["path"]
        for change in again["changes"]
        for field in change["fields"]
        if field["live"] != 5
    ]


def test_drift_is_in_a_saved_plan_and_not_in_its_digest(ours: Project, emulator: Emulator) -> None:
    emulator.change(id_of(ours, "a"), autoscalingPolicy=WIDER)
    assert ours.run("plan", "--out", "x.plan").code == 0
    saved = from_file(json.loads((ours.root / "x.plan").read_text()))
    assert [one.path for one in saved.drift] == ["autoscaling.maxReplicas"]
    assert replace(saved, drift=()).digest == saved.digest
    assert ours.run("apply", "x.plan").code == 0
    assert ours.run("plan", "--format", "json").json["drift"] == []


def test_none_says_so_and_its_apply_sends_what_was_planned(
    ours: Project, emulator: Emulator
) -> None:
    rewrite(ours, batch=128)
    planned = ours.run("plan", "--refresh", "none")
    assert "note: nothing was read (--refresh none)" in planned.out
    assert "UPDATE Endpoint/a" in planned.out
    assert "\n    v0 → v1 · same id" in planned.out  # without a status, for none was read
    assert "--refresh none" in planned.err  # the next command does the same
    emulator.clear_requests()
    done = ours.apply("--refresh", "none")
    assert done.code == 0, done
    assert writes(emulator) == [f"PUT {ENDPOINTS}/{id_of(ours, 'a')}"]
    assert "No changes." in ours.run("plan").out


def changed(project: Project, emulator: Emulator) -> str:
    emulator.change(id_of(project, "a"), autoscalingPolicy=WIDER)
    return "is at version 1, and the plan saw 0"


def changed_unseen(project: Project, emulator: Emulator) -> str:
    """The fields move, and the version does not: no such thing is documented, nor excluded."""
    state = project.state_path.read_text()
    project.state_path.write_text(state.replace('"maxReplicas": 2', '"maxReplicas": 3'))
    return "is not as state has it"


def failed(project: Project, emulator: Emulator) -> str:
    emulator.set_status(id_of(project, "a"), "FAILED")
    return "is FAILED, and the plan did not read it"


def ended(project: Project, emulator: Emulator) -> str:
    emulator.set_status(id_of(project, "a"), "TERMINATED")
    return "is TERMINATED, and the plan did not read it"


def gone(project: Project, emulator: Emulator) -> str:
    url = f"{emulator.url}{ENDPOINTS}/{id_of(project, 'a')}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    httpx.put(f"{url}/terminate", headers=headers).raise_for_status()
    httpx.delete(url, headers=headers).raise_for_status()
    return "is gone"


@pytest.mark.parametrize("moves", [changed, changed_unseen, failed, ended, gone])
@pytest.mark.parametrize("saved", [False, True])
def test_what_a_plan_did_not_read_is_refused_before_anything_is_sent(
    ours: Project, emulator: Emulator, moves: object, saved: bool
) -> None:
    rewrite(ours, batch=128)
    why = moves(ours, emulator)  # type: ignore[operator]
    if saved:
        assert ours.run("plan", "--refresh", "none", "--out", "x.plan").code == 0
    emulator.clear_requests()
    done = ours.run("apply", "x.plan") if saved else ours.apply("--refresh", "none")
    assert done.code == 6, done
    assert saved or why in done.out + done.err
    assert writes(emulator) == []


def test_none_never_drops_a_setting_that_state_does_not_know(
    project: Project, emulator: Emulator
) -> None:
    # The service shows a batch size that nobody set: a whole object without it might reset it.
    project.write(endpoint().replace("  engine: {maxBatchSize: 64}\n", ""))
    assert project.apply().code == 0
    project.write(endpoint(maximum=3).replace("  engine: {maxBatchSize: 64}\n", ""))
    emulator.clear_requests()
    refused = project.apply("--refresh", "none")
    assert refused.code == 6, refused
    assert "shows engine.maxBatchSize, which state does not have yet" in refused.out
    assert "is not as state has it" not in refused.out
    assert writes(emulator) == []
    assert project.apply().code == 0


def test_none_creates_beside_nothing(project: Project, emulator: Emulator) -> None:
    emulator.seed(1, project="p1", name="chat")
    project.write(endpoint())
    emulator.clear_requests()
    assert "CREATE Endpoint/chat" in project.run("plan", "--refresh", "none").out
    assert emulator.requests == []
    refused = project.apply("--refresh", "none")
    assert refused.code == 5, refused
    assert writes(emulator) == []


@pytest.mark.parametrize("desired", ["running", "sleeping", "terminated"])
def test_none_takes_its_life_for_what_was_applied(
    project: Project, emulator: Emulator, desired: str
) -> None:
    project.write(endpoint(more=f"  desired: {desired}\n"))
    if desired == "terminated":  # what is not there is not made for it
        project.write(endpoint())
        assert project.apply().code == 0
        project.write(endpoint(more=f"  desired: {desired}\n"))
    assert project.apply().code == 0
    assert "No changes." in (planned := project.run("plan", "--refresh", "none")).out, planned


def test_a_saved_plan_is_not_refreshed(ours: Project) -> None:
    assert ours.run("plan", "--out", "x.plan").code == 0
    assert ours.run("apply", "x.plan", "--refresh", "full").code == 64
