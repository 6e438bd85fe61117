"""`promote`: what one environment proved to serve, in one changed line of another's overlay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .environments import CHAT, NEW, OLD, PROD, SETTINGS, STAGING, lay_out
from .harness import Project, Result, writes

REVISION = "spec.model.huggingFace.revision"
PIN = f"  model: {{huggingFace: {{revision: {NEW}}}}}\n"


@pytest.fixture
def two(project: Project, emulator: Emulator) -> Project:
    """Both applied; then staging serves another commit."""
    lay_out(project)
    assert project.apply("--env", "prod").code == 0
    staged(
        project, STAGING.replace("spec: ", "spec:\n  ").replace("{auto", "auto")[:-2] + "\n" + PIN
    )
    emulator.clear_requests()
    return project


def staged(project: Project, overlay: str) -> None:
    project.write(overlay, "overlays/staging/chat.yaml")
    done = project.apply("--env", "staging")
    assert done.code == 0, done


def promote(project: Project, *arguments: str, code: int = 0) -> Result:
    done = project.run("promote", "Endpoint/chat", "--from", "staging", "--to", "prod", *arguments)
    assert done.code == code, done
    return done


def change_state(project: Project, **fields: Any) -> None:
    path = project.root / ".friendli-iac/staging/state.json"
    document = json.loads(path.read_text())
    document["resources"]["Endpoint/chat"].update(fields)
    path.write_text(json.dumps(document))


def test_one_line_changes(two: Project, emulator: Emulator) -> None:
    dry = promote(two, "--dry-run")
    assert (two.root / "overlays/prod.yaml").read_text() == PROD
    done = promote(two)
    assert dry.out == done.out == f"overlays/prod.yaml:10: {REVISION}: {OLD} → {NEW}\n"
    assert (two.root / "overlays/prod.yaml").read_text() == PROD.replace(OLD, NEW)
    assert f"staging serves acme/chat at {NEW} as v0" in done.err
    assert emulator.requests == []
    for overlays in ("[overlays/prod.yaml]", "['overlays/**/prod.yaml']"):
        two.write(SETTINGS.replace("[overlays/prod.yaml]", overlays), "friendli-iac.yaml")
        two.write(PROD, "overlays/prod.yaml")
        assert promote(two).out == done.out
    again = promote(two)
    assert again.out == ""
    assert "no changes: prod says so already" in again.err
    assert two.apply("--env", "prod").code == 0
    assert len(writes(emulator)) == 1
    assert promote(two, "--format", "json").json["changes"] == []


@pytest.mark.parametrize(
    ("overlays", "file", "line"),
    [
        ("overlays/prod.yaml", "overlays/prod.yaml", 8),
        ("overlays/new", "overlays/new/chat.yaml", 8),
        ("overlays/*.prod.yaml", "overlays/chat.prod.yaml", 8),
        ("eval.yaml", "eval.yaml", 14),
    ],
)
def test_the_file_is_made(two: Project, overlays: str, file: str, line: int) -> None:
    (two.root / "overlays/prod.yaml").unlink()
    two.write(SETTINGS.replace("[overlays/prod.yaml]", f"[{overlays}]"), "friendli-iac.yaml")
    eval_ = STAGING.replace("chat", "eval") + "# at the end"
    two.write(eval_, "eval.yaml")
    done = promote(two)
    assert done.out == f"{file}:{line}: {REVISION}: {OLD} → {NEW}\n"
    text = (two.root / file).read_text()
    assert text.startswith(eval_ if file == "eval.yaml" else "apiVersion: ")
    assert text.endswith(f"spec:\n  model:\n    huggingFace:\n      revision: {NEW}\n")
    shown = two.run("render", "--env", "prod", "--format", "json", "Endpoint/chat").json
    assert shown["documents"][0]["spec"]["model"]["huggingFace"]["revision"] == NEW


def test_the_commit_is_promoted_and_not_the_branch(two: Project) -> None:
    held = json.loads((two.root / ".friendli-iac/staging/state.json").read_text())
    prior = held["resources"]["Endpoint/chat"]["prior"]
    change_state(two, prior={**prior, "asked": {"model.huggingFace.revision": "main"}})
    assert "(asked for as main)" in promote(two).err
    assert f'revision: "{NEW}"   # promoted' in (two.root / "overlays/prod.yaml").read_text()


def test_what_is_not_proved_is_refused(two: Project, emulator: Emulator) -> None:
    held = json.loads((two.root / ".friendli-iac/staging/state.json").read_text())
    prior = held["resources"]["Endpoint/chat"]["prior"]
    branch = json.loads(json.dumps(prior).replace(NEW, "main"))
    tag = json.loads(json.dumps(prior).replace(NEW, "20260101"))
    for fields, words in (
        ({"prior": None, "pending": prior}, "not proved to serve yet"),
        ({"prior": branch}, "the revision 'main': which commit serves is not known"),
        ({"prior": tag}, "the revision '20260101': which commit serves is not known"),
        ({"prior": prior, "unknown": ["model.huggingFace.revision"]}, "was adopted"),
    ):
        change_state(two, **{"pending": None, "unknown": [], **fields})
        assert words in promote(two, code=5).err
    pin = {"bad": {"engine.maxBatchSize": 1}, "good": {}, "stage": "ended", "story": "v0 failed"}
    change_state(two, prior=None, pending=None, unknown=[], pin=pin)
    assert "nothing serves: v0 failed" in promote(two, code=5).err
    assert two.run("destroy", "--yes", "--env", "staging").code == 0
    assert "is not in the state of staging" in promote(two, code=5).err
    assert (two.root / "overlays/prod.yaml").read_text() == PROD


def test_a_newer_version_that_waits_is_told_of(two: Project) -> None:
    held = json.loads((two.root / ".friendli-iac/staging/state.json").read_text())
    prior = held["resources"]["Endpoint/chat"]["prior"]
    change_state(two, pending=json.loads(json.dumps(prior).replace(NEW, "c" * 40)))
    done = promote(two)
    assert NEW in done.out
    assert "another model was sent after it, and is not proved" in done.err


def test_another_repository_is_meant_or_refused(two: Project) -> None:
    staged(two, STAGING.replace("{auto", "{model: {huggingFace: {repo: acme/v2}}, auto"))
    refused = promote(two, code=5)
    assert "of another model in prod: acme/chat (endpoints/chat.yaml:7)" in refused.err
    assert "--with-repo" in refused.err
    assert [line.partition(": ")[2] for line in promote(two, "--with-repo").out.splitlines()] == [
        "spec.model.huggingFace.repo: acme/chat → acme/v2"
    ]
    staged(two, STAGING.replace("{auto", "{model: {uploaded: {id: m-7}}, auto"))
    promote(two, code=5)
    promote(two, "--with-repo")
    text = (two.root / "overlays/prod.yaml").read_text()
    assert "uploaded:\n      id: m-7\n" in text
    assert "huggingFace" not in text


def test_only_an_overlay_of_its_own_is_written(two: Project) -> None:
    two.write(STAGING, "overlays/staging/chat.yaml")  # whatever it says, it served another one
    for overlays, words, code in (
        ("[overlays/staging]", "is an overlay of staging, too", 1),
        ("[]", "the environment prod has no overlays (friendli-iac.yaml:8)", 64),
        ("[overlays/**/*.yaml]", "no new file can be named so", 64),
        ("[../x.yaml]", "leads out of the project", 1),
    ):
        settings = SETTINGS.replace("[overlays/prod.yaml]", overlays)
        two.write(settings, "friendli-iac.yaml")
        if "**" in overlays:
            (two.root / "overlays/staging/chat.yaml").unlink()
            (two.root / "overlays/prod.yaml").unlink()
            two.write(
                settings.replace("    overlays: [overlays/staging]\n", ""), "friendli-iac.yaml"
            )
            two.write(STAGING.replace("chat", "eval"), "overlays/a/b.yaml")
        before = sorted(two.root.rglob("*.yaml"))
        assert words in promote(two, code=code).err
        assert sorted(two.root.rglob("*.yaml")) == before


def test_wrong_words_are_told(two: Project) -> None:
    run = two.run
    for arguments, words in (
        (("Endpoint/chat", "--from", "prod", "--to", "prod"), "both prod"),
        (("Endpoint/chat", "--from", "stagin", "--to", "prod"), "Did you mean staging?"),
        (("Endpoint/chat", "--from", "staging", "--to", "prd"), "Did you mean prod?"),
        (("Endpoint/eval", "--from", "prod", "--to", "staging"), "no manifest of staging declares"),
        (("Endpoint/chat", "--from", "staging", "--to", "prod", "-f", "x"), "-f cannot narrow it"),
    ):
        done = run("promote", *arguments)
        assert done.code == 64, done
        assert words in done.err
    two.write(
        SETTINGS.replace("p-staging\n", "p-staging\n    state: s3://b/p\n"), "friendli-iac.yaml"
    )
    assert "the state of staging" in run(
        "promote", "Endpoint/chat", "--from", "staging", "--to", "prod",
        env={"AWS_EC2_METADATA_DISABLED": "true"},
    ).err  # fmt: skip


def test_without_environments_there_is_nothing_to_promote(project: Project) -> None:
    project.write("state: ${environment}/x.json\n", "friendli-iac.yaml")
    done = project.run("promote", "Endpoint/chat", "--from", "../..", "--to", "prod")
    assert done.code == 64, done
    assert "friendli-iac.yaml has none" in done.err


def test_a_variable_in_the_overlay_is_left_to_people(two: Project) -> None:
    two.write(PROD.replace(f'"{OLD}"', "${var.commit}"), "overlays/prod.yaml")
    done = promote(two, "--var", f"commit={OLD}", code=1)
    assert "is ${var.commit} at overlays/prod.yaml:10" in done.err
    two.write(CHAT.replace(OLD, NEW), "endpoints/chat.yaml")
    two.write(PROD.replace(f'revision: "{OLD}"', "repo: acme/chat"), "overlays/prod.yaml")
    assert "no changes" in promote(two).err
