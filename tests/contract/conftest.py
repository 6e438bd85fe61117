from collections.abc import Iterator

import pytest
from friendli.friendli import SyncFriendli

from friendli_iac.emulator import Emulator

TEAM = "team-emulator"
TOKEN = "flp_contract"


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with Emulator(clock="manual", seed=1) as running:
        yield running


@pytest.fixture
def emulator(server: Emulator) -> Emulator:
    server.reset()
    return server


@pytest.fixture
def sdk(emulator: Emulator) -> Iterator[SyncFriendli]:
    # Without a retry config the SDK retries for an hour, POST included.
    with SyncFriendli(
        token=TOKEN, server_url=emulator.url, retry_config=None, x_friendli_team=TEAM
    ) as client:
        yield client
