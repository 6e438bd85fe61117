"""What a folder of the project says of the LoRA adapter in it. Of the tensors, only the header is
read (the format of safetensors: eight bytes with its length, then JSON).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from friendli_iac.core.preflight import Check, RepoFacts
from friendli_iac.core.preflight_adapters import ADAPTER, TENSORS

LARGEST = 20_000_000  # bytes of a configuration or a header; both are far smaller


def folder_facts(root: Path, folder: str) -> RepoFacts | Check:
    """The facts of `folder`, relative to the project's `root`. Nothing outside of it is read."""
    path = (root / folder).resolve()
    if not path.is_relative_to(root.resolve()):
        return Check("fail", f"{folder} is not in the project", "Put it into the project's folder.")
    try:
        inside = [file for file in path.iterdir() if file.resolve().is_relative_to(path)]
        files = {file.name: file.stat().st_size for file in inside if file.is_file()}
    except OSError as error:
        why = error.strerror or "it cannot be read"
        return Check("fail", f"folder {folder}: {why}", "Correct spec.folder of the Adapter.")
    return RepoFacts(
        folder,
        "",
        readable=True,
        files=files,
        adapter=_json(path / ADAPTER) if ADAPTER in files else None,
        dtypes=_dtypes(path / TENSORS) if TENSORS in files else frozenset(),
    )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(LARGEST))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _dtypes(path: Path) -> frozenset[str]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, LARGEST)))
        tensors = [value for key, value in header.items() if key != "__metadata__"]
        return frozenset(str(tensor["dtype"]) for tensor in tensors)
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return frozenset()
