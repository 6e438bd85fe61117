"""How many requests a plan sends: one for each known endpoint, one for each page of a list, and
more only for what needs it.
"""

from __future__ import annotations

import pytest

from friendli_iac.clients.friendli import FriendliApi
from friendli_iac.clients.http import Http
from friendli_iac.emulator import Emulator

from .harness import TOKEN, Project, endpoint


def gets(emulator: Emulator) -> list[str]:
    return sorted(
        r["path"].removeprefix("/dedicated/beta") + ("?page" if "cursor" in r["query"] else "")
        for r in emulator.requests
    )


@pytest.fixture
def settled(project: Project, emulator: Emulator) -> list[str]:
    """Three endpoints of ours among 150 of others; the ids of ours, by name."""
    emulator.seed(150, project="p1")
    project.write("---\n".join(endpoint(name) for name in "abc"))
    assert project.apply().code == 0
    emulator.clear_requests()
    resources = project.state["resources"]
    return [resources[f"Endpoint/{name}"]["id"] for name in "abc"]


def test_no_changes(project: Project, emulator: Emulator, settled: list[str]) -> None:
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert gets(emulator) == sorted(
        ["/endpoint", "/endpoint?page", *(f"/endpoint/{id}" for id in settled)]
    )
    assert {r["query"]["limit"] for r in emulator.requests if r["path"].endswith("endpoint")} == {
        "100"
    }


def test_a_moved_update_time_costs_one_version_walk(
    project: Project, emulator: Emulator, settled: list[str]
) -> None:
    emulator.advance(10)
    http = Http(emulator.url, {"Authorization": f"Bearer {TOKEN}"})
    FriendliApi(http).act(settled[1], "sleep", key="")
    http.close()
    emulator.clear_requests()
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert len(gets(emulator)) == 3 + 2 + 1
    assert f"/endpoint/{settled[1]}/version" in gets(emulator)


def test_a_planned_update_costs_one_version_walk(
    project: Project, emulator: Emulator, settled: list[str]
) -> None:
    project.write("---\n".join(endpoint(n, batch=65 if n == "c" else 64) for n in "abc"))
    assert project.run("plan", "--detailed-exitcode").code == 2
    assert len(gets(emulator)) == 3 + 2 + 1
    assert f"/endpoint/{settled[2]}/version" in gets(emulator)


@pytest.mark.parametrize("more", [endpoint("d"), ""], ids=["create", "rename"])
def test_a_name_costs_a_look_at_every_stranger(
    more: str, project: Project, emulator: Emulator, settled: list[str]
) -> None:
    documents = [endpoint("a"), endpoint("b"), endpoint("c")]
    if not more:
        documents[2] = endpoint("c", more="  name: another\n")
    project.write("---\n".join([*documents, *([more] if more else [])]))
    assert project.run("plan", "--detailed-exitcode").code == 2
    walks = 0 if more else 1
    assert len(gets(emulator)) == 3 + 2 + 150 + walks
