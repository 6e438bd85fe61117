"""The journal: what happened since the state was committed. An entry is written before each effect
and after it; `friendli_iac.core.replay` says what they come to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from friendli_iac.core.canonical import plain
from friendli_iac.core.state import (
    Applied,
    Fence,
    Override,
    Pin,
    Stage,
    Trial,
    trial_from_json,
)
from friendli_iac.errors import StateError
from friendli_iac.resources.base import Seen

RUNS_KEPT = 100  # plans that were begun
OVERRIDES_KEPT = 200
LOST_KEPT = 3600.0  # seconds for which a create without an answer may still take place
NOT_APPLIED = "not applied"  # the outcome where the version from before serves on

EntryType = Literal[
    "begin",  # an effect is about to be sent
    "sent",  # the API answered that it accepted it
    "done",  # the effect took place: for a create, the id is known
    "absent",  # the effect was looked for and did not take place
    "refused",  # the API said no
    "verified",  # what was sent is proved to serve (`outcome`: good or unverified)
    "failed",  # what was sent does not serve (`outcome`: failed or not applied)
    "fence",  # the newest version was looked at, and it is ours
    "routes",  # its routes were asked
    "record",  # only our own knowledge changes
    "adopt",  # an existing resource becomes ours
    "forget",  # a resource is no longer ours, or is gone
    "moved",  # a resource has another address
    "pin",  # values are held off from now on
    "unpin",  # nothing is held off any more
    "run",  # a plan was begun
    "finished",  # a change of a plan needs nothing more
    "complete",  # every change of a plan is finished
]


_TYPES = frozenset(get_args(EntryType))


@dataclass(frozen=True)
class Entry:
    """One line of the journal. Which of the fields are set depends on the type:

    - `begin`: key, step, address, id, project, name, after, trial, fence, time, by, commit, and
      just before it, for a create `listed` (the ids in the project), else `seen` (digest of what
      was readable); the `id` of a create is of what it takes the place of
    - `sent`, `done`, `absent`, `refused`: key, step, and what is known of id and time
    - `verified`, `failed`: address, fence, outcome, detail, by, and for `failed` stage
    - `record`, `adopt`: address, after, for `record` the name where it is another one now, and for
      `adopt` id, project, name, fence, unknown, created
    - `routes`: address, all that is known of its routes, the version that they were seen of, and
      the fence where that version is ours from now on
    - `pin`, `unpin`: address, for `pin` the pin, and for `unpin` the trial of what is
      looked at once more
    - `forget`, `moved`: address (`name` is the new address of a move)
    - `run`, `finished`, `complete`: plan, and key for `finished`; for a `run` that was approved by
      its digest, the document of that plan, and for one that rules denied, the override
    """

    type: EntryType
    time: float
    address: str = ""
    key: str = ""
    step: str = ""
    plan: str = ""
    id: str | None = None
    project: str = ""
    name: str = ""
    after: Applied | None = None
    fence: Fence = Fence()
    seen: str = ""
    listed: list[str] | None = None
    outcome: str = ""
    detail: str = ""
    by: str = ""
    commit: str = ""
    trial: Trial | None = None
    pin: Pin | None = None
    stage: Stage | None = None
    unknown: list[str] | None = None
    created: float = 0.0
    approved: dict[str, Any] | None = None
    override: Override | None = None
    routes: dict[str, Seen] | None = None
    version: int | None = None

    def may_have_made(self, id: str, name: str, project: str) -> bool:
        """Whether this create, of which no answer came, can have made what is called that."""
        same = (self.step, self.name, self.project) == ("create", name, project)
        return same and id not in (self.listed or ())

    def to_json(self) -> dict[str, Any]:
        """What differs from an empty entry, as one JSON object."""
        full = plain(self)
        blank = plain(Entry(type=self.type, time=0))
        return {
            key: value
            for key, value in full.items()
            if key in ("type", "time") or value != blank[key]
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Entry:
        """The entry of one line. StateError when it is none that this version knows."""
        try:
            fields = dict(document)
            if fields.get("after"):
                fields["after"] = Applied(**fields["after"])
            if "fence" in fields:
                fields["fence"] = Fence(**fields["fence"])
            if fields.get("trial"):
                fields["trial"] = trial_from_json(fields["trial"])
            if fields.get("pin"):
                fields["pin"] = Pin.from_json(fields["pin"])
            if fields.get("override"):
                fields["override"] = Override(**fields["override"])
            if fields["type"] not in _TYPES:
                raise TypeError(f"type {fields['type']!r}")
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(
                f"the journal has an entry that this version does not know: {error}",
                safe="Neither the state nor the journal was touched.",
                next="Use the version of friendli-iac that wrote it, or a newer one.",
            ) from error
