"""A lock of the operating system on a file, and who holds it: a JSON document in that file."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from friendli_iac.backends.base import Held, Holder
from friendli_iac.errors import Locked

POLL = 0.2  # seconds between two attempts


class FileLock:
    """The lock at `path`. OSError is left to the caller."""

    def __init__(self, path: Path, sleep: Callable[[float], None]) -> None:
        self._path, self._sleep = path, sleep

    @contextmanager
    def taken(self, holder: Holder, timeout: float) -> Iterator[None]:
        """While the block runs, it is ours; waits up to `timeout` seconds for it. Locked."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._acquire(descriptor, time.monotonic() + timeout)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder.to_json()).encode(), 0)
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)  # which releases it, also when the process is killed

    def held(self) -> Held | None:
        """Who has it at the moment."""
        try:
            descriptor = os.open(self._path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return Held(self._holder(), None)
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int, deadline: float) -> None:
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Locked(
                        f"the state is locked: {self._holder()}",
                        safe="Nothing was sent.",
                        next="Wait for it to end. apply and destroy can wait: --lock-timeout 10m.",
                    ) from None
                self._sleep(POLL)

    def _holder(self) -> Holder:
        for _ in range(10):  # who has it may be just about to write who that is
            try:
                return Holder.from_json(json.loads(self._path.read_bytes()))
            except (OSError, ValueError, TypeError, AttributeError):
                self._sleep(0.05)
        return Holder("another process", "a moment ago")
