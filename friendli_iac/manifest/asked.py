"""What `set` is asked for: `spec.PATH=VALUE`, checked against the fields that there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from friendli_iac.errors import Problem, UsageError
from friendli_iac.manifest.document import Document, Keys
from friendli_iac.manifest.explain import did_you_mean
from friendli_iac.manifest.layering import MODELS
from friendli_iac.manifest.reader import read
from friendli_iac.manifest.spelling import Value, as_typed, literal
from friendli_iac.manifest.write import NOTHING
from friendli_iac.resources.base import Address
from friendli_iac.resources.secrets import RULE, looks_secret, masked
from friendli_iac.resources.spec import leaves, parse_value


@dataclass(frozen=True)
class Setting:
    """One value to set, or, where `wanted` is None, to take out. `path` begins at the document,
    `value` is what YAML will say and `wanted` what it stands for (canonical).
    """

    path: Keys
    value: Value = ""
    wanted: Any = None

    def __str__(self) -> str:
        return ".".join(map(str, self.path))


def parse_settings(
    address: Address, settings: Sequence[str], unset: Sequence[str]
) -> list[Setting]:
    """What `PATH=VALUE` and `--unset PATH` ask for, what is taken out last. UsageError for what no
    document of this kind can say.
    """
    if address.kind not in MODELS:
        near = did_you_mean(address.kind, MODELS)
        raise UsageError(
            f"{address}: there is no kind {address.kind}",
            safe=NOTHING,
            next=near or f"Kinds: {', '.join(MODELS)}.",
        )
    found = [_setting(address, text) for text in settings]
    found += [Setting(_path(address, path, path)) for path in unset]
    paths = [str(setting) for setting in found]
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise UsageError(f"{', '.join(sorted(twice))} is named twice", safe=NOTHING)
    return found


def _setting(address: Address, text: str) -> Setting:
    name, equals, typed = text.partition("=")
    if not equals or not name:
        raise UsageError(
            f"{masked(text)}: a setting looks like spec.model.huggingFace.revision=COMMIT",
            safe=NOTHING,
        )
    if not typed:
        raise UsageError(
            f"{name}= has no value", safe=NOTHING, next=f"To remove it: --unset {name}"
        )
    said = name if looks_secret(text) else text
    path = _path(address, name, said)
    if path[0] == "metadata":
        return Setting(path, literal(typed), typed)
    inner = ".".join(map(str, path[1:]))
    leaf = leaves(MODELS[address.kind])[inner]
    flow = _flow(said, typed) if leaf.nested and typed.lstrip()[:1] in ("{", "[") else None
    try:
        value = parse_value(MODELS[address.kind], inner, typed if flow is None else flow)
    except ValidationError as error:
        first = error.errors()[0]
        shown = name if first["type"] == RULE else said
        raise UsageError(f"{shown}: {first['msg']}", safe=NOTHING, next=leaf.description) from None
    if flow is not None:
        return Setting(path, literal(flow), value)
    return Setting(path, as_typed(typed, value), value)


def _flow(text: str, typed: str) -> Value:
    """What a mapping or a list stands for that was typed as YAML on one line."""
    problems: list[Problem] = []
    found: Value = read(Document("", typed, 0, len(typed), 0), problems)
    if problems:
        raise UsageError(f"{text}: {problems[0].message}", safe=NOTHING, next=problems[0].remedy)
    return found


def _path(address: Address, name: str, text: str) -> Keys:
    """The way to a field that can be set. The key of a label may hold dots."""
    part, _, rest = name.partition(".")
    if part == "metadata" and rest.startswith("labels.") and len(rest) > len("labels."):
        return ("metadata", "labels", rest.removeprefix("labels."))
    if name == "metadata.name":
        raise UsageError(
            "metadata.name is the address of a resource, and cannot be set",
            safe=NOTHING,
            next="Change it in the file, then: friendli-iac state mv OLD NEW",
        )
    known = [path for path, leaf in leaves(MODELS[address.kind]).items() if not leaf.derived]
    if part == "spec" and rest in known:
        return ("spec", *rest.split("."))
    names = [f"spec.{path}" for path in known]
    inside = [path for path in names if path.startswith(f"{name}.")]
    if inside:
        raise UsageError(
            f"{name} is a block of keys", safe=NOTHING, next=f"Name one: {', '.join(inside[:5])}"
        )
    near = did_you_mean(name, names) or "friendli-iac schema lists every field."
    raise UsageError(f"{text}: there is no field {name}", safe=NOTHING, next=near)
