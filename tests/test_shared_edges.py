"""What is rare: clocks that are wrong, errors that come too late, addresses that make no sense."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.backends import LocalBackend, SharedBackend
from friendli_iac.backends.lease import Clocks, steady
from friendli_iac.core.replay import replay
from friendli_iac.core.state import State
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions, Engine, Report, Selection
from friendli_iac.engine.transfer import push
from friendli_iac.errors import LockLost, Refused, StateError
from friendli_iac.executor.context import SystemClock

from .crash.shared import Machine, SharedWorld
from .crash.test_matrix import A, B
from .crash.world import Fuse, Killed, KilledFiles, wishes
from .harness import Project, endpoint, names, writes
from .shared_states import Places, add, adopted, begin, resources

LONG = 600.0


def test_no_clock_of_another_machine_opens_a_fence(places: Places) -> None:
    """A is taken over, and C, two days ahead, clears the log: A stops all the same."""
    late = Clocks(lambda: places.clock.time + 172_800, places.clock.now, places.clock.sleep)
    backend = places.begun("a")
    with backend.lock("apply", {}, 0):
        add(places.backend(), "b", LONG)
        add(SharedBackend(places.cloud, clocks=late), "c")
        for _ in range(2):
            with pytest.raises(LockLost):
                backend.append([begin("z")])
    assert resources(places.backend()) == ["a", "b", "c"]


@pytest.fixture
def places() -> Places:
    return Places()


def test_our_clock_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = SystemClock(), 3600.0
    before, real = clock.now(), time.clock_gettime

    def woken(which: int) -> float:  # what Linux says after an hour of sleep
        return real(which) + (slept if which == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime", woken)
    assert clock.now() - before >= slept
    assert steady() >= real(time.CLOCK_BOOTTIME) + slept - 1


def test_a_lock_that_was_just_won_is_given_back(places: Places) -> None:
    class Interrupted(Machine):
        def delete(self, keys: Any) -> None:
            if any(key.startswith("log/") for key in keys):
                raise KeyboardInterrupt
            super().delete(keys)

    places.begun("a")
    add(places.backend(), "b")
    backend = places.backend(Interrupted(places.cloud, Fuse()))
    with pytest.raises(KeyboardInterrupt), backend.lock("state push", {}, 0):
        pass
    assert places.backend().held() is None


def test_who_waited_for_the_lock_looks_again_for_an_errored_state(
    places: Places, tmp_path: Path
) -> None:
    path = tmp_path / "errored.state.json"
    places.begun("a")
    waiting = places.backend(errored=path)

    def sleep(seconds: float) -> None:
        path.write_text("{}")  # the run that is waited for could not store its state
        places.clock.time += 100

    clocks = Clocks(places.clock.now, places.clock.now, sleep)
    waiting = places.backend(errored=path, clocks=clocks)
    with places.backend().lock("apply", {}, 0), pytest.raises(Refused, match="could not store"):
        waiting.lock("apply", {}, LONG).__enter__()
    assert places.backend().held() is None


class Silent(Machine):
    """A store that, once `silent`, answers nothing of the log; what it was sent then may `land`."""

    def __init__(self, places: Places) -> None:
        super().__init__(places.cloud, Fuse())
        self.silent = False
        self._sent: list[tuple[str, bytes]] = []

    def create(self, key: str, data: bytes) -> bool:
        if self.silent:
            self._sent.append((key, data))
            raise StateError("no answer")
        return super().create(key, data)

    def get(self, key: str) -> Any:
        if self.silent:
            raise StateError("no answer")
        return super().get(key)

    def land(self) -> None:
        self.silent = False
        super().create(*self._sent[0])


@pytest.mark.parametrize("another", [False, True])
def test_an_errored_state_knows_what_may_have_landed(
    another: bool, places: Places, tmp_path: Path
) -> None:
    """Its own entry in the journal is no reason to refuse it; another one's is."""
    path, store = tmp_path / "errored.state.json", Silent(places)
    places.begun("a")
    backend = places.backend(store, errored=path)
    with backend.lock("apply", {}, 0):
        stored = backend.read()
        assert stored.state
        known = replay(stored.state, [*stored.entries, adopted("b"), adopted("c")])
        backend.append([adopted("b")])
        store.silent = True
        with pytest.raises(StateError, match="no answer"):
            backend.append([adopted("c")])
        with pytest.raises(StateError, match="could not be stored"):
            backend.commit(known.to_commit())
    store.land()
    assert resources(places.backend()) == ["a", "b", "c"]
    if another:
        elsewhere = places.backend()
        with elsewhere.lock("apply", {}, LONG):
            elsewhere.append([adopted("d")])
    engine = SharedWorld().engine()
    engine.backend, engine.api = places.backend(errored=path), ""
    document = json.loads(path.read_text())
    if another:
        with pytest.raises(Refused, match="somebody was at work since"):
            push(engine, document, force=False, lock_timeout=LONG)
    else:
        assert push(engine, document, force=False, lock_timeout=LONG).unseen == 0
        assert resources(places.backend()) == ["a", "b", "c"]


