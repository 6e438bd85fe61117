"""What a plan says beside the fields: what is held off, how it is proved, and who goes first."""

from __future__ import annotations

from friendli_iac.core.plan import Change, Plan
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import NEW_VERSION, Address
from friendli_iac.resources.rollout import Rollout
from friendli_iac.resources.values import format_duration
from friendli_iac.review.words import kind_of, written

FEW = 4  # values that are spelled out in a line


def said_of(change: Change) -> list[str]:
    """Everything that must be said of a change beside its fields."""
    expires = f"expires: {change.expires}"
    return [*change.notes, *[expires] * bool(change.expires), *held(change)]


def held(change: Change) -> list[str]:
    """What a pin holds off, its story, and what lifts it."""
    if change.held is None:
        return []
    told = [
        f"{path} {written(kind_of(change), path, what)}"
        + (f" (asked for as {change.held.asked[path]})" if change.held.asked.get(path) else "")
        for path, what in change.held.values.items()
    ]
    values = ", ".join(told) if len(told) <= FEW else "the whole of it"
    places = f"; {', '.join(change.held.places)} says it" * (0 < len(change.held.places) <= FEW)
    version = f"version {change.held.version}: " if change.held.version is not None else ""
    if behind := change.held.behind:
        # What it needs is chosen with it, and would hold it as before.
        alone = f"to send it all the same: --target {change.address}"
        again = f"to try that again: --retry-failed --target {behind}"
        way = again if behind in change.waits_for else alone
        return [
            f"HELD OFF {values}: {change.held.story}",
            f"    it goes on when {behind} is good; {way}",
        ]
    return [
        f"HELD OFF {values}{places}",
        f"    {version}{change.held.story}",
        "    not sent until the manifest says something else; to try it again: --retry-failed",
    ]


def gate(change: Change) -> str:
    """How a new version is proved, and what happens when it does not serve."""
    if change.after is None or "rollout" not in change.after.spec:
        return ""
    if not {"create", *NEW_VERSION, "restart"}.intersection(change.steps):
        return ""
    rollout = Rollout.of(change.after.spec)
    parts = ["served"]
    parts[0] += f" within {format_duration(int(rollout.timeout))}" if rollout.timeout else ""
    parts += [f"probe x{rollout.attempts}"] if rollout.probe else []
    parts += [f"bake {format_duration(int(rollout.bake))}"] if rollout.bake else []
    if change.action == "create":
        otherwise = "terminated, so that billing stops" if rollout.terminates else "kept as it is"
    else:
        back = "the last good settings again, exit 10"
        if any(field.unknown for field in change.fields):
            back = "what we sent last again, for what others made since is not known, exit 10"
        if not change.restorable:
            back = "left as it is, for nobody knows what was there before"
        otherwise = back if rollout.rolls_back else "left as it is"
    return f"gate: {', '.join(parts)}; else {otherwise}"


def outside(plan: Plan) -> list[tuple[str, str]]:
    """What others changed since the last apply, by address; what the manifests make of it is among
    the changes.
    """
    told = []
    for one in plan.drift:
        kind = KINDS[Address.parse(one.address).kind]
        values = (written(kind, one.path, what) for what in (one.applied, one.live))
        told.append((one.address, "{}: applied {}, live {}".format(one.path, *values)))
    return told


def order(plan: Plan) -> str:
    """Who goes first: where one line changes many, and the waves, where there are several."""
    first: dict[str, int] = {}
    waves: dict[int, list[str]] = {}
    for change in plan.pending_changes:
        waves.setdefault(change.wave, []).append(change.address)
        for address in change.behind:
            first[address] = first.get(address, 0) + 1
    parts = [
        f"{address} goes first: until it is good, {count} more with the same change must wait"
        for address, count in first.items()
    ]
    if len(waves) > 1:
        told = (f"{wave}: {', '.join(waves[wave])}" for wave in sorted(waves))
        parts.append(f"waves, each after the one before is good: {'; '.join(told)}")
    return " · ".join(parts)
