"""Who may write a shared state: leases that run out, locks that are broken, and waits."""

from __future__ import annotations

from contextlib import suppress

import pytest

from friendli_iac.backends import SharedBackend
from friendli_iac.backends.shared import QUIET
from friendli_iac.backends.store import Found
from friendli_iac.backends.tenure import LOOKS, PROMPT
from friendli_iac.core.state import State
from friendli_iac.errors import Locked, LockLost, Refused, StateError

from .crash.shared import LONG, Machine, SharedWorld
from .crash.test_matrix import A
from .crash.world import Fuse, Killed, wishes
from .shared_states import Places, add, adopted, begin, resources

LEASE = 60


@pytest.fixture
def places() -> Places:
    return Places()


def abandon(places: Places) -> SharedBackend:
    """Takes the lock, and dies with it."""
    fuse = Fuse()
    backend = places.backend(Machine(places.cloud, fuse))
    with suppress(Killed), backend.lock("apply", {"GITHUB_ACTOR": "ada"}, 0):
        backend.commit(State(lineage="L"))
        backend.append([begin("a")])
        fuse.blown = True
    return backend


def test_who_finds_it_taken_is_told_by_whom_and_for_how_long(places: Places) -> None:
    abandon(places)
    places.clock.time += 20
    with pytest.raises(Locked, match=r"apply by ada since .*runs out in 41s") as caught:
        add(places.backend(), "b")
    assert caught.value.exit_code == 7
    held = places.backend().held()
    assert held
    assert held.left == 41
    assert f"unlock --force {held.holder.id}" in caught.value.next


def test_a_lock_that_nobody_renews_runs_out(places: Places) -> None:
    abandon(places)
    add(places.backend(), "b", LONG)
    assert sum(places.clock.waits) == pytest.approx(LEASE + 1, abs=1)
    assert places.backend().held() is None
    assert places.cloud.keys("lock/") == [], "no lease is left behind"


def test_a_lease_that_is_renewed_does_not_run_out() -> None:
    places = Places()
    backend = places.backend(lease=0.04)  # a heartbeat each 10 ms, by the real clock
    with backend.lock("apply", {}, 0):
        for _ in range(20):
            beaten = places.clock.time
            while max(places.cloud.everything()[k].modified for k in places.cloud.keys("lock/")) < (
                beaten
            ):
                pass
            with pytest.raises(Locked):
                add(places.backend(), "b")
            places.clock.time += 0.5
    add(places.backend(), "b")


def test_what_is_left_of_the_quiet_after_a_lock_was_broken(places: Places) -> None:
    held = abandon_and_look(places)
    with pytest.raises(Refused, match=f"it is {held}"):
        places.backend().unlock("another", "bob")
    places.backend().unlock(held, "bob")
    places.clock.time += 20
    with places.backend().lock("apply", {}, 0) as quiet:
        assert quiet == QUIET - 20
    with pytest.raises(Refused, match="nobody holds it"):
        places.backend().unlock(held, "bob")


def abandon_and_look(places: Places) -> str:
    abandon(places)
    held = places.backend().held()
    assert held
    return held.holder.id


def test_who_gave_up_while_it_waited_leaves_the_rest_to_the_next(places: Places) -> None:
    """Ctrl-C in the quiet after a lock was broken, or had run out: the request may still live."""
    places.backend().unlock(abandon_and_look(places), "bob")
    with places.backend().lock("apply", {}, 0) as quiet:
        assert quiet == QUIET
        places.clock.time += 5
    with places.backend().lock("apply", {}, 0) as quiet:
        assert quiet == QUIET - 5
    places.clock.time += QUIET
    with places.backend().lock("apply", {}, 0) as quiet:
        assert quiet == 0
    abandon(places)
    with places.backend().lock("apply", {}, LONG) as quiet:
        assert quiet == QUIET
        places.clock.time += 5
    with places.backend().lock("apply", {}, 0) as quiet:
        assert quiet == QUIET - 5


def test_nobody_waits_after_a_lock_that_was_given_back(places: Places) -> None:
    add(places.backend(), "a")
    with places.backend().lock("apply", {}, 0) as quiet:
        assert quiet == 0


