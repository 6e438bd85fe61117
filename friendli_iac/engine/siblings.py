"""States beside ours: what they hold is not ours, and no stranger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from friendli_iac.backends.base import Backend
from friendli_iac.core.journal import Entry
from friendli_iac.core.replay import replay
from friendli_iac.core.strangers import our_ids
from friendli_iac.errors import Refused, StateError
from friendli_iac.resources.base import Observed


@dataclass(frozen=True)
class Siblings:
    """The states of other projects, by the name that the settings have for them, with None where
    this version cannot read that place. They are read once, and only when somebody asks.
    """

    backends: Mapping[str, Backend | None] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        """The ids of everything in them."""
        return set(self.owners)

    @property
    def owners(self) -> Mapping[str, str]:
        """The name of the state that has an id, by id."""
        return self._read[0]

    @property
    def notes(self) -> list[str]:
        """A sentence for each that cannot be read: what it holds counts as not ours."""
        return [
            f"the sibling state {name} cannot be read ({why}): what it holds counts as not ours"
            for name, why in self._read[1].items()
        ]

    def anew(self) -> Siblings:
        """The same states, not read yet."""
        return replace(self)

    def check_readable(self) -> None:
        """Refused where one cannot be read: what it holds must not become ours, too."""
        for name, why in self._read[1].items():
            raise Refused(
                f"the sibling state {name} cannot be read ({why}): whether it has what is to be "
                "taken in is not known",
                safe="Nothing was recorded.",
                next="Mend it, or take it out of `siblings` in friendli-iac.yaml.",
            )

    def check_free(self, id: str) -> None:
        """Refused for what belongs to one of them, and where that cannot be known."""
        if id in self.owners:
            raise Refused(
                f"{id}: it belongs to the sibling state {self.owners[id]}",
                safe="Nothing was recorded.",
                next="To take it over: friendli-iac state forget there, then the same here.",
            )
        self.check_readable()

    def check_not_open(self, observed: Observed) -> None:
        """Refused for what an interrupted create of one of them may have made."""
        for name, begun in self._read[2]:
            if begun.may_have_made(observed.id, observed.name, observed.project):
                raise Refused(
                    f"{observed.id}: an interrupted create of {begun.address} in the sibling state "
                    f"{name} may have made it",
                    safe="Nothing was recorded.",
                    next="Run friendli-iac apply there first: it settles that.",
                )

    @cached_property
    def _read(self) -> tuple[dict[str, str], dict[str, str], list[tuple[str, Entry]]]:
        """The owners of ids; why a state cannot be read, by name; open creates, with the name."""
        owners: dict[str, str] = {}
        unread: dict[str, str] = {}
        creates: list[tuple[str, Entry]] = []
        for name, backend in self.backends.items():
            why = "that is no address of a state"
            if backend is not None:
                try:
                    stored = backend.read()
                except StateError as error:
                    why = str(error)
                else:
                    if stored.state is not None:
                        known = replay(stored.state, stored.entries)
                        owners |= dict.fromkeys(our_ids(known.state), name)
                        begun = [one for one in known.open.values() if one.step == "create"]
                        creates += [(name, one) for one in begun]
                        continue
                    why = "there is none"
            unread[name] = why
        return owners, unread, creates
