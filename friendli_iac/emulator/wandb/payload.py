"""What a webhook is sent: the variables of its payload, and its signature (docs: "Automations")."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from .records import Webhook
from .registry import Event

Signature = Literal["base64", "hex", "sha256=hex"]
"""The encodings of `X-Wandb-Signature`: the docs have base64, receivers in use others."""

VersionString = Literal["version", "alias"]
"""What `${artifact_version_string}` ends with: `vN`, or the alias, as the example of the docs."""

_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_METADATA = "artifact_metadata."


def render(template: str, values: Mapping[str, str]) -> str:
    """A payload with its variables filled in; one that is unknown is left as it is (inferred).

    Values are escaped for JSON strings (inferred): otherwise a quotation mark in metadata would
    spoil the body.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name in values:
            return json.dumps(values[name], ensure_ascii=False)[1:-1]
        return "" if name.startswith(_METADATA) else match[0]

    return _VARIABLE.sub(value, template)


def variables(
    event: Event, webhook: Webhook, secrets: Mapping[str, str], form: VersionString
) -> dict[str, str]:
    """Every variable that the docs list, for one event."""
    collection, artifact = event.collection, event.artifact
    at = event.alias if form == "alias" and event.alias else f"v{event.index}"
    found = {
        "project_name": collection.project,
        "entity_name": collection.entity,
        # The docs call the event LINK_ARTIFACT where the API says LINK_MODEL.
        "event_type": "LINK_ARTIFACT" if event.type == "LINK_MODEL" else event.type,
        "event_author": event.author,
        "alias": event.alias,
        "tag": event.tag,
        "artifact_collection_name": collection.name,
        "artifact_version": f"wandb-artifact://_id/{artifact.id}",
        "artifact_version_string": f"{collection.path}:{at}",
    }
    for key, value in artifact.metadata.items():
        found[_METADATA + key] = value if isinstance(value, str) else json.dumps(value)
    for ref in (webhook.access_token_ref, webhook.secret_ref):
        if ref in secrets:
            found[str(ref)] = secrets[str(ref)]
    if webhook.access_token_ref in secrets:
        found["ACCESS_TOKEN"] = secrets[str(webhook.access_token_ref)]
    return found


def sign(secret: str, body: bytes, form: Signature) -> str:
    """The HMAC-SHA256 of a raw body."""
    digest = hmac.digest(secret.encode(), body, hashlib.sha256)
    if form == "base64":
        return base64.b64encode(digest).decode()
    return ("sha256=" if form == "sha256=hex" else "") + digest.hex()


def as_json(body: str) -> Any:
    """A body as a receiver reads it: parsed if it is JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return body
