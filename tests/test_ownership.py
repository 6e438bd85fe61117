"""What once lost an id, or made a second endpoint, though every part of it worked as written."""

from __future__ import annotations

import errno
import json
import signal
import time
from pathlib import Path

import pytest

from friendli_iac.backends import LocalBackend
from friendli_iac.backends.files import Files
from friendli_iac.core.state import State
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions, Selection, exit_code
from friendli_iac.errors import StateError
from friendli_iac.executor.context import Event
from friendli_iac.manifest import find_project, load_manifest

from .harness import Project, endpoint, engine_for, names, writes

CREATE = "/dedicated/beta/endpoint"


def killed_in_create(project: Project, emulator: Emulator) -> None:
    """An apply that dies when its create has taken effect, and before it hears of it."""
    emulator.hold("POST", f"{CREATE}$", "after")
    running = project.spawn("apply", "--yes")
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.release()


def test_what_was_gone_and_is_there_again_is_not_created_beside_itself(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("one"), "one.yaml")
    assert project.apply().code == 0
    project.write(endpoint("two"), "two.yaml")  # the newest, which the list will lack
    assert project.apply().code == 0
    two = project.state["resources"]["Endpoint/two"]["id"]
    emulator.fault("GET", f"{CREATE}/{two}$", status=404, count=None)
    emulator.fault("GET", f"{CREATE}$", kind="stale_list", newest=1, count=None)
    planned = project.run("plan", "--out", "x.plan")
    emulator.clear_faults()
    assert "CREATE Endpoint/two" in planned.out
    refused = project.run("apply", "x.plan")
    assert refused.code == 6, refused
    assert "is there again" in refused.out + refused.err
    assert names(emulator) == ["one", "two"]


def test_nothing_is_moved_while_a_create_is_open(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("a"), "a.yaml")
    assert project.apply().code == 0
    project.write(endpoint("b"), "b.yaml")
    killed_in_create(project, emulator)
    refused = project.run("state", "mv", "Endpoint/a", "Endpoint/b")
    assert refused.code == 5, refused
    assert "left open: create Endpoint/b" in refused.err
    assert project.apply().code == 0
    known = {r["id"] for r in project.state["resources"].values()}
    assert known == {e["id"] for e in emulator.endpoints()}


def test_a_moved_address_is_moved_in_what_depends_on_it(
    project: Project, emulator: Emulator
) -> None:
    needs = endpoint("app").replace("{name: app}", "{name: app, dependsOn: [Endpoint/zbase]}")
    project.write(endpoint("zbase") + "---\n" + needs)
    assert project.apply().code == 0
    assert project.run("state", "mv", "Endpoint/zbase", "Endpoint/aaa").code == 0
    changes = project.run("plan", "--destroy", "--format", "json").json["changes"]
    assert [c["address"] for c in changes] == ["Endpoint/app", "Endpoint/aaa"]


