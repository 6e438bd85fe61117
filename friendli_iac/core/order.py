"""Which change comes first: what is needed, waves, and one of many before the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from friendli_iac.core.diff import DEFAULT, KEPT
from friendli_iac.core.keys import stopped
from friendli_iac.core.movers import deployed_by
from friendli_iac.core.plan import Change, Hold
from friendli_iac.core.state import State


def ordered(state: State, changes: Sequence[Change]) -> tuple[list[Change], list[str]]:
    """The changes in the order in which they are carried out, each with the wave that it is in and
    what it waits for; and a circle of dependencies, if there is one.
    """
    found, circle = in_order(_stops_first(state, _deletes_last(state, changes)))
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
    if all(change.wave == 1 for change in changes):
        return list(changes)
    waves: dict[str, int] = {}
    for change in changes:
        waves[change.address] = max([change.wave, *(waves.get(a, 1) for a in change.waits_for)])
    return sorted(
        (replace(c, wave=w) if (w := waves[c.address]) != c.wave else c for c in changes),
        key=lambda c: c.wave,
    )


def _one_first(changes: Sequence[Change]) -> list[Change]:
    """Where one line of a template or of the defaults gives several endpoints a new version, one of
    them goes alone: the others wait until it is good. Best is one that is on its way already, and
    not one that sleeps, for that proves nothing.
    """
    touched: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        tried = [(f.path, f.source) for f in change.fields if not f.local]
        if change.action in ("update", "replace"):
            for path, source in tried:
                if source not in ("", DEFAULT, KEPT):
                    touched.setdefault((path, source), []).append(change)
        for path, source in change.tries:
            touched.setdefault((path, source), []).append(change)
    groups = [group for group in touched.values() if len(group) > 1]
    found = list(changes)
    for rank in (_by_worth, None) if groups else ():
        behind: dict[str, list[str]] = {}
        for group in groups:
            first, *others = sorted(group, key=rank) if rank else group
            for change in others:
                if first.address not in behind.setdefault(change.address, []):
                    behind[change.address].append(first.address)
        found = [
            replace(c, behind=tuple(behind[c.address])) if c.address in behind else c
            for c in changes
        ]
        if rank is None or not _circular(found):
            break
    return found


def _by_worth(change: Change) -> tuple[int, bool, bool]:
    return change.wave, change.action != "verify", change.asleep


def _circular(changes: Sequence[Change]) -> bool:
    """Whether some of these would wait for one another."""
    graph = {c.address: [*c.waits_for, *c.behind] for c in changes}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return True
    return False


def held_behind(changes: Sequence[Change]) -> list[Change]:
    """The changes, without those that a change comes before that is held off: the waves behind it,
    what depends on it, and others that one line would have try the same. Nothing is held that mends
    what is there, or costs less.
    """
    held: dict[str, Change] = {c.address: c for c in changes if c.held}
    if not held:
        return list(changes)
    found = []
    for change in changes:
        why, behind = _why_held(change, held.values())
        if behind:
            values = {f.path: f.desired for f in change.fields if not f.local}
            change = replace(
                change,
                action="no-op",
                steps=(),
                after=None,
                fields=(),
                trial=None,
                unpins=False,
                pin=None,
                held=change.held or Hold(values, why, behind=behind),
                cost_after=change.cost_before,
            )
            held[change.address] = change
        found.append(change)
    return found


def _why_held(change: Change, held: Iterable[Change]) -> tuple[str, str]:
    """Why a change is to wait, and for which address."""
    for other in held:
        assert other.held is not None, "it is held"
        if other.address == change.address:
            continue
        if change.action == "delete" and other.address in change.waits_for:
            return f"{other.address} needs it, and is held off", other.address
        if not _tries_something(change):
            continue
        if other.address in change.waits_for and not _takes_over(change, other):
            return f"it depends on {other.address}, which is held off", other.address
        if other.wave < change.wave:
            return f"{other.address}, of an earlier wave, is held off", other.address
        for field in change.fields:
            same = other.held.values.get(field.path) == field.desired != field.prior
            place = field.source in other.held.places
            if same and place and not other.held.whole and change.action != "create":
                return f"{other.address}, which tried the same, is held off", other.address
    return "", ""


def _takes_over(change: Change, held: Change) -> bool:
    """Whether an automation only comes to send what is in force on the endpoint that is `held` at
    what was good: else, its next event would bring back what is held off.
    """
    if held.held is None or held.held.whole or change.action != "update" or change.after is None:
        return False
    sent = {field.path for field in change.fields if not field.local}
    return sent == {"payload"} and deployed_by(change.after.spec) == held.address


def _tries_something(change: Change) -> bool:
    """Whether it brings something new about, which costs as much as before or more."""
    if change.action not in ("create", "update", "replace") or change.leftover:
        return False
    if change.trial is None:  # what is owed, or taken back by hand
        return False
    before, after = change.cost_before, change.cost_after
    if change.action == "update" and before and after and after[1] < before[1]:
        return False
    again = change.action == "create" and change.based_on != ""  # it was there, and is gone
    new = any(not f.local and f.prior != f.desired for f in change.fields)
    return new and not again


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


def _stops_first(state: State, changes: Sequence[Change]) -> list[Change]:
    """What an automation deploys is changed when that has stopped: an event in between would undo
    it, or make one more. To stop, the automation needs nothing of what it deploys.
    """
    stops = stopped(state, changes)
    found = []
    for change in changes:
        first = stops.get(change.address, ()) if change.action != "no-op" else ()
        waits_for = [a for a in change.waits_for if change.address not in stops.get(a, ())]
        found.append(replace(change, waits_for=tuple(dict.fromkeys([*waits_for, *first]))))
    return found
