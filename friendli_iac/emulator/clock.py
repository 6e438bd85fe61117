"""The emulator's clock: everything that takes time in the emulator is measured on it."""

import threading
import time
from datetime import UTC, datetime
from typing import Literal

ClockMode = Literal["wall", "manual"]

MANUAL_START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""Where a manual clock starts: a fixed instant, so that golden output does not change by itself."""


class Clock:
    """Seconds since the Unix epoch: the wall clock and an offset, or a time moved by hand."""

    def __init__(self, mode: ClockMode = "wall", origin: float | None = None) -> None:
        """Start at the present, or at the `origin` of an earlier clock of the same mode."""
        self.mode = mode
        self._lock = threading.Lock()
        self._origin = 0.0
        self.reset()
        if origin is not None:
            self._origin = origin

    def reset(self) -> None:
        """Go back to the wall clock's time, or to where a manual clock starts."""
        with self._lock:
            self._origin = MANUAL_START if self.mode == "manual" else 0.0

    @property
    def origin(self) -> float:
        """All there is to keep: the offset of a wall clock, or the reading of a manual one."""
        return self._origin

    def now(self) -> float:
        """The emulator's time in seconds since the epoch."""
        return self._origin + (time.time() if self.mode == "wall" else 0.0)

    def set(self, reading: float) -> None:
        """Make `reading` the present; a wall clock goes on running from there."""
        with self._lock:
            self._origin = reading - (time.time() if self.mode == "wall" else 0.0)

    def advance(self, seconds: float) -> None:
        """Move the present by `seconds`."""
        with self._lock:
            self._origin += seconds


def timestamp(moment: float) -> str:
    """An RFC 3339 time in UTC with milliseconds, the `date-time` of the OpenAPI."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
