"""What ends, and what keeps it from ending."""

from __future__ import annotations

from ..harness import endpoint
from .transcript import Scene, scenario

PROTECTED = "  lifecycle: {preventDestroy: true}\n"


@scenario
def deleting_needs_to_be_allowed(scene: Scene) -> None:
    """--yes alone deletes nothing; with --allow-destroy it is terminated, then deleted."""
    scene.given(endpoint("a"), endpoint("b"))
    scene.write(endpoint("a"))
    scene.run("plan", "--detailed-exitcode")
    scene.apply()
    scene.apply("--allow-destroy", "Endpoint/a")
    scene.apply("--allow-destroy", "Endpoint/b")
    scene.run("plan", "--detailed-exitcode")


@scenario
def protection_survives_the_block_and_the_document(scene: Scene) -> None:
    """preventDestroy is kept in state, until false has been applied."""
    scene.given(endpoint("a"), endpoint("b", more=PROTECTED))
    scene.happens("the whole document of b is removed")
    scene.write(endpoint("a"))
    scene.run("plan")
    scene.apply("--allow-destroy")
    scene.happens("b comes back without its lifecycle block")
    scene.write(endpoint("a"), endpoint("b"))
    scene.apply()
    scene.happens("destroy refuses as a whole: a is not touched either")
    scene.run("destroy", "--yes")
    assert len(scene.emulator.endpoints()) == 2
    scene.happens("false is applied")
    scene.write(endpoint("a"), endpoint("b", more=PROTECTED.replace("true", "false")))
    scene.apply()
    scene.run("destroy", "--yes")


@scenario
def destroy_goes_from_the_dependents_down(scene: Scene) -> None:
    """What others need goes last."""
    dependent = endpoint("app").replace("{name: app}", "{name: app, dependsOn: [Endpoint/base]}")
    scene.given(endpoint("base"), dependent)
    scene.run("plan", "--destroy")
    scene.run("destroy")
    scene.run("destroy", "--yes")
    scene.run("destroy", "--yes")


@scenario
def what_is_gone_already_is_forgotten(scene: Scene) -> None:
    """It left the manifests, and somebody has deleted it: nothing is sent."""
    scene.given(endpoint("a"), endpoint("b"))
    scene.happens("somebody deletes b")
    id = scene.id("b")
    scene.emulator.set_status(id, "TERMINATED")
    service = scene.emulator.service
    with service.store.lock:
        found = service.store.get(id)
        assert found is not None
        service.delete(found)
    scene.write(endpoint("a"))
    scene.run("plan")
    scene.apply()
