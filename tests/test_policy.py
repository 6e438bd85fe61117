"""Rules of policies: what breaks each of them, what they let through, and what they never stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .fakehub import FakeHub
from .harness import FAST, Project, writes
from .policies import RULES, applied, document, planned, platform

PROBE = "  rollout: {probe: {tokenize: {prompt: hi}}}\n"
EXPIRES = "  lifecycle: {expires: 72h}\n"
# By rule: its value; what breaks it, and where; and what keeps to it.
OF_ONE = {
    "maxReplicas": (2, document(maximum=3), "autoscaling.maxReplicas", 8, document(maximum=2)),
    "allowedGpus": (["H200"], document(), "instance.gpu", 7, document().replace("H100", "H200")),
    "requirePinnedRevision": (
        True, document(), "model.huggingFace.revision", 6, document(pinned=True),
    ),
    "requireLabels": (
        ["team", "tier"], document(labels="team: a"), "labels.tier", 3,
        document(labels="team: a, tier: b"),
    ),
    "requireOwner": (True, document(), "labels.owner", 3, document(labels="owner: ann")),
    "requireProbe": (True, document(), "rollout.probe", 1, document(more=PROBE)),
    "requireExpiry": (
        {"env": "dev"}, document(labels="env: dev"), "lifecycle.expires", 1,
        document(labels="env: dev", more=EXPIRES),
    ),
    "maxHourlyCost": (10, document(maximum=3), "", 8, document(maximum=2)),
}  # fmt: skip


@pytest.mark.parametrize("rule", OF_ONE)
def test_a_rule_denies_what_breaks_it_and_nothing_else(
    rule: str, project: Project, emulator: Emulator
) -> None:
    value, bad, path, line, good = OF_ONE[rule]
    project.write(bad)
    platform(project, **{rule: value})
    code, (found,) = planned(project)
    assert code == 5
    assert (found["rule"], found["level"], found["path"]) == (rule, "deny", path)
    assert (found["source"], found["origin"]) == (f"main.yaml:{line}", f"{RULES}:1")
    assert project.apply("--policy", RULES).code == 5
    assert writes(emulator) == []
    checked = project.run("validate", "--policy", RULES)
    assert checked.code == 5, checked
    assert f"DENIED {'' if rule == 'maxHourlyCost' else 'Endpoint/chat: '}" in checked.err
    platform(project, **{rule: {"value": value, "level": "warn"}})
    code, (found,) = planned(project)
    assert (code, found["level"]) == (0, "warn")
    assert project.run("validate", "--policy", RULES).code == 0
    project.write(good)
    platform(project, **{rule: value})
    assert planned(project) == (0, [])
    assert project.run("validate", "--policy", RULES).code == 0


@pytest.mark.parametrize("rule", [*OF_ONE, "denyDelete", "maxDestroyPercent"])
def test_an_exemption_holds_until_its_last_day_and_no_longer(rule: str, project: Project) -> None:
    if rule in OF_ONE:
        value, bad, *_ = OF_ONE[rule]
        project.write(bad)
    else:
        value = 10 if rule == "maxDestroyPercent" else True
        applied(project, f"{document()}---\n{document('other')}")
        project.write(document("other"))
    exemption = {"address": "Endpoint/ch*", "reason": "agreed with ann", "until": "2999-12-31"}
    platform(project, **{rule: {"value": value, "exempt": [exemption]}})
    code, found = planned(project)
    assert code == 0
    if rule not in ("maxHourlyCost", "maxDestroyPercent"):  # there, it is not counted
        assert [one["exempt"] for one in found] == ["agreed with ann, until 2999-12-31"]
    exemption["until"] = "2020-01-31"
    platform(project, **{rule: {"value": value, "exempt": [exemption]}})
    code, (denied, over) = planned(project)
    assert code == 5
    assert (denied["level"], denied["exempt"]) == ("deny", "")
    assert (over["level"], over["source"]) == ("warn", f"{RULES}:1")
    assert "ended on 2020-01-31 and holds no more (agreed with ann)" in over["message"]


def test_a_branch_is_no_pin_though_the_plan_has_its_commit(
    project: Project, tmp_path: Path
) -> None:
    project.write(document().replace("acme/model}", "acme/model, revision: main}"))
    platform(project, requirePinnedRevision=True)
    with FakeHub() as hub:
        hub.add("acme/model")
        project.env |= {"FRIENDLI_IAC_PREFLIGHT": "on", "HF_ENDPOINT": hub.url}
        project.env |= {"HF_HUB_CACHE": str(tmp_path / "cache")}
        made = project.run("plan", "--policy", RULES, "--format", "json")
    assert made.code == 5, made
    (change,) = made.json["changes"]
    assert len(change["after"]["spec"]["model"]["huggingFace"]["revision"]) == 40
    assert made.json["findings"][0]["message"] == "revision main is no full commit"


def test_deletes_and_replacements(project: Project, emulator: Emulator) -> None:
    three = [document(name) for name in ("a", "b", "c")]
    applied(project, "---\n".join(three))
    emulator.clear_requests()
    platform(project, denyDelete=True)
    project.write("---\n".join(three[1:]).replace("p1", "p2", 1))
    _, found = planned(project)
    assert [(f["address"], f["message"]) for f in found] == [
        ("Endpoint/a", "this plan would delete it"),
        ("Endpoint/b", "this plan would replace it"),
    ]
    assert project.run("destroy", "--yes", *FAST, "--policy", RULES).code == 5
    platform(project, maxDestroyPercent=66)
    code, (found_,) = planned(project)
    assert code == 5
    assert (
        "2 of 3 in state would end (67 %, and the limit is 66 %): Endpoint/a, Endpoint/b"
        in found_["message"]
    )
    assert writes(emulator) == []
    platform(project, maxDestroyPercent=67)
    assert planned(project) == (0, [])


def test_the_cost_counts_what_the_plan_is_not_about(project: Project) -> None:
    applied(project, document("a"))  # up to $7.80
    project.write(document("b"), "b.yaml")
    platform(project, maxHourlyCost=15)
    for narrow in ((), ("--target", "Endpoint/b"), ("-f", "b.yaml")):
        code, (found,) = planned(project, *narrow)
        assert code == 5
        assert (
            "up to $15.60/h: the limit is $15.00/h; Endpoint/b adds most, $7.80/h"
            in (found["message"])
        )
    platform(project, maxHourlyCost=1)
    project.write(document("a", maximum=1))
    code, (found,) = planned(project, "--target", "Endpoint/a")
    assert (code, found["level"]) == (0, "warn"), "it is too much still, and less than before"


def test_a_price_that_nobody_knows_is_said(project: Project) -> None:
    project.write(document().replace("H100", "B300"))
    platform(project, maxHourlyCost=1)
    code, (found,) = planned(project)
    assert (code, found["level"]) == (0, "warn")
    assert "what Endpoint/chat would cost is not known" in found["message"]
    rules = {"policy": {"maxHourlyCost": 1}, "prices": {"gpuHour": {"B300": 9}}}
    project.write(json.dumps(rules), RULES)
    assert planned(project)[0] == 5


# --- what no rule stops ---

STRICT: dict[str, Any] = {
    "maxReplicas": 1, "allowedGpus": ["H200"], "requirePinnedRevision": True, "requireProbe": True,
    "requireOwner": True, "requireExpiry": True, "maxHourlyCost": 1, "denyDelete": True,
    "maxDestroyPercent": 0,
}  # fmt: skip


@pytest.fixture
def strict(project: Project, emulator: Emulator) -> Project:
    """A project whose only endpoint breaks every rule, and was there before them."""
    applied(project, document(maximum=6))
    applied(project, document(maximum=6, batch=128))
    platform(project, **STRICT)
    project.env["FRIENDLI_IAC_POLICY"] = RULES
    emulator.clear_requests()
    return project


def test_what_stays_as_it_is_is_not_held_against_a_plan(strict: Project) -> None:
    assert planned(strict) == (0, [])
    assert strict.run("validate").code == 5


@pytest.mark.parametrize(
    "manifest",
    [
        document(maximum=5, batch=128),
        document(maximum=6, batch=128).replace("minReplicas: 1", "minReplicas: 0"),
        document(maximum=6, batch=128, more="  desired: sleeping\n"),
        document(maximum=6, batch=128, more="  desired: terminated\n"),
        document(maximum=6, batch=128, labels="owner: ann"),
    ],
    ids=["fewer at most", "fewer at least", "sleep", "terminate", "a label more"],
)
def test_what_makes_it_smaller_or_better_is_let_through(
    manifest: str, strict: Project, emulator: Emulator
) -> None:
    strict.write(manifest)
    code, found = planned(strict, "--detailed-exitcode")
    assert code == 2
    assert {one["rule"] for one in found} <= {"maxHourlyCost"}
    done = strict.apply()
    assert done.code == 0, done
    assert len(writes(emulator)) == ("owner" not in manifest)


def test_more_replicas_or_another_change_beside_is_judged(strict: Project) -> None:
    strict.write(document(maximum=7, batch=128))
    assert planned(strict)[0] == 5
    strict.write(document(maximum=7, batch=128).replace("minReplicas: 1", "minReplicas: 0"))
    code, found = planned(strict)
    assert code == 5
    assert "requireOwner" in {one["rule"] for one in found}, "fewer at least, and more at most"
    strict.write(document(maximum=5, batch=256))
    code, found = planned(strict)
    assert code == 5
    levels = {one["rule"]: one["level"] for one in found}
    assert levels.pop("maxReplicas") == "warn", "5 is more than 1, and better than 6"
    assert levels.pop("maxHourlyCost") == "warn", "it is less than before"
    assert set(levels.values()) == {"deny"}


def test_what_starts_again_is_judged(project: Project) -> None:
    ended = document(more="  desired: terminated\n")
    applied(project, ended)
    platform(project, requireOwner=True, maxHourlyCost=5)
    assert planned(project) == (0, [])
    project.write(document())
    code, found = planned(project)
    assert (code, [one["rule"] for one in found]) == (5, ["maxHourlyCost", "requireOwner"])


def test_what_no_rule_denies_can_be_applied_by_itself(project: Project) -> None:
    applied(project, f"{document()}---\n{document('b')}")
    platform(project, allowedGpus=["H200"])
    project.write(f"{document(maximum=1)}---\n{document('b', batch=128)}")
    stopped = project.apply("--policy", RULES)
    assert stopped.code == 5, stopped
    assert "can be applied by itself: --target Endpoint/chat\n" in stopped.err
    assert project.apply("--policy", RULES, "--target", "Endpoint/chat").code == 0


def test_a_record_answers_for_what_it_takes_away(project: Project) -> None:
    applied(project, document(labels="owner: ann", more=PROBE))
    platform(project, requireOwner=True, requireProbe=True, maxReplicas=1)
    project.write(document(more=PROBE))
    code, (found,) = planned(project)
    assert (code, found["rule"]) == (5, "requireOwner")
    project.write(document(labels="owner: ann"))
    code, (found,) = planned(project)
    assert (code, found["rule"]) == (5, "requireProbe")
    project.write(document(labels="owner: bob", more=PROBE))
    assert planned(project) == (0, [])


def test_going_back_is_let_through(strict: Project, emulator: Emulator) -> None:
    strict.write(json.dumps({"policy": STRICT}), "friendli-iac.yaml")
    done = strict.run("rollback", "Endpoint/chat", "--yes", *FAST)
    assert done.code == 0, done
    assert len(writes(emulator)) == 1
    applied_now = strict.state["resources"]["Endpoint/chat"]["prior"]
    assert applied_now["spec"]["engine"]["maxBatchSize"] == 64


def test_what_fails_comes_back_by_itself(strict: Project, emulator: Emulator) -> None:
    platform(strict, allowedGpus=["H200"])
    strict.write(document(maximum=6, batch=128).replace("H100", "H200"))
    (serving,) = (one["id"] for one in emulator.endpoints())
    emulator.fail_next_rollout(serving, "down:INFERENCE_ENGINE_OUT_OF_GPU_MEMORY")
    done = strict.apply()
    assert done.code == 10, done
    assert len(writes(emulator)) == 2, "H100 was sent again, which the rules do not allow"


def test_what_is_owed_still_is_let_through(strict: Project, emulator: Emulator) -> None:
    strict.write(document(maximum=6, batch=256))
    (serving,) = (one["id"] for one in emulator.endpoints())
    emulator.fail_next_rollout(serving, "down:INFERENCE_ENGINE_OUT_OF_GPU_MEMORY")
    assert strict.apply("--override", "a test").code == 10
    state = strict.state  # as a run leaves it that was cut off before all was back
    state["resources"]["Endpoint/chat"]["pin"]["stage"] = "owed"
    strict.state_path.write_text(json.dumps(state))
    less = {"minReplica": 1, "maxReplica": 3, "cooldownPeriod": 300}
    emulator.change(serving, autoscalingPolicy=less)
    code, found = planned(strict)
    assert {one["level"] for one in found} <= {"warn"}, found
    assert code == 0
    done = strict.apply()
    assert "back to the good settings" in done.out


def test_what_has_expired_ends(strict: Project, emulator: Emulator) -> None:
    applied(strict, f"{document(maximum=6, batch=128)}---\n{document('b')}", "--override", "x")
    state = strict.state
    resource = state["resources"]["Endpoint/chat"]
    resource["prior"]["spec"]["lifecycle"] = {"expires": "72h"}
    resource["created"] -= 100 * 3600
    strict.state_path.write_text(json.dumps(state))
    strict.write(json.dumps({"policy": STRICT}), "friendli-iac.yaml")
    done = strict.run("reap", "--yes", *FAST)
    assert done.code == 0, done
    assert "maxHourlyCost" not in done.out, "what goes on is not its business"
    assert writes(emulator)[-1].endswith("/terminate")
