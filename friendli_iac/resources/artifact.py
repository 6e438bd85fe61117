"""The full name of an artifact in Weights & Biases: `ENTITY/PROJECT/COLLECTION:VERSION`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import PydanticCustomError

ARTIFACT = "model.wandb.artifact"  # where an endpoint says it

_NAME = re.compile(r"([^/:\s]+)/([^/:\s]+)/([^/:\s]+):([^/:\s]+)")
_VERSION = re.compile(r"v\d+")


@dataclass(frozen=True)
class ArtifactName:
    """`at` is an alias or a version (`v7`). A registry is a project `wandb-registry-…` of the
    organization's entity.
    """

    entity: str
    project: str
    collection: str
    at: str

    @classmethod
    def parse(cls, text: str) -> ArtifactName:
        """The name that `text` spells; ValueError when it is none."""
        match = _NAME.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r} is no artifact: write ENTITY/PROJECT/COLLECTION:ALIAS, such as "
                "acme/wandb-registry-model/chat:production"
            )
        return cls(*match.groups())

    @property
    def path(self) -> str:
        """The collection: `ENTITY/PROJECT/COLLECTION`."""
        return f"{self.entity}/{self.project}/{self.collection}"

    @property
    def is_version(self) -> bool:
        """Whether it says a version, which never moves, and no alias."""
        return _VERSION.fullmatch(self.at) is not None

    def __str__(self) -> str:
        return f"{self.path}:{self.at}"


@dataclass(frozen=True)
class ArtifactVersion:
    """What W&B tells of one version of a collection. `version` is such as `v7`, `id` never changes,
    `logged_by` is the run or the person, and `metadata` and `metrics` (the run's summary) are as
    they were logged. `path` is the collection: `ENTITY/PROJECT/COLLECTION`.
    """

    path: str
    version: str
    id: str
    digest: str
    aliases: tuple[str, ...] = ()
    created_at: str = ""
    logged_by: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> ArtifactName:
        """Its full name, with the version."""
        return ArtifactName.parse(f"{self.path}:{self.version}")


def check_artifact(text: str) -> str:
    """`text` when it names an artifact; PydanticCustomError otherwise."""
    try:
        ArtifactName.parse(text)
    except ValueError as error:
        raise PydanticCustomError("artifact", "{problem}", {"problem": str(error)}) from error
    return text
