"""What a rule of a policy says of a plan or of a manifest, as data."""

from __future__ import annotations

from dataclasses import dataclass

from friendli_iac.resources.policy import Level


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold. `address` is the resource (empty: the plan as a whole), `path` the
    field, `source` its place, such as `chat.yaml:7`, and `origin` that of the rule itself.
    `exempt`: why it is let through all the same, and until when; empty when it is not.
    """

    rule: str
    level: Level
    address: str
    path: str
    message: str
    remedy: str = ""
    source: str = ""
    origin: str = ""
    exempt: str = ""

    @property
    def denies(self) -> bool:
        """Whether nothing may be applied because of it."""
        return self.level == "deny" and not self.exempt
