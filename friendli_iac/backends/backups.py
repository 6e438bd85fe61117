"""The states before, as files beside a local one: state.json.backup.SERIAL."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from friendli_iac.backends.base import Kept
from friendli_iac.backends.files import Files

KEPT = 10


class Backups:
    """Those of the state at `path`. OSError is left to the caller."""

    def __init__(self, path: Path, files: Files) -> None:
        self._path, self._files = path, files

    def keep(self, serial: int, data: bytes) -> None:
        """Makes a backup of what was committed as `serial`."""
        self._files.replace(self._of(serial), data)

    def read(self, serial: int) -> bytes | None:
        """What was committed as `serial`; None when that is not kept."""
        return self._files.read(self._of(serial))

    def drop_old(self) -> None:
        """Removes all but the newest."""
        for serial in self._serials()[:-KEPT]:
            self._files.remove(self._of(serial))

    def all(self) -> list[Kept]:
        """All that there are, oldest first."""
        return [kept_in(self._of(serial), serial) for serial in self._serials()]

    def _of(self, serial: int) -> Path:
        return self._path.with_name(f"{self._path.name}.backup.{serial}")

    def _serials(self) -> list[int]:
        pattern = re.compile(re.escape(self._path.name) + r"\.backup\.(\d+)")
        folder = self._path.parent
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return sorted(int(found[1]) for name in names if (found := pattern.fullmatch(name)))


def kept_in(path: Path, serial: int) -> Kept:
    """The state in a file; its time is when the file was written."""
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Kept(serial, serial, written.isoformat(timespec="seconds"))
