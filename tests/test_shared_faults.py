"""A shared state when something goes wrong: answers that are lost, records that are not ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.backends.log import key_of
from friendli_iac.core.state import State
from friendli_iac.errors import LockLost, Refused, StateError

from .crash.shared import Machine, SharedWorld
from .crash.test_matrix import BIGGER, A, B
from .crash.test_zombie import Zombie
from .crash.world import Fuse, check_converged, code_of, version_counts, wishes
from .shared_states import Places, add, adopted, begin, resources


@pytest.fixture
def places() -> Places:
    return Places()


class Lossy(Machine):
    """Does what it is told at the `at`-th create, and says that it was there already, or nothing.
    `deaf`: nor is the next read answered.
    """

    def __init__(self, places: Any, at: int, how: str) -> None:
        super().__init__(places.cloud, Fuse())
        self.at, self.how, self.count, self.deaf = at, how, 0, False

    def create(self, key: str, data: bytes) -> bool:
        if key.startswith("log/"):
            self.count += 1
        made = super().create(key, data)
        if self.count != self.at or not key.startswith("log/"):
            return made
        if self.how == "there already":
            return False
        self.deaf = self.how == "no answer to the next read, either"
        raise StateError("no answer")

    def get(self, key: str) -> Any:
        if self.deaf and key.startswith("log/"):
            self.deaf = False
            raise StateError("no answer")
        return super().get(key)


class LossyWorld(SharedWorld):
    at, how, store = 0, "", None

    def backend(self, fuse: Any, files: Any = None) -> Any:
        backend = super().backend(fuse, files)
        if self.at:
            self.store = backend.store = Lossy(self, self.at, self.how)
        return backend


START, GOAL = wishes(A), wishes(BIGGER, B)


@pytest.mark.parametrize("how", ["there already", "no answer"])
def test_an_answer_that_is_lost_at_any_record_is_not_missed(how: str) -> None:
    """What was written is read back: no conflict, no error, nothing twice."""
    world = LossyWorld()
    world.how = how
    world.apply(START)
    start = world.snapshot()
    world.at = -1
    world.apply(GOAL)
    assert world.store
    records, serial, versions = world.store.count, world.stored().serial, version_counts(world)
    assert records > 10
    for at in range(1, records + 1):
        world.restore(start)
        world.past, world.at = [], at
        assert code_of(world.apply(GOAL)) == 0, at
        world.at = 0
        check_converged(world, GOAL)
        assert sorted(world.effects()) == ["POST", "PUT /ID"]
        assert (world.stored().serial, version_counts(world)) == (serial, versions)
        assert world.waited == []


def test_where_nobody_answers_at_any_record_the_next_apply_goes_on_at_once() -> None:
    world = LossyWorld()
    world.how = "no answer to the next read, either"
    world.apply(START)
    start = world.snapshot()
    world.at = -1
    world.apply(GOAL)
    assert world.store
    records, versions = world.store.count, version_counts(world)
    for at in range(1, records + 1):
        world.restore(start)
        world.past, world.at = [], at
        with suppress(StateError):
            world.apply(GOAL)
        world.at = 0
        world.apply(GOAL)
        check_converged(world, GOAL)
        assert sorted(world.effects()) == ["POST", "PUT /ID"], at
        assert version_counts(world) == versions
        assert world.waited == [], "the lock was given back"


def test_an_append_that_landed_although_it_failed_is_gone_on_from(places: Places) -> None:
    places.begun()
    store = Lossy(places, 2, "no answer to the next read, either")
    backend = places.backend(store)
    with backend.lock("apply", {}, 0):
        with pytest.raises(StateError, match="no answer"):
            backend.append([adopted("a")])
        assert resources(places.backend()) == ["a"]
        backend.append([adopted("b")])
        assert resources(backend) == resources(places.backend()) == ["a", "b"]
        backend.commit(State(lineage="L", serial=1))
    assert places.backend().held() is None


class Forgetful(Machine):
    """A write that fails, and arrives later: after that which was written in its place."""

    late: tuple[str, bytes] | None = None

    def create(self, key: str, data: bytes) -> bool:
        if self.late is None and b'"journal"' in data and b'"kind":"journal"' in data:
            self.late = (key, data)
            raise StateError("no answer")
        return super().create(key, data)


def test_a_write_that_arrives_late_finds_its_number_taken(places: Places) -> None:
    places.begun()
    store = Forgetful(places.cloud, Fuse())
    backend = places.backend(store)
    with backend.lock("apply", {}, 0):
        with pytest.raises(StateError, match="no answer"):
            backend.append([adopted("a")])
        assert store.late
        backend.append([adopted("b")])
        assert not places.cloud.create(*store.late)
    assert resources(places.backend()) == ["b"]


# --- what is not as we left it ---


def replaced(places: Places, number: int, change: Callable[[dict[str, Any]], object]) -> None:
    key = key_of(number)
    found = places.cloud.get(key)
    assert found
    document = json.loads(found.data)
    change(document)
    places.cloud.put(key, json.dumps(document).encode())


DAMAGES: dict[str, tuple[Callable[[Places], object], str]] = {
    "an older record under a newer number": (
        lambda p: p.cloud.put(key_of(4), p.cloud.get(key_of(3)).data),  # type: ignore[union-attr]
        "log/000000000004 holds record 3: it was put there by hand",
    ),
    "a record that is missing in the middle": (
        lambda p: p.cloud.delete([key_of(3)]),
        "lost records of its log: log/000000000003",
    ),
    "a record of a newer version": (
        lambda p: replaced(p, 4, lambda d: d.update(format=2)),
        "log/000000000004 has format 2",
    ),
    "a record with a field of a newer version": (
        lambda p: replaced(p, 4, lambda d: d.update(colour="red")),
        "log/000000000004 cannot be read",
    ),
    "half a record": (
        lambda p: p.cloud.put(key_of(4), b'{"format": 1, "kind"'),
        "log/000000000004 cannot be read",
    ),
    "something else": (
        lambda p: p.cloud.put("log/readme.txt", b"hello"),
        "log/readme.txt is no record of ours",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_refused_and_left_as_it_is(places: Places, damage: str) -> None:
    places.begun("a")
    assert places.numbers[-2:] == [3, 4]
    harm, said = DAMAGES[damage]
    harm(places)
    before = {key: found.data for key, found in places.cloud.everything().items()}
    for use in (lambda: resources(places.backend()), lambda: add(places.backend(), "b")):
        with pytest.raises(StateError, match=said) as caught:
            use()
        assert "Nothing was" in caught.value.safe
        assert caught.value.next
    assert {key: found.data for key, found in places.cloud.everything().items()} == before


@pytest.mark.parametrize("gone", ["the newest record", "all of the run", "and somebody went on"])
def test_a_store_that_was_put_back_meanwhile_is_noticed(
    places: Places, tmp_path: Path, gone: str
) -> None:
    add(places.backend(), "a")
    earlier = places.cloud.everything()
    errored = tmp_path / "errored.state.json"
    backend = places.backend(errored=errored)
    with backend.lock("apply", {}, 0):
        backend.append([adopted("b")])
        if gone == "the newest record":
            places.cloud.delete([key_of(places.numbers[-1])])
        else:
            places.cloud.put_back(earlier)
        if gone == "and somebody went on":
            add(places.backend(), "c")
        with pytest.raises(
            StateError, match=r"put back to an earlier time|somebody else"
        ) as caught:
            backend.commit(State(lineage="L", serial=1))
        with pytest.raises(StateError):
            backend.append([begin("d")])
    if gone == "and somebody went on":
        assert resources(places.backend()) == ["a", "c"]
        return
    assert not isinstance(caught.value, LockLost)
    assert errored.exists()
    assert "state push" in caught.value.next
    with pytest.raises(Refused), backend.lock("apply", {}, 0):
        pass
    if gone == "all of the run":
        assert resources(places.backend()) == ["a"], "as it was put back"
        assert places.cloud.everything().keys() == earlier.keys()


def test_who_works_on_what_was_put_back_is_not_disturbed(places: Places) -> None:
    """Record for record, it looks like the log of the one before: only the opening tells."""
    add(places.backend(), "a")
    earlier = places.cloud.everything()
    before, after = places.backend(), places.backend()
    with before.lock("apply", {}, 0):
        before.append([adopted("b")])
        places.cloud.put_back(earlier)
        with after.lock("apply", {}, 0):
            after.append([adopted("c")])
            with pytest.raises(StateError, match="put back to an earlier time"):
                before.commit(State(lineage="L", serial=1))
            after.append([adopted("d")])
    assert resources(places.backend()) == ["a", "c", "d"]


def test_who_comes_late_to_a_lock_that_was_free_reads_again() -> None:
    """It read that the lock is free, and stood still until others had come and gone, and had
    cleared away the very number that it is about to write.
    """
    world = SharedWorld()
    world.apply(wishes(A))
    start = world.snapshot()
    at, place = 0, ""
    while not place.startswith("after create log/"):
        at += 1
        world.restore(start)
        zombie = Zombie(world, wishes(BIGGER), at)
        place = zombie.stands()
        if not place.startswith("after create log/"):
            world.apply(wishes(BIGGER))
            world.apply(wishes(BIGGER))
        zombie.goes_on()
        assert zombie.error is None
        check_converged(world, wishes(BIGGER))
        assert world.effects()[1:] == ["PUT /ID"], place
    assert at > 5
