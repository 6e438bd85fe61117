"""Asks the kinds what must be said of the changes of a plan: steps by hand, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from friendli_iac.core.plan import Change, Plan, Refusal
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import State
from friendli_iac.resources import KINDS
from friendli_iac.resources.advice import NOTHING, Advice
from friendli_iac.resources.base import Address, Observed


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
    changes: list[Change] = []
    refusals: list[Refusal] = []
    doubts: list[str] = []
    gone = {change.address for change in plan.changes if change.action == "delete"}
    every = {a: r.applied.spec for a, r in state.resources.items() if a not in gone}
    every |= {address: wish.spec for address, wish in wanted.items()}
    for change in plan.changes:
        kind = KINDS[Address.parse(change.address).kind]
        if change.action == "no-op":
            changes.append(change)
            if change.address in wanted:
                found = kind.lint(None, change.address, every[change.address], every)
                doubts += [f"{change.address}: {doubt}" for doubt in found]
            continue
        resource = state.resources.get(change.address)
        advice = kind.advise(
            apis.get(kind.name),
            change.action,
            resource.applied.spec if resource else {},
            change.after.spec if change.after else {},
            live.get(change.address),
            resource.routes if resource and change.action not in ("create", "replace") else {},
        )
        if change.after is not None:
            target, api = change.after.spec, apis.get(kind.name)
            advice = advice.with_(Advice(warnings=kind.lint(api, change.address, target, every)))
        if advice is NOTHING:
            changes.append(change)
            continue
        refusals += [Refusal(change.address, why, way_out) for why, way_out in advice.refusals]
        changes.append(
            replace(
                change,
                manual=advice.manual,
                beware=advice.warnings,
                notes=(*change.notes, *advice.notes),
            )
        )
    return replace(
        plan,
        changes=tuple(changes),
        refusals=(*plan.refusals, *refusals),
        notes=(*plan.notes, *doubts),
    )