class Refusing(Machine):
    """A store that does not take what has one of these words in it."""

    def __init__(self, world: SharedWorld, *words: bytes) -> None:
        super().__init__(world.cloud, Fuse())
        self._words = words

    def create(self, key: str, data: bytes) -> bool:
        if any(word in data for word in self._words):
            raise StateError("it cannot be written", next="Mend the store.")
        return super().create(key, data)


def test_the_last_entry_of_the_journal_is_in_the_commit_as_well(tmp_path: Path) -> None:
    world, path = SharedWorld(), tmp_path / "errored.state.json"
    world.apply(wishes(A))
    engine = world.engine()
    engine.backend = world.machine(Refusing(world, b'"complete"', b'"kind":"state"'), errored=path)
    with pytest.raises(StateError, match="could not be stored"):
        apply(engine, wishes(A, B))
    assert engine.unsaved
    assert [outcome.result for outcome in engine.unsaved.outcomes] == ["applied"]
    assert json.loads(path.read_text())["resources"].keys() == {"Endpoint/a", "Endpoint/b"}


def test_what_was_sent_and_not_recorded_is_told_so() -> None:
    world = SharedWorld()
    world.apply(wishes(A))
    engine = world.engine()
    engine.backend = world.machine(Refusing(world, b'"type":"done"'))
    (outcome,) = apply(engine, wishes(A, B)).outcomes
    assert outcome.error
    assert str(outcome.error).startswith("create Endpoint/b was sent, and this could not be")
    assert "the next apply finds out what came of it" in outcome.error.safe
    assert outcome.error.next == "Mend the store."
    world.apply(wishes(A, B))
    assert len(world.emulator.endpoints()) == 2


def apply(engine: Engine, wanted: Any) -> Report:
    options = ApplyOptions(parallelism=1, allow_destroy=frozenset({"*"}))
    return engine.apply(lambda plan: plan(wanted, Selection()), options, lambda plan: True)


def test_a_move_that_was_killed_half_way_can_be_undone(tmp_path: Path) -> None:
    class BeforeTheEnd(Fuse):
        def __call__(self, what: str, *, effect: bool = True) -> None:
            if what.startswith("remove state.json.journal"):
                raise Killed

    path = tmp_path / "state.json"
    backend = LocalBackend(path)
    with backend.lock("apply", {}, 0):
        backend.commit(State(lineage="L"))
        backend.append([adopted("a")])
    with pytest.raises(Killed):
        LocalBackend(path, files=KilledFiles(BeforeTheEnd())).mark_moved("s3://there/p")
    back = LocalBackend(path, revive=True)
    with back.lock("state migrate", {}, 0):
        assert back.read().state is None
        assert back.commit(State(lineage="L", serial=5)).serial == 6
    assert LocalBackend(path).read().entries == ()


