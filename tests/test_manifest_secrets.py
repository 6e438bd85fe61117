"""Values of secrets in manifests of webhooks and automations: refused with their place, and neither
shown nor kept anywhere.
"""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project
from .wandb_manifests import automation, webhook

LONG = "a1B2c3D4e5" * 5  # as W&B's own keys
HEX = "0123456789abcdef" * 3
TOKENS = (
    "flp_0a1b2c3d4e5f6g7h8i9j",
    "ghp_0a1b2c3d4e5f6g7h8i9j0a1b2c3d4e5f6g7h",
    "github_pat_0a1b2c3d4e5f6g7h_0a1b2c3d4e5f",
    "glpat-0a1b2c3d4e5f-6g7h8i9j",
    "glptt-4b5c6d7e8f",
    "hf_0a1b2c3d4e5f6g7h8i9j0a1b2c3d4e5f6g",
    "wandb_v1_0a1b2c3d4e5f6g7h_8i9j",
    "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    HEX,
    LONG,
)
HOOK = "https://gitlab.com/api/v4/projects/1"


def refused(project: Project, place: str, says: str, secret: str) -> None:
    for words in (("validate",), ("validate", "--format", "json"), ("plan",), ("apply", "--yes")):
        told = project.run(*words)
        assert told.code == 1, told
        shown = told.out + told.err
        assert secret not in shown
        assert says in shown
        assert f"main.yaml:{place}" in shown or '"column"' in shown
    assert not project.state_path.exists()


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("field", ["accessTokenSecret: TOKEN", "signingSecret: HMAC"])
def test_where_its_name_belongs(
    field: str, token: str, project: Project, emulator: Emulator
) -> None:
    name = field.partition(": ")[0]
    project.write(webhook().replace(field, f"{name}: {token}"))
    refused(project, "4:", "what looks like its value", token)
    assert not emulator.requests


@pytest.mark.parametrize("token", TOKENS)
def test_in_a_payload(token: str, project: Project, emulator: Emulator) -> None:
    sends = f"payload:\n    a: {{b: [x, 'Bearer {token}']}}"
    project.write(webhook() + automation(sends=sends))
    refused(project, "14:8", "a: what looks like a secret at b[1]", token)
    assert not emulator.requests


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (f"{HOOK}/trigger/pipeline?token=glptt-4b5c6d7e8f&ref=main", "4b5c6d7e8f"),
        (f"{HOOK}/pipeline?ref=main&private_token=s3cret", "s3cret"),
        (f"{HOOK}/pipeline?access_token=s3cret", "s3cret"),
        ("https://example.com/hook?key=s3cret", "s3cret"),
        (f"https://example.com/{LONG}", LONG),
        ("https://me:s3cret@example.com/", "s3cret"),
        ("https://s3cret@example.com/", "s3cret"),
        ("http://me:s3cret@[example.com/", "s3cret"),
    ],
)
def test_in_an_address(url: str, secret: str, project: Project, emulator: Emulator) -> None:
    project.write(webhook(url=url))
    refused(project, "4:", "must not hold a password or a token", secret)
    assert not emulator.requests


def test_what_is_set_is_not_shown(project: Project) -> None:
    project.write(webhook())
    for setting in (f"accessTokenSecret={LONG}", f"url=https://x.example/?token={LONG}"):
        told = project.run("set", "Webhook/deploy", f"spec.{setting}")
        assert told.code == 64, told
        assert LONG not in told.out + told.err
        assert f"spec.{setting.partition('=')[0]}: " in told.err


@pytest.mark.parametrize(
    "text",
    [
        "$${ACCESS_TOKEN}",
        "https://example.com/?token=$${ACCESS_TOKEN}",
        "registry/image@sha256:" + HEX + HEX[:16],
        "friendli-iac/9b2e7a14-43a5-4a4e-8c0e-5f3f7f3f6f1d/Endpoint/chat",
        "the-newest-of-all-models-that-we-have-trained-in-2026-for-chat",
        "git+ssh://git@github.com/acme/models",
    ],
)
def test_what_is_none_is_sent(text: str, project: Project) -> None:
    hook = webhook(url=f"{HOOK}/pipeline?ref=main").replace("TOKEN", "HF_TOKEN_OF_THE_CHAT_TEAM_2")
    project.write(hook + automation(sends=f"payload: {{a: '{text}'}}"))
    assert project.run("validate").code == 0


@pytest.mark.parametrize(
    "path",
    ["/api/v4/projects/1/trigger/pipeline", "/api/v4/projects/1/pipeline/2", "/projects/1/pipeline",
     "/repos/acme/llm/actions/workflows/x.yml/dispatches"],
)  # fmt: skip
def test_other_routes_of_forges_take_no_such_payload(path: str, project: Project) -> None:
    project.write(
        webhook(url=f"https://gitlab.com{path}")
        + automation(sends="deploys: chat\n  promotion: pull-request")
    )
    assert "no payload is known for" in project.run("validate").err
