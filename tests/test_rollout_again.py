"""One failure after another: what is left over, what was pinned before, and what must not wait."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project, endpoint, writes
from .rollouts import apply, change, live, manifest, plan, resource
from .test_rollout import MEMORY, serving
from .test_waves import POLICY, down, with_policy

__all__ = ["serving"]  # a fixture

DOWN = f"down:{MEMORY}"
FIRST = "  lifecycle: {createBeforeDestroy: true}\n"


@pytest.mark.parametrize("keep", ["", "onCreateFailure: keep"])
@pytest.mark.parametrize("outcome", [DOWN, "ignored-unlisted"])
def test_a_leftover_is_never_taken_for_what_serves(
    project: Project, emulator: Emulator, serving: str, outcome: str, keep: str
) -> None:
    """A replacement failed and is left over; then an update of what serves fails, too."""
    moved = manifest(settings=keep, more=FIRST).replace("project: p1", "project: p2")
    assert apply(project, emulator, manifest(settings=keep, more=FIRST))[0] == 0
    emulator.fail_next_rollout("*", MEMORY)
    emulator.fault("PUT", "/terminate$", kind="status", status=400)
    assert apply(project, emulator, moved)[0] == 10
    emulator.clear_faults()
    emulator.clear_requests()
    emulator.fail_next_rollout(serving, outcome)
    text = manifest(batch=128, settings=keep, more=FIRST)
    assert apply(project, emulator, text)[0] == 10
    assert emulator.endpoint(serving)["status"] == "RUNNING"
    assert resource(project)["id"] == serving
    assert f"DELETE /dedicated/beta/endpoint/{serving}" not in writes(emulator)
    assert f"PUT /dedicated/beta/endpoint/{serving}/terminate" not in writes(emulator)


def test_a_create_that_failed_holds_nobody_else(project: Project, emulator: Emulator) -> None:
    """They share a policy, which has worked for others all along."""
    policy = POLICY.format(maximum=2)
    assert apply(project, emulator, "---\n".join([policy, with_policy("old")]))[0] == 0
    emulator.fail_next_rollout("*", MEMORY)
    one = "---\n".join([policy, with_policy("old"), with_policy("bad")])
    assert apply(project, emulator, one)[0] == 4
    two = "---\n".join([one, with_policy("new")])
    found = {c.address: c.action for c in plan(project, emulator, two).changes}
    assert found["Endpoint/new"] == "create"


def test_what_mends_is_not_held_behind_a_wave(project: Project, emulator: Emulator) -> None:
    def both(batch: int, maximum: int = 8) -> str:
        return "---\n".join(
            manifest(name, settings=f"wave: {wave}", batch=size, maximum=most)
            for name, wave, size, most in (("a", 1, batch, 2), ("b", 2, 64, maximum))
        )

    assert apply(project, emulator, both(64))[0] == 0
    down(emulator, "a")
    assert apply(project, emulator, both(128))[0] == 10
    (b,) = [e for e in emulator.endpoints() if e["versions"][0]["settings"]["name"] == "b"]
    emulator.set_status(b["id"], "FAILED")
    found = {c.address: c.action for c in plan(project, emulator, both(128)).changes}
    assert found == {"Endpoint/a": "no-op", "Endpoint/b": "restart"}
    emulator.set_status(b["id"], "RUNNING")
    found = {c.address: c.action for c in plan(project, emulator, both(128, 1)).changes}
    assert found["Endpoint/b"] == "update", "a scale-down costs less"
    found = {c.address: c.action for c in plan(project, emulator, both(128, 9)).changes}
    assert found["Endpoint/b"] == "no-op"
    project.write(both(128, 9))
    assert "--target Endpoint/b" in project.run("plan").out


@pytest.mark.parametrize("more", ["", FIRST])
def test_a_pin_outlives_a_replacement(
    project: Project, emulator: Emulator, serving: str, more: str
) -> None:
    bad = manifest(repo="acme/bad", more=more)
    emulator.fail_next_rollout(serving, DOWN)
    assert apply(project, emulator, bad)[0] == 10
    moved = bad.replace("project: p1", "project: p2")
    assert apply(project, emulator, moved)[0] == 5
    emulator.clear_requests()
    assert apply(project, emulator, moved)[0] == 5
    assert writes(emulator) == []
    assert live(emulator)["versions"][-1]["settings"]["hfModelRepo"] == "acme/model"


def test_a_later_failure_in_the_same_block_lifts_no_earlier_one(
    project: Project, emulator: Emulator, serving: str
) -> None:
    def text(length: int, batch: int = 512) -> str:
        return manifest(batch=batch).replace(f"{batch}}}", f"{batch}, maxInputLength: {length}}}")

    assert apply(project, emulator, text(1000, 64))[0] == 0
    for length in (1000, 9999):
        emulator.fail_next_rollout(serving, DOWN)
        assert apply(project, emulator, text(length))[0] == 10
    emulator.clear_requests()
    assert apply(project, emulator, text(1000))[0] == 5
    sizes = [r["body"]["advanced"]["max_batch_size"] for r in emulator.requests if r["body"]]
    assert 512 not in sizes


def test_what_is_owed_goes_out_before_anything_new(
    project: Project, emulator: Emulator, serving: str
) -> None:
    """The rollback's request fails; then the manifest is mended in part."""
    emulator.fail_next_rollout(serving, DOWN)
    emulator.fault("PUT", f"{serving}$", kind="status", status=503, nth=2, count=None)
    bad = manifest(repo="acme/bad", batch=512)
    assert apply(project, emulator, bad, settle_grace=1.0)[0] == 4
    emulator.clear_faults()
    emulator.clear_requests()
    half = manifest(repo="acme/third", batch=512)
    assert apply(project, emulator, half)[0] == 10
    (sent,) = [r["body"] for r in emulator.requests if r["method"] == "PUT"]
    assert (sent["hfModelRepo"], sent["advanced"]["max_batch_size"]) == ("acme/model", 64)
    assert apply(project, emulator, half)[0] == 5
    assert live(emulator)["versions"][-1]["settings"]["hfModelRepo"] == "acme/third"


