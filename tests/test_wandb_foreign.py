"""What others wrote in W&B, and what cannot be judged of it: nothing of it stops a plan, is run for
long, or becomes what is no JSON.
"""

from __future__ import annotations

import json
import time
from typing import Any, NoReturn

import pytest

from friendli_iac.core.preview import Preview, firings
from friendli_iac.core.state import State
from friendli_iac.emulator import Emulator
from friendli_iac.resources.artifact import ArtifactVersion
from friendli_iac.review.preview import render

from .harness import Project, Result
from .wandb_manifests import CHAT, ENDPOINT, automation, team, webhook

UNSAFE = (
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "^(([a-z])|([a-y])|(.)|([^!]))+!",
    "(a|a)" * 30 + "b",
    "a?" * 30 + "a" * 30 + "!",
    ".*.*.*.*!",
    "(?:(?:(?:){999}){999}){999}",
    "x{4294967296}",
    "(" * 500 + ")" * 500,
    "[[:alpha:]]+",
    "^\\p{L}+$",
    "(?=p)production",
    "(p)\\1",
    "^production$|" + "x" * 200,
)
DEEP = '{"a":' * 900 + "1" + "}" * 900
BIG = 10**400


@pytest.fixture
def world(emulator: Emulator, project: Project) -> Emulator:
    team(emulator)
    emulator.wandb.log(CHAT)
    project.write(webhook() + ENDPOINT + automation(sends="deploys: chat\n  promotion: direct"))
    return emulator


def preview(project: Project, *more: str, alias: str = "production") -> Result:
    done = project.run("wandb", "preview", CHAT, "--alias", alias, *more)
    assert done.code == 0, done
    return done


def strict(text: str) -> Any:
    def none(word: str) -> NoReturn:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=none)


def put(world: Emulator, name: str = "theirs", **more: Any) -> None:
    hooks = world.wandb.webhooks("acme")
    id = hooks[0]["id"] if hooks else world.wandb.add_webhook("acme", "theirs", "https://x.example")
    world.wandb.add_raw_automation(CHAT, name, webhook=id, **more)


def about(**condition: Any) -> str:
    return json.dumps({"$or": [{"$and": [{"alias": condition}]}]})


def test_expressions_of_others_are_run_only_if_they_are_safe(
    world: Emulator, project: Project
) -> None:
    for n, pattern in enumerate(UNSAFE):
        put(world, f"theirs-{n}", event_filter=about(**{"$regex": pattern}))
    put(world, "safe", event_filter=about(**{"$regex": "^prod(uction|-v?[0-9]+\\.[0-9]+)$"}))
    put(world, "long", event_filter=about(**{"$regex": "^p+$"}))
    put(world, "other", event_filter=about(**{"$regex": "^stag(ing)?$"}))
    deep = '{"$and":[' * 900 + "]}" * 900
    put(world, "deep", event_filter=deep)
    world.wandb.move_alias(CHAT, "a" * 60, "v0")
    before = time.monotonic()
    plan = project.run("plan")
    assert plan.code == 0, plan
    assert "the automation 'safe'" in plan.out
    assert "the automation 'other'" not in plan.out
    told = preview(project)
    assert time.monotonic() - before < 10
    assert "Warning" not in plan.err + told.err
    assert f"2 automations fire, and {len(UNSAFE) + 1} cannot be judged" in told.out
    assert "other (not ours)" not in told.out
    long = preview(project, "--format", "json", alias="p" * 5000).json["automations"]
    assert {one["certain"] for one in long} == {False}
    assert "long" in [one["name"] for one in long]


@pytest.mark.parametrize(
    ("condition", "fires", "rests"),
    [
        ({"alias": {"$eq": "a.b"}}, "a.b", "axb"),  # a text, and no expression
        ({"$not": {"alias": {"$eq": "a.b"}}}, "axb", "a.b"),
        ({"$nor": [{"alias": "a.b"}, {"alias": "c"}]}, "axb", "c"),
        ({"alias": {"$not": {"$regex": "^a"}}}, "b", "ab"),
    ],
)
def test_a_filter_of_others_means_what_it_says(
    condition: dict[str, Any], fires: str, rests: str, world: Emulator, project: Project
) -> None:
    put(world, event_filter=json.dumps(condition))
    for alias, fired in ((fires, ["theirs"]), (rests, [])):
        told = preview(project, "--format", "json", alias=alias).json["automations"]
        assert [one["name"] for one in told] == fired
        assert all(one["certain"] for one in told)


@pytest.mark.parametrize("pattern", UNSAFE)
def test_our_own_expressions_are_told_in_words(project: Project, pattern: str) -> None:
    project.write(webhook() + automation(trigger=f"aliasAdded: '{pattern}'"))
    before = time.monotonic()
    told = project.run("validate")
    assert time.monotonic() - before < 5
    assert "Warning" not in told.err
    if told.code == 0:
        assert "cannot be told here: too many of its parts are repeated" in told.err
    else:
        assert (told.code, "is no regular expression" in told.err) == (1, True)


