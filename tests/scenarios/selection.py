"""--target, --selector and -f: what a run is about, and what it leaves alone."""

from __future__ import annotations

from ..harness import endpoint
from .transcript import Scene, scenario


def named(name: str, *, needs: str = "", team: str = "", batch: int = 64) -> str:
    more = f", dependsOn: [Endpoint/{needs}]" * bool(needs) + f", labels: {{team: {team}}}" * bool(
        team
    )
    return endpoint(name, batch=batch).replace(f"{{name: {name}}}", f"{{name: {name}{more}}}")


@scenario
def a_target_brings_what_it_needs(scene: Scene) -> None:
    """--target applies prerequisites too, and nothing else."""
    scene.write(named("base"), named("app", needs="base"), named("other"))
    scene.run("plan", "--target", "Endpoint/app")
    scene.apply("--target", "Endpoint/app")
    scene.run("plan", "--target", "Endpoint/othre")


@scenario
def a_target_to_delete_brings_its_dependents(scene: Scene) -> None:
    """What needs it goes first."""
    scene.given(named("base"), named("app", needs="base"), named("other"))
    scene.run("destroy", "--yes", "--target", "Endpoint/base")
    scene.run("state", "list")


@scenario
def a_selector_takes_a_label(scene: Scene) -> None:
    """Only what has the label, in manifests or in state."""
    scene.given(named("a", team="search"), named("b", team="ads"))
    scene.write(named("a", team="search", batch=128), named("b", team="ads", batch=128))
    scene.run("plan", "--selector", "team=search")
    scene.apply("-l", "team=search")
    scene.run("plan", "--selector", "team")


@scenario
def files_narrow_and_never_delete(scene: Scene) -> None:
    """With -f, what is outside is left alone, in state and in the API."""
    scene.given(named("a"), named("b"))
    scene.write(named("b", batch=128), name="only-b.yaml")
    scene.project.write("", "main.yaml")
    scene.run("plan", "-f", "only-b.yaml")
    scene.run("apply", "--yes", "-f", "-", stdin=named("b", batch=128))
    assert len(scene.emulator.endpoints()) == 2


@scenario
def replaced_when_asked(scene: Scene) -> None:
    """--replace makes one anew, with a new id."""
    scene.given(named("a"))
    scene.run("plan", "--replace", "Endpoint/a")
    scene.apply("--replace", "Endpoint/a")
    scene.apply("--replace", "Endpoint/a", "--allow-destroy")
