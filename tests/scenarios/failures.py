"""What goes wrong: what the user is told, and what is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..harness import endpoint
from .transcript import Scene, scenario


@contextmanager
def an_hour_later(scene: Scene) -> Iterator[None]:
    """An update takes an hour. The 1st look is before it, the 2nd sees it under way, and the 3rd
    sees how it ended.
    """
    scene.emulator.set_durations(update=3600)
    scene.emulator.hold("GET", "/status$", nth=3)

    def pass_an_hour() -> None:
        scene.emulator.wait_held()
        scene.emulator.advance(3600)
        scene.emulator.release()

    hour = threading.Thread(target=pass_an_hour)
    hour.start()
    yield
    hour.join()


@scenario
def a_gated_model_fails_with_the_remedy(scene: Scene) -> None:
    """A create fails: the code is explained, the endpoint is in state, and mending goes on."""
    scene.write(endpoint(repo="acme/gated-model"))
    scene.apply()
    scene.run("plan", "--detailed-exitcode")
    scene.write(endpoint(repo="acme/model"))
    scene.apply()
    scene.run("plan", "--detailed-exitcode")


@scenario
def a_failed_update_keeps_the_version_before(scene: Scene) -> None:
    """RUNNING is no proof: the readable fields are still those from before."""
    scene.given(endpoint())
    scene.happens("the next roll-out will fail, an hour after it began")
    scene.emulator.fail_next_rollout(scene.id(), "INFERENCE_ENGINE_MEMORY_ERROR")
    scene.write(endpoint(batch=512))
    with an_hour_later(scene):
        scene.apply()
    scene.run("plan", "--detailed-exitcode")


@scenario
def the_first_failure_stops_the_rest(scene: Scene) -> None:
    """Nothing new is begun, whether it depends on what failed or not."""
    dependent = endpoint("c").replace("{name: c}", "{name: c, dependsOn: [Endpoint/a]}")
    scene.write(endpoint("a", repo="acme/gated-model"), endpoint("b"), dependent)
    scene.apply()


@scenario
def going_on_after_an_error(scene: Scene) -> None:
    """--continue-on-error begins what does not depend on what failed."""
    dependent = endpoint("c").replace("{name: c}", "{name: c, dependsOn: [Endpoint/a]}")
    scene.write(endpoint("a", repo="acme/gated-model"), endpoint("b"), dependent)
    scene.apply("--continue-on-error")


@scenario
def a_refused_request_is_explained(scene: Scene) -> None:
    """422: the API's own words, and nothing was created."""
    scene.emulator.fault(
        "POST", "endpoint", status=422,
        body={"detail": [{"loc": ["body", "name"], "msg": "already taken", "type": "value_error"}]},
    )  # fmt: skip
    scene.write(endpoint())
    scene.apply()
    scene.run("state", "list")


@scenario
def a_lost_answer_is_looked_for(scene: Scene) -> None:
    """The create took effect, and its answer was lost: found, and not sent again."""
    scene.emulator.fault("POST", "endpoint", kind="drop", when="after")
    scene.write(endpoint())
    scene.apply()
    assert len(scene.emulator.endpoints()) == 1


@scenario
def out_of_time_goes_on_later(scene: Scene) -> None:
    """The service does not get there in time: exit 9, and the next apply waits on."""
    scene.emulator.set_durations(create=3600)
    scene.write(endpoint())
    scene.apply("--timeout", "0s")
    scene.run("plan")
    scene.emulator.advance(3600)
    scene.apply()


@scenario
def errors_for_machines(scene: Scene) -> None:
    """With --format json, stdout is one JSON document, also when nothing worked."""
    scene.write(endpoint().replace("maxReplicas", "maxReplica"))
    scene.run("plan", "--format", "json")
    scene.given(endpoint("a"), endpoint("b"))
    scene.write(endpoint("a"))
    scene.run("apply", "--format", "json")
    scene.run("plan", "--format", "json", "--target", "Endpoint/zzz")
    scene.run("destroy", "--yes", "--format", "json")
