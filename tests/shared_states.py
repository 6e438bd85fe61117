"""Shared states in memory, whose clock is turned by whoever sleeps."""

from __future__ import annotations

from typing import Any

from friendli_iac.backends import SharedBackend
from friendli_iac.backends.lease import Clocks
from friendli_iac.backends.store import Store
from friendli_iac.core.journal import Entry
from friendli_iac.core.replay import replay
from friendli_iac.core.state import Applied, State

from .crash.shared import Cloud


class Turned:
    """A clock. `waits` are the sleeps, in seconds."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds


class Places:
    """One store, and its clock."""

    def __init__(self) -> None:
        self.clock = Turned()
        self.cloud = Cloud(self.clock.now)

    def backend(self, store: Store | None = None, **more: Any) -> SharedBackend:
        """As another machine has it."""
        turned = Clocks(self.clock.now, self.clock.now, self.clock.sleep)
        return SharedBackend(store or self.cloud, **{"clocks": turned, **more})

    def begun(self, *names: str) -> SharedBackend:
        """A state of serial 1, under which these were adopted, and not committed."""
        backend = self.backend()
        with backend.lock("apply", {}, 0):
            backend.commit(State(lineage="L"))
            for name in names:
                backend.append([adopted(name)])
        return backend

    @property
    def numbers(self) -> list[int]:
        """Of all records."""
        return [int(key.removeprefix("log/")) for key in self.cloud.keys("log/")]


def adopted(name: str) -> Entry:
    return Entry(
        "adopt", 1.0, address=f"Endpoint/{name}", id=f"id-{name}", after=Applied({"name": name})
    )


def begin(name: str) -> Entry:
    spec = Applied({"name": name})
    return Entry(
        "begin", 1.0, address=f"Endpoint/{name}", key=name, step="create", after=spec, listed=[]
    )


def resources(backend: SharedBackend) -> list[str]:
    """The names of all that is known."""
    stored = backend.read()
    known = replay(stored.state or State(lineage="L"), stored.entries)
    return sorted(address.removeprefix("Endpoint/") for address in known.state.resources)


def add(backend: SharedBackend, name: str, timeout: float = 0.0) -> State:
    """One small apply."""
    with backend.lock("apply", {}, timeout):
        stored = backend.read()
        backend.append([adopted(name)])
        known = replay(stored.state or State(lineage="L"), [*stored.entries, adopted(name)])
        return backend.commit(known.to_commit())
