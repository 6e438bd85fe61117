"""An automation as W&B has it, of whatever kind it is, and what our fields say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from friendli_iac.resources.automation_filter import read_trigger
from friendli_iac.resources.foreign import parsed
from friendli_iac.resources.spec import Spec

SCOPES = ("collection", "project", "team")


def place_in(spec: Spec) -> str:
    """The path of the scope that a specification says; empty where it says none."""
    return next((str(spec[key]) for key in SCOPES if key in spec), "")


def scope_of(node: Mapping[str, Any]) -> tuple[str, str]:
    """Which field says the scope of an automation as W&B has it, and the path there: both empty
    where it is of a kind that nobody here knows.
    """
    scope = node.get("scope") or {}
    name, type = scope.get("name"), scope.get("__typename")
    if type == "Entity":
        return "team", str(name)
    if type == "Project":
        return "project", f"{_name(scope.get('entity'))}/{name}"
    if type in ("ArtifactPortfolio", "ArtifactSequence"):
        project = scope.get("project") or {}
        return "collection", f"{_name(project.get('entity'))}/{_name(project)}/{name}"
    return "", ""


def read_automation(node: Mapping[str, Any]) -> Spec:
    """The readable fields of an automation as W&B has it, of whatever kind it is."""
    key, path = scope_of(node)
    event, action = node.get("event") or {}, node.get("action") or {}
    spec: Spec = {"name": str(node.get("name") or ""), "enabled": bool(node.get("enabled"))}
    spec |= {key: path} if key else {}
    if node.get("description") is not None:
        spec["description"] = str(node["description"])
    spec["trigger"] = read_trigger(str(event.get("eventType") or ""), event.get("filter"))
    if action.get("__typename") != "GenericWebhookTriggeredAction":
        spec["action"] = str(action.get("__typename") or "")
        return spec
    spec["webhookName"] = _name(action.get("integration"))
    if action.get("requestPayload") is not None:
        spec["payload"] = parsed(action["requestPayload"])
    return spec


def _name(node: object) -> str:
    return str(node.get("name") or "") if isinstance(node, dict) else ""
