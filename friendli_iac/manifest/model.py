"""What the manifests say, once everything in them has been checked and put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from friendli_iac.manifest.document import Document, Keys
from friendli_iac.resources.adapter import AdapterField
from friendli_iac.resources.base import Address
from friendli_iac.resources.policy import Policy
from friendli_iac.resources.prices import LIST_PRICES, Prices
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
    """One origin of a specification: what `document` says at `at` is the spec's part at `mount`,
    but for what an overlay deletes from it (`without`, as seen from `at`).
    """

    document: Document
    at: Keys
    mount: Keys = ()
    without: tuple[Keys, ...] = ()

    def place(self, path: Keys) -> Keys | None:
        """Where in the document the value at `path` of the spec would stand; None: not in it."""
        depth = len(self.mount)
        inner = path[depth:]
        if path[:depth] != self.mount or any(inner[: len(gone)] == gone for gone in self.without):
            return None
        return (*self.at, *inner)

    def deletes(self, path: Keys) -> Keys | None:
        """The place of the null in the document that deletes the value at `path` of the spec."""
        depth = len(self.mount)
        for gone in self.without if path[:depth] == self.mount else ():
            if path[depth:][: len(gone)] == gone and self.document.has((*self.at, *gone)):
                return (*self.at, *gone)
        return None


@dataclass(frozen=True, eq=False)
class Declared:
    """One resource that is wanted.

    `spec` is canonical: variables, defaults and references are resolved, and it holds what the kind
    always manages. `layers` are its origins, the one that wins first; `documents` are its own: an
    overlay, and at last the one that declares it.
    """

    address: Address
    spec: Spec
    labels: dict[str, str]
    depends_on: tuple[Address, ...]
    layers: tuple[Layer, ...] = field(default=(), repr=False)
    documents: tuple[Document, ...] = field(default=(), repr=False)

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
        if not self.documents:
            return Source("", 0, 0)
        keys = tuple(path.split(".")) if path else ()
        document = self.documents[-1]
        if keys[:1] == ("labels",):
            keys = ("labels", path.partition(".")[2])  # whose key may have dots in it
        if keys[:1] in (("labels",), ("dependsOn",)):
            said = ("metadata", *(key for key in keys if key))
            return _source(next((d for d in self.documents if d.has(said)), document), said)
        if keys and get_path(self.spec, path, UNSET) is UNSET:
            for layer in self.layers:
                if (null := layer.deletes(keys)) is not None:
                    return _source(layer.document, null)
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
        return self.said(path) is not None

    def said(self, path: str) -> Source | None:
        """Where the user wrote the value at `path` of the spec; None when nobody did."""
        if get_path(self.spec, path, UNSET) is UNSET:
            return None
        return next((_source(*one) for one in origins(self.layers, tuple(path.split(".")))), None)


def origins(layers: tuple[Layer, ...], path: Keys) -> Iterator[tuple[Document, Keys]]:
    """The documents that say something at `path` of the spec, and where they say it."""
    for layer in layers:
        written = layer.place(path)
        if written is not None and layer.document.has(written):
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
    """What friendli-iac.yaml says of one environment. `state` is the address of its own state,
    `project` the Friendli project; `overlays` and `manifests` are files, folders and patterns:
    patches of the base, and documents beside it.
    """

    name: str
    state: str
    variables: Mapping[str, Any] = field(default_factory=dict)
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
    prices: Prices = LIST_PRICES
    policy: Policy | None = None
    adapters: Mapping[str, AdapterField] = field(default_factory=dict)  # by base URL
    document: Document | None = field(default=None, repr=False, compare=False)
