"""The JSON Schemas of manifests and of friendli-iac.yaml, made from the models.

Draft-07, which is what editors' YAML servers read. They are a help while writing, and let through
what only a run can know: `${…}` anywhere, and fields that defaults may provide.
"""

from __future__ import annotations

from typing import Any

from friendli_iac.manifest.adapters import adapters_schema
from friendli_iac.manifest.envelope import API_VERSION, MAX_NAME, NAME
from friendli_iac.manifest.environments import NAME as ENVIRONMENT_NAME
from friendli_iac.manifest.policy_schema import policy_schema
from friendli_iac.resources import KINDS, TEMPLATES
from friendli_iac.resources.spec import SpecModel, submodel

Schema = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_EXPRESSION = {"type": "string", "pattern": r"\$\{"}
_EXPRESSION_REF = {"$ref": "#/definitions/expression"}
_NAME = {"type": "string", "pattern": f"^{NAME}$", "maxLength": MAX_NAME}
# Constraints that pydantic leaves under its own names where a validator stands before them.
_RENAMED = {"ge": "minimum", "le": "maximum"}


def manifest_schema() -> Schema:
    """The schema of one manifest document of any kind."""
    kinds = sorted({**KINDS, **TEMPLATES})
    return {
        "$schema": _DRAFT,
        "title": "A manifest of friendli-iac",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": API_VERSION, "description": "The version of this format."},
            "kind": {"enum": kinds, "description": "What the document describes."},
            "metadata": _metadata(),
            "spec": {"type": "object", "description": "What is wanted."},
        },
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {
                    "properties": {"spec": {"$ref": f"#/definitions/{_models()[kind].__name__}"}}
                },
            }
            for kind in kinds
        ],
        "definitions": _definitions(),
    }


def settings_schema() -> Schema:
    """The schema of friendli-iac.yaml."""
    scalar = ["string", "number", "boolean", "array"]
    return {
        "$schema": _DRAFT,
        "title": "friendli-iac.yaml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": {
                "type": "string",
                "description": "What the header of the state calls this project. Without it: the "
                "repository, and the folder in it.",
            },
            "manifests": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Files, folders and patterns to read, relative to this file's "
                "folder. Left out: every YAML file below it.",
            },
            "variables": {
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_-]*$"},
                "additionalProperties": {
                    "anyOf": [
                        {"type": scalar, "description": "The default."},
                        {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "default": {"description": "The value where no other is given."},
                                "description": {
                                    "type": "string",
                                    "description": "What the variable is for.",
                                },
                                "sensitive": {
                                    "type": "boolean",
                                    "description": "Never show the value.",
                                },
                            },
                        },
                    ]
                },
                "description": "Variables for ${var.NAME}: a default, or a block that describes "
                "the variable. --var, FRIENDLI_IAC_VAR_NAME and --var-file win over the default.",
            },
            "state": {
                "type": "string",
                "description": "Where the state is kept: a path, or s3://BUCKET/PREFIX, "
                "gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, postgres://HOST/DATABASE?state=NAME. "
                "${environment} stands for what --env says.",
            },
            "siblings": {
                "type": "array",
                "items": {"type": "string"},
                "description": "States of other projects, as in `state`: what they hold is not "
                "ours, and is not reported as nobody's.",
            },
            "environments": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^{ENVIRONMENT_NAME}$"},
                "additionalProperties": _environment(),
                "description": "What differs in each environment. With environments, commands need "
                "--env; each has a state of its own.",
            },
            "defaults": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    kind: {"$ref": f"#/definitions/{model.__name__}"}
                    for kind, model in sorted(_models().items())
                },
                "description": "By kind: fields for every spec that does not give them itself.",
            },
            "policy": policy_schema(),
            "prices": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "source": {"type": "string", "description": "Whose prices they are."},
                    "asOf": {
                        "type": "string",
                        "pattern": "^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$",
                        "description": "When they held: a month or a day.",
                    },
                    "gpuHour": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "number",
                            "exclusiveMinimum": 0,
                            "maximum": 100,
                        },
                        "description": "Dollars for one GPU and hour, by GPU.",
                    },
                },
                "description": "What a GPU costs, instead of its list price: plans, `status` and "
                "`cost` estimate with it.",
            },
            "adapters": adapters_schema(),
        },
        "definitions": _definitions(),
    }


