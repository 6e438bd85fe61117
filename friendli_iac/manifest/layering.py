"""A specification from its origins: defaults, the environment, profiles, the document, an overlay.

Each wins over those before it in this list. An overlay patches the document; all others are laid
over one another block by block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce

from pydantic import ValidationError

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import Document, Keys, Report
from friendli_iac.manifest.envelope import Envelope
from friendli_iac.manifest.explain import Finding, Guesses, findings
from friendli_iac.manifest.model import Layer, origins
from friendli_iac.resources import KINDS, TEMPLATES
from friendli_iac.resources.base import Address
from friendli_iac.resources.patch import deleted, patched
from friendli_iac.resources.spec import (
    Parts,
    Spec,
    SpecModel,
    canonical,
    get_path,
    leaves,
    overlay,
)

MODELS: dict[str, type[SpecModel]] = {**{n: k.model for n, k in KINDS.items()}, **TEMPLATES}
WITH_F = "; with -f, only the files that it names are read: add the one that has it"


@dataclass(frozen=True, eq=False, slots=True)
class Said:
    """What one origin says of a specification, and its parts: each as it is written, and where.
    The part that wins comes first.
    """

    written: Spec
    parts: tuple[tuple[Spec, Layer], ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(layer for _, layer in self.parts)


@dataclass(frozen=True, eq=False, slots=True)
class Checked:
    """A document by itself: `written` is what all of its origins say together, and `spec` that in
    canonical form, or None when it is invalid. `documents` are its own, the one that declares it
    at last.

    `depends_on` gives the document, and the index in its metadata.dependsOn; `references` by path
    the names of templates, and how many of the layers are at or above the one that says it.
    """

    address: Address
    labels: dict[str, str]
    depends_on: dict[Address, tuple[Document, int]]
    references: dict[str, tuple[str, int]]
    written: Spec
    spec: Spec | None
    layers: tuple[Layer, ...]
    documents: tuple[Document, ...]

    @property
    def document(self) -> Document:
        """The document that declares it."""
        return self.documents[-1]


@cache
def references(model: type[SpecModel]) -> Mapping[str, str]:
    """The paths of a model's fields that name a template, and the template's kind."""
    return {path: leaf.ref for path, leaf in leaves(model).items() if leaf.ref}


@cache
def includes(model: type[SpecModel]) -> Mapping[str, str]:
    """The keys of a model that list templates to lay under it, and the templates' kind."""
    return {path: leaf.include for path, leaf in leaves(model).items() if leaf.include}


@cache
def parts(model: type[SpecModel]) -> Mapping[str, Parts]:
    """The paths of a model's fields that list templates as parts, and which."""
    return {path: leaf.parts for path, leaf in leaves(model).items() if leaf.parts}


@cache
def needs(model: type[SpecModel]) -> Mapping[str, str]:
    """The paths of a model's fields that name resources, and the resources' kind."""
    return {path: leaf.needs for path, leaf in leaves(model).items() if leaf.needs}


