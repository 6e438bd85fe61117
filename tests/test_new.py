"""`new`: a manifest to begin with."""

from __future__ import annotations

import re

import pytest

from friendli_iac.cli import scaffolds
from friendli_iac.emulator import Emulator
from friendli_iac.resources.spec import BLANK

from .harness import Project, endpoint, writes

ENV = {"FRIENDLI_PROJECT_ID": "p1"}


def test_what_it_writes_is_valid_and_can_be_applied(project: Project, emulator: Emulator) -> None:
    done = project.run("new", "chat", "--repo", "acme/model", "--gpu", "H200", "--count", "2")
    assert done.code == 0, done
    assert project.run("validate", env=ENV).code == 0
    assert project.apply(env=ENV).code == 0
    (live,) = emulator.endpoints()
    settings = live["versions"][live["serving"]]["settings"]
    assert settings["hfModelRepo"] == "acme/model"
    assert "no changes" in project.run("plan", env=ENV).out.lower()


def test_without_a_model_it_is_valid_and_is_not_applied(
    project: Project, emulator: Emulator
) -> None:
    assert project.run("new", "chat", "--project", "p1").code == 0
    assert project.run("validate").code == 0
    refused = project.apply()
    assert refused.code == 5, refused
    assert "spec.model.huggingFace.repo is still FILL-ME-IN (chat.yaml:" in refused.err
    assert writes(emulator) == []
    assert project.run("set", "Endpoint/chat", "spec.model.huggingFace.repo=acme/m").code == 0
    assert project.apply().code == 0


def test_every_option_in_its_comments_can_be_taken(project: Project) -> None:
    """Each commented line that is no sentence is a key: all of them together are valid."""
    done = project.run("new", "chat", "--repo", "a/b", "--project", "p1", "--file", "-")
    taken = re.sub(r"(?m)^( *)# ( *[a-z]\w*:.*)$", r"\1\2", done.out)
    for path in ("revision", "probe", "preventDestroy", "labels", "expires"):
        assert re.search(rf"(?m)^ +{path}:", taken), taken
    checked = project.run("validate", "-f", "-", stdin=taken)
    assert checked.code == 0, f"{taken}\n{checked}"


@pytest.mark.parametrize("kind", list(scaffolds.SCAFFOLDS))
def test_every_kind_has_one(project: Project, kind: str) -> None:
    assert project.run("new", "calm", "--kind", kind, env=ENV).code == 0
    assert project.run("validate", env=ENV).code == 0


def test_it_goes_where_the_project_reads(project: Project) -> None:
    assert project.run("init").code == 0
    done = project.run("new", "embed", env=ENV)
    assert "wrote  endpoints/embed.yaml" in done.err, done
    text = (project.root / "endpoints/embed.yaml").read_text()
    assert text.startswith(
        "# yaml-language-server: $schema=../.friendli-iac/friendli-iac.v1.json\n"
    )
    assert "project:" not in text  # the defaults of the project say it
    assert project.run("validate", env=ENV).err == "valid: 2 documents\n"


def test_a_file_that_the_project_does_not_read_is_told_of(project: Project) -> None:
    assert project.run("init").code == 0
    done = project.run("new", "embed", "--file", "elsewhere/e.yaml", env=ENV)
    assert "does not read elsewhere/e.yaml" in done.err


def test_it_overwrites_and_repeats_nothing(project: Project) -> None:
    main = project.write(endpoint("chat"))
    project.write(endpoint("other").replace("spec:", "spec:\n  name: embed"), "other.yaml")
    for arguments, words in (
        (("new", "main"), "main.yaml exists, and is not overwritten"),
        (("new", "chat", "--project", "p1"), "Endpoint/chat is declared twice"),
        (("new", "embed", "--project", "p1"), "have the same name"),
        (("new", "x", "--project", "p1", "--gpu", "H101"), "no GPU is called H101"),
        (("new", "../x"), "cannot be a name"),
    ):
        refused = project.run(*arguments)
        assert refused.code != 0, refused
        assert words in refused.err, refused
    assert main.read_text() == endpoint("chat")
    assert sorted(p.name for p in project.root.glob("*.yaml")) == ["main.yaml", "other.yaml"]


def test_its_blank_is_the_one_that_a_plan_refuses() -> None:
    assert scaffolds.BLANK == BLANK
