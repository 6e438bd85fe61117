"""`export`: what was made in the web page becomes manifests; nothing is sent but reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator
from friendli_iac.emulator.catalog import INSTANCE_OPTIONS, InstanceOption

from .harness import TOKEN, Project, names, writes

REPO, REVISION = "spec.model.huggingFace.repo", "spec.model.huggingFace.revision"
FILLED = (f"{REPO}=acme/model", f"{REVISION}=abc123")


def seed(emulator: Emulator, name: str, count: int = 1, **settings: Any) -> list[str]:
    return [one["id"] for one in emulator.seed(count, project="p1", name=name, **settings)]


def exported(project: Project, *arguments: str) -> Any:
    done = project.run("export", "--project", "p1", *arguments)
    assert done.code == 0, done
    return done


def changes(project: Project) -> list[tuple[str, str]]:
    """The changes of a plan, and its refusals."""
    planned = project.run("plan", "--format", "json")
    assert planned.code in (0, 5), planned
    document = planned.json
    done = [(c["address"], c["action"]) for c in document["changes"] if c["action"] != "no-op"]
    return done + [(r["address"], r["message"]) for r in document["refusals"]]


def test_from_the_web_page_to_an_empty_plan(project: Project, emulator: Emulator) -> None:
    """In a clean folder: export with --adopt, fill the blanks in, and nothing is left to do."""
    seed(emulator, "Chat Prod", autoscalingPolicy={"minReplica": 1, "cooldownPeriod": 90})
    seed(emulator, "embed")
    emulator.clear_requests()
    done = exported(project, "--out", ".", "--adopt")
    assert writes(emulator) == []
    assert "wrote  chat-prod.yaml" in done.err
    assert sorted(p.name for p in project.root.glob("*.yaml")) == [
        "chat-prod.yaml", "embed.yaml", "friendli-iac.yaml",
    ]  # fmt: skip
    text = (project.root / "chat-prod.yaml").read_text()
    assert "name: Chat Prod" in text
    assert "cooldown: 1m30s" in text
    assert project.run("validate").code == 0
    places = [message for _, message in changes(project) if "is still" in message]
    line = text.splitlines().index("      repo: FILL-ME-IN") + 1
    assert f"{REPO} is still FILL-ME-IN (chat-prod.yaml:{line})" in places
    assert project.apply().code == 5
    for address in ("Endpoint/chat-prod", "Endpoint/embed"):
        assert project.run("set", address, *FILLED).code == 0
    assert changes(project) == [("Endpoint/chat-prod", "record"), ("Endpoint/embed", "record")]
    assert project.apply().code == 0
    assert changes(project) == []
    assert writes(emulator) == []
    assert names(emulator) == ["Chat Prod", "embed"]


def test_blanks_filled_in_before_adopting_are_believed_at_once(
    project: Project, emulator: Emulator
) -> None:
    seed(emulator, "chat")
    exported(project, "--out", "endpoints")
    project.write("manifests: [endpoints]\n", "endpoints/friendli-iac.yaml").unlink()
    project.write("manifests: [endpoints]\n", "friendli-iac.yaml")
    assert project.run("set", "Endpoint/chat", *FILLED).code == 0
    before = (project.root / "endpoints/chat.yaml").read_text()
    done = exported(project, "--out", "endpoints", "--adopt")
    assert re.search(r"kept   chat.yaml:\d+, which declares Endpoint/chat", done.err)
    assert (project.root / "endpoints/chat.yaml").read_text() == before
    assert changes(project) == []
    assert writes(emulator) == []


def test_what_defaults_say_is_a_wish_and_no_fact(project: Project, emulator: Emulator) -> None:
    seed(emulator, "chat")
    defaults = "defaults: {Endpoint: {suite: none, engine: {maxTokenCount: 99}}}\n"
    project.write(defaults, "friendli-iac.yaml")
    exported(project, "--out", ".")
    assert project.run("set", "Endpoint/chat", *FILLED).code == 0
    exported(project, "--out", ".", "--adopt")
    assert changes(project) == [("Endpoint/chat", "update")]


def test_what_was_exported_can_be_imported(project: Project, emulator: Emulator) -> None:
    (id,) = seed(emulator, "chat")
    exported(project, "--out", ".")
    assert project.run("set", "Endpoint/chat", *FILLED).code == 0
    sets = [word for pair in FILLED for word in ("--set", pair)]
    assert project.run("import", "Endpoint/chat", id, *sets).code == 0
    assert changes(project) == []


def test_a_later_change_of_what_was_told_is_sent(project: Project, emulator: Emulator) -> None:
    """Only what fills a blank is believed: a new commit is a wish."""
    seed(emulator, "chat")
    exported(project, "--out", ".", "--adopt")
    chat = project.root / "chat.yaml"
    filled = chat.read_text().replace("repo: FILL-ME-IN", "repo: acme/model")
    chat.write_text(filled.replace("  # suite: none", "  suite: none"))
    assert project.run("set", "Endpoint/chat", f"{REVISION}=abc").code == 0
    assert project.apply().code == 0
    assert writes(emulator) == []
    assert project.run("set", "Endpoint/chat", f"{REVISION}=def").code == 0
    assert changes(project) == [("Endpoint/chat", "update")]
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    assert live["versions"][live["serving"]]["settings"]["hfModelRepoRevision"] == "def"


def test_two_of_one_name_get_addresses_of_their_own(project: Project, emulator: Emulator) -> None:
    seed(emulator, "chat", count=2)
    exported(project, "--out", ".", "--adopt")
    files = sorted(p for p in project.root.glob("chat-*.yaml"))
    assert len(files) == 2
    assert "Another endpoint of the project is called chat" in files[0].read_text()
    assert project.run("validate").code == 0
    for file in files:
        assert project.run("set", f"Endpoint/{file.stem}", *FILLED).code == 0
    assert project.apply().code == 0
    assert changes(project) == []
    assert names(emulator) == ["chat", "chat"]
    again = exported(project, "--out", ".")
    assert again.err.count("in state already") == 2


def test_two_of_one_name_are_not_bought_again(project: Project, emulator: Emulator) -> None:
    """Filled in, and never adopted: the plan knows that they are there."""
    seed(emulator, "chat", count=2)
    exported(project, "--out", ".")
    for file in project.root.glob("chat-*.yaml"):
        assert project.run("set", f"Endpoint/{file.stem}", *FILLED).code == 0
    refused = project.apply()
    assert refused.code == 5, refused
    assert "an endpoint called 'chat' is in project p1 already, and it is not ours" in refused.err
    assert writes(emulator) == []
    again = exported(project, "--out", ".", "--adopt")
    assert again.err.count("adopted") == 2
    assert changes(project) == []


def test_to_stdout_as_one_file(project: Project, emulator: Emulator) -> None:
    seed(emulator, "n-{}", count=3)
    done = exported(project)
    assert done.out.count("kind: Endpoint") == 3
    checked = project.run("validate", "-f", "-", stdin=done.out)
    assert checked.code == 0, checked
    assert [path.name for path in project.root.iterdir()] == [".git"]


def test_no_file_is_overwritten(project: Project, emulator: Emulator) -> None:
    seed(emulator, "chat")
    seed(emulator, "embed")
    project.write("mine: true\n", "out/embed.yaml")
    refused = project.run("export", "--project", "p1", "--out", "out", "--adopt")
    assert refused.code == 64
    assert "out/embed.yaml exists, and is not overwritten" in refused.err
    assert [p.name for p in (project.root / "out").iterdir()] == ["embed.yaml"]


def test_an_export_that_fails_leaves_no_folder(project: Project, emulator: Emulator) -> None:
    emulator.fault("GET", "/dedicated/beta/endpoint$", status=403, count=None)
    refused = project.run("export", "--project", "p1", "--out", "new")
    assert refused.code == 3, refused
    assert not (project.root / "new").exists()


def test_what_is_in_state_or_has_ended_is_left_out(project: Project, emulator: Emulator) -> None:
    (mine, gone) = seed(emulator, "n-{}", count=2)
    assert project.run("import", "Endpoint/mine", mine).code == 0
    emulator.set_status(gone, "TERMINATED")
    done = exported(project)
    assert "left out: Endpoint/mine, which is in state already" in done.err
    assert f"left out: {gone} (n-1), which is TERMINATED" in done.err
    assert done.out == ""


def test_a_gpu_that_nobody_knows_is_a_blank_option(
    project: Project, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(INSTANCE_OPTIONS, "unheard-of", InstanceOption("NVIDIA X9", 3))
    seed(emulator, "chat", instanceOptionId="unheard-of")
    done = exported(project, "--out", ".", "--adopt")
    text = (project.root / "chat.yaml").read_text()
    assert "    optionId: FILL-ME-IN" in text, done
    assert "instance.gpu: X9, instance.count: 3" in text.replace("\n#", "")
    assert project.run("validate").code == 0
    filled = (*FILLED, "spec.instance.optionId=unheard-of")
    assert project.run("set", "Endpoint/chat", *filled).code == 0
    assert project.apply().code == 0
    assert changes(project) == []
    assert writes(emulator) == []


@pytest.mark.parametrize(
    "name", ["${env:FRIENDLI_TOKEN}", "yes", "a: b # c", "x\n---\nkind: Endpoint", "\x1b[2J", "ü"]
)
def test_a_name_from_the_api_is_only_text(project: Project, emulator: Emulator, name: str) -> None:
    seed(emulator, name.replace("{", "{{").replace("}", "}}"))
    exported(project, "--out", ".", "--adopt")
    assert project.run("validate").code == 0
    (file,) = [p for p in project.root.glob("*.yaml") if p.name != "friendli-iac.yaml"]
    assert project.run("set", f"Endpoint/{file.stem}", *FILLED).code == 0
    assert project.apply().code == 0
    assert changes(project) == []


def test_it_costs_one_list_and_one_request_for_each(project: Project, emulator: Emulator) -> None:
    seed(emulator, "n-{}", count=5)
    emulator.clear_requests()
    exported(project)
    assert len(emulator.requests) == 6
    assert {request["method"] for request in emulator.requests} == {"GET"}


def test_no_secret_is_written_or_told(project: Project, emulator: Emulator) -> None:
    seed(emulator, "chat")
    done = exported(project, "--out", ".", "--adopt", "-v")
    assert TOKEN not in done.out + done.err + project.everything_written()


def test_it_asks_for_a_project(project: Project) -> None:
    refused = project.run("export")
    assert refused.code == 64
    assert "FRIENDLI_PROJECT_ID" in refused.err


def test_in_a_project_that_has_settings_none_are_written(
    project: Project, emulator: Emulator, tmp_path: Path
) -> None:
    seed(emulator, "chat")
    project.write("manifests: [endpoints/]\n", "friendli-iac.yaml")
    project.write("", "endpoints/.keep")
    exported(project, "--out", "endpoints", "--adopt")
    assert not (project.root / "endpoints/friendli-iac.yaml").exists()
    assert "Endpoint/chat" in project.state["resources"]
    elsewhere = exported(project, "--out", "other")
    assert "in state already" in elsewhere.err
