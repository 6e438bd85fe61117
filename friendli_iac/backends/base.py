"""The interface of a state backend, and what every one of them shares."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol
from uuid import uuid4

from friendli_iac import __version__
from friendli_iac.core.journal import Entry
from friendli_iac.core.state import State
from friendli_iac.errors import StateError


@dataclass(frozen=True)
class Stored:
    """What a backend holds: the state (None before the first commit), what the journal says since,
    and `notices` about what had to be left out, in words for the user.
    """

    state: State | None
    entries: tuple[Entry, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. `created` is RFC 3339; a lease lasts `ttl` seconds, counted from the last
    time that its holder renewed it (0: it lasts as long as the process).
    """

    operation: str
    created: str
    id: str = field(default_factory=lambda: uuid4().hex[:12])
    who: str = ""
    version: str = __version__
    ci_url: str = ""
    ttl: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Holder:
        texts = {f.name for f in fields(cls)} - {"ttl"}
        said = {key: str(value) for key, value in document.items() if key in texts}
        return cls(**{"operation": "?", "created": "?", **said}, ttl=float(document.get("ttl", 0)))

    def __str__(self) -> str:
        by = f" by {self.who}" if self.who else ""
        run = f" ({self.ci_url})" if self.ci_url else ""
        return f"{self.operation}{by}{run} since {self.created}"


@dataclass(frozen=True)
class Held:
    """A lock that is held, and for how many seconds yet if it is not renewed; None: as long as the
    process lives.
    """

    holder: Holder
    left: float | None


@dataclass(frozen=True)
class Kept:
    """A committed state that can be read again. `number` is what the backend knows it by; `time` is
    RFC 3339, and empty where it is not known, as are `operation` and `by`.
    """

    number: int
    serial: int
    time: str = ""
    operation: str = ""
    by: str = ""


def who(environ: Mapping[str, str]) -> str:
    """Who is at work: the CI's actor, or user and host."""
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR"):
        if environ.get(name):
            return environ[name]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def ci_url(environ: Mapping[str, str]) -> str:
    """The address of the CI run, when there is one."""
    if environ.get("GITHUB_RUN_ID") and environ.get("GITHUB_SERVER_URL"):
        repository = environ.get("GITHUB_REPOSITORY", "")
        return (
            f"{environ['GITHUB_SERVER_URL']}/{repository}/actions/runs/{environ['GITHUB_RUN_ID']}"
        )
    return environ.get("CI_JOB_URL") or environ.get("BUILDKITE_BUILD_URL") or ""


class Backend(Protocol):
    """All methods raise StateError when the store fails, and when the state was moved elsewhere;
    `lock` raises Locked.
    """

    def describe(self) -> str:
        """Where the state is, for people."""
        ...

    def read(self) -> Stored:
        """The state and its journal. Needs no lock, changes nothing."""
        ...

    def lock(
        self, operation: str, environ: Mapping[str, str], timeout: float
    ) -> AbstractContextManager[float]:
        """Holds the lock; waits up to `timeout` seconds for it. Gives the seconds for which a
        request of who held it before may still take effect.
        """
        ...

    def append(self, entries: Sequence[Entry]) -> None:
        """Makes entries durable before it returns, all or none. Needs the lock. LockLost when
        somebody else has it by now: then none of what the entries announce may be done.
        """
        ...

    def commit(self, state: State) -> State:
        """Makes `state` the truth as the next serial, and ends the journal. Needs the lock."""
        ...

    def held(self) -> Held | None:
        """Who holds the lock at the moment."""
        ...

    def unlock(self, id: str, by: str) -> None:
        """Breaks the lock of the holder `id`. Refused when another one, or nobody, holds it."""
        ...

    def history(self) -> list[Kept]:
        """The states that can be read again, oldest first; the last one is the current."""
        ...

    def read_kept(self, kept: Kept) -> State:
        """One of `history`."""
        ...

    def mark_moved(self, to: str) -> None:
        """From now on, whoever comes here is told that the state is at `to`. Needs the lock."""
        ...

    def close(self) -> None:
        """Ends connections."""
        ...


def moved(where: str, to: str) -> StateError:
    """What is said to who looks for a state where it was."""
    return StateError(
        f"the state at {where} was moved to {to}",
        safe="Nothing was sent.",
        next=f"Write `state: {to}` in friendli-iac.yaml (or set FRIENDLI_IAC_STATE).",
    )
