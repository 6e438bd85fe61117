"""What a folder of the project says of the LoRA adapter in it. Of the tensors, only the header is
read (the format of safetensors: eight bytes with its length, then JSON).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from friendli_iac.core.preflight import Check, RepoFacts
from friendli_iac.core.preflight_adapters import ADAPTER, TENSORS

LARGEST = 20_000_000  # bytes of a configuration, which is far smaller
LONGEST_HEADER = 100_000_000  # bytes, as the library safetensors has it (`MAX_HEADER_SIZE`)


def folder_facts(root: Path, folder: str) -> RepoFacts | Check:
    """The facts of `folder`, relative to the project's `root`. Nothing outside of it is read."""
    try:
        path = (root / folder).resolve()
        if not path.is_relative_to(root.resolve()):
            remedy = "Put it into the project's folder."
            return Check("fail", f"{folder} is not in the project", remedy)
        inside = [file for file in path.iterdir() if _is_inside(file, path)]
        files = {file.name: file.stat().st_size for file in inside if file.is_file()}
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL in it
        why = (error.strerror if isinstance(error, OSError) else "") or "it cannot be read"
        return Check("fail", f"folder {folder!r}: {why}", "Correct spec.folder of the Adapter.")
    return RepoFacts(
        folder,
        "",
        readable=True,
        files=files,
        adapter=_json(path / ADAPTER) if ADAPTER in files else None,
        dtypes=_dtypes(path / TENSORS) if TENSORS in files else frozenset(),
    )


def _is_inside(file: Path, folder: Path) -> bool:
    try:
        return file.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # a loop of links
        return False


def _json(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _dtypes(path: Path) -> frozenset[str]:
    """The number formats of its tensors; none where this is no file of safetensors."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(min(length, LONGEST_HEADER))
        if len(text) < length:
            return frozenset()
        tensors = [value for key, value in json.loads(text).items() if key != "__metadata__"]
        return frozenset(str(tensor["dtype"]) for tensor in tensors)
    except (OSError, ValueError, RecursionError, AttributeError, TypeError, KeyError):
        return frozenset()
