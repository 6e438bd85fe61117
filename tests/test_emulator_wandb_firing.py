"""What an event of W&B fires in the emulator: which automations, what they send, and to whom."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from friendli_iac.emulator import Emulator

from .wandb_client import CHAT, DEPLOY, Receiver

OTHER = "acme/wandb-registry-model/other"
HOOK = "https://hooks.example.com/in?from=wandb"


@pytest.fixture
def receiver(emulator: Emulator) -> Iterator[Receiver]:
    emulator.wandb.seed()
    with Receiver() as receiver:
        emulator.wandb.hosts["hooks.example.com"] = receiver.url
        yield receiver


def automate(emulator: Emulator, scope: str = CHAT, name: str = "a", **how: Any) -> str:
    """An automation that calls the receiver; the webhook has no secrets unless `webhook` has."""
    webhook = how.pop("webhook", "") or emulator.wandb.add_webhook("acme", "hook", HOOK)
    return emulator.wandb.add_raw_automation(scope, name, webhook=webhook, **how)


def on(condition: str) -> str:
    return '{"$or":[{"$and":[' + condition + "]}]}"


def fired(emulator: Emulator) -> list[str]:
    """The names of the automations that have sent something, in order."""
    emulator.wandb.wait()
    return [one["automation"] for one in emulator.wandb.deliveries if one["status"] == 202]


# Which


@pytest.mark.parametrize(
    ("condition", "firing"),
    [
        ("", ["production", "production-eu", "staging"]),
        ('{"alias":{"$eq":"production"}}', ["production"]),
        ('{"alias":"production"}', ["production"]),
        ('{"alias":{"$regex":"^production$"}}', ["production"]),
        ('{"alias":{"$regex":"production"}}', ["production", "production-eu"]),
        ('{"alias":{"$regex":"^(production|staging)$"}}', ["production", "staging"]),
        ('{"alias":{"$in":["staging","x"]}}', ["staging"]),
        ('{"alias":{"$contains":"-eu"}}', ["production-eu"]),
        ('{"alias":{"$not":{"$regex":"^prod"}}}', ["staging"]),
        ('{"$not":{"alias":{"$eq":"staging"}}}', ["production", "production-eu"]),
        ('{"$or":[{"alias":"staging"},{"alias":"production"}]}', ["production", "staging"]),
        ('{"$and":[{"alias":{"$ne":"staging"}},{"alias":{"$contains":"eu"}}]}', ["production-eu"]),
        ('{"alias":{"$regex":"("}}', []),
        ('{"alias":{"$like":"p%"}}', []),
    ],
)
def test_filters(emulator: Emulator, receiver: Receiver, condition: str, firing: list[str]) -> None:
    automate(emulator, event_filter=on(condition), payload='{"alias": "${alias}"}')
    for alias in ("production", "production-eu", "staging"):
        emulator.wandb.move_alias(CHAT, alias, "v2")
    emulator.wandb.wait()
    assert [one["body"]["alias"] for one in emulator.wandb.deliveries] == firing
    assert len(receiver.received) == len(firing)


def test_each_scope_that_the_event_is_in_fires_by_itself(
    emulator: Emulator, receiver: Receiver
) -> None:
    emulator.wandb.log(OTHER)
    emulator.wandb.log("acme/wandb-registry-eu/chat")
    for scope in (CHAT, OTHER, "acme/wandb-registry-model", "acme/wandb-registry-eu", "acme"):
        automate(emulator, scope, scope)
    automate(emulator, name="disabled", enabled=False)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    assert fired(emulator) == [CHAT, "acme/wandb-registry-model", "acme"]


def test_what_a_version_has_already_fires_nothing(emulator: Emulator, receiver: Receiver) -> None:
    automate(emulator)
    emulator.wandb.move_alias(CHAT, "production", "v1")
    assert fired(emulator) == []
    emulator.wandb.remove_alias(CHAT, "production")
    assert fired(emulator) == []
    emulator.wandb.move_alias(CHAT, "production", "v1")
    assert fired(emulator) == ["a"]


def test_other_events(emulator: Emulator, receiver: Receiver) -> None:
    emulator.wandb.log("acme/research/raw")
    automate(emulator, "acme/research/raw", "created", event_type="CREATE_ARTIFACT")
    automate(emulator, CHAT, "linked", event_type="LINK_MODEL")
    automate(emulator, CHAT, "aliased")
    automate(
        emulator,
        "acme/research/raw",
        "tagged",
        event_type="ADD_ARTIFACT_TAG",
        event_filter=on('{"tag":"good"}'),
    )
    emulator.wandb.log("acme/research/raw")
    assert fired(emulator) == ["created"]
    emulator.wandb.log(CHAT)  # the alias `latest` is no event
    assert fired(emulator) == ["created", "linked"]
    emulator.wandb.log(CHAT, aliases=["production"])
    assert fired(emulator) == ["created", "linked", "linked", "aliased"]
    for tag in ("bad", "good", "good"):
        emulator.wandb.tag("acme/research/raw", "v0", tag)
    assert fired(emulator)[4:] == ["tagged"]


# What


def test_every_variable(emulator: Emulator, receiver: Receiver) -> None:
    names = [
        "project_name",
        "entity_name",
        "event_type",
        "event_author",
        "alias",
        "tag",
        "artifact_collection_name",
        "artifact_metadata.base",
        "artifact_metadata.quote",
        "artifact_metadata.layers",
        "artifact_metadata.missing",
        "artifact_version",
        "artifact_version_string",
        "ACCESS_TOKEN",
        "HMAC",
        "FRIENDLI_TOKEN",
        "OTHER_SECRET",
        "unknown",
    ]
    for secret in ("HMAC", "OTHER_SECRET"):
        emulator.wandb.set_secret("acme", secret, f"value of {secret}")
    webhook = emulator.wandb.add_webhook("acme", "hook", HOOK, "FRIENDLI_TOKEN", "HMAC")
    payload = "{" + ",".join(f'"{name}": "${{{name}}}"' for name in names) + "}"
    automate(emulator, webhook=webhook, payload=payload)
    automate(emulator, name="linked", event_type="LINK_MODEL", payload=payload, webhook=webhook)
    metadata = {"base": "llama", "quote": 'say "hi"\\', "layers": [1, 2]}
    version = emulator.wandb.log(CHAT, metadata, aliases=["production"])
    emulator.wandb.wait()
    linked, aliased = (one["body"] for one in emulator.wandb.deliveries)
    artifact = emulator.wandb.versions(CHAT)[-1]["id"]
    assert aliased == {
        "project_name": "wandb-registry-model",
        "entity_name": "acme",
        "event_type": "ADD_ARTIFACT_ALIAS",
        "event_author": "ada",
        "alias": "production",
        "tag": "",
        "artifact_collection_name": "chat",
        "artifact_metadata.base": "llama",
        "artifact_metadata.quote": 'say "hi"\\',
        "artifact_metadata.layers": "[1, 2]",
        "artifact_metadata.missing": "",
        "artifact_version": f"wandb-artifact://_id/{artifact}",
        "artifact_version_string": f"{CHAT}:{version}",
        "ACCESS_TOKEN": "flp_emulator",
        "HMAC": "value of HMAC",
        "FRIENDLI_TOKEN": "flp_emulator",
        "OTHER_SECRET": "${OTHER_SECRET}",  # the webhook does not have it
        "unknown": "${unknown}",
    }
    changed = {key for key in linked if linked[key] != aliased[key]}
    assert changed == {"event_type", "alias"}
    assert (linked["event_type"], linked["alias"]) == ("LINK_ARTIFACT", "")
    emulator.wandb.version_string = "alias"
    emulator.wandb.move_alias(CHAT, "production", "v0")
    emulator.wandb.wait()
    body = emulator.wandb.deliveries[-1]["body"]
    assert body["artifact_version_string"] == f"{CHAT}:production"


@pytest.mark.parametrize(
    ("form", "signature"),
    [
        ("base64", "4tKqnWHayH0Vdy0mtiM/LbZ7bOGK7h+UrHO5F40Uk8U="),
        ("hex", "e2d2aa9d61dac87d15772d26b6233f2db67b6ce18aee1f94ac73b9178d1493c5"),
        ("sha256=hex", "sha256=e2d2aa9d61dac87d15772d26b6233f2db67b6ce18aee1f94ac73b9178d1493c5"),
    ],
)
def test_the_signature_is_that_of_the_published_vector(
    emulator: Emulator, receiver: Receiver, form: Any, signature: str
) -> None:
    emulator.wandb.set_secret("acme", "HMAC", "your_api_secret")
    emulator.wandb.signature = form
    webhook = emulator.wandb.add_webhook("acme", "hook", HOOK, "FRIENDLI_TOKEN", "HMAC")
    automate(emulator, webhook=webhook, payload='{"key1": "value1", "key2": "value2"}')
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    [(path, headers, body)] = receiver.received
    assert path == "/in?from=wandb"
    assert body == b'{"key1": "value1", "key2": "value2"}'
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Bearer flp_emulator"
    assert headers["x-wandb-signature"] == signature


def test_nothing_is_signed_without_secrets(emulator: Emulator, receiver: Receiver) -> None:
    automate(emulator, payload="not json: ${alias}")
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    [(_, headers, body)] = receiver.received
    assert body == b"not json: production"
    assert not headers.keys() & {"authorization", "x-wandb-signature"}
    [delivery] = emulator.wandb.deliveries
    assert (delivery["status"], delivery["response"]) == (202, "taken")


# Whether


def test_only_hosts_that_are_allowed_are_called(emulator: Emulator, receiver: Receiver) -> None:
    urls = [
        receiver.url,
        "http://api.github.com/x",
        "https://hooks.example.com.evil.org/",
        "https://hooks.example.com@evil.org/",
        "https://hooks.example.com:8443/",
    ]
    for url in urls:
        webhook = emulator.wandb.add_webhook("acme", "hook", url)
        automate(emulator, name=url, webhook=webhook)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    assert receiver.received == []
    assert [one["url"] for one in emulator.wandb.deliveries] == urls
    assert all(one["skipped"].endswith(" is not allowed") for one in emulator.wandb.deliveries)
    assert {one["status"] for one in emulator.wandb.deliveries} == {None}


def test_a_webhook_whose_secret_is_gone_is_not_called(
    emulator: Emulator, receiver: Receiver
) -> None:
    webhook = emulator.wandb.add_webhook("acme", "hook", HOOK, "FRIENDLI_TOKEN")
    automate(emulator, webhook=webhook)
    emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", None)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    assert [one["skipped"] for one in emulator.wandb.deliveries] == ["no secret FRIENDLI_TOKEN"]
    assert receiver.received == []


def test_cool_down_and_skipped_triggers(receiver: Receiver, emulator: Emulator) -> None:
    automate(emulator)

    def outcome(version: str) -> str | None:
        emulator.wandb.move_alias(CHAT, "production", version)
        emulator.wandb.wait()
        return str(emulator.wandb.deliveries[-1]["skipped"])

    emulator.wandb.skip(1)
    assert outcome("v2") == "skipped"
    emulator.wandb.cooldown = 60
    assert outcome("v0") == "None"
    emulator.advance(30)
    assert outcome("v1") == "cool-down"
    emulator.advance(31)
    assert outcome("v2") == "None"
    assert len(receiver.received) == 2


def test_a_receiver_that_is_not_there_is_in_the_record(emulator: Emulator) -> None:
    emulator.wandb.seed()
    emulator.wandb.hosts["hooks.example.com"] = "http://127.0.0.1:9"
    automate(emulator)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wandb.wait()
    [delivery] = emulator.wandb.deliveries
    assert delivery["status"] is None
    assert delivery["response"].startswith("ConnectError")


def test_friendlis_api_is_the_emulator_itself(emulator: Emulator) -> None:
    emulator.wandb.seed()
    webhook = emulator.wandb.add_webhook("acme", "deploy", DEPLOY, "FRIENDLI_TOKEN")
    payload = (
        '{"wandbArtifactVersionName": "${artifact_version_string}", "name": "chat",'
        ' "projectId": "p1", "idempotencyKey": "key"}'
    )
    automate(emulator, webhook=webhook, payload=payload)
    for version in ("v2", "v0"):
        emulator.wandb.move_alias(CHAT, "production", version)
        emulator.wandb.wait()
    assert [one["status"] for one in emulator.wandb.deliveries] == [200, 200]
    [endpoint] = emulator.endpoints()
    artifacts = [one["settings"]["wandbArtifactVersionName"] for one in endpoint["versions"]]
    assert artifacts == [f"{CHAT}:v2", f"{CHAT}:v0"]


def test_a_reset_forgets_what_is_to_be_sent(emulator: Emulator, receiver: Receiver) -> None:
    webhook = emulator.wandb.add_webhook("acme", "deploy", DEPLOY, "FRIENDLI_TOKEN")
    automate(emulator, webhook=webhook)
    automate(emulator, name="second")
    emulator.hold("POST", "wandb-artifact-create")
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.wait_held()
    with pytest.raises(TimeoutError, match="2 webhooks"):
        emulator.wandb.wait(timeout=0.01)
    emulator.reset()
    emulator.wandb.wait()
    assert emulator.wandb.deliveries == receiver.received == []
    assert emulator.wandb.hosts == {"api.friendli.ai": emulator.url}


# From another process


def test_the_control_api_has_it_all(emulator: Emulator) -> None:
    with httpx.Client(base_url=f"{emulator.url}/__emulator") as control:

        def do(operation: str, **arguments: Any) -> Any:
            return control.post(f"/wandb/{operation}", json=arguments).raise_for_status().json()

        do("seed")
        assert do("log", path=CHAT, aliases=["staging"]) == "v3"
        webhook = do("add_webhook", team="acme", name="hook", url=HOOK)
        do("add_raw_automation", scope=CHAT, name="a", webhook=webhook)
        control.put("/wandb", json={"cooldown": 5, "offers": ["secrets"]}).raise_for_status()
        do("move_alias", path=CHAT, alias="production", version="v0")
        state = control.get("/wandb").json()
        assert state["switches"]["offers"] == ["secrets"]
        assert [one["skipped"] for one in state["deliveries"]] == [
            "hooks.example.com is not allowed"
        ]
        assert [one["name"] for one in do("automations", entity="acme")] == ["a"]
        assert control.post("/wandb/close").status_code == 404
        assert control.post("/wandb/move_alias", json={"x": 1}).status_code == 400
        assert control.post("/wandb/versions", json={"path": "a/b/c"}).status_code == 404
        assert control.put("/wandb", json={"colour": 1}).status_code == 400
