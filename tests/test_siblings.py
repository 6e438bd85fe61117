"""What a sibling state has is taken in by nobody else: export, import, and export --adopt."""

from __future__ import annotations

from pathlib import Path

import pytest

from friendli_iac.backends import LocalBackend
from friendli_iac.emulator import Emulator
from friendli_iac.engine.export import adopt_all, survey
from friendli_iac.engine.siblings import Siblings
from friendli_iac.errors import Refused

from .harness import PROJECT, Project, endpoint, engine_for, writes

WHERE = "file:../other/.friendli-iac/state.json"
EXPORT = ("export", "--project", PROJECT)


@pytest.fixture
def other(project: Project, emulator: Emulator, tmp_path: Path) -> Project:
    """Another project with a state of its own, which the settings of ours name; beside it, the
    Friendli project holds one endpoint that is nobody's.
    """
    other = Project(project.root.parent / "other", emulator.url)
    other.write(endpoint("search"))
    assert other.apply().code == 0
    emulator.seed(1, project=PROJECT, name="free")
    project.write(f"siblings: [{WHERE}]\n", "friendli-iac.yaml")
    emulator.clear_requests()
    return other


def id_of(other: Project) -> str:
    return str(other.state["resources"]["Endpoint/search"]["id"])


def test_export_leaves_out_what_a_sibling_has_and_adopts_the_rest(
    project: Project, other: Project
) -> None:
    shown = project.run(*EXPORT)
    assert shown.code == 0, shown
    assert "name: free" in shown.out
    assert "search" not in shown.out
    left = f"left out: {id_of(other)} (search), which belongs to the sibling state {WHERE}"
    assert left in shown.err
    taken = project.run(*EXPORT, "--out", "endpoints", "--adopt")
    assert taken.code == 0, taken
    assert not (project.root / "endpoints" / "search.yaml").exists()


def test_import_refuses_what_a_sibling_has(
    project: Project, other: Project, emulator: Emulator
) -> None:
    refused = project.run("import", "Endpoint/search", id_of(other))
    assert refused.code == 5, refused
    assert f"it belongs to the sibling state {WHERE}" in refused.err
    assert not project.state_path.exists()
    assert writes(emulator) == []


def test_what_came_to_a_sibling_meanwhile_is_not_adopted(
    project: Project, other: Project, emulator: Emulator
) -> None:
    (free,) = [e["id"] for e in emulator.endpoints() if e["id"] != id_of(other)]
    with engine_for(project, emulator) as engine:
        engine.siblings = Siblings({WHERE: LocalBackend(other.state_path)})
        found = survey(engine, PROJECT, {}).found
        assert [one.observed.id for one in found] == [free]
        assert other.run("import", "Endpoint/free", free).code == 0
        with pytest.raises(Refused, match="it belongs to the sibling state"):
            adopt_all(engine, found, {})
    assert not project.state_path.exists()


@pytest.mark.parametrize("broken", ["unreadable", "missing"])
def test_nothing_is_taken_in_while_a_sibling_cannot_be_read(
    project: Project, other: Project, emulator: Emulator, broken: str
) -> None:
    (free,) = [e["id"] for e in emulator.endpoints() if e["id"] != id_of(other)]
    if broken == "missing":
        other.state_path.unlink()
    else:
        other.state_path.write_text("{")
    into = project.root / "endpoints"
    for words in (("import", "Endpoint/free", free), (*EXPORT, "--out", "endpoints", "--adopt")):
        refused = project.run(*words)
        assert refused.code == 5, refused
        assert f"the sibling state {WHERE} cannot be read" in refused.err
        assert "take it out of `siblings`" in refused.err
    assert not project.state_path.exists()
    assert not into.exists()
    shown = project.run(*EXPORT)
    assert shown.code == 0, shown
    assert f"note: the sibling state {WHERE} cannot be read" in shown.err
