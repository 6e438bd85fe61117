"""What the manifest tests share: files on disk, and a load that sees only what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.errors import ManifestError, Problem
from friendli_iac.manifest import Manifest, find_project, load_manifest

ENDPOINT = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata:
  name: chat
  labels: {team: search}
spec:
  project: p1
  model:
    huggingFace: {repo: meta-llama/Llama-3.1-8B-Instruct}
  instance: {gpu: H100, count: 1}
"""

POLICY = """\
apiVersion: friendli-iac/v1
kind: AutoscalingPolicy
metadata: {name: interactive}
spec: {minReplicas: 1, maxReplicas: 4, cooldown: 10m}
"""


def endpoint(name: str = "chat", extra: str = "") -> str:
    """An endpoint's document; `extra` is put at the end of its spec."""
    return ENDPOINT.replace("name: chat", f"name: {name}") + extra


def write(root: Path, **files: str) -> None:
    """Writes `chat="…"` to chat.yaml, and `sub__chat="…"` to sub/chat.yaml."""
    for name, text in files.items():
        path = root / (name.replace("__", "/").replace("friendli_iac", "friendli-iac") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def load(root: Path, files: Sequence[str] = (), **options: Any) -> Manifest:
    options.setdefault("environ", {})
    return load_manifest(find_project(root), files=files, **options)


def problems(root: Path, files: Sequence[str] = (), **options: Any) -> list[Problem]:
    with pytest.raises(ManifestError) as caught:
        load(root, files, **options)
    return list(caught.value.problems)


def only(root: Path, files: Sequence[str] = (), **options: Any) -> Problem:
    """The one problem that there is."""
    found = problems(root, files, **options)
    assert len(found) == 1, found
    return found[0]


def at(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column
