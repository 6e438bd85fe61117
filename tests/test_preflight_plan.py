"""Preflight as a part of plan and apply: what is sent, what is refused, what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator
from tests.fakehub import FakeHub, model
from tests.harness import Project, endpoint, writes

TOKEN = "hf_canary0123456789secret"
REVISION = "model.huggingFace.revision"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add("acme/model")
        yield hub


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(durations=0) as emulator:
        yield emulator


@pytest.fixture
def project(tmp_path: Path, hub: FakeHub, emulator: Emulator) -> Project:
    env = {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "FRIENDLI_IAC_PREFLIGHT": "on",
    }
    return Project(tmp_path / "project", emulator.url, env)


def at(revision: str, **options: Any) -> str:
    return endpoint(**options).replace("acme/model", f"acme/model, revision: {revision}")


def served(emulator: Emulator) -> str:
    """The revision that the one endpoint was last told."""
    (one,) = emulator.endpoints()
    return str(one["versions"][one["serving"]]["settings"]["hfModelRepoRevision"])


def asked(project: Project) -> Any:
    return project.state["resources"]["Endpoint/chat"]["prior"]["asked"]


def test_a_branch_is_sent_as_its_commit(project: Project, hub: FakeHub, emulator: Emulator) -> None:
    first = hub.repos["acme/model"].refs["main"]
    project.write(at("main"))
    (change,) = project.run("plan", "--format", "json").json["changes"]
    assert change["after"]["spec"]["model"]["huggingFace"]["revision"] == first
    assert [check["level"] for check in change["checks"]] == ["ok"] * 4
    assert project.apply().code == 0
    assert served(emulator) == first
    assert asked(project) == {REVISION: "main"}
    # It moves, and the manifest did not: nothing to do, and nobody is asked.
    hub.repos["acme/model"].push(model(), name="newer")
    hub.requests.clear()
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert project.apply().code == 0
    assert (served(emulator), hub.requests) == (first, [])


def test_another_branch_is_a_change(project: Project, hub: FakeHub, emulator: Emulator) -> None:
    project.write(at("main"))
    assert project.apply().code == 0
    newer = hub.repos["acme/model"].push(model(), "v2")
    project.write(at("v2"))
    assert project.apply().code == 0
    assert served(emulator) == newer
    hub.repos["acme/model"].push(model(), "v2", name="v2 moved")
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_another_name_of_the_same_commit_sends_nothing(
    project: Project, hub: FakeHub, emulator: Emulator
) -> None:
    project.write(at("main"))
    assert project.apply().code == 0
    repo = hub.repos["acme/model"]
    repo.refs["v1"] = repo.refs["main"]
    sent = writes(emulator)
    project.write(at("v1"))
    assert project.apply().code == 0
    assert writes(emulator) == sent
    assert asked(project) == {REVISION: "v1"}  # so that a later move of v1 is no change
    hub.requests.clear()
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert hub.requests == []


def test_another_change_keeps_the_commit(
    project: Project, hub: FakeHub, emulator: Emulator
) -> None:
    first = hub.repos["acme/model"].refs["main"]
    project.write(at("main"))
    assert project.apply().code == 0
    hub.repos["acme/model"].push(model(), name="newer")
    hub.requests.clear()
    project.write(at("main", batch=32))
    (change,) = project.run("plan", "--format", "json").json["changes"]
    assert change["checks"] == []
    assert project.apply().code == 0
    assert (served(emulator), hub.requests) == (first, [])


def test_a_saved_plan_has_its_commit(project: Project, hub: FakeHub, emulator: Emulator) -> None:
    first = hub.repos["acme/model"].refs["main"]
    project.write(at("main"))
    assert project.run("plan", "--out", "plan.json").code == 0
    hub.repos["acme/model"].push(model(), name="newer")
    applied = project.run("apply", "plan.json", "--yes")
    assert applied.code == 0, applied
    assert served(emulator) == first


def test_what_cannot_be_served_is_refused(
    project: Project, hub: FakeHub, emulator: Emulator
) -> None:
    hub.add("acme/model", model(200))
    project.write(endpoint())
    planned = project.run("plan")
    assert planned.code == 5
    assert "weights 200.0 GB (bfloat16) on 80 GB (1 × H100): they do not fit" in planned.out
    assert "--no-preflight" in planned.out
    assert project.apply().code == 5
    assert writes(emulator) == []
    assert project.apply(env={"FRIENDLI_IAC_PREFLIGHT": "off"}).code == 0
    assert len(emulator.endpoints()) == 1


def test_a_hub_that_is_down_stops_nobody(
    project: Project, hub: FakeHub, emulator: Emulator
) -> None:
    hub.down = 503
    project.write(at("main"))
    (change,) = project.run("plan", "--format", "json").json["changes"]
    assert {check["level"] for check in change["checks"]} == {"UNKNOWN"}
    assert any("not locked: 'main'" in check["text"] for check in change["checks"])
    assert project.apply().code == 0
    assert served(emulator) == "main"
    hub.down = 0  # and what was sent so is not locked later on by itself
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_two_plans_of_the_same_have_the_same_digest(project: Project, hub: FakeHub) -> None:
    project.write(at(hub.repos["acme/model"].refs["main"]))
    looked = project.run("plan", "--format", "json").json
    blind = project.run("plan", "--format", "json", env={"FRIENDLI_IAC_PREFLIGHT": "off"}).json
    assert looked["changes"][0]["checks"] != blind["changes"][0]["checks"] == []
    assert looked["digest"] == blind["digest"]


def test_the_token_is_nowhere(project: Project, hub: FakeHub) -> None:
    hub.add("acme/model", private=True, readers={TOKEN})
    project.write(endpoint())
    project.env["HF_TOKEN"] = TOKEN
    for arguments in (["plan", "--out", "plan.json"], ["apply", "plan.json", "--yes"], ["plan"]):
        result = project.run(*arguments)
        assert result.code == 0, result
        assert TOKEN not in result.out + result.err
    assert TOKEN not in project.everything_written()
    assert {request.token for request in hub.requests} == {TOKEN}


def test_a_rollback_of_a_branch_holds_the_branch_off(
    project: Project, hub: FakeHub, emulator: Emulator
) -> None:
    """The manifest says `dev`, and its commit was sent: both are the same wish."""
    repo = hub.repos["acme/model"]
    first = repo.refs["main"]
    project.write(at("main"))
    assert project.apply().code == 0
    repo.refs["dev"] = repo.push(model(), name="dev")
    repo.refs["main"] = first
    project.write(at("dev"))
    assert project.apply().code == 0
    assert served(emulator) == repo.refs["dev"]
    done = project.run("rollback", "Endpoint/chat", "--yes")
    assert done.code == 0, done
    assert "main.yaml:6" in done.err
    assert served(emulator) == first
    assert asked(project) == {REVISION: "main"}
    held = project.apply()
    assert held.code == 5, held
    assert "asked for as dev" in held.out
    assert served(emulator) == first
    project.write(at("main"))
    assert "No changes" in project.run("plan").out


def test_another_instance_is_looked_at_and_other_changes_are_not(
    project: Project, hub: FakeHub, emulator: Emulator
) -> None:
    hub.add("acme/model", model(100))
    two = endpoint().replace("count: 1", "count: 2")
    project.write(two)
    assert project.apply().code == 0
    hub.requests.clear()
    project.write(two.replace("maxBatchSize: 64", "maxBatchSize: 32"))
    assert project.run("plan").code == 0
    assert hub.requests == []
    project.write(endpoint())
    refused = project.run("plan")
    assert refused.code == 5, refused
    assert "on 80 GB (1 × H100): they do not fit" in refused.out
    assert project.apply().code == 5
