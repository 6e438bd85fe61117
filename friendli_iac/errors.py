"""Every error that a user can meet, and the exit code that goes with it.

    FriendliIacError            1   something went wrong; says what is safe and what to do next
    ├── UsageError             64   the command line or the settings make no sense
    ├── ManifestError           1   problems in manifests, all of them, each with its place
    ├── ApiError                1   the API said no, or something that is no answer
    │   ├── AuthError           3   the token is missing, unknown, or may not do this
    │   ├── NotFound            1   404
    │   └── Unreachable         1   no usable answer came: whether it took effect is unknown
    ├── RolloutFailed           4   what was sent does not serve: a person must look
    ├── RolledBack             10   what was sent does not serve; what served before does
    ├── ByHand                 11   all is done but what a person must do by hand
    ├── StateError              1   the state or its journal cannot be read or written
    │   ├── StateDenied         3   not with these credentials
    │   └── LockLost            7   somebody else took the lock over while we worked
    ├── SettleError             4   an interrupted apply left something only a person can decide
    ├── Refused                 5   protection or policy forbids it; nothing was sent
    ├── StalePlan               6   what the plan was made from has moved
    │   └── NotApproved         6   another plan was approved than what would be done now
    ├── Locked                  7   another apply is at work
    ├── Cancelled               8   Ctrl-C or SIGTERM
    └── TimedOut                9   the service did not get there in time

Errors carry data; nothing branches on a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """What to type next when nobody knows `word`: what is most like it, or else `otherwise`."""
    from difflib import get_close_matches  # only who mistypes waits for it

    near = get_close_matches(word, list(known), 1)
    return f"Did you mean {near[0]}?" if near else otherwise


class FriendliIacError(Exception):
    """What happened (`str(error)`), what is safe (`safe`), and what to type next (`next`)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, safe: str = "", next: str = "") -> None:
        super().__init__(message)
        self.safe = safe
        self.next = next


class UsageError(FriendliIacError):
    exit_code = 64


class Problem(NamedTuple):
    """One thing wrong in a file. `line` and `column` count from 1; 0 means that there is none."""

    file: str
    line: int
    column: int
    message: str
    remedy: str = ""
    snippet: str = ""
    rule: str = "invalid"

    @property
    def place(self) -> str:
        """`file:line:column`, as editors and CI understand it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class ManifestError(FriendliIacError):
    """The problems of one run, in the order of the files, and how many `more` there are: nobody
    reads thousands.
    """

    def __init__(self, problems: Sequence[Problem], more: int = 0) -> None:
        self.problems = tuple(sorted(set(problems)))
        self.more = more
        count = len(self.problems) + more
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in the manifests",
            safe="Nothing was sent and nothing was changed.",
        )


UNKNOWN_REQUEST = "unknown request"  # this server has no such operation, or field


class ApiError(FriendliIacError):
    """An answer that is no success: `status` is the HTTP status, or 0 when none came. `reason` is
    what a program can do something about: UNKNOWN_REQUEST, or empty.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        method: str = "",
        path: str = "",
        reason: str = "",
        safe: str = "",
        next: str = "",
    ) -> None:
        super().__init__(message, safe=safe, next=next)
        self.status = status
        self.method = method
        self.path = path
        self.reason = reason


class AuthError(ApiError):
    exit_code = 3


class NoAddress(ApiError):
    """What the settings say of a service is no address: nobody can be asked, and nobody was."""

    exit_code = 64


class NotFound(ApiError):
    pass


class Unreachable(ApiError):
    """No usable answer: refused, dropped, timed out, 429, 5xx, or a body that is not JSON.

    For anything but a read, the request may have taken effect.
    `retry_after` is in seconds, as the server asked, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        method: str = "",
        path: str = "",
        retry_after: float | None = None,
        next: str = "Try again; `friendli-iac doctor` shows what can be reached.",
    ) -> None:
        super().__init__(message, status=status, method=method, path=path, next=next)
        self.retry_after = retry_after


class RolloutFailed(FriendliIacError):
    """What was sent does not serve, and will not by waiting."""

    exit_code = 4


class RolledBack(FriendliIacError):
    """What was sent does not serve, and the settings from before do again, or still."""

    exit_code = 10


class ByHand(FriendliIacError):
    """Everything was done but what no API can do, and a person has not done yet: `steps`, each a
    `friendli_iac.resources.advice.Manual`.
    """

    exit_code = 11

    def __init__(
        self, message: str, *, steps: Sequence[object], safe: str = "", next: str = ""
    ) -> None:
        super().__init__(message, safe=safe, next=next)
        self.steps = tuple(steps)


class StateError(FriendliIacError):
    pass


class StateDenied(StateError):
    exit_code = 3


class LockLost(StateError):
    exit_code = 7


class SettleError(FriendliIacError):
    """An interrupted apply left `address` in doubt; `candidates` are the ids in question."""

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        address: str,
        candidates: Sequence[str] = (),
        safe: str = "",
        next: str = "",
    ) -> None:
        super().__init__(message, safe=safe, next=next)
        self.address = address
        self.candidates = tuple(candidates)


class Refused(FriendliIacError):
    exit_code = 5


class StalePlan(FriendliIacError):
    """`moved` names each thing that is no longer as the plan found it."""

    exit_code = 6

    def __init__(self, moved: Sequence[str]) -> None:
        self.moved = tuple(moved)
        super().__init__(
            "the plan is stale: " + "; ".join(self.moved),
            safe="Nothing was sent for what has moved.",
            next="Make a new plan, review it, and apply that.",
        )


class NotApproved(StalePlan):
    """`approved` and `planned` are the digests; `moved` is what is known to have changed."""

    def __init__(self, approved: str, planned: str, moved: Sequence[str]) -> None:
        super().__init__(moved)
        self.approved, self.planned = approved, planned
        why = f": {'; '.join(moved)}" if moved else ""
        self.args = (f"approved was {approved}, and the plan is {planned} now{why}",)
        self.safe = "Nothing was sent."
        self.next = "Have the new plan reviewed, and apply what was approved then."


class Locked(FriendliIacError):
    exit_code = 7


class Cancelled(FriendliIacError):
    exit_code = 8


class TimedOut(FriendliIacError):
    exit_code = 9
