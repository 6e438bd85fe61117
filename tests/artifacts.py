"""Endpoints whose models are artifacts of W&B: manifests, and what was asked of whom."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx

from friendli_iac.clients.wandb import WandbApi
from friendli_iac.core.plan import Plan
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions, Report, Selection, exit_code
from friendli_iac.engine.artifacts import ArtifactLink
from friendli_iac.engine.linking import Linker
from friendli_iac.manifest import find_project, load_manifest

from .harness import TOKEN, Project, engine_for

CHAT = "acme/wandb-registry-model/chat"
DEPLOY = "POST /dedicated/endpoint/wandb-artifact-create"

MANIFEST = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {{name: {name}}}
spec:
  project: p1
  model: {{wandb: {{artifact: "{artifact}"{key}}}}}
  instance: {{gpu: {gpu}, count: 1}}
  autoscaling: {scaling}
"""
SCALING = "{minReplicas: 1, maxReplicas: 2, cooldown: 5m}"


WEBHOOK = """\
---
apiVersion: friendli-iac/v1
kind: Webhook
metadata: {name: friendli-deploy}
spec:
  team: acme
  url: "https://api.friendli.ai/dedicated/endpoint/wandb-artifact-create"
  accessTokenSecret: FRIENDLI_TOKEN
"""
AUTOMATION = """\
---
apiVersion: friendli-iac/v1
kind: WebhookAutomation
metadata: {name: promote-chat}
spec:
  collection: acme/wandb-registry-model/chat
  trigger: {aliasAdded: "^production$"}
  webhook: friendli-deploy
  deploys: chat
  promotion: direct
"""
ALL = WEBHOOK + AUTOMATION


def deployed(
    at: str = "production",
    *,
    name: str = "chat",
    gpu: str = "H100",
    scaling: str = SCALING,
    key: str = "",
    more: str = "",
) -> str:
    """An Endpoint from the collection `CHAT`; `more` is added below spec, indented by two."""
    said = f", idempotencyKey: {key}" if key else ""
    artifact = f"{CHAT}:{at}"
    return MANIFEST.format(name=name, artifact=artifact, key=said, gpu=gpu, scaling=scaling) + more


def registry(emulator: Emulator) -> None:
    """Versions v0 to v2 of `CHAT`, with `production` on v1."""
    for number in range(3):
        emulator.wandb.log(
            CHAT,
            metrics={"eval/accuracy": 0.9 + number / 100, "_runtime": 12.0},
            aliases=["production"] if number == 1 else [],
            logged_by=f"run-{number}",
        )


def bodies(emulator: Emulator) -> list[dict[str, Any]]:
    """What was sent to Friendli, in order."""
    return [
        request["body"]
        for request in emulator.requests
        if request["method"] in ("POST", "PUT") and not request["graphql"]
    ]


def artifact_of(emulator: Emulator, name: str = "chat") -> str:
    """The version that serves, which the API itself never shows."""
    for endpoint in emulator.endpoints():
        settings = endpoint["versions"][endpoint["serving"]]["settings"]
        if settings["name"] == name:
            return str(settings["wandbArtifactVersionName"]).rpartition(":")[2]
    raise KeyError(name)


def apply(
    project: Project,
    emulator: Emulator,
    text: str,
    approve: Callable[[Plan], bool] = lambda plan: True,
    **options: Any,
) -> tuple[int, Report]:
    """The exit code and the report of an apply of `text`, on the emulator's clock."""
    project.write(text)
    wishes: Any = load_manifest(find_project(project.root), environ={}).resources
    wandb = WandbApi(project.env)
    artifacts = ArtifactLink(lambda: wandb)
    with closing(wandb), engine_for(project, emulator) as engine:
        engine.linker = Linker((artifacts,), watches=(artifacts,))
        done = engine.apply(
            lambda plan: plan(wishes, Selection()),
            ApplyOptions(allow_destroy=frozenset({"*"}), **options),
            approve,
        )
    held = any(change.held for change in done.plan.changes)
    return exit_code(done.outcomes, held=held), done


def lineage(project: Project) -> str:
    """Of the project's state."""
    return str(project.state["lineage"])


def deploy(emulator: Emulator, key: str, version: str) -> None:
    """Rolls `version` of `CHAT` out on the endpoint of that key, as somebody else."""
    body = {
        "wandbArtifactVersionName": f"{CHAT}:{version}",
        "name": "chat",
        "projectId": "p1",
        "idempotencyKey": key,
        "accelerator": {"type": "NVIDIA H100", "count": 1},
        "autoscalingPolicy": {"minReplica": 1, "maxReplica": 2, "cooldownPeriod": 300},
    }
    url = f"{emulator.url}{DEPLOY.removeprefix('POST ')}"
    httpx.post(url, headers={"Authorization": f"Bearer {TOKEN}"}, json=body).raise_for_status()
