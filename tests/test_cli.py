"""The command line as such: help, usage errors, what is imported, and the streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from friendli_iac import __version__
from friendli_iac.cli.main import cli, subcommands
from friendli_iac.emulator import Emulator

from .harness import Project, endpoint, writes

HEAVY = ("httpx", "asyncio", "deepdiff", "pydantic", "rich")


def commands(group: click.Group = cli, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command, with the words that call it."""
    found = []
    for name, command in subcommands(group).items():
        found.append((*prefix, name))
        if isinstance(command, click.Group):
            found += commands(command, (*prefix, name))
    return found


def imported_by(code: str, **env: str) -> set[str]:
    """Which heavy packages a new interpreter has loaded at the end of `code`."""
    report = (
        "import atexit, sys\n"
        f"atexit.register(lambda: sys.stderr.write('|'.join({{*{HEAVY}}} & {{*sys.modules}})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", report + code],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout, done.stderr
    return set(done.stderr.split("|")) - {""}


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("plan", "--help")])
def test_version_and_help_import_nothing_slow(words: tuple[str, ...]) -> None:
    code = f"import sys; sys.argv = ['friendli-iac', *{words!r}]\n"
    assert imported_by(code + "from friendli_iac.cli.main import main; main()") == set()


def test_completion_imports_nothing_slow() -> None:
    code = "import sys; sys.argv = ['friendli-iac']\nfrom friendli_iac.cli.main import main; main()"
    found = imported_by(
        code,
        _FRIENDLI_IAC_COMPLETE="bash_complete",
        COMP_WORDS="friendli-iac pl",
        COMP_CWORD="1",
    )
    assert found == set()


def test_the_search_for_slow_imports_finds_them() -> None:
    assert imported_by("import asyncio; print('x')") == {"asyncio"}


def test_version(project: Project) -> None:
    shown = project.run("--version")
    assert (shown.code, shown.out) == (0, f"friendli-iac, version {__version__}\n")


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_and_option_has_a_short_and_a_long_help(
    words: tuple[str, ...], project: Project
) -> None:
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = subcommands(command)[word]
    assert not command.get_short_help_str(limit=64).endswith("..."), command.help
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help, option.name
    shown = project.run(*words, "--help")
    assert shown.code == 0
    assert shown.out.startswith(f"Usage: friendli-iac {' '.join(words)}")


def test_no_arguments_show_the_help_and_are_wrong_usage(project: Project) -> None:
    shown = project.run()
    assert (shown.code, shown.out) == (64, "")
    assert "Exit codes:" in shown.err


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--bogus"),
        ("paln",),
        ("plan", "extra"),
        ("plan", "--format", "yaml"),
        ("plan", "--chdir", "/no/such/folder"),
        ("plan", "--var", "no-equals-sign"),
        ("plan", "--parallelism", "0"),
        ("plan", "--selector", "team"),
        ("plan", "--target", "Endpoint/nobody"),
        ("plan", "--state", "ftp://host/state"),
        ("plan", "--base-url", "http://api.example.com"),
        ("apply", "--timeout", "soon"),
        ("apply", "no-such-file"),
        ("apply", "--yes", "main.yaml"),
        ("import", "Endpoint/chat"),
        ("import", "chat", "ep1"),
        ("import", "Nothing/chat", "ep1"),
        ("import", "Endpoint/chat", "ep1", "--set", "spec.nothing=1"),
        ("import", "Endpoint/chat", "ep1", "--set", "spec.engine.maxBatchSize=many"),
        ("output", "Endpoint/nobody"),
        ("show", "--format", "markdown"),
        ("state", "show", "Endpoint/nobody"),
        ("state", "mv", "Endpoint/nobody", "Endpoint/b"),
        ("state", "forget"),
        ("state", "forget", "Endpoint/nobody"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_64(words: tuple[str, ...], project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    shown = project.run(*words)
    assert shown.code == 64, shown
    assert shown.out == ""
    assert "rror:" in shown.err
    assert writes(emulator) == []
    assert not project.state_path.exists()


def test_json_on_stdout_whatever_is_said_on_stderr(project: Project) -> None:
    project.write(endpoint())
    for words in (
        ("plan", "-v"),
        ("apply", "--yes", "-v"),
        ("apply", "--yes"),
        ("plan", "--out", "p.plan"),
        ("show", "p.plan"),
        ("show",),
        ("state", "list"),
        ("state", "show", "Endpoint/chat"),
        ("output", "Endpoint/chat"),
        ("validate",),
        ("doctor",),
        ("destroy", "--yes"),
    ):
        shown = project.run(*words, "--format", "json", env={"FORCE_COLOR": "1"})
        assert shown.code == 0, shown
        assert shown.json["format_version"], words


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("plan", "--format", "json", "--bogus"), 64),
        (("plan", "--format", "json", "--var", "x"), 64),
        (("apply", "--format", "json"), 64),
        (("plan", "--format", "json", "--target", "Endpoint/x"), 64),
        (("output", "--format", "json", "Endpoint/x"), 64),
        (("plan", "--format", "json", "-f", "missing.yaml"), 1),
    ],
    ids=str,
)
def test_errors_are_json_for_machines(words: tuple[str, ...], code: int, project: Project) -> None:
    project.write(endpoint())
    shown = project.run(*words)
    assert shown.code == code, shown
    if "--bogus" in words:  # click stops before it reads any option
        assert shown.out == ""
        return
    assert shown.json["exit_code"] == code
    assert shown.json["error"]
    assert {"safe", "next"} <= shown.json.keys()


