"""Asks the kinds what must be said of the changes of a plan: steps by hand, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from friendli_iac.core.plan import Change, Plan, Refusal
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import State
from friendli_iac.engine.payloads import as_asked, outdated
from friendli_iac.resources import KINDS
from friendli_iac.resources.advice import NOTHING, Advice
from friendli_iac.resources.base import Address, Observed

CHANGED = ("create", "update", "replace")  # what gives a resource other settings
AT_A_TIME = 8  # questions to W&B


def advised(
    plan: Plan,
    state: State,
    live: Mapping[str, Observed | None],
    apis: Mapping[str, Any],
    wanted: Mapping[str, Wish],
) -> Plan:
    """`plan` with what the kinds say of each of its changes, and notes on what is doubtful of what
    stays as it is. Raises ApiError and its children.
    """
    gone = {change.address for change in plan.changes if change.action == "delete"}
    every = {a: r.applied.spec for a, r in state.resources.items() if a not in gone}
    after = every | {c.address: c.after.spec for c in plan.changes if c.after}
    changed = [c.address for c in plan.changes if c.action in CHANGED]
    taken_back = outdated(after, changed)
    every |= {a: as_asked(r.applied) for a, r in state.resources.items() if a in every}
    every |= {address: as_asked(wish) for address, wish in wanted.items()}
    ours = {resource.id for resource in state.resources.values()}

    def advice(change: Change) -> Advice:
        kind = KINDS[Address.parse(change.address).kind]
        api, resource = apis.get(kind.name), state.resources.get(change.address)
        target = change.after.spec if change.after else {}
        action = "verify" if change.leftover else change.action  # what serves stays as it is
        told = kind.advise(
            api,
            action,
            resource.applied.spec if resource else {},
            target,
            live.get(change.address),
            resource.routes if resource and action not in ("create", "replace") else {},
        )
        doubts = kind.lint(api, change.address, target, every, ours) if change.after else ()
        doubts = (*doubts, *(told for address, told in taken_back if address == change.address))
        return told.with_(Advice(warnings=doubts)) if doubts else told

    pending = [change for change in plan.changes if change.action != "no-op"]
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="advise") as pool:
        told = dict(zip([c.address for c in pending], pool.map(advice, pending), strict=True))
    return replace(
        plan,
        changes=tuple(_with(change, told.get(change.address, NOTHING)) for change in plan.changes),
        refusals=(
            *plan.refusals,
            *(Refusal(a, why, way_out) for a, one in told.items() for why, way_out in one.refusals),
        ),
        notes=(
            *plan.notes,
            *(
                f"{change.address}: {doubt}"
                for change in plan.changes
                if change.action == "no-op" and change.address in wanted
                for kind in (KINDS[Address.parse(change.address).kind],)
                for doubt in kind.lint(None, change.address, every[change.address], every)
            ),
        ),
    )


def _with(change: Change, advice: Advice) -> Change:
    if advice is NOTHING:
        return change
    return replace(
        change,
        manual=advice.manual,
        beware=advice.warnings,
        notes=(*change.notes, *advice.notes),
    )
