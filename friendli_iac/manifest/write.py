"""Files of the project that we write: whole or not at all, and never over somebody else's work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from friendli_iac.errors import FriendliIacError, UsageError

NOTHING = "Nothing was written."


def replace_text(path: Path, before: str, after: str) -> None:
    """Makes `after` what `path` holds, if that is still `before`; mode and links stay.

    FriendliIacError when it holds something else by now, or cannot be written.
    """
    target = path.resolve()  # a link stays a link
    with _told(path):
        if not os.access(target, os.W_OK):
            raise PermissionError(0, "the file is read-only")
        mode = target.stat().st_mode & 0o7777
        temporary = _temporary(target, after, mode)
        try:
            if target.read_bytes() != before.encode():
                raise FriendliIacError(
                    f"{path} was changed while it was being edited",
                    safe=NOTHING,
                    next="Run the same command again.",
                )
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(target.parent)


def create_text(path: Path, text: str) -> None:
    """Makes a new file, and the folders it is in. UsageError when there is one."""
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = os.umask(0)
        os.umask(mask)
        temporary = _temporary(path, text, 0o666 & ~mask)
        try:
            _link(temporary, path)
        except FileExistsError:
            raise exists(path) from None
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)


def _link(temporary: Path, path: Path) -> None:
    """Gives a file its name. Unlike a rename, this never takes the place of another one."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the name is taken first
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        temporary.replace(path)


def exists(path: Path) -> UsageError:
    """What is said when a file would have to be overwritten."""
    return UsageError(
        f"{path} exists, and is not overwritten",
        safe=NOTHING,
        next="Move it away, or choose another place.",
    )


def _temporary(beside: Path, text: str, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{beside.name}.", dir=beside.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _sync(folder: Path) -> None:
    with suppress(OSError):  # what is written is there; some file systems cannot do this
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise FriendliIacError(f"{path} cannot be written: {reason}", safe=NOTHING) from error
