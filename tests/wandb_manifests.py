"""Manifests of webhooks and automations, and what W&B has of them."""

from __future__ import annotations

import json
from typing import Any

from friendli_iac.emulator import Emulator

CHAT = "acme/wandb-registry-model/chat"
DEPLOY = "https://api.friendli.ai/dedicated/endpoint/wandb-artifact-create"
GITHUB = "https://api.github.com/repos/acme/models/dispatches"
GITLAB = "https://gitlab.com/api/v4/projects/7/pipeline"

ENDPOINT = f"""\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {{name: chat}}
spec:
  project: p1
  model: {{wandb: {{artifact: "{CHAT}:production"}}}}
  instance: {{gpu: H100, count: 2}}
  autoscaling: {{minReplicas: 1, maxReplicas: 2}}
---
"""


def webhook(name: str = "deploy", *, url: str = DEPLOY, more: str = "", team: str = "acme") -> str:
    """A Webhook with both secrets; `more` is added to its spec, such as `, name: other`."""
    return (
        f"apiVersion: friendli-iac/v1\nkind: Webhook\nmetadata: {{name: {name}}}\n"
        f"spec: {{team: {team}, url: '{url}', accessTokenSecret: TOKEN, signingSecret: HMAC{more}}}"
        "\n---\n"
    )


def automation(
    name: str = "promote",
    *,
    scope: str = f"collection: {CHAT}",
    trigger: str = 'aliasAdded: "^production$"',
    sends: str = "payload: {a: 1, b: [true, 2], v: '$${alias}'}",
    calls: str = "deploy",
    more: str = "",
) -> str:
    """A WebhookAutomation; `more` are lines of its spec, indented by two."""
    return (
        f"apiVersion: friendli-iac/v1\nkind: WebhookAutomation\nmetadata: {{name: {name}}}\n"
        f"spec:\n  {scope}\n  trigger: {{{trigger}}}\n  webhook: {calls}\n  {sends}\n{more}---\n"
    )


def team(emulator: Emulator) -> None:
    """A team with secrets, and a collection with the alias `production`."""
    emulator.wandb.log(CHAT, aliases=["production"])
    emulator.wandb.set_secret("acme", "TOKEN", "flp_secret-of-the-team")
    emulator.wandb.set_secret("acme", "HMAC", "hmac-of-the-team")


def sent_payload(automation: dict[str, Any]) -> Any:
    """What an automation as the emulator has it would send."""
    return json.loads(automation["config"]["genericWebhookActionInput"]["requestPayload"])
