"""What a client puts on the wire for one call: to compare our client with the official SDK."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from friendli_iac.emulator import Emulator


@dataclass(frozen=True)
class Wire:
    """One request as the emulator received it. The token is left out, also of `headers`."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


def capture(emulator: Emulator, call: Callable[[], object]) -> Wire:
    """The one request that `call` sends to `emulator`; what comes back to it does not matter."""
    seen = len(emulator.requests)
    with suppress(Exception):  # Each client has errors of its own.
        call()
    (entry,) = emulator.requests[seen:]
    return Wire(entry["method"], entry["path"], entry["query"], entry["body"], entry["headers"])
