"""reap: ends what has expired."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import (
    take_target,
    with_apply,
    with_format,
    with_parallelism,
    with_target,
)
from friendli_iac.errors import Refused

if TYPE_CHECKING:
    from friendli_iac.cli.session import Session
    from friendli_iac.core.plan import Plan


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would end.")
@with_target
@with_parallelism
@with_apply
@with_format("text", "json")
@click.pass_obj
def reap(console: Console, /, dry_run: bool, format_: str, **options: Any) -> int:
    """Terminate what has expired (`lifecycle.expires`).

    Works from the state alone, without manifests: let cron run `friendli-iac reap --yes`. What is
    protected is left, and the exit code is 5 then.
    """
    from friendli_iac.cli.running import Run
    from friendli_iac.cli.session import opened
    from friendli_iac.engine.guards import check_permitted
    from friendli_iac.engine.reap import ends_only, expired

    left: dict[str, str] = {}
    with opened(take_target(options), console) as session:
        if format_ == "text" and not _any_expired(session):
            console.err("nothing has expired")
            return 0
        if dry_run:
            plan, left = _planned(session, options["parallelism"])
            check_permitted(plan, None)
            _print(console, plan, format_)
            code = 0
        else:
            run = Run(session, format_, {**options, "allow_destroy": ()})
            run.left = left

            def make(planner: Callable[..., Plan]) -> Plan:
                engine = run.engine
                assert engine is not None, "it is asked for a plan while it applies"
                state = engine.known()[0].state
                made, barred = ends_only(planner(*expired(state, engine.clock.now())), state)
                left.clear()
                left.update(barred)
                check_permitted(made, None)  # the engine asks only where there is something to do
                return made

            code = run.apply(make, "reap")
            if run.finished and run.plan:
                _tell(console, run.plan)
    for address, why in left.items():
        console.err(f"REFUSED {address}: {why}")
    if left:
        console.err(
            "  next: to end what is protected, apply `lifecycle: {preventDestroy: false}` for it"
        )
    return code or (Refused.exit_code if left else 0)


def _any_expired(session: Session) -> bool:
    from friendli_iac.cli.progress import Lines
    from friendli_iac.engine.reap import expired

    engine = session.engine(Lines(session.console))
    return bool(expired(engine.known()[0].state, engine.clock.now())[0])


def _planned(session: Session, parallelism: int) -> tuple[Plan, dict[str, str]]:
    from friendli_iac.cli.progress import Lines
    from friendli_iac.engine.reap import ends_only, expired

    engine = session.engine(Lines(session.console), parallelism)
    state = engine.known()[0].state
    wishes, selection = expired(state, engine.clock.now())
    return ends_only(engine.plan(lambda: wishes, selection), state)


def _print(console: Console, plan: Plan, format_: str) -> None:
    from friendli_iac.cli.planning import print_plan

    print_plan(console, plan, format_)
    if plan.pending_changes:
        console.err(f"would stop billing: {_saved(plan)}. Nothing was sent.")
        console.err("next: friendli-iac reap")


def _tell(console: Console, plan: Plan) -> None:
    if plan.pending_changes:
        console.err(f"stopped billing: {_saved(plan)}")
    else:
        console.err("nothing to end")


def _saved(plan: Plan) -> str:
    """`$3.90-7.80 /h`: what those that end cost, at the fewest and most replicas."""
    from friendli_iac.review.words import money

    known = [change.cost_before for change in plan.pending_changes if change.cost_before]
    span = (sum(low for low, _ in known), sum(high for _, high in known))
    missing = len(plan.pending_changes) - len(known)
    unknown = f", and {missing} of unknown price" if missing else ""
    return f"{money(span)} /h{unknown}"
