"""From nothing to what serves, and every kind of change after that."""

from __future__ import annotations

from ..harness import endpoint
from .transcript import Scene, scenario

SETTINGS = """\
defaults:
  Endpoint:
    project: p1
    autoscaling: {minReplicas: 1, maxReplicas: 3}
"""

SHORT = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: chat, labels: {team: search}}
spec:
  model: {huggingFace: {repo: acme/model}}
  instance: {gpu: H100}
"""

POLICY = """\
apiVersion: friendli-iac/v1
kind: AutoscalingPolicy
metadata: {name: interactive}
spec: {minReplicas: 1, maxReplicas: %d, cooldown: 10m}
"""

WITH_POLICY = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: %s}
spec:
  project: p1
  model: {huggingFace: {repo: acme/model}}
  instance: {gpu: H200, count: 2}
  autoscaling: {policy: interactive}
"""

LABELS = "metadata: {name: chat, labels: {team: search}}"


@scenario
def first_apply(scene: Scene) -> None:
    """A manifest becomes an endpoint; then there is nothing to do."""
    scene.write(endpoint())
    scene.run("plan")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.run("output", "Endpoint/chat")
    scene.run("state", "list")


@scenario
def update_of_readable_and_write_only_fields(scene: Scene) -> None:
    """Fields that the API shows and one that it never shows change in one PUT."""
    scene.given(endpoint())
    scene.write(endpoint(repo="acme/better", maximum=4))
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")


@scenario
def between_autoscaling_and_fixed_replicas(scene: Scene) -> None:
    """Only the new block is sent, in both directions."""
    fixed = endpoint().replace("{minReplicas: 1, maxReplicas: 2, cooldown: 5m}", "{replicas: 2}")
    scene.given(endpoint())
    scene.write(fixed)
    scene.run("plan")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")
    scene.write(endpoint())
    scene.apply()
    scene.run("plan", "--detailed-exitcode")


@scenario
def labels_and_lifecycle_are_recorded(scene: Scene) -> None:
    """What only we keep is recorded, and no request is sent."""
    scene.given(endpoint())
    scene.write(
        endpoint(more="  lifecycle: {preventDestroy: true}\n").replace(
            "metadata: {name: chat}", LABELS
        )
    )
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.run("show")


@scenario
def a_policy_changes_many_endpoints(scene: Scene) -> None:
    """A template changes: one block is spelled out, the others refer to it."""
    endpoints = [WITH_POLICY % name for name in ("a", "b", "c")]
    scene.given(POLICY % 4, *endpoints)
    changed = (POLICY % 6).replace("minReplicas: 1", "minReplicas: 2").replace("10m", "15m")
    scene.write(changed, *endpoints)
    scene.run("plan")
    scene.apply()


@scenario
def defaults_come_from_the_settings(scene: Scene) -> None:
    """The plan says which line of which file a value came from, and what is our own default."""
    scene.write(SETTINGS, name="friendli-iac.yaml")
    scene.write(SHORT)
    scene.run("plan")
    scene.apply()
    scene.write(SETTINGS.replace("maxReplicas: 3", "maxReplicas: 5"), name="friendli-iac.yaml")
    scene.run("plan", "--detailed-exitcode")


@scenario
def another_project_replaces(scene: Scene) -> None:
    """The project cannot change in place: the endpoint ends and a new one is made."""
    scene.given(endpoint())
    scene.write(endpoint().replace("project: p1", "project: p2"))
    scene.run("plan")
    scene.apply()
    scene.apply("--allow-destroy", "Endpoint/chat")
    scene.run("plan", "--detailed-exitcode")


@scenario
def a_rename_keeps_the_id(scene: Scene) -> None:
    """spec.name changes: the same id, another name."""
    scene.given(endpoint())
    scene.write(endpoint(more="  name: chat-eu\n"))
    scene.run("plan")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")


@scenario
def a_sleeping_endpoint_is_never_woken(scene: Scene) -> None:
    """Asleep counts as served. An update is sent to it, and it sleeps on."""
    asleep = endpoint().replace("minReplicas: 1", "minReplicas: 0")
    scene.given(asleep)
    scene.happens("it falls asleep")
    scene.emulator.set_status(scene.id(), "SLEEPING")
    scene.run("plan", "--detailed-exitcode")
    scene.write(asleep.replace("64", "128"))
    scene.apply()
    (live,) = scene.emulator.endpoints()
    assert (live["status"], live["inference_requests"]) == ("SLEEPING", 0)
    scene.run("plan", "--detailed-exitcode")


@scenario
def not_waiting_leaves_it_to_be_verified(scene: Scene) -> None:
    """Sent is not served: without waiting it stays pending, and the next apply proves it."""
    scene.given(endpoint())
    scene.emulator.set_durations(update=3600)
    scene.write(endpoint(batch=128))
    scene.apply("--no-wait")
    scene.run("plan", "--detailed-exitcode")
    scene.happens("an hour passes")
    scene.emulator.advance(3600)
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")
