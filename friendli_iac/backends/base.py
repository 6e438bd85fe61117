"""The interface of a state backend, and what every one of them shares."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol
from uuid import uuid4

from friendli_iac import __version__
from friendli_iac.core.journal import Entry
from friendli_iac.core.state import State


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
    """Who holds a lock. `created` is RFC 3339."""

    operation: str
    created: str
    id: str = field(default_factory=lambda: uuid4().hex[:12])
    who: str = ""
    version: str = __version__
    ci_url: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Holder:
        known = {f.name for f in fields(cls)}
        return cls(**{key: str(value) for key, value in document.items() if key in known})

    def __str__(self) -> str:
        by = f" by {self.who}" if self.who else ""
        run = f" ({self.ci_url})" if self.ci_url else ""
        return f"{self.operation}{by}{run} since {self.created}"


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
    """All methods raise StateError when the store fails; `lock` raises Locked."""

    def describe(self) -> str:
        """Where the state is, for people."""
        ...

    def read(self) -> Stored:
        """The state and its journal. Needs no lock, changes nothing."""
        ...

    def lock(
        self, operation: str, environ: Mapping[str, str], timeout: float
    ) -> AbstractContextManager[None]:
        """Holds the lock; waits up to `timeout` seconds for it."""
        ...

    def append(self, entry: Entry) -> None:
        """Makes one entry durable before it returns. Safe from several threads."""
        ...

    def commit(self, state: State) -> State:
        """Makes `state` the truth as the next serial, and ends the journal."""
        ...
