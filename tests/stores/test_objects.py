"""What object storage does beyond the contract: buckets, and servers that are unwell."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from friendli_iac.backends.objects import open_objects
from friendli_iac.backends.store import prove
from friendli_iac.errors import StateError

from .conftest import unused
from .forgetful import Forgetful
from .proxy import Proxy
from .seaweed import BUCKET, Seaweed

ME = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}


def test_documents_lie_under_the_prefix(seaweed: Seaweed) -> None:
    prefix = f"{unused()}/prod"
    store = open_objects(seaweed.address(f"{BUCKET}/{prefix}"), seaweed.environment)
    store.create("log/1", b"{}")
    root = open_objects(seaweed.address(BUCKET), seaweed.environment)
    assert root.keys(f"{prefix}/") == [f"{prefix}/log/1"]
    found = root.get(f"{prefix}/log/1")
    assert found is not None
    assert found.data == b"{}"
    assert seaweed.content_type(f"{BUCKET}/{prefix}/log/1") == "application/json"


def test_there_is_no_bucket(seaweed: Seaweed) -> None:
    """Above all, that is no empty state."""
    store = open_objects(seaweed.address("nowhere/a"), seaweed.environment)
    for call in (
        lambda: store.get("log/1"),
        lambda: store.create("log/1", b"x"),
        lambda: store.put("log/1", b"x"),
        lambda: store.keys("log/"),
        lambda: store.delete(["log/1"]),
    ):
        with pytest.raises(StateError, match="there is no bucket nowhere") as caught:
            call()
        assert store.describe() in caught.value.next


def test_the_bucket_is_in_another_region(forgetful: Forgetful) -> None:
    forgetful.refuses.append((301, "<Error><Code>PermanentRedirect</Code></Error>"))
    with pytest.raises(StateError, match="another region") as caught:
        open_objects(forgetful.address(), ME).get("log/1")
    assert "?region=" in caught.value.next


def test_a_store_that_ignores_conditions_is_refused(forgetful: Forgetful) -> None:
    store = open_objects(forgetful.address(), ME)
    with pytest.raises(StateError, match="conditional writes do not work") as caught:
        prove(store)
    assert "two applies at once" in caught.value.safe.lower()


def test_a_conflict_may_leave_nothing(forgetful: Forgetful) -> None:
    """S3 and Azure answer 409 while another write is under way, and that one may fail."""
    forgetful.refuses.append((409, "<Error><Code>ConditionalRequestConflict</Code></Error>"))
    store = open_objects(forgetful.address(), ME)
    assert store.create("log/1", b"x") is True
    found = store.get("log/1")
    assert found is not None
    assert found.data == b"x"


def test_conflicts_without_end_are_an_error(forgetful: Forgetful) -> None:
    conflict = (409, "<Error><Code>ConditionalRequestConflict</Code></Error>")
    missing = (404, "<Error><Code>NoSuchKey</Code></Error>")
    forgetful.refuses.extend([conflict, missing] * 100)
    with pytest.raises(StateError, match="shows none") as caught:
        open_objects(forgetful.address(), ME, patience=0.5).create("log/1", b"x")
    assert caught.value.next


def test_a_server_is_unwell_for_a_moment(forgetful: Forgetful) -> None:
    forgetful.refuses.extend([(503, "<Error><Code>SlowDown</Code></Error>")] * 3)
    store = open_objects(forgetful.address(), ME)
    assert store.create("log/1", b"x") is True
    forgetful.refuses.extend([(500, "")] * 3)
    assert store.keys("log/") == ["log/1"]


def test_a_write_that_hangs_is_tried_again(seaweed: Seaweed) -> None:
    """And what hung arrives late, when it can do no harm."""
    with Proxy(seaweed.port) as proxy:
        address = seaweed.address(f"{BUCKET}/{unused()}", proxy.port)
        store = open_objects(address, seaweed.environment, patience=1.5)
        assert store.get("log/1") is None
        proxy.delay = 1.8
        threading.Timer(0.5, setattr, (proxy, "delay", 0)).start()
        assert store.create("log/1", b"x") is True
        store.put("log/1", b"y")
        time.sleep(1)
        found = store.get("log/1")
        assert found is not None
        assert found.data == b"y"


def test_signals_are_handled_while_it_waits(seaweed: Seaweed) -> None:
    """A person who presses Ctrl-C is answered at once, though the server is not answering."""
    handled = []
    previous = signal.signal(signal.SIGUSR1, lambda *_: handled.append(time.monotonic()))
    try:
        with Proxy(seaweed.port) as proxy:
            address = seaweed.address(f"{BUCKET}/{unused()}", proxy.port)
            store = open_objects(address, seaweed.environment)
            assert store.get("log/1") is None
            proxy.delay = 2
            begin = time.monotonic()
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert store.get("log/1") is None
            end = time.monotonic()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert end - begin >= 2
    assert handled[0] - begin < 1
