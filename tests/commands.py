"""Command lines of friendli-iac as documents write them, and whether they would be understood."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.main import cli

ENDS = frozenset({"&&", "||", ";", "|", ">", ">>"})


def command_lines(text: str) -> Iterator[list[str]]:
    """The arguments of every call of friendli-iac in a script."""
    for line in text.splitlines():
        words = _words(line)
        for index, word in enumerate(words):
            if word == "friendli-iac":
                rest = words[index + 1 :]
                ends = (i for i, other in enumerate(rest) if other in ENDS)
                yield rest[: next(ends, len(rest))]


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split, lexer.commenters = True, "#"
    return list(lexer)


def understand(arguments: list[str]) -> None:
    """Raises click.UsageError when the command line makes no sense. Runs nothing."""
    context = click.Context(cli, info_name="friendli-iac", obj=Console({}))
    command: click.Command = cli
    while isinstance(command, click.Group):
        name, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found
        context = click.Context(command, info_name=name, parent=context)
    command.make_context(command.name, list(arguments), parent=context.parent)


def blocks(markdown: str, *languages: str) -> list[str]:
    """The fenced code blocks of these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", markdown, flags=re.DOTALL | re.MULTILINE)
    return [text for language, text in found if language in languages]
