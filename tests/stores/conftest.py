"""Servers are started when the first test asks for one, one of each kind in each test process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from obstore.store import MemoryStore

from friendli_iac.backends.buckets import bucket_at
from friendli_iac.backends.objects import ObjectStore, open_objects
from friendli_iac.backends.store import Store

from .forgetful import Forgetful, running_forgetful
from .proxy import Proxy
from .seaweed import Seaweed, running_seaweed

_numbers = count()
BUCKET = "states"


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    with running_seaweed() as running:
        running.make_bucket(BUCKET)
        yield running


@pytest.fixture
def forgetful() -> Iterator[Forgetful]:
    with running_forgetful() as running:
        yield running
