"""The versions of one resource, and what changed between two of them, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from friendli_iac.core.canonical import canonical_json
from friendli_iac.core.diff import flatten, readable
from friendli_iac.core.state import Override, Pin, Resource
from friendli_iac.resources.base import Kind, place_of
from friendli_iac.resources.spec import Spec, get_path, leaves, overlay, set_path
from friendli_iac.review.times import rfc3339, stamp
from friendli_iac.review.words import NOTHING, written

COMMIT = 10  # characters of a commit that are shown

Maker = Literal[
    "ours",
    "others",  # somebody else, in the web page for example
    "forgotten",  # ours or not: it is older than the records that are kept
]
_MADE = {
    "others": "not made by us: only what the API shows is known",
    "forgotten": "older than what is recorded here: only what the API shows is known",
}


@dataclass(frozen=True)
class Version:
    """One version. `number` is None where it was never learnt. `spec` is the whole specification of
    what is ours, and the readable part of the rest. `shown` is what the API lists of it, or None.
    `time` is in seconds since 1970.
    """

    number: int | None
    made: Maker
    spec: Spec
    shown: Spec | None = None
    time: float | None = None
    by: str = ""
    commit: str = ""
    key: str = ""
    outcome: str = ""
    live: bool = False
    override: Override | None = None  # why it was made though rules denied it


@dataclass(frozen=True)
class History:
    """All versions of a resource, newest first. `status` is the API's word, empty when nobody was
    asked. `doubt` is why the live version is not known, or what that rests on; empty when there is
    nothing to add.
    """

    address: str
    kind: Kind
    resource: Resource
    versions: tuple[Version, ...]
    status: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Difference:
    """What changed from `old` to `new`, by path; None: not there. `unknown` are paths of write-only
    fields that cannot be compared. `unsaid` are paths among `fields` of which one of the versions
    said nothing, with the name of that: it may have had the same value, as the server's default.
    """

    old: Version
    new: Version
    fields: dict[str, tuple[Any, Any]]
    unknown: tuple[str, ...] = ()
    unsaid: Mapping[str, str] = field(default_factory=dict)


def name(version: Version) -> str:
    """`v3`, or `v?` where the number was never learnt."""
    return f"v{'?' if version.number is None else version.number}"


def difference(kind: Kind, old: Version, new: Version) -> Difference:
    """What changed between two versions: all of it where both are ours, else what the API shows.

    An update carries what it finds along, so what a version of ours does not say is taken from what
    the API shows of it, where it does.
    """
    both = old.made == new.made == "ours"
    before, after = readable(kind, old.spec), readable(kind, new.spec)
    if both:
        before, after = _both_ours(kind, old, new)
    fields = {
        path: (before.get(path), after.get(path))
        for path in leaves(kind.model)
        if canonical_json(before.get(path)) != canonical_json(after.get(path))
    }
    unknown = () if both else tuple(p for p, leaf in leaves(kind.model).items() if leaf.write_only)
    unsaid = {}
    for path, (was, now) in fields.items():
        lacking, value = (old, now) if was is None else (new, was)
        if both and None in (was, now) and _may_have(kind, lacking, path, value):
            unsaid[path] = name(lacking)
    return Difference(old, new, fields, unknown, unsaid)


def _both_ours(kind: Kind, old: Version, new: Version) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of both. What only one of them says is taken for the other from what the API
    shows.
    """
    said = flatten(kind, old.spec), flatten(kind, new.spec)
    found = []
    for version, mine, others in ((old, *said), (new, *said[::-1])):
        shown = readable(kind, overlay(kind.model, version.shown or {}, version.spec))
        found.append({**{path: shown[path] for path in others if path in shown}, **mine})
    return found[0], found[1]


def _may_have(kind: Kind, version: Version, path: str, value: object) -> bool:
    """Whether a version of ours that does not say `path` may have had `value` there: the API would
    show it, and nothing that the version says excludes it.
    """
    leaf = leaves(kind.model)[path]
    one: Spec = {}
    set_path(one, path, value)
    kept = get_path(overlay(kind.model, one, version.spec), path) is not None
    return kept and not leaf.write_only and not leaf.local


def misshown(kind: Kind, version: Version) -> list[str]:
    """The fields of a version of ours of which the API shows something else than was sent."""
    if version.made != "ours" or version.shown is None:
        return []
    sent, shown = readable(kind, version.spec), readable(kind, version.shown)
    return [path for path, value in sent.items() if path in shown and shown[path] != value]


# --- for people --------------------------------------------------------------------------------


def render(history: History) -> str:
    """The list, newest first."""
    resource = history.resource
    where = place_of(history.kind, resource.project)
    head = (history.address, resource.id, history.status, where)
    lines = ["   ".join(filter(None, head))]
    lines += _pin(history.kind, resource.pin)
    if history.doubt:
        lines.append(f"note: {history.doubt}")
    versions = history.versions
    for index, version in enumerate(versions):
        lines += ["", _head(history.kind, version)]
        lines += [f"    {line}" for line in _below(history.kind, versions, index)]
    if not versions:
        lines += ["", "No version is recorded."]
    return "\n".join(lines) + "\n"


