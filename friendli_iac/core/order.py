"""Which change comes first: what is needed, waves, and one of many before the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from friendli_iac.core.diff import DEFAULT, KEPT
from friendli_iac.core.plan import Change
from friendli_iac.core.state import State
from friendli_iac.resources.rollout import Rollout


def ordered(state: State, changes: Sequence[Change]) -> tuple[list[Change], list[str]]:
    """The changes in the order in which they are carried out, each with the wave that it is in and
    what it waits for; and a circle of dependencies, if there is one.
    """
    found, circle = in_order(_deletes_last(state, changes))
    return (found, circle) if circle else (_one_first(_in_waves(found)), [])


def in_order(changes: Iterable[Change]) -> tuple[list[Change], list[str]]:
    """The changes with each one behind those that it waits for, otherwise by address; and a circle
    of them, if there is one. Deletes in a circle go in any order: what they need ends anyway.
    """
    todo = {change.address: change for change in sorted(changes, key=lambda c: c.address)}
    while True:
        graph = {a: [n for n in sorted(c.waits_for) if n in todo] for a, c in todo.items()}
        try:
            return [todo[address] for address in TopologicalSorter(graph).static_order()], []
        except CycleError as error:
            circle = list(dict.fromkeys(error.args[1]))
        free = [a for a in circle if todo[a].action == "delete"]
        if not free:
            return list(todo.values()), [*circle, circle[0]]
        for address in free:
            todo[address] = replace(todo[address], waits_for=())


def _in_waves(changes: Sequence[Change]) -> list[Change]:
    """The changes by wave. What waits for one of a later wave is in that wave, too."""
    waves: dict[str, int] = {}
    for change in changes:
        own = Rollout.of(change.after.spec).wave if change.after else 1
        waves[change.address] = max([own, *(waves.get(a, 1) for a in change.waits_for)])
    return sorted(
        (replace(c, wave=w) if (w := waves[c.address]) != c.wave else c for c in changes),
        key=lambda c: c.wave,
    )


def _one_first(changes: Sequence[Change]) -> list[Change]:
    """Where one line of a template or of the defaults gives several endpoints a new version, the
    first of them goes alone: the others wait until it is good.
    """
    touched: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        if change.action != "update":
            continue
        for field in change.fields:
            if not field.local and field.source not in ("", DEFAULT, KEPT):
                touched.setdefault((field.path, field.source), []).append(change.address)
    behind: dict[str, list[str]] = {}
    for addresses in touched.values():
        for address in addresses[1:]:  # in the order of the plan: this can make no circle
            if addresses[0] not in behind.setdefault(address, []):
                behind[address].append(addresses[0])
    return [
        replace(change, behind=tuple(behind[change.address]))
        if change.address in behind
        else change
        for change in changes
    ]


def _deletes_last(state: State, changes: Sequence[Change]) -> list[Change]:
    """What depends on a resource goes before it; what it needs stays until it is gone."""
    dependents: dict[str, list[str]] = {}
    for address, resource in state.resources.items():
        for needed in resource.applied.depends_on:
            dependents.setdefault(needed, []).append(address)
    return [
        replace(change, waits_for=tuple(dependents.get(change.address, ())))
        if change.action == "delete"
        else change
        for change in changes
    ]
