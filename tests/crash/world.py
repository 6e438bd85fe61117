"""A world in which a process can be killed at any instant, thousands of times a minute.

The engine, the executor, the backend and the HTTP client are the real ones. Only the outermost
seams are ours: the file system's primitives, the client's transport, and the clock. The transport
hands each request to the emulator's ASGI application without a socket; the tests of real processes
beside this go over real HTTP.
"""

from __future__ import annotations

import asyncio
import copy
import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from friendli_iac.backends import Backend, LocalBackend
from friendli_iac.backends.files import Files
from friendli_iac.clients.friendli import DEPLOY, ENDPOINTS, FriendliApi
from friendli_iac.clients.http import Http
from friendli_iac.core.plan import Plan
from friendli_iac.emulator import Emulator
from friendli_iac.emulator.app import create_app
from friendli_iac.emulator.control_app import control_app
from friendli_iac.emulator.edge import Edge
from friendli_iac.engine import ApplyOptions, Engine, Report, Selection, exit_code
from friendli_iac.engine.rollback import rollback_target
from friendli_iac.manifest.model import Declared
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import get_path, set_path
from tests.harness import TOKEN, EmulatorClock, Silent

MODELS = {
    "model.huggingFace.repo": "hfModelRepo",
    "model.wandb.artifact": "wandbArtifactVersionName",
}
URL = "http://127.0.0.1:1"  # never connected to
Wishes = Mapping[Address, Declared]


class Killed(BaseException):
    """The process is no more. A BaseException: no handler of errors may catch it."""


class Fuse:
    """Passed at every instant where a kill makes a difference; blows at the `at`-th of them.

    Once it has blown, everything blows: a dead process sends and writes nothing. With `effects`
    only those instants count that a durable effect parts from the one before.
    """

    def __init__(self, at: int | None = None, *, effects: bool = False) -> None:
        self.at = at
        self.effects = effects
        self.passed: list[str] = []
        self.blown = False
        self._mutex = threading.Lock()

    def __call__(self, what: str, *, effect: bool = True) -> None:
        with self._mutex:
            if self.blown:
                raise Killed
            if effect or not self.effects:
                self.passed.append(what)
                if len(self.passed) == self.at:
                    self.blown = True
                    raise Killed(what)