class FullAt(Files):
    """A disk that is full for the one line that holds `mark`."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark

    def write(self, descriptor: int, data: bytes) -> None:
        if self.mark in data:
            self.mark = b"\0never again"
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(descriptor, data)


def test_an_accepted_create_is_remembered_though_the_journal_could_not_hold_it(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    wishes = load_manifest(find_project(project.root), environ={}).resources
    options = ApplyOptions(settle_grace=1, timeout=60)
    with engine_for(project, emulator, files=FullAt(b'"type":"sent"')) as engine:
        done = engine.apply(lambda plan: plan(wishes, Selection()), options, lambda plan: True)
    assert exit_code(done.outcomes) == 4
    assert [entry["type"] for entry in project.state["open"]] == ["begin", "sent"]
    # Hidden for longer than the grace, it is not sent again, for it was accepted.
    emulator.fault("GET", f"{CREATE}$", kind="stale_list", newest=1, count=None)
    assert project.apply().code == 4
    emulator.clear_faults()
    assert project.apply().code == 0
    assert writes(emulator) == [f"POST {CREATE}"]
    assert names(emulator) == ["a"]


def test_what_the_api_accepted_is_on_disk_before_anybody_is_told(
    project: Project, emulator: Emulator
) -> None:
    """A reporter may block for as long as nobody reads, and a kill there must lose nothing."""
    project.write(endpoint("a"))
    wishes = load_manifest(find_project(project.root), environ={}).resources
    journal = project.state_path.with_name("state.json.journal")
    told: list[bool] = []

    class Reader:
        def event(self, event: Event) -> None:
            if event.type == "sent":
                told.append('"type":"sent"' in journal.read_text())

    with engine_for(project, emulator) as engine:
        engine.reporter = Reader()
        options = ApplyOptions(settle_grace=1, timeout=60)
        engine.apply(lambda plan: plan(wishes, Selection()), options, lambda plan: True)
    assert told == [True]


def test_a_plan_file_behind_allow_destroy_is_not_taken_for_an_address(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    assert project.run("plan", "--out", "x.plan").code == 0
    wrong = project.run("apply", "--yes", "--allow-destroy", "x.plan")
    assert wrong.code == 64, wrong
    assert writes(emulator) == []


def test_a_failed_roll_out_of_a_killed_apply_is_not_sent_again(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    emulator.fail_next_rollout(live["id"], "WORKLOAD_INIT_DOWNLOAD_ERROR")
    emulator.clear_requests()
    project.write(endpoint("a", batch=128))
    emulator.hold("PUT", f"{CREATE}/{live['id']}$", "after")
    running = project.spawn("apply", "--yes")
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.release()
    again = project.apply("--timeout", "5s")
    assert "the interrupted update took place" in again.err
    assert len([w for w in writes(emulator) if w.startswith("PUT")]) == 1


def test_a_create_that_was_turned_away_is_sent_again_without_the_grace(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    emulator.fault("POST", f"{CREATE}$", status=429, retry_after=0, count=5)
    started = time.monotonic()
    done = project.run("apply", "--yes", "--settle-grace", "60s")
    assert done.code == 0, done
    assert time.monotonic() - started < 30
    assert names(emulator) == ["a"]
    assert project.state["lost"] == []


def test_the_second_ctrl_c_ends_it_at_once(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("a"))
    emulator.hold("POST", f"{CREATE}$", "after")
    running = project.spawn("apply", "--yes")
    emulator.wait_held()
    running.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert running.poll() is None  # what is in flight is waited for
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=5) == 8
    running.communicate()
    emulator.release()
    assert project.apply().code == 0
    assert names(emulator) == ["a"]


def test_a_cancelled_job_is_told_apart_while_it_settles(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    emulator.hold("POST", f"{CREATE}$", "before")
    first = project.spawn("apply", "--yes")
    emulator.wait_held()
    first.kill()
    first.communicate()
    emulator.fault("GET", f"{CREATE}$", kind="stale_list", newest=9, count=None)
    emulator.clear_requests()
    second = project.spawn("apply", "--yes", "--settle-grace", "60s")
    deadline = time.monotonic() + 10
    while not emulator.requests and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    second.send_signal(signal.SIGTERM)
    out, err = second.communicate(timeout=10)
    assert second.returncode == 8, (out, err)
    emulator.clear_faults()
    emulator.release()
    deadline = time.monotonic() + 10  # the held create takes effect now: not in the next test
    while not emulator.endpoints() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert names(emulator) == ["a"]


def test_a_linked_state_stays_where_the_link_leads(
    project: Project, emulator: Emulator, tmp_path: Path
) -> None:
    shared = tmp_path / "shared" / "state.json"
    shared.parent.mkdir()
    project.state_path.parent.mkdir()
    project.state_path.symlink_to(shared)
    project.write(endpoint("a"))
    assert project.apply().code == 0
    assert project.state_path.is_symlink()
    assert "Endpoint/a" in json.loads(shared.read_text())["resources"]


def test_a_plan_beside_a_commit_sees_one_state_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    LocalBackend(path).commit(State(lineage="l"))

    class Racing(Files):
        """Commits in between the first two reads."""

        raced = False

        def read(self, path: Path) -> bytes | None:
            data = super().read(path)
            if not self.raced:
                self.raced = True
                other = LocalBackend(path)
                with other.lock("apply", {}, 0):
                    other.commit(other.read().state or State(lineage="?"))
            return data

    stored = LocalBackend(path, files=Racing()).read()
    assert stored.state is not None
    assert stored.state.serial == 2


@pytest.mark.parametrize(
    "damage",
    [
        {"open": 5},
        {"open": ["x"]},
        {"serial": "5"},
        {"resources": {"x": {}}},
        {"resources": {"Nope/a": {"id": "1", "project": "p", "name": "n", "fence": {}}}},
    ],
    ids=str,
)
def test_a_damaged_state_is_no_defect_of_ours(project: Project, damage: dict[str, object]) -> None:
    project.state_path.parent.mkdir()
    document = {**State(lineage="l").to_json(), **damage}
    project.state_path.write_text(json.dumps(document))
    shown = project.run("state", "list")
    assert shown.code == StateError.exit_code
    assert "defect" not in shown.err
    assert "next:" in shown.err
