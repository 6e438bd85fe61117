"""drift: what others changed is named, and what the service does by itself is not."""

from __future__ import annotations

import httpx
import pytest

from friendli_iac.emulator import Emulator
from friendli_iac.emulator.clock import timestamp

from .artifacts import ALL, deployed, registry
from .harness import TOKEN, Project, endpoint, writes

ENDPOINTS = "/dedicated/beta/endpoint"
MAY_SLEEP = "autoscaling: {minReplicas: 0, maxReplicas: 2, cooldown: 5m}"


def applied(project: Project, *documents: str) -> dict[str, str]:
    """The ids of applied endpoints by the names of their addresses."""
    project.write("---\n".join(documents or (endpoint(),)))
    assert project.apply().code == 0
    return {a.partition("/")[2]: r["id"] for a, r in project.state["resources"].items()}


def ask(emulator: Emulator, method: str, path: str) -> None:
    """A request as somebody else sends it."""
    url, headers = f"{emulator.url}{ENDPOINTS}{path}", {"Authorization": f"Bearer {TOKEN}"}
    httpx.request(method, url, headers=headers).raise_for_status()


def sleepy(name: str = "chat", more: str = "") -> str:
    old = "autoscaling: {minReplicas: 1, maxReplicas: 2, cooldown: 5m}"
    return endpoint(name, more=more).replace(old, MAY_SLEEP)


def test_what_is_as_it_was_applied_is_no_drift(project: Project, emulator: Emulator) -> None:
    applied(project)
    emulator.clear_requests()
    found = project.run("drift")
    assert found.code == 0, found
    assert "no drift: 1 as applied" in found.out
    assert writes(emulator) == []


def test_nothing_in_state_is_no_drift(project: Project) -> None:
    found = project.run("drift")
    assert found.code == 0, found
    assert not project.state_path.exists()


def test_a_field_that_others_changed_and_a_version_that_is_not_ours(
    project: Project, emulator: Emulator
) -> None:
    ids = applied(project)
    policy = {"minReplica": 1, "maxReplica": 5, "cooldownPeriod": 600}
    emulator.change(ids["chat"], autoscalingPolicy=policy)
    found = project.run("drift")
    assert found.code == 2, found
    assert "~ autoscaling.maxReplicas  2 → 5" in found.out
    assert "~ autoscaling.cooldown     5m → 10m" in found.out
    assert "UNKNOWN since version 1, which is not ours" in found.out
    assert "model.huggingFace.repo acme/model" in found.out  # what we last sent
    assert "engine.maxBatchSize" not in found.out
    assert "friendli-iac apply --refresh-only" in found.err
    assert (
        "friendli-iac set Endpoint/chat spec.autoscaling.maxReplicas=5 "
        "spec.autoscaling.cooldown=10m" in found.err
    )
    (resource,) = project.run("drift", "--format", "json").json["resources"]
    assert resource["unknown_since"] == 1
    assert resource["last_sent"] == {
        "engine.contentLogging": False,
        "model.huggingFace.repo": "acme/model",
    }
    assert {"path": "autoscaling.maxReplicas", "applied": 2, "live": 5} in resource["fields"]


def test_the_hint_that_declares_what_is_live_is_understood(
    project: Project, emulator: Emulator
) -> None:
    ids = applied(project)
    policy = {"minReplica": 1, "maxReplica": 5, "cooldownPeriod": 600}
    emulator.change(ids["chat"], autoscalingPolicy=policy)
    hint = project.run("drift").err.partition("friendli-iac set ")[2].split("\n")[0]
    assert project.run("set", *hint.split()).code == 0
    (change,) = [c for c in project.run("plan", "--format", "json").json["changes"] if c["fields"]]
    assert not [f["path"] for f in change["fields"] if "autoscaling" in f["path"]]


def test_a_model_that_cannot_be_read_is_unknown(project: Project, emulator: Emulator) -> None:
    ids = applied(project)
    emulator.change(ids["chat"], hfModelRepo="acme/somebody-elses")
    (resource,) = project.run("drift", "--format", "json").json["resources"]
    assert resource["fields"] == []
    assert resource["unknown_since"] == 1


def test_a_version_is_noticed_though_the_update_time_did_not_move(
    project: Project, emulator: Emulator
) -> None:
    ids = applied(project)
    emulator.change(ids["chat"], hfModelRepo="acme/somebody-elses")
    state = project.state_path.read_text()
    moved = emulator.endpoint(ids["chat"])["updated_at"]
    before = project.state["resources"]["Endpoint/chat"]["fence"]["updated_at"]
    project.state_path.write_text(state.replace(before, timestamp(moved)))
    assert project.run("drift").code == 2
    assert project.run("drift", "--refresh", "fast").code == 0


def test_renamed_by_others(project: Project, emulator: Emulator) -> None:
    ids = applied(project)
    emulator.change(ids["chat"], name="assistant")
    assert "~ name  chat → assistant" in project.run("drift").out


def test_gone_and_terminated(project: Project, emulator: Emulator) -> None:
    ids = applied(project, endpoint("gone"), endpoint("ended"), sleepy("slept"), endpoint("well"))
    ask(emulator, "PUT", f"/{ids['gone']}/terminate")
    ask(emulator, "DELETE", f"/{ids['gone']}")
    emulator.set_status(ids["ended"], "TERMINATED")
    emulator.set_status(ids["slept"], "TERMINATED")
    found = project.run("drift")
    assert found.code == 2, found
    assert (
        f"- Endpoint/gone   {ids['gone']}   GONE: 404, and not in the project's list" in found.out
    )
    ended, slept = found.out.split("Endpoint/slept")
    assert "it is TERMINATED and should serve\n" in ended
    assert "probably it slept for 48 h" in slept
    assert "3 of 4 drifted" in found.out


