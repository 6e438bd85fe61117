"""What the manifests say, once everything in them has been checked and put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from friendli_iac.manifest.document import Document, Keys
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import Spec, get_path

UNSET: Any = object()  # the default of a variable that has none


@dataclass(frozen=True)
class Source:
    """Where something was written. `line` and `column` count from 1; 0 when nothing was written."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Layer:
    """One origin of a specification: what `document` says at `at` is the spec's part at `mount`."""

    document: Document
    at: Keys
    mount: Keys = ()


@dataclass(frozen=True, eq=False)
class Declared:
    """One resource that is wanted.

    `spec` is canonical: variables, defaults and references are resolved, and it holds what the kind
    always manages. `layers` are its origins, the one that wins first.
    """

    address: Address
    spec: Spec
    labels: dict[str, str]
    depends_on: tuple[Address, ...]
    layers: tuple[Layer, ...] = field(default=(), repr=False)

    @property
    def asked(self) -> dict[str, str]:
        """Nothing is locked to something more exact than what was written."""
        return {}

    def source(self, path: str = "") -> Source:
        """Where the value at `path` was written, or else the nearest block around it.

        `path` is dotted, as in `autoscaling.maxReplicas`, `labels.team` and `dependsOn`; empty, it
        is the document. Files are read again for it, so it costs about as much as parsing the
        document does.
        """
        if not self.layers:
            return Source("", 0, 0)
        keys = tuple(path.split(".")) if path else ()
        document = self.layers[0].document
        if keys[:1] in (("labels",), ("dependsOn",)):
            return _source(document, ("metadata", *keys))
        for length in range(len(keys), 0, -1):
            here = keys[:length]
            if get_path(self.spec, ".".join(here), UNSET) is UNSET:
                continue  # an alternative that was written elsewhere and dropped
            for at, written in origins(self.layers, here):
                return _source(at, written)
        return _source(document, ("metadata", "name") if keys == ("name",) else ())

    def wrote(self, path: str) -> bool:
        """Whether the user wrote the value at `path`: in the document, as a default of the project,
        or in a template. Costs as much as `source`.
        """
        keys = tuple(path.split("."))
        here = get_path(self.spec, path, UNSET) is not UNSET
        return here and next(origins(self.layers, keys), None) is not None


def origins(layers: tuple[Layer, ...], path: Keys) -> Iterator[tuple[Document, Keys]]:
    """The documents that say something at `path` of the spec, and where they say it."""
    for layer in layers:
        depth = len(layer.mount)
        if path[:depth] == layer.mount:
            written = (*layer.at, *path[depth:])
            if layer.document.has(written):
                yield layer.document, written


def _source(document: Document, path: Keys) -> Source:
    return Source(document.file, *document.place(path))


@dataclass(frozen=True)
class Manifest:
    """Everything that is wanted. `resources` has only kinds with state: templates are resolved.

    `complete` says that the whole project was read, so that absence means something. `sensitive`
    holds the values of sensitive variables, which no output may show.
    """

    resources: dict[Address, Declared]
    templates: dict[Address, Source]
    complete: bool
    sensitive: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Variable:
    """A variable that friendli-iac.yaml declares. `default` is UNSET when it must be given."""

    name: str
    default: Any = field(default=UNSET, repr=False)
    description: str = ""
    sensitive: bool = False


@dataclass(frozen=True)
class Environment:
    """What friendli-iac.yaml says of one environment. `project` is the Friendli project, `overlays`
    and `manifests` are files, folders and patterns: patches of the base, and documents beside it.
    """

    name: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    state: str | None = None
    project: str | None = None
    overlays: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Project:
    """The settings of a project: friendli-iac.yaml (`file`), or none of it, and its folder."""

    root: Path
    file: Path | None = None
    name: str | None = None
    manifests: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)
    state: str | None = None
    siblings: tuple[str, ...] = ()
    defaults: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    document: Document | None = field(default=None, repr=False, compare=False)
