"""`render`: what comes out is read as the same resources, and says where each value is from."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from friendli_iac.manifest import find_project
from friendli_iac.manifest.render import as_yaml

from .environments import lay_out
from .harness import Project, endpoint
from .manifest_files import load
from .strategies import documents


def test_it_says_where_each_value_is_from(project: Project) -> None:
    lay_out(project)
    shown = project.run("render", "--env", "prod", "Endpoint/chat")
    assert (
        shown.out
        == f"""\
# endpoints/chat.yaml:1
apiVersion: friendli-iac/v1
kind: Endpoint
metadata:
  name: chat
  labels:
    team: search # endpoints/chat.yaml:5
    tier: gold # overlays/prod.yaml:6
spec:
  project: p-prod # friendli-iac.yaml:9
  name: chat # (default)
  model:
    huggingFace:
      repo: acme/chat # endpoints/chat.yaml:7
      revision: {"a" * 40} # overlays/prod.yaml:10
  instance:
    gpu: H100 # friendli-iac.yaml:14
    count: 1 # friendli-iac.yaml:14
  autoscaling:
    minReplicas: 1 # endpoints/chat.yaml:8
    maxReplicas: 8 # endpoints/chat.yaml:8
    cooldown: 5m # endpoints/chat.yaml:8
  engine:
    maxBatchSize: 64 # endpoints/chat.yaml:9
    maxInputLength: 4096 # overlays/prod.yaml:11
    contentLogging: false # (default)
"""
    )
    both = project.run("render", "--env", "prod")
    assert both.out.count("---\n") == 1
    missing = project.run("render", "--env", "staging", "Endpoint/eval")
    assert missing.code == 64
    assert "no manifest declares Endpoint/eval" in missing.err


def read_again(root: Path, text: str) -> dict[str, Any]:
    found = load(root, (str(write(root / "again.yaml", text)),))
    return {str(a): (d.spec, d.labels, d.depends_on) for a, d in found.resources.items()}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@settings(max_examples=40, deadline=None)
@given(documents())
def test_it_is_read_as_the_same(wanted: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root / "a.yaml", "\n---\n".join(map(json.dumps, wanted)))
        manifest = load(root)
        text = "---\n".join(as_yaml(one) for one in manifest.resources.values())
        (root / "a.yaml").unlink()
        assert read_again(root, text) == {
            str(a): (d.spec, d.labels, d.depends_on) for a, d in manifest.resources.items()
        }
        assert find_project(root).file is None


@pytest.mark.parametrize(
    "more",
    [
        "  autoscaling: {}\n",
        "  suite: {quantization: 8-bit, adapters: [a, {b: '#c'}]}\n",
        '  versionComment: "a # b: ${not} \\u2028 \\\\ \\"x\\" ${"\n'.replace("${", "$${"),
        "  rollout: {timeout: 90s, bake: 1h, probe: "
        "{chat: {messages: [{role: user, content: a}]}}}\n",
        '  lifecycle: {expires: "2026-12-24", ignoreChanges: [engine], preventDestroy: true}\n',
    ],
)
def test_odd_values_are_read_as_the_same(tmp_path: Path, more: str) -> None:
    path = write(tmp_path / "a.yaml", endpoint(more=more).replace("  autoscaling: {min", "  #", 1))
    (declared,) = load(tmp_path).resources.values()
    text = as_yaml(declared)
    path.unlink()
    assert read_again(tmp_path, text)["Endpoint/chat"][0] == declared.spec


def test_the_name_of_a_file_stays_in_its_comment(project: Project) -> None:
    project.write(endpoint(), "a\nkind: Evil\u2028b\x1b[2K.yaml")
    shown = project.run("render")
    assert shown.code == 0, shown
    assert [d["kind"] for d in yaml.safe_load_all(shown.out)] == ["Endpoint"]
    assert "\x1b" not in shown.out


def test_sensitive_values_stay_hidden(project: Project) -> None:
    project.write("variables: {word: {sensitive: true}}\n", "friendli-iac.yaml")
    project.write(endpoint(more="  versionComment: the canary-77\n"))
    for format_ in ("yaml", "json"):
        shown = project.run("render", "--format", format_, "--var", "word=canary-77")
        assert shown.code == 0, shown
        assert "the ***" in shown.out
        assert "canary" not in shown.out + shown.err


def test_a_thousand_endpoints_take_seconds(project: Project) -> None:
    lay_out(project)
    for n in range(1000):
        text = "---\n".join(
            f"apiVersion: friendli-iac/v1\nkind: Endpoint\nmetadata: {{name: e{n}}}\nspec: {spec}\n"
            for spec in ["{model: {uploaded: {id: m}}, autoscaling: {policy: calm}}"]
        )
        project.write(text, f"endpoints/e{n}.yaml")
    start = time.process_time()
    shown = project.run("render", "--env", "prod")
    assert shown.code == 0, shown.err
    assert shown.out.count("templates.yaml:4") == 3000
    assert time.process_time() - start < 60
