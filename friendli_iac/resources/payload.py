"""What automations send: to Friendli, so that it rolls a version out, or to a forge, so that a pull
request is opened.

Variables are W&B's (`${…}`, its documents of webhook automations); they are put in as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from friendli_iac.resources.artifact import ARTIFACT
from friendli_iac.resources.endpoint_artifact import deploy_body
from friendli_iac.resources.spec import Spec, copied, get_path, set_path

VERSION = "${artifact_version_string}"
EVENT = "friendli-iac-promote"  # what the ready-made jobs of the forges listen to
ROUTE = "/dedicated/endpoint/wandb-artifact-create"
# What a payload says of an endpoint's settings, by the block that says it.
SETTINGS = {"name": "name", "instance": "accelerator", "autoscaling": "autoscalingPolicy"}

MAIN = "main"
_SAYS = "FRIENDLI_IAC_PROMOTE_"  # how the variables of a pipeline begin
FRIENDLI = "api.friendli.ai"
# Why nothing can deploy an endpoint, and how it comes to be one that W&B deploys.
NOT_DEPLOYED = (
    "{endpoint} is not from an artifact of W&B: the first event would make a second endpoint",
    "say `model: {wandb: {artifact: …}}` for the endpoint: the plan then replaces it by one that "
    "W&B's route makes",
)
# For a webhook that neither forge answers at.
NO_FORGE = (
    "no payload is known for {url}, which is neither GitHub's nor GitLab's",
    "point the webhook at https://api.github.com/repos/OWNER/REPO/dispatches or at "
    "https://gitlab.com/api/v4/projects/ID/pipeline?ref=main, or write the payload out",
)

# Forges of one's own may be below a path. Other routes of theirs take other bodies.
_GITHUB = re.compile(r"(?:/.+)?/repos/[^/]+/[^/]+/dispatches")
_GITLAB = re.compile(r"(?:/.+)?/api/v4/projects/[^/]+/pipeline")

Receiver = Literal["friendli", "github", "gitlab", ""]


def payload_of(endpoint: Spec) -> dict[str, Any]:
    """What has the version of an event rolled out on `endpoint`, or makes it at first: what we
    send ourselves, with a variable for the version, and without what it ignores, which each event
    would take back. Refused as `deploy_body` is.
    """
    spec = copied(endpoint)
    set_path(spec, ARTIFACT, "entity/project/collection:v0")
    ignored = {path.partition(".")[0] for path in get_path(spec, "lifecycle.ignoreChanges", [])}
    left_out = {key for block, key in SETTINGS.items() if block in ignored}
    body = {**deploy_body(spec), "wandbArtifactVersionName": VERSION}
    return {key: value for key, value in body.items() if key not in left_out}


def promotion_payload(
    receiver: Receiver, address: str, branch: str = MAIN, environment: str = ""
) -> dict[str, Any]:
    """What tells a repository that `address` is to have another version, in an `environment` where
    its project has any. Hints only: the job looks the version up by itself, for nothing proves who
    sent them. `branch` is where GitLab runs it.

    - GitHub: https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event
    - GitLab: https://docs.gitlab.com/api/pipelines/#create-a-new-pipeline (it wants a branch)
    """
    said = {
        "address": address,
        "alias": "${alias}",
        "collection": "${entity_name}/${project_name}/${artifact_collection_name}",
        "version": VERSION,
        "artifact": "${artifact_version}",
        **({"environment": environment} if environment else {}),
    }
    if receiver == "github":
        return {"event_type": EVENT, "client_payload": said}
    variables = [{"key": _SAYS + key.upper(), "value": value} for key, value in said.items()]
    return {"ref": branch, "variables": variables}


def environment_of(payload: Mapping[str, Any]) -> str:
    """The environment that a promotion says; empty where it says none."""
    match payload:
        case {"client_payload": {"environment": str(name)}}:
            return name
        case {"variables": [*variables]}:
            said = (one for one in variables if isinstance(one, dict))
            key = f"{_SAYS}ENVIRONMENT"
            return next((str(one.get("value")) for one in said if one.get("key") == key), "")
    return ""


def branch_of(url: str) -> str:
    """The branch that a webhook of GitLab says as `?ref=…`; else the one that most have."""
    return parse_qs(urlsplit(url).query).get("ref", [MAIN])[0]


def receiver_of(url: str) -> Receiver:
    """What answers at the address of a webhook; empty when it cannot be told from it."""
    path = urlsplit(url).path.rstrip("/")
    if path == ROUTE:
        return "friendli"
    if _GITHUB.fullmatch(path):
        return "github"
    return "gitlab" if _GITLAB.fullmatch(path) else ""
