"""--override: what rules deny is done all the same, for a reason that is kept."""

from __future__ import annotations

import json
import re

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, TOKEN, Project, writes
from .policies import RULES, applied, document, platform

WHY = "the launch is on friday"


@pytest.fixture
def denied(project: Project) -> Project:
    project.write(document())
    platform(project, maxReplicas=1, requireOwner=True)
    project.env["FRIENDLI_IAC_POLICY"] = RULES
    return project


def test_nothing_is_done_without_a_reason(denied: Project, emulator: Emulator) -> None:
    made = denied.run("plan", "--out", "plan.json")
    assert made.code == 5, made
    assert "--override REASON" in made.err
    saved = denied.run("apply", "plan.json", *FAST, env={"FRIENDLI_IAC_POLICY": ""})
    assert saved.code == 5, "it was denied when it was made"
    for wrong in ("", "  ", "two\nlines", "x" * 201):
        assert denied.apply("--override", wrong).code == 64
    refused = denied.apply()
    assert refused.code == 5, refused
    assert "denied by policy: Endpoint/chat: maxReplicas 2 is above the limit of 1" in refused.err
    assert f"the label owner is missing (requireOwner, {RULES}:1)" in refused.err
    assert "--override REASON" in refused.err
    assert "DENY" in refused.out, "and why is shown"
    assert writes(emulator) == []


def test_the_reason_is_in_the_plan_the_state_and_the_history(denied: Project) -> None:
    done = denied.apply("--override", WHY, "--format", "json")
    assert done.code == 0, done
    assert done.json["plan"]["override"] == WHY
    (kept,) = denied.state["overrides"]
    assert (kept["reason"], kept["rules"]) == (WHY, ["maxReplicas", "requireOwner"])
    shown = denied.run("history", "Endpoint/chat", "--offline")
    assert re.search(rf"overridden: {WHY} by \S+ \(denied by maxReplicas, requireOwner", shown.out)
    applied(denied, document(maximum=1, labels="owner: ann"))
    told = denied.run("history", "Endpoint/chat", "--offline", "--format", "json").json
    newest, first = told["versions"]
    assert newest["override"] is None
    assert (first["override"]["reason"], first["override"]["plan"]) == (WHY, kept["plan"])


def test_of_what_was_deleted_the_reason_is_kept(project: Project) -> None:
    applied(project, f"{document()}---\n{document('other')}")
    platform(project, denyDelete=True)
    project.write(document("other"))
    ended = project.apply("--policy", RULES, "--override", WHY, "--allow-destroy")
    assert ended.code == 0, ended
    assert f"overridden, and recorded: {WHY}" in ended.err
    told = project.run("history", "Endpoint/chat")
    assert told.code == 64
    assert f"delete, overridden: {WHY} by " in told.err
    assert f"overridden: {WHY}" not in project.run("history", "Endpoint/other").out


def test_a_saved_plan_carries_its_reason_once(denied: Project, emulator: Emulator) -> None:
    made = denied.run("plan", "--out", "plan.json", "--override", WHY)
    assert made.code == 0, made
    assert json.loads((denied.root / "plan.json").read_text())["override"] == WHY
    platform(denied, maxReplicas=1, requireOwner=True, allowedGpus=["H200"])
    stopped = denied.run("apply", "plan.json", *FAST)
    assert stopped.code == 5, "what came since was not overridden"
    assert "allowedGpus" in stopped.err
    assert writes(emulator) == []
    platform(denied, maxReplicas=1, requireOwner=True)
    done = denied.run("apply", "plan.json", *FAST)
    assert done.code == 0, done
    assert f"overridden, and recorded: {WHY}" in done.err
    assert denied.state["overrides"][0]["reason"] == WHY


def test_a_plan_that_was_saved_without_rules_is_judged(
    project: Project, emulator: Emulator
) -> None:
    project.write(document())
    assert project.run("plan", "--out", "plan.json").code == 0
    platform(project, maxReplicas=1)
    stopped = project.run("apply", "plan.json", *FAST, "--policy", RULES)
    assert stopped.code == 5, stopped
    assert writes(emulator) == []
    done = project.run("apply", "plan.json", *FAST, "--policy", RULES, "--override", WHY)
    assert done.code == 0, done
    assert project.state["overrides"][0]["rules"] == ["maxReplicas"]


def test_no_secret_is_kept_in_a_reason(denied: Project) -> None:
    made = denied.run("plan", "--out", "plan.json", "--override", f"with {TOKEN}")
    done = denied.apply("--override", f"with {TOKEN}")
    assert (made.code, done.code) == (0, 0), done
    shown = denied.run("history", "Endpoint/chat", "--offline")
    assert denied.state["overrides"][0]["reason"] == "with ***"
    assert TOKEN not in f"{made}{done}{shown}{denied.everything_written()}"


def test_a_reason_that_nobody_needs_is_not_kept(project: Project) -> None:
    project.write(document())
    made = project.run("plan", "--override", WHY)
    assert "there is nothing to override" in made.err
    assert project.apply("--override", WHY).code == 0
    assert project.state["overrides"] == []
