"""What came of one change of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from friendli_iac.errors import FriendliIacError

Result = Literal[
    "applied", "sent", "by hand", "failed", "rolled back", "timed out", "cancelled", "skipped"
]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What came of one change. `sent`: without waiting. `by hand`: all is done but what a person
    must do. `touched`: some request was accepted.
    """

    address: str
    action: str
    result: Result
    text: str
    error: FriendliIacError | None = None
    touched: bool = False
    id: str | None = None
