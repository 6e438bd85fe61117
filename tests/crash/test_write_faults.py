"""A full disk, a failing one, and writes that stop half-way: at every write of an apply."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from friendli_iac.backends import LocalBackend, local
from friendli_iac.backends.files import Files
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions, Engine, Selection, exit_code
from friendli_iac.errors import StateError
from tests.harness import Project, endpoint, names

from .world import Fuse, Killed, KilledFiles, World, check_converged, version_counts, wish, wishes

START = wishes(wish("a"), wish("gone"))
GOAL = wishes(wish("a", engine__maxBatchSize=128), wish("b"))


class FailingFiles(KilledFiles):
    """The disk fails with `error` at the `at`-th primitive, and `forever` from then on."""

    def __init__(self, at: int, error: int, *, forever: bool) -> None:
        super().__init__(Fuse(at))
        self._error = error
        self._forever = forever

    def _failing(self, operation: str, *arguments: object) -> None:
        if self._fuse.blown and not self._forever:
            self._fuse = Fuse()
        try:
            getattr(super(), operation)(*arguments)
        except Killed:
            raise OSError(self._error, os.strerror(self._error)) from None

    def write(self, descriptor: int, data: bytes) -> None:
        self._failing("write", descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._failing("fsync", descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._failing("rename", source, target)

    def resize(self, descriptor: int, size: int) -> None:
        self._failing("resize", descriptor, size)

    def remove(self, path: Path) -> None:
        self._failing("remove", path)

    @property
    def failed(self) -> bool:
        return self._fuse.blown or self._fuse.at is None


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("disk") / "state")


@pytest.fixture
def world(module_world: World) -> Iterator[World]:
    yield module_world
    module_world.reset()


def run(engine: Engine) -> int:
    """The exit code. Anything but a StateError and its kin would be a traceback."""
    options = ApplyOptions(parallelism=1, allow_destroy=frozenset({"*"}))
    try:
        done = engine.apply(lambda plan: plan(GOAL, Selection()), options, lambda plan: True)
    except StateError as error:
        return error.exit_code
    return exit_code(done.outcomes)


@pytest.mark.parametrize("forever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_a_disk_that_fails_at_any_write(world: World, error: int, forever: bool) -> None:
    world.reset()
    world.apply(START)
    world.emulator.clear_requests()
    start = world.snapshot()
    fuse = Fuse()
    world.apply(GOAL, fuse)
    effects, versions = sorted(world.effects()), version_counts(world)
    points = sum("endpoint" not in point for point in fuse.passed)
    assert points > 40
    for at in range(1, points + 1):
        world.restore(start)
        world.past = []
        files = FailingFiles(at, error, forever=forever)
        try:
            if run(world.engine(files=files)) == 0:  # where the commit has it all, nothing is lost
                check_converged(world, GOAL)
            assert files.failed
            LocalBackend(world.state_path).read()  # what is there can be read
            world.apply(GOAL)
            check_converged(world, GOAL)
            assert sorted(world.effects()) == effects
            assert version_counts(world) == versions
        except BaseException as problem:
            problem.add_note(f"failed at primitive {at} of {points}")
            raise


def test_a_full_disk_after_a_create_is_an_error_with_a_way_out(
    project: Project, emulator: Emulator
) -> None:
    """Fault 8: the endpoint is there, and the state cannot be saved."""
    project.write(endpoint("chat"))

    class Full(Files):
        full = False

        def write(self, descriptor: int, data: bytes) -> None:
            if self.full or emulator.endpoints():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().write(descriptor, data)

    with mock.patch.object(local, "Files", Full):
        failed = project.apply()
    assert failed.code == 1, failed
    assert "No space left on device" in failed.err
    assert "Traceback" not in failed.err + failed.out
    assert "run the same command again" in failed.err
    again = project.apply()
    assert again.code == 0, again
    assert names(emulator) == ["chat"]
    assert "the interrupted create took place" in again.err
