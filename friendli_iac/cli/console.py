"""Where output goes: data to stdout, everything else to stderr, secrets nowhere."""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from friendli_iac.errors import FriendliIacError, ManifestError

if TYPE_CHECKING:
    from friendli_iac.cli.events import Events

# What could move the cursor or turn a line around; colours are ours, and stay.
_STEERING = re.compile(
    "\x1b(?!\\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)
# What a CI system takes for a command to it: `::name` at the start of a line, and `##[name]` or
# `##vso[name]` anywhere in it.
_COMMAND = re.compile("^((?:[^\\S\n]|\x1b\\[[0-9;]*m)*):(?=:)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(\w*)\[")
PIECES = 10_000  # of a JSON document that are printed at once
CI_VARIABLES = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "TF_BUILD")


def line(text: str) -> str:
    """`text` as one line, so that nothing which others wrote begins one that looks like ours."""
    return " ".join(text.splitlines())


class Console:
    """Two streams, with colours where they are wanted. `hide` makes a text unprintable."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._secrets: list[str] = []
        self.verbosity = 0
        self.machine = False  # whether a program reads stdout, so that errors go there, too
        self._told = False
        self.events: Events | None = None

    def hide(self, *secrets: str) -> None:
        """Replaces these texts by `***` in all that is printed from now on."""
        import json  # 3 ms, which `--version` need not wait for

        long_enough = [secret for secret in secrets if len(secret) > 3]
        self._secrets += [*long_enough, *(json.dumps(secret)[1:-1] for secret in long_enough)]
        self._secrets.sort(key=len, reverse=True)

    def redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def safe(self, text: str) -> str:
        """`text` without secrets, and without what an answer of the API could do to a terminal."""
        return _STEERING.sub("�", self.redact(text))

    def safe_json(self, text: str) -> str:
        """JSON without secrets, and in a spelling that no CI system takes for a command."""
        return (
            _OLD_COMMAND.sub(r"##\1\\u005b", self.redact(text)) if self.in_ci else self.redact(text)
        )

    def out(self, text: str, *, newline: bool = True, commands: bool = False) -> None:
        """Data, to stdout. With `commands`, it is for a CI system to obey, and escaped already."""
        text = self.safe(text) if commands else self._tame(text, sys.stdout)
        click.echo(text, nl=newline, color=self.coloured(sys.stdout))

    def _tame(self, text: str, stream: object) -> str:
        """`text` as it is safe to print: also without what would be a command to a CI system. It
        may be of a pull request, and those could hide secrets from the log's mask, or fail a job.
        """
        text = self.safe(text)
        if not self.coloured(stream):
            text = click.unstyle(text)  # first: a command may come out of what is left
        if self.in_ci and not _is_file(stream):  # nobody obeys what is kept in a file
            text = _OLD_COMMAND.sub(r"##\1 [", _COMMAND.sub(r"\1: ", text))
        return text

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Folds what goes to stdout meanwhile, in the logs of a CI system that can."""
        title = " ".join(self._tame(title, sys.stdout).split())
        start = end = ""
        if _is_file(sys.stdout):
            pass  # it is kept, and nobody folds it there
        elif self._environ.get("GITHUB_ACTIONS"):
            start, end = f"::group::{title}\n", "::endgroup::\n"
        elif self._environ.get("GITLAB_CI"):
            name = "friendli_iac_" + re.sub(r"\W+", "_", title.partition(":")[0]).lower()
            start = f"\x1b[0Ksection_start:{time.time():.0f}:{name}\r\x1b[0K{title}\n"
            end = f"\x1b[0Ksection_end:{time.time():.0f}:{name}\r\x1b[0K\n"
        click.echo(start, nl=False, color=True)
        try:
            yield
        finally:
            click.echo(end, nl=False, color=True)

    def out_json(self, document: Mapping[str, object]) -> None:
        """A JSON document, to stdout; the only one of a run. In pieces, for it may be large: a
        secret cannot be cut in two, because a piece holds whole strings.
        """
        import json

        self._told = True
        encoder = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)
        pieces = encoder.iterencode(document)
        while batch := "".join(islice(pieces, PIECES)):
            click.echo(self.safe_json(batch), nl=False, color=False)
        click.echo()

    def err(self, text: str, *, newline: bool = True) -> None:
        """Everything else, to stderr. Never fails: an apply must not end because nobody reads."""
        try:
            shown = self._tame(text, sys.stderr)
            click.echo(shown, nl=newline, err=True, color=self.coloured(sys.stderr))
        except OSError:  # else Python fails at the end, with what is still in the buffer
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    def fail(self, error: FriendliIacError) -> int:
        """Says what happened, where errors go and where a program looks for it. The exit code."""
        self.explain(error)
        if self.machine and not self._told:
            self.out_json(self.error_document(error))
        return error.exit_code

    def explain(self, error: FriendliIacError) -> None:
        """Says what happened, what is safe and what to type next."""
        if isinstance(error, ManifestError):
            from friendli_iac.review.diagnostics import render_text

            shown = render_text(error.problems, self.coloured(sys.stderr), error.more)
            self.err(shown, newline=False)
        else:
            self.err(self.paint("error: ", "red") + line(str(error)))
            for name, text in (("safe", error.safe), ("next", error.next)):
                if text:
                    self.err(f"  {name}: {line(text)}")
        if self.events:
            self.events.error(error)

    def record(self, path: Path) -> None:
        """From now on, what happens is written to this file, too. UsageError when it cannot be."""
        from friendli_iac.cli.events import Events

        self.events = self.events or Events(path, self.safe_json, self.err)

    def error_document(self, error: FriendliIacError) -> dict[str, object]:
        """An error as a program reads it."""
        document: dict[str, object] = {
            "format_version": "1.0",
            "exit_code": error.exit_code,
            "error": str(error),
            "type": type(error).__name__,
            "safe": error.safe,
            "next": error.next,
        }
        if isinstance(error, ManifestError):
            from friendli_iac.review.diagnostics import render_json

            document["diagnostics"] = render_json(error.problems)["diagnostics"]
        return document

    def paint(self, text: str, colour: str) -> str:
        """`text` in a colour; click takes it out again where a stream has none."""
        return click.style(text, fg=colour, bold=colour == "red")

    def coloured(self, stream: object) -> bool:
        """NO_COLOR wins, then FORCE_COLOR, then whether it is a terminal outside CI."""
        if self._environ.get("NO_COLOR"):
            return False
        if self._environ.get("FORCE_COLOR"):
            return True
        terminal = bool(getattr(stream, "isatty", bool)())
        return terminal and not self.in_ci and self._environ.get("TERM") != "dumb"

    @property
    def in_ci(self) -> bool:
        return any(self._environ.get(name) for name in CI_VARIABLES)

    @property
    def interactive(self) -> bool:
        """Whether there is somebody to ask."""
        return not self.in_ci and sys.stdin.isatty() and sys.stderr.isatty()

    def ask(self, question: str) -> bool:
        """A yes or no from the terminal; anything but yes is no, and so is Ctrl-C."""
        try:
            self.err(f"{question} [y/N] ", newline=False)
            return sys.stdin.readline().strip().lower() in ("y", "yes")
        except (UnicodeDecodeError, KeyboardInterrupt):
            self.err("")
            return False


def _is_file(stream: object) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)  # type: ignore[attr-defined]
    except (OSError, ValueError, AttributeError):
        return False
