"""A shared state while all goes well: many at once, what is kept, and what is cleared away."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from obstore.store import MemoryStore

from friendli_iac.backends import SharedBackend
from friendli_iac.backends.lease import Clocks
from friendli_iac.backends.objects import ObjectStore
from friendli_iac.backends.objects.address import Bucket
from friendli_iac.backends.shared import STATES_KEPT
from friendli_iac.core.journal import Entry
from friendli_iac.core.replay import Known, replay
from friendli_iac.core.state import State
from friendli_iac.engine import ApplyOptions, Selection
from friendli_iac.errors import Locked, StateDenied, StateError
from friendli_iac.executor.context import Context, SystemClock

from .crash.shared import Cloud, Machine, SharedWorld
from .crash.test_matrix import A, B
from .crash.world import Fuse, check_converged, code_of, wishes
from .harness import Silent
from .shared_states import Places, add, adopted, resources

MANY = 20
SOON = Clocks(sleep=lambda seconds: time.sleep(0.002))  # who waits for the lock looks often


@pytest.fixture
def places() -> Places:
    return Places()


def test_of_many_at_once_one_holds_it_and_the_others_are_told(places: Places) -> None:
    start, all_refused = threading.Barrier(MANY), threading.Barrier(MANY)

    def work(number: int) -> int:
        start.wait()
        try:
            with places.backend(clocks=SOON).lock("apply", {}, 0):
                all_refused.wait(30)
                return 0
        except Locked as error:
            all_refused.wait(30)
            return error.exit_code

    with ThreadPoolExecutor(MANY) as pool:
        assert sorted(pool.map(work, range(MANY))) == [0] + [7] * (MANY - 1)


def test_many_that_wait_come_one_after_the_other(places: Places) -> None:
    inside: list[int] = []

    def work(number: int) -> int:
        backend = SharedBackend(places.cloud, clocks=SOON, lease=1e9)
        with backend.lock("apply", {}, 60):
            inside.append(number)
            assert inside == [number]
            stored = backend.read()
            backend.append([adopted(f"e{number:02}")])
            entries = [*stored.entries, adopted(f"e{number:02}")]
            state = replay(stored.state or State(lineage="L"), entries).to_commit()
            serial = backend.commit(state).serial
            inside.remove(number)
        return serial

    with ThreadPoolExecutor(MANY) as pool:
        serials = list(pool.map(work, range(MANY)))
    assert sorted(serials) == list(range(1, MANY + 1))
    assert resources(places.backend()) == [f"e{number:02}" for number in range(MANY)]


def test_twenty_applies_of_one_manifest_buy_what_one_does() -> None:
    world = SharedWorld()
    wanted = wishes(A, B)

    def work(number: int) -> int:
        engine = world.engine()
        engine.backend = SharedBackend(world.cloud, clocks=SOON, lease=1e9)
        report = engine.apply(
            lambda planner: planner(wanted, Selection()),
            ApplyOptions(parallelism=2, lock_timeout=60),
            lambda plan: True,
        )
        return code_of(report)

    with ThreadPoolExecutor(MANY) as pool:
        assert set(pool.map(work, range(MANY))) == {0}
    assert world.effects() == ["POST", "POST"]
    assert world.stored().serial == 2, "the empty one, and that of who came first"
    check_converged(world, wanted)


def test_reading_while_another_commits_and_clears_away(places: Places) -> None:
    add(places.backend(), "e")
    over = threading.Event()

    def read() -> list[int]:
        serials = []
        while not over.is_set():
            state = places.backend().read().state
            assert state
            serials.append(state.serial)
        return serials

    with ThreadPoolExecutor(2) as pool:
        reading = [pool.submit(read) for _ in range(2)]
        try:
            for _ in range(20):
                backend = places.backend()
                with backend.lock("apply", {}, 0):
                    for _ in range(10):
                        backend.append([adopted("e")])
                        state = backend.read().state
                        assert state
                        backend.commit(state)
        finally:
            over.set()
        for serials in (one.result() for one in reading):
            assert len(serials) > 20
            assert all(earlier <= later for earlier, later in pairwise(serials))


def test_every_kept_state_comes_back_as_it_was(places: Places) -> None:
    committed = [add(places.backend(), f"e{number}") for number in range(STATES_KEPT + 5)]
    history = places.backend().history()
    assert [kept.serial for kept in history] == list(range(6, STATES_KEPT + 6))
    for kept in history:
        assert places.backend().read_kept(kept).to_json() == committed[kept.serial - 1].to_json()
        assert kept.operation == "apply"
        assert kept.by
    add(places.backend(), "more")
    with pytest.raises(StateError, match="serial 6 is not kept any more"):
        places.backend().read_kept(history[0])


@pytest.mark.parametrize("what", ["changes", "nothing"])
def test_the_number_of_documents_stays_bounded(places: Places, what: str) -> None:
    counts = []
    for number in range(2 * STATES_KEPT + 5):
        if what == "changes" or number == 0:
            add(places.backend(), f"e{number}")
        else:
            with places.backend().lock("apply", {}, 0):
                pass
        counts.append(len(places.cloud.everything()))
    assert max(counts) <= STATES_KEPT + 5
    assert counts[-1] <= counts[-10] + 1
    assert places.cloud.keys("lock/") == []
    assert places.cloud.keys("selftest/") == []


class NoDeletes(Machine):
    """As a role that may not delete sees it."""

    def delete(self, keys: Any) -> None:
        raise StateDenied("not with these credentials")


def test_who_may_not_delete_can_work_all_the_same(places: Places) -> None:
    add(places.backend(), "first")
    for number in range(2 * STATES_KEPT):
        add(places.backend(NoDeletes(places.cloud, Fuse())), f"e{number}")
    assert len(places.numbers) > 6 * STATES_KEPT
    add(places.backend(), "last")
    assert len(resources(places.backend())) == 2 * STATES_KEPT + 2
    assert len(places.numbers) <= STATES_KEPT + 3, "who may do it clears all away"


def test_states_in_one_store_are_apart() -> None:
    memory = MemoryStore()
    stores = {
        name: ObjectStore(memory, Bucket("s3", "memory", name)) for name in ("", "a", "a/b", "ab")
    }
    for name, store in stores.items():
        if name:
            add(SharedBackend(store), f"in-{name.replace('/', '-')}")
    for name, store in stores.items():
        if name:
            backend = SharedBackend(store)
            assert resources(backend) == [f"in-{name.replace('/', '-')}"]
            assert len(backend.history()) == 1
    assert stores[""].keys("log/") == []


class Far(Machine):
    """A store that takes a while."""

    def create(self, key: str, data: bytes) -> bool:
        time.sleep(0.01)
        return super().create(key, data)


def context_on(backend: SharedBackend) -> Context:
    return Context(
        backend=backend,
        apis={},
        known=Known(State(lineage="L")),
        clock=SystemClock(),
        reporter=Silent(),
    )


def writing(context: Context, threads: int, each: int) -> list[BaseException | None]:
    """So many threads write so many entries each, in step; what each of them ended with."""
    step = threading.Barrier(threads)

    def write(thread: int) -> None:
        for number in range(each):
            step.wait()
            context.write(Entry("record", 1.0, address=f"Endpoint/t{thread}", detail=f"{number}"))

    with ThreadPoolExecutor(threads) as pool:
        return [one.exception() for one in [pool.submit(write, t) for t in range(threads)]]


def test_what_many_write_at_once_goes_into_few_records() -> None:
    places = Places()
    places.begun()
    backend = places.backend(Far(places.cloud, Fuse()))
    with backend.lock("apply", {}, 0):
        before = len(places.numbers)
        assert writing(context_on(backend), 16, 10) == [None] * 16
        assert len(places.numbers) - before < 40, "of 160 entries"
    entries = places.backend().read().entries
    assert len(entries) == 160
    for thread in range(16):
        own = [entry.detail for entry in entries if entry.address == f"Endpoint/t{thread}"]
        assert own == [str(number) for number in range(10)]


def test_what_went_wrong_reaches_everybody_who_waits() -> None:
    cloud = Cloud(time.time)

    class Failing(Far):
        failing = False

        def create(self, key: str, data: bytes) -> bool:
            if self.failing:
                time.sleep(0.01)
                raise StateError("no answer")
            return super().create(key, data)

    store = Failing(cloud, Fuse())
    backend = SharedBackend(store)
    with backend.lock("apply", {}, 0):
        backend.commit(State(lineage="L"))
        store.failing = True
        errors = writing(context_on(backend), 16, 1)
        assert [str(error) for error in errors] == ["no answer"] * 16
        store.failing = False
    assert SharedBackend(cloud).read().entries == ()
