"""One answer for all threads that ask the same at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Answers by key. Each is good for `seconds` after it came, and until `forget`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Future[T]]] = {}  # with when it ends

    def get(self, key: str, ask: Callable[[], T], *, fresh: bool) -> T:
        """What `ask` says. `fresh`: it is asked from now on, whatever is known."""
        with self._lock:
            ends, future = self._known.get(key, (0.0, Future()))
            mine = fresh or time.monotonic() > ends
            if mine:
                future = Future()
                self._known[key] = (float("inf"), future)
        if not mine:
            return future.result()
        try:
            future.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised to each that waits
            future.set_exception(error)
        with self._lock:
            if self._known.get(key, (0.0, None))[1] is future:
                good = time.monotonic() + self._seconds if future.exception() is None else 0.0
                self._known[key] = (good, future)
        return future.result()

    def forget(self) -> None:
        """What was asked before now is old, also where the answer is still on its way."""
        with self._lock:
            self._known.clear()
