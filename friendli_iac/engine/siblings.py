"""States beside ours: what they hold is not ours, and no stranger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from friendli_iac.backends.base import Backend
from friendli_iac.core.replay import replay
from friendli_iac.core.strangers import our_ids
from friendli_iac.errors import StateError


@dataclass(frozen=True)
class Siblings:
    """The states of other projects, by the name that the settings have for them, with None where
    this version cannot read that place. They are read once, and only when somebody asks.
    """

    backends: Mapping[str, Backend | None] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        """The ids of everything in them."""
        return self._read[0]

    @property
    def notes(self) -> list[str]:
        """A sentence for each that cannot be read: what it holds counts as not ours."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[set[str], list[str]]:
        ids: set[str] = set()
        notes = []
        for name, backend in self.backends.items():
            why = "this version keeps states in files"
            if backend is not None:
                try:
                    stored = backend.read()
                except StateError as error:
                    why = str(error)
                else:
                    if stored.state is not None:
                        ids |= our_ids(replay(stored.state, stored.entries).state)
                        continue
                    why = "there is none"
            notes.append(
                f"the sibling state {name} cannot be read ({why}): what it holds counts as not ours"
            )
        return ids, notes
