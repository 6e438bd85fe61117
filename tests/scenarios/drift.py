"""What others do to our endpoints, and what a plan can know of it."""

from __future__ import annotations

from ..harness import endpoint
from .transcript import Scene, scenario


@scenario
def changed_in_the_web_page(scene: Scene) -> None:
    """Somebody lowers a readable field: it is seen, and put back. The write-only fields of a
    version that is not ours are unknown.
    """
    scene.given(endpoint(maximum=4))
    scene.happens("somebody sets maxReplicas to 3 in the web page")
    policy = {"minReplica": 1, "maxReplica": 3, "cooldownPeriod": 300}
    scene.emulator.change(scene.id(), autoscalingPolicy=policy)
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")


@scenario
def a_version_that_is_not_ours(scene: Scene) -> None:
    """Somebody deploys another model: nothing that can be read differs, and yet the plan does not
    say "no changes".
    """
    scene.given(endpoint())
    scene.happens("somebody deploys another model in the web page")
    scene.emulator.change(scene.id(), hfModelRepo="acme/somebody-elses")
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")


@scenario
def ignored_fields_are_left_alone(scene: Scene) -> None:
    """What lifecycle.ignoreChanges names is sent as it is found."""
    ignoring = "  lifecycle: {ignoreChanges: [autoscaling, model, engine]}\n"
    scene.given(endpoint(more=ignoring))
    scene.happens("somebody sets maxReplicas to 9 in the web page")
    policy = {"minReplica": 1, "maxReplica": 9, "cooldownPeriod": 300}
    scene.emulator.change(scene.id(), autoscalingPolicy=policy)
    scene.run("plan", "--detailed-exitcode")


@scenario
def terminated_or_failed_is_restarted(scene: Scene) -> None:
    """It exists, so it is never created again beside itself."""
    scene.given(endpoint("a"), endpoint("b"))
    scene.happens("a is terminated, and b fails")
    scene.emulator.set_status(scene.id("a"), "TERMINATED")
    scene.emulator.set_status(scene.id("b"), "FAILED", error_code="INFERENCE_ENGINE_MEMORY_ERROR")
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")


@scenario
def a_gone_endpoint_is_created_again(scene: Scene) -> None:
    """404 and absent from the complete list: gone. The other one is still there."""
    scene.given(endpoint("a"), endpoint("b"))
    scene.happens("somebody deletes a")
    _delete(scene, "a")
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")


@scenario
def everything_gone_at_once_is_refused(scene: Scene) -> None:
    """More likely the wrong token or team than that everything was deleted."""
    scene.given(endpoint("a"), endpoint("b"))
    scene.happens("both vanish")
    _delete(scene, "a")
    _delete(scene, "b")
    scene.run("plan")
    scene.apply()


@scenario
def the_wrong_team_is_refused(scene: Scene) -> None:
    """The state names its team: with the token of another one, nothing is created."""
    scene.given(endpoint())
    scene.run("plan", env={"FRIENDLI_TEAM_ID": "team-other"})
    scene.happens("the token belongs to another team now")
    token = scene.project.env["FRIENDLI_TOKEN"]
    scene.emulator.set_tokens({token: {"user": "u", "teams": ["team-other"]}})
    scene.run("plan")
    scene.apply()


@scenario
def the_wrong_base_url_is_refused(scene: Scene) -> None:
    """The state names the API that it belongs to."""
    scene.given(endpoint())
    scene.run("plan", "--base-url", "https://api.example.com")
    scene.apply("--base-url", "https://api.example.com")


def _delete(scene: Scene, name: str) -> None:
    """Deletes an endpoint as if in the web page."""
    service, id = scene.emulator.service, scene.id(name)
    scene.emulator.set_status(id, "TERMINATED")
    with service.store.lock:
        found = service.store.get(id)
        assert found is not None, name
        service.delete(found)
