"""Without W&B, or a key for it: what runs at Friendli is seen, and can be stopped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from friendli_iac.emulator import Emulator

from .artifacts import ALL, CHAT, artifact_of, deployed, registry
from .harness import FAST, TOKEN, Project, Result, writes
from .test_reap import three_days_later

NO_KEY = {"WANDB_API_KEY": ""}
NETRC_KEY = "netrccanary0123456789" + 20 * "n"
UNREAD = ["Webhook/friendli-deploy", "WebhookAutomation/promote-chat"]
ONLY_CHAT = ("--target", "Endpoint/chat")
# What W&B answers, the exit code, and a word of the reason.
AWAY = [
    (None, 3, "no W&B API key"),
    ({"status": 401, "body": {"errors": [{"message": "who are you"}]}}, 3, "who are you"),
    ({"status": 503}, 1, " 503 "),
    ({"kind": "drop"}, 1, "/graphql"),
]


@pytest.fixture
def world(project: Project, emulator: Emulator) -> Project:
    """An endpoint that an automation deploys."""
    applied(project, emulator, deployed() + ALL)
    return project


def applied(project: Project, emulator: Emulator, text: str) -> None:
    registry(emulator)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)
    project.write(text)
    done = project.apply()
    assert done.code == 0, done
    emulator.clear_requests()


@contextmanager
def away(project: Project, emulator: Emulator, fault: dict[str, Any] | None) -> Iterator[None]:
    """`fault` is what comes of each request to W&B; None: there is no key."""
    if fault is None:
        project.env.update(NO_KEY)
    else:
        emulator.fault("POST", "/graphql", count=None, **fault)
    with mock.patch("friendli_iac.clients.http.READ_ATTEMPTS", 1):  # each would wait for seconds
        yield


def asked_wandb(emulator: Emulator) -> list[str]:
    return [r["path"] for r in emulator.requests if r["path"] == "/graphql"]


def only_once(shown: Result, word: str) -> None:
    assert (shown.out + shown.err).count(word) == 1, shown
    assert shown.err.count("error:") == shown.err.count("next:") == 1, shown


@pytest.mark.parametrize(("fault", "code", "word"), AWAY)
def test_status_shows_what_can_be_read(
    fault: dict[str, Any] | None, code: int, word: str, world: Project, emulator: Emulator
) -> None:
    with away(world, emulator, fault):
        shown = world.run("status", "--detailed-exitcode")
        told = world.run("status", "--format", "json")
        one = world.run("status", "Endpoint/chat")
    rows = [line.split()[:2] for line in shown.out.splitlines()[1:4]]
    assert rows == [["Endpoint/chat", "RUNNING"], *([a, "UNREADABLE"] for a in UNREAD)]
    assert "$3.90 /h now" in shown.out
    assert "is gone" not in shown.out
    assert (shown.code, told.code, one.code) == (code, code, 0)
    only_once(shown, word)
    assert [e["status"] for e in told.json["endpoints"]] == ["RUNNING"]
    unreadable = told.json["unreadable"]
    assert unreadable["addresses"] == UNREAD
    assert word in unreadable["error"]
    assert unreadable["exit_code"] == code


@pytest.mark.parametrize(("fault", "code", "word"), AWAY)
def test_drift_shows_what_can_be_read(
    fault: dict[str, Any] | None, code: int, word: str, world: Project, emulator: Emulator
) -> None:
    (found,) = emulator.endpoints()
    emulator.change(found["id"], autoscalingPolicy={"minReplica": 2, "maxReplica": 2})
    with away(world, emulator, fault):
        shown = world.run("drift")
        told = world.run("drift", "--unmanaged", "--format", "json")
        narrowed = world.run("drift", *ONLY_CHAT)
    assert (shown.code, told.code, narrowed.code) == (code, code, code)
    assert "~ Endpoint/chat" in shown.out, shown
    assert f"1 of 1 drifted, 2 unreadable: {', '.join(UNREAD)}" in shown.out
    only_once(shown, word)
    assert [one["address"] for one in told.json["resources"]] == ["Endpoint/chat"]
    assert told.json["unreadable"]["addresses"] == UNREAD
    assert word in told.json["unreadable"]["error"]
    # Of the endpoint itself, only W&B knows whether an event was missed.
    assert "whether an automation missed its event is not known" in narrowed.out


def test_nothing_is_unreadable_where_all_answers(world: Project) -> None:
    for command in ("status", "drift"):
        told = world.run(command, "--format", "json")
        assert (told.code, told.json["unreadable"]) == (0, None)


def test_errors_of_friendli_end_it(world: Project, emulator: Emulator) -> None:
    emulator.fault("GET", "/endpoint", status=403, count=None)
    for command in ("status", "drift"):
        shown = world.run(command)
        assert (shown.code, shown.out) == (3, "")


def test_what_only_friendli_knows_needs_no_wandb(world: Project, emulator: Emulator) -> None:
    for command in (("cost",), ("history", "Endpoint/chat"), ("export", "--project", "p1")):
        done = world.run(*command)
        assert done.code == 0, done
    assert not asked_wandb(emulator)


def test_what_has_expired_ends(project: Project, emulator: Emulator) -> None:
    applied(project, emulator, deployed(more="  lifecycle: {expires: 72h}\n") + ALL)
    three_days_later(project)
    project.env.update(NO_KEY)
    done = project.run("reap", "--yes", *FAST)
    assert done.code == 0, done
    assert [e["status"] for e in emulator.endpoints()] == ["TERMINATED"]
    assert "W&B" not in done.out + done.err


@pytest.mark.parametrize("more", ["", ALL])
@pytest.mark.parametrize("at", ["production", "v1"])
def test_what_bills_can_be_stopped(
    at: str, more: str, project: Project, emulator: Emulator
) -> None:
    applied(project, emulator, deployed(at) + more)
    with away(project, emulator, {"status": 503}):
        assert project.run("set", "Endpoint/chat", "spec.desired=terminated").code == 0
        done = project.apply(*ONLY_CHAT)
    assert done.code == 0, done
    assert len(writes(emulator)) == 1
    assert [e["status"] for e in emulator.endpoints()] == ["TERMINATED"]
    told = done.out.count("its artifact stays as it was applied: ")
    assert told == (at == "production"), done  # a version never changes
    emulator.clear_faults()
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned  # nothing else came of it


def test_what_an_automation_moves_is_planned_without_wandb(
    world: Project, emulator: Emulator
) -> None:
    world.write(deployed(scaling="{minReplicas: 1, maxReplicas: 3, cooldown: 5m}") + ALL)
    with away(world, emulator, {"status": 401}):
        done = world.apply(*ONLY_CHAT)
        assert done.code == 0, done
        again = world.run("plan", "--detailed-exitcode", *ONLY_CHAT)
    assert again.code == 0, again
    assert artifact_of(emulator) == "v1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (deployed(), ONLY_CHAT),  # it may have moved, and would be rolled out
        (deployed("staging", more="  desired: terminated\n"), ONLY_CHAT),
        (deployed() + ALL, ()),
        (deployed("staging") + ALL.replace("^production", "^(production|staging)"), ONLY_CHAT),
        (deployed() + ALL, (*ONLY_CHAT, "--replace", "Endpoint/chat")),
    ],
)
def test_what_has_to_be_looked_up_is_not_guessed(
    text: str, words: tuple[str, ...], project: Project, emulator: Emulator
) -> None:
    before = deployed() + (ALL if ALL in text else "")
    applied(project, emulator, before)
    project.write(text)
    project.env.update(NO_KEY)
    done = project.apply("--allow-destroy", *words)
    assert (done.code, done.out) == (3, ""), done
    assert not writes(emulator)


def test_a_destroy_says_how_to_stop_what_bills(world: Project, emulator: Emulator) -> None:
    with away(world, emulator, None):
        for words in (ONLY_CHAT, ()):
            refused = world.run("destroy", "--yes", *FAST, *words)
            assert (refused.code, refused.out) == (3, ""), refused
            assert "no W&B API key" in refused.err
            commands = (
                "friendli-iac set Endpoint/chat spec.desired=terminated; "
                "friendli-iac apply --target Endpoint/chat"
            )
            assert commands in refused.err
            assert "Friendli's web page" in refused.err
        told = world.run("destroy", "--yes", "--format", "json", *FAST, *ONLY_CHAT)
        assert commands in told.json["next"]
        other = world.run("destroy", "--yes", *FAST, "--target", UNREAD[1])
        assert (other.code, "what bills" in other.err) == (3, False), other
    assert not writes(emulator)


def test_a_key_from_netrc_is_shown_nowhere(world: Project, emulator: Emulator) -> None:
    (world.root / ".netrc").write_text(
        f"machine {emulator.url.removeprefix('http://')} login user password {NETRC_KEY}\n"
    )
    world.env.update(NO_KEY, FRIENDLI_IAC_DEBUG="1")
    events = world.root / "events.jsonl"
    results = [world.run("plan", "-v", "--out", "fine.plan"), world.run("status", "-v")]
    assert [one.code for one in results] == [0, 0], results
    assert asked_wandb(emulator)
    basic = b64encode(f"api:{NETRC_KEY}".encode()).decode()
    echo = f"no user has {NETRC_KEY}, nor {basic}"
    said = {"errors": [{"message": echo}]}
    for status, body in ((200, said), (200, echo), (401, said), (422, echo), (503, echo)):
        with away(world, emulator, {"status": status, "body": body}):
            for command in ("plan", "status", "destroy"):
                sure = ("--yes", *FAST, "--events", str(events))
                where = ("-v", "--format", "json", *(sure if command == "destroy" else ()))
                results.append(world.run(command, *where))
                assert results[-1].code in (1, 3), results[-1]
        emulator.clear_faults()
    assert any("***" in one.err for one in results)
    everything = "\n".join([*map(str, results), world.everything_written()])
    everything = everything.replace((world.root / ".netrc").read_text(), "")
    assert NETRC_KEY not in everything
    assert basic not in everything


def test_a_missing_team_leaves_the_rest_in_sight(world: Project, emulator: Emulator) -> None:
    gone = {"data": {"entity": None, "scope": None}}
    emulator.fault("POST", "/graphql query", status=200, body=gone, count=None)
    shown = world.run("status")
    assert (shown.code, "Endpoint/chat" in shown.out) == (1, True), shown
    assert "that this key may see" in shown.err
    assert CHAT not in shown.err
