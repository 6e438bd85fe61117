"""What `new` writes, by kind: little, and the options that people look for as comments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

BLANK = "FILL-ME-IN"  # as in `resources.spec`, which takes long to import; a test compares them

_HEAD = """\
apiVersion: friendli-iac/v1
kind: {kind}
metadata:
  name: {name}
  # labels: {{team: search}}
spec:
"""

_REPLICAS = """\
  # With minReplicas: 0 it sleeps when idle, and the next request waits for a cold start.
  # A fixed number is {replicas: 1}; {policy: NAME} shares what an AutoscalingPolicy says.
  autoscaling: {minReplicas: 0, maxReplicas: 1, cooldown: 5m}
"""

_OPTIONS = """\
  # One request proves that a new version serves; when it fails, the old settings are sent again.
  # rollout:
  #   probe:
  #     chat:
  #       messages: [{role: user, content: Say OK}]
  #       expect: {contains: OK}
  # Deleting and replacing are refused until `false` has been applied:
  # lifecycle:
  #   preventDestroy: true
  #   expires: 72h
  #   ignoreChanges: [autoscaling.maxReplicas]
"""

_POLICY = """\
  # 0 lets endpoints sleep when idle; asleep for 48 hours, they are terminated.
  minReplicas: 0
  maxReplicas: 2
  cooldown: 5m
"""

_PROFILE = """\
  # Any part of an Endpoint's spec; endpoints take it with `profiles: [NAME]`.
  instance: {gpu: H100, count: 1}
  autoscaling: {minReplicas: 0, maxReplicas: 1, cooldown: 5m}
"""


_ADAPTER = f"""\
  # What comes after the endpoint's id in a request's `model`: ENDPOINT_ID:ROUTE.
  route: {BLANK}
  # Endpoints serve it with `adapters: [NAME]`.
  huggingFace: {{repo: {BLANK}}}
"""

_WEBHOOK = f"""\
  team: {BLANK}
  # Friendli rolls versions out by itself, past review. To open a pull request instead:
  # https://api.github.com/repos/OWNER/REPO/dispatches or https://gitlab.com/api/v4/projects/ID/pipeline
  url: https://api.friendli.ai/dedicated/endpoint/wandb-artifact-create
  # Names of secrets of the team, which an admin makes in W&B; never their values.
  accessTokenSecret: FRIENDLI_TOKEN
  # signingSecret: WEBHOOK_HMAC
"""

_AUTOMATION = f"""\
  # That of the endpoint's artifact. With a payload of your own instead of `deploys`, it may be
  # `project: ENTITY/PROJECT` or `team: ENTITY`, too.
  collection: ENTITY/PROJECT/{BLANK}
  trigger: {{aliasAdded: ^production$}}
  webhook: {BLANK} # the name of a Webhook
  # The name of an Endpoint whose model is from W&B, by a version that the pull request changes:
  # `model: {{wandb: {{artifact: ENTITY/PROJECT/NAME:v7}}}}`
  deploys: {BLANK}
  promotion: pull-request # or direct, for an alias: W&B calls Friendli, past review and probe
"""


def _endpoint(
    name: str,
    defaults: Mapping[str, Any],
    *,
    repo: str | None,
    gpu: str | None,
    count: int | None,
    project: str | None,
) -> str:
    from friendli_iac.manifest.spelling import literal, scalar

    lines = _HEAD.format(kind="Endpoint", name=scalar(name))
    if project or "project" not in defaults:
        # Without an id, it comes from the environment, as in a project of `init`.
        text = scalar(literal(project)) if project else "${env:FRIENDLI_PROJECT_ID}"
        lines += f"  project: {text}\n"
    if repo or "model" not in defaults:
        lines += "  model:\n    huggingFace:\n"
        lines += f"      repo: {scalar(literal(repo)) if repo else BLANK}\n"
        lines += "      # A commit, so that what is served does not move with the repository:\n"
        lines += "      # revision: COMMIT\n"
    if gpu or count or "instance" not in defaults:
        kind = scalar(literal(gpu or "H100"), flow=True)
        number = 1 if count is None else count
        lines += f"  instance: {{gpu: {kind}, count: {number}}}\n"
    if "autoscaling" not in defaults:
        lines += _REPLICAS
    return lines + _OPTIONS


def _plain(kind: str, body: str) -> Callable[..., str]:
    """Writes a manifest that has nothing to choose."""

    def write(name: str, defaults: Mapping[str, Any], **_: None) -> str:
        from friendli_iac.manifest.spelling import scalar

        return _HEAD.format(kind=kind, name=scalar(name)) + body

    return write


SCAFFOLDS: dict[str, Callable[..., str]] = {
    "Endpoint": _endpoint,
    "AutoscalingPolicy": _plain("AutoscalingPolicy", _POLICY),
    "Profile": _plain("Profile", _PROFILE),
    "Adapter": _plain("Adapter", _ADAPTER),
    "Webhook": _plain("Webhook", _WEBHOOK),
    "WebhookAutomation": _plain("WebhookAutomation", _AUTOMATION),
}

# For a folder that holds an export, and no settings.
EXPORT_SETTINGS = """\
# The settings of this project. Tokens and the API's address never stand here: they come from the
# environment (FRIENDLI_TOKEN, FRIENDLI_TEAM_ID).
state: file:.friendli-iac/state.json
"""