def test_a_refused_apply_tells_machines_the_plan(project: Project) -> None:
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    assert project.apply().code == 0
    project.write(endpoint("a"))
    shown = project.apply("--format", "json")
    assert (shown.code, shown.json["exit_code"], shown.json["type"]) == (5, 5, "Refused")
    assert shown.json["plan"]["summary"] == {"no-op": 1, "delete": 1}
    assert "--allow-destroy Endpoint/b" in shown.json["next"]


def test_requests_are_shown_when_asked_for(project: Project) -> None:
    project.write(endpoint())
    assert "GET" not in project.run("plan").err
    assert "GET /dedicated/beta/endpoint 200 " in project.run("plan", "-v").err


def test_a_chdir_is_where_everything_is_looked_for(project: Project, tmp_path: Path) -> None:
    project.write(endpoint(), "sub/main.yaml")
    (project.root / "sub" / ".git").mkdir()
    assert project.apply("-C", "sub").code == 0
    assert (project.root / "sub" / ".friendli-iac" / "state.json").exists()
    checked = project.run("doctor", "-C", "sub")
    assert checked.code == 0, checked


def test_unreadable_files_are_named(project: Project) -> None:
    project.write(endpoint())
    for words in (("plan", "-f", "missing.yaml"), ("plan", "--var-file", "missing.yaml")):
        shown = project.run(*words)
        assert shown.code == 1, shown
        assert "missing.yaml" in shown.err
        assert "Traceback" not in shown.err


def test_a_plan_that_cannot_be_saved_is_not_shown_as_saved(project: Project) -> None:
    project.write(endpoint())
    (project.root / "file").write_text("")
    shown = project.run("plan", "--out", "file/x.plan")
    assert (shown.code, shown.out) == (64, "")
    assert "cannot save the plan" in shown.err


def test_a_saved_plan_cannot_be_narrowed(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    project.run("plan", "--out", "p")
    for words in (("--target", "Endpoint/chat"), ("-l", "a=b"), ("--replace", "Endpoint/chat")):
        shown = project.run("apply", "p", *words)
        assert (shown.code, "applied as it is" in shown.err) == (64, True)
    assert writes(emulator) == []


def test_the_next_command_repeats_what_narrowed_this_one(project: Project) -> None:
    project.write(endpoint())
    shown = project.run(
        "plan", "--target", "Endpoint/chat", "--state", "a b.json", "--format", "markdown", "-v"
    )
    assert shown.err.endswith(
        "next: friendli-iac apply --state 'a b.json' --verbose --target Endpoint/chat\n"
    )


def test_a_defect_says_what_is_safe(project: Project) -> None:
    project.write(endpoint())
    project.apply()
    state = json.loads(project.state_path.read_text())
    state["resources"]["Endpoint/chat"]["fence"] = {"version": "one", "updated_at": ""}
    project.state_path.write_text(json.dumps(state))
    shown = project.run("plan")
    assert shown.code == 1, shown
    assert "error: a defect in friendli-iac: TypeError" in shown.err
    assert "Nothing was sent" in shown.err
    assert "Traceback" not in shown.err
    with pytest.raises(TypeError):
        project.run("plan", env={"FRIENDLI_IAC_DEBUG": "1"})
