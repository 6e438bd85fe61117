"""`plan --all-environments`: every environment in one review."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from friendli_iac import __version__
from friendli_iac.cli.console import Console
from friendli_iac.cli.planfiles import write_outputs
from friendli_iac.cli.planning import (
    apply_command,
    code_of,
    made_plan,
    print_plan,
    print_review,
)
from friendli_iac.cli.session import opened
from friendli_iac.core.plan import Plan, Refusal
from friendli_iac.core.planfile import FORMAT_VERSION, to_json
from friendli_iac.errors import FriendliIacError, Refused, UsageError
from friendli_iac.manifest import find_project

if TYPE_CHECKING:
    from friendli_iac.cli.options import Reading, Target


def plan_all(context: click.Context, target: Target, reading: Reading, format_: str) -> int:
    """Every environment with its own state and variables. One that cannot be planned is told as
    refused: a review must not look as if it was not there.
    """
    console: Console = context.obj
    os.chdir(target.chdir)
    names = find_project(Path.cwd()).environments
    if not names:
        raise UsageError(
            "--all-environments: friendli-iac.yaml has no environments",
            safe="Nothing was sent.",
            next="Leave it out, or declare `environments:` in friendli-iac.yaml.",
        )
    plans: dict[str, tuple[Plan, int | None]] = {}
    errors: dict[str, FriendliIacError] = {}
    for name in names:
        try:
            here = replace(target, chdir=Path(), environment=name)
            with opened(here, console) as session:
                plans[name] = made_plan(session, reading, context)
        except FriendliIacError as error:
            console.err(f"{name} cannot be planned:")
            console.explain(error)
            plans[name], errors[name] = (_unplanned(name, error), None), error
    made = [plan for plan, _ in plans.values()]
    if context.params["outputs"]:
        write_outputs(made, context.params["outputs"], whole=not errors)
    if format_ == "json":
        document = {
            "format_version": FORMAT_VERSION,
            "plans": {n: to_json(plan) for n, (plan, _) in plans.items() if n not in errors},
            "errors": {name: console.error_document(error) for name, error in errors.items()},
        }
        console.out_json(document)
    elif format_ == "text":
        for number, (plan, reads) in enumerate(plans.values()):
            console.out("\n" * bool(number), newline=False)
            print_plan(console, plan, reads=reads)
    else:
        print_review(console, made, format_)
    for name, (plan, _) in plans.items():
        if plan.pending_changes and not plan.refusals and not plan.denied:
            console.err(f"next: {apply_command(context, plan, '--env', name)}")
    codes = {code_of(plan, context.params["detailed_exitcode"]) for plan in made}
    failed = [error.exit_code for error in errors.values()]
    return failed[0] if failed else Refused.exit_code if Refused.exit_code in codes else max(codes)


def _unplanned(name: str, error: FriendliIacError) -> Plan:
    why = Refusal(f"environment {name}", f"it cannot be planned: {error}", error.next)
    return Plan("", "", 0, "", "", __version__, "", refusals=(why,), environment=name)
