"""Roll-outs that fail, in every way that the API can: what served goes on serving, or comes back by
itself, nothing bills unseen, and nothing that failed is sent again by itself.
"""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator
from friendli_iac.emulator.misbehaviour import ERROR_CODES
from friendli_iac.resources.endpoint_errors import explain

from .harness import Project, writes
from .rollouts import CHAT_PROBE, apply, change, live, manifest, outcomes, resource

MEMORY = "INFERENCE_ENGINE_MEMORY_ERROR"
GOOD = manifest()
BIGGER = manifest(batch=128)  # can be read back
OTHER = manifest(repo="acme/other")  # cannot
PROBED = f"probe: {{{CHAT_PROBE}}}"


def settings(emulator: Emulator) -> dict[str, object]:
    """What serves."""
    found = live(emulator)
    serving: dict[str, object] = found["versions"][found["serving"]]["settings"]
    return serving


@pytest.fixture
def serving(project: Project, emulator: Emulator) -> str:
    """The id of an endpoint whose version 0 serves."""
    emulator.set_durations(create=5, update=5, restart=5, terminate=1, wake=1)
    assert apply(project, emulator, GOOD)[0] == 0
    emulator.clear_requests()
    return str(live(emulator)["id"])


# --- the service kept what served ---


@pytest.mark.parametrize("outcome", [MEMORY, "ignored", "ignored-unlisted", "SOMETHING_NEW"])
def test_where_the_service_kept_the_version_before_nothing_is_sent(
    project: Project, emulator: Emulator, serving: str, outcome: str
) -> None:
    emulator.fail_next_rollout(serving, outcome)
    code, done = apply(project, emulator, BIGGER)
    assert code == 10, done
    assert writes(emulator) == [f"PUT /dedicated/beta/endpoint/{serving}"], "not rolled again"
    assert settings(emulator)["advanced"]["max_batch_size"] == 64  # type: ignore[index]
    assert outcomes(project) == ["unverified", "not applied"]


def test_what_failed_is_held_off_until_that_value_changes(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, MEMORY)
    apply(project, emulator, BIGGER)
    emulator.clear_requests()

    held = change(project, emulator, BIGGER)
    assert (held.action, held.held and held.held.values) == (
        "no-op",
        {"engine.maxBatchSize": 128},
    )
    assert held.held
    assert held.held.places[0].endswith("main.yaml:9")
    assert apply(project, emulator, BIGGER)[0] == 5
    assert writes(emulator) == []

    more = manifest(batch=128, maximum=3)  # another value of it is not held
    mixed = change(project, emulator, more)
    assert [field.path for field in mixed.fields] == ["autoscaling.maxReplicas"]
    assert apply(project, emulator, more)[0] == 5
    assert settings(emulator)["advanced"]["max_batch_size"] == 64  # type: ignore[index]
    assert live(emulator)["versions"][-1]["settings"]["autoscalingPolicy"]["maxReplica"] == 3

    assert apply(project, emulator, manifest(batch=96, maximum=3))[0] == 0
    assert resource(project)["pin"] is None
    assert apply(project, emulator, more)[0] == 0, "it changed, and may be tried anew"


def test_other_resources_are_not_held(project: Project, emulator: Emulator, serving: str) -> None:
    emulator.fail_next_rollout(serving, MEMORY)
    apply(project, emulator, BIGGER)
    code, done = apply(project, emulator, BIGGER + "---\n" + manifest("other"))
    assert code == 5
    assert [outcome.result for outcome in done.outcomes] == ["applied"]


def test_going_back_in_the_manifest_lifts_the_pin(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, MEMORY)
    apply(project, emulator, BIGGER)
    assert change(project, emulator, GOOD).action == "no-op"
    assert apply(project, emulator, GOOD)[0] == 0
    assert resource(project)["pin"] is None


