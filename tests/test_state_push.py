"""state push: what was stored since is never dropped by mistake. Nothing is ever sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project, Result
from .test_recover import CREATE, killed
from .test_state_commands import A, B, C, both, id_of, pulled, refused


@pytest.fixture
def applied(project: Project, emulator: Emulator) -> Project:
    """Serial 2 with a and b."""
    project.write(both("a", "b"))
    assert project.apply().code == 0
    emulator.clear_requests()
    return project


def push(project: Project, document: Any, *words: str) -> Result:
    (project.root / "it.json").write_text(json.dumps(document))
    return project.run("state", "push", "it.json", *words)


def test_what_was_pulled_can_be_changed_and_pushed(applied: Project, emulator: Emulator) -> None:
    document, gone = pulled(applied), id_of(applied, B)
    del document["resources"][B]
    done = push(applied, document)
    assert (done.code, done.out) == (0, "")
    assert done.err == (
        f"- {B} ({gone}) goes out of state\n"
        f"  {gone}, which was {B}, is nobody's from then on. If it runs, it bills on\n"
        f"stored as serial 3 ({applied.state_path}). Nothing was sent.\n"
    )
    assert applied.state["serial"] == 3
    assert applied.state["write_id"] != document["write_id"]
    assert list(applied.state["resources"]) == [A]
    assert emulator.requests == []


def test_what_is_stored_already_is_left_as_it_is(applied: Project) -> None:
    before = applied.state_path.read_bytes()
    done = push(applied, pulled(applied), "--format", "json")
    assert done.json == {
        "format_version": "1.0", "serial": 2, "landed": True, "removed": None, "exchange": None,
        "given_up": [],
    }  # fmt: skip
    assert "that state is stored already, as serial 2" in done.err
    assert applied.state_path.read_bytes() == before


def test_a_state_can_come_through_a_pipe_to_where_none_is(applied: Project) -> None:
    text = applied.run("state", "pull").out
    done = applied.run("state", "push", "-", "--state", "other.json", stdin=text)
    assert done.code == 0, done
    stored = json.loads((applied.root / "other.json").read_text())
    assert stored == {**applied.state, "write_id": stored["write_id"]}, "also its serial"


def test_push_refuses_what_would_undo_something(applied: Project) -> None:
    old = pulled(applied)
    newer = {**old, "resources": {}}
    assert push(applied, newer).code == 0
    before = applied.state_path.read_bytes()
    now = pulled(applied)
    older = "somebody has applied since: it has serial 2, and stored is 3"
    refused(push(applied, old), 5, older, "delete it", "--force")
    same = {**now, "write_id": "of-another-commit"}
    refused(push(applied, same), 5, "stored is another serial 3", "delete it")
    other = {**now, "lineage": "another"}
    refused(push(applied, other), 5, "it is another state (lineage another, and stored is")
    applied.write("name: chat\n", "friendli-iac.yaml")
    for header in ({"project": "x"}, {"environment": "x"}, {"api": "x"}, {"team": "x"}):
        (applied.root / "it.json").write_text(json.dumps({**now, **header}))
        env = {"FRIENDLI_TEAM_ID": now["team"], "FRIENDLI_IAC_ENV": "prod"}
        done = applied.run("state", "push", "it.json", env=env)
        refused(done, 5, "the state belongs to the ", " x, and this run uses ")
    assert applied.state_path.read_bytes() == before


def test_what_is_stored_may_be_anothers_by_now(applied: Project) -> None:
    applied.write("name: chat\n", "friendli-iac.yaml")
    ours = pulled(applied)
    for header, words in (
        ({"project": "x"}, ()),
        ({"environment": "x"}, ("--env", "prod")),
        ({"api": "x"}, ("--force",)),
        ({"team": "x"}, ("--force",)),
    ):
        stored = {name: value for name, value in {**ours, **header}.items() if name != "seen"}
        applied.state_path.write_text(json.dumps(stored))
        (applied.root / "it.json").write_text(json.dumps({**ours, "resources": {}}))
        env = {"FRIENDLI_TEAM_ID": ours["team"]}
        done = applied.run("state", "push", "it.json", *words, env=env)
        refused(done, 5, "the state belongs to the ", " x, and this run uses ")
        assert applied.state == stored


def test_force_says_what_is_overwritten_and_still_keeps_to_the_api(applied: Project) -> None:
    old = pulled(applied)
    assert push(applied, {**old, "resources": {}}).code == 0
    lineage, back = applied.state["lineage"], old["resources"][A]["id"]
    done = push(applied, {**old, "project": "other", "lineage": "new"}, "--force")
    assert done.code == 0, done
    assert done.err.startswith(f"overwritten: serial 3 of lineage {lineage}, with 0 resources\n")
    assert f"+ {A} ({back}) comes into state" in done.err
    assert (applied.state["serial"], applied.state["lineage"]) == (4, "new")
    before = applied.state_path.read_bytes()
    for header in ({"api": "x"}, {"team": "x"}):
        (applied.root / "it.json").write_text(json.dumps({**old, **header}))
        env = {"FRIENDLI_TEAM_ID": old["team"]}
        done = applied.run("state", "push", "it.json", "--force", env=env)
        refused(done, 5, "the state belongs to the ")
    assert applied.state_path.read_bytes() == before


def test_what_is_only_in_the_journal_is_not_dropped(applied: Project, emulator: Emulator) -> None:
    old = pulled(applied)
    applied.write(both("a", "b", "c"))
    killed(applied, emulator, "POST", CREATE, "after")
    emulator.release()
    edited = {**old, "resources": {}}
    told = "the stored journal has 2 entries, and the file knows 0 of them"
    refused(push(applied, edited), 5, told, "delete it")
    told = "the stored journal has 2 entries, and the file knows 3 of them: the store was put back"
    refused(push(applied, {**edited, "seen": 3}), 5, told)
    assert len(pulled(applied)["open"]) == 1, "all is there"
    with_it = {**pulled(applied), "resources": old["resources"]}
    del with_it["resources"][B]
    assert push(applied, with_it).code == 0
    assert [one["address"] for one in applied.state["open"]] == [C], "it is to be settled"
    assert push(applied, edited, "--force").code == 0


def test_force_counts_what_it_drops_of_the_journal(applied: Project, emulator: Emulator) -> None:
    old = pulled(applied)
    applied.write(both("a", "b", "c"))
    killed(applied, emulator, "POST", CREATE, "before")
    emulator.release()
    done = push(applied, {**old, "resources": {}}, "--force")
    assert done.code == 0, done
    assert "with 2 resources and 2 entries of its journal\n" in done.err
    assert applied.state["open"] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no JSON"),
        ("[1]", "it is no JSON object"),
        ("[" * 100_000, "is no JSON"),
        ('{"state_version": 1, "serial": NaN}', "NaN is no number"),
        ('{"state_version": 9}', "the state has version 9"),
        ('{"state_version": 1}', "the state cannot be read"),
        ({"lineage": 5}, "lineage: Input should be a valid string"),
        ({"lineage": ""}, "it has no lineage"),
        ({"serial": -1}, "serial is -1"),
        ({"serial": True}, "serial is True"),
        ({"seen": -1}, "seen is -1"),
        ({"seen": "2"}, "seen is '2'"),
        ({"what": "is this"}, "the state cannot be read"),
        ({"open": [{"type": "begin", "time": "now"}]}, "0.time: Input should be a valid number"),
        ({"open": [{"type": "dance", "time": 1}]}, "an entry that this version does not know"),
    ],
)
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_what_is_no_state_is_told(
    applied: Project, text: str | dict[str, Any], told: str, force: tuple[str, ...]
) -> None:
    before = applied.state_path.read_bytes()
    if isinstance(text, dict):
        text = json.dumps({**pulled(applied), **text})
    (applied.root / "it.json").write_text(text)
    refused(applied.run("state", "push", "it.json", *force), 64, told)
    assert applied.state_path.read_bytes() == before


def test_a_file_that_is_not_there_is_told(applied: Project) -> None:
    refused(applied.run("state", "push", "no.json"), 64, "no.json: No such file")
