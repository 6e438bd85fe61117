"""Ways around the rules of a policy: each of them is judged after all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, writes
from .policies import RULES, applied, document, planned, platform
from .test_policy import PROBE

OWNED = "owner: ann"


def change(project: Project, *arguments: str) -> dict[str, Any]:
    """The only change of a plan."""
    (found,) = project.run("plan", "--format", "json", *arguments).json["changes"]
    return dict(found)


def rules_of(found: list[dict[str, Any]]) -> list[str]:
    return [one["rule"] for one in found if one["level"] == "deny"]


# --- a rollback that is not finished ---


@pytest.mark.parametrize(
    "more",
    [
        document(batch=128, maximum=9).replace("H100", "B200"),
        document(batch=128, labels=OWNED).replace("p1", "p2"),
    ],
    ids=["another GPU", "another project"],
)
def test_nothing_goes_out_with_a_rollback_that_is_owed(
    more: str, project: Project, emulator: Emulator
) -> None:
    applied(project, document(labels=OWNED))
    applied(project, document(batch=128, labels=OWNED))
    assert project.run("rollback", "Endpoint/chat", "--yes", "--no-wait", *FAST).code == 0
    emulator.clear_requests()
    platform(project, allowedGpus=["H100"], maxReplicas=2, requireOwner=True, denyDelete=True)
    project.write(more)
    assert change(project, "--policy", RULES)["action"] == "verify"
    assert project.apply("--policy", RULES, "--allow-destroy").code == 5, "it is held off"
    assert writes(emulator) == [], "it was sent already"
    assert planned(project)[0] == 5, "and then it is judged"


def test_what_goes_back_answers_for_the_labels_that_it_takes_away(
    project: Project, emulator: Emulator
) -> None:
    applied(project, document(labels=OWNED))
    (serving,) = (one["id"] for one in emulator.endpoints())
    emulator.fail_next_rollout(serving, "down:INFERENCE_ENGINE_OUT_OF_GPU_MEMORY")
    project.write(document(batch=128, labels=OWNED))
    assert project.apply().code == 10
    state = project.state  # as a run leaves it that was cut off before all was back
    state["resources"]["Endpoint/chat"]["pin"]["stage"] = "owed"
    project.state_path.write_text(json.dumps(state))
    less = {"minReplica": 1, "maxReplica": 1, "cooldownPeriod": 300}
    emulator.change(serving, autoscalingPolicy=less)
    platform(project, maxReplicas=1, allowedGpus=["H200"], requireOwner=True)
    assert planned(project) == (0, [])
    project.write(document(batch=128))
    code, found = planned(project)
    assert (code, rules_of(found)) == (5, ["requireOwner"])
    replaced = change(project, "--policy", RULES, "--replace", "Endpoint/chat")
    assert (replaced["action"], bool(replaced["trial"])) == ("replace", True)
    _, found = planned(project, "--replace", "Endpoint/chat")
    assert set(rules_of(found)) == {"maxReplicas", "allowedGpus", "requireOwner"}


def test_to_wake_takes_nothing_back(project: Project, emulator: Emulator) -> None:
    applied(project, document())
    applied(project, document(batch=128))
    assert project.run("rollback", "Endpoint/chat", "--yes", *FAST).code == 0
    state = project.state
    state["resources"]["Endpoint/chat"]["pin"]["stage"] = "owed"
    project.state_path.write_text(json.dumps(state))
    emulator.set_status(emulator.endpoints()[0]["id"], "SLEEPING")
    platform(project, maxReplicas=1)
    project.write(document(batch=128, more="  desired: running\n"))
    assert change(project)["action"] == "wake"
    assert planned(project)[0] == 5


# --- what rests ---


def test_sleep_answers_for_what_it_takes_away(project: Project) -> None:
    rests = "  desired: sleeping\n"
    applied(project, document(labels=OWNED, more=PROBE))
    platform(project, requireOwner=True, requireProbe=True, maxReplicas=1, allowedGpus=["H200"])
    project.write(document(more=rests))
    code, found = planned(project)
    assert (code, rules_of(found)) == (5, ["requireOwner", "requireProbe"])
    project.write(document(labels=OWNED, more=PROBE + rests))
    assert planned(project, "--detailed-exitcode") == (2, [])


def test_an_end_waits_for_nothing_and_a_new_start_is_judged(project: Project) -> None:
    rests = "  desired: terminated\n"
    applied(project, document(labels=OWNED, more=PROBE))
    platform(project, requireOwner=True, requireProbe=True)
    project.write(document(more=rests))
    code, found = planned(project)
    assert (code, {one["level"] for one in found}) == (0, {"warn"})
    assert [one["rule"] for one in found] == ["requireOwner", "requireProbe"]
    applied(project, document(more=rests))
    project.write(document())
    code, found = planned(project)
    assert (code, rules_of(found)) == (5, ["requireOwner", "requireProbe"])


@pytest.mark.parametrize(
    "rests",
    ['  lifecycle: {expires: "2020-01-01"}\n', "  desired: terminated\n"],
    ids=["expired", "terminated"],
)
def test_what_is_to_rest_is_not_replaced(rests: str, project: Project, emulator: Emulator) -> None:
    applied(project, document())
    emulator.clear_requests()
    project.write(document(more=rests))
    made = project.run("plan", "--format", "json", "--replace", "Endpoint/chat")
    assert made.code == 5, made
    assert made.json["changes"][0]["cost_after"] == ([3.9, 7.8] if "expires" in rests else [0, 0])
    done = project.apply("--replace", "Endpoint/chat", "--allow-destroy")
    assert done.code == 5, done
    assert "--replace would start a new one" in done.err
    assert "or leave --replace out" in done.err
    assert writes(emulator) == []
    assert change(project)["cost_after"] == [0, 0]


def test_an_end_that_was_interrupted_costs_nothing_afterwards(
    project: Project, emulator: Emulator
) -> None:
    emulator.fail_next_rollout("*", "INFERENCE_ENGINE_OUT_OF_GPU_MEMORY")
    emulator.fault("PUT", "/terminate$", kind="status", status=400, count=1)
    project.write(document())
    assert project.apply().code == 4
    assert project.state["resources"]["Endpoint/chat"]["pin"]["stage"] == "ending"
    ends = change(project)
    assert (ends["action"], ends["cost_after"]) == ("terminate", [0, 0])


# --- labels and costs ---


def test_a_required_label_is_not_given_for_another(project: Project) -> None:
    applied(project, document(labels="team: a"))
    platform(project, requireLabels=["team", "tier"])
    project.write(document(labels="tier: x"))
    code, (found,) = planned(project)
    assert (code, found["path"]) == (5, "labels.team")
    project.write(document(labels="tier: x", maximum=1))
    assert planned(project)[0] == 5, "not with fewer replicas, either"
    project.write(document(labels="team: a", maximum=1))
    assert planned(project) == (0, [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("replicas: 6", "minReplicas: 1, maxReplicas: 5"),
        ("minReplicas: 5, maxReplicas: 6", "replicas: 5"),
    ],
)
def test_fewer_replicas_in_other_words_are_fewer(before: str, after: str, project: Project) -> None:
    said = "minReplicas: 1, maxReplicas: 2, cooldown: 5m"
    applied(project, document().replace(said, before))
    platform(project, maxReplicas=1)
    project.write(document().replace(said, after))
    assert planned(project, "--detailed-exitcode") == (2, [])


def test_what_a_replacement_left_behind_is_counted(project: Project, emulator: Emulator) -> None:
    first = "  lifecycle: {createBeforeDestroy: true}\n"
    applied(project, document(more=first))
    emulator.fault("PUT", "/terminate$", kind="status", status=400, count=1)
    project.write(document(more=first).replace("p1", "p2"))
    assert project.apply("--allow-destroy").code == 4
    left = change(project)
    assert (left["leftover"], left["cost_before"], left["cost_after"]) == (
        True, [7.8, 15.6], [3.9, 7.8],
    )  # fmt: skip
    # What is changed meanwhile leaves it there.
    project.write(document(more=first, batch=128).replace("p1", "p2"))
    update = change(project)
    assert (update["cost_before"], update["cost_after"]) == ([7.8, 15.6], [7.8, 15.6])
    assert update["surge"] == 7.8, "what is left does not start anew"
    # And beside another one, it counts.
    project.write(document("b"), "b.yaml")
    platform(project, maxHourlyCost=20)
    code, (found,) = planned(project, "--target", "Endpoint/b")
    assert (code, "up to $23.40/h" in found["message"]) == (5, True)
    gone = project.run("destroy", "--yes", *FAST, "--format", "json").json
    assert gone["plan"]["changes"][0]["cost_before"] == [7.8, 15.6]


# --- saved plans ---


def test_a_saved_plan_is_not_judged_by_the_prices_that_it_brought(
    project: Project, emulator: Emulator
) -> None:
    project.write(json.dumps({"prices": {"gpuHour": {"H100": 0.01}}}), "friendli-iac.yaml")
    project.write(document(maximum=10))
    platform(project, maxHourlyCost=5)
    assert project.run("plan", "--out", "plan.json").code == 0
    stale = project.run("apply", "plan.json", *FAST, "--policy", RULES)
    assert stale.code == 6, stale
    assert "estimated with other prices (prices of friendli-iac.yaml" in stale.err
    assert writes(emulator) == []
    platform(project, maxReplicas=10)
    assert project.run("apply", "plan.json", *FAST, "--policy", RULES).code == 0, "no rule asks"


def test_a_reason_covers_no_more_than_it_was_given_for(
    project: Project, emulator: Emulator
) -> None:
    project.write(document(maximum=9))
    platform(project, maxReplicas=5, maxHourlyCost=30)
    reason = ("--override", "nine are agreed")
    made = project.run("plan", "--policy", RULES, *reason, "--out", "plan.json")
    assert made.code == 0, made
    for worse in ({"maxReplicas": 2, "maxHourlyCost": 30}, {"maxReplicas": 5, "maxHourlyCost": 9}):
        platform(project, **worse)
        stopped = project.run("apply", "plan.json", *FAST, "--policy", RULES)
        assert stopped.code == 5, stopped
    assert writes(emulator) == []
    platform(project, maxReplicas=5, maxHourlyCost=30)
    assert project.run("apply", "plan.json", *FAST, "--policy", RULES).code == 0


def test_a_reason_holds_for_the_rest_of_what_was_begun(
    project: Project, emulator: Emulator
) -> None:
    applied(project, "---\n".join(document(name) for name in "abc"))
    platform(project, maxDestroyPercent=10)
    project.write(document("c"))
    project.env["FRIENDLI_IAC_POLICY"] = RULES
    assert project.run("plan", "--override", "agreed", "--out", "plan.json").code == 0
    emulator.fault("DELETE", "/endpoint/", kind="status", status=400, count=1)
    saved = ("apply", "plan.json", "--allow-destroy", "--continue-on-error", *FAST)
    assert project.run(*saved).code == 4
    assert len(emulator.endpoints()) == 2
    done = project.run(*saved)
    assert done.code == 0, done
