"""The world of `world`, with a state that machines share: a store in memory on the virtual clock.

Whatever runs has a backend of its own, as another machine would. Nothing is shared but the store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from obstore.store import MemoryStore

from friendli_iac.backends import SharedBackend
from friendli_iac.backends.files import Files
from friendli_iac.backends.lease import Clocks
from friendli_iac.backends.objects import ObjectStore
from friendli_iac.backends.objects.address import Bucket
from friendli_iac.backends.store import Found, Store
from friendli_iac.engine import ApplyOptions, Report, Selection

from .world import Wishes, World

T = TypeVar("T")

LONG = 600.0  # seconds for which who finds the lock taken waits: longer than any lease

Boundary = Callable[..., None]  # of what is about to be done, or was; see `Fuse`


class Cloud:
    """A store with real conditional writes, whose clock can be turned."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._times: dict[str, float] = {}
        self._store = ObjectStore(MemoryStore(), Bucket("s3", "memory", "state"))

    def describe(self) -> str:
        return self._store.describe()

    def get(self, key: str) -> Found | None:
        found = self._store.get(key)
        return Found(found.data, self._times.get(key, 0.0)) if found else None

    def keys(self, prefix: str) -> list[str]:
        return self._store.keys(prefix)

    def create(self, key: str, data: bytes) -> bool:
        if made := self._store.create(key, data):
            self._times[key] = self._now()
        return made

    def put(self, key: str, data: bytes) -> None:
        self._store.put(key, data)
        self._times[key] = self._now()

    def delete(self, keys: Sequence[str]) -> None:
        self._store.delete(keys)

    def close(self) -> None:
        pass

    def everything(self) -> dict[str, Found]:
        """All documents."""
        found = {key: self.get(key) for prefix in ("log/", "lock/") for key in self.keys(prefix)}
        return {key: one for key, one in found.items() if one}

    def put_back(self, kept: dict[str, Found]) -> None:
        self._store = ObjectStore(MemoryStore(), Bucket("s3", "memory", "state"))
        self._times = {key: found.modified for key, found in kept.items()}
        for key, found in kept.items():
            self._store.put(key, found.data)


class Machine:
    """A store as one machine reaches it: past its `boundary`, before and after each operation."""

    def __init__(self, store: Store, boundary: Boundary) -> None:
        self._store, self._boundary = store, boundary

    def describe(self) -> str:
        return self._store.describe()

    def get(self, key: str) -> Found | None:
        return self._pass(f"get {key}", lambda: self._store.get(key), effect=False)

    def keys(self, prefix: str) -> list[str]:
        return self._pass(f"list {prefix}", lambda: self._store.keys(prefix), effect=False)

    def create(self, key: str, data: bytes) -> bool:
        return self._pass(f"create {key}", lambda: self._store.create(key, data))

    def put(self, key: str, data: bytes) -> None:
        self._pass(f"put {key}", lambda: self._store.put(key, data))

    def delete(self, keys: Sequence[str]) -> None:
        self._pass(f"delete {', '.join(keys)}", lambda: self._store.delete(keys))

    def close(self) -> None:
        self._store.close()

    def _pass(self, what: str, work: Callable[[], T], *, effect: bool = True) -> T:
        self._boundary(f"before {what}", effect=effect)
        done = work()
        self._boundary(f"after {what}", effect=effect)
        return done


@dataclass
class SharedWorld(World):
    """One emulator, one store, and as many machines as there are calls of `engine`."""

    folder: Path = Path("none")
    lease: float = 2.0  # seconds: who waits for it looks each second
    waited: list[float] = field(default_factory=list)  # seconds slept for the lock

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cloud = Cloud(self.clock.now)

    def backend(self, fuse: Any, files: Files | None = None) -> SharedBackend:
        """`fuse` may be any boundary."""
        return self.machine(Machine(self.cloud, fuse))

    def machine(self, store: Store, **more: Any) -> SharedBackend:
        """A backend that reaches the cloud through `store`."""

        def sleep(seconds: float) -> None:
            self.waited.append(seconds)
            self.clock.sleep(seconds, threading.Event())

        clocks = Clocks(self.clock.now, self.clock.now, sleep)
        return SharedBackend(store, lease=self.lease, clocks=clocks, **more)

    def forget_state(self) -> None:
        self.cloud = Cloud(self.clock.now)
        self.waited.clear()

    def keep_state(self) -> Any:
        return self.cloud.everything()

    def put_back_state(self, kept: Any) -> None:
        self.cloud.put_back(kept)

    def apply(
        self,
        wanted: Wishes,
        fuse: Any = None,
        *,
        selection: Selection | None = None,
        **options: Any,
    ) -> Report:
        """By another machine, which waits until the lock of a dead one has run out."""
        return self.engine(fuse).apply(
            lambda planner: planner(wanted, selection or Selection()),
            ApplyOptions(
                parallelism=1, allow_destroy=frozenset({"*"}), **{"lock_timeout": LONG, **options}
            ),
            lambda plan: True,
        )
