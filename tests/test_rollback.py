"""rollback: a version from before, as a new one; and the manifest that still says the bad thing."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, Result, endpoint, writes
from .rollouts import live

FIRST = endpoint(repo="acme/one")
SECOND = endpoint(repo="acme/two", batch=128)


def rollback(project: Project, *arguments: str) -> Result:
    return project.run("rollback", "Endpoint/chat", "--yes", *FAST, *arguments)


def model(emulator: Emulator) -> object:
    """What the newest version serves."""
    return live(emulator)["versions"][-1]["settings"]["hfModelRepo"]


@pytest.fixture
def two(project: Project, emulator: Emulator) -> Project:
    """A project whose version 1 is to be taken back."""
    for text in (FIRST, SECOND):
        project.write(text)
        assert project.apply().code == 0
    emulator.clear_requests()
    return project


def test_the_previous_good_version_comes_back_as_a_new_one(
    two: Project, emulator: Emulator
) -> None:
    done = rollback(two)
    assert done.code == 0, done
    assert len(writes(emulator)) == 1
    assert len(live(emulator)["versions"]) == 3
    assert model(emulator) == "acme/one", "write-only: from our own records"
    history = two.state["resources"]["Endpoint/chat"]["history"]
    assert [record["outcome"] for record in history] == ["unverified", "rolled back", "unverified"]
    again = rollback(two)
    assert again.code == 5, "what was taken back is no good version to go back to"


def test_git_still_says_the_bad_thing_and_is_held_off(two: Project, emulator: Emulator) -> None:
    done = rollback(two)
    assert "main.yaml:6" in done.err, done
    assert "make it acme/one" in done.err, done
    emulator.clear_requests()
    held = two.apply()
    assert held.code == 5, held
    assert "HELD OFF" in held.out
    assert "rolled back from version 1" in held.out
    assert writes(emulator) == []
    two.write(FIRST)
    agreed = two.run("plan")
    assert agreed.code == 0, agreed
    assert "No changes" in agreed.out, agreed
    assert two.apply().code == 0
    two.write(endpoint(repo="acme/three"))
    assert two.apply().code == 0
    assert model(emulator) == "acme/three"


def test_any_version_that_we_made_can_be_named(two: Project, emulator: Emulator) -> None:
    two.write(endpoint(repo="acme/three"))
    assert two.apply().code == 0
    done = rollback(two, "--to", "0")
    assert done.code == 0, done
    assert model(emulator) == "acme/one"


def test_a_rollback_of_a_rollback(two: Project, emulator: Emulator) -> None:
    assert rollback(two).code == 0
    assert rollback(two, "--to", "1").code == 0
    assert model(emulator) == "acme/two"
    assert two.run("plan", "--detailed-exitcode").code == 0, "the manifest says just that"


def test_a_version_that_is_not_ours_needs_a_word(two: Project, emulator: Emulator) -> None:
    emulator.change(str(live(emulator)["id"]), hfModelRepo="acme/theirs")
    two.write(endpoint(repo="acme/three"))
    assert two.apply().code == 0
    emulator.clear_requests()
    refused = rollback(two, "--to", "2")
    assert refused.code == 5, refused
    assert "model.huggingFace.repo" in refused.err
    assert "--accept-unknown" in refused.err
    for never_shown in ("model.huggingFace.revision", "engine.queue.timeoutMs"):
        assert never_shown in refused.err, "nobody knows whether they set it"
    assert writes(emulator) == []
    assert rollback(two, "--to", "2", "--accept-unknown").code == 0


def test_what_somebody_else_made_is_taken_back_and_not_ours(
    two: Project, emulator: Emulator
) -> None:
    emulator.change(str(live(emulator)["id"]), hfModelRepo="acme/broken")
    done = rollback(two)
    assert done.code == 0, done
    assert "from version 2 to the settings of version 1" in done.out
    assert model(emulator) == "acme/two"
    assert two.run("plan", "--detailed-exitcode").code == 0, "the manifest says just that"
    outcomes = [r["outcome"] for r in two.state["resources"]["Endpoint/chat"]["history"]]
    assert "rolled back" not in outcomes


def test_a_rollback_that_is_dropped_can_be_sent_again(two: Project, emulator: Emulator) -> None:
    emulator.set_durations(update=0.5)
    emulator.fail_next_rollout(str(live(emulator)["id"]), "ignored")
    assert rollback(two).code == 4
    again = rollback(two, "--to", "0")
    assert again.code == 0, again
    assert live(emulator)["serving"] == 3
    assert model(emulator) == "acme/one"


def test_a_rollback_needs_no_manifest_that_can_be_read(two: Project, emulator: Emulator) -> None:
    two.write("kind: [\n")
    done = rollback(two)
    assert done.code == 0, done
    assert model(emulator) == "acme/one"
    two.write(SECOND)
    emulator.clear_requests()
    assert two.apply().code == 5, "what it says is held off all the same"
    assert writes(emulator) == []


@pytest.mark.parametrize("arguments", [("--to", "9"), ()])
def test_where_there_is_nothing_to_go_back_to(
    project: Project, emulator: Emulator, arguments: tuple[str, ...]
) -> None:
    project.write(FIRST)
    assert project.apply().code == 0
    emulator.clear_requests()
    refused = rollback(project, *arguments)
    assert refused.code in (5, 64), refused
    assert "history Endpoint/chat" in refused.err
    assert writes(emulator) == []


def test_protection_and_other_things_of_ours_are_not_rolled_back(
    project: Project, emulator: Emulator
) -> None:
    project.write(FIRST)
    assert project.apply().code == 0
    project.write(endpoint(repo="acme/two", more="  lifecycle: {preventDestroy: true}\n"))
    assert project.apply().code == 0
    assert rollback(project).code == 0
    assert project.state["resources"]["Endpoint/chat"]["protected"]
    assert project.run("destroy", "--yes").code == 5


def test_an_unknown_address_is_named(project: Project, emulator: Emulator) -> None:
    refused = project.run("rollback", "Endpoint/nobody", "--yes")
    assert refused.code == 64, refused


def test_a_rollback_that_was_killed_goes_on(two: Project, emulator: Emulator) -> None:
    """Between the pin and the update: the manifest must not win."""
    emulator.hold("PUT", "/endpoint/", "before")
    process = two.spawn("rollback", "Endpoint/chat", "--yes", *FAST)
    emulator.wait_held()
    process.kill()
    process.communicate()
    emulator.release()
    emulator.advance(300)
    two.write(SECOND.replace("H100", "B200"))
    done = two.apply()
    assert done.code == 5, done
    assert model(emulator) == "acme/one"
    versions = [version["settings"] for version in live(emulator)["versions"]]
    assert versions[2] == versions[0], "first what is owed, and only that"
    two.write(SECOND)
    assert two.apply().code == 5
    assert len(live(emulator)["versions"]) == 3


def test_one_that_fails_where_the_manifest_says_the_same_is_told(
    two: Project, emulator: Emulator
) -> None:
    two.write(FIRST)
    emulator.fail_next_rollout(str(live(emulator)["id"]), "down:INFERENCE_ENGINE_MEMORY_ERROR")
    done = rollback(two)
    assert done.code == 10, done
    assert "What served before serves again as version 3" in done.out
    assert model(emulator) == "acme/two"
    assert two.state["resources"]["Endpoint/chat"]["pin"] is None
