"""examples/08-shared-state, as two machines use it: a laptop and a CI runner."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator
from tests.harness import FAST, PROJECT, names, writes
from tests.test_examples import EXAMPLES, SHARED

from .conftest import unused
from .machines import Machine
from .postgres_server import PASSWORD, PostgresServer

STAGING = ("--env", "staging")
Copies = Callable[..., Machine]


@pytest.fixture
def copy(tmp_path: Path, emulator: Emulator, postgres: PostgresServer) -> Copies:
    """Makes a copy of the example; the address differs from the example's in the server only."""
    prefix = unused()

    def made(name: str, state: str = f"{prefix}-${{environment}}") -> Machine:
        root = tmp_path / name / SHARED
        shutil.copytree(EXAMPLES / SHARED, root)
        where = postgres.url(password="") + f"?state={state}"
        env = {
            "FRIENDLI_IAC_STATE": where,
            "PGPASSWORD": PASSWORD,
            "FRIENDLI_PROJECT_ID": PROJECT,
        }
        machine = Machine(root, emulator.url, env=env)
        machine.printed = []
        return machine

    return made


def test_what_one_applies_the_other_knows(copy: Copies, emulator: Emulator) -> None:
    laptop, runner = copy("laptop"), copy("runner")
    done = laptop.run("apply", "--yes", *FAST, *STAGING, env={"GITHUB_ACTOR": "ada"})
    assert done.code == 0, done
    same = runner.run("plan", "--detailed-exitcode", *STAGING)
    assert same.code == 0, same
    history = runner.run("state", "history", *STAGING)
    assert history.code == 0, history
    assert "ada" in history.out
    assert runner.run("unlock", *STAGING).out.startswith("Nobody holds the lock of postgres://")
    other = runner.run("plan", "--env", "prod")
    assert other.code == 5, other
    assert "is in project p1 already, and it is not ours" in other.out
    text = (EXAMPLES / SHARED / "endpoints" / "chat.yaml").read_text()
    assert text.count("kind: Endpoint") == len(names(emulator)) == len(writes(emulator))
    for machine in (laptop, runner):
        everything = "\n".join([*map(str, machine.printed), machine.everything_written()])
        assert PASSWORD not in everything


def test_an_environment_must_be_chosen(copy: Copies) -> None:
    refused = copy("laptop").run("plan")
    assert refused.code == 64, refused
    assert "--env NAME, or FRIENDLI_IAC_ENV" in refused.err


def test_the_state_of_another_environment_is_refused(copy: Copies, emulator: Emulator) -> None:
    state = unused()  # somebody has left ${environment} out
    laptop, runner = copy("laptop", state), copy("runner", state)
    assert laptop.run("apply", "--yes", *FAST, *STAGING).code == 0
    emulator.clear_requests()
    for command in (["plan"], ["apply", "--yes", *FAST], ["destroy", "--yes"]):
        refused = runner.run(*command, "--env", "prod")
        assert refused.code == 5, refused
        assert "staging" in refused.err
        assert "prod" in refused.err
    assert writes(emulator) == []
    assert runner.run("plan", "--detailed-exitcode", *STAGING).code == 0


def test_a_state_in_a_file_goes_over(copy: Copies, emulator: Emulator, tmp_path: Path) -> None:
    laptop, runner = copy("laptop"), copy("runner")
    local = {"FRIENDLI_IAC_STATE": ".friendli-iac/state.json"}
    assert laptop.run("apply", "--yes", *FAST, *STAGING, env=local).code == 0
    target = laptop.env["FRIENDLI_IAC_STATE"].replace("${environment}", "staging")
    moved = laptop.run("state", "migrate", ".friendli-iac/state.json", target, *STAGING)
    assert moved.code == 0, moved
    assert runner.run("plan", "--detailed-exitcode", *STAGING).code == 0
    gone = laptop.run("plan", *STAGING, env=local)
    assert gone.code == 1, gone
    assert f"was moved to {target}" in gone.err
