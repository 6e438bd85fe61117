"""The published JSON Schemas: of manifests, of friendli-iac.yaml, and of a plan as JSON.

python -m scripts.schemas --write     # or --check; and another folder than schemas/
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from friendli_iac.manifest.schema import manifest_schema, settings_schema
from friendli_iac.review.plan_schema import plan_schema

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


def write_schemas(folder: Path = SCHEMAS) -> None:
    """Writes the generated files into `folder`."""
    for name, text in _files().items():
        (folder / name).write_text(text, encoding="utf-8")


def stale_schemas(folder: Path = SCHEMAS) -> list[str]:
    """The files in `folder` that are missing or are not what would be written now."""
    return [
        name
        for name, text in _files().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def _files() -> dict[str, str]:
    schemas = {
        "friendli-iac.v1.json": manifest_schema(),
        "friendli-iac.settings.v1.json": settings_schema(),
        "friendli-iac.plan.v1.json": plan_schema(),
    }
    return {name: json.dumps(s, indent=2, ensure_ascii=False) + "\n" for name, s in schemas.items()}


def main(arguments: Sequence[str]) -> int:
    """Writes or checks the files in a folder; the exit code."""
    match list(arguments):
        case ["--write", *folder] if len(folder) <= 1:
            write_schemas(*map(Path, folder))
            return 0
        case ["--check", *folder] if len(folder) <= 1:
            stale = stale_schemas(*map(Path, folder))
            for name in stale:
                sys.stderr.write(f"{name} is stale: run make schemas\n")
            return 1 if stale else 0
    sys.stderr.write("usage: python -m scripts.schemas --write|--check [FOLDER]\n")
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