def test_a_plan_is_not_applied_where_no_state_is(project: Project, emulator: Emulator) -> None:
    """As where a job forgets to say which state is meant."""
    project.write(endpoint("a"))
    assert project.apply().code == 0
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    assert project.run("plan", "--out", "p.plan").code == 0
    emulator.clear_requests()
    done = project.run("apply", "p.plan", "--state", "elsewhere.json")
    assert (done.code, writes(emulator)) == (6, []), done
    assert "there is no state here, and it was made from one" in done.err
    assert names(emulator) == ["a"]


@pytest.mark.parametrize("said", ["0", "0.5", "2h", "99999999999d", "abc", "-1"])
def test_a_lease_has_bounds(said: str, project: Project) -> None:
    project.write(endpoint())
    for name in ("FRIENDLI_IAC_LEASE", "FRIENDLI_IAC_QUIET"):
        if name.endswith("QUIET") and said in ("0", "0.5"):
            continue  # who wants no wait has none
        done = project.run("plan", env={name: said})
        assert done.code == 64, done
        assert name in done.err


@pytest.mark.parametrize("where", ["/", "file:", "."])
def test_a_folder_is_no_place_for_a_state(where: str, project: Project) -> None:
    project.write(endpoint())
    done = project.run("plan", "--state", where)
    assert done.code == 64, done
    assert "that is a folder" in done.err


@pytest.mark.parametrize(
    "sibling",
    ["postgres://u:HUNTER2@h.example/db", "redis://u:HUNTER2@h/0", "s3://AKIA:HUNTER2@b/p"],
)
def test_the_address_of_a_sibling_is_shown_without_its_password(
    sibling: str, project: Project
) -> None:
    project.write(endpoint())
    project.write(f'siblings: ["{sibling}"]\nmanifests: [main.yaml]\n', "friendli-iac.yaml")
    done = project.run("plan", "--out", "p.plan")
    assert done.code == 0, done
    assert "note: the sibling state " in done.err
    shown = done.out + done.err + (project.root / "p.plan").read_text()
    assert "HUNTER2" not in shown


def test_what_git_must_not_have_is_ignored_from_the_start(project: Project) -> None:
    project.write("*.log", ".gitignore")
    assert project.run("init").code == 0
    assert (project.root / ".gitignore").read_text() == "*.log\nerrored.state.json*\n"


def test_who_could_not_take_the_lock_does_not_end_that_of_another(places: Places) -> None:
    """Another one is faster, and its own opening is never answered, nor written."""

    class Overtaken(Machine):
        rival: Any = None

        def create(self, key: str, data: bytes) -> bool:
            if b'"kind":"open"' in data and self.rival is None:
                self.rival = places.backend().lock("apply", {"GITHUB_ACTOR": "rival"}, 0)
                self.rival.__enter__()
                raise StateError("no answer")
            return super().create(key, data)

        def get(self, key: str) -> Any:
            if self.rival and key == "log/000000000004":
                self.rival, rival = False, self.rival
                self.kept = rival
                raise StateError("no answer")
            return super().get(key)

    places.begun()
    store = Overtaken(places.cloud, Fuse())
    with pytest.raises(StateError, match="no answer"):
        places.backend(store).lock("apply", {}, 0).__enter__()
    held = places.backend().held()
    assert held is not None
    assert held.holder.who == "rival"
    store.kept.__exit__(None, None, None)


def test_a_state_that_was_moved_with_its_journal_can_come_back(places: Places) -> None:
    backend = places.begun("a")
    with backend.lock("state migrate", {}, 0):
        backend.mark_moved("postgres://there")
    with pytest.raises(StateError, match="was moved to postgres://there"):
        places.backend().read()
    back = places.backend(revive=True)
    with back.lock("state migrate", {}, 0):
        assert back.read().state is None
        assert back.read().entries == ()
        back.commit(State(lineage="L", serial=7))
    stored = places.backend().read()
    assert stored.state is not None
    assert (stored.state.serial, stored.entries) == (8, ())