def test_what_slept_too_long_is_terminated(project: Project, emulator: Emulator) -> None:
    applied(project, sleepy())
    emulator.advance(49 * 3600)
    assert "TERMINATED" in (found := project.run("drift")).out, found
    assert "probably it slept for 48 h" in found.out
    assert "--refresh-only" not in found.err  # a status cannot be accepted


def test_everything_gone_at_once_is_no_drift_to_believe(
    project: Project, emulator: Emulator
) -> None:
    applied(project)
    emulator.reset()
    found = project.run("drift")
    assert found.code == 2
    assert "gone at once" in found.out
    assert "friendli-iac doctor" in found.out
    refused = project.run("apply", "--refresh-only", "--yes")
    assert refused.code == 5, refused
    assert "Endpoint/chat" in project.state["resources"]


def test_put_to_sleep_though_it_should_run(project: Project, emulator: Emulator) -> None:
    ids = applied(project, endpoint(more="  desired: running\n"))
    ask(emulator, "PUT", f"/{ids['chat']}/sleep")
    found = project.run("drift")
    assert found.code == 2, found
    assert "it sleeps, and spec.desired is running" in found.out


@pytest.mark.parametrize("status", ["SLEEPING", "AWAKING", "UPDATING", "INITIALIZING", "NEWWORD"])
def test_what_the_service_does_by_itself_is_never_drift(
    project: Project, emulator: Emulator, status: str
) -> None:
    ids = applied(project, sleepy())
    emulator.set_status(ids["chat"], status, phase="DOWNLOADING_MODEL")
    found = project.run("drift")
    assert found.code == 0, found


def test_the_autoscaler_at_work_is_never_drift(project: Project, emulator: Emulator) -> None:
    ids = applied(project, sleepy())
    emulator.advance(600)
    asleep = project.run("drift")
    assert emulator.endpoint(ids["chat"])["status"] == "SLEEPING"
    assert asleep.code == 0, asleep
    ask(emulator, "PUT", f"/{ids['chat']}/wake")  # as a request would; replica counts move too
    assert project.run("drift").code == 0


def test_ignored_fields_are_left_alone(project: Project, emulator: Emulator) -> None:
    ids = applied(project, endpoint(more="  lifecycle: {ignoreChanges: [autoscaling]}\n"))
    policy = {"minReplica": 1, "maxReplica": 9, "cooldownPeriod": 300}
    emulator.change(ids["chat"], autoscalingPolicy=policy)
    (resource,) = project.run("drift", "--format", "json").json["resources"]
    assert resource["fields"] == []


def test_what_is_being_rolled_out_is_no_drift(project: Project, emulator: Emulator) -> None:
    applied(project)
    emulator.set_durations(update=1000)
    project.write(endpoint(batch=128))
    assert project.apply("--no-wait").code == 0
    found = project.run("drift")
    assert found.code == 0, found


def test_what_is_not_proved_yet_is_the_next_applys_business(
    project: Project, emulator: Emulator
) -> None:
    ids = applied(project)
    emulator.set_durations(update=1000)
    project.write(endpoint(batch=128))
    assert project.apply("--no-wait").code == 0
    emulator.set_status(ids["chat"], "FAILED")
    found = project.run("drift")
    assert found.code == 0, found
    assert "note: Endpoint/chat: what was sent last is not proved to serve" in found.out


def test_a_leftover_of_a_replacement(project: Project, emulator: Emulator) -> None:
    keep = "  lifecycle: {createBeforeDestroy: true}\n"
    ids = applied(project, endpoint(more=keep))
    emulator.fault("PUT", f"/{ids['chat']}/terminate$", status=400, count=None)
    replaced = project.apply("--replace", "Endpoint/chat", "--allow-destroy")
    assert replaced.code != 0
    assert project.state["resources"]["Endpoint/chat"]["deposed"]["id"] == ids["chat"]
    found = project.run("drift")
    assert found.code == 2, found
    assert f"{ids['chat']} is left over from a replacement (RUNNING; it may bill)" in found.out
    # It is ours: no plan calls it a stranger.
    assert "not ours" not in project.run("plan").out


def test_narrowed(project: Project, emulator: Emulator) -> None:
    ids = applied(project, endpoint("a"), endpoint("b"))
    for id in ids.values():
        emulator.change(id, name="x")
    found = project.run("drift", "--target", "Endpoint/a", "--format", "json").json
    assert [one["address"] for one in found["resources"]] == ["Endpoint/a"]
    assert found["narrowed"] == "--target Endpoint/a"
    assert project.run("drift", "--target", "Endpoint/c").code == 64


def test_markdown(project: Project, emulator: Emulator) -> None:
    ids = applied(project)
    emulator.change(ids["chat"], name="a|b`c")
    found = project.run("drift", "--format", "markdown")
    assert found.code == 2
    assert "### friendli-iac drift: 1 of 1 drifted" in found.out
    assert "| `name` | `chat` | ``a\\|b`c`` |" in found.out


def test_only_what_one_value_says_is_offered_to_be_declared(
    project: Project, emulator: Emulator
) -> None:
    registry(emulator)
    project.write(deployed() + ALL)
    assert project.apply().code == 0
    (automation,) = emulator.wandb.automations("acme")
    action = automation["config"]["genericWebhookActionInput"]
    config = {"genericWebhookActionInput": {**action, "requestPayload": '{"x": 1}'}}
    emulator.wandb.edit_automation(automation["id"], config=config)
    drift = project.run("drift")
    assert drift.code == 2
    assert "payload" in drift.out
    assert "to declare it" not in drift.out + drift.err
