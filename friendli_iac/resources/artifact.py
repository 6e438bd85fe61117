"""The full name of an artifact in Weights & Biases: `ENTITY/PROJECT/COLLECTION:VERSION`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import PydanticCustomError

ARTIFACT = "model.wandb.artifact"  # where an endpoint says it
IDEMPOTENCY_KEY = "model.wandb.idempotencyKey"
DIGEST = "model.wandb.digest"  # of the version that was sent
MOVED_BY = "model.wandb.movedBy"  # the automation that rolls it out beside us
KEY_PREFIX = "friendli-iac"  # of our own idempotency keys: `friendli-iac/LINEAGE/ADDRESS`

_NAME = re.compile(r"([^/:\s]+)/([^/:\s]+)/([^/:\s]+):([^/:\s]+)")
_WORDS = re.compile(r"[\w./@ -]{1,60}")
_SHORT = 12  # characters of a digest
_METRICS = 3  # that one line tells
_JUDGES = ("eval", "test", "val")  # how metrics begin that judge a model
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
    they were logged, but for the names in `left_out`: numbers that are not finite, or too large,
    and what is nested too deep. `path` is the collection: `ENTITY/PROJECT/COLLECTION`.
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
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> ArtifactName:
        """Its full name, with the version."""
        return ArtifactName.parse(f"{self.path}:{self.version}")


def provenance(version: ArtifactVersion) -> str:
    """Where a version comes from, in words: `digest 3f2a…, logged by RUN with eval/accuracy 0.91`.
    Anybody who may log can write names and metrics: what is no short word is left out.
    """
    parts = [f"digest {version.digest[:_SHORT]}…" if len(version.digest) > _SHORT else ""]
    if version.digest and not parts[0]:
        parts = [f"digest {version.digest}"]
    if _WORDS.fullmatch(version.logged_by):
        parts.append(f"logged by {version.logged_by}")
    numbers = {
        key: value
        for key, value in version.metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
        if _WORDS.fullmatch(key) and not key.startswith("_")
    }
    told = sorted(numbers, key=lambda key: (not key.startswith(_JUDGES), key))[:_METRICS]
    metrics = ", ".join(f"{key} {numbers[key]:.4g}" for key in told)
    if metrics:
        parts.append(f"with {metrics}")
    first, *rest = [part for part in parts if part] or ["nothing else is known of it"]
    return ", ".join([first, " ".join(rest)]) if rest else first


def check_artifact(text: str) -> str:
    """`text` when it names an artifact; PydanticCustomError otherwise."""
    try:
        ArtifactName.parse(text)
    except ValueError as error:
        raise PydanticCustomError("artifact", "{problem}", {"problem": str(error)}) from error
    return text
