"""The versions of a resource: ours from the state, the others from the API. Only GETs are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from friendli_iac.core.journal import NOT_APPLIED
from friendli_iac.core.replay import HISTORY_KEPT, SENT
from friendli_iac.core.state import Resource, State
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.rollback import GOOD
from friendli_iac.engine.status import known_resource
from friendli_iac.errors import NotFound, UsageError
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Observed
from friendli_iac.resources.spec import Spec
from friendli_iac.review.history import (
    Difference,
    History,
    Maker,
    Version,
    difference,
    name,
    overridden,
)
from friendli_iac.review.times import stamp


def history(engine: Engine, address: str) -> History:
    """All versions of `address`. Without a client for its kind, only those that we made.

    UsageError for an address that is not in state; ApiError and its children.
    """
    state = engine.known()[0].state
    if address not in state.resources:
        _tell_of_overrides(state, address)
    resource = known_resource(state, address)
    kind = KINDS[Address.parse(address).kind]
    api = engine.apis.get(kind.name)
    observed: Observed | None = None
    shown: Mapping[int, Spec] | None = None
    if api is not None:
        with suppress(NotFound):
            observed = kind.read(api, resource.id)
            shown = kind.versions(api, resource.id)
    versions = [_overridden(state, one) for one in _newest_first(resource, shown or {})]
    live, doubt = _live(versions, kind.moved_by(resource.applied.spec), kind.versioned)
    if api is None:
        offline = "not looked: whether somebody else made a version is not known"
        doubt = f"{doubt}; {offline}" if doubt else offline
    elif observed is None or shown is None:
        live, doubt = None, f"{resource.id} is gone: 404. Nothing serves"
    elif observed.health in ("failed", "ending", "stopped"):
        live, doubt = None, f"it is {observed.status}: nothing serves now"
    marked = tuple(replace(version, live=version is live) for version in versions)
    return History(address, kind, resource, marked, observed.status if observed else "", doubt)


def _overridden(state: State, version: Version) -> Version:
    """The version with why it was made though rules denied it, if so."""
    for one in state.overrides:
        if version.key and any(key == version.key for _, _, key in one.changes):
            return replace(version, override=one)
    return version


def _tell_of_overrides(state: State, address: str) -> None:
    """UsageError with what was done to `address` though rules denied it: it is gone, and its
    versions with it.
    """
    told = [
        f"{stamp(one.time)}: {action}, {overridden(one)}"
        for one in state.overrides
        for changed, action, _ in one.changes
        if changed == address
    ]
    if told:
        raise UsageError(f"{address} is not in state any more. " + "; ".join(told))


def compare(found: History, one: int, other: int) -> Difference:
    """What changed from version `one` to version `other`. UsageError for one that is not there."""
    return difference(found.kind, _version(found, one), _version(found, other))


def _version(found: History, number: int) -> Version:
    for version in found.versions:  # where a number was used twice, the newest
        if version.number == number:
            return version
    there = ", ".join(name(version) for version in found.versions)
    raise UsageError(
        f"{found.address} has no version {number}" + (f", only {there}" if there else ""),
        next=f"friendli-iac history {found.address} lists them.",
    )


def _newest_first(resource: Resource, shown: Mapping[int, Spec]) -> list[Version]:
    """Ours in the order in which they were sent, with the others between them, by number."""
    ours = [_ours(record, shown) for record in resource.history]
    numbers = {version.number for version in ours}
    # Of an endpoint that we made, what is before our oldest record was dropped from the state.
    kept = [version.number for version in ours if version.number is not None]
    full = len(ours) >= HISTORY_KEPT
    others: list[Version] = []
    for number, spec in sorted(shown.items()):
        if number not in numbers:
            made: Maker = "forgotten" if full and number < min(kept, default=0) else "others"
            others.append(Version(number, made, spec, spec))
    found: list[Version] = []
    for version in ours:
        while others and version.number is not None and others[0].number < version.number:  # type: ignore[operator]
            found.append(others.pop(0))
        found.append(version)
    return [*found, *others][::-1]


def _ours(record: Mapping[str, Any], shown: Mapping[int, Spec]) -> Version:
    return Version(
        record["version"],
        "ours",
        record["spec"],
        shown.get(record["version"]),
        record["time"],
        record["by"],
        record["commit"],
        record["key"],
        record["outcome"],
    )


def _live(versions: Sequence[Version], mover: str, versioned: bool) -> tuple[Version | None, str]:
    """The version that serves, as far as it is known, and the doubt about it. Behind one that was
    not applied, the one before serves. `mover` rolls versions out beside us; empty: nobody does.
    """
    for version in versions:
        if version.made != "ours" and mover:
            return version, (
                f"{name(version)} was moved by {mover}: the artifact cannot be read back "
                "(unverified)"
            )
        if version.made != "ours":
            return None, (f"{name(version)} was not made by us: which version serves is not known")
        if version.outcome in GOOD:
            unproved = "; its write-only fields are presumed, not seen"
            serves = f"{name(version)} serves" if versioned else "it is as it was applied"
            return version, f"{serves}{unproved}" * (version.outcome != "good")
        if version.outcome == NOT_APPLIED:
            continue
        if version.outcome == SENT:
            return None, f"{name(version)} was sent and is not proved: what serves is not known"
        return None, f"{name(version)} {version.outcome}: what serves now is not known"
    return None, "which version serves is not known" * bool(versions)