class Layering:
    """Puts the origins of all documents together. `defaults` are by kind, `project` is what the
    environment says of every resource that is in a Friendli project; `complete`: nothing else is
    there to be referred to.
    """

    def __init__(
        self,
        defaults: Mapping[str, Said],
        project: Said | None,
        report: Report,
        *,
        complete: bool,
    ) -> None:
        self._defaults, self._project = defaults, project
        self._report, self._complete = report, complete
        self._guesses = Guesses()
        self._told: set[tuple[Document, Keys]] = set()  # where a part is wrong by itself
        self._patches: dict[Address, Envelope] = {}
        self._included: dict[Address, Said] = {}
        for kind, said in defaults.items():
            self._check_part(MODELS[kind], said)

    def checked(
        self, declared: Sequence[Envelope], patches: Sequence[Envelope], unreadable: set[str]
    ) -> list[Checked]:
        """The documents with their overlays. `unreadable` are addresses whose document is there,
        and cannot be read.
        """
        self._take_patches(patches, {one.address for one in declared}, unreadable)
        for one in declared:
            model = MODELS[one.address.kind]
            if model.PARTIAL:
                said = self._laid(one.address, [self._own(one)])
                self._check_part(model, said)
                self._included.setdefault(one.address, said)
        self._names: dict[str, list[str]] = {}
        for address in self._included:
            self._names.setdefault(address.kind, []).append(address.name)
        return [self._checked(one, unreadable) for one in declared]

    def _take_patches(
        self, patches: Sequence[Envelope], declared: set[Address], unreadable: set[str]
    ) -> None:
        names = [str(address) for address in declared]
        for patch in patches:
            address, path = patch.address, ("metadata", "name")
            first = self._patches.setdefault(address, patch)
            if first is not patch:
                line = first.document.place(path)[0]
                message = f"{address} is patched twice, first at {first.document.file}:{line}"
                self._problem(patch.document, "duplicate-address", message, path, "join the two")
            elif address not in declared and self._complete and str(address) not in unreadable:
                near = self._guesses.near(str(address), names)
                remedy = near or "an overlay patches what the base declares; correct kind and name"
                message = f"there is no {address} to patch"
                self._problem(patch.document, "unknown-address", message, path, remedy)

    def _own(self, one: Envelope) -> Said:
        """What the document itself says, with its overlay."""
        patch = self._patches.get(one.address)
        if patch is None:
            return Said(one.spec, ((one.spec, Layer(one.document, ("spec",))),))
        gone = tuple(deleted(patch.spec))
        return Said(
            patched(MODELS[one.address.kind], one.spec, patch.spec),
            tuple((e.spec, Layer(e.document, ("spec",), (), gone)) for e in (patch, one)),
        )

    def _laid(self, address: Address, said: Sequence[Said]) -> Said:
        """Origins over one another, the first on top, with what all documents of a kind share."""
        model = MODELS[address.kind]
        below = [self._defaults[address.kind]] if address.kind in self._defaults else []
        if self._project and model.IN_PROJECT and not model.PARTIAL:
            below.insert(0, self._project)
        every = (*said, *below)
        return Said(
            reduce(lambda low, high: overlay(model, low, high.written), every[::-1], Spec()),
            tuple(part for one in every for part in one.parts),
        )

    def _checked(self, one: Envelope, unreadable: set[str]) -> Checked:
        address, model = one.address, MODELS[one.address.kind]
        own = self._own(one)
        said = self._laid(address, [own])
        named, all_known = self._named(address, said, unreadable)
        if named:
            said = self._laid(address, [own, *named])
        spec: Spec | None = None
        if not model.PARTIAL:  # or it was checked, and nothing needs it any more
            spec = self._valid(model, said, own.layers[-1], all_known=all_known)
        patch = self._patches.get(address)
        labels = {**(one.labels or {}), **((patch.labels or {}) if patch else {})}
        needed = patch if patch and patch.depends_on is not None else one
        if patch and patch.labels is None:
            labels = {}
        return Checked(
            address,
            {key: value for key, value in labels.items() if value is not None},
            {a: (needed.document, index) for a, index in (needed.depends_on or {}).items()},
            {} if model.PARTIAL else _named_templates(model, said),
            said.written,
            spec,
            said.layers,
            (patch.document, one.document) if patch else (one.document,),
        )

    def _named(self, address: Address, said: Said, unreadable: set[str]) -> tuple[list[Said], bool]:
        """The templates that a specification lists, the one that wins first; and whether all of
        them are there.
        """
        found: list[Said] = []
        complete = True
        model = MODELS[address.kind]
        for key, kind in {} if model.PARTIAL else includes(model).items():
            names = said.written.get(key, [])
            for index, name in enumerate(names) if isinstance(names, list) else ():
                template = self._included.get(Address(kind, name)) if _is_text(name) else None
                complete = complete and template is not None
                if template is not None:
                    written = {k: v for k, v in template.written.items() if k != key}
                    found.insert(0, Said(written, template.parts))
                elif _is_text(name) and f"{kind}/{name}" not in unreadable:
                    document, path = next(origins(said.layers, (key, index)))
                    near = self._guesses.near(name, self._names.get(kind, []))
                    remedy = near or f"add a document with kind: {kind}"
                    remedy += "" if self._complete else WITH_F
                    message = f"there is no {kind} {name}"
                    self._problem(document, "dangling-reference", message, path, remedy)
        return found, complete

    def _valid(
        self, model: type[SpecModel], said: Said, home: Layer, *, all_known: bool
    ) -> Spec | None:
        """The canonical form; None after a problem. What is missing is missing at `home`, and a
        problem only where all that could have it is there.
        """
        layers = said.layers
        try:
            spec = canonical(model.model_validate(said.written))
        except ValidationError as error:
            for put in findings(model, error, lambda path: _raw(layers, path)):
                if self._report.full:  # nobody reads it: words and place cost time
                    self._report.more += 1
                    continue
                finding = put()
                document, path, key = _place(finding, layers, home)
                told = (document, path) in self._told
                if not all_known if finding.partial else told:
                    continue
                self._report.append(_worded(finding, document, path, key))
            return None
        return {key: value for key, value in spec.items() if key not in includes(model)}

    def _check_part(self, model: type[SpecModel], said: Said) -> None:
        """Reports what is wrong in a part, whatever others add to it."""
        try:
            model.model_validate(said.written)
        except ValidationError as error:
            for put in findings(model, error, lambda path: _raw(said.layers, path)):
                finding = put()
                document, path, key = _place(finding, said.layers, said.layers[0])
                if not finding.partial and (document, path) not in self._told:
                    self._told.add((document, path))
                    self._report.append(_worded(finding, document, path, key))

    def _problem(
        self, document: Document, rule: str, message: str, path: Keys, remedy: str
    ) -> None:
        self._report.append(document.problem(rule, message, path, remedy=remedy))


def _is_text(name: object) -> bool:
    return isinstance(name, str)


def _named_templates(model: type[SpecModel], said: Said) -> dict[str, tuple[str, int]]:
    found = {}
    for path in references(model):
        name = get_path(said.written, path)
        parts = enumerate(said.parts, start=1)
        above = next((n for n, (part, _) in parts if get_path(part, path) is not None), 0)
        if isinstance(name, str):
            found[path] = name, above
    return found


def _raw(layers: tuple[Layer, ...], path: Keys) -> str | None:
    return next((document.raw(written) for document, written in origins(layers, path)), None)


def _place(finding: Finding, layers: tuple[Layer, ...], home: Layer) -> tuple[Document, Keys, bool]:
    """Where the value, or else the nearest block around it, is written, `home` where none is; and
    whether its key is meant. What is missing is missing at `home` first.
    """
    first = (home,) if finding.rule == "required" else ()
    for length in range(len(finding.path), 0, -1):
        written = next(origins((*first, *layers), finding.path[:length]), None)
        if written is not None:
            return *written, finding.at_key or length < len(finding.path)
    return home.document, home.at, True


def _worded(finding: Finding, document: Document, path: Keys, key: bool) -> Problem:
    return document.problem(finding.rule, finding.message, path, remedy=finding.remedy, key=key)
