"""What a wish comes to beside its specification: what only we keep, and where it was written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from friendli_iac.core.diff import DEFAULT, KEPT, FieldChange
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Applied
from friendli_iac.resources.spec import Spec, get_path


def after(wish: Wish, target: Spec, applied: Applied | None = None) -> Applied:
    """What will have been applied when `target` is in force. What a pin holds off was not asked
    for: there, what was asked for before stays; not so where the wish says it exactly by now.
    """
    asked = {}
    for path, text in applied.asked.items() if applied else ():
        value = get_path(target, path)
        exact = path not in wish.asked and get_path(wish.spec, path) == value
        if value == get_path(applied.spec, path) and not exact:  # type: ignore[union-attr]
            asked[path] = text
    for path, text in wish.asked.items():
        if get_path(target, path) == get_path(wish.spec, path):
            asked[path] = text
    asked = {path: text for path, text in asked.items() if get_path(target, path) is not None}
    labels = dict(sorted(wish.labels.items()))
    return Applied(target, labels, sorted(map(str, wish.depends_on)), asked)


def own_fields(applied: Applied, goal: Applied) -> tuple[FieldChange, ...]:
    """Differences in what only we keep beside the specification: labels, dependencies, and what
    was asked for where something more exact was sent.
    """

    def change(path: str, old: object, new: object) -> FieldChange:
        return FieldChange(path, old, None, new, "changed in manifest", local=True)

    fields = [
        change(f"labels.{key}", applied.labels.get(key), goal.labels.get(key))
        for key in {**applied.labels, **goal.labels}
        if applied.labels.get(key) != goal.labels.get(key)
    ]
    if applied.depends_on != goal.depends_on:
        fields.append(change("dependsOn", applied.depends_on, goal.depends_on))
    fields += [
        change(path, applied.asked.get(path), goal.asked.get(path))
        for path in {**applied.asked, **goal.asked}
        if applied.asked.get(path) != goal.asked.get(path)
    ]
    return tuple(fields)


def located(wish: Wish, fields: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    """`fields` with the places of their wishes; what nobody wrote has none."""

    def place(field: FieldChange) -> str:
        if field.local or field.desired is None or wish.wrote(field.path):
            return str(wish.source(field.path))
        stated = get_path(wish.spec, field.path) is not None
        return KEPT if field.prior is not None and not stated else DEFAULT

    return tuple(replace(f, source=place(f)) for f in fields)
