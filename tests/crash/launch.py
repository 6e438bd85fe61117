"""The command line, in a process that a SIGKILL ends at the N-th primitive of the file system.

    python launch.py N COMMAND ...

The N-th write is torn: half of it reaches the file. With N = 0 nothing happens, and the number of
primitives is printed last to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from friendli_iac.backends import local
from friendli_iac.backends.files import Files
from friendli_iac.cli.main import main

LAST = int(sys.argv.pop(1))


class Deadly(Files):
    """Counts, and kills."""

    count = 0

    def _is_the_last(self) -> bool:
        Deadly.count += 1
        return Deadly.count == LAST

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write(self, descriptor: int, data: bytes) -> None:
        if self._is_the_last():
            super().write(descriptor, data[: len(data) // 2])
            self._die()
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        if self._is_the_last():
            self._die()
        super().fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        if self._is_the_last():
            self._die()
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        if self._is_the_last():
            self._die()
        super().remove(path)


local.Files = Deadly  # type: ignore[misc]
try:
    main()
finally:
    if not LAST:
        print(Deadly.count, file=sys.stderr)
