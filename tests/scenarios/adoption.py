"""What is not ours is never touched and never duplicated; import makes it ours."""

from __future__ import annotations

from ..harness import endpoint
from .transcript import Scene, scenario


@scenario
def a_twin_is_refused_and_imported(scene: Scene) -> None:
    """An endpoint with our name that is not ours: the plan stops and says how to adopt it."""
    scene.happens("chat is there already, made in the web page")
    scene.emulator.seed(
        1,
        project="p1",
        name="chat",
        hfModelRepo="acme/model",
        autoscalingPolicy={"minReplica": 1, "maxReplica": 2, "cooldownPeriod": 300},
        advanced={
            "tokenizer_skip_special_tokens": True,
            "tokenizer_add_special_tokens": True,
            "max_batch_size": 64,
        },
    )
    id = scene.id()
    scene.write(endpoint())
    scene.run("plan")
    scene.apply()
    scene.run("import", "Endpoint/chat", id, "--set", "spec.model.huggingFace.repo=acme/model")
    scene.run("plan", "--detailed-exitcode")
    assert len(scene.emulator.endpoints()) == 1


@scenario
def an_import_without_the_model(scene: Scene) -> None:
    """What nobody says is unknown, and the next plan sends it."""
    scene.happens("chat is there already, made in the web page")
    scene.emulator.seed(1, project="p1", name="chat", hfModelRepo="acme/model")
    scene.write(endpoint())
    scene.run("import", "Endpoint/chat", scene.id())
    scene.run("plan", "--detailed-exitcode")


@scenario
def forgotten_and_moved(scene: Scene) -> None:
    """state forget and state mv change what is ours, and send nothing."""
    scene.given(endpoint())
    scene.run("state", "mv", "Endpoint/chat", "Endpoint/assistant")
    scene.write(endpoint("assistant", more="  name: chat\n"))
    scene.run("plan", "--detailed-exitcode")
    scene.run("state", "forget", "Endpoint/assistant")
    scene.run("plan")
