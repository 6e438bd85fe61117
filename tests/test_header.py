"""The header of the state: whose it is. Another project's run would end what is in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project, endpoint, writes


def cloned(
    folder: Path, emulator: Emulator, origin: str = "git@example.com:acme/models.git"
) -> Project:
    """A project in a folder of a checkout."""
    folder.mkdir(parents=True)
    for arguments in (("init", "-q"), ("remote", "add", "origin", origin)):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    project = Project(folder / "deploy" / "chat", emulator.url)
    (project.root / ".git").rmdir()
    project.write(endpoint())
    project.write("manifests: [main.yaml]\n", "friendli-iac.yaml")
    return project


def test_every_checkout_of_a_repository_is_the_same_project(
    tmp_path: Path, emulator: Emulator
) -> None:
    state = str(tmp_path / "state.json")
    here = cloned(tmp_path / "here", emulator)
    assert here.apply("--state", state).code == 0
    assert '"project": "acme/models/deploy/chat"' in Path(state).read_text()
    runner = cloned(tmp_path / "runner", emulator, "https://ci@example.com/acme/models")
    assert runner.run("plan", "--detailed-exitcode", "--state", state).code == 0


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("destroy", "--yes")])
def test_the_state_of_another_project_is_refused(
    command: tuple[str, ...], tmp_path: Path, emulator: Emulator
) -> None:
    state = str(tmp_path / "state.json")
    assert cloned(tmp_path / "here", emulator).apply("--state", state).code == 0
    emulator.clear_requests()
    other = cloned(tmp_path / "other", emulator, "https://example.com/search/models.git")
    refused = other.run(*command, "--state", state)
    assert refused.code == 5, refused
    assert "the project acme/models/deploy/chat, and this run uses search/models/deploy/chat" in (
        refused.err
    )
    assert "friendli-iac state claim" in refused.err
    assert writes(emulator) == []


def test_a_name_says_who_it_is_wherever_it_is(tmp_path: Path, emulator: Emulator) -> None:
    state = str(tmp_path / "state.json")
    for folder in ("a", "b"):
        project = cloned(tmp_path / folder, emulator, f"https://example.com/acme/{folder}.git")
        project.write("name: chat\nmanifests: [main.yaml]\n", "friendli-iac.yaml")
        done = project.apply("--state", state)
        assert done.code == 0, done
    assert len(writes(emulator)) == 1, "the second found everything as it should be"


def test_each_environment_has_its_own(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    project.write(
        "state: states/${environment}.json\nmanifests: [main.yaml]\n", "friendli-iac.yaml"
    )
    unsaid = project.run("plan")
    assert (unsaid.code, writes(emulator)) == (64, [])
    assert "--env NAME, or FRIENDLI_IAC_ENV" in unsaid.err
    assert project.apply("--env", "dev").code == 0
    assert '"environment": "dev"' in (project.root / "states/dev.json").read_text()
    assert project.run("plan", "--detailed-exitcode", env={"FRIENDLI_IAC_ENV": "dev"}).code == 0
    emulator.clear_requests()
    mixed = project.apply("--env", "prod", "--state", "states/dev.json")
    assert (mixed.code, writes(emulator)) == (5, []), mixed
    assert "belongs to the environment dev, and this run uses prod" in mixed.err


def test_a_state_that_has_no_name_learns_it_also_where_nothing_changes(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    assert project.apply().code == 0
    project.write("name: chat\nmanifests: [main.yaml]\n", "friendli-iac.yaml")
    assert "No changes" in project.apply("--env", "prod").out
    assert (project.state["project"], project.state["environment"]) == ("chat", "prod")
    unsaid = project.run("plan")
    assert unsaid.code == 5
    assert "this run names none" in unsaid.err
    assert "--env prod" in unsaid.err


@pytest.mark.parametrize("name", ["../up", "a/b", "a&schema=x", "a b", "-x", "ä"])
def test_an_environment_is_a_name(name: str, project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    project.write("state: states/${environment}.json\n", "friendli-iac.yaml")
    refused = project.apply("--env", name)
    assert (refused.code, emulator.endpoints()) == (64, []), refused
    assert project.run("plan", env={"FRIENDLI_IAC_ENV": name}).code == 64


def test_the_emulator_inside_has_one_state_for_all_environments(project: Project) -> None:
    project.write(endpoint())
    for name in ("dev", "prod"):
        assert project.run("apply", "--yes", "--emulator", "--env", name).code == 0


def test_the_state_of_another_project_is_not_moved_to_ours(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    project.write("name: search\nmanifests: [main.yaml]\n", "friendli-iac.yaml")
    assert project.apply("--state", "theirs.json").code == 0
    project.write("name: chat\nmanifests: [main.yaml]\n", "friendli-iac.yaml")
    moved = project.run("state", "migrate", "theirs.json", "ours.json")
    assert moved.code == 5, moved
    assert "belongs to the project search, and this run uses chat" in moved.err
    assert not (project.root / "ours.json").exists()


def test_without_a_repository_nothing_is_guessed(project: Project) -> None:
    project.write(endpoint())
    assert project.apply().code == 0
    assert (project.state["project"], project.state["environment"]) == ("", "")


def test_what_is_told_about_an_environment_works_when_typed(project: Project) -> None:
    project.write(endpoint())
    assert project.apply("--env", "prod").code == 0
    refused = project.run("plan", "--env", "staging")
    assert refused.code == 5
    assert "Say --env prod" in refused.err
    assert "friendli-iac state claim --env staging" in refused.err
    assert project.run("state", "claim", "--env", "staging", "--yes").code == 0
    assert project.run("plan", "--env", "staging", "--detailed-exitcode").code == 0


def test_a_forced_push_keeps_whose_the_state_is(project: Project) -> None:
    project.write(endpoint())
    assert project.apply().code == 0
    project.write(project.run("state", "pull").out, "old.json")
    assert project.apply("--env", "prod").code == 0
    pushed = project.run("state", "push", "old.json", "--force", "--env", "prod")
    assert pushed.code == 0, pushed
    assert project.state["environment"] == "prod"


def test_init_leaves_a_gitignore_as_it_is_but_for_one_line(project: Project) -> None:
    path = project.root / ".gitignore"
    path.write_bytes(b"caf\xe9\r\n*.log\r\n")
    assert project.run("init").code == 0
    assert path.read_bytes() == b"caf\xe9\r\n*.log\r\nerrored.state.json*\n"
