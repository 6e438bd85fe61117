"""The JSON Schema of the block `policy`."""

from __future__ import annotations

from typing import Any

from friendli_iac.resources.policy import RULES, RuleKind, Shape

Schema = dict[str, Any]


def policy_schema() -> Schema:
    """Each rule in its short form and its long one."""
    text = {"type": "string", "minLength": 1}
    flag = {"type": "boolean"}
    texts = {"type": "array", "minItems": 1, "items": text}
    labels = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}
    values: dict[Shape, Schema] = {
        "amount": {"type": "number", "minimum": 0},
        "count": {"type": "integer", "minimum": 1},
        "percent": {"type": "number", "minimum": 0, "maximum": 100},
        "flag": flag,
        "texts": texts,
        "gpus": texts,
        "labels": {"anyOf": [flag, labels]},
    }
    exemption = {
        "type": "object",
        "required": ["address", "reason", "until"],
        "additionalProperties": False,
        "properties": {
            "address": {**text, "description": "Endpoint/chat, or a pattern: Endpoint/big-*."},
            "reason": {**text, "description": "Why it is let through."},
            "until": {
                "type": "string",
                "pattern": r"^\d{4}-\d{2}-\d{2}$",
                "description": "The last day on which it holds.",
            },
        },
    }

    def rule(kind: RuleKind) -> Schema:
        value = values[kind.shape]
        long: Schema = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "value": value,
                "level": {"enum": ["warn", "deny"], "description": "Left out: deny."},
                "exempt": {"type": "array", "items": exemption},
            },
            **({} if kind.shape == "flag" else {"required": ["value"]}),
        }
        return {"anyOf": [value, long], "description": kind.description}

    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {name: rule(kind) for name, kind in RULES.items()},
        "description": "What plans must keep to. A rule is `NAME: VALUE`, or a block with value, "
        "level (warn or deny) and exempt.",
    }