def _environment() -> Schema:
    files: Schema = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "state": {
                "type": "string",
                "description": "Where its state is kept, as `state` of all. Without any: "
                ".friendli-iac/ENVIRONMENT/state.json.",
            },
            "project": {
                "type": "string",
                "description": "The id of the Friendli project of what names none itself.",
            },
            "variables": {
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_-]*$"},
                "description": "Values that win over the defaults of `variables`.",
            },
            "overlays": {
                **files,
                "description": "Files, folders and patterns of patches: documents that are merged "
                "over those of the base with the same kind and name; null deletes.",
            },
            "manifests": {
                **files,
                "description": "Files, folders and patterns of what is in this environment only.",
            },
        },
    }


def _models() -> dict[str, type[SpecModel]]:
    return {**{name: kind.model for name, kind in KINDS.items()}, **TEMPLATES}


def _metadata() -> Schema:
    return {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {
                "anyOf": [_NAME, _EXPRESSION_REF],
                "description": "The name within the kind: Endpoint/NAME is the address. The "
                "resource itself is called so too, unless its spec gives another name.",
            },
            "labels": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Text by key, to select resources by; kept by friendli-iac only.",
            },
            "dependsOn": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[^/]+/[^/]+$", "examples": ["Endpoint/a"]},
                "description": "Addresses of resources that have to be in place before this one.",
            },
        },
        "description": "What the document is called, and how it is related to others.",
    }


def _definitions() -> Schema:
    found: Schema = {"expression": {**_EXPRESSION, "description": "A value from elsewhere."}}
    for model in _models().values():
        _define(model, found)
    return dict(sorted(found.items()))


def _define(model: type[SpecModel], found: Schema) -> None:
    """Adds the definitions of a block and of the blocks in it, by the names of their models."""
    written = model.model_json_schema()
    properties: Schema = {}
    for name, info in model.model_fields.items():
        key = info.alias or name
        block = submodel(model, key)
        if block is None:
            properties[key] = _value(written["properties"][key])
        else:
            _define(block, found)
            properties[key] = {
                "anyOf": [{"$ref": f"#/definitions/{block.__name__}"}, _EXPRESSION_REF],
                "description": _summary(block),
            }
    found[model.__name__] = {
        "type": "object",
        "description": _summary(model),
        "additionalProperties": False,
        "properties": properties,
        **_alternatives(model),
    }


def _value(schema: Schema) -> Schema:
    """A field's schema without null, in draft-07's words, with `${…}` beside its own values."""
    options = [o for o in schema.get("anyOf", [schema]) if o.get("type") != "null"]
    outer = ("title", "default", "description")
    values = [
        {_RENAMED.get(k, k): v for k, v in option.items() if k not in outer} for option in options
    ]
    free = all(v.get("type") == "string" and "pattern" not in v for v in values)
    shape = values[0] if free and len(values) == 1 else {"anyOf": [*values, _EXPRESSION_REF]}
    return {**shape, "description": schema.get("description", "")}


def _alternatives(model: type[SpecModel]) -> Schema:
    """That no two keys of different groups stand together."""
    groups = model.ALTERNATIVES
    pairs = [
        {"required": [one, other]}
        for index, group in enumerate(groups)
        for later in groups[index + 1 :]
        for one in group
        for other in later
    ]
    return {"not": {"anyOf": pairs}} if pairs else {}


def _summary(model: type[SpecModel]) -> str:
    return " ".join((model.__doc__ or "").split())
