"""history: every version, whose it is, which one serves, and what changed between two."""

from __future__ import annotations

from typing import Any

import pytest

from friendli_iac.core.replay import HISTORY_KEPT
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions, Selection

from .crash.world import wish, wishes
from .harness import FAST, Project, endpoint, engine_for, writes

CHAT = "Endpoint/chat"


def applied(project: Project, *batches: int) -> None:
    for batch in batches:
        project.write(endpoint(batch=batch))
        done = project.apply()
        assert done.code == 0, done


def not_applied(project: Project, emulator: Emulator, batch: int, outcome: str = "ignored") -> None:
    """An update that the service drops; on the emulator's clock, for that takes a minute to see."""
    (live,) = emulator.endpoints()
    emulator.fail_next_rollout(live["id"], outcome)
    wanted = wishes(wish("chat", engine__maxBatchSize=batch))
    with engine_for(project, emulator) as engine:
        engine.apply(lambda plan: plan(wanted, Selection()), ApplyOptions(), lambda plan: True)


def listed(project: Project, *words: str) -> Any:
    found = project.run("history", CHAT, "--format", "json", *words)
    assert found.code == 0, found
    return found.json


def test_ours_are_listed_newest_first_with_all_that_was_sent(
    project: Project, emulator: Emulator
) -> None:
    project.env["GITHUB_SHA"] = "0123456789abcdef0123"
    project.env["GITHUB_ACTOR"] = "ada"
    applied(project, 64, 128)
    emulator.clear_requests()
    shown = project.run("history", CHAT)
    assert shown.code == 0, shown
    assert writes(emulator) == []
    key = project.state["resources"][CHAT]["history"][1]["key"]
    head = next(line for line in shown.out.splitlines() if line.startswith("* "))
    for part in ("* v1", "by ada", "commit 0123456789 ", "good", f"key {key}", "LIVE"):
        assert part in head, head
    assert "~ engine.maxBatchSize  64 → 128" in shown.out
    assert "autoscaling.cooldown: 5m" in shown.out, "as a manifest would write it"
    versions = listed(project)["versions"]
    assert [version["version"] for version in versions] == [1, 0]
    assert [version["live"] for version in versions] == [True, False]
    assert versions[1]["spec"]["model"]["huggingFace"]["repo"] == "acme/model"


def test_behind_one_that_was_not_applied_the_one_before_is_live(
    project: Project, emulator: Emulator
) -> None:
    applied(project, 64, 128)
    not_applied(project, emulator, 256)
    found = listed(project)
    assert [v["outcome"] for v in found["versions"]] == ["not applied", "good", "unverified"]
    assert found["live"] == 1
    assert found["pin"]["bad"] == {"engine.maxBatchSize": 256}
    text = project.run("history", CHAT).out
    assert "PINNED (kept" in text
    assert "engine.maxBatchSize 256 is not sent again" in text
    assert "v2: the service did not apply it" in text


def test_one_that_somebody_else_made_is_marked_and_then_nobody_knows_which_is_live(
    project: Project, emulator: Emulator
) -> None:
    applied(project, 64)
    (live,) = emulator.endpoints()
    emulator.change(live["id"], advanced={"max_batch_size": 7}, hfModelRepo="acme/other")
    found = listed(project)
    assert [v["made_by"] for v in found["versions"]] == ["others", "ours"]
    assert found["live"] is None
    assert "which version serves is not known" in found["doubt"]
    assert found["versions"][0]["spec"]["engine"]["maxBatchSize"] == 7
    assert "model" not in found["versions"][0]["spec"]
    shown = project.run("history", CHAT)
    assert "v1   not made by us" in shown.out
    assert "LIVE" not in shown.out


def test_between_two_of_ours_everything_is_compared(project: Project, emulator: Emulator) -> None:
    applied(project, 64)
    project.write(endpoint(batch=128, repo="acme/other"))
    assert project.apply().code == 0
    shown = project.run("history", CHAT, "--diff", "0", "v1")
    assert shown.code == 0, shown
    assert shown.out.splitlines() == [
        "v0 → v1",
        "  ~ model.huggingFace.repo  acme/model → acme/other",
        "  ~ engine.maxBatchSize     64 → 128",
    ]
    back = project.run("history", CHAT, "--diff", "1", "0", "--format", "json").json
    assert back["fields"][0] == {
        "path": "model.huggingFace.repo",
        "old": "acme/other",
        "new": "acme/model",
    }
    assert back["unknown"] == []


def test_with_one_of_somebody_else_what_the_api_never_shows_is_named_as_unknown(
    project: Project, emulator: Emulator
) -> None:
    applied(project, 64)
    (live,) = emulator.endpoints()
    emulator.change(live["id"], advanced={"max_batch_size": 7}, hfModelRepo="acme/other")
    found = project.run("history", CHAT, "--diff", "0", "1", "--format", "json").json
    assert [field["path"] for field in found["fields"]] == ["engine.maxBatchSize"]
    assert "model.huggingFace.repo" in found["unknown"]
    shown = project.run("history", CHAT, "--diff", "0", "1").out
    assert "UNKNOWN" in shown
    assert "v1 is not recorded here" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--diff", "0", "9"), "has no version 9, only v0"),
        (("--diff", "0", "new"), "--diff new: that is no version"),
    ],
)
def test_a_version_that_is_not_there(
    project: Project, emulator: Emulator, words: tuple[str, ...], told: str
) -> None:
    applied(project, 64)
    wrong = project.run("history", CHAT, *words)
    assert wrong.code == 64, wrong
    assert told in wrong.err


