"""The three-way difference of one resource: what was applied, what is wanted, what is there.

Pure. What a field does on a difference is read from its marker (`friendli_iac.resources.spec`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from friendli_iac.core.canonical import canonical_json
from friendli_iac.core.state import Applied
from friendli_iac.resources.base import Kind
from friendli_iac.resources.secrets import masked_value
from friendli_iac.resources.spec import Leaf, Spec, copied, drop_path, leaves, overlay

# The source of a value that no manifest says: a default of ours, or what we sent before.
DEFAULT, KEPT = "(default)", "(as sent before)"


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
    unknown: bool = False  # somebody else made a version, and the API never shows this field
    source: str = ""


@dataclass(frozen=True)
class Difference:
    """`before` is what is in force as far as anybody can know, `target` the whole object that a
    request would carry; `fields` is why one is needed.
    """

    before: Spec
    target: Spec
    fields: tuple[FieldChange, ...]


def flatten(kind: Kind, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a specification by dotted path; what the kind's model does not know is left
    out.
    """
    known = leaves(kind.model)
    found: dict[str, Any] = {}

    def walk(block: Mapping[str, Any], prefix: str) -> None:
        for key, value in block.items():
            path = prefix + key
            if path in known:
                found[path] = value
            elif isinstance(value, dict):
                walk(value, path + ".")

    walk(spec, "")
    return found


def keep(kind: Kind, spec: Mapping[str, Any], wanted: Callable[[Leaf], bool]) -> Spec:
    """The part of a specification whose leaves are `wanted`."""
    known = leaves(kind.model)

    def walk(block: Mapping[str, Any], prefix: str) -> Spec:
        kept: Spec = {}
        for key, value in block.items():
            leaf = known.get(prefix + key)
            if leaf is None and isinstance(value, dict):
                value = walk(value, f"{prefix}{key}.")
                if value:
                    kept[key] = value
            elif leaf is not None and wanted(leaf):
                kept[key] = value
        return kept

    return walk(spec, "")


def readable(kind: Kind, spec: Spec) -> dict[str, Any]:
    """The values of `spec` that the API would show, by path."""
    return flatten(kind, keep(kind, spec, lambda leaf: not leaf.write_only and not leaf.local))


def displayed(leaf: Leaf, value: Any, desired: Any = None) -> Any:
    """A value from before as plans and reports keep it: they are shown, and comments are made of
    them. What is `desired` as well is no secret of others.
    """
    return masked_value(value) if leaf.sensitive and value != desired else value


def changed_paths(kind: Kind, old: Spec, new: Spec) -> set[str]:
    """The paths whose values differ, with 1, 1.0 and true told apart and lists taken in order."""
    if canonical_json(old) == canonical_json(new):  # 70 times faster than asking deepdiff
        return set()
    from deepdiff import DeepDiff  # slow to import, and most plans never get here

    tree = DeepDiff(
        flatten(kind, old),
        flatten(kind, new),
        view="tree",
        ignore_order=False,
        threshold_to_diff_deeper=0,
    )
    return {item.path(output_format="list")[0] for report in tree.values() for item in report}


def difference(
    kind: Kind,
    *,
    wanted: Spec,
    applied: Applied,
    live: Spec | None,
    unproved: bool = False,
    unknown_since: int | None = None,
    unknown: Collection[str] | None = None,
) -> Difference:
    """What must change so that `wanted` is in force.

    `live` holds the readable fields, or None when there is no such resource yet. `unproved`: the
    applied specification was sent and may be coming, so it counts for what is readable too.
    `unknown_since`: somebody else made this version, so no write-only value is known, or none of
    those in `unknown`: each that would be sent is a change, stated or not. What cannot change in
    place is taken to be as it was: doubt replaces nothing.
    """
    marks = leaves(kind.model)
    doubted = {
        path
        for path, mark in marks.items()
        if unknown_since is not None and mark.write_only and not mark.immutable
        if unknown is None or path in unknown
    }
    all_unknown = unknown_since is not None and unknown is None
    before = current(kind, applied, live, unproved=unproved, unknown=all_unknown)
    asked = _without_ignored(kind, wanted, exists=live is not None)
    remote = keep(kind, before, lambda leaf: not leaf.local)
    target = kind.complete(overlay(kind.model, kind.inheritable(remote, asked), asked))
    paths = changed_paths(kind, before, target)
    paths |= doubted.intersection(flatten(kind, target))
    if not paths:
        return Difference(before, target, ())
    new = flatten(kind, target)
    seen = flatten(kind, live or {})
    prior = flatten(kind, applied.spec)
    fields = []
    for path in (path for path in marks if path in paths):
        mark = marks[path]
        fields.append(
            FieldChange(
                path=path,
                prior=displayed(mark, prior.get(path), new.get(path)),
                live=None
                if mark.write_only or mark.local
                else displayed(mark, seen.get(path), new.get(path)),
                desired=new.get(path),
                reason=f"unknown since version {unknown_since}"
                if path in doubted
                else _reason(prior.get(path), seen.get(path), new.get(path), mark.write_only),
                write_only=mark.write_only,
                immutable=mark.immutable,
                local=mark.local,
                unknown=path in doubted,
            )
        )
    return Difference(before, target, tuple(fields))


def current(
    kind: Kind,
    applied: Applied,
    live: Spec | None,
    *,
    unproved: bool = False,
    unknown: bool = False,
) -> Spec:
    """What is in force as far as anybody can know: the live values, and for the write-only and
    local ones what was applied. Where those are `unknown`, a live alternative wins over them.
    """
    if live is None:
        return {}
    ours = keep(kind, applied.spec, lambda leaf: unproved or leaf.write_only or leaf.local)
    return overlay(kind.model, ours, live) if unknown else overlay(kind.model, live, ours)


def _without_ignored(kind: Kind, wanted: Spec, *, exists: bool) -> Spec:
    ignored = kind.left_alone(wanted)
    if not exists or not ignored:
        return wanted
    asked = copied(wanted)
    for path in ignored:
        drop_path(asked, path)
    return asked


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
