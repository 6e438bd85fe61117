"""doctor and emulator: does it work from here, and something to try it on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import take_target, with_format, with_target
from friendli_iac.errors import UsageError


@click.command()
@with_target
@with_format("text", "json")
@click.option("--project", metavar="ID", envvar="FRIENDLI_PROJECT_ID", help="Check this project.")
@click.pass_obj
def doctor(console: Console, /, format_: str, project: str | None, **options: Any) -> int:
    """Check settings, state, token, clock and project.

    Says what to do about what fails.
    """
    from friendli_iac.cli.diagnosis import examine

    findings = examine(take_target(options), console, project)
    if format_ == "json":
        console.out_json(
            {
                "format_version": "1.0",
                "healthy": all(finding.ok for finding in findings),
                "findings": [finding.__dict__ for finding in findings],
            }
        )
    else:
        for finding in findings:
            mark = console.paint("ok  ", "green") if finding.ok else console.paint("FAIL", "red")
            console.out(f"{mark}  {finding.check}: {finding.text}")
            if finding.next:
                console.out(f"        {finding.next}")
    return max((finding.exit_code for finding in findings), default=0)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8642, show_default=True, help="Port; 0 takes a free one.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep its endpoints in this folder.  [default: in memory]",
)
@click.pass_obj
def emulator(console: Console, /, host: str, port: int, data: Path | None) -> int:
    """Run an emulator of Friendli's API, and of W&B's, until Ctrl-C."""
    from friendli_iac.cli.connecting import EMULATOR_KEY, EMULATOR_TOKEN

    try:
        from friendli_iac.emulator import serve
    except ImportError as error:
        raise UsageError(
            "the emulator is not installed", next="pip install 'friendli-iac[emulator]'"
        ) from error

    def ready(url: str) -> None:
        console.out(f"export FRIENDLI_BASE_URL={url} FRIENDLI_TOKEN={EMULATOR_TOKEN}")
        console.out(f"export WANDB_BASE_URL={url} WANDB_API_KEY={EMULATOR_KEY}")
        console.err("serving; Ctrl-C ends it")

    if data:
        data.mkdir(parents=True, exist_ok=True)
    serve(host, port, data, on_ready=ready)
    return 0
