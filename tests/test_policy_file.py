"""Where rules come from: what is wrong with them is told with its place, and what a pull request
can change loosens nothing that a protected file says.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, endpoint, writes
from .policies import RULES, document, planned, platform

PROBLEMS = {
    "policy: {maxReplica: 4}": ("1:10", 'no rule "maxReplica"', "did you mean maxReplicas?"),
    "policy: {maxReplicas: 0}": ("1:23", "maxReplicas must be a whole number", ""),
    "policy: {maxHourlyCost: true}": ("1:25", "maxHourlyCost must be dollars", ""),
    "policy: {maxDestroyPercent: 101}": ("1:29", "a number from 0 to 100", ""),
    "policy: {requireOwner: 1}": ("1:24", "requireOwner must be true or false", ""),
    "policy: {allowedGpus: [H10]}": ("1:24", 'no GPU is called "H10"', "did you mean H100?"),
    "policy: {requireLabels: []}": ("1:25", "requireLabels is empty", ""),
    "policy: {requireExpiry: {level: warn}}": ("1:10", "requireExpiry has no value", ""),
    "policy: {maxReplicas: {value: 4, levl: warn}}": ("1:34", "unknown key levl", "level"),
    "policy: {maxReplicas: {value: 4, level: error}}": ("1:41", "level must be warn or deny", ""),
    "policy: {}": ("1:1", "policy has no rules", ""),
    "policy: {denyDelete: {exempt: [{address: Endpoint/a, until: '2999-01-01'}]}}": (
        "1:32", "an exemption needs reason", "say why",
    ),
    "policy: {denyDelete: {exempt: [{address: Endpoint/a, reason: x}]}}": (
        "1:32", "an exemption needs until", "nothing is exempt for ever",
    ),
    "policy: {denyDelete: {exempt: [{address: chat, reason: x, until: '2999-01-01'}]}}": (
        "1:42", '"chat" is no address', "Endpoint/chat",
    ),
    "policy: {denyDelete: {exempt: [{address: Endpoint/a, reason: x, until: '2999-02-30'}]}}": (
        "1:72", "is no day", "2026-12-31",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", PROBLEMS)
def test_what_is_wrong_is_told_with_its_place(text: str, project: Project) -> None:
    place, message, remedy = PROBLEMS[text]
    project.write(document())
    project.write(text, "friendli-iac.yaml")
    project.write(text, RULES)
    for file, arguments in (("friendli-iac.yaml", ()), (RULES, ("--policy", RULES))):
        told = project.run("validate", *arguments)
        assert told.code == 1, told
        assert f"{file}:{place}: " in told.err
        assert message in told.err
        assert remedy in told.err
        project.write("manifests: [main.yaml]", "friendli-iac.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such file"),
        ("", "the file has no policy"),
        ("maxReplicas: 4", "put the rules below policy:"),
        ("state: s3://x", "unknown key state"),
    ],
)
def test_a_file_that_says_nothing_lets_nothing_through(
    text: str | None, message: str, project: Project, emulator: Emulator
) -> None:
    project.write(document())
    if text is not None:
        project.write(text, RULES)
    for command in (("plan",), ("apply", "--yes", *FAST), ("validate",)):
        told = project.run(*command, "--policy", RULES)
        assert told.code == 1, told
        assert message in told.err
    assert writes(emulator) == []


def test_all_problems_of_all_files_at_once(project: Project) -> None:
    project.write("policy: {maxReplica: 4}", RULES)
    project.write(document(maximum=11))
    told = project.run("validate", "--policy", RULES)
    assert "2 problems in 2 files" in told.err


def test_a_pull_request_loosens_nothing(project: Project, emulator: Emulator) -> None:
    everything = [{"address": "*/*", "reason": "because", "until": "2999-12-31"}]
    loose = {
        "policy": {
            "maxReplicas": {"value": 10, "exempt": everything},
            "maxHourlyCost": {"value": 1000, "level": "warn", "exempt": everything},
            "requireOwner": False,
        },
        "prices": {"gpuHour": {"H100": 0.01}},
        "defaults": {"Endpoint": {"autoscaling": {"maxReplicas": 9}}},
    }
    project.write(json.dumps(loose), "friendli-iac.yaml")
    project.write(endpoint(maximum=9))
    protected = project.root.parent / "protected.yaml"
    rules = {"maxReplicas": 2, "maxHourlyCost": 10, "requireOwner": True}
    protected.write_text(json.dumps({"policy": rules}))
    # Beside it, the file of the same name that the pull request has brought along.
    project.write(json.dumps({"policy": {"denyDelete": True}}), "protected.yaml")
    env = {"FRIENDLI_IAC_POLICY": str(protected)}
    for command in (("plan",), ("apply", "--yes", *FAST), ("plan", "--out", "plan.json")):
        done = project.run(*command, env=env)
        assert done.code == 5, done
    found = project.run("plan", "--format", "json", env=env).json["findings"]
    assert {one["rule"] for one in found if one["level"] == "deny" and not one["exempt"]} == {
        *rules
    }
    assert "$35.10/h" in next(f["message"] for f in found if f["rule"] == "maxHourlyCost")
    assert "list prices count, and not those of friendli-iac.yaml" in done.err
    # Saved for reviewers to see; no apply takes it, not even one without the protected file.
    assert project.run("apply", "plan.json", *FAST).code == 5
    assert writes(emulator) == []
    rules_and_prices = {"policy": rules, "prices": {"gpuHour": {"H100": 2}}}
    protected.write_text(json.dumps(rules_and_prices))
    found = project.run("plan", "--format", "json", env=env).json["findings"]
    assert "$18.00/h" in next(f["message"] for f in found if f["rule"] == "maxHourlyCost")


def test_it_is_read_from_where_it_was_typed(project: Project) -> None:
    """And not from the checkout, which may have a file of the same name."""
    (project.root / "repo/.git").mkdir(parents=True)
    project.write(json.dumps({"policy": {"maxReplicas": 9}}), f"repo/{RULES}")
    project.write(document(maximum=3), "repo/chat.yaml")
    platform(project, maxReplicas=2)
    for command in ("validate", "plan", "apply --yes"):
        for where in (("-C", "repo", "--policy", RULES), ("--policy", RULES, "--chdir=repo")):
            assert project.run(*command.split(), *where).code == 5, command
        named = project.run(*command.split(), "-C", "repo", env={"FRIENDLI_IAC_POLICY": RULES})
        assert named.code == 5, named
    assert project.run("validate", "-C", "repo", "--policy", f"repo/{RULES}").code == 0


def test_a_link_of_the_project_does_not_lead_out(project: Project, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("hunter2-canary\n")
    (project.root / RULES).symlink_to(tmp_path / "secret.yaml")
    project.write(document())
    for command in ("validate", "plan", "validate --format sarif"):
        told = project.run(*command.split(), "--policy", RULES)
        assert told.code == 1, told
        assert "the link leads out of the project" in str(told)
        assert "canary" not in str(told)


def test_the_project_may_be_stricter(project: Project) -> None:
    project.write("policy: {maxReplicas: 1}", "friendli-iac.yaml")
    platform(project, maxReplicas=4)
    project.write(document())
    code, (found,) = planned(project)
    assert (code, found["origin"]) == (5, "friendli-iac.yaml:1")


def test_a_hostile_reason_stays_in_its_place(project: Project, tmp_path: Path) -> None:
    reason = "`]|\\u001b[31m ::error::x\\n::set-env name=A::B <script> @all"
    text = '{"policy": {"maxReplicas": {"value": 1, "exempt": [{"address": "Endpoint/*", '
    project.write(f'{text}"reason": "{reason}", "until": "2999-01-01"}}]}}}}}}', RULES)
    project.write(document())
    told = project.run("validate", "--policy", RULES)
    assert told.code == 1, "a reason is one line of printable text"
    project.write(json.dumps({"policy": {"maxReplicas": {"value": 1, "exempt": [
        {"address": "Endpoint/*", "reason": "::error::x%0A](http://x) <b> @all",
         "until": "2999-01-01"}]}}}), RULES)  # fmt: skip
    told = project.run("validate", "--policy", RULES, "--format", "github")
    assert told.code == 0, told
    (line,) = told.out.splitlines()
    assert line.startswith("::notice file=main.yaml,line=8,title=maxReplicas::")
    assert "%250A" in line
