"""A repository on GitHub goes through its life with the example's workflow and our action."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .ci_world import BOT, World, on_github
from .harness import names, writes
from .repositories import CHAT
from .test_examples import friendli

DIGEST = re.compile("[0-9a-f]{64}")


@pytest.fixture
def world(tmp_path: Path, emulator: Emulator) -> Iterator[World]:
    with on_github(tmp_path, emulator) as made:
        yield made


def maximum(emulator: Emulator) -> int:
    (endpoint,) = emulator.endpoints()
    settings = endpoint["versions"][endpoint["serving"]]["settings"]
    return int(settings["autoscalingPolicy"]["maxReplica"])


def raise_maximum(emulator: Emulator, to: int) -> None:
    """Somebody else does, in the web page."""
    (endpoint,) = emulator.endpoints()
    change = {"autoscalingPolicy": {"minReplica": 1, "maxReplica": to, "cooldownPeriod": 300}}
    with friendli(emulator) as api:
        api.update_endpoint(endpoint["id"], change, key="")
    emulator.clear_requests()


def test_reviewed_is_what_is_applied(world: World) -> None:
    world.start()
    review = world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: 3"))
    assert review.result == "success"
    (comment,) = world.forge.comments(1)
    first = comment.body
    assert comment.login == BOT
    assert f"/{CHAT}#L" in first
    assert "requireOwner" in review.annotations[0]
    assert f"file={CHAT},line=4" in review.annotations[0]
    assert "<html" in review.artifacts["friendli-iac-plan"]["plan.html"]

    world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: 4"))
    (comment,) = world.forge.comments(1)
    assert "`4`" in comment.body
    assert "`4`" not in first
    assert [(s["state"], s["sha"]) for s in world.forge.status_log][1:] == [
        ("success", world.branch.head)
    ]
    assert writes(world.emulator) == []

    jobs = world.merge()
    assert world.results() == {"plan": "success", "apply": "success"}
    assert jobs["plan"].outputs["digest"] in comment.body, "what was shown is what was applied"
    assert "maxReplicas" in jobs["plan"].summary
    assert [write.split()[0] for write in writes(world.emulator)] == ["PUT"]
    assert maximum(world.emulator) == 4
    events = jobs["apply"].artifacts["friendli-iac-apply"]["events.jsonl"].splitlines()
    assert {json.loads(line)["type"] for line in events} >= {"apply_start", "apply_complete"}

    quiet = world.push()
    assert quiet["plan"].outputs["changes"] == "false"
    assert world.results() == {"plan": "success"}
    world.assert_no_secret_told()


def test_what_was_changed_in_between_is_refused(world: World) -> None:
    world.start()
    world.repo.merge(world.repo.push(1, world.repo.edit("maxReplicas: 2", "maxReplicas: 4")))
    world.runner.approval = lambda environment: raise_maximum(world.emulator, 3)
    apply = world.push()["apply"]
    assert world.results() == {"plan": "success", "apply": "failure"}
    assert apply.code == 6
    assert "Endpoint/chat" in apply.log
    assert "changed outside" in apply.log
    assert "next:" in apply.log
    assert writes(world.emulator) == []
    assert maximum(world.emulator) == 3


def test_the_comment_of_the_merged_request_approves(world: World) -> None:
    world.workflow = re.sub(r"\n( +)approved: .*", r"\n\1approved: comment", world.workflow)
    world.start()
    world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: 4"))
    world.merge()
    assert world.results() == {"plan": "success", "apply": "success"}
    assert maximum(world.emulator) == 4


def test_the_action_twice_in_a_job_has_what_each_wants(world: World) -> None:
    other = (
        "      - uses: acme/friendli-iac@"
        + 40 * "0"
        + "\n        with: {command: validate, working-directory: change%s}\n"
    )
    twice = other % "" + 2 * (other % ", extras: postgres")
    plan = "\n  # What is on main now"
    world.workflow = world.workflow.replace(plan, twice + plan)
    assert world.open({CHAT: (world.repo.work / CHAT).read_text()}).result == "success"
    installed = (world.folder / "runner" / "pip.log").read_text().splitlines()
    assert [line.rpartition("[")[2] for line in installed] == ["cloud]", "postgres]"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_cancelled_job_is_gone_on_with(world: World, number: signal.Signals) -> None:
    emulator = world.emulator
    emulator.set_durations(create=3600)
    if number == signal.SIGINT:  # while it waits until the endpoint serves
        emulator.hold("GET", "/status$")
    else:  # before it has learnt what came of its request
        emulator.hold("POST", "endpoint$", "after")
    world.runner.signal = number
    world.runner.cancel = lambda: bool(emulator.held()) and bool(emulator.release() or True)
    jobs = world.push()
    assert world.results() == {"plan": "success", "apply": "cancelled"}
    if number == signal.SIGINT:
        assert jobs["apply"].code == 8
        assert "cancelled" in jobs["apply"].log
    emulator.advance(3600)
    world.again()
    assert world.results() == {"plan": "success", "apply": "success"}
    assert [write.split()[0] for write in writes(emulator)] == ["POST"]
    assert names(emulator) == ["chat"]


def test_a_fork_is_validated_alone_and_told_why(world: World) -> None:
    review = world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: 3"), fork=True)
    assert review.result == "success"
    for told in (review.summary, review.log):
        assert "Only validated: there is no FRIENDLI_TOKEN here" in told
    assert world.emulator.requests == []
    assert world.forge.requests == []

    review = world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: 0"), fork=True)
    assert (review.result, review.code) == ("failure", 1)
    assert f"error file={CHAT},line=9," in review.annotations[0]
    assert world.emulator.requests == []


def test_a_comment_never_says_more_than_the_newest_plan(world: World) -> None:
    world.start()
    denied = world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: 9"))
    assert (denied.result, denied.code) == ("failure", 5)
    (comment,) = world.forge.comments(1)
    assert "denied" in comment.body
    assert "maxReplicas" in comment.body

    broken = world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: many"))
    assert (broken.result, broken.code) == ("failure", 1)
    (comment,) = world.forge.comments(1)
    assert "failed" in comment.body
    assert "maxReplicas" not in comment.body
    assert [status["state"] for status in world.forge.status_log] == ["failure", "failure"]
    assert writes(world.emulator) == []


def test_drift_keeps_one_issue(world: World) -> None:
    world.start()
    raise_maximum(world.emulator, 5)
    world.hour()
    assert world.results() == {"drift": "success", "reap": "success"}
    (issue,) = world.forge.issues
    assert issue.open
    assert "autoscaling.maxReplicas" in issue.body
    assert writes(world.emulator) == []

    world.start()  # which puts it back
    world.hour()
    (issue,) = world.forge.issues
    assert not issue.open
    world.assert_no_secret_told()


def test_what_has_expired_ends_and_what_could_not_is_told(world: World) -> None:
    chat = (world.repo.work / CHAT).read_text()
    ends = "  lifecycle: {{expires: 72h, preventDestroy: {}}}\n"
    short = chat.replace("name: chat", "name: eval") + ends.format("false")
    kept = chat + ends.format("true")
    world.repo.merge(world.repo.push(1, {CHAT: kept, "endpoints/eval.yaml": short}))
    world.start()
    path = world.folder / "state.json"
    state = json.loads(path.read_text())
    for resource in state["resources"].values():
        resource["created"] -= 73 * 3600
    path.write_text(json.dumps(state))

    reap = world.hour()["reap"]
    assert world.results()["reap"] == "failure"
    assert reap.code == 5
    assert [write.rpartition("/")[2] for write in writes(world.emulator)] == ["terminate"]
    (issue,) = world.forge.issues
    assert "\n    REFUSED Endpoint/chat" in issue.body, "indented: code, whatever stands in it"
    assert "TERMINATE Endpoint/eval" in reap.summary
    world.assert_no_secret_told()