def test_a_status_from_before_proves_nothing_readable_either(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, DOWN)
    stale = {"status": "RUNNING", "createdAt": "2026-01-01T00:00:00Z", "updatedAt": None}
    emulator.fault("GET", f"{serving}/status$", kind="status", status=200, body=stale, nth=2)
    assert apply(project, emulator, manifest(batch=128))[0] == 10


def test_two_runs_without_waiting_send_no_more_than_the_first(
    project: Project, emulator: Emulator
) -> None:
    names = ("e0", "e1", "e2")

    def fleet(maximum: int) -> str:
        return "---\n".join([POLICY.format(maximum=maximum), *map(with_policy, names)])

    assert apply(project, emulator, fleet(2))[0] == 0
    emulator.set_durations(update=600)
    for _ in range(2):
        assert apply(project, emulator, fleet(3), no_wait=True)[0] == 4
    updated = [e for e in emulator.endpoints() if len(e["versions"]) > 1]
    assert len(updated) == 1


def test_a_saved_plan_lifts_no_pin_that_came_after_it(project: Project, emulator: Emulator) -> None:
    for repo in ("acme/one", "acme/two", "acme/three"):
        project.write(endpoint(repo=repo) + "---\n" + endpoint("other"))
        assert project.apply().code == 0
    assert project.run("rollback", "Endpoint/chat", "--yes").code == 0
    changed = endpoint(repo="acme/two") + "---\n" + endpoint("other", batch=9)
    project.write(changed)
    assert project.run("plan", "--out", "the.plan").code == 0
    three = project.state["resources"]["Endpoint/chat"]["pin"]
    assert three
    project.run("apply", "the.plan")
    assert project.state["resources"]["Endpoint/chat"]["pin"] == three


def test_a_pinned_one_that_is_gone_is_made_anew_at_once(
    project: Project, emulator: Emulator, serving: str
) -> None:
    """Its pin is lifted in the same run, and that makes the run's own plan no stale one."""
    both = "---\n" + manifest("other")
    assert apply(project, emulator, manifest() + both)[0] == 0
    emulator.fail_next_rollout(serving, DOWN)
    assert apply(project, emulator, manifest(repo="acme/bad") + both)[0] == 10
    emulator.set_status(serving, "TERMINATED")
    from .test_rollout_others import with_api

    with_api(emulator, serving)
    assert apply(project, emulator, manifest(repo="acme/new") + both)[0] == 0
    assert change_of(project, emulator, manifest(repo="acme/new") + both) == "no-op"


def change_of(project: Project, emulator: Emulator, text: str) -> str:
    (found,) = [c for c in plan(project, emulator, text).changes if c.address == "Endpoint/chat"]
    return found.action


def test_a_kept_leftover_is_told(project: Project, emulator: Emulator, serving: str) -> None:
    keep = "onCreateFailure: keep"
    assert apply(project, emulator, manifest(settings=keep, more=FIRST))[0] == 0
    emulator.fail_next_rollout("*", MEMORY)
    moved = manifest(settings=keep, more=FIRST).replace("project: p1", "project: p2")
    assert apply(project, emulator, moved)[0] == 10
    kept = change(project, emulator, moved)
    assert kept.action == "no-op"
    assert "was kept: it may bill" in kept.notes[0]
