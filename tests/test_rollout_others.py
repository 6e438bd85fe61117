"""Whose version serves, and what a proof is worth: what others do meanwhile, and what lingers."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project, writes
from .rollouts import CHAT_PROBE, apply, change, live, manifest, outcomes, plan, resource
from .test_rollout import MEMORY, PROBED, serving, settings

__all__ = ["serving"]  # a fixture

GOOD = manifest()
OTHER = manifest(repo="acme/other")


@pytest.mark.parametrize("probe", ["", PROBED])
@pytest.mark.parametrize("outcome", [MEMORY, "ignored"])
def test_a_dropped_update_of_what_cannot_be_read_is_never_called_good(
    project: Project, emulator: Emulator, serving: str, outcome: str, probe: str
) -> None:
    """The version is listed, and the old one answers the probe."""
    emulator.fail_next_rollout(serving, outcome)
    code, done = apply(project, emulator, manifest(repo="acme/other", settings=probe))
    assert code == 0
    assert outcomes(project)[-1] == "unverified"
    assert "the API counts 0 of 1 replicas with the newest version" in done.outcomes[0].text


def test_an_error_that_came_with_it_says_that_it_was_dropped(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, f"shown:{MEMORY}")
    code, done = apply(project, emulator, OTHER)
    assert code == 10
    assert MEMORY in done.outcomes[0].text
    assert settings(emulator)["hfModelRepo"] == "acme/model"


def test_a_status_from_before_proves_nothing(
    project: Project, emulator: Emulator, serving: str
) -> None:
    """One look that still shows RUNNING, and the number of the version is listed at once."""
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    real = emulator.endpoint(serving)["status"]
    assert real == "RUNNING"
    stale = {"status": "RUNNING", "createdAt": "2026-01-01T00:00:00Z", "updatedAt": None}
    emulator.fault("GET", f"{serving}/status$", kind="status", status=200, body=stale, nth=2)
    code, _ = apply(project, emulator, OTHER)
    assert code == 10
    assert settings(emulator)["hfModelRepo"] == "acme/model"


@pytest.mark.parametrize("settings_", ["", "bake: 2m"])
def test_a_version_of_somebody_else_is_theirs_though_it_looks_like_ours(
    project: Project, emulator: Emulator, serving: str, settings_: str
) -> None:
    nth = 12 if settings_ else 3
    emulator.on_request(
        "GET",
        f"{serving}/status$",
        lambda: emulator.change(serving, hfModelRepo="evil/model"),
        nth=nth,
    )
    code, done = apply(project, emulator, manifest(batch=128, settings=settings_))
    assert len(live(emulator)["versions"]) == 3, "somebody did"
    assert code == 4, done
    assert "somebody else made version 2" in done.outcomes[0].text
    emulator.advance(60)
    again = change(project, emulator, manifest(batch=128, settings=settings_))
    assert again.action == "update", "it is not hidden from the next plan"
    assert "unknown since version 2" in again.reason


def test_what_is_dropped_brings_back_what_was_pending_before(
    project: Project, emulator: Emulator, serving: str
) -> None:
    """acme/two was sent and not waited for; acme/three is dropped: acme/two serves."""
    two, three = manifest(repo="acme/two"), manifest(repo="acme/three", batch=128)
    assert apply(project, emulator, two, no_wait=True)[0] == 0
    emulator.advance(60)
    emulator.fail_next_rollout(serving, MEMORY)
    assert apply(project, emulator, three)[0] == 10
    assert settings(emulator)["hfModelRepo"] == "acme/two"
    assert change(project, emulator, GOOD).action == "update"
    assert change(project, emulator, two).action == "verify"


def test_a_wake_by_a_client_is_no_fault_of_the_version(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.set_status(serving, "SLEEPING")
    emulator.set_durations(wake=5)

    def wake() -> None:
        emulator.set_status(serving, "AWAKING")
        emulator.on_request(
            "GET", f"{serving}/status$", lambda: emulator.set_status(serving, "RUNNING"), nth=3
        )

    emulator.on_request("GET", f"{serving}/status$", wake, nth=3)
    code, done = apply(project, emulator, manifest(repo="acme/other", settings=PROBED))
    assert code == 0, done
    assert resource(project)["pin"] is None


def test_an_unknown_status_is_handled_at_the_deadline(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, "status:DEGRADED")
    code, done = apply(project, emulator, manifest(batch=128, settings="timeout: 2m"))
    assert code == 10, done
    assert live(emulator)["status"] == "RUNNING"
    assert settings(emulator)["advanced"]["max_batch_size"] == 64  # type: ignore[index]


def test_what_others_set_and_is_ignored_survives_a_rollback(
    project: Project, emulator: Emulator, serving: str
) -> None:
    ignoring = "  lifecycle: {ignoreChanges: [autoscaling.maxReplicas]}\n"
    assert apply(project, emulator, manifest(more=ignoring))[0] == 0
    policy = {"minReplica": 1, "maxReplica": 8, "cooldownPeriod": 300}
    emulator.change(serving, autoscalingPolicy=policy)
    emulator.advance(60)
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    assert apply(project, emulator, manifest(more=ignoring, batch=128))[0] == 10
    assert live(emulator)["versions"][-1]["settings"]["autoscalingPolicy"]["maxReplica"] == 8


def test_a_rollback_that_is_slow_stays_owed(
    project: Project, emulator: Emulator, serving: str
) -> None:
    slow = manifest(batch=128, settings="timeout: 1m")
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    emulator.set_durations(update=5, create=300)  # what has failed starts from the beginning
    assert apply(project, emulator, slow)[0] == 9
    emulator.advance(400)
    code, _ = apply(project, emulator, slow)
    assert code == 10
    assert outcomes(project) == ["unverified", "rolled back", "good"]


def test_pins_of_two_failures_are_lifted_one_by_one(
    project: Project, emulator: Emulator, serving: str
) -> None:
    bad = manifest(repo="acme/bad")
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    assert apply(project, emulator, bad)[0] == 10
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    assert apply(project, emulator, manifest(repo="acme/bad", batch=512))[0] == 10
    emulator.clear_requests()
    held = change(project, emulator, bad).held
    assert held
    assert held.values == {"model.huggingFace.repo": "acme/bad"}
    assert apply(project, emulator, bad)[0] == 5
    assert apply(project, emulator, manifest(repo="acme/bad", batch=96))[0] == 5
    assert all(r["body"]["hfModelRepo"] == "acme/model" for r in emulator.requests if r["body"])


@pytest.mark.parametrize("failure", ["terminate", "delete"])
def test_an_end_that_is_refused_says_what_bills(
    project: Project, emulator: Emulator, failure: str
) -> None:
    first = "  lifecycle: {createBeforeDestroy: true}\n"
    text = manifest(more=first)
    if failure == "delete":
        assert apply(project, emulator, text)[0] == 0
        text = text.replace("project: p1", "project: p2")
    emulator.fail_next_rollout("*", MEMORY)
    emulator.fault("PUT", "/terminate$", kind="status", status=400)
    code, done = apply(project, emulator, text)
    assert code == (10 if failure == "delete" else 4)
    error = done.outcomes[0].error
    assert error
    assert MEMORY in str(error)
    assert "may bill" in error.safe
    emulator.clear_faults()
    apply(project, emulator, text)
    statuses = [e["status"] for e in emulator.endpoints()]
    assert statuses in (["TERMINATED"], ["TERMINATING"], ["RUNNING"]), "the next apply ended it"


@pytest.mark.parametrize("step", ["sleep", "wake"])
def test_a_lost_answer_to_sleep_or_wake_is_looked_for(
    project: Project, emulator: Emulator, serving: str, step: str
) -> None:
    if step == "wake":
        emulator.set_status(serving, "SLEEPING")
    emulator.fault("PUT", f"/{step}$", kind="drop", when="after")
    word = "running" if step == "wake" else "sleeping"
    assert apply(project, emulator, manifest(more=f"  desired: {word}\n"))[0] == 0
    assert len(writes(emulator)) == 1


def test_a_held_endpoint_can_still_be_terminated(project: Project, emulator: Emulator) -> None:
    emulator.fail_next_rollout("*", MEMORY)
    kept = "onCreateFailure: keep"
    assert apply(project, emulator, manifest(settings=kept))[0] == 4
    text = manifest(settings=kept, more="  desired: terminated\n")
    assert change(project, emulator, text).action == "terminate"
    apply(project, emulator, text)
    emulator.advance(10)
    assert live(emulator)["status"] == "TERMINATED"


def test_what_expired_and_was_deleted_is_not_bought_again(
    project: Project, emulator: Emulator
) -> None:
    both = manifest(more="  lifecycle: {expires: 72h}\n") + "---\n" + manifest("other")
    assert apply(project, emulator, both)[0] == 0
    emulator.advance(80 * 3600)
    assert apply(project, emulator, both)[0] == 0
    emulator.advance(60)
    (chat,) = [e for e in emulator.endpoints() if e["status"] == "TERMINATED"]
    with_api(emulator, str(chat["id"]))
    emulator.clear_requests()
    found = {c.address: c.action for c in plan(project, emulator, both).changes}
    assert found["Endpoint/chat"] == "no-op"


def with_api(emulator: Emulator, id: str) -> None:
    """Deletes an endpoint as somebody else would."""
    import httpx

    headers = {"Authorization": "Bearer flp_somebody"}
    httpx.delete(f"{emulator.url}/dedicated/beta/endpoint/{id}", headers=headers).raise_for_status()


def test_probe_words_are_there(project: Project, emulator: Emulator, serving: str) -> None:
    code, done = apply(project, emulator, manifest(batch=128, settings=f"probe: {{{CHAT_PROBE}}}"))
    assert code == 0
    assert done.outcomes[0].text.endswith("probed")


def test_a_revision_that_nobody_said_comes_back_as_the_newest(
    project: Project, emulator: Emulator, serving: str
) -> None:
    """Left out, the one that failed might stay: what the API does then is not documented."""
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    bad = GOOD.replace("{repo: acme/model}", "{repo: acme/model, revision: bad}")
    code, done = apply(project, emulator, bad)
    assert code == 10, done
    assert settings(emulator)["hfModelRepoRevision"] == "main"
    error = done.outcomes[0].error
    assert error
    assert "Unverified, for it is not readable: model.huggingFace.revision" in error.safe
    assert outcomes(project)[-1] == "unverified"


def test_where_nobody_knows_the_model_from_before_nothing_is_sent(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.change(serving, hfModelRepo="acme/theirs")
    emulator.advance(60)
    project.write(GOOD)
    assert project.run("apply", "--refresh-only", "--yes").code == 0
    text = manifest(repo="acme/new", settings="bake: 1s")
    made = change(project, emulator, text)
    assert not made.restorable
    assert "nobody knows what was there before" in project.run("plan").out
    emulator.clear_requests()
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    code, done = apply(project, emulator, text)
    assert code == 4, done
    assert len(writes(emulator)) == 1
    assert "nobody knows what was there before at model.huggingFace.repo" in done.outcomes[0].text
