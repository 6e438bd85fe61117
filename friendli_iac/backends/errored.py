"""errored.state.json: a state that could not be stored, left beside the project until it is."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from friendli_iac.backends.files import Files
from friendli_iac.core.state import State
from friendli_iac.errors import Refused, StateError

NAME = "errored.state.json"
PUSH = "state push"  # the operation that resolves it


def document_of(
    state: State, seen: int, doubtful: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """A state as a file of its own. `seen`: how many entries of the journal are in it already;
    `doubtful` are more that may have come into the journal, and are in it as well.
    """
    more = {"doubtful": list(doubtful)} if doubtful else {}
    return {**state.to_json(), "seen": seen, **more}


class Errored:
    """The file, at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self, operation: str) -> None:
        """Refused while the file is there, for all but what resolves it."""
        if operation != PUSH and self.path.exists():
            raise Refused(
                f"{self.path} is there: the last run could not store its state",
                safe="Nothing was sent.",
                next=f"{self._push(self._environment())} stores it. Delete the file only if "
                "somebody has applied elsewhere since: the shared journal knows what was sent.",
            )

    def left(
        self, state: State, seen: int, doubtful: Sequence[Mapping[str, Any]], error: StateError
    ) -> StateError:
        """Writes the file, and says so; `error` is why the state could not be stored. See
        `document_of` for the others.
        """
        document = document_of(state, seen, doubtful)
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        journal = "every effect is in the shared journal"
        try:
            Files().replace(self.path, text.encode())
        except OSError as trouble:
            return StateError(
                f"the state could not be stored: {error}; nor could {self.path} be written "
                f"({trouble.strerror})",
                safe=f"Nothing is lost: {journal} as far as it could be reached.",
                next="When the store can be reached, friendli-iac apply settles what is open.",
            )
        return type(error)(
            f"the state could not be stored: {error}",
            safe=f"It is in {self.path}, and {journal} as far as it could be reached.",
            next=f"When the store can be reached again: {self._push(state.environment)}"
            + (f". {error.next}" if error.next else ""),
        )

    def _push(self, environment: str) -> str:
        words = ["friendli-iac", "state", "push", str(self.path)]
        return shlex.join([*words, *(["--env", environment] if environment else [])])

    def _environment(self) -> str:
        try:
            return str(json.loads(self.path.read_bytes()).get("environment") or "")
        except (OSError, ValueError, AttributeError):
            return ""
