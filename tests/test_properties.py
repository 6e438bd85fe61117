"""What must hold always: a plan after an apply is empty, and a difference, applied, is the wish."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from friendli_iac.core.diff import current, difference, flatten
from friendli_iac.core.plan import Plan
from friendli_iac.core.state import Applied
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions, Engine, Selection
from friendli_iac.manifest import find_project, load_manifest
from friendli_iac.resources.base import Address
from friendli_iac.resources.endpoint import ENDPOINT
from friendli_iac.resources.endpoint_spec import EndpointSpec
from friendli_iac.resources.spec import Spec, canonical, leaves, set_path

from .harness import Project, engine_for, names
from .strategies import documents, specs

CHAT = Address("Endpoint", "chat")


def wish(written: dict[str, Any]) -> Spec:
    return ENDPOINT.desired(CHAT, canonical(EndpointSpec.model_validate(written)))


def shown(spec: Spec) -> Spec:
    """What an API shows of a specification that it was sent: the readable fields."""
    marks = leaves(EndpointSpec)
    live: Spec = {}
    for path, value in flatten(ENDPOINT, spec).items():
        if not marks[path].write_only and not marks[path].local:
            set_path(live, path, value)
    replicas = spec.get("autoscaling", {}).get("replicas")
    if replicas is not None:  # as the emulator has it; the real API's answer is not documented
        live["autoscaling"] = {"minReplicas": replicas, "maxReplicas": replicas, "cooldown": 300}
    live.setdefault("engine", {}).setdefault("maxBatchSize", 256)
    return live


@given(before=specs, after=specs)
def test_the_difference_applied_is_the_wish(before: Any, after: Any) -> None:
    first = difference(ENDPOINT, wanted=wish(before), applied=Applied({}), live=None)
    changed = difference(
        ENDPOINT, wanted=wish(after), applied=Applied(first.target), live=shown(first.target)
    )
    # Every stated field that is not left alone is in what would be sent.
    ignored = after.get("lifecycle", {}).get("ignoreChanges", [])
    target = flatten(ENDPOINT, changed.target)
    for path, value in flatten(ENDPOINT, wish(after)).items():
        if not any(path == i or path.startswith(f"{i}.") for i in ignored):
            assert target[path] == value
    # What differs is what is reported, and once it is in force nothing differs any more.
    old = flatten(
        ENDPOINT,
        current(ENDPOINT, Applied(first.target), shown(first.target), unproved=False),
    )
    assert {f.path for f in changed.fields} == {
        p for p in {**old, **target} if old.get(p) != target.get(p)
    }
    again = difference(
        ENDPOINT, wanted=wish(after), applied=Applied(changed.target), live=shown(changed.target)
    )
    assert again.fields == ()


@given(spec=specs)
def test_a_block_of_one_kind_never_carries_the_other(spec: Any) -> None:
    target = difference(ENDPOINT, wanted=wish(spec), applied=Applied({}), live=None).target
    scaling = target["autoscaling"]
    assert ("replicas" in scaling) != ("maxReplicas" in scaling)
    assert len(target["model"]) == 1


def written(project: Project, wanted: list[dict[str, Any]]) -> dict[Address, Any]:
    for old in project.root.glob("*.yaml"):
        old.unlink()
    for document in wanted:
        project.write(json.dumps(document), f"{document['metadata']['name']}.yaml")
    found = find_project(project.root)
    return dict(load_manifest(found, environ={}).resources)


def applied(engine: Engine, wishes: dict[Address, Any]) -> None:
    done = engine.apply(
        lambda plan: plan(wishes, Selection()),
        ApplyOptions(settle_grace=1, timeout=60, allow_destroy=None),
        lambda plan: True,
    )
    assert [o for o in done.outcomes if o.result != "applied"] == []


def todo(plan: Plan) -> list[str]:
    assert not plan.refusals
    return [f"{c.action} {c.address} {[f.path for f in c.fields]}" for c in plan.pending_changes]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(documents(), min_size=1, max_size=3))
@example(history=[[]])
def test_plan_after_apply_is_empty_for_any_manifests(
    emulator: Emulator, history: list[list[dict[str, Any]]]
) -> None:
    emulator.reset()
    emulator.set_durations(create=0, update=0, wake=0, restart=0, terminate=0)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project", emulator.url)
        with engine_for(project, emulator) as engine:
            for wanted in history:
                if not wanted:
                    continue
                wishes = written(project, wanted)
                applied(engine, wishes)
                assert todo(engine.plan(partial(dict, wishes), Selection())) == []
                # One endpoint for each wish, and no other.
                assert names(emulator) == sorted(d["metadata"]["name"] for d in wanted)
                known = {r.id for r in engine.known()[0].state.resources.values()}
                assert known == {e["id"] for e in emulator.endpoints()}
