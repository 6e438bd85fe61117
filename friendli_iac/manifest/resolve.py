"""What documents say of one another: references, dependencies, and names used twice."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import Document, Keys
from friendli_iac.manifest.explain import Guesses
from friendli_iac.manifest.layering import WITH_F, Checked, needs, parts, references
from friendli_iac.manifest.model import Declared, Manifest, Source, origins
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import BLANK, Spec, copied, get_path, set_path


def resolve(checked: Sequence[Checked], report: list[Problem], *, complete: bool) -> Manifest:
    """The documents together. `complete` says that there are no others; problems go to `report`."""
    return _Resolver(checked, report, complete).manifest()


_MAX_CYCLES = 100  # that are told of; to find the next one takes a walk through everything


class _Resolver:
    def __init__(self, checked: Sequence[Checked], report: list[Problem], complete: bool) -> None:
        self._guesses = Guesses()
        self._report, self._complete = report, complete
        self._all = checked
        self._known: dict[Address, Checked] = {}
        self._needed_by: dict[Address, list[Address]] = {}

    def manifest(self) -> Manifest:
        for one in self._all:
            first = self._known.setdefault(one.address, one)
            if first is not one:
                self._declared_twice(first, one)
        resources: dict[Address, Declared] = {}
        templates: dict[Address, Source] = {}
        for one in self._all:
            address = one.address
            if address.kind in KINDS:
                declared = self._declared(address, one)
                if declared is not None:
                    resources.setdefault(address, declared)
            else:
                document = one.document
                templates[address] = Source(document.file, *document.place())
        self._check_names(resources)
        self._check_dependencies()
        self._check_agreement(resources)
        return Manifest(resources, templates, self._complete)

    def _declared_twice(self, first: Checked, second: Checked) -> None:
        path = ("metadata", "name")
        document = first.document
        line = document.place(path)[0]
        self._report.append(
            second.document.problem(
                "duplicate-address",
                f"{second.address} is declared twice, first at {document.file}:{line}",
                path,
                remedy="give one of them another metadata.name, or remove it",
            )
        )

    def _declared(self, address: Address, one: Checked) -> Declared | None:
        """The resource with its references resolved; None when its own spec is invalid."""
        layers, spec = one.layers, one.spec
        for path, (name, above) in one.references.items():
            kind = references(KINDS[address.kind].model)[path]
            template = self._known.get(Address(kind, name))
            if template is None:
                self._dangling(one, path, kind, name)
            elif template.spec is not None and spec is not None:
                block = path.rpartition(".")[0]
                set_path(spec, block, copy.deepcopy(template.spec))
                mount: Keys = tuple(block.split("."))
                mounted = (replace(layer, mount=mount) for layer in template.layers)
                layers = (*layers[:above], *mounted, *layers[above:])
        blocks, needed = self._parts(one), self._needed(one)
        if spec is None:
            return None
        spec = copied(spec)
        for path, listed in blocks.items():
            set_path(spec, path, listed)
        spec = KINDS[address.kind].desired(address, spec)
        named = self._needed_by.setdefault(address, needed)
        depends_on = tuple(dict.fromkeys([*one.depends_on, *named]))
        return Declared(address, spec, one.labels, depends_on, layers, one.documents)

    def _parts(self, one: Checked) -> dict[str, list[Spec]]:
        """By path a block for each template that is listed there by name."""
        found: dict[str, list[Spec]] = {}
        for path, listed in parts(KINDS[one.address.kind].model).items():
            names = get_path(one.written, path)
            if not isinstance(names, list):
                continue
            blocks = found.setdefault(path, [])
            for index, name in enumerate(names):
                if not _is_name(name):
                    continue
                template = self._known.get(Address(listed.kind, name))
                if template is None:
                    self._dangling(one, path, listed.kind, name, index)
                elif template.spec is not None:
                    block = {"name": name, **copy.deepcopy(template.spec)}
                    self._check_unique(one, (*path.split("."), index), blocks, block, listed.unique)
                    blocks.append(block)
        return found

    def _check_unique(
        self, one: Checked, keys: Keys, before: Sequence[Spec], block: Spec, unique: str
    ) -> None:
        """That no part says the same at `unique` as one `before` it."""
        for other in before:
            if not unique or block.get(unique) != other.get(unique):
                continue
            message = f"{other['name']} and {block['name']} have the same {unique}: {block[unique]}"
            remedy = f"give one of them another {unique}"
            if other["name"] == block["name"]:
                message, remedy = f"{block['name']} is listed twice", "remove one of them"
            document, written = next(origins(one.layers, keys))
            self._report.append(document.problem("duplicate-part", message, written, remedy=remedy))
            return

    def _needed(self, one: Checked) -> list[Address]:
        """The resources that the fields of a specification name. With -f, they may be elsewhere."""
        found = []
        for path, kind in needs(KINDS[one.address.kind].model).items():
            said = get_path(one.written, path)
            for name in said if isinstance(said, list) else [said]:
                if not _is_name(name) or name == BLANK:  # a plan with that is refused
                    continue
                if self._complete and Address(kind, name) not in self._known:
                    self._dangling(one, path, kind, name)
                else:
                    found.append(Address(kind, name))
        return found

    def _dangling(
        self, one: Checked, path: str, kind: str, name: str, index: int | None = None
    ) -> None:
        near = self._guesses.near(name, self._names.get(kind, []))
        remedy = near or f"add a document with kind: {kind}"
        remedy += "" if self._complete else WITH_F
        keys: Keys = (*path.split("."), *([] if index is None else [index]))
        document, written = next(origins(one.layers, keys))
        message = f"there is no {kind} {name}"
        self._report.append(document.problem("dangling-reference", message, written, remedy=remedy))

    def _check_names(self, resources: Mapping[Address, Declared]) -> None:
        seen: dict[tuple[str, object, object], Declared] = {}
        for address, declared in resources.items():
            if "name" in get_path(declared.spec, "lifecycle.ignoreChanges", []):
                continue  # it claims no name: names of what exists may be given twice
            place = KINDS[address.kind].place(declared.spec)
            name = address.kind, place, declared.spec.get("name")
            first = seen.setdefault(name, declared)
            if first is declared:
                continue
            document, written = _written(declared, ("name",))
            self._report.append(
                document.problem(
                    "duplicate-name",
                    f"{address} and {first.address} ({first.source()}) have the same name"
                    f" in the same project: {name[2]}",
                    written,
                    remedy="give one of them another name, or another project",
                )
            )

    def _check_agreement(self, resources: Mapping[Address, Declared]) -> None:
        every = {str(address): declared.spec for address, declared in resources.items()}
        for address, declared in resources.items():
            for path, message, remedy in KINDS[address.kind].disagreements(declared.spec, every):
                document, written = _written(declared, tuple(path.split(".")))
                self._report.append(
                    document.problem("disagreement", message, written, remedy=remedy)
                )

    def _check_dependencies(self) -> None:
        graph: dict[Address, list[Address]] = {}
        for address, one in self._known.items():
            for needed, (document, index) in one.depends_on.items():
                problem = self._unknown_dependency(needed)
                if problem is not None:
                    path = ("metadata", "dependsOn", index)
                    message, remedy = problem
                    self._report.append(
                        document.problem("dependency", message, path, remedy=remedy)
                    )
                elif needed in self._known:
                    graph.setdefault(address, []).append(needed)
            named = [a for a in self._needed_by.get(address, ()) if a in self._known]
            if named:
                graph[address] = list(dict.fromkeys([*graph.get(address, []), *named]))
        for _ in range(_MAX_CYCLES):
            cycle = _cycle(graph)
            if not cycle:
                break
            # graphlib gives each before the one that needs it; people read it the other way.
            ring = cycle[::-1]
            # What a field names is not to be taken back: one of them is a dependsOn.
            said = [(a, b) for a, b in pairwise(ring) if b in self._known[a].depends_on]
            if not said:
                break
            waiting, needed = said[0]
            document, index = self._known[waiting].depends_on[needed]
            self._report.append(
                document.problem(
                    "dependency-cycle",
                    "these wait for one another: " + " → ".join(map(str, ring)),
                    ("metadata", "dependsOn", index),
                    remedy="remove one of these dependsOn",
                )
            )
            graph[waiting].remove(needed)

    def _unknown_dependency(self, needed: Address) -> tuple[str, str] | None:
        """Message and remedy when nothing can depend on `needed`."""
        if needed in self._known and needed.kind not in KINDS:
            message = f"{needed} is a template: there is nothing to wait for"
            return message, "remove it; a reference is enough"
        if needed in self._known or (needed.kind in KINDS and not self._complete):
            return None
        known = self._resources
        near = self._guesses.near(str(needed), known)
        remedy = near or f"the resources are {', '.join(known[:10])}"
        return f"there is no {needed}", remedy

    @cached_property
    def _resources(self) -> list[str]:
        return [str(address) for address in self._known if address.kind in KINDS]

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for address in self._known:
            found.setdefault(address.kind, []).append(address.name)
        return found


def _is_name(said: object) -> bool:
    """Whether a document that may be invalid says a name here."""
    return isinstance(said, str) and bool(said)


def _written(declared: Declared, path: Keys) -> tuple[Document, Keys]:
    """Where a field is written; what no manifest writes is a name, which comes from metadata."""
    for written in origins(declared.layers, path):
        return written
    return declared.documents[-1], ("metadata", "name")


def _cycle(graph: Mapping[Address, list[Address]]) -> list[Address]:
    """One ring of dependencies, its first element repeated as its last; empty without any."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[Address] = error.args[1]
        return found
    return []
