"""wandb promote: the version that an alias means becomes one line of the manifest."""

from __future__ import annotations

from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import TOKEN, WANDB_KEY, Project
from .wandb_manifests import automation, webhook

CHAT = "acme/wandb-registry-model/chat"
MANIFEST = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: chat}
spec:
  project: p1
  model:
    wandb: {artifact: "acme/wandb-registry-model/chat:v0"} # promoted by a job
  instance: {gpu: H100, count: 1}
"""


@pytest.fixture
def registry(emulator: Emulator, project: Project) -> Emulator:
    for _ in range(3):
        emulator.wandb.log(CHAT)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    project.env.pop("FRIENDLI_TOKEN")  # the job that promotes needs none
    return emulator


def test_one_line_changes_and_no_more(project: Project, registry: Emulator) -> None:
    path = project.write(MANIFEST)
    done = project.run("wandb", "promote", "Endpoint/chat", "--alias", "production")
    assert done.code == 0, done
    assert path.read_text() == MANIFEST.replace("chat:v0", "chat:v2")
    assert f"{CHAT}:v0 → {CHAT}:v2" in done.out.replace('"', "")
    assert f"production of {CHAT} is v2 in W&B" in done.err
    assert {request["path"] for request in registry.requests} <= {"/graphql"}

    again = project.run("wandb", "promote", "Endpoint/chat", "--alias", "production")
    assert (again.code, again.out) == (0, "")
    assert "no changes: the manifest says so" in again.err
    assert WANDB_KEY not in str(done) + str(again)


def test_an_alias_in_the_manifest_becomes_its_version(project: Project, registry: Emulator) -> None:
    path = project.write(MANIFEST.replace("v0", "production"))
    told = project.run(
        "wandb", "promote", "Endpoint/chat", "--alias=production", "--format", "json", "--dry-run"
    ).json
    assert (told["written"], told["alias"]) == (False, "production")
    assert [change["path"] for change in told["changes"]] == ["spec.model.wandb.artifact"]
    assert "production" in path.read_text()
    assert project.run("wandb", "promote", "Endpoint/chat", "--alias=production").code == 0
    assert path.read_text() == MANIFEST.replace("v0", "v2")


def test_where_an_overlay_says_it_that_changes(project: Project, registry: Emulator) -> None:
    base = project.write(MANIFEST, "base/chat.yaml")
    settings = "manifests: [base]\nenvironments:\n  prod: {overlays: [prod.yaml], state: s.json}\n"
    project.write(settings, "friendli-iac.yaml")
    head = MANIFEST.partition("spec:")[0]
    says = head + f'spec:\n  model: {{wandb: {{artifact: "{CHAT}:v1"}}}}\n'
    overlay = project.write(says, "prod.yaml")
    done = project.run("wandb", "promote", "Endpoint/chat", "--alias", "production", "--env=prod")
    assert done.code == 0, done
    assert overlay.read_text() == says.replace(":v1", ":v2")
    assert base.read_text() == MANIFEST


@pytest.mark.parametrize("by", ["variable", "defaults"])
def test_what_is_said_elsewhere_is_refused_with_what_to_do(
    project: Project, registry: Emulator, by: str
) -> None:
    text = MANIFEST.replace(f"{CHAT}:v0", "${var.model}")
    settings = f"variables:\n  model: {{default: '{CHAT}:v0'}}\n"
    if by == "defaults":
        text = MANIFEST.replace(f'wandb: {{artifact: "{CHAT}:v0"}}', "{}")
        settings = f"defaults:\n  Endpoint: {{model: {{wandb: {{artifact: '{CHAT}:v0'}}}}}}\n"
    path = project.write(text)
    project.write(settings, "friendli-iac.yaml")
    done = project.run("wandb", "promote", "Endpoint/chat", "--alias", "production")
    assert done.code == 1, done
    assert "--here" not in done.err
    assert "next: Write spec.model.wandb.artifact into main.yaml itself" in done.err
    assert path.read_text() == text


GITHUB = webhook(name="deploy", url="https://api.github.com/repos/acme/llm/dispatches")
GITLAB = webhook(name="deploy", url="https://gitlab.com/api/v4/projects/7/pipeline")
PULL_OF_OTHER = "deploys: other\n  promotion: pull-request"
PULL = automation("promote", sends="deploys: chat\n  promotion: pull-request")


@pytest.mark.parametrize("hook", [GITHUB, GITLAB])
def test_an_event_says_its_environment(project: Project, registry: Emulator, hook: str) -> None:
    def payload(*more: str) -> Any:
        return project.run("wandb", "payload", "WebhookAutomation/promote", *more).json

    project.write(f"{MANIFEST}---\n{hook}{PULL}")
    alone = payload()
    assert "environment" not in str(alone).lower()
    settings = "environments:\n  prod: {overlays: [prod]}\n  dev: {overlays: [dev]}\n"
    project.write(f"manifests: [main.yaml]\n{settings}", "friendli-iac.yaml")
    head = MANIFEST.partition("spec:")[0]
    for name in ("prod", "dev"):
        project.write(f"{head}spec: {{name: chat-{name}}}\n", f"{name}/chat.yaml")
    prod, dev = (payload("--env", name) for name in ("prod", "dev"))
    if hook == GITHUB:
        assert prod.pop("client_payload") == {**alone.pop("client_payload"), "environment": "prod"}
        assert dev.pop("client_payload")["environment"] == "dev"
    else:
        said = {"key": "FRIENDLI_IAC_PROMOTE_ENVIRONMENT", "value": "prod"}
        assert prod.pop("variables") == [*alone.pop("variables"), said]
        assert dev.pop("variables")[-1] == {**said, "value": "dev"}
    assert alone == prod == dev

    project.env["FRIENDLI_TOKEN"] = TOKEN
    registry.wandb.set_secret("acme", "TOKEN", "x")
    registry.wandb.set_secret("acme", "HMAC", "y")
    assert project.apply("--env", "prod").code == 0
    for name, endpoints in (("prod", ["Endpoint/chat"]), ("dev", [None])):
        told = project.run("wandb", "preview", CHAT, "--alias=production", "--to=v1",
                           "--format=json", "--env", name).json  # fmt: skip
        assert [one["endpoint"] for one in told["automations"]] == endpoints


@pytest.mark.parametrize(
    ("trigger", "alias", "code"),
    [
        ("aliasAdded: ^prod", "production", 0),
        ("aliasAdded: ^prod", "latest", 64),
        ("aliasAdded: (a+)+$", "production", 64),  # it is not run, and so nothing is known
    ],
)
def test_only_what_sets_off_an_automation_is_promoted(
    project: Project, registry: Emulator, trigger: str, alias: str, code: int
) -> None:
    """An event may say any alias; those of other endpoints, and direct ones, are no matter."""
    other = MANIFEST.replace("name: chat", "name: other")
    pull = automation("promote", trigger=trigger, sends="deploys: chat\n  promotion: pull-request")
    direct = automation(
        "direct", trigger="aliasAdded: a", sends="deploys: chat\n  promotion: direct"
    )
    theirs = automation("theirs", trigger="aliasAdded: a", sends=PULL_OF_OTHER)
    path = project.write(f"{MANIFEST}---\n{other}---\n{GITHUB}{pull}{theirs}{direct}")
    done = project.run("wandb", "promote", "Endpoint/chat", "--alias", alias)
    assert done.code == code, done
    assert ("chat:v2" in path.read_text()) is (code == 0)
    if code:
        assert "sets off none of WebhookAutomation/promote" in done.err
        assert not registry.requests


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("Endpoint/chat", "--alias", "prodution"), 1, "has no alias 'prodution'"),
        (("Endpoint/chat", "--alias", "a b"), 64, "is no alias"),
        (("Endpoint/chat", "--alias", "x/y:v1"), 64, "is no alias"),
        (("Endpoint/chat", "--alias", "v1"), 64, "--alias v1 is a version"),
        (("Endpoint/char", "--alias", "production"), 64, "no manifest declares Endpoint/char"),
        (("chat", "--alias", "production"), 64, "not an address"),
        (("Endpoint/other", "--alias", "production"), 64, "is of no artifact in W&B"),
        (("Endpoint/chat",), 64, "--alias"),
    ],
)  # fmt: skip
def test_what_cannot_be_promoted_is_told(
    project: Project, registry: Emulator, words: tuple[str, ...], code: int, told: str
) -> None:
    other = MANIFEST.replace("name: chat", "name: other")
    other = other.replace(f'wandb: {{artifact: "{CHAT}:v0"}}', "huggingFace: {repo: acme/m}")
    path = project.write(f"{MANIFEST}---\n{other}")
    before = path.read_text()
    done = project.run("wandb", "promote", *words)
    assert done.code == code, done
    assert told in done.err
    assert path.read_text() == before
