"""The entry point: the commands, and the one place where errors become exit codes."""

from __future__ import annotations

import io
import os
import signal
import sys
from importlib import import_module

import click

from friendli_iac import __version__
from friendli_iac.cli.console import Console
from friendli_iac.errors import Cancelled, FriendliIacError, UsageError

AGAIN = "Run the same command again: it settles what is open."
BEGUN = "What was begun is in the journal"
SENDING = frozenset({"apply", "destroy", "rollback", "reap"})  # all others only read, or record
EXIT_CODES = """\b
Exit codes:
  0 done, or no changes      1 error                  2 changes (plan --detailed-exitcode), drift
  3 authentication           4 partly applied         5 refused by protection or policy
  6 stale plan               7 locked                 8 cancelled
  9 timed out               10 rolled back           11 a manual step is left
 64 wrong usage
"""


# Each with the module that has it.
COMMANDS = {
    "init": "project", "new": "authoring", "set": "authoring", "export": "exporting",
    "validate": "project", "render": "rendering", "promote": "promoting", "schema": "project",
    "preflight": "preflighting", "wandb": "wandb",
    "plan": "planning", "apply": "applying", "destroy": "applying", "show": "planning",
    "comment": "commenting", "approved": "commenting", "issue": "issuing",
    "drift": "drifting",
    "status": "watching", "cost": "costing", "history": "watching", "reap": "reaping",
    "rollback": "rolling", "output": "states", "import": "adopting", "state": "states",
    "unlock": "unlocking", "doctor": "checking", "emulator": "checking",
}  # fmt: skip


class Commands(click.Group):
    """Imports a command when it is asked for: `--version` does not wait for any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)  # in the order in which they are first needed

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"friendli_iac.cli.{COMMANDS[cmd_name]}")
        # Where Python has a meaning for the name, as for import, an underscore follows it.
        name = cmd_name if hasattr(module, cmd_name) else f"{cmd_name}_"
        command: click.Command = getattr(module, name)
        return command


def subcommands(group: click.Group) -> dict[str, click.Command]:
    """The commands of a group by name, all imported."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, prog_name="friendli-iac")
@click.pass_context
def cli(context: click.Context) -> None:
    """Infrastructure as code for FriendliAI Dedicated Endpoints.

    Write YAML manifests, see the plan, apply it. Start with `friendli-iac init`.
    """
    if context.obj is None:
        context.obj = Console()


def main() -> None:
    """Runs the command line and exits with a documented code."""
    signal.signal(signal.SIGTERM, _interrupt)  # a cancelled job gives its lock back
    console = Console()
    console.hide(
        os.environ.get("FRIENDLI_TOKEN", ""),
        os.environ.get("WANDB_API_KEY", ""),
        os.environ.get("HF_TOKEN", "").strip(),
    )
    code = run(sys.argv[1:], console)
    # CPython ends by SIGINT, whatever the code, after a KeyboardInterrupt that left the exec of a
    # text, as dataclasses have, although it was caught; the next exec makes it forget that
    # (`run_eval_code_obj` in Python/pythonrun.c).
    exec("")
    sys.exit(code)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def run(arguments: list[str], console: Console) -> int:
    """The exit code of one command line. Nothing but defects of ours comes out as an exception,
    and those only with FRIENDLI_IAC_DEBUG.
    """
    code = _run(arguments, console)
    if console.events:
        console.events.end(code)
    return code


def _run(arguments: list[str], console: Console) -> int:
    try:
        result = cli.main(arguments, prog_name="friendli-iac", standalone_mode=False, obj=console)
        return int(result or 0)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:  # what click makes of KeyboardInterrupt
        stopped = Cancelled("stopped at once", safe="Nothing was sent.")
        if _sends(arguments):
            stopped = Cancelled("stopped at once", safe=f"{BEGUN}.", next=AGAIN)
        return console.fail(stopped)
    except click.ClickException as error:
        return _wrong_usage(console, error)
    except FriendliIacError as error:
        return console.fail(error)
    except OSError as error:
        what = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
        return console.fail(FriendliIacError(what))
    except Exception as error:
        if os.environ.get("FRIENDLI_IAC_DEBUG"):
            raise
        return console.fail(
            FriendliIacError(
                f"a defect in friendli-iac: {type(error).__name__}: {error}",
                safe=f"{BEGUN}; the next apply settles it."
                if _sends(arguments)
                else "Nothing was sent.",
                next="Please report it, with what FRIENDLI_IAC_DEBUG=1 shows.",
            )
        )


def _sends(arguments: list[str]) -> bool:
    """Whether this command line may send something that changes what is there."""
    return bool(SENDING.intersection(arguments[:1])) and "--dry-run" not in arguments


def _wrong_usage(console: Console, error: click.ClickException) -> int:
    """What click says of it, through our console: an argument may hold a secret."""
    shown = io.StringIO()
    error.show(shown)
    console.err(shown.getvalue(), newline=False)
    code = UsageError.exit_code if isinstance(error, click.UsageError) else 1
    if console.machine:
        console.out_json(
            {
                "format_version": "1.0",
                "exit_code": code,
                "error": error.format_message(),
                "type": "UsageError",
                "safe": "Nothing was sent.",
                "next": "See --help.",
            }
        )
    return code
