"""A project with two environments, for the tests of what is between them."""

from __future__ import annotations

from .harness import Project

OLD, NEW = "a" * 40, "b" * 40
SETTINGS = """\
manifests: [endpoints/, templates.yaml]
variables:
  most: 2
environments:
  staging:
    project: p-staging
    overlays: [overlays/staging]
  prod:
    project: p-prod
    variables: {most: 8}
    overlays: [overlays/prod.yaml]
    manifests: [only-prod/]
defaults:
  Endpoint: {instance: {gpu: H100, count: 1}}
"""
CHAT = f"""\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata:
  name: chat
  labels: {{team: search, tier: bronze}}
spec:
  model: {{huggingFace: {{repo: acme/chat, revision: {OLD}}}}}
  autoscaling: {{minReplicas: 1, maxReplicas: "${{var.most}}", cooldown: 5m}}
  engine: {{maxBatchSize: 64}}
"""
PROD = f"""\
# What is different in production.
apiVersion: friendli-iac/v1
kind: Endpoint
metadata:
  name: chat
  labels: {{tier: gold}}
spec:
  model:
    huggingFace:
      revision: "{OLD}"   # promoted
  engine: {{maxInputLength: 4096}}
"""
STAGING = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: chat}
spec: {autoscaling: {minReplicas: 0, replicas: null}}
"""
EVAL = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: eval}
spec: {model: {uploaded: {id: m-1}}}
"""
POLICY = """\
apiVersion: friendli-iac/v1
kind: AutoscalingPolicy
metadata: {name: calm}
spec: {minReplicas: 1, maxReplicas: 3, cooldown: 10m}
"""


def lay_out(project: Project) -> None:
    """Writes all of it."""
    for name, text in {
        "friendli-iac.yaml": SETTINGS,
        "endpoints/chat.yaml": CHAT,
        "templates.yaml": POLICY,
        "overlays/prod.yaml": PROD,
        "overlays/staging/chat.yaml": STAGING,
        "only-prod/eval.yaml": EVAL,
    }.items():
        project.write(text, name)
