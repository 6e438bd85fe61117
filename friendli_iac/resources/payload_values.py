"""What W&B puts in the place of the variables of a payload, as far as it is known beforehand.

The variables are those of W&B's documents of webhook automations. Whether
`${artifact_version_string}` ends with the version or with the alias is not documented unanimously;
here, it is the version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from friendli_iac.resources.artifact import ArtifactVersion
from friendli_iac.resources.automation_filter import ADD_ALIAS

_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_METADATA = "artifact_metadata."
_LATER = ("event_author",)  # known only when it happens


def alias_added(version: ArtifactVersion, alias: str) -> dict[str, str]:
    """The variables of the event that adds `alias` to `version`. Secrets are not among them."""
    entity, project, collection = version.path.split("/")
    found = {
        "project_name": project,
        "entity_name": entity,
        "event_type": ADD_ALIAS,
        "alias": alias,
        "tag": "",
        "artifact_collection_name": collection,
        "artifact_version": f"wandb-artifact://_id/{version.id}",
        "artifact_version_string": str(version.name),
    }
    for key, value in version.metadata.items():
        found[_METADATA + key] = value if isinstance(value, str) else json.dumps(value)
    return found


def filled(payload: Any, values: Mapping[str, str]) -> Any:
    """A payload with the variables filled in that are known. The others stay as they are: secrets,
    and who does it.
    """
    if isinstance(payload, dict):
        return {filled(key, values): filled(value, values) for key, value in payload.items()}
    if isinstance(payload, list):
        return [filled(one, values) for one in payload]
    if not isinstance(payload, str):
        return payload

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        return values.get(name, "" if name.startswith(_METADATA) else match[0])

    return _VARIABLE.sub(value, payload)


def secrets_in(payload: Any) -> list[str]:
    """The names of secrets that a filled payload would carry: W&B shows payloads in its history."""
    names = _VARIABLE.findall(json.dumps(payload))
    return sorted({name.strip() for name in names} - set(_LATER))
