"""Every crash point of roll-outs that fail, of rollbacks, and of what an endpoint's life asks for.

However a run is killed: the same manifest, applied again, leads to what one undisturbed run makes
of it, by the same accepted requests. What failed is thus never sent a second time, and what was
bought is either wanted or ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from friendli_iac.engine import Report
from friendli_iac.manifest.model import Declared

from .truth import check_history
from .world import Fuse, Wishes, World, code_of, some, wish, wishes

MEMORY = "INFERENCE_ENGINE_MEMORY_ERROR"
DOWNLOAD = "WORKLOAD_INIT_DOWNLOAD_ERROR"
ROLLED_BACK, HELD, ATTENTION = 10, 5, 4
PROBE = {"chat": {"messages": [{"role": "user", "content": "OK?"}], "expect": {"contains": "OK"}}}


def next_rollouts(*outcomes: str) -> Callable[[World], None]:
    """How those of the only endpoint end."""

    def decide(world: World) -> None:
        (endpoint,) = world.emulator.endpoints()
        world.emulator.fail_next_rollout(endpoint["id"], *outcomes)

    return decide


def first_rollouts(*outcomes: str) -> Callable[[World], None]:
    """How those of what does not exist yet end."""
    return lambda world: world.emulator.fail_next_rollout("*", *outcomes)


def serve_badly(world: World) -> None:
    (endpoint,) = world.emulator.endpoints()
    world.emulator.serves_badly(endpoint["id"], "next", text="Nay")


def status(word: str) -> Callable[[World], None]:
    """What became of the only endpoint."""

    def become(world: World) -> None:
        (endpoint,) = world.emulator.endpoints()
        world.emulator.set_status(endpoint["id"], word)

    return become


@dataclass(frozen=True)
class Scenario:
    """What is there before, what happens to it, and what is wanted; the exit code of a run that
    nothing disturbs and of the next one; the requests that are accepted; and what is there in the
    end: name, project, status, model and batch size of each endpoint.
    """

    name: str
    before: tuple[Wishes, ...]
    wanted: Wishes
    effects: tuple[str, ...]
    there: tuple[tuple[str, str, str, str, int], ...]
    code: int = 0
    again: int = 0
    decide: Callable[[World], object] = lambda world: None
    perhaps: str = ""  # a request that may be accepted beside the others, once
    to: int | None = None  # the version that is rolled back to, where that is what is done

    def prepare(self, world: World) -> None:
        world.reset()
        for before in self.before:
            assert code_of(world.apply(before)) == 0
        self.decide(world)
        world.emulator.clear_requests()
        world.past = []

    def run(self, world: World, fuse: Fuse | None = None) -> Report:
        if self.to is None:
            return world.apply(self.wanted, fuse)
        (said,) = self.wanted.values()
        assert isinstance(said, Declared)
        return world.rollback("a", self.to, said, fuse)


A, B = wish("a"), wish("b")
BIGGER = wish("a", engine__maxBatchSize=128)
OTHER_MODEL = wish("a", model__huggingFace={"repo": "acme/other"})  # cannot be read back
PROBED = wish("a", rollout__probe=PROBE)
OTHER_PROBED = wish("a", model__huggingFace={"repo": "acme/other"}, rollout__probe=PROBE)
FIRST = {"createBeforeDestroy": True}
OLD = wish("a", lifecycle=FIRST)
MOVED = wish("a", lifecycle=FIRST, project="p2")
MOVED_TO_SLEEP = wish("a", lifecycle=FIRST, project="p2", desired="sleeping")
SLEEPING, RUNNING, ENDED = (wish("a", desired=d) for d in ("sleeping", "running", "terminated"))
AS_BEFORE = ("a", "p1", "RUNNING", "acme/model", 64)
GONE_TO_BED, ENDS = (("a", "p1", s, "acme/model", 64) for s in ("SLEEPING", "TERMINATED"))

FAILS = [
    Scenario(
        "an update takes everything down, and is rolled back",
        (wishes(A),), wishes(BIGGER), ("PUT /ID", "PUT /ID"), (AS_BEFORE,),
        ROLLED_BACK, HELD, next_rollouts(f"down:{MEMORY}"),
    ),
    Scenario(
        "so does one of what cannot be read",
        (wishes(A),), wishes(OTHER_MODEL), ("PUT /ID", "PUT /ID"), (AS_BEFORE,),
        ROLLED_BACK, HELD, next_rollouts(f"down:{MEMORY}"),
    ),
    Scenario(
        "an update is ignored",
        (wishes(A),), wishes(BIGGER), ("PUT /ID",), (AS_BEFORE,),
        ROLLED_BACK, HELD, next_rollouts(MEMORY),
    ),
    Scenario(
        "an update is ignored, and the error shown",
        (wishes(A),), wishes(BIGGER), ("PUT /ID",), (AS_BEFORE,),
        ROLLED_BACK, HELD, next_rollouts(f"shown:{MEMORY}"),
    ),
    Scenario(
        "a rollback fails, too",
        (wishes(A),), wishes(BIGGER), ("PUT /ID", "PUT /ID"),
        (("a", "p1", "FAILED", "acme/model", 64),),
        ATTENTION, HELD, next_rollouts(*[f"down:{MEMORY}"] * 3),
        perhaps="PUT /ID/restart",  # where nobody saw whether the good settings were started
    ),
    Scenario(
        "a probe fails",
        (wishes(PROBED),), wishes(OTHER_PROBED), ("PUT /ID", "PUT /ID"), (AS_BEFORE,),
        ROLLED_BACK, HELD, serve_badly,
    ),
    Scenario(
        "a create fails",
        (), wishes(A), ("POST", "PUT /ID/terminate"), (ENDS,),
        ATTENTION, HELD, first_rollouts(MEMORY),
    ),
    Scenario(
        "a create fails beside what is good",
        (wishes(B),), wishes(A, B), ("POST", "PUT /ID/terminate"),
        (("b", "p1", "RUNNING", "acme/model", 64), ENDS),
        ATTENTION, HELD, first_rollouts(MEMORY),
    ),
    Scenario(
        "a replacement fails before the old one ends",
        (wishes(OLD),), wishes(MOVED), ("POST", "PUT /ID/terminate", "DELETE /ID"), (AS_BEFORE,),
        ROLLED_BACK, HELD, first_rollouts(MEMORY),
    ),
]  # fmt: skip

GOES_WELL = [
    Scenario(
        "a replacement serves before the old one ends",
        (wishes(OLD),), wishes(MOVED), ("POST", "PUT /ID/terminate", "DELETE /ID"),
        (("a", "p2", "RUNNING", "acme/model", 64),),
    ),
    Scenario(
        "a replacement that shall sleep",
        (wishes(OLD),), wishes(MOVED_TO_SLEEP),
        ("POST", "PUT /ID/terminate", "DELETE /ID", "PUT /ID/sleep"),
        (("a", "p2", "SLEEPING", "acme/model", 64),),
    ),
    Scenario(
        "a download that passes at the second time",
        (), wishes(A), ("POST", "PUT /ID/restart"), (AS_BEFORE,),
        decide=first_rollouts(DOWNLOAD),
    ),
    Scenario(
        "put to sleep", (wishes(A),), wishes(SLEEPING), ("PUT /ID/sleep",), (GONE_TO_BED,)
    ),
    Scenario(
        "new, and put to sleep", (), wishes(SLEEPING), ("POST", "PUT /ID/sleep"), (GONE_TO_BED,)
    ),
    Scenario(
        "changed, and put to sleep",
        (wishes(A),), wishes(wish("a", desired="sleeping", engine__maxBatchSize=128)),
        ("PUT /ID", "PUT /ID/sleep"), (("a", "p1", "SLEEPING", "acme/model", 128),),
    ),
    Scenario(
        "woken up",
        (wishes(A),), wishes(RUNNING), ("PUT /ID/wake",), (AS_BEFORE,), decide=status("SLEEPING"),
    ),
    Scenario(
        "changed, and woken up",
        (wishes(A),),
        wishes(wish("a", desired="running", model__huggingFace={"repo": "acme/other"})),
        ("PUT /ID", "PUT /ID/wake"), (("a", "p1", "RUNNING", "acme/other", 64),),
        decide=status("SLEEPING"),
    ),
    Scenario("ended", (wishes(A),), wishes(ENDED), ("PUT /ID/terminate",), (ENDS,)),
    Scenario("started again", (wishes(A), wishes(ENDED)), wishes(A), ("PUT /ID/restart",),
             (AS_BEFORE,)),
]  # fmt: skip

BACK = Scenario(
    "rolled back by hand",
    (wishes(A), wishes(OTHER_MODEL)), wishes(OTHER_MODEL), ("PUT /ID",), (AS_BEFORE,),
    0, HELD, to=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("healing") / "state")


@pytest.fixture
def world(module_world: World) -> Iterator[World]:
    yield module_world
    module_world.reset()


def document(world: World) -> dict[str, Any]:
    """The resources in state, as its document has them."""
    return {address: asdict(one) for address, one in world.stored().resources.items()}


def check(world: World, scenario: Scenario, versions: list[int]) -> None:
    """That the world is as one undisturbed run makes it."""
    world.clock.sleep(10, None)  # type: ignore[arg-type]  # what is ending has ended
    live = {endpoint["id"]: endpoint for endpoint in world.emulator.endpoints()}
    found = []
    for endpoint in live.values():
        settings = endpoint["versions"][endpoint["serving"]]["settings"]
        found.append(
            (
                settings["name"],
                endpoint["project"],
                endpoint["status"],
                settings["hfModelRepo"],
                settings["advanced"]["max_batch_size"],
            )
        )
    assert sorted(found) == sorted(scenario.there)
    effects = world.effects()
    if len(effects) > len(scenario.effects) and scenario.perhaps in effects:
        effects.remove(scenario.perhaps)
    assert sorted(effects) == sorted(scenario.effects)
    assert sorted(len(endpoint["versions"]) for endpoint in live.values()) == versions
    state = world.stored()
    assert sorted(resource.id for resource in state.resources.values()) == sorted(live)
    assert not state.open
    for address, resource in document(world).items():
        assert resource["deposed"] is None, address
        assert resource["trial"] is None, address
        check_history(resource, live[resource["id"]])
    after = world.plan(scenario.wanted)
    assert after.pending_changes == (), after.pending_changes
    assert any(change.held for change in after.changes) == (scenario.again == HELD)
    assert after.refusals == ()


def go_on(world: World, scenario: Scenario) -> list[int]:
    """Applies the same manifest until it says the same as without a kill: twice at most."""
    codes = [code_of(world.apply(scenario.wanted))]
    if codes[-1] != scenario.again:
        assert codes == [scenario.code]
        codes.append(code_of(world.apply(scenario.wanted)))
    assert codes[-1] == scenario.again
    return codes


def undisturbed(world: World, scenario: Scenario, *, effects: bool) -> tuple[int, list[int]]:
    """How many crash points there are, and how many versions each endpoint has in the end."""
    scenario.prepare(world)
    fuse = Fuse(effects=effects)
    assert code_of(scenario.run(world, fuse)) == scenario.code
    versions = sorted(len(endpoint["versions"]) for endpoint in world.emulator.endpoints())
    assert code_of(world.apply(scenario.wanted)) == scenario.again
    check(world, scenario, versions)
    return len(fuse.passed), versions


@pytest.mark.parametrize("scenario", FAILS + GOES_WELL, ids=lambda s: s.name)
def test_any_crash_point(world: World, scenario: Scenario) -> None:
    points, versions = undisturbed(world, scenario, effects=False)
    scenario.prepare(world)
    start = world.snapshot()
    for at in range(1, points + 1):
        world.restore(start)
        fuse = Fuse(at)
        assert not world.survives(lambda f: scenario.run(world, f), fuse)
        try:
            go_on(world, scenario)
            check(world, scenario, versions)
        except BaseException as error:
            error.add_note(f"killed at point {at} of {points}: {fuse.passed[-1]}")
            raise


@pytest.mark.parametrize(
    ("scenario", "stride"),
    [(FAILS[0], 3), (FAILS[6], 5), (FAILS[8], 7), (GOES_WELL[0], 7)],
    ids=lambda s: getattr(s, "name", ""),
)
def test_any_pair_of_crash_points(world: World, scenario: Scenario, stride: int) -> None:
    """Only between durable effects. `stride`: every how many-th of the first ones is tried."""
    points, versions = undisturbed(world, scenario, effects=True)
    scenario.prepare(world)
    start = world.snapshot()
    for first in some(points, stride):
        world.restore(start)
        fuse = Fuse(first, effects=True)
        assert not world.survives(lambda f: scenario.run(world, f), fuse)
        killed_once = world.snapshot()
        second, survived = 0, False
        while not survived:
            second += 1
            world.restore(killed_once)
            again = Fuse(second, effects=True)
            survived = world.survives(lambda f: world.apply(scenario.wanted, f), again)
            try:
                go_on(world, scenario)
                check(world, scenario, versions)
            except BaseException as error:
                places = " and ".join(f.passed[-1] for f in (fuse, again) if f.passed)
                error.add_note(f"killed at {first} and {second}: {places}")
                raise


def test_any_crash_point_of_a_rollback_by_hand(world: World) -> None:
    """The manifest in Git still says what is taken back. Begun, a rollback wins over it."""
    points, versions = undisturbed(world, BACK, effects=False)
    BACK.prepare(world)
    start = world.snapshot()
    begun = 0
    for at in range(1, points + 1):
        world.restore(start)
        fuse = Fuse(at)
        assert not world.survives(lambda f: BACK.run(world, f), fuse)
        try:
            pin = world.engine().known()[0].state.resources["Endpoint/a"].pin
            if pin is None:
                assert code_of(world.apply(BACK.wanted)) == 0
                assert world.effects() == [], "nothing was decided: as the manifest says"
                assert code_of(BACK.run(world)) == 0
            begun += pin is not None
            go_on(world, BACK)
            check(world, BACK, versions)
        except BaseException as error:
            error.add_note(f"killed at point {at} of {points}: {fuse.passed[-1]}")
            raise
    assert 0 < begun < points