def test_a_broken_lock_is_lost(places: Places) -> None:
    backend = places.begun("a")
    with backend.lock("apply", {}, 0):
        held = backend.held()
        assert held
        places.backend().unlock(held.holder.id, "bob")
        for entry in (adopted("b"), begin("c")):
            with pytest.raises(LockLost):
                backend.append([entry])
        with pytest.raises(LockLost, match="broken by bob") as caught:
            backend.commit(State(lineage="L", serial=1))
    assert caught.value.exit_code == 7
    assert resources(places.backend()) == ["a"]


@pytest.mark.parametrize("days", [0, 2])
def test_who_comes_back_after_days_writes_nothing(places: Places, days: int) -> None:
    backend = places.begun("a")
    with backend.lock("apply", {}, 0):
        add(places.backend(), "b", LONG)
        places.clock.time += days * 86_400
        for name in ("c", "d"):
            add(places.backend(), name)
        assert 6 in places.numbers, "the opening in its way stays, whatever the clocks say"
        with pytest.raises(LockLost):
            backend.append([begin("z")])
        with pytest.raises(LockLost):
            backend.commit(State(lineage="L", serial=1))
    assert resources(places.backend()) == ["a", "b", "c", "d"]


class Slow(Machine):
    """Each list, and each write, takes so many seconds."""

    def __init__(self, places: Places, seconds: float) -> None:
        def boundary(what: str, *, effect: bool = True) -> None:
            if what.startswith(("before list", "after create log")):
                places.clock.time += self.seconds

        super().__init__(places.cloud, boundary)
        self.seconds = seconds


def test_a_begin_that_took_long_is_only_good_after_another_look(places: Places) -> None:
    """Between the two, somebody may have taken over: then its request would come too late."""
    store = Slow(places, 0)
    backend = places.backend(store)
    with backend.lock("apply", {}, 0):
        backend.commit(State(lineage="L"))
        store.seconds = PROMPT
        backend.append([begin("a")])
        store.seconds = PROMPT + 1
        with pytest.raises(StateError, match="too slowly") as caught:
            backend.append([begin("b")])
        assert not isinstance(caught.value, LockLost)
        assert LOOKS == 3
        backend.append([adopted("c")])  # it has happened: no need to look


def test_an_opening_of_which_nobody_knew_is_given_back(places: Places) -> None:
    """The store failed after it had written: nobody has to wait until that runs out."""

    class Failing(Machine):
        failing = False

        def create(self, key: str, data: bytes) -> bool:
            super().create(key, data)
            self.failing = True
            raise StateError("no answer")

        def get(self, key: str) -> Found | None:
            if self.failing and not key.startswith("lock/"):
                self.failing = False
                raise StateError("no answer")
            return super().get(key)

    add(places.backend(), "a")
    with (
        pytest.raises(StateError, match="no answer"),
        places.backend(Failing(places.cloud, Fuse())).lock("apply", {}, 0),
    ):
        pass
    assert places.backend().held() is None
    add(places.backend(), "b")
    assert places.clock.waits == []


@pytest.mark.parametrize(
    ("cut", "grace", "waits"),
    [
        ("before POST", 20, QUIET),
        ("before POST", 300, QUIET),
        ("before create log/000000000004", 120, 0),
    ],
)
def test_who_takes_over_waits_before_it_looks_what_became_of_a_request(
    cut: str, grace: float, waits: float
) -> None:
    """And does not wait where none was begun."""
    world = SharedWorld()
    fuse = Fuse()
    world.apply(wishes(A), fuse)
    at = next(n for n, what in enumerate(fuse.passed, 1) if what.startswith(cut))
    times: list[tuple[str, float]] = []

    def note(what: str, *, effect: bool = True) -> None:
        times.append((what, world.clock.now()))

    world.reset()
    assert not world.survives(lambda f: world.apply(wishes(A), f), Fuse(at))
    world.apply(wishes(A), note, settle_grace=grace)
    opened = next(time for what, time in times if what.startswith("after create log/"))
    assert min(time for what, time in times if what.startswith("before GET")) - opened == waits
