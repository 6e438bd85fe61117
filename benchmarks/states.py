"""What a shared state costs: on this machine, so that what a network adds comes on top."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from benchmarks.world import World, measure, world
from friendli_iac.backends import Backend, LocalBackend, Places, SharedBackend
from friendli_iac.backends.log import read_log
from friendli_iac.core.journal import Entry
from friendli_iac.core.state import Applied, State
from tests.stores.postgres_server import running_postgres
from tests.stores.seaweed import BUCKET, running_seaweed

Report = Callable[[str, float, float | None, str], None]
ROUNDS = 50
CHANGES = 8
APPLY = [sys.executable, "-m", "friendli_iac", "apply", "--yes"]
PLAN = [sys.executable, "-m", "friendli_iac", "plan"]


@contextmanager
def places() -> Iterator[dict[str, str]]:
    """The address of a new state at each kind of place, on real servers; their credentials are in
    the environment meanwhile.
    """
    before = dict(os.environ)
    with ExitStack() as stack:
        seaweed = stack.enter_context(running_seaweed())
        postgres = stack.enter_context(running_postgres())
        postgres.run("ALTER SYSTEM SET fsync = on")  # what tests do without
        postgres.run("SELECT pg_reload_conf()")
        os.environ.update(seaweed.environment)
        try:
            yield {
                "file": "",
                "S3 (SeaweedFS)": seaweed.address(f"{BUCKET}/bench"),
                "Postgres": postgres.url(state="bench"),
            }
        finally:
            os.environ.clear()
            os.environ.update(before)


def states(report: Report, folder: Path, runs: int, count: int = 1000) -> None:
    """The operations of each backend, and a plan without changes against one of a local state."""
    with world(folder / "states", count) as made, places() as addresses:
        local = LocalBackend(made.root / ".friendli-iac" / "state.json").read().state
        assert local
        for name, address in addresses.items():
            operations(report, name, _opened(address, folder / "operations"), local)
            if address:
                _copy(made, address, local)
        walls: dict[str, list[float]] = {name: [] for name in addresses}
        for _ in range(runs + 1):  # in turns: what else the machine does is the same for all
            for name, address in addresses.items():
                env = {**made.env, "FRIENDLI_IAC_STATE": address} if address else made.env
                walls[name].append(measure(PLAN, made.root, env).wall)
        typical = {name: median(measured[1:]) for name, measured in walls.items()}
        for name, wall in typical.items():
            report(f"plan {count} at 0 ms, state in {name}, wall", wall, None, "s")
        for name in list(typical)[1:]:
            what = f"plan {count}, state in {name} against a file, wall"
            report(what, typical[name] / typical["file"], 1.2, "x")
        records_of_applies(report, made, list(addresses.values())[-1])


def records_of_applies(report: Report, made: World, address: str) -> None:
    """How many records an apply adds to the log for each change, beside lock and commit."""
    backend = Places(made.root, os.environ).open(address, base=made.root, trusted=True)
    assert isinstance(backend, SharedBackend)
    for parallelism, every in ((1, made.count // CHANGES), (16, 0)):
        made.change(every)  # the second one changes it back
        before = read_log(backend.store).end
        command = [*APPLY, "--parallelism", str(parallelism)]
        run = measure(command, made.root, {**made.env, "FRIENDLI_IAC_STATE": address})
        if run.code:
            raise SystemExit(f"{' '.join(command)} exited with {run.code}")
        records = read_log(backend.store).end - before - len(("open", "state", "close"))
        what = f"records a change, {parallelism} at a time, of {CHANGES}"
        report(what, records / CHANGES, None, "")
    backend.close()


def operations(report: Report, name: str, backend: Backend, state: State) -> None:
    """Medians, in milliseconds: the lock and its end, one entry of the journal, a commit."""
    with backend.lock("bench", {}, 0):
        state = backend.commit(state)
    locks, appends, commits = [], [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        with backend.lock("bench", {}, 0):
            pass
        locks.append(time.perf_counter() - started)
    with backend.lock("bench", {}, 0):
        begin = Entry(
            "begin", time.time(), "Endpoint/a", "k" * 20, "update", "p", after=_after(state)
        )
        for _ in range(ROUNDS):
            started = time.perf_counter()
            backend.append([begin])
            appends.append(time.perf_counter() - started)
        for _ in range(ROUNDS // 5):
            started = time.perf_counter()
            state = backend.commit(state)
            commits.append(time.perf_counter() - started)
    for what, seconds in (("lock and unlock", locks), ("append", appends), ("commit", commits)):
        report(
            f"{name}: {what} ({len(state.resources)} in state)", median(seconds) * 1000, None, "ms"
        )


def _after(state: State) -> Applied:
    return next(iter(state.resources.values())).applied


def _opened(address: str, root: Path) -> Backend:
    root.mkdir(exist_ok=True)
    where = address.replace("bench", "operations") if address else "state.json"
    return Places(root, os.environ).open(where, base=root, trusted=True)


def _copy(made: World, address: str, state: State) -> None:
    backend = Places(made.root, os.environ).open(address, base=made.root, trusted=True)
    with backend.lock("bench", {}, 0):
        backend.commit(state)
    backend.close()
