"""The published schema of a plan: real plans of every kind keep to it, and it has every key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from friendli_iac.core.planfile import from_json
from friendli_iac.emulator import Emulator
from friendli_iac.resources.base import Action
from friendli_iac.review.plan_schema import plan_schema

from .harness import FAST, Project, endpoint
from .policies import RULES, applied, document, platform
from .test_policy import EXPIRES, PROBE

PUBLISHED = Path(__file__).parent.parent / "schemas" / "friendli-iac.plan.v1.json"


def closed(schema: Any) -> Any:
    """The schema with no other keys than it names: what it does not describe is seen."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if "required" in found and isinstance(found.get("properties"), dict):
        found["additionalProperties"] = False
    return found


CHECK = Draft202012Validator(closed(plan_schema()))


def plan(project: Project, *arguments: str) -> dict[str, Any]:
    """A plan that keeps to the schema."""
    done = project.run("plan", "--format", "json", *arguments)
    assert done.out, done
    CHECK.validate(done.json)
    return dict(done.json)


def actions(made: dict[str, Any]) -> list[str]:
    return [change["action"] for change in made["changes"]]


def test_what_is_published_is_what_is_printed(project: Project) -> None:
    Draft202012Validator.check_schema(plan_schema())
    assert json.loads(PUBLISHED.read_text()) == project.run("schema", "--plan").json
    assert project.run("schema", "--plan", "--settings").code == 64


def test_plans_of_every_action(project: Project, emulator: Emulator) -> None:
    seen: set[str] = set()

    def planned(text: str, *arguments: str) -> dict[str, Any]:
        project.write(text)
        made = plan(project, *arguments)
        seen.update(actions(made))
        return made

    first = planned(f"{document(more=PROBE + EXPIRES, labels='team: a')}---\n{document('b')}")
    assert first["changes"][0]["warnings"]
    project.apply()
    planned(f"{document(more=PROBE, labels='team: b')}---\n{document('b', batch=128)}")
    planned(document("b").replace("p1", "p2"))
    planned(f"{document(more='  desired: sleeping', labels='team: a')}\n---\n{document('b')}")
    ended = f"{document(more='  desired: terminated')}\n---\n{document('b')}"
    planned(ended)
    applied(project, ended)
    planned(f"{document()}---\n{document('b')}")
    applied(project, document("b", more="  desired: sleeping\n"))
    planned(document("b", more="  desired: running\n"))
    project.write(document("b", batch=256))
    assert project.apply("--no-wait").code == 0
    planned(document("b", batch=256))
    assert seen == set(Action.__args__)  # type: ignore[attr-defined]


def test_a_plan_that_is_refused_denied_overridden_held_and_drifted(
    project: Project, emulator: Emulator
) -> None:
    protected = "  lifecycle: {preventDestroy: true}\n"
    applied(project, f"{endpoint('a', more=protected)}---\n{endpoint()}---\n{endpoint('c')}")
    applied(project, f"{endpoint('a', more=protected)}---\n{endpoint(batch=128)}")
    assert project.run("rollback", "Endpoint/chat", "--yes", *FAST).code == 0
    id = project.state["resources"]["Endpoint/a"]["id"]
    policy = {"minReplica": 1, "maxReplica": 5, "cooldownPeriod": 600}
    emulator.change(id, autoscalingPolicy=policy)
    platform(project, maxReplicas=1)
    project.write(endpoint(batch=128))
    made = plan(project, "--policy", RULES)
    assert made["refusals"]
    project.write(f"{endpoint('a', more=protected)}---\n{endpoint(batch=128)}---\n{endpoint('d')}")
    made = plan(project, "--policy", RULES, "--override", "because")
    assert made["override"] == "because"
    assert made["findings"][0]["rule"] == "maxReplicas"
    assert any(change["held"] for change in made["changes"])
    assert made["drift"]
    assert made["listed"]


@pytest.mark.parametrize("broken", ["digest", "changes", "findings"])
def test_what_is_no_plan_does_not_pass(broken: str, project: Project) -> None:
    project.write(document())
    made = plan(project)
    del made[broken]
    assert not CHECK.is_valid(made)


def test_a_plan_of_the_same_format_from_before_steps_by_hand_is_read(
    project: Project,
) -> None:
    project.write(endpoint())
    document = project.run("plan", "--format", "json").json
    for change in document["changes"]:
        for key in ("manual", "beware"):
            del change[key]
    assert from_json(document).changes[0].manual == ()
