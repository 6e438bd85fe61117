"""`plan --all-environments`: one review of all of them."""

from __future__ import annotations

import json

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, endpoint, writes

SETTINGS = """\
manifests: [main.yaml]
variables: {batch: 8}
environments:
  staging: {variables: {batch: 16}}
  prod: {variables: {batch: 32}, overlays: [prod.yaml]}
"""
PROD = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: chat}
spec: {name: chat-prod}
"""
ALL = ("plan", "--all-environments")


@pytest.fixture
def both(project: Project) -> Project:
    project.write(SETTINGS, "friendli-iac.yaml")
    project.write(PROD, "prod.yaml")
    project.write(endpoint().replace("maxBatchSize: 64", "maxBatchSize: '${var.batch}'"))
    return project


def test_each_with_its_own_state_and_variables(both: Project, emulator: Emulator) -> None:
    assert both.run("apply", "--env", "staging", "--yes", *FAST).code == 0
    emulator.clear_requests()
    shown = both.run(*ALL, "--format", "json", "--events", "e", "--outputs", "o")
    assert shown.code == 0, shown
    document = shown.json
    assert (document["format_version"], list(document["plans"])) == ("1.0", ["staging", "prod"])
    assert document["errors"] == {}
    staging, prod = document["plans"].values()
    assert (staging["summary"], prod["summary"]) == ({"no-op": 1}, {"create": 1})
    assert prod["changes"][0]["after"]["spec"]["engine"]["maxBatchSize"] == 32
    assert (prod["environment"], prod["changes"][0]["name"]) == ("prod", "chat-prod")
    assert writes(emulator) == []
    assert both.run(*ALL, "--detailed-exitcode").code == 2
    sums = [json.loads(line) for line in (both.root / "e").read_text().splitlines()]
    summaries = [e for e in sums if e["type"] == "change_summary"]
    assert [e["environment"] for e in summaries] == ["staging", "prod"]
    assert "to_add=1\n" in (both.root / "o").read_text()
    assert "digest=\n" in (both.root / "o").read_text()


@pytest.mark.parametrize("format_", ["text", "markdown", "html"])
def test_they_are_one_review_in_the_order_of_the_file(format_: str, both: Project) -> None:
    shown = both.run(*ALL, "--format", format_)
    assert shown.code == 0, shown
    assert 0 < shown.out.index("staging") < shown.out.index("prod")
    assert shown.err.splitlines() == [
        "next: friendli-iac apply --env staging",
        "next: friendli-iac apply --env prod",
    ]


@pytest.mark.parametrize("format_", ["text", "json", "markdown", "html"])
def test_one_that_cannot_be_planned_is_told_beside_the_others(format_: str, both: Project) -> None:
    """A review must not look as if it was not there."""
    state = both.root / ".friendli-iac" / "staging" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    shown = both.run(*ALL, "--format", format_, "--detailed-exitcode", "--outputs", "o")
    assert shown.code == 1, shown
    assert "cost_before=\ncost_after=\n" in (both.root / "o").read_text(), "half of a sum is none"
    assert "staging cannot be planned:" in shown.err
    assert "Endpoint/chat" in shown.out
    if format_ == "json":
        assert list(shown.json["plans"]) == ["prod"]
        assert shown.json["errors"]["staging"]["exit_code"] == 1
    else:
        assert "it cannot be planned: " in shown.out


def test_a_refused_one_is_worse_than_changes(both: Project) -> None:
    both.write(PROD.replace("chat-prod", "chat"), "prod.yaml")
    assert both.run("apply", "--env", "staging", "--yes", *FAST).code == 0
    shown = both.run(*ALL, "--detailed-exitcode")  # its name is that of the other one
    assert shown.code == 5, shown
    assert "REFUSED Endpoint/chat" in shown.out


def test_what_makes_no_sense_is_refused(both: Project, emulator: Emulator) -> None:
    for words in (["--out", "p"], ["--env", "prod"]):
        assert both.run(*ALL, *words).code == 64
    (both.root / "friendli-iac.yaml").unlink()
    assert both.run(*ALL).code == 64
    assert emulator.requests == []


def test_a_plan_is_for_its_environment(both: Project, emulator: Emulator) -> None:
    """Also where neither has a state yet, and the manifests say the same."""
    both.write(
        "manifests: [main.yaml]\nenvironments: {staging: {}, prod: {}}\n", "friendli-iac.yaml"
    )
    both.write(endpoint())
    made = both.run("plan", "--env", "staging", "--out", "p")
    assert made.err == "next: friendli-iac apply --env staging p\n"
    assert both.run("show", "p").code == 0
    wrong = both.run("apply", "p", "--env", "prod")
    assert wrong.code == 6, wrong
    assert "it was made for environment staging" in wrong.err
    assert writes(emulator) == []
    approved = both.run("plan", "--env", "staging", "--format", "json").json["digest"]
    assert both.run("apply", "--approved", approved, "--env", "prod").code == 6
    assert both.run("apply", "--approved", approved, "--env", "staging", *FAST).code == 0