def test_retry_failed_tries_again(project: Project, emulator: Emulator, serving: str) -> None:
    emulator.fail_next_rollout(serving, MEMORY, MEMORY)
    apply(project, emulator, BIGGER)
    assert apply(project, emulator, BIGGER, retry_failed=True)[0] == 10
    assert apply(project, emulator, BIGGER)[0] == 5, "it failed again, and is pinned again"
    assert apply(project, emulator, BIGGER, retry_failed=True)[0] == 0
    assert apply(project, emulator, BIGGER)[0] == 0


# --- what was sent is in force, and bad ---


@pytest.mark.parametrize("wanted", [BIGGER, OTHER])
def test_where_nothing_serves_the_last_good_settings_go_out_again(
    project: Project, emulator: Emulator, serving: str, wanted: str
) -> None:
    before = settings(emulator)
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    code, done = apply(project, emulator, wanted)
    assert code == 10, done
    assert live(emulator)["status"] == "RUNNING"
    assert {**settings(emulator), "newVersionComment": ""} == {**before, "newVersionComment": ""}
    assert live(emulator)["serving"] == 2, "as one more version"
    proof = "good" if wanted == BIGGER else "unverified"  # a model cannot be read back
    assert outcomes(project) == ["unverified", "rolled back", proof]
    assert resource(project)["pin"]["stage"] == "rolled back", "nothing is owed any more"
    assert "more memory than 1x H100" in done.outcomes[0].text
    emulator.clear_requests()
    assert apply(project, emulator, wanted)[0] == 5
    assert apply(project, emulator, GOOD)[0] == 0
    assert writes(emulator) == []


def test_a_probe_that_fails_rolls_back(project: Project, emulator: Emulator, serving: str) -> None:
    emulator.serves_badly(serving, "next", text="Nay")
    code, done = apply(project, emulator, manifest(repo="acme/other", settings=PROBED))
    assert code == 10, done
    assert "does not contain 'OK'" in done.outcomes[0].text
    assert settings(emulator)["hfModelRepo"] == "acme/model"
    assert outcomes(project) == ["unverified", "rolled back", "good"]
    assert len(emulator.inferences) == 4, "three attempts, and one for what came back"


@pytest.mark.parametrize("badly", [{"status": 500}, {"status": 422}, {"seconds": 9}])
def test_errors_and_slow_answers_fail_a_probe_too(
    project: Project, emulator: Emulator, serving: str, badly: dict[str, int]
) -> None:
    emulator.serves_badly(serving, "next", **badly)  # type: ignore[arg-type]
    limited = f"probe: {{{CHAT_PROBE}, attempts: 2, maxLatency: 3s}}"
    code, _ = apply(project, emulator, manifest(repo="acme/other", settings=limited))
    assert code == 10
    assert settings(emulator)["hfModelRepo"] == "acme/model"


def test_a_probe_that_answers_makes_a_write_only_change_good(
    project: Project, emulator: Emulator, serving: str
) -> None:
    assert apply(project, emulator, OTHER)[0] == 0
    assert outcomes(project)[-1] == "unverified"
    code, done = apply(project, emulator, manifest(repo="acme/third", settings=PROBED))
    assert code == 0
    assert outcomes(project)[-1] == "good"
    assert "unverified" not in done.outcomes[0].text


