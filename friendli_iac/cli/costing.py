"""cost: what everything in state costs, and what was billed. Only reads."""

from __future__ import annotations

from typing import Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import take_target, with_format, with_parallelism, with_target

MOST_DAYS = 365  # docs: the bill is kept for a year


@click.command()
@click.option(
    "--days", type=click.IntRange(1, MOST_DAYS), default=7, show_default=True,
    help="How many days of the bill, today among them. Days are those of UTC.",
)  # fmt: skip
@with_target
@with_parallelism
@with_format("text", "json", "markdown")
@click.pass_obj
def cost(console: Console, /, days: int, parallelism: int, format_: str, **options: Any) -> int:
    """Show what everything in state costs, and what was billed.

    Estimates by the prices of friendli-iac.yaml, or else list prices, beside the team's bill of the
    last days. Sends nothing but reads, and wakes nothing.
    """
    from friendli_iac.cli.progress import Lines
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.cost import look_at_cost
    from friendli_iac.review.cost import as_json, markdown, render

    with opened(take_target(options), console) as session:
        report = look_at_cost(session.engine(Lines(console), parallelism), days)
    if format_ == "json":
        console.out_json(as_json(report))
    else:
        console.out((markdown if format_ == "markdown" else render)(report), newline=False)
    return 0
