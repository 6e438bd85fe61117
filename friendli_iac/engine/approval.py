"""What was approved by its digest: what a run of it that was cut off has left, and why a plan is
not the one that was approved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from friendli_iac.core.plan import Plan
from friendli_iac.core.planfile import from_json
from friendli_iac.core.state import State
from friendli_iac.engine.planning import Selection
from friendli_iac.engine.resuming import made_anew
from friendli_iac.errors import NotApproved, StalePlan


def rest_of_approved(
    state: State,
    plan: Plan,
    approved: str,
    settled: Sequence[str],
    check: Callable[[Plan], None],
) -> Plan:
    """The plan with the digest that was approved, where a run began it and never came to its end:
    it is gone on with as a saved plan is, and what is refused now holds for it. NotApproved where
    there is none, or `check` finds it stale. `plan` is what would be done now, and `settled` what
    the last run had left open.
    """
    rest = _begun(state, plan, approved)
    if rest is None:
        raise NotApproved(approved, plan.digest, [*settled, *_differences(state, plan, approved)])
    try:
        check(rest)
    except StalePlan as error:
        raise NotApproved(approved, plan.digest, [*settled, *error.moved]) from error
    return replace(rest, refusals=plan.refusals)


def still_asked(state: State, selection: Selection, approved: str) -> Selection:
    """`selection` without the replacements that a run of what was approved has made: a job that is
    run again asks for them again.
    """
    made: set[str] = set()
    for run in state.runs.values():
        if approved and run.approved == approved and run.plan is not None:
            made |= made_anew(state, from_json(run.plan))
    return replace(selection, replace=tuple(a for a in selection.replace if a not in made))


def _begun(state: State, plan: Plan, approved: str) -> Plan | None:
    for run in state.runs.values():
        if run.approved == approved and run.plan is not None:
            rest = from_json(run.plan)
            if (rest.manifest, rest.narrowed) == (plan.manifest, plan.narrowed):
                return rest
    return None


def _differences(state: State, plan: Plan, approved: str) -> list[str]:
    """What is known to be otherwise than when it was approved: of that plan there is only a digest
    by now, so that not all of it can be said.
    """
    runs = [run for run in state.runs.values() if run.approved == approved]
    found = []
    if any(run.complete for run in runs):
        found.append("that one was applied already, and what is planned now came after it")
    elif runs:
        found.append("a run of that one was cut off, and another plan has come since")
    pending = {change.address for change in plan.pending_changes}
    outside = {(d.address, d.path) for d in plan.drift if d.address in pending}
    found += [f"{address}: {path} was changed outside" for address, path in sorted(outside)]
    return found + [
        f"{change.address}: {', '.join(reasons)}"
        for change in plan.pending_changes
        if (reasons := dict.fromkeys(f.reason for f in change.fields if f.unknown))
    ]
