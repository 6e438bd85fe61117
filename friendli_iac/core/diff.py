"""The three-way difference of one resource: what was applied, what is wanted, what is there.

Pure. What a field does on a difference is read from its marker (`friendli_iac.resources.spec`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from friendli_iac.core.canonical import canonical_json
from friendli_iac.core.state import Applied
from friendli_iac.resources.base import Kind
from friendli_iac.resources.spec import Spec, drop_path, get_path, leaves, overlay, set_path

MISSING = None  # a canonical specification never holds null


@dataclass(frozen=True)
class FieldChange:
    """One field that differs. `prior` was applied, `live` is what the API shows (never for
    write-only fields), `desired` is what will be sent. None: not there. `reason` is for people;
    `source` is the place of the wish, such as `chat.yaml:7`.
    """

    path: str
    prior: Any
    live: Any
    desired: Any
    reason: str
    write_only: bool = False
    immutable: bool = False
    local: bool = False
    source: str = ""


@dataclass(frozen=True)
class Difference:
    """`target` is the whole object that a request would carry; `fields` is why one is needed."""

    target: Spec
    fields: tuple[FieldChange, ...]


def flatten(kind: Kind, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a specification by dotted path, in the order of the kind's model."""
    found = {path: get_path(spec, path, MISSING) for path in leaves(kind.model)}
    return {path: value for path, value in found.items() if value is not MISSING}


def readable(kind: Kind, spec: Spec) -> dict[str, Any]:
    """The values of `spec` that the API would show, by path."""
    marks = leaves(kind.model)
    flat = flatten(kind, spec)
    return {p: v for p, v in flat.items() if not marks[p].write_only and not marks[p].local}


def changed_paths(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The keys whose values differ, with 1, 1.0 and true told apart and lists taken in order."""
    if canonical_json(old) == canonical_json(new):  # 70 times faster than asking deepdiff
        return []
    from deepdiff import DeepDiff  # slow to import, and most plans never get here

    tree = DeepDiff(old, new, view="tree", ignore_order=False, threshold_to_diff_deeper=0)
    found = {item.path(output_format="list")[0] for report in tree.values() for item in report}
    return [path for path in {**old, **new} if path in found]


def difference(
    kind: Kind,
    *,
    wanted: Spec,
    applied: Applied,
    live: Spec | None,
    unproved: bool = False,
    unknown_since: int | None = None,
) -> Difference:
    """What must change so that `wanted` is in force.

    `live` holds the readable fields, or None when there is no such resource yet. `unproved`: the
    applied specification was sent and may be coming, so it counts for what is readable too.
    `unknown_since`: somebody else made this version, so no write-only value is known.
    """
    marks = leaves(kind.model)
    before = current(kind, applied, live, unproved=unproved)
    asked = _without_ignored(wanted, exists=live is not None)
    remote = {path: v for path, v in flatten(kind, before).items() if not marks[path].local}
    base: Spec = {}
    for path, value in remote.items():
        set_path(base, path, value)
    target = kind.complete(overlay(kind.model, kind.inheritable(base, asked), asked))

    old, new = flatten(kind, before), flatten(kind, target)
    paths = changed_paths(old, new)
    if unknown_since is not None:
        stated = flatten(kind, asked)
        paths = [p for p in new if p in paths or (marks[p].write_only and p in stated)] + [
            p for p in paths if p not in new
        ]
    seen = flatten(kind, live or {})
    prior = flatten(kind, applied.spec)
    fields = []
    for path in paths:
        mark = marks[path]
        unknown = unknown_since is not None and mark.write_only
        fields.append(
            FieldChange(
                path=path,
                prior=prior.get(path),
                live=None if mark.write_only or mark.local else seen.get(path),
                desired=new.get(path),
                reason=f"unknown since version {unknown_since}"
                if unknown
                else _reason(prior.get(path), seen.get(path), new.get(path), mark.write_only),
                write_only=mark.write_only,
                immutable=mark.immutable,
                local=mark.local,
            )
        )
    return Difference(target, tuple(fields))


def current(kind: Kind, applied: Applied, live: Spec | None, *, unproved: bool) -> Spec:
    """What is in force as far as anybody can know: the live values, and beneath the write-only
    and local ones what was applied.
    """
    if live is None:
        return {}
    marks = leaves(kind.model)
    ours: Spec = {}
    for path, value in flatten(kind, applied.spec).items():
        if unproved or marks[path].write_only or marks[path].local:
            set_path(ours, path, value)
    return overlay(kind.model, live, ours)


def _without_ignored(wanted: Spec, *, exists: bool) -> Spec:
    ignored = get_path(wanted, "lifecycle.ignoreChanges", [])
    if not exists or not ignored:
        return wanted
    asked: Spec = _deep_copy(wanted)
    for path in ignored:
        drop_path(asked, path)
    return asked


def _deep_copy(spec: Spec) -> Spec:
    return {k: _deep_copy(v) if isinstance(v, dict) else v for k, v in spec.items()}


def _reason(prior: Any, live: Any, desired: Any, write_only: bool) -> str:
    same = canonical_json
    if write_only:
        return "changed in manifest" if prior is not None else "not applied by us before"
    if prior is None:
        return "newly managed" if live is not None else "new in manifest"
    if same(prior) == same(desired):
        return "changed outside"
    if live is not None and same(prior) != same(live):
        return "changed in manifest, and outside"
    return "changed in manifest"
