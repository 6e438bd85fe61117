"""`apply --approved DIGEST`: what a reviewer saw, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.core.planfile import from_json
from friendli_iac.emulator import Emulator

from .harness import FAST, Project, Result, endpoint, writes

TWO = endpoint("a") + "---\n" + endpoint("b")
CHANGED = endpoint("a", batch=128) + "---\n" + endpoint("b")


def digest(project: Project, *options: str) -> str:
    """What stands in the comment on the pull request."""
    planned = project.run("plan", "--format", "json", *options)
    assert planned.code == 0, planned
    return str(planned.json["digest"])


def apply(project: Project, approved: str, *options: str) -> Result:
    return project.run("apply", "--approved", approved, *FAST, *options)


def id_of(project: Project, name: str) -> str:
    return str(project.state["resources"][f"Endpoint/{name}"]["id"])


@pytest.fixture
def two(project: Project, emulator: Emulator) -> Project:
    """Two endpoints that serve, and a change of the first one in the manifests."""
    project.write(TWO)
    assert project.apply().code == 0
    project.write(CHANGED)
    emulator.clear_requests()
    return project


def touched(project: Project, emulator: Emulator) -> None:
    emulator.change(id_of(project, "a"), name="theirs")


def touched_unseen(project: Project, emulator: Emulator) -> None:
    emulator.change(id_of(project, "a"), hfModelRepo="theirs/model")


def other_value(project: Project, emulator: Emulator) -> None:
    project.write(CHANGED.replace("128", "256"))


def other_label(project: Project, emulator: Emulator) -> None:
    project.write(CHANGED.replace("{name: a}", "{name: a, labels: {owner: me}}"))


def one_more(project: Project, emulator: Emulator) -> None:
    project.write(CHANGED + "---\n" + endpoint("c"))


def ended(project: Project, emulator: Emulator) -> None:
    emulator.set_status(id_of(project, "a"), "TERMINATED")


@pytest.mark.parametrize(
    "happens", [touched, touched_unseen, other_value, other_label, one_more, ended]
)
def test_what_makes_another_plan_of_it(
    happens: Callable[[Project, Emulator], None], two: Project, emulator: Emulator
) -> None:
    approved = digest(two)
    happens(two, emulator)
    assert digest(two) != approved
    refused = apply(two, approved)
    assert refused.code == 6, refused
    assert writes(emulator) == []
    assert "UPDATE Endpoint/a" in refused.out  # the new plan, for the next review
    assert f"approved was {approved}, and the plan is {digest(two)} now" in refused.err
    assert "safe: Nothing was sent." in refused.err
    assert apply(two, digest(two)).code == 0
    if happens is touched:
        assert "Endpoint/a: name was changed outside" in refused.err
    if happens is touched_unseen:
        assert "Endpoint/a: unknown since version 1" in refused.err


def untouched(project: Project, emulator: Emulator) -> None:
    emulator.change(id_of(project, "b"), autoscalingPolicy={"minReplica": 1, "maxReplica": 2})


def asleep(project: Project, emulator: Emulator) -> None:
    for name in ("a", "b"):
        emulator.set_status(id_of(project, name), "SLEEPING")


def later(project: Project, emulator: Emulator) -> None:
    emulator.advance(3600)


def moved_lines(project: Project, emulator: Emulator) -> None:
    project.write("# a comment\n\n" + CHANGED)


def other_work(project: Project, emulator: Emulator) -> None:
    """Somebody applies a new endpoint from another branch, which is not ours to touch."""
    project.write(TWO + "---\n" + endpoint("c"))
    assert project.apply().code == 0
    project.write(CHANGED + "---\n" + endpoint("c"))
    emulator.clear_requests()


@pytest.mark.parametrize("happens", [untouched, asleep, later, moved_lines, other_work])
def test_what_leaves_it_the_same(
    happens: Callable[[Project, Emulator], None], two: Project, emulator: Emulator
) -> None:
    words = ["--target", "Endpoint/a"] * (happens is untouched)  # else it would be put right
    approved = digest(two, *words)
    happens(two, emulator)
    done = apply(two, approved, *words)
    assert done.code == 0, done
    assert writes(emulator) == [f"PUT /dedicated/beta/endpoint/{id_of(two, 'a')}"]
    again = apply(two, approved, *words)  # the job is started once more
    assert (again.code, len(writes(emulator))) == (0, 1)
    assert "No changes" in again.out


def test_two_machines_without_a_state_agree(
    project: Project, emulator: Emulator, tmp_path: Path
) -> None:
    """Each makes up a lineage of its own."""
    other = Project(tmp_path / "elsewhere", emulator.url)
    for machine in (project, other):
        machine.write(TWO)
    plans = [m.run("plan", "--format", "json").json for m in (project, other)]
    assert plans[0]["digest"] == plans[1]["digest"]
    assert plans[0]["lineage"] != plans[1]["lineage"]
    assert apply(other, plans[0]["digest"]).code == 0
    assert len(writes(emulator)) == 2


def test_an_environment_and_an_api_are_part_of_it(two: Project) -> None:
    document = two.run("plan", "--format", "json").json
    plan = from_json(document)
    others = [replace(plan, **{name: "x"}) for name in ("environment", "api", "team")]
    assert len({plan.digest, *(other.digest for other in others)}) == 4
    same = ("plan_id", "lineage", "created", "expires", "commit", "tool_version", "prices")
    assert {replace(plan, **{name: "x"}).digest for name in same} == {plan.digest}  # type: ignore[arg-type]
    assert replace(plan, serial=9, notes=("x",), unsettled=("x",)).digest == plan.digest


def test_deletes_were_named_by_the_plan_that_was_approved(two: Project, emulator: Emulator) -> None:
    two.write(endpoint("a"))
    done = apply(two, digest(two))
    assert done.code == 0, done
    assert [e["id"] for e in emulator.endpoints()] == [id_of(two, "a")]


def test_protection_holds_all_the_same(project: Project, emulator: Emulator) -> None:
    project.write(endpoint(more="  lifecycle: {preventDestroy: true}\n"))
    assert project.apply().code == 0
    project.write(endpoint("b"))
    emulator.clear_requests()
    approved = project.run("plan", "--format", "json").json["digest"]
    refused = apply(project, approved)
    assert refused.code == 5, refused
    assert "preventDestroy" in refused.err
    assert writes(emulator) == []


def test_what_makes_no_sense_is_refused(two: Project, emulator: Emulator) -> None:
    approved = digest(two)
    two.run("plan", "--out", "p")
    emulator.clear_requests()
    for words in (
        ["--approved", approved[:12]],
        ["--approved", approved.upper()],
        ["--approved", approved + "0"],
        ["p", "--approved", approved],
        ["--approved", approved, "--refresh-only"],
    ):
        assert two.run("apply", *words).code == 64
    assert emulator.requests == []


def test_machines_read_it_too(two: Project, emulator: Emulator) -> None:
    refused = apply(two, "0" * 64, "--format", "json")
    assert refused.code == 6
    assert (refused.json["type"], refused.json["plan"]["digest"]) == ("NotApproved", digest(two))
    done = apply(two, digest(two), "--format", "json")
    assert (done.code, done.json["outcomes"][0]["result"]) == (0, "applied")


# --- what was cut off ---


def half(project: Project, emulator: Emulator) -> str:
    """Of two new endpoints one is there: the job was ended. The digest that it was to apply."""
    project.write(TWO)
    approved = digest(project)
    emulator.hold("POST", "/dedicated/beta/endpoint", "before", nth=2)
    process = project.spawn("apply", "--approved", approved, *FAST, "--parallelism", "1")
    emulator.wait_held(timeout=60)
    process.kill()
    process.communicate()
    emulator.clear_faults()
    emulator.release()
    return approved


def test_a_job_that_was_cut_off_goes_on(project: Project, emulator: Emulator) -> None:
    approved = half(project, emulator)
    done = apply(project, approved)
    assert done.code == 0, done
    assert len(writes(emulator)) == len(emulator.endpoints()) == 2
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert all(run["plan"] is None for run in project.state["runs"].values())


def test_what_was_sent_and_not_waited_for_is_gone_on_with(
    project: Project, emulator: Emulator
) -> None:
    emulator.set_durations(create=3600)
    project.write(TWO)
    approved = digest(project)
    assert apply(project, approved, "--no-wait").code == 0
    emulator.set_durations(create=0)
    for endpoint_ in emulator.endpoints():
        emulator.set_status(endpoint_["id"], "RUNNING")
    done = apply(project, approved)
    assert done.code == 0, done
    assert "this one goes on with it" in done.err
    assert len(writes(emulator)) == 2


def test_what_is_left_of_it_must_be_as_it_was(project: Project, emulator: Emulator) -> None:
    """Who has come between, and what the manifests say by now."""
    project.write(TWO)
    assert project.apply().code == 0
    project.write(CHANGED.replace("maxReplicas: 2", "maxReplicas: 3"))
    approved = digest(project)
    emulator.fault("PUT", "/dedicated/beta/endpoint", nth=2, status=400, body={})
    assert apply(project, approved, "--parallelism", "1").code == 4
    sent = len(writes(emulator))
    wanted = (project.root / "main.yaml").read_text()
    project.write(wanted.replace("maxReplicas: 3", "maxReplicas: 4"))
    assert apply(project, approved).code == 6
    project.write(wanted)
    emulator.change(id_of(project, "b"), name="theirs")
    refused = apply(project, approved)
    assert refused.code == 6, refused
    assert "Endpoint/b is at version 1, and the plan saw 0" in refused.err
    assert len(writes(emulator)) == sent


def test_another_approval_counts_for_itself(project: Project, emulator: Emulator) -> None:
    first = half(project, emulator)
    project.write(endpoint("a") + "---\n" + endpoint("b", batch=32))
    planned = project.run("plan", "--format", "json").json
    refused = apply(project, planned["digest"])  # settling makes another plan of it
    assert refused.code == 6, refused
    assert "the interrupted create" in refused.err
    assert apply(project, digest(project)).code == 0
    project.write(TWO)
    late = apply(project, first)
    assert late.code == 6, late
    assert "a run of that one was cut off, and another plan has come since" in late.err


def test_what_was_applied_may_be_approved_again(project: Project, emulator: Emulator) -> None:
    """A create, an end, and the same create: each time it was reviewed."""
    project.write(endpoint())
    approved = digest(project)
    assert apply(project, approved).code == 0
    assert project.run("destroy", "--yes").code == 0
    assert apply(project, approved).code == 0
    project.write(endpoint(batch=32))
    refused = apply(project, approved)
    assert refused.code == 6
    assert "that one was applied already" in refused.err


def test_a_state_from_before_is_read(two: Project) -> None:
    """Older versions wrote no approvals."""
    document: dict[str, Any] = two.state
    for run in document["runs"].values():
        del run["approved"], run["plan"]
    two.state_path.write_text(json.dumps(document))
    assert apply(two, digest(two)).code == 0
