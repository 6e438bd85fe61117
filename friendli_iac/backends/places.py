"""From the address of a state to its backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from friendli_iac.backends.base import Backend
from friendli_iac.backends.errored import NAME
from friendli_iac.backends.lease import Clocks
from friendli_iac.backends.local import LocalBackend
from friendli_iac.backends.shared import LEASE, QUIET, SharedBackend
from friendli_iac.backends.store import Store
from friendli_iac.errors import UsageError

OBJECTS = ("s3", "gs", "az")
POSTGRES = ("postgres", "postgresql")
KNOWN = (
    "file:PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, postgres://HOST/DB"
)


@dataclass(frozen=True)
class Places:
    """Opens backends. `root` is the project's folder: an errored state is left there, one for each
    environment. `environ` has the credentials; `lease` and `quiet` are in seconds.
    """

    root: Path
    environ: Mapping[str, str]
    environment: str = ""
    lease: float = LEASE
    quiet: float = QUIET
    sleep: Callable[[float], None] = time.sleep

    @property
    def errored(self) -> Path:
        """Where a state is left that could not be stored."""
        return self.root / (f"{NAME}.{self.environment}" if self.environment else NAME)

    def open(self, where: str, *, base: Path, trusted: bool, revive: bool = False) -> Backend:
        """The backend at an address; paths are as seen from `base`. `trusted`: a person has said
        it, and not a file that a pull request can change. UsageError for what is no address.
        """
        scheme, colon, rest = where.partition(":")
        if not colon or scheme == "file":
            path = base / (rest.removeprefix("//") if colon else where)
            if (not rest.strip("/") and colon) or path.is_dir() or not path.name:
                raise UsageError(
                    f"the state cannot be kept in {path}: that is a folder",
                    safe="Nothing was sent.",
                    next="Name a file, such as .friendli-iac/state.json.",
                )
            return LocalBackend(path, sleep=self.sleep, revive=revive)
        return SharedBackend(
            self._store(scheme, where, trusted),
            lease=self.lease,
            quiet=self.quiet,
            errored=self.errored,
            revive=revive,
            clocks=Clocks(sleep=self.sleep),
        )

    def _store(self, scheme: str, where: str, trusted: bool) -> Store:
        if scheme in OBJECTS:
            from friendli_iac.backends.objects import open_objects

            return open_objects(where, self.environ)
        if scheme in POSTGRES:
            from friendli_iac.backends.postgres import open_postgres

            return open_postgres(where, self.environ, trusted=trusted)
        raise UsageError(
            f"a state cannot be kept in {scheme}:",
            safe="Nothing was sent.",
            next=f"Use one of {KNOWN}.",
        )