def test_a_sleeping_endpoint_is_never_probed(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.set_status(serving, "SLEEPING")
    code, done = apply(project, emulator, manifest(repo="acme/other", settings=PROBED))
    assert code == 0
    assert emulator.inferences == []
    assert live(emulator)["status"] == "SLEEPING"
    assert "a request would wake it" in done.outcomes[0].text
    assert outcomes(project)[-1] == "unverified"


def test_what_dies_during_its_bake_is_rolled_back(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fails_after(serving, 60, "next", error_code="INFERENCE_ENGINE_UNKNOWN_ERROR")
    code, done = apply(project, emulator, manifest(batch=128, settings="bake: 2m"))
    assert code == 10, done
    assert "after it served" in done.outcomes[0].text
    assert settings(emulator)["advanced"]["max_batch_size"] == 64  # type: ignore[index]
    assert live(emulator)["status"] == "RUNNING"


def test_a_bake_lasts_as_long_as_it_says(
    project: Project, emulator: Emulator, serving: str
) -> None:
    started = emulator.now()
    assert apply(project, emulator, manifest(batch=128, settings="bake: 2m"))[0] == 0
    assert 125 <= emulator.now() - started <= 150


def test_halt_leaves_it_as_it_is_and_sends_nothing_more(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    halted = manifest(batch=128, settings="onFailure: halt")
    code, done = apply(project, emulator, halted)
    assert code == 4, done
    assert live(emulator)["status"] == "FAILED"
    emulator.clear_requests()
    assert apply(project, emulator, halted)[0] == 5
    assert writes(emulator) == []
    assert apply(project, emulator, GOOD)[0] == 0
    assert live(emulator)["status"] == "RUNNING"


def test_a_rollback_that_fails_needs_attention_and_does_not_loop(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, f"down:{MEMORY}", f"down:{MEMORY}")
    code, done = apply(project, emulator, BIGGER)
    assert code == 4, done
    assert "needs attention" in done.outcomes[0].text
    assert outcomes(project) == ["unverified", "failed", "failed"]
    sent = len(writes(emulator))
    assert sent == 2
    assert apply(project, emulator, BIGGER)[0] == 5
    assert len(writes(emulator)) == sent
    assert apply(project, emulator, manifest(batch=32))[0] == 0
    assert live(emulator)["status"] == "RUNNING"


def test_a_rollback_that_the_api_refuses_needs_attention(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    emulator.fault("PUT", f"{serving}$", kind="status", status=400, nth=2)
    code, done = apply(project, emulator, BIGGER)
    assert code == 4, done
    assert "the API refused to take the good settings back" in done.outcomes[0].text


def test_a_change_in_the_web_page_in_the_middle_is_not_overwritten(
    project: Project, emulator: Emulator, serving: str
) -> None:
    changed: list[int] = []

    def meddle() -> None:
        if not changed:
            changed.append(emulator.change(serving, advanced={
                "tokenizer_skip_special_tokens": True, "tokenizer_add_special_tokens": True,
                "max_batch_size": 7,
            }))  # fmt: skip

    emulator.on_request("GET", f"{serving}/status$", meddle, nth=3)
    code, done = apply(project, emulator, BIGGER)
    assert changed, "somebody did"
    assert code == 4, done
    assert "somebody else made version 2" in done.outcomes[0].text
    assert settings(emulator)["advanced"]["max_batch_size"] == 7  # type: ignore[index]
    assert resource(project)["pin"] is None


# --- what is new ---


def test_a_create_that_fails_is_ended_so_that_billing_stops(
    project: Project, emulator: Emulator
) -> None:
    emulator.fail_next_rollout("*", MEMORY)
    code, done = apply(project, emulator, GOOD)
    assert code == 4, done
    assert live(emulator)["status"] in ("TERMINATING", "TERMINATED")
    error = done.outcomes[0].error
    assert error
    assert "does not bill any more" in error.safe
    assert "gpu H200 or count 2" in error.next
    emulator.clear_requests()
    assert apply(project, emulator, GOOD)[0] == 5
    assert writes(emulator) == []
    assert apply(project, emulator, OTHER)[0] == 0
    assert live(emulator)["status"] == "RUNNING"


def test_a_create_that_fails_can_be_kept_for_a_look(project: Project, emulator: Emulator) -> None:
    emulator.fail_next_rollout("*", MEMORY)
    kept = manifest(settings="onCreateFailure: keep")
    code, done = apply(project, emulator, kept)
    assert code == 4
    assert live(emulator)["status"] == "FAILED"
    error = done.outcomes[0].error
    assert error
    assert "may bill up to $7.80 /h" in error.safe
    assert change(project, emulator, kept).held


def test_a_create_that_is_never_ready_is_ended_at_its_deadline(
    project: Project, emulator: Emulator
) -> None:
    emulator.fail_next_rollout("*", "never")
    code, done = apply(project, emulator, manifest(settings="timeout: 10m"))
    assert code == 4, done
    assert live(emulator)["status"] in ("TERMINATING", "TERMINATED")


def test_an_update_that_is_never_ready_cannot_be_called_off_and_is_waited_for_again(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, "never")
    slow = manifest(batch=128, settings="timeout: 10m")
    assert apply(project, emulator, slow)[0] == 9
    assert change(project, emulator, slow).action == "verify"


@pytest.mark.parametrize("code", [*ERROR_CODES, "SOMETHING_NEW"])
def test_every_error_code_is_shown_and_explained_and_ends(
    project: Project, emulator: Emulator, code: str
) -> None:
    """Fault 19: the outcome is recorded, and nothing goes on billing."""
    emulator.set_durations(create=5, restart=5)
    emulator.fail_next_rollout("*", *[code] * 5)
    exit_code, done = apply(project, emulator, GOOD)
    assert exit_code == 4
    fault = explain(code, resource(project)["pending"]["spec"])
    error = done.outcomes[0].error
    assert code in done.outcomes[0].text
    assert fault.sentence in done.outcomes[0].text
    assert error
    assert fault.remedy[1:] in error.next
    assert outcomes(project) == ["failed"]
    assert live(emulator)["status"] in ("TERMINATING", "TERMINATED")
    restarts = [w for w in writes(emulator) if w.endswith("/restart")]
    assert len(restarts) == (2 if fault.passes else 0)


def test_downloads_are_tried_again_and_not_for_ever(project: Project, emulator: Emulator) -> None:
    emulator.fail_next_rollout("*", *["WORKLOAD_INIT_DOWNLOAD_ERROR"] * 9)
    assert apply(project, emulator, GOOD)[0] == 4
    sent = [w.rsplit("/", 1)[1] for w in writes(emulator)]
    assert sent == ["endpoint", "restart", "restart", "terminate"]


def test_a_status_that_nobody_knows_is_waited_out(project: Project, emulator: Emulator) -> None:
    assert apply(project, emulator, GOOD, no_wait=True)[0] == 0
    emulator.set_status(str(live(emulator)["id"]), "PONDERING")
    code, done = apply(project, emulator, GOOD, timeout=60.0)
    assert code == 9
    assert "PONDERING" in done.outcomes[0].text


def test_what_has_failed_is_started_where_an_update_does_not_do_so(
    project: Project, emulator: Emulator, serving: str
) -> None:
    """The documents do not say whether an update starts what has failed."""
    emulator.set_status(serving, "FAILED")
    emulator.on_request(
        "PUT", f"{serving}$", lambda: emulator.set_status(serving, "FAILED"), when="after"
    )
    code, done = apply(project, emulator, BIGGER)
    assert code == 0, done
    assert [w.rsplit("/", 1)[1] for w in writes(emulator)] == [serving, "restart"]
    assert live(emulator)["status"] == "RUNNING"


def test_a_setting_that_was_new_is_left_out_and_that_may_not_be_enough(
    project: Project, emulator: Emulator, serving: str
) -> None:
    emulator.fail_next_rollout(serving, f"down:{MEMORY}")
    queue = GOOD.replace("maxBatchSize: 64", "maxBatchSize: 64, queue: {timeoutMs: 1}")
    code, done = apply(project, emulator, queue)
    assert code == 10
    sent = [r["body"] for r in emulator.requests if r["method"] == "PUT"][-1]
    assert "queue_timeout_ms" not in sent["advanced"]
    error = done.outcomes[0].error
    assert error
    assert "perhaps still in force: engine.queue.timeoutMs" in error.safe
