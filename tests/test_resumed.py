"""A plan that was begun is gone on with only where what it did is as it was left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .fakehub import FakeHub, model
from .harness import FAST, Project, Result, endpoint, writes
from .test_drift import ask

# Two ways to say what may be done: what a reviewer saw, and a plan file.
Again = Callable[..., Result]
ONE_BY_ONE = ("--parallelism", "1", *FAST)


def id_of(project: Project, name: str) -> str:
    return str(project.state["resources"][f"Endpoint/{name}"]["id"])


def digest(project: Project, *options: str) -> str:
    return str(project.run("plan", "--format", "json", *options).json["digest"])


@pytest.fixture(params=["approved", "saved"])
def again(request: pytest.FixtureRequest, project: Project) -> Callable[[], Again]:
    """To be called when the manifests are written: how their plan is applied, as often as asked."""

    def agreed() -> Again:
        made = project.run("plan", "--out", "p")
        assert made.code == 0, made
        approved = json.loads((project.root / "p").read_text())["digest"]
        way = ("p",) if request.param == "saved" else ("--approved", approved)
        return lambda *options: project.run("apply", *way, *ONE_BY_ONE, *options)

    return agreed


def refused(result: Result, *told: str) -> None:
    assert result.code == 6, result
    assert all(words in result.err for words in told), result


# --- an endpoint that takes the place of another one, which could not be ended ---


def ended(project: Project, emulator: Emulator) -> None:
    emulator.set_status(id_of(project, "new"), "TERMINATED")


def gone(project: Project, emulator: Emulator) -> None:
    ended(project, emulator)
    ask(emulator, "DELETE", f"/{id_of(project, 'new')}")


def reaped(project: Project, emulator: Emulator) -> None:
    """Its time is over: nobody wants more of it than there is."""
    state = project.state
    state["resources"]["Endpoint/new"]["created"] -= 7200
    project.state_path.write_text(json.dumps(state))
    assert project.run("reap", "--yes").code == 0


def ended_in_time(project: Project, emulator: Emulator) -> None:
    """As above, by hand: no other plan of ours came between."""
    state = project.state
    state["resources"]["Endpoint/new"]["created"] -= 7200
    project.state_path.write_text(json.dumps(state))
    ended(project, emulator)


def changed(project: Project, emulator: Emulator) -> None:
    emulator.change(id_of(project, "new"), hfModelRepo="theirs/model")


def forgotten(project: Project, emulator: Emulator) -> None:
    assert project.run("state", "forget", "Endpoint/new").code == 0


def gone_and_more(project: Project, emulator: Emulator) -> None:
    """Else it would be the very plan that was approved, and be done once more."""
    gone(project, emulator)
    emulator.change(id_of(project, "old"), name="theirs")


@pytest.mark.parametrize("happens", [ended, gone_and_more, reaped, ended_in_time, changed])
def test_what_was_done_must_be_as_it_was_left(
    happens: Callable[[Project, Emulator], None],
    project: Project,
    emulator: Emulator,
    again: Callable[[], Again],
) -> None:
    project.write(endpoint("old"))
    assert project.apply().code == 0
    project.write(endpoint("new", more="  lifecycle: {expires: 1h}\n"))
    old, apply = id_of(project, "old"), again()
    emulator.fault("PUT", f"/dedicated/beta/endpoint/{old}/terminate", nth=1, status=400, body={})
    assert apply().code == 4
    happens(project, emulator)
    emulator.clear_requests()
    refused(apply())
    assert writes(emulator) == []
    assert len(emulator.endpoints()) == (1 if happens is gone_and_more else 2)


@pytest.mark.parametrize("happens", [gone, forgotten])
def test_a_plan_file_makes_nothing_twice(
    happens: Callable[[Project, Emulator], None], project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("old"))
    assert project.apply().code == 0
    project.write(endpoint("new"))
    project.run("plan", "--out", "p")
    path = f"/dedicated/beta/endpoint/{id_of(project, 'old')}/terminate"
    emulator.fault("PUT", path, nth=1, status=400, body={})
    assert project.run("apply", "p", *ONE_BY_ONE).code == 4
    happens(project, emulator)
    emulator.clear_requests()
    refused(project.run("apply", "p", *ONE_BY_ONE), "Endpoint/new")
    assert writes(emulator) == []


# --- two changes, of which one is done ---

V1 = endpoint("a") + "---\n" + endpoint("b")
V2 = endpoint("a", batch=128) + "---\n" + endpoint("b", maximum=3)


def half(project: Project, emulator: Emulator, again: Callable[[], Again]) -> Again:
    project.write(V1)
    assert project.apply().code == 0
    project.write(V2)
    apply = again()
    emulator.fault(
        "PUT", f"/dedicated/beta/endpoint/{id_of(project, 'b')}", nth=1, status=400, body={}
    )
    assert apply().code == 4
    emulator.clear_requests()
    return apply


def test_what_is_as_it_was_is_gone_on_with(
    project: Project, emulator: Emulator, again: Callable[[], Again]
) -> None:
    apply = half(project, emulator, again)
    emulator.set_status(id_of(project, "a"), "SLEEPING")  # it may
    done = apply()
    assert done.code == 0, done
    assert writes(emulator) == [f"PUT /dedicated/beta/endpoint/{id_of(project, 'b')}"]
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_who_changes_what_is_done_makes_it_stale(
    project: Project, emulator: Emulator, again: Callable[[], Again]
) -> None:
    apply = half(project, emulator, again)
    emulator.change(id_of(project, "a"), hfModelRepo="evil/model")
    refused(apply(), "Endpoint/a: update was done, and it is not as it was left: ", "version 2")
    assert writes(emulator) == []


def reverted(project: Project) -> None:
    project.write(V1)
    assert project.apply().code == 0
    project.write(V2)


def rolled_back(project: Project) -> None:
    """Its pin holds the values off: the manifests want nothing of it."""
    assert project.run("rollback", "Endpoint/a", "--yes").code == 0


@pytest.mark.parametrize("happens", [reverted, rolled_back])
def test_what_was_taken_back_stays_so(
    happens: Callable[[Project], None],
    project: Project,
    emulator: Emulator,
    again: Callable[[], Again],
) -> None:
    apply = half(project, emulator, again)
    happens(project)
    assert all(run["plan"] is None for run in project.state["runs"].values())
    emulator.clear_requests()
    refused(apply())
    assert writes(emulator) == []


def test_what_is_refused_now_is_refused_for_the_rest(
    project: Project, emulator: Emulator, tmp_path: Path
) -> None:
    """Somebody has made one of the same name meanwhile."""
    project.write(V1)
    approved = digest(project)
    emulator.fault("POST", "/dedicated/beta/endpoint", nth=2, status=400, body={})
    assert project.run("apply", "--approved", approved, *ONE_BY_ONE).code == 4
    other = Project(tmp_path / "elsewhere", emulator.url)
    other.write(endpoint("b"))
    assert other.apply().code == 0
    emulator.clear_requests()
    stale = project.run("apply", "--approved", approved, *ONE_BY_ONE)
    assert stale.code == 5, stale
    assert "called 'b' is in project p1 already, and it is not ours" in stale.err
    assert writes(emulator) == []


A, B, C = (endpoint(name) for name in "abc")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ((A, C), "Endpoint/b: create is not needed any more"),
        ((A, B, C, endpoint("d")), "Endpoint/d: create is needed now, too"),
        ((A, endpoint("b", batch=32), C), "Endpoint/b: create was planned, and create is needed"),
        ((endpoint("a", maximum=3), B, C), "Endpoint/a: create was done, and it is not as"),
    ],
)
def test_the_rest_must_be_what_is_wanted(
    says: tuple[str, ...], told: str, project: Project, emulator: Emulator
) -> None:
    """With -f, no digest of the whole project tells that the commit says something else."""
    files = ("-f", "main.yaml")
    project.write("---\n".join((A, B, C)))
    approved = digest(project, *files)
    emulator.fault("POST", "/dedicated/beta/endpoint", nth=2, status=400, body={})
    assert project.run("apply", *files, "--approved", approved, *ONE_BY_ONE).code == 4
    project.write("---\n".join(says))
    emulator.clear_requests()
    refused(project.run("apply", *files, "--approved", approved, *ONE_BY_ONE), told)
    assert writes(emulator) == []


# --- once more ---


def test_protection_is_not_lifted_by_an_old_approval(project: Project) -> None:
    """Nothing is sent for it, so that no version tells the second time from the first."""
    kept, free = (
        endpoint("a", more=f"  lifecycle: {{preventDestroy: {value}}}\n")
        for value in ("true", "false")
    )
    project.write(kept)
    assert project.apply().code == 0
    project.write(free)
    approved = digest(project)
    assert project.run("apply", "--approved", approved).code == 0
    project.write(kept)
    assert project.apply().code == 0
    project.write(free)
    refused(project.run("apply", "--approved", approved), "that one was applied already")
    assert project.state["resources"]["Endpoint/a"]["protected"]
    assert project.run("apply", "--approved", digest(project)).code == 0


def test_what_is_not_read_is_not_compared(project: Project, emulator: Emulator) -> None:
    project.write(V1)
    approved = digest(project)
    emulator.clear_requests()
    assert project.run("apply", "--approved", approved, "--refresh", "none").code == 64
    assert emulator.requests == []


def test_a_commit_that_was_looked_up_is_not_looked_up_again(
    tmp_path: Path, emulator: Emulator
) -> None:
    with FakeHub() as hub:
        hub.add("acme/model")
        env = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "cache")}
        project = Project(
            tmp_path / "project", emulator.url, env | {"FRIENDLI_IAC_PREFLIGHT": "on"}
        )
        project.write(V1.replace("acme/model", "acme/model, revision: main"))
        assert project.run("plan", "--out", "p").code == 0
        emulator.fault("POST", "/dedicated/beta/endpoint", nth=2, status=400, body={})
        assert project.run("apply", "p", *ONE_BY_ONE).code == 4
        hub.repos["acme/model"].push(model(), name="newer")
        hub.requests.clear()
        done = project.run("apply", "p", *ONE_BY_ONE)
        assert done.code == 0, done
        assert hub.requests == []
        assert len(writes(emulator)) == 3


# --- what the options asked for ---


@pytest.mark.parametrize("failing", ["PUT", "DELETE", "POST"])
@pytest.mark.parametrize("way", ["approved", "saved"])
def test_a_replacement_that_was_asked_for(
    project: Project, emulator: Emulator, way: str, failing: str
) -> None:
    """The same line again goes on, wherever the first one was stopped."""
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    assert project.apply().code == 0
    project.write(endpoint("a") + "---\n" + endpoint("b", batch=128))
    asked = ("--replace", "Endpoint/a")
    found = project.run("plan", "--out", "p", "--format", "json", *asked).json["digest"]
    line = ("p",) if way == "saved" else ("--approved", found, *asked)
    emulator.fault(failing, ".*", nth=1, status=400, body={})
    first = project.run("apply", *line, *ONE_BY_ONE)
    assert first.code in (1, 4), first
    emulator.clear_faults()
    done = project.run("apply", *line, *ONE_BY_ONE)
    assert done.code == 0, done
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert len(emulator.endpoints()) == 2


@pytest.mark.parametrize("way", ["approved", "saved"])
def test_what_failed_before_and_is_tried_again(
    project: Project, emulator: Emulator, way: str
) -> None:
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    assert project.apply().code == 0
    project.write(endpoint("a") + "---\n" + endpoint("b", batch=128))
    assert project.apply().code == 0
    assert project.run("rollback", "Endpoint/b", "--yes", *FAST).code == 0
    project.write(endpoint("a", maximum=4) + "---\n" + endpoint("b", batch=128))
    asked = ("--retry-failed",)
    found = project.run("plan", "--out", "p", "--format", "json", *asked).json["digest"]
    line = ("p",) if way == "saved" else ("--approved", found, *asked)
    emulator.fault("PUT", f"endpoint/{id_of(project, 'a')}$", nth=1, status=400, body={})
    assert project.run("apply", *line, *ONE_BY_ONE).code == 1
    emulator.clear_faults()
    assert project.run("apply", *line, *ONE_BY_ONE).code == 0
    assert project.run("plan", "--detailed-exitcode").code == 0
