from collections.abc import Iterator
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .forges import BOT, FakeForge
from .harness import Project


@pytest.fixture(scope="module")
def instant_server() -> Iterator[Emulator]:
    """An emulator whose transitions take no time."""
    with Emulator(clock="wall", seed=1, durations=0) as running:
        yield running


@pytest.fixture
def emulator(instant_server: Emulator) -> Emulator:
    instant_server.reset()
    instant_server.set_durations(create=0, update=0, wake=0, restart=0, terminate=0)
    return instant_server


@pytest.fixture
def project(tmp_path: Path, emulator: Emulator) -> Project:
    return Project(tmp_path / "project", emulator.url)


@pytest.fixture
def forge() -> Iterator[FakeForge]:
    """GitHub and GitLab, with the pull request 7."""
    with FakeForge() as forge:
        forge.pull(7)
        yield forge


@pytest.fixture
def token(forge: FakeForge) -> str:
    """What a job of GitHub Actions has."""
    return forge.account(BOT)