def test_offline_nothing_is_asked_and_no_token_is_needed(
    project: Project, emulator: Emulator
) -> None:
    applied(project, 64, 128)
    (live,) = emulator.endpoints()
    emulator.change(live["id"], advanced={"max_batch_size": 7})
    emulator.clear_requests()
    shown = project.run("history", CHAT, "--offline", env={"FRIENDLI_TOKEN": ""})
    assert shown.code == 0, shown
    assert emulator.requests == []
    assert "* v1" in shown.out
    assert "whether somebody else made a version is not known" in shown.out


def test_what_is_gone_has_no_live_version(project: Project, emulator: Emulator) -> None:
    applied(project, 64)
    emulator.reset()
    found = listed(project)
    assert found["live"] is None
    assert "is gone: 404" in found["doubt"]
    assert [version["version"] for version in found["versions"]] == [0]


def test_where_nothing_serves_no_version_is_live(project: Project, emulator: Emulator) -> None:
    applied(project, 64)
    (live,) = emulator.endpoints()
    assert listed(project)["live"] == 0
    emulator.set_status(live["id"], "TERMINATED")
    found = listed(project)
    assert (found["status"], found["live"]) == ("TERMINATED", None)
    assert "it is TERMINATED: nothing serves now" in found["doubt"]


def test_one_that_was_sent_and_not_proved_is_not_called_live(
    project: Project, emulator: Emulator
) -> None:
    applied(project, 64)
    emulator.set_durations(update=3600)
    project.write(endpoint(batch=128))
    assert project.run("apply", "--yes", "--no-wait", *FAST).code == 0
    found = listed(project)
    assert found["live"] is None
    assert "v1 was sent and is not proved" in found["doubt"]


def test_what_the_state_dropped_is_not_called_somebody_else_s(
    project: Project, emulator: Emulator
) -> None:
    with engine_for(project, emulator) as engine:
        for batch in range(1, HISTORY_KEPT + 3):
            wanted = wishes(wish("chat", engine__maxBatchSize=batch))

            def make(plan: Any, wanted: Any = wanted) -> Any:
                return plan(wanted, Selection())

            engine.apply(make, ApplyOptions(), lambda plan: True)
    versions = listed(project)["versions"]
    assert [v["made_by"] for v in versions] == ["ours"] * HISTORY_KEPT + ["forgotten"] * 2
    assert "older than what is recorded here" in project.run("history", CHAT).out


def test_a_number_that_was_used_twice_is_listed_twice(project: Project, emulator: Emulator) -> None:
    """The service dropped an update without a trace, and gave its number to the next one."""
    applied(project, 64)
    not_applied(project, emulator, 128, "ignored-unlisted")
    applied(project, 256)
    found = listed(project)
    outcomes = [(v["version"], v["outcome"]) for v in found["versions"]]
    assert outcomes == [(1, "good"), (1, "not applied"), (0, "unverified")]
    assert [v["live"] for v in found["versions"]] == [True, False, False]


def test_an_address_that_is_not_in_state(project: Project, emulator: Emulator) -> None:
    applied(project, 64)
    wrong = project.run("history", "Endpoint/cat")
    assert wrong.code == 64, wrong
    assert "Did you mean Endpoint/chat?" in wrong.err


def test_what_an_update_only_carries_along_is_no_change(
    project: Project, emulator: Emulator
) -> None:
    """The first version says nothing of it, and the next one holds what the service showed."""
    bare = endpoint().replace("  engine: {maxBatchSize: 64}\n", "")
    project.write(bare)
    assert project.apply().code == 0
    project.write(bare.replace("maxReplicas: 2", "maxReplicas: 3"))
    assert project.apply().code == 0
    carried = project.state["resources"][CHAT]["history"][1]["spec"]["engine"]
    assert "maxBatchSize" in carried, "or there is nothing to test here"
    shown = project.run("history", CHAT, "--diff", "0", "1")
    assert shown.out.splitlines() == ["v0 → v1", "  ~ autoscaling.maxReplicas  2 → 3"]
    back = project.run("history", CHAT, "--diff", "1", "0", "--format", "json").json
    assert [one["path"] for one in back["fields"]] == ["autoscaling.maxReplicas"]
    # Where nobody is asked, what was in force then is not known; and that is said.
    offline = project.run("history", CHAT, "--offline", "--diff", "0", "1").out
    line = next(line for line in offline.splitlines() if "maxBatchSize" in line)
    assert line.endswith("(v0 did not say it: what was in force then is not known)")
