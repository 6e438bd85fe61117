"""Values of secrets in manifests of webhooks and automations: refused with their place, and neither
shown nor kept anywhere.
"""

from __future__ import annotations

import json
import time

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project
from .wandb_manifests import CHAT, automation, team, webhook

LONG = "a1B2c3D4e5" * 5  # as W&B's own keys
HEX = "0123456789abcdef" * 3
TOKENS = (
    "flp_0a1b2c3d4e5f6g7h8i9j",
    "ghp_0a1b2c3d4e5f6g7h8i9j0a1b2c3d4e5f6g7h",
    "github_pat_0a1b2c3d4e5f6g7h_0a1b2c3d4e5f",
    "glpat-0a1b2c3d4e5f-6g7h8i9j",
    "glptt-4b5c6d7e8f9a0b1c2d3e",
    "sk-proj-a1B2c3D4e5-f6G7h8I9j0",
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
    sends = f"payload:\n    a: {{b: [x, 'Basic {token}']}}"
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
        ("https://example.com/hook?client_secret=s3cret", "s3cret"),
        ("https://example.com/hook?api-key=s3cret", "s3cret"),
        ("https://example.com/api/hook?code=s3cret", "s3cret"),
        ("https://example.com/hook?token=$s3cret", "s3cret"),
        ("https://example.com/hook#token=s3cret", "s3cret"),
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


@pytest.mark.parametrize(
    ("sends", "more"),
    [
        (f"payload: {{a: {{b: {{{TOKENS[0]}: 1}}}}}}", ""),
        (f"payload: {{{TOKENS[0]}: 1}}", ""),
        ("payload: {a: 'Bearer 0a1b2c3d4e5f6g7h'}", ""),
        ("payload: {a: 1}", f"  description: 'token {TOKENS[0]}'\n"),
    ],
)
def test_in_a_key_a_header_and_a_description(sends: str, more: str, project: Project) -> None:
    project.write(webhook() + automation(sends=sends, more=more))
    for token in (TOKENS[0], "0a1b2c3d4e5f6g7h"):
        refused(project, "", "looks like a secret", token)


@pytest.mark.parametrize(
    ("document", "secret"),
    [
        (webhook(more=", foo: 1").replace("TOKEN", "'my pass'"), "my pass"),
        (webhook(more=", foo: 1").replace("TOKEN", HEX[:40]), HEX[:40]),
        (webhook().replace("accessTokenSecret: TOKEN", f"acessTokenSecret: {HEX[:40]}"), HEX[:40]),
        (automation(sends=f'payload: \'{{"token": "{HEX[:40]}"}}\''), HEX[:40]),
        (automation(sends=f"payload: {{a: 1}}\n  {TOKENS[0]}: 1"), TOKENS[0]),
    ],
)
def test_another_problem_of_its_line_does_not_show_it_either(
    document: str, secret: str, project: Project
) -> None:
    project.write(document)
    refused(project, "", "", secret)


def test_a_commit_is_shown(project: Project) -> None:
    project.write(
        "apiVersion: friendli-iac/v1\nkind: Endpoint\nmetadata: {name: chat}\n"
        f"spec: {{model: {{huggingFace: {{repo: a/b, revison: 1, revision: {HEX[:40]}}}}}}}\n"
    )
    assert HEX[:40] in project.run("validate").err


def test_no_text_takes_long(project: Project) -> None:
    text = "eyJaaaaaaaa-glpat-" * 10_000
    project.write(webhook() + automation(sends=f"payload: '{text}'"))
    began = time.process_time()
    project.run("validate")
    project.write(webhook() + automation(sends=f"payload: {{a: {text}}}"))
    assert project.run("validate").code == 0
    assert time.process_time() - began < 3


def test_what_others_put_there_is_in_no_plan(emulator: Emulator, project: Project) -> None:
    team(emulator)
    url, token = "https://x.example/h?token=abcdefgh12345", HEX[:40]
    hook = emulator.wandb.add_webhook("acme", "deploy", url, "TOKEN", "HMAC")
    put = emulator.wandb.add_raw_automation
    put(CHAT, "promote", webhook=hook, payload=json.dumps({"t": [token], TOKENS[0]: 1}))
    project.write(webhook() + automation())
    project.run("import", "Webhook/deploy", "acme:deploy")
    project.run("import", "WebhookAutomation/promote", f"{CHAT}:promote")
    told = [project.run("plan", *rest) for rest in ((), ("--format", "html"), ("--out", "p.json"))]
    assert "https://x.example/h?***" in told[0].out
    told += [project.run("show", "p.json", "--format", "markdown")]
    changes = json.loads((project.root / "p.json").read_text())["changes"]
    shown = "".join(one.out + one.err for one in told) + str([one["fields"] for one in changes])
    applied = project.run("apply", "p.json", "--yes")
    assert applied.code in (0, 11), applied
    shown += applied.out + applied.err
    for secret in ("abcdefgh12345", token, TOKENS[0]):
        assert secret not in shown


def test_drift_does_not_show_what_others_put_there(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook() + automation())
    assert project.apply().code == 0
    (there,) = emulator.wandb.automations("acme")
    config = there["config"]
    config["genericWebhookActionInput"]["requestPayload"] = json.dumps({"t": TOKENS[0]})
    emulator.wandb.edit_automation(there["id"], config=config)
    for words in (("drift",), ("drift", "--format", "json"), ("plan", "--format", "json")):
        told = project.run(*words)
        assert "***" in told.out, told
        assert TOKENS[0] not in told.out


def test_what_is_set_is_not_shown(project: Project) -> None:
    project.write(webhook())
    for setting in (f"accessTokenSecret={LONG}", f"url=https://x.example/?token={LONG}"):
        told = project.run("set", "Webhook/deploy", f"spec.{setting}")
        assert told.code == 64, told
        assert LONG not in told.out + told.err
        assert f"spec.{setting.partition('=')[0]}: " in told.err
    for words in (f"spec.acessTokenSecret={HEX[:40]}", HEX[:40], f"spec={HEX[:40]}"):
        told = project.run("set", "Webhook/deploy", words)
        assert told.code == 64, told
        assert HEX[:40] not in told.out + told.err


@pytest.mark.parametrize(
    "text",
    [
        "$${ACCESS_TOKEN}",
        "https://example.com/?token=$${ACCESS_TOKEN}",
        "registry/image@sha256:" + HEX + HEX[:16],
        "friendli-iac/9b2e7a14-43a5-4a4e-8c0e-5f3f7f3f6f1d/Endpoint/chat",
        "the-newest-of-all-models-that-we-have-trained-in-2026-for-chat",
        "git+ssh://git@github.com/acme/models",
        "$${artifact_metadata.hf_repositoryrevision}",
        "$${artifact_metadata.hf_0a1b2c3d4e5f6g7h8i9j0a1b2c3d4e5f6g}",
        "hf_inferencetokenread and gldt-deployments, glrt-production, sk-learn-in-production",
        "https://example.com/?country_code=de&idempotency-key=2",
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
