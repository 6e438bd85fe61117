"""Anything, in any order: changes of the manifest, kills, faults, roll-outs that fail, rollbacks,
and other people at work in the web page. Whatever has happened, an apply without faults ends in
what the manifest says, and what state tells of every version is true.

`FRIENDLI_IAC_STATEFUL=2000` tries that many histories, and not always the same ones.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from friendli_iac.core.strangers import our_ids
from friendli_iac.engine import Selection
from friendli_iac.engine.drift import Question, accept_drift
from friendli_iac.engine.ownership import forget
from friendli_iac.errors import FriendliIacError, SettleError

from .crash.truth import OURS, WRITE_ONLY, check_history, differences, dropped_unseen
from .crash.world import Fuse, Wishes, World, wish, wishes
from .harness import TOKEN
from .strategies import faults, life_paths, rollout_outcomes, web_changes

NAMES = ("a", "b", "c")
EXAMPLES = int(os.environ.get("FRIENDLI_IAC_STATEFUL", "0"))
TIMEOUT = 300.0  # seconds, on the emulator's clock


class Lives(RuleBasedStateMachine):
    """Three endpoints through everything that may happen to them."""

    world: World
    folder: tempfile.TemporaryDirectory[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name) / "state")
        self.manifest: dict[str, dict[str, Any]] = {}
        self.told: list[str] = []  # for the note of a failure

    # --- the manifest ---

    @initialize(names=st.sets(st.sampled_from(NAMES), min_size=1))
    def write_the_manifest(self, names: set[str]) -> None:
        for name in sorted(names):
            self.manifest[name] = {}
        self.apply()

    @rule(name=st.sampled_from(NAMES), paths=life_paths)
    def change_the_manifest(self, name: str, paths: dict[str, Any]) -> None:
        self.manifest.setdefault(name, {}).update(paths)

    @rule(name=st.sampled_from(NAMES), needed=st.sampled_from(NAMES))
    def need_another(self, name: str, needed: str) -> None:
        if name in self.manifest and needed < name:
            self.manifest[name]["needs"] = (needed,)

    @rule(name=st.sampled_from(NAMES))
    def remove_from_the_manifest(self, name: str) -> None:
        if len(self.manifest) > 1:  # no document at all is an error, not a wish
            self.manifest.pop(name, None)

    @property
    def wanted(self) -> Wishes:
        written = []
        for name, paths in self.manifest.items():
            needs = [other for other in paths.get("needs", ()) if other in self.manifest]
            own = {**paths, "needs": needs}
            scaling = own.get("autoscaling", {})
            if own.get("desired") == "running" and scaling.get("minReplicas") == 0:
                del own["autoscaling"]  # the autoscaler would put it to sleep again and again
            written.append(wish(name, **own))
        return wishes(*written)

    # --- runs ---

    @rule()
    def apply(self) -> None:
        self.run(lambda fuse: self.world.apply(self.wanted, fuse, timeout=TIMEOUT))

    @rule(at=st.integers(1, 120))
    def apply_and_be_killed(self, at: int) -> None:
        self.run(lambda fuse: self.world.apply(self.wanted, fuse, timeout=TIMEOUT), Fuse(at))

    @rule(at=st.integers(1, 25))
    def apply_and_be_killed_between_effects(self, at: int) -> None:
        fuse = Fuse(at, effects=True)
        self.run(lambda fuse: self.world.apply(self.wanted, fuse, timeout=TIMEOUT), fuse)

    @rule(fault=faults)
    def apply_with_a_fault(self, fault: dict[str, Any]) -> None:
        self.world.emulator.fault(**fault)
        self.apply()
        self.world.emulator.clear_faults()

    @rule()
    def apply_without_waiting(self) -> None:
        self.run(lambda fuse: self.world.apply(self.wanted, fuse, no_wait=True))

    @rule()
    def try_what_failed_again(self) -> None:
        again = Selection(retry_failed=True)
        self.run(lambda fuse: self.world.apply(self.wanted, fuse, timeout=TIMEOUT, selection=again))

    @rule(name=st.sampled_from(NAMES), version=st.none() | st.integers(0, 3), at=st.integers(1, 80))
    def roll_back(self, name: str, version: int | None, at: int) -> None:
        said = next((w for w in self.wanted.values() if w.address.name == name), None)
        fuse = Fuse(at) if at < 40 else None  # every other one is killed
        self.run(lambda fuse: self.world.rollback(name, version, said, fuse), fuse)

    @rule()
    def accept_what_others_did(self) -> None:
        self.run(lambda fuse: accept_drift(self.world.engine(fuse), Question(), lambda _: True))

    def run(self, step: Any, fuse: Fuse | None = None) -> None:
        """Errors are told; anything else than an error of ours is a defect."""

        def guarded(fuse: Fuse) -> None:
            try:
                step(fuse)
            except FriendliIacError as error:
                self.told.append(str(error))

        self.world.survives(guarded, fuse or Fuse())

    # --- what others do ---

    @precondition(lambda self: self.world.emulator.endpoints())
    @rule(data=st.data(), outcomes=rollout_outcomes)
    def decide_how_the_next_rollouts_end(self, data: st.DataObject, outcomes: list[str]) -> None:
        self.world.emulator.fail_next_rollout(
            data.draw(st.sampled_from(["*", *self.ids])), *outcomes
        )

    @precondition(lambda self: self.world.emulator.endpoints())
    @rule(data=st.data(), text=st.sampled_from([None, "Nay"]))
    def let_the_next_version_answer(self, data: st.DataObject, text: str | None) -> None:
        id = data.draw(st.sampled_from(self.ids))
        self.world.emulator.serves_badly(id, "next", text=text)

    @precondition(lambda self: self.world.emulator.endpoints())
    @rule(data=st.data(), settings=web_changes)
    def somebody_changes(self, data: st.DataObject, settings: dict[str, Any]) -> None:
        id = data.draw(st.sampled_from(self.ids))
        self.world.emulator.advance(1)  # nobody does it at the very instant of an update of ours
        if self.world.emulator.endpoint(id)["status"] in ("RUNNING", "SLEEPING", "FAILED"):
            self.world.emulator.change(id, **settings)

    @precondition(lambda self: self.world.emulator.endpoints())
    @rule(data=st.data(), status=st.sampled_from(["SLEEPING", "TERMINATED", "FAILED", "RUNNING"]))
    def it_comes_to_be(self, data: st.DataObject, status: str) -> None:
        self.world.emulator.set_status(data.draw(st.sampled_from(self.ids)), status)

    @precondition(lambda self: len(self.world.emulator.endpoints()) > 1)
    @rule(data=st.data())
    def somebody_deletes(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(self.ids))
        store = self.world.emulator.service.store
        endpoint = store.get(id)
        assert endpoint is not None
        store.remove(endpoint)

    @rule(seconds=st.sampled_from([1, 30, 600, 50 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.world.emulator.advance(seconds)

    @property
    def ids(self) -> list[str]:
        return [endpoint["id"] for endpoint in self.world.emulator.endpoints()]

    # --- what must hold ---

    @invariant()
    def no_secret_is_written_and_nothing_bills_unknown(self) -> None:
        for path in self.world.folder.glob("*"):
            assert TOKEN not in path.read_text(errors="replace")
        known, _ = self.world.engine().known()
        doubted = {(one.project, one.name) for one in known.state.lost}
        doubted |= {(one.project, one.name) for one in known.open.values()}
        ours = our_ids(known.state)
        for endpoint in self.world.emulator.endpoints():
            first = endpoint["versions"][0]
            if OURS.search(first["comment"] or "") and endpoint["id"] not in ours:
                assert (endpoint["project"], first["settings"]["name"]) in doubted, endpoint["id"]

    # --- the end ---

    def teardown(self) -> None:
        try:
            if self.manifest:
                self.converge()
        finally:
            self.folder.cleanup()

    def converge(self) -> None:
        """The faults end, and an apply (or one more) makes everything as the manifest says."""
        emulator, store = self.world.emulator, self.world.emulator.service.store
        emulator.clear_faults()
        emulator.fail_next_rollout("*")
        emulator.advance(TIMEOUT)
        for id in self.ids:
            endpoint = store.get(id)
            assert endpoint is not None
            endpoint.next_rollouts, endpoint.conduct = [], {}
            if endpoint.status not in ("RUNNING", "SLEEPING", "FAILED", "TERMINATED"):
                emulator.set_status(id, "RUNNING")  # what never ended is ended by hand
        self.forget_what_is_gone()
        again = Selection(retry_failed=True)
        try:
            self.world.apply(self.wanted, selection=again)
        except SettleError as error:  # somebody deleted what nobody had seen yet
            if error.candidates:
                raise
            forget(self.world.engine(), [error.address])
            self.world.apply(self.wanted, selection=again)
        after = self.world.plan(self.wanted)
        if after.pending_changes or any(change.held for change in after.changes):
            self.world.apply(self.wanted, selection=again)
        emulator.advance(10)
        self.check_the_end()

    def forget_what_is_gone(self) -> None:
        """As the refusal says that comes where all of a project is gone at once."""
        known, _ = self.world.engine().known()
        for project in ("p1", "p2"):
            ours = {a: r for a, r in known.state.resources.items() if r.project == project}
            if ours and not any(one.id in self.ids for one in ours.values()):
                forget(self.world.engine(), list(ours))

    def check_the_end(self) -> None:
        plan = self.world.plan(self.wanted)
        assert plan.pending_changes == (), plan.pending_changes
        assert not any(change.held for change in plan.changes)
        live = {endpoint["id"]: endpoint for endpoint in self.world.emulator.endpoints()}
        state = self.world.stored()
        twins = [id for id in live if any(id in note for note in plan.notes)]
        ours = [
            id
            for id, endpoint in live.items()
            if OURS.search(endpoint["versions"][0]["comment"] or "") and id not in twins
        ]
        known = our_ids(state)
        assert set(ours) <= known, "this bills, and state does not know it"
        assert state.resources.keys() <= {str(address) for address in self.wanted}
        for address, one in self.wanted.items():
            resource = state.resources.get(str(address))
            if resource is None or resource.id not in live:
                assert one.spec.get("desired") == "terminated", f"{address} is not there"
                continue
            assert resource.deposed is None, f"{resource.deposed} is left over"
            endpoint = live[resource.id]
            check_history(asdict(resource), endpoint)
            match one.spec.get("desired"):
                case "terminated":
                    assert endpoint["status"] == "TERMINATED"
                    continue  # its settings are sent when it runs again
                case "sleeping":
                    assert endpoint["status"] == "SLEEPING"
                case "running":
                    assert endpoint["status"] == "RUNNING"
                case _:
                    assert endpoint["status"] in ("RUNNING", "SLEEPING")
            assert endpoint["project"] == one.spec["project"]
            settings = endpoint["versions"][endpoint["serving"]]["settings"]
            wrong = differences(one.spec, settings)
            if dropped_unseen(asdict(resource), endpoint):
                wrong = {key: both for key, both in wrong.items() if key not in WRITE_ONLY}
            assert not wrong, f"{address}: said, and in force: {wrong}"


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=EXAMPLES or 120,
    stateful_step_count=25,
    derandomize=not EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
