"""What is in our projects and nobody's: one line in a plan, and everything about it in drift."""

from __future__ import annotations

from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project, endpoint, writes

CREATE = "/dedicated/beta/endpoint"
DAY = 86400.0


@pytest.fixture
def ours(project: Project) -> Project:
    project.write(endpoint())
    assert project.apply().code == 0
    return project


def test_a_plan_says_it_in_one_line_without_a_request_more(
    ours: Project, emulator: Emulator
) -> None:
    emulator.clear_requests()
    assert "not ours" not in ours.run("plan").out
    quiet = len(emulator.requests)
    first, second, third = emulator.seed(3, project="p1")
    emulator.set_status(second["id"], "SLEEPING")
    emulator.set_status(third["id"], "TERMINATED")
    emulator.seed(1, project="somebody-elses")
    emulator.clear_requests()
    planned = ours.run("plan")
    assert planned.out.count("not ours") == 1
    assert (
        "note: not ours: 2 endpoints in project p1 (1 RUNNING, 1 SLEEPING), which may bill: "
        "friendli-iac drift --unmanaged\n" in planned.out
    )
    assert len(emulator.requests) == quiet
    assert first["id"] not in planned.out  # it was not looked at


def test_a_narrowed_plan_says_nothing(ours: Project, emulator: Emulator) -> None:
    emulator.seed(1, project="p1")
    assert "not ours" in ours.run("plan").out
    assert "not ours" not in ours.run("plan", "--target", "Endpoint/chat").out
    assert "not ours" not in ours.run("plan", "-f", "main.yaml").out
    assert "not ours" not in ours.run("plan", "--refresh", "none").out


def test_the_digest_of_a_plan_does_not_hang_on_it(ours: Project, emulator: Emulator) -> None:
    before = ours.run("plan", "--format", "json").json["digest"]
    emulator.seed(1, project="p1")
    assert ours.run("plan", "--format", "json").json["digest"] == before


def test_drift_tells_everything_and_how_to_import_it(ours: Project, emulator: Emulator) -> None:
    (made,) = emulator.seed(
        1, project="p1", name="Old Test", user="user-7", instanceOptionId="zfTutSiLn0Hq"
    )
    emulator.clear_requests()
    found = ours.run("drift", "--unmanaged")
    assert found.code == 2, found
    assert (
        f"? {made['id']}   Old Test   RUNNING   project p1   0s old   2 x H100   "
        "$7.80 /h   by user-7\n" in found.out
    )
    assert f"    friendli-iac import Endpoint/old-test {made['id']}\n" in found.out
    assert "1 not ours, $7.80 /h (list prices of 2025-09)" in found.out
    assert writes(emulator) == []
    (one,) = ours.run("drift", "--unmanaged", "--format", "json").json["unmanaged"]
    assert one["creator"] == "user-7"
    assert one["cost_per_hour"] == [7.8, 7.8]
    assert one["import"] == f"friendli-iac import Endpoint/old-test {made['id']}"
    assert made["id"] in ours.run("drift", "--unmanaged", "--format", "markdown").out
    # The command does what it says.
    assert ours.run(*one["import"].split()[1:]).code == 0
    assert ours.run("drift", "--unmanaged").code == 0


def test_the_age_is_told(ours: Project, emulator: Emulator) -> None:
    emulator.advance(-3 * DAY - 60)
    emulator.seed(1, project="p1")
    emulator.advance(3 * DAY + 60)
    assert "   3d old   " in ours.run("drift", "--unmanaged").out


def test_without_the_option_nobody_is_asked(ours: Project, emulator: Emulator) -> None:
    emulator.seed(1, project="p1")
    found = ours.run("drift")
    assert found.code == 0, found
    assert ours.run("drift", "--format", "json").json["unmanaged"] is None
    assert ours.run("drift", "--unmanaged", "--target", "Endpoint/chat").code == 64


def test_terminated_ones_are_left_out(ours: Project, emulator: Emulator) -> None:
    (made,) = emulator.seed(1, project="p1")
    emulator.set_status(made["id"], "TERMINATED")
    found = ours.run("drift", "--unmanaged")
    assert found.code == 0, found
    assert "nothing that is not ours" in found.out


def test_addresses_for_the_import_are_free(ours: Project, emulator: Emulator) -> None:
    emulator.seed(2, project="p1", name="chat")
    commands = [
        one["import"]
        for one in ours.run("drift", "--unmanaged", "--format", "json").json["unmanaged"]
    ]
    addresses = [command.split()[2] for command in commands]
    assert len({*addresses, "Endpoint/chat"}) == 3
    for command in commands:
        assert ours.run(*command.split()[1:]).code == 0


def test_projects_that_only_the_manifests_name(project: Project, emulator: Emulator) -> None:
    emulator.seed(1, project="p2")
    project.write(endpoint().replace("project: p1", "project: p2"))
    assert project.run("drift", "--unmanaged").code == 2
    project.write("no: manifest\n")  # where they cannot be read, the state still says where to look
    unread = project.run("drift", "--unmanaged")
    assert unread.code == 0, unread
    assert "only the projects in state are looked at" in unread.err


def sibling(ours: Project, emulator: Emulator, root: Path) -> Project:
    """Another project with a state of its own, in the same Friendli project."""
    other = Project(root / "other", emulator.url)
    other.write(endpoint("search"))
    assert other.apply().code == 0
    assert "not ours: 1 endpoint in project p1" in ours.run("plan").out
    return other


def test_what_a_sibling_has_is_no_stranger(
    ours: Project, emulator: Emulator, tmp_path: Path
) -> None:
    other = sibling(ours, emulator, tmp_path)
    ours.write("siblings: [file:../other/.friendli-iac/state.json]\n", "friendli-iac.yaml")
    assert "not ours" not in ours.run("plan").out
    assert ours.run("drift", "--unmanaged").code == 0
    assert other.state["resources"]


def test_a_sibling_that_cannot_be_read_is_a_note(
    ours: Project, emulator: Emulator, tmp_path: Path
) -> None:
    other = sibling(ours, emulator, tmp_path)
    ours.write(
        "siblings: [file:../other/.friendli-iac/state.json, file:../none.json, 'ftp://b/k']\n",
        "friendli-iac.yaml",
    )
    other.state_path.write_text("{")
    planned = ours.run("plan")
    assert planned.code == 0, planned
    assert planned.out.count("note: the sibling state") == 3
    assert "not ours: 1 endpoint in project p1" in planned.out
    assert ours.run("drift", "--unmanaged").code == 2


def test_siblings_are_a_list_of_texts(ours: Project) -> None:
    ours.write("siblings: [3]\n", "friendli-iac.yaml")
    refused = ours.run("plan")
    assert refused.code == 1, refused
    assert "friendli-iac.yaml:1" in refused.err


def test_what_an_open_create_may_have_made_is_not_called_a_stranger(
    ours: Project, emulator: Emulator
) -> None:
    ours.write(endpoint("new"), "new.yaml")
    emulator.hold("POST", f"{CREATE}$", "after")
    running = ours.spawn("apply", "--yes")
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.release()
    planned = ours.run("plan")
    assert "an interrupted apply left open: create Endpoint/new" in planned.out
    assert "not ours" not in planned.out
    found = ours.run("drift", "--unmanaged")
    assert found.code == 0, found
    assert "left open: create Endpoint/new" in found.out
