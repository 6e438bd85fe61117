"""What each rule asks of one resource. Pure; which resources are asked is in `core.policy`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from friendli_iac.core.preflight import REVISION, is_commit
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import ARTIFACT, ArtifactName
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import Spec, get_path, leaves

# The fewest and the most replicas, and a fixed number of them.
SCALING = ("autoscaling.minReplicas", "autoscaling.maxReplicas", "autoscaling.replicas")


@dataclass(frozen=True)
class Subject:
    """One resource as rules see it. `asked` is as in `core.state.Applied`."""

    address: str
    spec: Spec
    labels: Mapping[str, str]
    asked: Mapping[str, str] = field(default_factory=dict)

    def has(self, block: str) -> bool:
        """Whether its kind knows the field or block."""
        known = leaves(KINDS[Address.parse(self.address).kind].model)
        return any(path == block or path.startswith(f"{block}.") for path in known)


@dataclass(frozen=True)
class Breach:
    """How a resource breaks a rule, and by how much: less of it is better."""

    path: str
    message: str
    remedy: str
    amount: float = 1.0


def _max_replicas(limit: int, one: Subject) -> Iterator[Breach]:
    for path in SCALING[1:]:
        most = get_path(one.spec, path)
        if isinstance(most, int) and most > limit:
            name = path.rpartition(".")[2]
            message = f"{name} {most} is above the limit of {limit}"
            yield Breach(path, message, f"make it {limit} at most", most - limit)


def _allowed_gpus(allowed: Sequence[str], one: Subject) -> Iterator[Breach]:
    gpu, option = (get_path(one.spec, f"instance.{key}") for key in ("gpu", "optionId"))
    remedy = f"use one of {', '.join(allowed)}"
    if option is not None:
        yield Breach("instance.optionId", f"which GPU {option} has is not known", remedy)
    elif gpu is not None and gpu not in allowed:
        yield Breach("instance.gpu", f"the GPU {gpu} is not allowed", remedy)


def _pinned(_: bool, one: Subject) -> Iterator[Breach]:
    artifact = one.asked.get(ARTIFACT, get_path(one.spec, ARTIFACT))
    if artifact and not ArtifactName.parse(artifact).is_version:
        yield Breach(
            ARTIFACT, f"{artifact} is an alias, which moves", "name the version, as in :v7"
        )
    if get_path(one.spec, "model.huggingFace.repo") is None:
        return
    revision = one.asked.get(REVISION, get_path(one.spec, REVISION))
    if not is_commit(revision):
        message = f"revision {revision} is no full commit" if revision else "no revision is said"
        yield Breach(REVISION, message, "name the commit, with its 40 digits")


def _labelled(keys: Sequence[str], one: Subject) -> Iterator[Breach]:
    for key in keys:
        if not one.labels.get(key):
            message = f"the label {key} is missing"
            yield Breach(f"labels.{key}", message, f"add {key} to metadata.labels")


def _owned(_: bool, one: Subject) -> Iterator[Breach]:
    return _labelled(("owner",), one)


def _probed(_: bool, one: Subject) -> Iterator[Breach]:
    if one.has("rollout.probe") and get_path(one.spec, "rollout.probe") is None:
        yield Breach("rollout.probe", "no probe proves a new version", "add rollout.probe")


def _expiring(wanted: Mapping[str, str] | bool, one: Subject) -> Iterator[Breach]:
    labels = wanted if isinstance(wanted, Mapping) else {}
    concerned = all(one.labels.get(key) == value for key, value in labels.items())
    if concerned and one.has("lifecycle.expires") and not get_path(one.spec, "lifecycle.expires"):
        why = " ".join(f"{key}={value}" for key, value in labels.items())
        message = f"it never expires{f', with {why}' if why else ''}"
        yield Breach("lifecycle.expires", message, "add lifecycle.expires, such as 72h")


OF_ONE: dict[str, Callable[[Any, Subject], Iterator[Breach]]] = {
    "maxReplicas": _max_replicas,
    "allowedGpus": _allowed_gpus,
    "requirePinnedRevision": _pinned,
    "requireLabels": _labelled,
    "requireOwner": _owned,
    "requireProbe": _probed,
    "requireExpiry": _expiring,
}