@pytest.mark.parametrize("pattern", ["x{4294967296}", "(((", "\\p{L}"])
def test_what_is_no_expression_is_a_problem(project: Project, pattern: str) -> None:
    project.write(webhook() + automation(trigger=f"aliasAdded: '{pattern}'"))
    told = project.run("validate")
    assert (told.code, "is no regular expression" in told.err) == (1, True)


def test_the_emulator_runs_no_such_expression(world: Emulator) -> None:
    for n, pattern in enumerate(UNSAFE):
        put(world, f"theirs-{n}", event_filter=about(**{"$regex": pattern}))
    put(world, "deep", event_filter='{"$and":[' * 900 + "]}" * 900)
    put(world, "safe", event_filter=about(**{"$regex": "^a+$"}))
    before = time.monotonic()
    world.wandb.move_alias(CHAT, "a" * 60, "v0")
    world.wandb.wait()
    assert time.monotonic() - before < 5
    assert [one["automation"] for one in world.wandb.deliveries] == ["safe"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), BIG, {"a": [float("-inf")]}])
@pytest.mark.parametrize("where", ["metrics", "metadata"])
def test_numbers_that_are_none_are_left_out(
    world: Emulator, project: Project, where: str, value: Any
) -> None:
    said: Any = {where: {"loss": value, "eval/accuracy": 0.5}}
    world.wandb.log(CHAT, aliases=("production",), **said)
    world.wandb.log(CHAT, **said)
    plan = project.run("plan", "--format", "json")
    assert plan.code == 0, plan
    strict(plan.out)
    told = preview(project)
    assert "left out of v3, for they cannot be compared: loss" in told.out
    assert "eval/accuracy  0.5" in told.out
    comes = strict(preview(project, "--format", "json").out)["comes"]
    assert (comes["metrics"], comes["left_out"]) == ({"eval/accuracy": 0.5}, ["loss"])


@pytest.mark.parametrize("payload", ['{"a": NaN}', '{"a": 1e999}', DEEP, "[1]", "not ${alias}"])
def test_a_payload_that_cannot_be_read_is_shown_as_text(
    world: Emulator, project: Project, payload: str
) -> None:
    put(world, payload=payload)
    assert project.run("plan").code == 0
    assert "! what it sends is no JSON object that can be read here" in preview(project).out
    told = strict(preview(project, "--format", "json").out)["automations"][0]["payload"]
    expected = [1] if payload == "[1]" else payload.replace("${alias}", "production")
    assert told == expected


def test_a_state_that_could_not_be_written_again_is_damaged(
    world: Emulator, project: Project
) -> None:
    assert project.apply().code in (0, 11)
    state = project.root / ".friendli-iac" / "state.json"
    state.write_text(state.read_text().replace('"serial": ', '"more": NaN, "serial": ', 1))
    told = project.run("plan")
    assert (told.code, "NaN is no number of JSON" in told.err) == (1, True), told


def test_what_does_something_else_or_cannot_be_judged_is_named(
    world: Emulator, project: Project
) -> None:
    raw = world.wandb.add_raw_automation
    note = {"notificationActionInput": {"integrationID": "x", "title": "t", "message": "m"}}
    for kind in ("NOTIFICATION", "QUEUE_JOB", "NO_OP", "TOMORROW"):
        raw(CHAT, kind.lower(), action_type=kind, config=note)
    put(world, "legacy", event_type="UPDATE_ARTIFACT_ALIAS")
    put(world, "later", event_type="OF_TOMORROW")
    put(world, "no-matter", event_type="RUN_STATE")
    put(world, "linked", event_type="LINK_MODEL")
    told = preview(project)
    for kind in ("NOTIFICATION", "QUEUE_JOB", "NO_OP", "TOMORROW"):
        block = told.out.partition(f"  {kind.lower()} (not ours)")[2].partition("\n\n")[0]
        assert block.splitlines()[1:] == [f"    does {kind}, no webhook"], told
    for name in ("legacy", "later"):
        assert f"{name} (not ours)   in {CHAT}   whether this fires it cannot be judged" in told.out
    assert "no-matter" not in told.out
    assert "linked" not in told.out
    assert "5 automations fire, and 2 cannot be judged" in told.out
    data = preview(project, "--format", "json").json["automations"]
    judged = {one["name"]: (one["action"], one["certain"]) for one in data}
    assert judged["notification"] == ("NOTIFICATION", True)
    assert judged["legacy"] == (None, False)


def test_an_automation_of_an_unknown_scope_cannot_be_judged() -> None:
    """The schema of the emulator knows W&B's scopes of today alone."""
    version = ArtifactVersion(CHAT, "v1", "id", "digest")
    node = {
        "id": "1",
        "name": "later",
        "enabled": True,
        "scope": {"__typename": "TomorrowScope", "name": "x"},
        "event": {"eventType": "ADD_ARTIFACT_ALIAS", "filter": {"filter": {}}},
        "action": {"__typename": "GenericWebhookTriggeredAction", "requestPayload": "{}"},
    }
    (one,) = firings(State(lineage="L"), {}, [node], version, "production")
    assert (one.scope, one.certain) == ("", False)
    told = render(Preview(CHAT, "production", None, version, (one,), {}))
    assert "later (not ours)   in a scope that is not known here" in told
    assert "0 automations fire, and 1 cannot be judged" in told
