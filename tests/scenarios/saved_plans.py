"""A plan in a file: reviewed once, applied once, refused when anything it touches has moved."""

from __future__ import annotations

import json

from ..harness import endpoint
from .transcript import Scene, scenario


@scenario
def a_saved_plan_runs_once(scene: Scene) -> None:
    """Made, shown, applied; then it is over."""
    scene.write(endpoint())
    scene.run("plan", "--out", "chat.plan")
    scene.run("show", "chat.plan")
    scene.run("apply", "chat.plan")
    scene.run("apply", "chat.plan")


@scenario
def a_stale_plan_is_refused(scene: Scene) -> None:
    """It names what moved: in the API, and in the manifests."""
    scene.given(endpoint())
    scene.write(endpoint(batch=128))
    scene.run("plan", "--out", "chat.plan")
    scene.happens("somebody makes a version")
    scene.emulator.change(scene.id(), hfModelRepo="acme/somebody-elses")
    scene.run("apply", "chat.plan")
    scene.run("plan", "--out", "chat.plan")
    scene.write(endpoint(batch=256))
    scene.run("apply", "chat.plan")


@scenario
def other_changes_do_not_make_it_stale(scene: Scene) -> None:
    """Only what the plan touches counts."""
    scene.given(endpoint("a"), endpoint("b"))
    scene.write(endpoint("a", batch=128), endpoint("b"))
    scene.run("plan", "--out", "a.plan")
    scene.happens("somebody changes b")
    scene.emulator.change(scene.id("b"), hfModelRepo="acme/somebody-elses")
    scene.run("apply", "a.plan")


@scenario
def a_tampered_plan_is_refused(scene: Scene) -> None:
    """The digest says so; so do an unknown version, and a file that is no plan."""
    scene.write(endpoint())
    scene.run("plan", "--out", "chat.plan")
    path = scene.project.root / "chat.plan"
    text = path.read_text()
    path.write_text(text.replace("acme/model", "evil/model"))
    scene.run("apply", "chat.plan")
    path.write_text(json.dumps({**json.loads(text), "format_version": "9.0"}))
    scene.run("apply", "chat.plan")
    path.write_text("endpoints: none")
    scene.run("apply", "chat.plan")
    scene.run("apply", "no-such.plan")
    assert scene.emulator.endpoints() == []


@scenario
def a_plan_goes_on_after_a_failure(scene: Scene) -> None:
    """The same plan again skips what is done."""
    scene.write(endpoint("a"), endpoint("b"))
    scene.run("plan", "--out", "both.plan")
    scene.happens("the second create is refused")
    scene.emulator.fault("POST", "endpoint", nth=2, status=422, body={"detail": "no quota"})
    scene.run("apply", "both.plan")
    scene.run("apply", "both.plan")
    assert len(scene.emulator.endpoints()) == 2


@scenario
def a_plan_with_everything(scene: Scene) -> None:
    """All actions at once, as text, JSON and Markdown."""
    names = ("asleep", "drifted", "ends", "labelled", "moves", "unknown", "updated")
    scene.given(*(endpoint(name) for name in names))
    scene.happens("two are changed by others, and one is terminated")
    policy = {"minReplica": 1, "maxReplica": 3, "cooldownPeriod": 300}
    scene.emulator.change(scene.id("drifted"), autoscalingPolicy=policy)
    scene.emulator.change(scene.id("unknown"), hfModelRepo="acme/somebody-elses")
    scene.emulator.set_status(scene.id("asleep"), "SLEEPING")
    labels = "{name: labelled, labels: {team: search}}"
    scene.write(
        endpoint("asleep"),
        endpoint("drifted"),
        endpoint("labelled").replace("{name: labelled}", labels),
        endpoint("moves").replace("project: p1", "project: p2"),
        endpoint("unknown"),
        endpoint("updated", maximum=4, repo="acme/better").replace(
            "{name: updated}", "{name: updated, dependsOn: [Endpoint/moves]}"
        ),
        endpoint("new-one").replace("gpu: H100", "gpu: B300"),
    )
    scene.run("plan")
    scene.run("plan", "--format", "markdown")
    scene.run("plan", "--format", "json")
