"""apply --refresh-only: reality becomes what was applied, in state alone."""

from __future__ import annotations

import errno
from typing import Any

import httpx
import pytest

from friendli_iac.backends.files import Files
from friendli_iac.emulator import Emulator
from friendli_iac.engine.drift import Question, accept_drift
from friendli_iac.errors import StateError

from .harness import TOKEN, Project, endpoint, engine_for, writes

ENDPOINTS = "/dedicated/beta/endpoint"
WIDER = {"minReplica": 1, "maxReplica": 5, "cooldownPeriod": 300}


@pytest.fixture
def ours(project: Project) -> Project:
    project.write("---\n".join(endpoint(name) for name in "abc"))
    assert project.apply().code == 0
    return project


def resource(project: Project, name: str = "a") -> dict[str, Any]:
    found: dict[str, Any] = project.state["resources"][f"Endpoint/{name}"]
    return found


def delete(emulator: Emulator, id: str) -> None:
    url, headers = f"{emulator.url}{ENDPOINTS}/{id}", {"Authorization": f"Bearer {TOKEN}"}
    httpx.put(f"{url}/terminate", headers=headers).raise_for_status()
    httpx.delete(url, headers=headers).raise_for_status()


def test_readable_fields_become_what_was_applied(ours: Project, emulator: Emulator) -> None:
    emulator.change(resource(ours)["id"], autoscalingPolicy=WIDER, name="renamed")
    emulator.clear_requests()
    done = ours.run("apply", "--refresh-only", "--yes")
    assert done.code == 0, done
    assert "= what is live counts as applied" in done.out
    assert "1 recorded as they are; nothing was sent" in done.out
    assert writes(emulator) == []
    prior, fence = resource(ours)["prior"]["spec"], resource(ours)["fence"]
    assert prior["autoscaling"]["maxReplicas"] == 5
    assert (prior["name"], resource(ours)["name"]) == ("renamed", "renamed")
    assert fence["version"] == 1
    assert ours.run("drift").code == 0
    # The manifest still says something else, and of write-only fields nobody knows anything.
    planned = ours.run("plan")
    assert "~ autoscaling.maxReplicas  5 → 2" in planned.out
    assert "model.huggingFace.repo   UNKNOWN → acme/model" in planned.out
    assert "unknown since" not in planned.out
    assert planned.out.count("UPDATE") == 1
    assert ours.apply().code == 0
    assert "No changes." in ours.run("plan").out


def test_write_only_values_of_a_foreign_version_are_dropped(
    ours: Project, emulator: Emulator
) -> None:
    emulator.change(resource(ours)["id"], hfModelRepo="acme/other")
    assert ours.run("apply", "--refresh-only", "--yes").code == 0
    prior = resource(ours)["prior"]["spec"]
    assert "model" not in prior
    assert "contentLogging" not in prior["engine"]
    assert prior["engine"]["maxBatchSize"] == 64
    assert resource(ours)["unknown"] == []  # else the manifest would be believed
    assert "UNKNOWN → acme/model" in ours.run("plan").out


def test_our_own_values_stay_where_nobody_made_a_version(ours: Project, emulator: Emulator) -> None:
    # As though something had been applied that is not in force: the version is still ours.
    state = ours.state_path.read_text()
    ours.state_path.write_text(state.replace('"maxBatchSize": 64', '"maxBatchSize": 32'))
    done = ours.run("apply", "--refresh-only", "--yes")
    assert done.code == 0, done
    prior = resource(ours)["prior"]["spec"]
    assert prior["engine"]["maxBatchSize"] == 64
    assert prior["model"]["huggingFace"]["repo"] == "acme/model"
    assert "No changes." in ours.run("plan").out


def test_what_is_gone_is_forgotten(ours: Project, emulator: Emulator) -> None:
    delete(emulator, resource(ours)["id"])
    done = ours.run("apply", "--refresh-only", "--yes")
    assert done.code == 0, done
    assert set(ours.state["resources"]) == {"Endpoint/b", "Endpoint/c"}
    assert "CREATE Endpoint/a   (new in the manifests)" in ours.run("plan").out


def test_a_status_is_not_accepted(ours: Project, emulator: Emulator) -> None:
    emulator.set_status(resource(ours)["id"], "TERMINATED")
    before = ours.state
    done = ours.run("apply", "--refresh-only", "--yes")
    assert done.code == 0, done
    assert "still to do, for a status is not accepted: restart" in done.out
    assert ours.state == before
    assert "RESTART Endpoint/a" in ours.run("plan").out


def test_without_drift_nothing_is_asked_or_written(ours: Project) -> None:
    before = ours.state
    done = ours.run("apply", "--refresh-only")
    assert done.code == 0, done
    assert "no drift" in done.out
    assert ours.state == before


