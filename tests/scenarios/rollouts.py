"""Roll-outs that fail, in every way that the API can, and what the user sees of it."""

from __future__ import annotations

import time

from friendli_iac.emulator.misbehaviour import ERROR_CODES
from friendli_iac.resources.endpoint_errors import explain

from ..harness import endpoint
from .failures import an_hour_later
from .transcript import Scene, scenario

MEMORY = "INFERENCE_ENGINE_MEMORY_ERROR"
CHAT = "chat: {messages: [{role: user, content: Say OK}], expect: {contains: OK}}"


def gated(settings: str, **how: object) -> str:
    """An endpoint with a block `rollout`."""
    return endpoint(more=f"  rollout: {{{settings}}}\n", **how)  # type: ignore[arg-type]


@scenario
def what_fails_is_rolled_back_and_held_off(scene: Scene) -> None:
    """Nothing serves after the update: the last good settings go out again, and the value that
    failed waits until the manifest says something else.
    """
    scene.given(endpoint())
    scene.happens("the next roll-out will take the endpoint down")
    scene.emulator.fail_next_rollout(scene.id(), f"down:{MEMORY}")
    scene.write(endpoint(repo="acme/too-large", batch=512))
    scene.apply()
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.write(endpoint())
    scene.run("plan", "--detailed-exitcode")


@scenario
def an_ignored_update_is_found_and_named(scene: Scene) -> None:
    """RUNNING, and nothing of the update is there: nothing is sent, and it is held off."""
    scene.given(endpoint())
    scene.happens("the next update will be accepted and not applied")
    scene.emulator.fail_next_rollout(scene.id(), "ignored-unlisted")
    scene.write(endpoint(batch=512))
    with an_hour_later(scene):
        scene.apply()
    scene.run("history", "Endpoint/chat", "--offline")


@scenario
def a_wrong_answer_is_rolled_back(scene: Scene) -> None:
    """RUNNING, and the probe gets another answer than it should."""
    scene.given(endpoint())
    scene.write(gated(f"probe: {{{CHAT}, attempts: 1}}", repo="acme/wrong-answer"))
    scene.run("plan")
    scene.apply()


@scenario
def a_rollback_that_fails_needs_attention(scene: Scene) -> None:
    """Neither the new settings nor the good ones serve: no loop, and the state says so."""
    scene.given(endpoint())
    scene.happens("the next roll-outs will take the endpoint down")
    scene.emulator.fail_next_rollout(scene.id(), *[f"down:{MEMORY}"] * 3)
    scene.write(endpoint(batch=512))
    scene.apply()
    scene.apply()


@scenario
def what_dies_while_it_bakes_is_rolled_back(scene: Scene) -> None:
    """It served, and then it did not."""
    scene.given(endpoint())
    scene.happens("the next version will die soon after it serves")
    scene.emulator.fails_after(scene.id(), 0.3, "next")
    scene.write(gated("bake: 1s", batch=512))
    scene.apply()


@scenario
def halt_sends_nothing_more(scene: Scene) -> None:
    """onFailure: halt leaves what failed in force, and says what may bill."""
    scene.given(endpoint())
    scene.happens("the next roll-out will take the endpoint down")
    scene.emulator.fail_next_rollout(scene.id(), f"down:{MEMORY}")
    scene.write(gated("onFailure: halt", batch=512))
    scene.apply()


@scenario
def a_first_version_that_is_kept(scene: Scene) -> None:
    """onCreateFailure: keep leaves it for a look, and says what may bill."""
    scene.write(gated("onCreateFailure: keep", repo="acme/broken-engine"))
    scene.apply()


@scenario
def a_first_version_that_is_never_ready(scene: Scene) -> None:
    """At its deadline it is ended, so that billing stops."""
    scene.happens("the start will never end")
    scene.emulator.fail_next_rollout("*", "never")
    scene.emulator.on_request("GET", "/status$", lambda: time.sleep(1.2), nth=2)
    scene.write(gated("timeout: 1s"))
    scene.apply()


@scenario
def a_first_version_that_never_works(scene: Scene) -> None:
    """It is ended, so that billing stops, and not started again by itself."""
    scene.happens("the next start will fail")
    scene.emulator.fail_next_rollout("*", "WORKLOAD_INIT_CANNOT_ACCESS_REPO_ERROR")
    scene.write(endpoint())
    scene.apply()
    scene.run("plan")
    scene.apply("--retry-failed")


@scenario
def every_error_code_is_explained(scene: Scene) -> None:
    """Each code has a sentence and a remedy; one that nobody knows is shown as it is. (Those that
    pass are tried again first, which takes longer than a transcript should.)
    """
    for code in (*ERROR_CODES, "SOMETHING_NEW"):
        if not explain(code, {}).passes:
            scene.emulator.fail_next_rollout("*", code)
            scene.write(endpoint(code.lower().replace("_", "-")[:60].strip("-")))
            scene.emulator.clear_requests()
            scene.apply()
            scene.run("state", "forget", *scene.project.state["resources"])
            scene.emulator.reset()
            scene.emulator.set_durations(create=0, terminate=0)


@scenario
def somebody_changes_it_in_the_middle(scene: Scene) -> None:
    """A version made in the web page while ours was waited for is not overwritten."""
    scene.given(endpoint())
    flags = {"tokenizer_skip_special_tokens": True, "tokenizer_add_special_tokens": True}
    id = scene.id()
    scene.happens("somebody will make a version while ours is under way")
    scene.emulator.on_request(
        "GET",
        "/status$",
        lambda: scene.emulator.change(id, advanced={**flags, "max_batch_size": 7}),
        nth=2,
    )
    scene.write(endpoint(batch=512))
    with an_hour_later(scene):
        scene.apply()


@scenario
def back_by_hand(scene: Scene) -> None:
    """rollback brings the version before back; Git still says the other, and is held off."""
    scene.given(endpoint())
    scene.given(endpoint(repo="acme/worse"))
    scene.run("rollback", "Endpoint/chat", "--yes")
    scene.apply()
    scene.run("history", "Endpoint/chat")


@scenario
def asleep_and_ended_as_desired(scene: Scene) -> None:
    """Sleep, wake, terminate and restart are actions of the plan, with what they cost."""
    scene.given(endpoint())
    for word in ("sleeping", "running", "terminated", "running"):
        scene.write(endpoint(more=f"  desired: {word}\n"))
        scene.apply()


@scenario
def expired(scene: Scene) -> None:
    """lifecycle.expires is shown; when it is over, the endpoint is terminated and stays so."""
    scene.write(endpoint(more='  lifecycle: {expires: "2100-01-01"}\n'))
    scene.apply()
    scene.run("plan")
    scene.write(endpoint(more='  lifecycle: {expires: "2026-01-01"}\n'))
    scene.run("plan")
    scene.apply()
    scene.run("plan")


@scenario
def the_new_one_before_the_old_one(scene: Scene) -> None:
    """createBeforeDestroy: the replacement does not serve, so the old one stays."""
    first = "  lifecycle: {createBeforeDestroy: true}\n"
    scene.given(endpoint(more=first))
    scene.write(endpoint(more=first, repo="acme/too-big").replace("project: p1", "project: p2"))
    scene.apply("--allow-destroy")
