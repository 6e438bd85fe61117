"""A manifest for something that exists: what is known of it, and a blank for what is not."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from friendli_iac.manifest.envelope import API_VERSION, MAX_NAME
from friendli_iac.manifest.spelling import literal, scalar
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import (
    BLANK,
    Spec,
    SpecModel,
    copied,
    drop_path,
    get_path,
    leaves,
    set_path,
    submodel,
)
from friendli_iac.resources.values import format_duration

WIDTH = 96  # columns of a comment


@dataclass(frozen=True)
class Draft:
    """A specification that can be written, with its blanks. `unknown` are the paths of write-only
    fields of which the blanks stand for some; `left_out` what the model here does not take.
    """

    spec: Spec
    blanks: tuple[str, ...]
    unknown: tuple[str, ...]
    left_out: Mapping[str, Any]


def draft(model: type[SpecModel], observed: Spec) -> Draft:
    """What a manifest can say of a resource that shows `observed`, and no more."""
    spec = copied(observed)
    left_out: dict[str, Any] = {}
    blanks: list[str] = []
    unknown: list[str] = []
    fields = leaves(model)
    for name, info in model.model_fields.items():
        key = info.alias or name
        block = submodel(model, key)
        if block is None or not info.is_required() or _fits(block, f"{key}.", spec.get(key, {})):
            continue
        # What is required and not shown, or shown as something that has no name here yet.
        hidden = [path for path in fields if path.startswith(f"{key}.") and fields[path].write_only]
        group = next(
            (g for g in block.ALTERNATIVES if _of(hidden, key, g) == _of(fields, key, g)), ()
        )
        left_out |= _flat(fields, {key: spec.pop(key, {})})
        for path in _of(hidden, key, group):
            set_path(spec, path, BLANK)
            blanks.append(path)
        unknown += hidden
    while True:
        try:
            model.model_validate(written(model, spec))
            return Draft(spec, tuple(blanks), tuple(unknown), left_out)
        except ValidationError as error:
            paths = {".".join(map(str, detail["loc"])) for detail in error.errors()}
            before = copied(spec)
            for path in paths:
                left_out |= {
                    p: v for p, v in _flat(fields, spec).items() if f"{p}.".startswith(f"{path}.")
                }
                drop_path(spec, path)
            if before == spec:  # nothing that could go is to blame: whoever reads it will see
                return Draft(spec, tuple(blanks), tuple(unknown), left_out)


def _of(paths: Iterable[str], key: str, group: Sequence[str]) -> list[str]:
    """Those of `paths` that are in one of a block's alternatives."""
    heads = [f"{key}.{one}" for one in group]
    return [path for path in paths if any(f"{path}.".startswith(f"{head}.") for head in heads)]


def _fits(block: type[SpecModel], prefix: str, value: Spec) -> bool:
    try:
        block.model_validate(written(block, value))
    except ValidationError:
        return False
    return True


def _flat(fields: Collection[str], spec: Spec) -> dict[str, Any]:
    return {path: value for path in fields if (value := get_path(spec, path)) is not None}


def written(model: type[SpecModel], spec: Spec) -> Spec:
    """`spec` (canonical) as a manifest writes it, its keys in the order of the model."""
    found: Spec = {}
    for path, leaf in leaves(model).items():
        value = get_path(spec, path)
        if value is not None:
            duration = leaf.duration and isinstance(value, int)
            set_path(found, path, format_duration(value) if duration else value)
    return found


def compose(
    address: Address,
    spec: Spec,
    *,
    above: Sequence[str] = (),
    notes: Mapping[str, str] = {},
    below: Sequence[str] = (),
) -> str:
    """The document. `spec` is as `written` makes it; comments stand above the document, above the
    value or block at a path of the spec (`notes`), and at the end.
    """
    lines = [line for text in above for line in comment(text)]
    lines += [f"apiVersion: {API_VERSION}", f"kind: {address.kind}"]
    lines += ["metadata:", f"  name: {scalar(address.name)}", "spec:"]
    lines += _block(spec, "", 2, notes)
    lines += [line for text in below for line in comment(text, 2)]
    return "\n".join(lines) + "\n"


def comment(text: str, indent: int = 0) -> list[str]:
    """Lines of a comment; what would end one, or steer a terminal, is replaced."""
    pad, width = " " * indent + "# ", WIDTH - indent - 2
    return [pad + line for line in textwrap.wrap(harmless(text), width, break_on_hyphens=False)]


def harmless(text: str) -> str:
    """`text` for a comment: what would end that, or steer a terminal, is replaced."""
    return "".join(c if c.isprintable() and c != "\ufeff" else "�" for c in text)


def slug(name: str) -> str:
    """A name for an address, made of `name`."""
    letters = re.sub(r"[^a-z0-9._-]+", "-", name.lower())[: MAX_NAME - 8].strip("._-")
    return letters or "endpoint"


def _block(block: Spec, above: str, indent: int, notes: Mapping[str, str]) -> list[str]:
    lines = []
    for key, value in block.items():
        path = above + key
        if path in notes:
            lines += comment(notes[path], indent)
        if isinstance(value, dict):
            lines += [" " * indent + f"{key}:", *_block(value, f"{path}.", indent + 2, notes)]
        else:
            lines.append(" " * indent + f"{key}: {_value(value)}")
    return lines


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(scalar(literal(str(one)), flow=True) for one in value) + "]"
    return scalar(literal(value) if isinstance(value, str) else value)
