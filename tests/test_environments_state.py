"""The state of an environment is its own: nothing takes that of another for it."""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .environments import SETTINGS, lay_out
from .harness import Project, endpoint, writes


@pytest.fixture
def two(project: Project) -> Project:
    lay_out(project)
    return project


def refused(project: Project, *arguments: str, code: int = 1) -> str:
    done = project.run(*(arguments or ("validate",)))
    assert done.code == code, done
    return done.err


def test_the_state_of_another_environment_is_refused(two: Project, emulator: Emulator) -> None:
    assert two.apply("--env", "staging").code == 0
    emulator.clear_requests()
    for where in (("--env", "prod"), ("--env", "prod", "--emulator")):
        folder = two.root / ".friendli-iac" / ("emulator" if "--emulator" in where else "")
        if "--emulator" in where:
            assert two.apply("--env", "staging", "--emulator").code == 0
        (folder / "prod").mkdir(exist_ok=True)
        (folder / "prod/state.json").write_text((folder / "staging/state.json").read_text())
        said = refused(two, "apply", "--yes", *where, code=5)
        assert "belongs to the environment staging, and this run uses prod" in said
    wrong = ("--state", ".friendli-iac/staging/state.json")
    refused(two, "apply", "--yes", "--env", "prod", *wrong, code=5)
    assert writes(emulator) == []


@pytest.mark.parametrize(
    ("state", "staging", "prod", "line"),
    [
        ("state: s3://b/one", "{}", "{}", 2),
        ("", "{state: ./a.json}", "{state: file:b/../a.json}", 5),
        ("state: x/${environment}", "{}", "{state: x/staging}", 5),
        ("", "{}", "{state: .friendli-iac/Staging/state.json}", 5),
        ("", "{state: s3://b/p?region=a}", "{state: s3://b/p/?region=b}", 5),
        ("", "{state: 'postgres://u@h/d?state=x'}", "{state: 'postgresql://h/d?state=x'}", 5),
    ],
)
def test_two_environments_never_share_a_state(
    project: Project, state: str, staging: str, prod: str, line: int
) -> None:
    block = f"manifests: [.]\n{state or '# none'}\nenvironments:\n  staging: {staging}\n"
    project.write(f"{block}  prod: {prod}\n", "friendli-iac.yaml")
    said = refused(project)
    assert "the environments staging and prod would share a state" in said
    assert f"friendli-iac.yaml:{line}:" in said


def test_addresses_that_differ_are_two_states(project: Project) -> None:
    project.write(endpoint())
    for state in ("s3://b/${environment}", "postgres://h/d?state=${environment}"):
        text = f"state: {state}\nenvironments: {{a: {{}}, b: {{}}}}\n"
        project.write(text, "friendli-iac.yaml")
        assert project.run("validate").code == 0


def test_a_state_that_was_there_before_becomes_that_of_an_environment(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    assert project.apply().code == 0
    project.write("environments: {staging: {}, prod: {}}\n", "friendli-iac.yaml")
    old, new = ".friendli-iac/state.json", ".friendli-iac/prod/state.json"
    assert project.run("state", "claim", "--yes", "--env", "prod", "--state", old).code == 0
    moved = project.run("state", "migrate", "--env", "prod", old, new)
    assert moved.code == 0, moved
    assert "friendli-iac.yaml says so already" in moved.err
    assert project.run("plan", "--detailed-exitcode", "--env", "prod").code == 0
    elsewhere = project.run("state", "migrate", "--env", "prod", new, "other.json")
    assert "below environments.prod" in elsewhere.err
    assert elsewhere.out == "state: other.json\n"


def test_what_another_environment_has_is_no_stranger(two: Project) -> None:
    settings = SETTINGS.replace("p-staging", "p-one").replace("p-prod", "p-one")
    states = "siblings: [.friendli-iac/staging/state.json, '.friendli-iac/prod/state.json']\n"
    two.write(settings + states, "friendli-iac.yaml")
    overlay = (two.root / "overlays/staging/chat.yaml").read_text()
    two.write(overlay.replace("{auto", "{name: chat-staging, auto"), "overlays/staging/chat.yaml")
    for name in ("staging", "prod"):
        assert two.apply("--env", name).code == 0
    for name in ("staging", "prod"):
        planned = two.run("plan", "--detailed-exitcode", "--env", name)
        assert planned.code == 0, planned
        assert "not ours" not in planned.out
        drifted = two.run("drift", "--unmanaged", "--env", name)
        assert drifted.code == 0, drifted


def test_a_state_that_could_not_be_stored_is_that_of_one_environment(two: Project) -> None:
    assert two.apply("--env", "prod").code == 0
    for name, left in (("staging", True), ("prod", False)):
        file = f"errored.state.json.{name}"
        assert two.run("state", "pull", "--env", "prod", "--out", file).code == 0
        pushed = two.run("state", "push", "--env", "prod", file)
        assert pushed.code == 0, pushed
        assert (two.root / file).exists() == left
