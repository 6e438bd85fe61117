"""The JSON Schema of `plan --format json`, made from the classes that a plan consists of.

A minor version only adds keys, so unknown ones are allowed.
"""

from __future__ import annotations

from typing import Any

from friendli_iac.core.plan import Plan
from friendli_iac.core.planfile import FORMAT_VERSION
from friendli_iac.resources.policy import RULES

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"

# What is said of the keys that a rule of one's own is likely to look at.
_ABOUT: dict[str, dict[str, str]] = {
    "Plan": {
        "plan_id": "Of this very plan: it is applied once.",
        "lineage": "Of the state that it was made from.",
        "serial": "Of the state that it was made from.",
        "api": "The API's address.",
        "team": "The team, empty for the token's own.",
        "tool_version": "The version of friendli-iac that made it.",
        "manifest": "A digest of what the whole project wants; empty when it was not read.",
        "changes": "Every resource in question, also those that stay as they are (`no-op`).",
        "refusals": "Why it must not be applied; empty when nothing stands against it.",
        "notes": "What concerns it as a whole, for people.",
        "unsettled": "What an interrupted apply left open.",
        "listed": "The ids that were there, by project.",
        "narrowed": "What was asked for, when it is not the whole project.",
        "drift": "What somebody changed since the last apply.",
        "project": "Whose it is.",
        "environment": "The environment, empty without one.",
        "commit": "The commit of the manifests, where it is known.",
        "created": "When it was made, in UTC as RFC 3339 has it.",
        "expires": "Until when it may be applied; empty: for ever.",
        "prices": "Where the costs come from.",
        "gpu_hour": "The prices that they were estimated with: dollars for a GPU and hour.",
        "findings": "What the rules of policies say of it.",
        "override": "Why it is applied though findings deny it; empty when nobody said so.",
    },
    "Change": {
        "address": "Kind and name in the manifests, such as Endpoint/chat.",
        "action": "What is done about it.",
        "reason": "Why, for people.",
        "key": "Names this very wish in the journal and in the version's comment.",
        "steps": "The requests that it takes, in order.",
        "id": "The API's id; null for what is still to be created.",
        "after": "What will have been applied; null for what ends or stays as it is.",
        "fields": "What differs. Something new has all its fields here.",
        "status": "The API's word for how it is.",
        "protected": "Whether preventDestroy holds.",
        "cost_before": "Dollars per hour, at the fewest and the most replicas; null: not known.",
        "cost_after": "Dollars per hour, at the fewest and the most replicas; null: not known.",
        "surge": "Dollars per hour on top while it is rolled out, at most; null: not known.",
        "leftover": "Whether it only ends what a replacement has left.",
        "checks": "What was looked at in the model's repository.",
        "manual": "What a person must do beside it, for no API can.",
        "beware": "Warnings that only this kind of resource has; `warnings` has them, too.",
    },
    "Manual": {
        "what": "What is to be done, for people.",
        "page": "The address of the web page where it is done.",
        "values": "What to put there: pairs of a label of the page and a value, never a secret.",
        "check": "How it is verified afterwards; empty: it cannot be.",
    },
    "Applied": {
        "spec": "The whole specification, with the keys of the manifest.",
        "labels": "metadata.labels.",
        "depends_on": "Addresses of what has to be in place before.",
        "asked": "What the manifest said where something more exact is sent, by path.",
    },
    "FieldChange": {
        "path": "The field below spec, such as autoscaling.maxReplicas, or labels.NAME.",
        "prior": "What was applied; null: not there.",
        "live": "What the API shows; null: not there, or never shown.",
        "desired": "What is wanted; null: not there.",
        "source": "Where the manifest says it, such as chat.yaml:7.",
        "write_only": "The API never shows it.",
        "local": "Only friendli-iac keeps it: a change of it sends nothing.",
    },
    "Finding": {
        "rule": f"Of a policy: {', '.join(RULES)}.",
        "address": "The resource; empty: the plan as a whole.",
        "source": "Where the value is.",
        "origin": "Where the rule is.",
        "exempt": "Why it is let through; empty when it is not.",
    },
}
# Keys that are worked out from the others, and are no fields of the classes.
_DERIVED: dict[str, Schema] = {
    "Plan": {
        "format_version": {
            "type": "string",
            "pattern": rf"^{FORMAT_VERSION.partition('.')[0]}\.\d+$",
            "description": "Another major version has another schema.",
        },
        "digest": {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "Equal for two plans that do the same: what a reviewer approves.",
        },
        "summary": {
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": 1},
            "description": "How many changes there are, by action.",
        },
    },
    "Change": {
        "impact": {"type": "string", "description": "What it does to those who call it."},
        "warnings": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What a reviewer must be warned of, the worst first.",
        },
    },
}


def plan_schema() -> Schema:
    """The schema of one plan. In a plan file, `checksum` and `seal` come on top."""
    from pydantic import TypeAdapter

    written = TypeAdapter(Plan).json_schema(mode="serialization")
    models = {"Plan": written, **written.pop("$defs")}
    plain = {name: _plain(name, model) for name, model in models.items()}
    plan = plain.pop("Plan")
    return {
        "$schema": _DRAFT,
        "title": "A plan of friendli-iac",
        **plan,
        "$defs": dict(sorted(plain.items())),
    }


def _plain(name: str, model: Schema) -> Schema:
    """One class: every key of it is always there."""
    about, derived = _ABOUT.get(name, {}), _DERIVED.get(name, {})
    properties = dict(derived)
    for key, value in model["properties"].items():
        properties[key] = _bare(value)
        if key in about:
            properties[key]["description"] = about[key]
    summary = " ".join(model.get("description", "").partition("\n\n")[0].split())
    return {
        "type": "object",
        "description": summary,
        "required": list(properties),
        "properties": properties,
    }


def _bare(schema: Any) -> Any:
    """A schema without titles and defaults: what is left out of a document is not the default."""
    if isinstance(schema, dict):
        return {k: _bare(v) for k, v in schema.items() if k not in ("title", "default")}
    return [_bare(one) for one in schema] if isinstance(schema, list) else schema
