"""Colours, prompts and pipes: at a real terminal, in CI, and when nobody reads."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

from friendli_iac.cli.console import CI_VARIABLES, Console
from friendli_iac.emulator import Emulator

from .harness import FAST, Project, endpoint, writes

ESCAPE = "\x1b["


class Terminal:
    """A command whose three streams are one terminal."""

    def __init__(self, project: Project, *words: str, env: Mapping[str, str] = {}) -> None:
        self._master, slave = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "friendli_iac", *words],
            cwd=project.root,
            env={**project.env, "TERM": "xterm", **env},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=_own_terminal,
        )
        os.close(slave)

    def read_until(self, wanted: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < end, self.text
            if not self._read():
                raise AssertionError(f"it ended without {wanted!r}: {self.text}")

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(20)

    def _read(self) -> bool:
        select.select([self._master], [], [], 1)
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += data.decode()
        return bool(data)


def _own_terminal() -> None:
    """Makes the slave the controlling terminal, so that Ctrl-C is a signal."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_yes_at_the_prompt_applies(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    terminal = Terminal(project, "apply", *FAST)
    terminal.read_until("Apply this? [y/N] ")
    assert writes(emulator) == []
    assert ESCAPE in terminal.text  # in colours
    terminal.type("y\n")
    assert terminal.end() == 0
    assert "1 applied" in terminal.text
    assert len(emulator.endpoints()) == 1


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04", "\x03"], ids=["n", "enter", "^D", "^C"])
def test_anything_else_sends_nothing(answer: str, project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    terminal = Terminal(project, "apply", *FAST)
    terminal.read_until("Apply this? [y/N] ")
    terminal.type(answer)
    assert terminal.end() == 8
    assert "not applied" in terminal.text
    assert "Nothing was sent" in terminal.text
    assert writes(emulator) == []
    assert project.run("plan").code == 0  # the lock is free


def test_a_live_table_shows_status_and_phase(project: Project, emulator: Emulator) -> None:
    emulator.set_durations(create=3600)
    project.write(endpoint())
    terminal = Terminal(project, "apply", "--yes", *FAST)
    terminal.read_until("REQUESTING_VIRTUAL_MACHINE")
    emulator.advance(1300)
    terminal.read_until("DOWNLOADING_MODEL")
    emulator.advance(3600)
    assert terminal.end() == 0
    assert re.search("Endpoint/chat +INITIALIZING +DOWNLOADING_MODEL +[0-9] s", terminal.text)


@pytest.mark.parametrize("name", CI_VARIABLES)
def test_ci_is_never_asked_even_at_a_terminal(name: str) -> None:
    console = Console({name: "true", "TERM": "xterm"})
    assert console.in_ci
    assert not console.interactive


def test_ci_gets_plain_lines(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    terminal = Terminal(project, "apply", *FAST, env={"CI": "true"})
    assert terminal.end() == 64
    assert "nobody to ask" in terminal.text
    assert ESCAPE not in terminal.text
    assert writes(emulator) == []


def test_nobody_is_asked_without_a_terminal(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    for words in (("apply",), ("destroy",)):
        project.apply()
        project.write(endpoint(batch=128))
        emulator.clear_requests()
        shown = project.run(*words, stdin="y\n")
        assert shown.code == 64
        assert "there is nobody to ask" in shown.err
        assert writes(emulator) == []


@pytest.mark.parametrize(
    ("env", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, False),
    ],
    ids=str,
)
def test_colours(env: dict[str, str], coloured: bool, project: Project) -> None:
    project.write(endpoint())
    for words in (("plan",), ("plan", "--target", "Endpoint/x"), ("plan", "--destroy")):
        shown = project.run(*words, env=env)
        if words == ("plan",) or shown.code:
            assert (ESCAPE in shown.out + shown.err) == coloured, words
    project.write("nonsense: {")
    assert (ESCAPE in project.run("validate", env=env).err) == coloured


def test_a_reader_that_goes_away_is_no_trouble(project: Project) -> None:
    project.write("---\n".join(endpoint(f"e{number}") for number in range(300)))
    running = project.spawn("plan")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert running.wait(30) == 1
    assert "Traceback" not in err
    assert "Exception" not in err


def test_an_apply_goes_on_when_nobody_reads_stderr(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    emulator.hold("POST", "endpoint")
    running = project.spawn("apply", "--yes", *FAST)
    emulator.wait_held()
    assert running.stdout is not None
    assert running.stderr is not None
    running.stderr.close()
    emulator.release()
    out = running.stdout.read()
    running.stdout.close()
    assert running.wait(30) == 0
    assert "1 applied" in out
    assert list(project.state["resources"]) == ["Endpoint/chat"]
