"""A revision is locked to a commit when the model changes, and only then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.core.diff import FieldChange
from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.planfile import from_file, to_file
from friendli_iac.core.preflight import REPO, REVISION
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Applied, Pin, Resource, State
from friendli_iac.engine.preflight import Preflight
from friendli_iac.errors import UsageError
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import get_path
from tests.fakehub import FakeHub, model, sha
from tests.harness import endpoint
from tests.manifest_files import load, write

CHAT = "Endpoint/chat"
OLD, BAD = sha("old"), sha("bad")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add("acme/model")
        yield hub


@pytest.fixture
def env(tmp_path: Path, hub: FakeHub) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def wishes(tmp_path: Path) -> Any:
    def read(revision: str = "", repo: str = "acme/model") -> dict[Address, Wish]:
        more = f", revision: {revision!r}" if revision else ""
        write(tmp_path, chat=endpoint(repo=f"{repo}{more}"))
        return dict(load(tmp_path).resources)

    return read


def state(revision: str | None = None, asked: str | None = None, **more: Any) -> State:
    """A state whose endpoint serves acme/model at `revision`, for which `asked` was written."""
    model = {"repo": "acme/model", **({"revision": revision} if revision else {})}
    said = {} if asked is None else {REVISION: asked}
    applied = Applied({"project": "p1", "model": {"huggingFace": model}}, asked=said)
    return State("l", resources={CHAT: Resource("e1", "p1", "chat", applied, **more)})


def locked(
    env: Mapping[str, str], wishes: dict[Address, Wish], state: State
) -> tuple[str | None, dict[str, str]]:
    """The revision that would be sent, and what was asked for."""
    wish = Preflight.of(env).lock(wishes, state)[Address.parse(CHAT)]
    assert wish.address == Address.parse(CHAT)
    assert wish.labels == {}
    return get_path(wish.spec, REVISION), wish.asked


def test_what_is_new_is_locked(env: dict[str, str], hub: FakeHub, wishes: Any) -> None:
    commit = hub.repos["acme/model"].refs["main"]
    assert locked(env, wishes("main"), State("l")) == (commit, {REVISION: "main"})
    assert locked(env, wishes(), State("l")) == (commit, {REVISION: ""})
    assert locked(env, wishes(commit[:8]), State("l")) == (commit, {REVISION: commit[:8]})


def test_a_wish_that_is_locked_is_still_the_wish(env: dict[str, str], wishes: Any) -> None:
    written = wishes("main")
    wish = Preflight.of(env).lock(written, State("l"))[Address.parse(CHAT)]
    (plain,) = written.values()
    assert wish.source(REVISION) == plain.source(REVISION)
    assert wish.wrote(REVISION)
    assert get_path(plain.spec, REVISION) == "main"  # the written one was not touched


def test_a_full_commit_needs_no_lock(env: dict[str, str], hub: FakeHub, wishes: Any) -> None:
    assert locked(env, wishes(OLD), State("l")) == (OLD, {})
    assert hub.requests == []


@pytest.mark.parametrize("asked", ["main", ""])
def test_a_branch_that_moves_is_no_change(
    env: dict[str, str], hub: FakeHub, wishes: Any, asked: str
) -> None:
    hub.repos["acme/model"].push(model(), name="newer")
    assert locked(env, wishes(asked), state(OLD, asked)) == (OLD, {REVISION: asked})
    assert hub.requests == []


def test_left_out_later_the_commit_stays(env: dict[str, str], hub: FakeHub, wishes: Any) -> None:
    assert locked(env, wishes(), state(OLD, "main")) == (OLD, {REVISION: "main"})
    assert locked(env, wishes(), state(OLD)) == (None, {})  # written in full: nothing was locked
    assert locked(env, wishes(), state()) == (None, {})
    assert hub.requests == []


def test_a_state_without_locks_gets_none_by_itself(
    env: dict[str, str], hub: FakeHub, wishes: Any
) -> None:
    assert locked(env, wishes("main"), state("main")) == ("main", {})
    assert hub.requests == []


def test_another_text_is_locked_anew(env: dict[str, str], hub: FakeHub, wishes: Any) -> None:
    repo = hub.repos["acme/model"]
    newer = repo.push(model(), "v2")
    assert locked(env, wishes("v2"), state(OLD, "main")) == (newer, {REVISION: "v2"})
    assert locked(env, wishes(newer), state(OLD, "main")) == (newer, {REVISION: newer})
    assert locked(env, wishes(OLD), state(OLD, "main")) == (OLD, {REVISION: OLD})
    # Once left out and now said: the same commit, and what was asked is another.
    assert locked(env, wishes("main"), state(OLD, ""))[1] == {REVISION: "main"}


def test_another_repository_is_locked_anew(env: dict[str, str], hub: FakeHub, wishes: Any) -> None:
    commit = hub.add("acme/other").refs["main"]
    wanted = wishes("main", "acme/other")
    assert locked(env, wanted, state(OLD, "main")) == (commit, {REVISION: "main"})


def test_what_failed_stays_the_commit_that_failed(
    env: dict[str, str], hub: FakeHub, wishes: Any
) -> None:
    """Else a branch that moves would lift the pin that holds it off."""
    pin = Pin({REVISION: BAD}, {REVISION: OLD}, "rolled back", "", asked={REVISION: "v2"})
    assert locked(env, wishes("v2"), state(OLD, "main", pin=pin)) == (BAD, {REVISION: "v2"})
    assert locked(env, wishes("main"), state(OLD, "main", pin=pin)) == (OLD, {REVISION: "main"})
    other = Pin({REPO: "acme/x", REVISION: BAD}, {}, "rolled back", "", asked={REVISION: ""})
    wanted = wishes("", "acme/x")
    assert locked(env, wanted, state(OLD, "main", pin=other)) == (BAD, {REVISION: ""})
    text = Pin({REVISION: "v2"}, {}, "rolled back", "")
    assert locked(env, wishes("v2"), state(OLD, "main", pin=text)) == ("v2", {})
    assert hub.requests == []


def test_what_an_adoption_could_not_learn_is_not_locked(
    env: dict[str, str], hub: FakeHub, wishes: Any
) -> None:
    adopted = state(unknown=[REPO, REVISION])
    assert locked(env, wishes("main"), adopted) == ("main", {})
    assert hub.requests == []


def test_what_cannot_be_learnt_goes_through(env: dict[str, str], hub: FakeHub, wishes: Any) -> None:
    hub.down = 503
    assert locked(env, wishes("main"), State("l")) == ("main", {})
    assert locked(env, wishes(), State("l")) == (None, {})
    # What was asked for is not what was asked for earlier.
    assert locked(env, wishes("v2"), state(OLD, "main")) == ("v2", {REVISION: "v2"})


@pytest.mark.parametrize("how", ["variable", "option", "emulator"])
def test_switched_off_it_asks_nothing_and_keeps_what_was_locked(
    env: dict[str, str], hub: FakeHub, wishes: Any, how: str
) -> None:
    if how == "variable":
        env["FRIENDLI_IAC_PREFLIGHT"] = "off"
    if how == "emulator":
        del env["HF_ENDPOINT"]
    off = Preflight.of(env, wanted=how != "option", emulated=how == "emulator")
    assert off.hub is None
    kept = off.lock(wishes("main"), state(OLD, "main"))[Address.parse(CHAT)]
    assert get_path(kept.spec, REVISION) == OLD
    new = off.lock(wishes("main"), State("l"))[Address.parse(CHAT)]
    assert get_path(new.spec, REVISION) == "main"
    assert off.checked(plan(change("create"))) == plan(change("create"))
    assert hub.requests == []


def test_only_what_the_plan_is_about(env: dict[str, str], hub: FakeHub, wishes: Any) -> None:
    written = wishes("main")
    assert Preflight.of(env).lock(written, State("l"), chosen=["Endpoint/other"]) == written
    assert hub.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("FRIENDLI_IAC_PREFLIGHT", "maybe"), ("FRIENDLI_IAC_PREFLIGHT_TIMEOUT", "soon")],
)
def test_a_setting_that_makes_no_sense(env: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is '{value}'"):
        Preflight.of({**env, name: value})


# --- the checks of a plan ---


def change(action: Any, repo: str = "acme/model", **more: Any) -> Change:
    spec = {
        "model": {"huggingFace": {"repo": repo, "revision": sha("acme/model first")}},
        "instance": {"gpu": "H100", "count": 1},
    }
    return Change(CHAT, action, "", after=Applied(spec), **more)


def plan(*changes: Change) -> Plan:
    return Plan("p", "l", 1, "api", "", "1", "", changes=changes)


def test_a_plan_has_the_checks_of_its_changes(env: dict[str, str], hub: FakeHub) -> None:
    made = Preflight.of(env).checked(plan(change("create")))
    assert [check.level for check in made.changes[0].checks] == ["ok"] * 4
    assert made.refusals == ()
    assert made.digest == plan(change("create")).digest
    assert from_file(to_file(made)).changes[0].checks == made.changes[0].checks


def test_a_failure_refuses_the_plan(env: dict[str, str], hub: FakeHub) -> None:
    hub.repos["acme/model"].commits[sha("acme/model first")] = model(200)
    (refusal,) = Preflight.of(env).checked(plan(change("replace"))).refusals
    assert refusal.address == CHAT
    assert "preflight: weights 200.0 GB" in refusal.message
    assert refusal.next.endswith("--no-preflight")


def test_an_update_of_the_model_is_looked_at(env: dict[str, str], hub: FakeHub) -> None:
    moved = FieldChange(REVISION, OLD, None, BAD, "changed in manifest")
    made = Preflight.of(env).checked(plan(change("update", fields=(moved,))))
    assert made.changes[0].checks
    batch = FieldChange("engine.maxBatchSize", 1, 1, 2, "changed in manifest")
    assert not Preflight.of(env).checked(plan(change("update", fields=(batch,)))).changes[0].checks


@pytest.mark.parametrize("action", ["update", "restart", "verify", "record", "no-op"])
def test_what_leaves_the_model_alone_is_not_looked_at(
    env: dict[str, str], hub: FakeHub, action: str
) -> None:
    made = Preflight.of(env).checked(plan(change(action)))
    assert made.changes[0].checks == ()
    assert hub.requests == []
