"""The entry point: the commands, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys

import click

from friendli_iac import __version__
from friendli_iac.cli import adopting, applying, checking, project, states
from friendli_iac.cli.console import Console
from friendli_iac.errors import FriendliIacError, ManifestError

EXIT_CODES = """\b
Exit codes:
  0 done, or no changes      1 error                  2 changes (plan --detailed-exitcode)
  3 authentication           4 partly applied         5 refused by protection or policy
  6 stale plan               7 locked                 8 cancelled
  9 timed out               10 rolled back           64 wrong usage
"""


@click.group(
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


for command in (
    project.init, project.validate, project.schema,
    applying.plan, applying.apply, applying.destroy, applying.show,
    states.output, adopting.import_, states.state,
    checking.doctor, checking.emulator,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Runs the command line and exits with a documented code."""
    console = Console()
    console.hide(os.environ.get("FRIENDLI_TOKEN", ""), os.environ.get("WANDB_API_KEY", ""))
    sys.exit(run(sys.argv[1:], console))


def run(arguments: list[str], console: Console) -> int:
    """The exit code of one command line. Nothing but defects of ours comes out as an exception,
    and those only with FRIENDLI_IAC_DEBUG.
    """
    try:
        result = cli.main(arguments, prog_name="friendli-iac", standalone_mode=False, obj=console)
        return int(result or 0)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:
        console.err("stopped")
        return 8
    except click.ClickException as error:
        error.show()
        return 64 if isinstance(error, click.UsageError) else 1
    except ManifestError as error:
        from friendli_iac.review.diagnostics import render_text

        colour = console.coloured(sys.stderr)
        console.err(render_text(error.problems, color=colour), newline=False)
        return error.exit_code
    except FriendliIacError as error:
        show(console, error)
        return error.exit_code
    except KeyboardInterrupt:
        console.err("stopped at once. What was begun is in the journal: the next apply settles it.")
        return 8
    except BrokenPipeError:
        # The reader of our output went away; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        console.err(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "))
        return 1
    except Exception as error:
        if os.environ.get("FRIENDLI_IAC_DEBUG"):
            raise
        console.err(f"error: a defect in friendli-iac: {type(error).__name__}: {error}")
        console.err("  safe: what was begun is in the journal; the next apply settles it.")
        console.err("  next: please report it, with what FRIENDLI_IAC_DEBUG=1 shows.")
        return 1


def show(console: Console, error: FriendliIacError) -> None:
    """What happened, what is safe, what to type next."""
    console.err(console.paint("error: ", "red") + str(error))
    if error.safe:
        console.err(f"  safe: {error.safe}")
    if error.next:
        console.err(f"  next: {error.next}")