def test_it_asks_first(ours: Project, emulator: Emulator) -> None:
    emulator.change(resource(ours)["id"], name="renamed")
    before = ours.state
    nobody = ours.run("apply", "--refresh-only")
    assert nobody.code == 64, nobody
    assert "nobody to ask" in nobody.err
    assert ours.state == before


def test_it_can_be_narrowed(ours: Project, emulator: Emulator) -> None:
    for name in "ab":
        emulator.change(resource(ours, name)["id"], autoscalingPolicy=WIDER)
    assert ours.run("apply", "--refresh-only", "--yes", "--target", "Endpoint/a").code == 0
    left = ours.run("drift", "--format", "json").json["resources"]
    assert [one["address"] for one in left] == ["Endpoint/b"]


@pytest.mark.parametrize(
    "more",
    [("x.plan",), ("-f", "main.yaml"), ("--replace", "Endpoint/a"), ("--refresh", "none")],
)
def test_what_does_not_go_with_it(ours: Project, more: tuple[str, ...]) -> None:
    assert ours.run("apply", "--refresh-only", "--yes", *more).code == 64


def test_json(ours: Project, emulator: Emulator) -> None:
    emulator.change(resource(ours)["id"], autoscalingPolicy=WIDER)
    done = ours.run("apply", "--refresh-only", "--yes", "--format", "json").json
    (one,) = done["accepted"]
    assert (one["address"], one["recorded"]) == ("Endpoint/a", True)


def test_what_was_sent_and_is_not_proved_is_not_accepted(ours: Project, emulator: Emulator) -> None:
    emulator.set_durations(update=1000)
    ours.write("---\n".join([endpoint("a", batch=128), endpoint("b"), endpoint("c")]))
    assert ours.apply("--no-wait").code == 0
    emulator.change(resource(ours)["id"], name="renamed")
    emulator.advance(1000)
    done = ours.run("apply", "--refresh-only", "--yes")
    assert done.code == 0, done
    assert "not accepted: what was sent last is not proved to serve" in done.out
    assert resource(ours)["pending"] is not None


def test_an_open_effect_is_settled_first(ours: Project, emulator: Emulator) -> None:
    emulator.change(resource(ours, "b")["id"], name="renamed")
    ours.write(endpoint("d"), "d.yaml")
    emulator.hold("POST", f"{ENDPOINTS}$", "after")
    running = ours.spawn("apply", "--yes", "--target", "Endpoint/d")
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.release()
    refused = ours.run("apply", "--refresh-only", "--yes")
    assert refused.code == 5, refused
    assert "left open: create Endpoint/d" in refused.err


def test_it_is_journalled_under_the_lock(ours: Project, emulator: Emulator) -> None:
    emulator.change(resource(ours)["id"], autoscalingPolicy=WIDER)
    emulator.hold("GET", f"{ENDPOINTS}$")
    running = ours.spawn("apply", "--refresh-only", "--yes")
    emulator.wait_held()
    locked = ours.run("apply", "--yes")
    assert locked.code == 7, locked
    assert "refresh by" in locked.err
    emulator.release()
    out, _ = running.communicate()
    assert running.returncode == 0, out
    assert resource(ours)["prior"]["spec"]["autoscaling"]["maxReplicas"] == 5


class FullAt(Files):
    """A disk that is full for the one line that holds `mark`."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark

    def write(self, descriptor: int, data: bytes) -> None:
        if self.mark in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(descriptor, data)


def test_half_accepted_is_never_taken_for_ours(ours: Project, emulator: Emulator) -> None:
    emulator.change(resource(ours)["id"], autoscalingPolicy=WIDER)
    files = FullAt(b'"type":"fence"')
    with engine_for(ours, emulator, files=files) as engine, pytest.raises(StateError):
        accept_drift(engine, Question(), lambda report: True)
    again = ours.run("drift")
    assert again.code == 2, again
    assert "UNKNOWN since version 1" in again.out
    assert ours.run("apply", "--refresh-only", "--yes").code == 0
    assert ours.run("drift").code == 0


def test_a_leftover_keeps_what_is_gone_in_state(project: Project, emulator: Emulator) -> None:
    project.write(
        "---\n".join(
            [endpoint("a", more="  lifecycle: {createBeforeDestroy: true}\n"), endpoint("b")]
        )
    )
    assert project.apply().code == 0
    old = resource(project)["id"]
    emulator.fault("PUT", f"/{old}/terminate$", status=400, count=None)
    assert project.apply("--replace", "Endpoint/a", "--allow-destroy").code != 0
    delete(emulator, resource(project)["id"])
    done = project.run("apply", "--refresh-only", "--yes")
    assert done.code == 0, done
    assert f"not accepted: {old} is left over from a replacement" in done.out
    assert resource(project)["deposed"]["id"] == old
