"""JSON merge patches (RFC 7396) of what a document says: `null` deletes, blocks are merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from friendli_iac.resources.spec import Spec, SpecModel, submodel, without_others


def patched(model: type[SpecModel] | None, base: object, patch: Mapping[str, Any]) -> Spec:
    """`base` with `patch` merged over it. Where the patch names one of a block's alternatives, what
    `base` holds of the others is dropped, as `overlay` does.
    """
    named = [key for key, value in patch.items() if value is not None]
    merged = without_others(model, base, named) if isinstance(base, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            block = submodel(model, key) if model else None
            merged[key] = patched(block, merged.get(key), value)
        else:
            merged[key] = value
    return merged


def deleted(patch: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The ways to the keys that `patch` deletes."""
    for key, value in patch.items():
        if value is None:
            yield (*above, key)
        elif isinstance(value, Mapping):
            yield from deleted(value, (*above, key))
