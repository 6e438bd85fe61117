"""What a policy may say, as data. How it is judged is in `friendli_iac.core.policy`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["warn", "deny"]
# What the value of a rule may be.
Shape = Literal["amount", "count", "percent", "flag", "texts", "gpus", "labels"]


@dataclass(frozen=True)
class RuleKind:
    """A rule that a policy may have: the `shape` of its value, and what it asks for."""

    shape: Shape
    description: str


RULES: dict[str, RuleKind] = {
    "maxHourlyCost": RuleKind(
        "amount",
        "The most that everything together may cost, in dollars per hour with all replicas.",
    ),
    "maxReplicas": RuleKind("count", "The most replicas that an endpoint may have."),
    "allowedGpus": RuleKind("gpus", "The GPUs that endpoints may use."),
    "requirePinnedRevision": RuleKind(
        "flag",
        "A model from Hugging Face is named with its full commit, and an artifact of W&B with its "
        "version.",
    ),
    "requireLabels": RuleKind("texts", "The labels that every endpoint has."),
    "requireOwner": RuleKind("flag", "Every endpoint says whose it is, in the label `owner`."),
    "requireProbe": RuleKind(
        "flag", "Every endpoint has a probe that proves a new version (`rollout.probe`)."
    ),
    "requireExpiry": RuleKind(
        "labels",
        "Endpoints with these labels say when they end (`lifecycle.expires`); `true`: all of them.",
    ),
    "denyDelete": RuleKind("flag", "Nothing is deleted or replaced."),
    "maxDestroyPercent": RuleKind(
        "percent", "The most of what is in state that one plan may delete or replace, in percent."
    ),
}


@dataclass(frozen=True)
class Exemption:
    """What a rule does not hold for: an address or a pattern such as `Endpoint/big-*`, and why.
    `until` is the last day of it, such as 2026-12-31; `source` is where it was written.
    """

    address: str
    reason: str
    until: str
    source: str


@dataclass(frozen=True)
class Rule:
    """One rule: its name in `RULES`, its value, and where it was written."""

    name: str
    value: Any
    level: Level
    source: str
    exempt: tuple[Exemption, ...] = ()


@dataclass(frozen=True)
class Policy:
    """The rules of one file. Each policy is judged by itself: none loosens another one."""

    rules: tuple[Rule, ...] = ()
