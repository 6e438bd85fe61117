"""reap: what has expired ends, from the state alone; nothing else about anything changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, endpoint, writes
from .test_cli_terminal import Terminal

PAST = "  lifecycle: {expires: 72h}\n"
PROTECTED = "  lifecycle: {expires: 72h, preventDestroy: true}\n"
REAP = ("reap", "--yes", *FAST)


def applied(project: Project, emulator: Emulator, *documents: str) -> dict[str, str]:
    """The ids by address of what was applied; three days later, and the manifests are gone."""
    path = project.write("---\n".join(documents))
    done = project.apply()
    assert done.code == 0, done
    path.unlink()
    three_days_later(project)
    emulator.clear_requests()
    return {address: one["id"] for address, one in project.state["resources"].items()}


def three_days_later(project: Project) -> None:
    """As if everything in state had been created 72 hours ago."""
    state = project.state
    for resource in state["resources"].values():
        resource["created"] -= 72 * 3600 + 1
    project.state_path.write_text(json.dumps(state))


def statuses(emulator: Emulator) -> dict[str, str]:
    return {e["id"]: e["status"] for e in emulator.endpoints()}


def ended(id: str) -> str:
    return f"PUT /dedicated/beta/endpoint/{id}/terminate"


def test_what_has_expired_ends_without_any_manifest(project: Project, emulator: Emulator) -> None:
    later = '  lifecycle: {expires: "2999-01-01"}\n'
    ids = applied(
        project, emulator, endpoint("old", more=PAST), endpoint("new", more=later), endpoint("ever")
    )
    done = project.run(*REAP)
    assert done.code == 0, done
    assert writes(emulator) == [ended(ids["Endpoint/old"])]
    assert statuses(emulator)[ids["Endpoint/old"]] == "TERMINATED"
    assert "■ TERMINATE Endpoint/old" in done.out
    assert "Endpoint/ever" not in done.out
    assert "stopped billing: $3.90-7.80 /h" in done.err
    again = project.run(*REAP)
    assert again.code == 0, again
    assert len(writes(emulator)) == 1
    shown = project.run("status", "--detailed-exitcode")
    assert shown.code == 0, "what has expired need not serve"


def test_it_is_locked_journalled_and_goes_on_after_a_kill(
    project: Project, emulator: Emulator
) -> None:
    ids = applied(project, emulator, endpoint("old", more=PAST))
    emulator.hold("PUT", "/terminate$")
    running = project.spawn(*REAP)
    emulator.wait_held()
    locked = project.run(*REAP)
    assert locked.code == 7, locked
    running.kill()
    running.communicate()
    emulator.release()
    again = project.run(*REAP)
    assert again.code == 0, again
    assert "the interrupted terminate" in again.err
    assert statuses(emulator)[ids["Endpoint/old"]] == "TERMINATED"


def test_before_its_time_nothing_ends(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("young", more=PAST))
    assert project.apply().code == 0
    emulator.clear_requests()
    done = project.run(*REAP)
    assert (done.code, done.out) == (0, "")
    assert "nothing has expired" in done.err
    assert writes(emulator) == []


def test_a_dry_run_shows_and_sends_nothing(project: Project, emulator: Emulator) -> None:
    applied(project, emulator, endpoint("old", more=PAST))
    before = project.state_path.read_bytes()
    shown = project.run("reap", "--dry-run")
    assert shown.code == 0, shown
    assert "TERMINATE Endpoint/old" in shown.out
    assert "would stop billing: $3.90-7.80 /h" in shown.err
    assert writes(emulator) == []
    assert project.state_path.read_bytes() == before


def test_what_is_protected_is_refused_by_name_and_the_others_go(
    project: Project, emulator: Emulator
) -> None:
    ids = applied(project, emulator, endpoint("kept", more=PROTECTED), endpoint("old", more=PAST))
    dry = project.run("reap", "--dry-run")
    assert dry.code == 5, dry
    done = project.run(*REAP)
    assert done.code == 5, done
    assert "REFUSED Endpoint/kept: it has expired, and preventDestroy protects it" in done.err
    assert writes(emulator) == [ended(ids["Endpoint/old"])]
    assert statuses(emulator)[ids["Endpoint/kept"]] == "RUNNING"
    only = project.run(*REAP)
    assert only.code == 5, only
    assert len(writes(emulator)) == 1
    assert "Endpoint/kept is left as it is" in only.out


def test_what_is_protected_and_ended_already_is_no_reason_to_fail(
    project: Project, emulator: Emulator
) -> None:
    ids = applied(project, emulator, endpoint("kept", more=PROTECTED))
    emulator.set_status(ids["Endpoint/kept"], "TERMINATED")
    done = project.run(*REAP)
    assert done.code == 0, done
    assert writes(emulator) == []


def test_drift_is_left_alone(project: Project, emulator: Emulator) -> None:
    ids = applied(project, emulator, endpoint("old", more=PAST), endpoint("ever"))
    for id in ids.values():
        emulator.change(id, advanced={"max_batch_size": 7}, instanceOptionId="zfTutSiLn0Hq")
    done = project.run(*REAP)
    assert done.code == 0, done
    assert writes(emulator) == [ended(ids["Endpoint/old"])]
    assert [len(e["versions"]) for e in emulator.endpoints()] == [2, 2]


def test_what_is_being_replaced_is_left_to_an_apply(project: Project, emulator: Emulator) -> None:
    """An end would meet what was replaced, and take it for the whole."""
    path = project.write(
        endpoint("old", more="  lifecycle: {createBeforeDestroy: true, expires: 72h}\n")
    )
    assert project.apply().code == 0
    words = ("--replace", "Endpoint/old", "--allow-destroy", "Endpoint/old")
    emulator.hold("PUT", "/terminate$")
    running = project.spawn("apply", "--yes", *FAST, *words)
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.release()
    path.unlink()
    assert project.run("state", "recover", "--settle-grace", "1s").code == 0
    three_days_later(project)
    emulator.clear_requests()
    left = project.run(*REAP)
    assert left.code == 5, left
    assert "its replacement is not finished" in left.err
    assert writes(emulator) == []


def test_what_failed_and_is_pinned_ends_and_stays_pinned(
    project: Project, emulator: Emulator
) -> None:
    """Somebody keeps it for a look at it, and forgets it."""
    keep = "  rollout: {onCreateFailure: keep}\n"
    emulator.fail_next_rollout("*", "INFERENCE_ENGINE_MEMORY_ERROR")
    path = project.write(endpoint("old", more=PAST + keep))
    assert project.apply().code == 4
    path.unlink()
    three_days_later(project)
    emulator.clear_requests()
    pin = project.state["resources"]["Endpoint/old"]["pin"]
    assert pin["stage"] == "halted"
    (live,) = emulator.endpoints()
    done = project.run(*REAP)
    assert done.code == 0, done
    assert writes(emulator) == [ended(live["id"])]
    assert project.state["resources"]["Endpoint/old"]["pin"] == pin


def test_what_is_gone_is_nothing_to_end(project: Project, emulator: Emulator) -> None:
    ids = applied(project, emulator, endpoint("old", more=PAST), endpoint("older", more=PAST))
    emulator.set_status(ids["Endpoint/older"], "TERMINATED")
    with emulator.service.store.lock:
        found = {one.id: one for one in emulator.service.store.newest_first()}
        emulator.service.delete(found[ids["Endpoint/older"]])
    done = project.run(*REAP)
    assert done.code == 0, done
    assert writes(emulator) == [ended(ids["Endpoint/old"])]
    assert "Endpoint/older" in project.state["resources"]


def test_everything_gone_at_once_is_the_wrong_token_rather(
    project: Project, emulator: Emulator
) -> None:
    applied(project, emulator, endpoint("old", more=PAST))
    emulator.reset()
    for words in (REAP, ("reap", "--dry-run")):
        refused = project.run(*words)
        assert refused.code == 5, refused
        assert "everything in state of project p1 is gone at once" in refused.err
    assert writes(emulator) == []
    assert "Endpoint/old" in project.state["resources"]


def test_json_for_cron(project: Project, emulator: Emulator) -> None:
    assert project.run(*REAP, "--format", "json").json["outcomes"] == []
    applied(project, emulator, endpoint("old", more=PAST))
    done: Any = project.run(*REAP, "--format", "json").json
    assert [(o["address"], o["action"], o["result"]) for o in done["outcomes"]] == [
        ("Endpoint/old", "terminate", "applied")
    ]


@pytest.mark.parametrize(("answer", "code", "sent"), [("y\n", 0, 1), ("n\n", 8, 0)])
def test_a_person_is_asked(
    project: Project, emulator: Emulator, answer: str, code: int, sent: int
) -> None:
    applied(project, emulator, endpoint("old", more=PAST))
    nobody = project.run("reap")
    assert nobody.code == 64, nobody
    terminal = Terminal(project, "reap", *FAST)
    terminal.read_until("Apply this? [y/N] ")
    terminal.type(answer)
    assert terminal.end() == code
    assert len(writes(emulator)) == sent


def test_document_and_exit_code_agree_and_what_was_left_is_told(
    project: Project, emulator: Emulator
) -> None:
    applied(project, emulator, endpoint("kept", more=PROTECTED), endpoint("old", more=PAST))
    done = project.run(*REAP, "--format", "json")
    assert done.code == done.json["exit_code"] == 5, done
    assert done.json["left"] == [
        {
            "address": "Endpoint/kept",
            "reason": "it has expired, and preventDestroy protects it",
        }
    ]
    assert "stopped billing" in done.err
