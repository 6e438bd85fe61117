"""YAML manifests to checked, canonical resources; see `load_manifest`."""

from typing import Any

from friendli_iac.manifest.load import load_manifest
from friendli_iac.manifest.model import (
    UNSET,
    Declared,
    Environment,
    Layer,
    Manifest,
    Project,
    Source,
    Variable,
)
from friendli_iac.manifest.project import find_project

__all__ = [
    "UNSET",
    "Declared",
    "Environment",
    "Layer",
    "Manifest",
    "Project",
    "Source",
    "Variable",
    "find_project",
    "json_schema",
    "load_manifest",
]


def json_schema() -> dict[str, Any]:
    """The draft-07 JSON Schema of a manifest document, for editors."""
    from friendli_iac.manifest.schema import manifest_schema  # only `schema` needs it

    return manifest_schema()
