"""`kill -9` of the real process, whose state is on a real server; another machine goes on.

It has a folder of its own with the manifests and nothing else, and waits until the lock of the
dead one has run out. Then there is exactly one endpoint for each address, and the plan is empty.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator
from tests.harness import Project, endpoint
from tests.stores.postgres_server import running_postgres
from tests.stores.seaweed import BUCKET, running_seaweed

START = endpoint("a", batch=64)
GOAL = endpoint("a", batch=128) + "---\n" + endpoint("b")
APPLY = ("apply", "--yes", "--settle-grace", "2s", "--lock-timeout", "30s")
# When it is killed: at the first request of a method, before it has its effect or after it.
KILLS = [("PUT", "after"), ("POST", "before"), ("POST", "after")]

Server = tuple[str, Mapping[str, str]]  # an address that takes a name, and what lets somebody in


@pytest.fixture(scope="module", params=["seaweed", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "postgres":
        with running_postgres() as postgres:
            yield postgres.url(state="{name}"), {}
    else:
        with running_seaweed() as seaweed:
            yield seaweed.address(f"{BUCKET}/{{name}}"), seaweed.environment


def machine(root: Path, server: Server, emulator: Emulator, text: str, name: str) -> Project:
    """A clean folder with a manifest."""
    where, environment = server
    said = {"FRIENDLI_IAC_STATE": where.replace("{name}", name).replace("%7Bname%7D", name)}
    project = Project(root, emulator.url, {**environment, **said, "FRIENDLI_IAC_LEASE": "2s"})
    project.write(text)
    return project


@pytest.mark.parametrize(("method", "when"), KILLS)
def test_another_machine_goes_on_where_one_was_killed(
    tmp_path: Path, emulator: Emulator, server: Server, method: str, when: str
) -> None:
    name = f"{method}-{when}".lower()
    first = machine(tmp_path / "first", server, emulator, START, name)
    done = first.run(*APPLY)
    assert done.code == 0, done
    first.write(GOAL)
    emulator.hold(method, "", when, nth=1)  # type: ignore[arg-type]
    process = first.spawn(*APPLY, "--parallelism", "1")
    emulator.wait_held(timeout=30)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.communicate()
    emulator.clear_faults()
    emulator.release()  # a request that was under way arrives
    second = machine(tmp_path / "second", server, emulator, GOAL, name)
    refused = second.run(*APPLY, "--lock-timeout", "0s")
    assert refused.code == 7, refused
    done = second.run(*APPLY)
    assert done.code == 0, done
    live = {e["versions"][-1]["settings"]["name"]: e for e in emulator.endpoints()}
    assert sorted(live) == ["a", "b"]
    assert len(emulator.endpoints()) == 2
    assert [len(live[n]["versions"]) for n in ("a", "b")] == [2, 1]
    third = machine(tmp_path / "third", server, emulator, GOAL, name)
    planned = third.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned
    assert not (second.root / ".friendli-iac" / "state.json").exists()