class KilledFiles(Files):
    """The file system of a process with a fuse. Nothing is synced: a kill loses no page cache."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def write(self, descriptor: int, data: bytes) -> None:
        self._fuse("write")
        try:
            self._fuse("torn write")
        except Killed:
            if self._fuse.passed[-1] == "torn write":
                super().write(descriptor, data[: len(data) // 2])
            raise
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._fuse("fsync", effect=False)

    def rename(self, source: Path, target: Path) -> None:
        self._fuse(f"rename to {target.name}")
        super().rename(source, target)

    def resize(self, descriptor: int, size: int) -> None:
        self._fuse("truncate")
        super().resize(descriptor, size)

    def remove(self, path: Path) -> None:
        self._fuse(f"remove {path.name}")
        super().remove(path)


class Wire(httpx.BaseTransport):
    """From the client straight into the emulator's application, past a fuse.

    Nothing but inference waits in the application, so that the rest needs no event loop.
    """

    def __init__(self, app: Any, fuse: Fuse) -> None:
        self._app = app
        self._fuse = fuse

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        effect = request.method != "GET"
        name = f"{request.method} {request.url.path}"
        self._fuse(f"before {name}", effect=effect)
        response = self._ask(request)
        self._fuse(f"after {name}", effect=effect)
        return response

    def _ask(self, request: httpx.Request) -> httpx.Response:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "path": request.url.path,
            "raw_path": request.url.raw_path,
            "query_string": request.url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": "http",
            "server": ("127.0.0.1", 1),
            "client": ("127.0.0.1", 2),
            "root_path": "",
            "state": {"abort": _cut},
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.content, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        if request.url.path.startswith("/dedicated/v1/"):  # only inference is answered by a thread
            asyncio.run(self._app(scope, receive, send))
        else:
            self._run(self._app(scope, receive, send))
        start, *body = sent
        return httpx.Response(
            start["status"],
            headers=start["headers"],
            content=b"".join(part.get("body", b"") for part in body),
        )

    def _run(self, running: Any) -> None:
        try:
            running.send(None)
        except StopIteration:
            return
        raise AssertionError("the emulator waited for something")


def _cut() -> None:
    raise httpx.ReadError("the connection was cut")


def wish(name: str, **paths: Any) -> Declared:
    """A wish for an endpoint. `paths` are spec paths with `__` for dots, and `labels` and `needs`
    (names of endpoints).
    """
    labels, needs = paths.pop("labels", {}), paths.pop("needs", ())
    spec: dict[str, Any] = {
        "project": "p1",
        "model": {"huggingFace": {"repo": "acme/model"}},
        "instance": {"gpu": "H100", "count": 1},
        "autoscaling": {"minReplicas": 1, "maxReplicas": 2, "cooldown": 300},
        "engine": {"maxBatchSize": 64},
    }
    for path, value in paths.items():
        set_path(spec, path.replace("__", "."), value)
    address = Address("Endpoint", name)
    needed = tuple(Address("Endpoint", other) for other in needs)
    return Declared(address, KINDS["Endpoint"].desired(address, spec), labels, needed)


def wishes(*wanted: Declared) -> Wishes:
    """What a manifest with these documents wants."""
    return {one.address: one for one in wanted}


@dataclass(frozen=True)
class Snapshot:
    """A whole world, to come back to."""

    store: dict[str, Any]
    time: float
    effects: list[str]
    files: Any  # what holds the state
    outcomes: list[str]  # how the next roll-outs of any endpoint end


@dataclass
class World:
    """One emulator and one state, which is in files unless a subclass keeps it elsewhere."""

    folder: Path
    emulator: Emulator = field(default_factory=lambda: Emulator(clock="manual", seed=1))
    past: list[str] = field(default_factory=list)  # the effects before the last restore

    def __post_init__(self) -> None:
        emulator = self.emulator
        self._edge = Edge(
            create_app(emulator.service, emulator.wandb.context),
            control_app(emulator),
            emulator.service,
            emulator.faults,
            emulator.log,
        )
        self.clock = EmulatorClock(emulator)

    def reset(self) -> None:
        self.emulator.reset()
        self.past = []
        self.forget_state()

    def snapshot(self) -> Snapshot:
        # What the store keeps has no public form that can be put back with ids and serials.
        kept = {
            name: value
            for name, value in vars(self.emulator.service.store).items()
            if isinstance(value, dict | list | int)
        }
        outcomes = list(self.emulator.service.course.next_rollouts)
        return Snapshot(
            copy.deepcopy(kept), self.emulator.now(), self.effects(), self.keep_state(), outcomes
        )

    def restore(self, snapshot: Snapshot) -> None:
        self.reset()
        vars(self.emulator.service.store).update(copy.deepcopy(snapshot.store))
        self.emulator.set_time(snapshot.time)
        self.emulator.fail_next_rollout("*", *snapshot.outcomes)
        self.past = list(snapshot.effects)
        self.put_back_state(snapshot.files)

    # Where the state is: in files. See `shared` for another place.

    @property
    def state_path(self) -> Path:
        return self.folder / "state.json"

    def backend(self, fuse: Fuse, files: Files | None = None) -> Backend:
        """The state, for one process."""
        return LocalBackend(self.state_path, files=files or KilledFiles(fuse))

    def forget_state(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep_state(self) -> Any:
        return {path.name: path.read_bytes() for path in self.folder.glob("*")}

    def put_back_state(self, kept: Any) -> None:
        self.folder.mkdir(parents=True)
        for name, data in kept.items():
            (self.folder / name).write_bytes(data)

    # What processes do.

    def engine(self, fuse: Fuse | None = None, files: Files | None = None) -> Engine:
        fuse = fuse or Fuse()
        http = Http(
            URL,
            {"Authorization": f"Bearer {TOKEN}"},
            sleep=lambda seconds: self.clock.sleep(seconds, threading.Event()),
            transport=lambda: Wire(self._edge, fuse),
        )
        return Engine(
            backend=self.backend(fuse, files),
            apis={"Endpoint": FriendliApi(http)},
            api=URL,
            team="",
            reporter=Silent(),
            clock=self.clock,
            parallelism=1,
        )

    def apply(
        self,
        wanted: Wishes,
        fuse: Fuse | None = None,
        *,
        selection: Selection | None = None,
        **options: Any,
    ) -> Report:
        """One run of `apply`; Killed when the fuse blows."""
        return self.engine(fuse).apply(
            lambda planner: planner(wanted, selection or Selection()),
            ApplyOptions(parallelism=1, allow_destroy=frozenset({"*"}), **options),
            lambda plan: True,
        )

    def rollback(
        self, name: str, version: int | None, said: Declared | None, fuse: Fuse | None = None
    ) -> Report:
        """One run of `rollback`, with what the manifests say beside it."""
        engine, address = self.engine(fuse), Address("Endpoint", name)

        def make(planner: Callable[..., Plan]) -> Plan:
            state, api = engine.known()[0].state, engine.apis["Endpoint"]
            found = rollback_target(state, api, address, version, said)
            return planner({address: found.snapshot}, found.selection)

        return engine.apply(
            make,
            ApplyOptions(parallelism=1, allow_destroy=frozenset({"*"})),
            lambda plan: True,
            operation="rollback",
        )

    def survives(self, run: Callable[[Fuse], Any], fuse: Fuse) -> bool:
        """Whether `run` ends by itself rather than by the fuse."""
        try:
            run(fuse)
        except Killed:
            return False
        return True

    def plan(self, wanted: Wishes) -> Plan:
        return self.engine().plan(lambda: wanted, Selection())

    def stored(self) -> Any:
        stored = self.backend(Fuse()).read()
        assert not stored.entries, "the last apply left a journal behind"
        assert stored.state is not None
        return stored.state

    def effects(self) -> list[str]:
        """The requests that changed something, in order; `ID` stands for any id."""
        return self.past + [
            request["method"]
            + re.sub(r"^/dep\w{13}", " /ID", request["path"].removeprefix(ENDPOINTS)).replace(
                DEPLOY, " artifact"
            )
            for request in self.emulator.requests
            if request["method"] != "GET"
            and request["path"].startswith((ENDPOINTS, DEPLOY))
            and (request["status"] or 500) < 300
        ]


def some(points: int, stride: int, first: int = 1) -> range:
    """Every `stride`-th crash point; FRIENDLI_IAC_EVERY_CRASH=1 tries all of them."""
    every = bool(os.environ.get("FRIENDLI_IAC_EVERY_CRASH"))
    return range(1 if every else first, points + 1, 1 if every else stride)


def code_of(report: Report) -> int:
    """The exit code of a run."""
    held = any(change.held for change in report.plan.changes)
    return exit_code(report.outcomes, held=held)


def check_converged(world: World, wanted: Wishes) -> None:
    """Exactly one endpoint for each wish, nothing beside, and our records tell the truth."""
    live = {endpoint["id"]: endpoint for endpoint in world.emulator.endpoints()}
    state = world.stored()
    assert sorted(r.id for r in state.resources.values()) == sorted(live), "orphans or ghosts"
    assert sorted(state.resources) == sorted(map(str, wanted))
    assert state.open == []
    for address, one in wanted.items():
        resource = state.resources[str(address)]
        endpoint = live[resource.id]
        settings = endpoint["versions"][endpoint["serving"]]["settings"]
        assert endpoint["status"] in ("RUNNING", "SLEEPING")
        assert endpoint["project"] == resource.project == one.spec["project"]
        assert settings["name"] == resource.name == one.spec["name"]
        batch = one.spec["engine"].get("maxBatchSize", settings["advanced"].get("max_batch_size"))
        assert settings["advanced"].get("max_batch_size") == batch
        for path, key in MODELS.items():
            assert settings.get(key) == get_path(one.spec, path)
        assert resource.pending is None
        assert resource.prior is not None
        assert resource.prior.labels == one.labels
        last = resource.history[-1]
        assert last["outcome"] in ("good", "unverified")
        assert last["version"] == resource.fence.version == len(endpoint["versions"]) - 1
        assert last["spec"]["engine"] == resource.prior.spec["engine"]
        comment = endpoint["versions"][-1]["comment"]  # W&B's route has no field for one
        assert f"key={last['key']}" in comment if comment else one.spec["model"].get("wandb")
    after = world.plan(wanted)
    assert after.pending_changes == (), after.pending_changes
    assert after.notes == ()


def version_counts(world: World) -> Sequence[int]:
    """How many versions each endpoint has: one more than it should be is one PUT too many."""
    return sorted(len(endpoint["versions"]) for endpoint in world.emulator.endpoints())
