"""A resource as it was put together: one document, and behind each value where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from friendli_iac.manifest.compose import harmless
from friendli_iac.manifest.envelope import API_VERSION
from friendli_iac.manifest.model import Declared
from friendli_iac.manifest.spelling import literal, scalar
from friendli_iac.resources import KINDS
from friendli_iac.resources.spec import Spec, SpecModel, leaves, submodel
from friendli_iac.resources.values import format_duration

DEFAULT = "(default)"  # nobody wrote it: friendli-iac always manages it


def document(declared: Declared) -> tuple[dict[str, Any], dict[str, str]]:
    """The document, which is read as the same resource, and by path where each value comes from."""
    spec: Spec = {}
    sources: dict[str, str] = {}
    metadata: dict[str, Any] = {"name": declared.address.name}
    for key, value in sorted(declared.labels.items()):
        metadata.setdefault("labels", {})[key] = literal(value)
        sources[f"metadata.labels.{key}"] = str(declared.source(f"labels.{key}"))
    if declared.depends_on:
        metadata["dependsOn"] = [str(address) for address in declared.depends_on]
        sources["metadata.dependsOn"] = str(declared.source("dependsOn"))
    model = KINDS[declared.address.kind].model
    for path, value in _values(model, declared.spec):
        *blocks, last = path.split(".")
        here = spec
        for block in blocks:
            here = here.setdefault(block, {})
        here[last] = _written(model, path, value)
        sources[f"spec.{path}"] = str(declared.said(path) or DEFAULT)
    return {
        "apiVersion": API_VERSION,
        "kind": declared.address.kind,
        "metadata": metadata,
        "spec": spec,
    }, sources


def as_yaml(declared: Declared) -> str:
    """The document as text, with the sources as comments."""
    data, sources = document(declared)
    lines = [f"# {harmless(str(declared.source()))}"]
    return "\n".join([*lines, *_lines(data, (), sources)]) + "\n"


def _values(model: type[SpecModel], spec: Spec, above: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a specification by path, in the order of the model; an empty block is one."""
    for name, info in model.model_fields.items():
        key = info.alias or name
        block = submodel(model, key)
        if key in spec and block is not None and spec[key]:
            yield from _values(block, spec[key], f"{above}{key}.")
        elif key in spec:
            yield f"{above}{key}", spec[key]


def _written(model: type[SpecModel], path: str, value: Any) -> Any:
    leaf = leaves(model).get(path)
    if leaf is not None and leaf.duration and isinstance(value, int):
        return format_duration(value)
    return literal(value)


def _lines(block: dict[str, Any], above: tuple[str, ...], sources: dict[str, str]) -> Iterator[str]:
    for key, value in block.items():
        path = (*above, key)
        source = sources.get(".".join(path))
        start = f"{'  ' * len(above)}{scalar(key)}:"
        if isinstance(value, dict) and source is None:
            yield start
            yield from _lines(value, path, sources)
        else:
            yield f"{start} {scalar(value)}" + (f" # {harmless(source)}" if source else "")
