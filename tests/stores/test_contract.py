"""What a shared state relies on, in every place where one can be kept."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise

import pytest

from friendli_iac.backends.store import Store, prove
from friendli_iac.errors import FriendliIacError, StateError

from .conftest import Place, unused
from .proxy import Proxy

WRITERS = 20
ROUNDS = 3  # SeaweedFS takes 4 seconds for one


def test_a_document_is_made_once(store: Store) -> None:
    assert store.get("log/1") is None
    assert store.create("log/1", b"first") is True
    assert store.create("log/1", b"second") is False
    assert store.create("log/1", b"first") is False, "not even the same one"
    found = store.get("log/1")
    assert found is not None
    assert found.data == b"first"


def test_of_many_writers_one_wins(place: Place) -> None:
    prefix = unused()
    stores = [place.open(prefix) for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(ROUNDS):
            key = f"log/{number}"
            made = list(
                pool.map(lambda n, key=key: stores[n].create(key, b"%d" % n), range(WRITERS))
            )
            assert made.count(True) == 1
            found = stores[0].get(key)
            assert found is not None
            assert found.data == b"%d" % made.index(True)


def test_a_put_replaces(store: Store) -> None:
    store.put("lock/me", b"1")
    store.put("lock/me", b"2")
    found = store.get("lock/me")
    assert found is not None
    assert found.data == b"2"
    assert store.create("lock/me", b"3") is False


def test_the_clock_of_the_store_goes_forward(store: Store) -> None:
    times = []
    deadline = time.monotonic() + 5
    while len(set(times)) < 2 and time.monotonic() < deadline:
        store.put("lock/me", b"")
        found = store.get("lock/me")
        assert found is not None
        times.append(found.modified)
        time.sleep(0.05)  # S3 counts whole seconds
    assert times == sorted(times)
    assert len(set(times)) == 2
    assert times[-1] - times[0] < 5, "it is in seconds"


def test_a_create_keeps_the_time_of_what_is_there(store: Store) -> None:
    store.create("lock/me", b"1")
    before = store.get("lock/me")
    store.create("lock/me", b"2")
    assert store.get("lock/me") == before


def test_keys_are_sorted_and_complete(store: Store) -> None:
    keys = [f"log/{number:012}" for number in range(1100)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), reversed(keys)))
    store.put("logs/1", b"x")
    store.put("lo", b"x")
    assert store.keys("log/") == keys
    store.delete(keys[:-1])
    assert store.keys("log/") == keys[-1:]
    assert store.keys("logs/") == ["logs/1"]
    assert store.keys("nothing/") == []


def test_keys_sort_by_bytes(store: Store) -> None:
    keys = ["k/B", "k/a", "k/a-b", "k/a.b", "k/a/b", "k/aa"]
    for key in keys:
        store.put(key, b"x")
    assert store.keys("k/") == sorted(keys)


def test_what_is_not_there_can_be_removed(store: Store) -> None:
    store.put("log/1", b"x")
    store.delete(["log/0", "log/1", "log/2"])
    store.delete(["log/1"])
    store.delete([])
    assert store.get("log/1") is None
    assert store.create("log/1", b"again") is True


@pytest.mark.parametrize("data", [b"", bytes(range(256)) * 8192], ids=["empty", "2 MB of any byte"])
def test_documents_are_bytes(store: Store, data: bytes) -> None:
    store.create("log/1", data)
    store.put("lock/1", data)
    for key in ("log/1", "lock/1"):
        found = store.get(key)
        assert found is not None
        assert found.data == data


def test_stores_do_not_see_each_other(place: Place) -> None:
    name = unused()
    short, long = place.open(name), place.open(f"{name}b")
    assert short.create("log/1", b"short") is True
    assert long.create("log/1", b"long") is True
    found = short.get("log/1")
    assert found is not None
    assert found.data == b"short"
    assert short.keys("log/") == long.keys("log/") == ["log/1"]
    long.delete(["log/1"])
    assert short.keys("log/") == ["log/1"]


def test_it_proves_itself(store: Store) -> None:
    prove(store)
    prove(store)
    assert store.keys("selftest/") == []


def test_threads_can_share_it(store: Store) -> None:
    def work(number: int) -> list[bytes]:
        seen = []
        for step in range(10):
            store.put(f"lock/{number}", b"%d" % step)
            found = store.get(f"lock/{number}")
            assert found is not None
            seen.append(found.data)
        return seen

    with ThreadPoolExecutor(8) as pool:
        for seen in pool.map(work, range(8)):
            assert seen == [b"%d" % step for step in range(10)]
    assert store.keys("lock/") == [f"lock/{number}" for number in range(8)]


# --- a network that fails ---


def test_an_acknowledgement_is_lost(served: Place, proxy: Proxy) -> None:
    """Whatever the writer hears, what it wrote is there, once, and nobody else comes after it."""
    prefix = unused()
    store, other = served.open(prefix, proxy.port), served.open(prefix)
    for number in range(5):
        key = f"log/{number}"
        proxy.drop_reply(containing=served.write)
        with suppress(StateError):
            store.create(key, b"mine")
        assert proxy.dropped == number + 1
        found = store.get(key)
        assert found is not None
        assert found.data == b"mine"
        assert other.create(key, b"other") is False
        assert other.get(key) == found
        assert len(other.keys("log/")) == number + 1


def test_answers_are_lost(served: Place, proxy: Proxy) -> None:
    store = served.open(unused(), proxy.port)
    store.put("lock/me", b"0")
    proxy.drop_reply()
    found = store.get("lock/me")
    assert found is not None
    assert found.data == b"0"
    proxy.drop_reply()
    store.put("lock/me", b"1")
    proxy.drop_reply()
    assert store.keys("lock/") == ["lock/me"]
    proxy.drop_reply()
    store.delete(["lock/me"])
    assert store.get("lock/me") is None
    assert proxy.dropped == 4


def test_a_short_absence_is_waited_for(served: Place, proxy: Proxy) -> None:
    store = served.open(unused(), proxy.port)
    store.put("lock/me", b"0")
    with ThreadPoolExecutor(1) as pool:
        proxy.refuse()
        made = pool.submit(store.create, "log/1", b"1")
        time.sleep(0.5)
        assert not made.done()
        proxy.accept()
        assert made.result() is True


def test_the_server_is_away(served: Place, proxy: Proxy) -> None:
    store = served.open(unused(), proxy.port)
    store.create("log/1", b"1")
    proxy.refuse()
    calls = (
        lambda: store.get("log/1"),
        lambda: store.create("log/2", b"2"),
        lambda: store.put("lock/me", b""),
        lambda: store.keys("log/"),
        lambda: store.delete(["log/1"]),
    )
    begin = time.monotonic()
    with ThreadPoolExecutor(len(calls)) as pool:
        failures = [each.exception() for each in [pool.submit(call) for call in calls]]
    assert time.monotonic() - begin < 40
    for error in failures:
        assert isinstance(error, StateError)
        assert store.describe() in str(error)
        assert "\n" not in str(error)
        assert error.next
    proxy.accept()
    found = store.get("log/1")
    assert found is not None, "it comes back"
    assert store.keys("log/") == ["log/1"]


def test_somebody_is_at_work_while_answers_get_lost(served: Place, proxy: Proxy) -> None:
    """Four writers go on from each other's numbers over a network that loses every third answer
    to a write: no number is written twice, none is left out, and none of their words is lost.
    """
    prefix = unused()
    stores = [served.open(prefix, proxy.port) for _ in range(4)]
    for nth in range(1, 40, 3):
        proxy.drop_reply(nth, containing=served.write)

    def write(writer: int) -> list[int]:
        store, mine, number = stores[writer], [], 1
        while len(mine) < 8:
            word = b"%d.%d" % (writer, len(mine))
            key = f"log/{number:06}"
            try:
                store.create(key, word)
            except FriendliIacError:
                continue
            found = store.get(key)
            assert found is not None
            if found.data == word:
                mine.append(number)
            number += 1
        return mine

    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(write, range(4)))
    numbers = sorted(number for mine in written for number in mine)
    assert proxy.dropped > 4
    assert all(after - before == 1 for before, after in pairwise(numbers))
    assert len(numbers) == 32
    assert [int(key[4:]) for key in stores[0].keys("log/")] == numbers