def _head(kind: Kind, version: Version) -> str:
    mark = "* " if version.live else "  "
    if version.made != "ours":
        told = [_MADE[version.made]]
    else:
        when = stamp(version.time) if version.time is not None else ""
        commit = f"commit {version.commit[:COMMIT]}" if version.commit else ""
        key = f"key {version.key}" if version.key else ""
        told = [when, version.by and f"by {version.by}", commit, version.outcome, key]
    live = "   LIVE" if version.live else ""
    numbered = f"{name(version)}   " if kind.versioned else ""
    return f"{mark}{numbered}{'   '.join(filter(None, told))}{live}"


def _below(kind: Kind, versions: tuple[Version, ...], index: int) -> list[str]:
    """What changed with a version, where its predecessor is known."""
    version = versions[index]
    lines = []
    if index + 1 < len(versions):
        lines = _fields(kind, difference(kind, versions[index + 1], version))
        lines = lines or ["the same as the version before, as far as it is known"]
    else:
        flat = flatten(kind, version.spec)
        told = [path for path in leaves(kind.model) if path in flat]
        lines = [f"{path}: {written(kind, path, flat[path])}" for path in told]
    if version.override:
        lines.insert(0, overridden(version.override))
    if other := misshown(kind, version):
        lines.append(f"the API shows other values than we sent: {', '.join(other)}")
    return lines


def overridden(override: Override) -> str:
    """Why something was done though rules denied it, and who said so."""
    rules = ", ".join(override.rules)
    return f"overridden: {override.reason} by {override.by} (denied by {rules})"


def _fields(kind: Kind, found: Difference) -> list[str]:
    width = max((len(path) for path in found.fields), default=0)
    return [
        f"{'+' if old is None else '-' if new is None else '~'} {path:<{width}}  "
        f"{_arrow(written(kind, path, old), written(kind, path, new))}"
        + (
            f"   ({found.unsaid[path]} did not say it: what was in force then is not known)"
            if path in found.unsaid
            else ""
        )
        for path, (old, new) in found.fields.items()
    ]


def _arrow(old: str, new: str) -> str:
    return new if old == NOTHING else f"{old} → {new}"


def _pin(kind: Kind, pin: Pin | None) -> list[str]:
    if pin is None:
        return []
    bad = ", ".join(f"{path} {written(kind, path, value)}" for path, value in pin.bad.items())
    good = ", ".join(f"{path} {written(kind, path, value)}" for path, value in pin.good.items())
    when = f", {stamp(pin.time)}" if pin.time else ""
    by = f" by {pin.by}" if pin.by else ""
    version = f"v{pin.version}: " if pin.version is not None else ""
    lines = [f"PINNED ({pin.stage}{when}{by}): {bad} is not sent again"]
    lines += [f"    {version}{pin.story}"]
    lines += [f"    instead: {good}"] * bool(good)
    lines += ["    until the manifest says something else, or apply --retry-failed"]
    return lines


def render_difference(kind: Kind, found: Difference) -> str:
    """What changed between two versions."""
    lines = [f"{name(found.old)} → {name(found.new)}"]
    lines += [f"  {line}" for line in _fields(kind, found)]
    if not found.fields:
        lines.append("  nothing" + " that the API shows" * bool(found.unknown))
    if found.unknown:
        others = [name(one) for one in (found.old, found.new) if one.made != "ours"]
        lines += [
            f"  UNKNOWN, for the API never shows them and {' and '.join(others)} "
            f"{'are' if len(others) > 1 else 'is'} not recorded here:",
            f"    {', '.join(found.unknown)}",
        ]
    return "\n".join(lines) + "\n"


# --- for programs ------------------------------------------------------------------------------


def to_json(history: History) -> dict[str, Any]:
    """The list as data; times are RFC 3339, `live` is the number or null."""
    pin = history.resource.pin
    return {
        "format_version": "1.0",
        "address": history.address,
        "id": history.resource.id,
        "status": history.status or None,
        "live": next((v.number for v in history.versions if v.live), None),
        "doubt": history.doubt,
        "pin": _pin_as_json(pin) if pin else None,
        "versions": [_as_json(history.kind, version) for version in history.versions],
    }


def _as_json(kind: Kind, version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "made_by": version.made,
        "live": version.live,
        "outcome": version.outcome or None,
        "time": None if version.time is None else rfc3339(version.time),
        "by": version.by or None,
        "commit": version.commit or None,
        "key": version.key or None,
        "override": vars(version.override) if version.override else None,
        "spec": version.spec,
        "shown_otherwise": misshown(kind, version),
    }


def _pin_as_json(pin: Pin) -> Mapping[str, Any]:
    return {
        "stage": pin.stage,
        "story": pin.story,
        "version": pin.version,
        "bad": pin.bad,
        "good": pin.good,
        "time": rfc3339(pin.time) if pin.time else None,
        "by": pin.by or None,
    }


def difference_to_json(address: str, found: Difference) -> dict[str, Any]:
    """What changed between two versions, as data."""
    return {
        "format_version": "1.0",
        "address": address,
        "from": found.old.number,
        "to": found.new.number,
        "fields": [{"path": p, "old": old, "new": new} for p, (old, new) in found.fields.items()],
        "unknown": list(found.unknown),
        "unsaid": list(found.unsaid),
    }
