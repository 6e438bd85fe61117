"""`set`: one value changes where it stands, and nothing else does."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator
from friendli_iac.errors import FriendliIacError
from friendli_iac.manifest.write import replace_text

from .harness import Project, Result

REVISION = "spec.model.huggingFace.revision"
CHAT = """\
# The chat model.
apiVersion: friendli-iac/v1
kind: Endpoint
metadata:
  name: chat      # what clients see
  labels: {team: search}
spec:
  model:
    huggingFace:
      repo: acme/model
      revision: "abc"   # pinned
  project:   p1
  instance: {gpu: H100, count: 1}

  # Replicas.
  autoscaling: {minReplicas: 1,  maxReplicas: 2, cooldown: 5m}
"""


@pytest.fixture
def chat(project: Project) -> Path:
    return project.write(CHAT, "chat.yaml")


def edited(project: Project, *settings: str) -> Result:
    done = project.run("set", "Endpoint/chat", *settings)
    assert done.code == 0, done
    return done


def refused(project: Project, *settings: str, code: int = 1) -> str:
    before = {path: path.read_bytes() for path in project.root.rglob("*.yaml")}
    done = project.run("set", "Endpoint/chat", *settings)
    assert done.code == code, done
    assert {path: path.read_bytes() for path in project.root.rglob("*.yaml")} == before
    return done.err


def test_one_line_changes_and_keeps_its_quotes(project: Project, chat: Path) -> None:
    done = edited(project, f"{REVISION}=def")
    assert chat.read_text() == CHAT.replace('"abc"', '"def"')
    assert done.out == f"chat.yaml:11: {REVISION}: abc → def\n"


@pytest.mark.parametrize(
    "value", ["0123456", "1e5", "null", "yes", "a: b", "a #b", "1234567", "~", "2026-01-01", "- a"]
)
def test_text_that_yaml_would_misread_is_quoted(project: Project, value: str) -> None:
    chat = project.write(CHAT.replace('"abc"', "abc"), "chat.yaml")
    edited(project, f"{REVISION}={value}")
    assert f'      revision: "{value}"   # pinned\n' in chat.read_text()
    assert project.run("validate").code == 0


def test_several_at_once_with_new_fields_in_their_blocks(project: Project, chat: Path) -> None:
    edited(
        project,
        "spec.autoscaling.maxReplicas=4",
        "spec.engine.maxBatchSize=64",
        "spec.lifecycle.preventDestroy=true",
        "metadata.labels.cost-center=a.b",
    )
    assert chat.read_text() == (
        CHAT.replace("maxReplicas: 2", "maxReplicas: 4").replace(
            "{team: search}", "{team: search, cost-center: a.b}"
        )
        + "  engine:\n    maxBatchSize: 64\n  lifecycle:\n    preventDestroy: true\n"
    )


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("spec.suite=none", "  suite: none"),
        ("spec.desired=sleeping", "  desired: sleeping"),
        ("spec.rollout.bake=90s", "    bake: 90s"),
        ("spec.engine.queue.backpressure.threshold=0.5", "        threshold: 0.5"),
        ("spec.lifecycle.expires=2026-12-24", '    expires: "2026-12-24"'),
        ("spec.name=Chat (prod)", "  name: Chat (prod)"),
    ],
)
def test_a_field_of_every_type_can_be_set(
    project: Project, chat: Path, setting: str, line: str
) -> None:
    more = "spec.engine.queue.backpressure.metric=TTFT_MS"
    edited(project, *([more] if "threshold" in setting else []), setting)
    assert f"\n{line}\n" in chat.read_text()


def test_a_new_field_stands_below_its_siblings(project: Project) -> None:
    without = CHAT.replace('      revision: "abc"   # pinned\n', "")
    chat = project.write(without, "chat.yaml")
    done = edited(project, f"{REVISION}=def")
    assert chat.read_text() == CHAT.replace('"abc"   # pinned', "def")
    assert done.out == f"chat.yaml:11: {REVISION}: (not there) → def\n"


def test_all_or_nothing(project: Project, chat: Path) -> None:
    said = refused(project, f"{REVISION}=def", "spec.autoscaling.minReplicas=9")
    assert "maxReplicas 2 is below minReplicas 9" in said


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("spec.model.huggingFace.revison=x", "did you mean spec.model.huggingFace.revision?"),
        ("spec.autoscaling.maxReplicas=many", "valid integer"),
        (f"{REVISION}=", f"--unset {REVISION}"),
        ("spec.model", "looks like"),
        ("spec.autoscaling=3", "is a block of keys"),
        ("metadata.name=other", "state mv"),
        ("spec.autoscaling.cooldown=300", "needs a unit"),
    ],
)
def test_what_makes_no_sense_is_told(
    project: Project, chat: Path, setting: str, words: str
) -> None:
    assert words in refused(project, setting, code=64)


def test_unset_removes_the_line_and_blocks_left_empty(project: Project) -> None:
    text = CHAT + "  engine:\n    maxBatchSize: 64 # small\n  # The end.\n"
    chat = project.write(text, "chat.yaml")
    edited(
        project,
        "--unset", "spec.engine.maxBatchSize", "--unset", "metadata.labels.team",
        "--unset", REVISION, "--unset", "spec.autoscaling.cooldown",
    )  # fmt: skip
    assert (
        chat.read_text()
        == CHAT.replace("  labels: {team: search}\n", "")
        .replace('      revision: "abc"   # pinned\n', "")
        .replace(", cooldown: 5m", "")
        + "  # The end.\n"
    )


def test_unset_of_what_is_not_there_is_refused(project: Project, chat: Path) -> None:
    assert "not written here" in refused(project, "--unset", "spec.engine.maxBatchSize")


def test_one_alternative_takes_the_place_of_another(project: Project, chat: Path) -> None:
    edited(
        project,
        "spec.instance.optionId=new-kind",
        "--unset", "spec.instance.gpu", "--unset", "spec.instance.count",
    )  # fmt: skip
    assert "  instance: {optionId: new-kind}\n" in chat.read_text()


def test_nothing_is_written_in_a_dry_run_nor_when_nothing_changes(
    project: Project, chat: Path
) -> None:
    done = project.run("set", "Endpoint/chat", f"{REVISION}=def", "--dry-run", "--format", "json")
    assert done.json["changes"] == [{"path": REVISION, "line": 11, "old": "abc", "new": "def"}]
    assert done.json["written"] is False
    same = project.run("set", "Endpoint/chat", f"{REVISION}=abc")
    assert "no changes" in same.err
    assert chat.read_text() == CHAT


def test_the_right_document_of_a_file_with_line_breaks_of_windows(project: Project) -> None:
    other = CHAT.replace("name: chat ", "name: other ")
    text = f"{other}---\n{CHAT}...\n---\n{CHAT.replace('name: chat ', 'name: third ')}"
    chat = project.write("", "chat.yaml")
    chat.write_bytes(text.replace("\n", "\r\n").encode())
    chat.chmod(0o640)
    edited(project, f"{REVISION}=def", "spec.engine.maxBatchSize=64")
    mine = CHAT.replace('"abc"', '"def"') + "  engine:\n    maxBatchSize: 64\n"
    expected = text.replace(f"---\n{CHAT}...", f"---\n{mine}...").replace("\n", "\r\n")
    assert chat.read_bytes() == expected.encode()
    assert stat.S_IMODE(chat.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("old", "new", "setting", "words"),
    [
        ('"abc"', "&rev abc", f"{REVISION}=x", "chat.yaml:11: .* has an anchor"),
        ('"abc"', ">-\n        abc", f"{REVISION}=x", "chat.yaml:11: .* a block of text"),
        ('"abc"', "'a\n        b'", f"{REVISION}=x", "more than one line"),
        ("5m}", "5m}\n  engine: &e {maxBatchSize: 4}", "spec.engine.maxBatchSize=5", "an anchor"),
        (
            "{team: search}",
            "{team: &t search, who: *t}",
            "metadata.labels.who=me",
            "who is an alias",
        ),
        (
            "{team: search}",
            "\n    team: &t search\n    who:\n      *t",
            "metadata.labels.x=y",
            "leaves no room",
        ),
        (
            "5m}",
            "5m}\n  lifecycle: {ignoreChanges: [engine]}",
            "spec.lifecycle.ignoreChanges=name",
            "valid list",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(
    project: Project, old: str, new: str, setting: str, words: str
) -> None:
    project.write(CHAT.replace(old, new), "chat.yaml")
    code = 64 if "list" in words else 1
    assert re.search(words, refused(project, setting, code=code))


def test_a_value_of_defaults_is_edited_there(project: Project) -> None:
    chat = project.write(CHAT.replace("  project:   p1\n", ""), "chat.yaml")
    project.write("defaults:\n  Endpoint:\n    project: p1\n", "friendli-iac.yaml")
    said = refused(project, "spec.project=p2")
    assert "friendli-iac.yaml:3 (defaults.Endpoint.project)" in said
    edited(project, "spec.project=p2", "--here")
    assert chat.read_text().endswith("cooldown: 5m}\n  project: p2\n")


def test_a_value_of_a_policy_is_edited_there(project: Project) -> None:
    policy = "apiVersion: friendli-iac/v1\nkind: AutoscalingPolicy\nmetadata: {name: calm}\n"
    text = CHAT.replace("{minReplicas: 1,  maxReplicas: 2, cooldown: 5m}", "{policy: calm}")
    project.write(text, "chat.yaml")
    calm = project.write(policy + "spec: {minReplicas: 1, maxReplicas: 2}\n", "calm.yaml")
    said = refused(project, "spec.autoscaling.maxReplicas=3")
    assert "said at calm.yaml:4 (spec.maxReplicas), not in chat.yaml" in said
    assert project.run("set", "AutoscalingPolicy/calm", "spec.maxReplicas=3").code == 0
    assert calm.read_text() == policy + "spec: {minReplicas: 1, maxReplicas: 3}\n"


def test_a_variable_is_not_overwritten(project: Project) -> None:
    project.write(CHAT.replace('"abc"', '"${var.rev}"'), "chat.yaml")
    project.write("variables:\n  rev: abc\n", "friendli-iac.yaml")
    said = refused(project, f"{REVISION}=def")
    assert "the variable ${var.rev} (chat.yaml:11)" in said
    assert "friendli-iac.yaml:2" in said


def test_what_looks_like_a_variable_is_only_text(project: Project, chat: Path) -> None:
    edited(project, f"{REVISION}=${{env:HOME}}")
    assert 'revision: "$${env:HOME}"' in chat.read_text()


def test_a_link_stays_a_link(project: Project) -> None:
    there = project.write(CHAT, "real/chat.yml")
    link = project.root / "chat.yaml"
    link.symlink_to(there)
    (project.root / "friendli-iac.yaml").write_text("manifests: [chat.yaml]\n")
    edited(project, f"{REVISION}=def")
    assert link.is_symlink()
    assert '"def"' in there.read_text()


def test_what_was_changed_meanwhile_is_not_overwritten(chat: Path) -> None:
    with pytest.raises(FriendliIacError, match="was changed while"):
        replace_text(chat, "what was read", "what is to be written")
    assert chat.read_text() == CHAT
    assert [path.name for path in chat.parent.iterdir() if path.is_file()] == ["chat.yaml"]


def test_an_unknown_address_is_told(project: Project, chat: Path) -> None:
    done = project.run("set", "Endpoint/chta", "spec.project=p2")
    assert done.code == 64
    assert "did you mean Endpoint/chat?" in done.err


def test_nothing_is_sent(project: Project, emulator: Emulator, chat: Path) -> None:
    emulator.clear_requests()
    edited(project, f"{REVISION}=def")
    assert emulator.requests == []


def test_what_only_breaks_where_it_stands_is_quoted(project: Project) -> None:
    """A dash is text before a comma, and an item of a list before a space."""
    text = CHAT.replace(
        'repo: acme/model\n      revision: "abc"', "{repo: acme/model, revision: abc }"
    )
    text = text.replace("huggingFace:\n      {", "huggingFace: {")
    chat = project.write(text, "chat.yaml")
    edited(project, f"{REVISION}=-")
    assert '{repo: acme/model, revision: "-" }' in chat.read_text()
