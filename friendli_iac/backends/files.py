"""The one seam between us and the file system: every durable write goes through `Files`.

Tests put a `Files` with faults in its place: a full disk, a failing device, a torn write.
"""

from __future__ import annotations

import os
from pathlib import Path


class Files:
    """Durable file operations. OSError is left to the caller."""

    # Primitives: what faults are injected into.

    def write(self, descriptor: int, data: bytes) -> None:
        while data:
            data = data[os.write(descriptor, data) :]

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def resize(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def remove(self, path: Path) -> None:
        """Removes a file, if it is there."""
        path.unlink(missing_ok=True)

    # Composed of them.

    def read(self, path: Path) -> bytes | None:
        """What a file holds, or None when there is none."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, path: Path, data: bytes) -> None:
        """Makes `data` what `path` holds, or leaves it as it was: never half of it, also when the
        machine stops in the middle.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self.write(descriptor, data)
            self.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.rename(temporary, path)
        self._sync_directory(path.parent)

    def append(self, path: Path, data: bytes) -> None:
        """Adds `data` to a file, durably; makes the file when there is none."""
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self.write(descriptor, data)
            self.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            self._sync_directory(path.parent)

    def truncate(self, path: Path, size: int) -> None:
        """Cuts a file to `size` bytes."""
        descriptor = os.open(path, os.O_WRONLY)
        try:
            self.resize(descriptor, size)
            self.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            self.fsync(descriptor)
        finally:
            os.close(descriptor)
