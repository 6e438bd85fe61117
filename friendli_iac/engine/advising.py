"""Asks the kinds what must be said of the changes of a plan: steps by hand, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from friendli_iac.core.plan import Change, Plan, Refusal
from friendli_iac.core.state import State
from friendli_iac.resources import KINDS
from friendli_iac.resources.advice import NOTHING
from friendli_iac.resources.base import Address, Observed


def advised(
    plan: Plan, state: State, live: Mapping[str, Observed | None], apis: Mapping[str, Any]
) -> Plan:
    """`plan` with what the kinds say of each of its changes. Raises ApiError and its children."""
    changes: list[Change] = []
    refusals: list[Refusal] = []
    for change in plan.changes:
        if change.action == "no-op":
            changes.append(change)
            continue
        kind = KINDS[Address.parse(change.address).kind]
        resource = state.resources.get(change.address)
        advice = kind.advise(
            apis.get(kind.name),
            change.action,
            resource.applied.spec if resource else {},
            change.after.spec if change.after else {},
            live.get(change.address),
        )
        if advice is NOTHING:
            changes.append(change)
            continue
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
    return replace(plan, changes=tuple(changes), refusals=(*plan.refusals, *refusals))
