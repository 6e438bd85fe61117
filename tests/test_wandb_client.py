"""Our client of W&B, over real HTTP: where its key comes from, what counts as a refusal, that lists
are complete, and that nothing shows a key.
"""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.clients.wandb import WandbApi
from friendli_iac.clients.wandb_settings import WandbSettings, same_deployment
from friendli_iac.emulator import Emulator
from friendli_iac.errors import (
    UNKNOWN_REQUEST,
    ApiError,
    AuthError,
    NoAddress,
    NotFound,
    Unreachable,
)
from friendli_iac.resources.artifact import ArtifactName

from .harness import TOKEN, WANDB_KEY, Project, endpoint, writes
from .served import Served

CHAT = "acme/wandb-registry-model/chat"
ENV_KEY, NETRC_KEY, FILE_KEY, FORGE_KEY = (letter * 40 for letter in "enfg")


@pytest.fixture
def api(emulator: Emulator) -> Iterator[WandbApi]:
    api = WandbApi({}, emulator.url, WANDB_KEY, sleep=lambda seconds: None)
    yield api
    api.close()


def queries(emulator: Emulator, name: str) -> int:
    """How often something was asked."""
    return sum(name in (request["graphql"] or "") for request in emulator.requests)


# --- which server, and which key ---


def home(tmp_path: Path, *, netrc: str = "", settings: str = "") -> dict[str, str]:
    if netrc:
        (tmp_path / ".netrc").write_text(netrc)
    if settings:
        (tmp_path / ".config/wandb").mkdir(parents=True)
        (tmp_path / ".config/wandb/settings").write_text(f"[default]\n{settings}\n")
    return {"HOME": str(tmp_path)}


NETRC = f"machine api.wandb.ai\n  login user\n  password {NETRC_KEY}\n"


@pytest.mark.parametrize(
    ("files", "environ", "key"),
    [
        ({"netrc": NETRC, "settings": f"api_key = {FILE_KEY}"}, {"WANDB_API_KEY": ENV_KEY}, "env"),
        ({"netrc": NETRC, "settings": f"api_key = {FILE_KEY}"}, {}, "netrc"),
        # One deployment has two names, in either direction.
        ({"netrc": NETRC}, {"WANDB_BASE_URL": "https://api.forge.coreweave.com"}, "netrc"),
        ({"netrc": NETRC.replace("api.wandb.ai", "api.forge.coreweave.com")}, {}, "netrc"),
        # Not meant for W&B, or for another server.
        ({"netrc": f"default login u password {NETRC_KEY}"}, {}, ""),
        ({"netrc": NETRC}, {"WANDB_BASE_URL": "https://wandb.acme.example"}, ""),
        ({"settings": f"api_key = {FILE_KEY}"}, {}, "file"),
        ({"settings": f"api_key={FILE_KEY}\nbase_url=https://w.acme.example"}, {}, "file"),
        (
            {"settings": f"api_key={FILE_KEY}\nbase_url=https://w.acme.example"},
            {"WANDB_BASE_URL": "https://api.wandb.ai"},
            "",
        ),
        ({"netrc": "machine api.wandb.ai password"}, {}, ""),  # broken
    ],
)  # fmt: skip
def test_the_key_is_found_where_the_sdk_finds_it(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], key: str
) -> None:
    settings = WandbSettings.of({**home(tmp_path, **files), **environ})
    keys = {"env": ENV_KEY, "netrc": NETRC_KEY, "file": FILE_KEY}
    if key:
        assert settings.key() == keys[key]
        return
    with pytest.raises(AuthError) as caught:
        settings.key()
    assert settings.base_url in str(caught.value)
    assert "WANDB_API_KEY" in caught.value.next


def test_files_of_another_place_count_where_variables_say_so(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("[default]\nbase_url = https://w.acme.example/\n")
    (tmp_path / "n").write_text(f"machine w.acme.example login u password {NETRC_KEY}")
    environ = {"WANDB_CONFIG_DIR": str(tmp_path), "NETRC": str(tmp_path / "n")}
    settings = WandbSettings.of(environ)
    assert (settings.base_url, settings.key()) == ("https://w.acme.example", NETRC_KEY)


def test_the_settings_of_the_working_folder_are_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb/settings").write_text("[default]\nbase_url = https://evil.example\n")
    monkeypatch.chdir(tmp_path)
    assert WandbSettings.of({"HOME": str(tmp_path)}).base_url == "https://api.wandb.ai"


def test_the_two_default_addresses_are_one() -> None:
    assert same_deployment("https://api.forge.coreweave.com/") == "https://api.wandb.ai"
    assert same_deployment("https://w.acme.example") == "https://w.acme.example"
    assert WandbSettings.of({}).app_url == "https://wandb.ai"
    on_prem = WandbSettings.of({"WANDB_BASE_URL": "https://api.wandb.acme.example"})
    assert on_prem.app_url == "https://app.wandb.acme.example"


@pytest.mark.parametrize("key", ["short", "k" * 39, "key with a space " + "k" * 40, "ü" * 40])
def test_what_is_no_key_is_not_sent(emulator: Emulator, key: str) -> None:
    api = WandbApi({}, emulator.url, key)
    with pytest.raises(AuthError) as caught:
        api.webhooks("acme")
    assert key not in str(caught.value) + caught.value.next
    assert not emulator.requests


def test_a_key_never_travels_in_the_open() -> None:
    with pytest.raises(NoAddress, match="not https"):
        WandbApi({}, "http://api.wandb.ai", WANDB_KEY).webhooks("acme")


def test_a_project_without_wandb_needs_no_key(emulator: Emulator, project: Project) -> None:
    project.write(endpoint())
    del project.env["WANDB_API_KEY"]
    assert project.apply().code == 0
    assert not any(request["path"] == "/graphql" for request in emulator.requests)


class Echo(Served):
    """Says that a team has no webhooks, and keeps the headers that it was asked with."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        while (await receive()).get("more_body"):
            pass
        page = {"edges": [], "pageInfo": {"hasNextPage": False}}
        answer = json.dumps({"data": {"entity": {"integrations": page}}}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})


def test_requests_name_us_as_wandb_wants_it_and_carry_the_key() -> None:
    with Echo() as server, closing(WandbApi({}, server.url, WANDB_KEY)) as api:
        assert api.webhooks("acme") == []
    assert server.headers["user-agent"].startswith("W&B Public Client (friendli-iac/")
    basic = server.headers["authorization"].removeprefix("Basic ")
    assert b64decode(basic).decode() == f"api:{WANDB_KEY}"


# --- what is a refusal, and what is none ---


def test_reads_are_repeated_and_mutations_are_not(emulator: Emulator, api: WandbApi) -> None:
    emulator.wandb.add_team("acme")
    emulator.fault("POST", "/graphql query", kind="drop", count=2)
    assert api.webhooks("acme") == []
    assert queries(emulator, "query") == 3
    emulator.fault("POST", "/graphql mutation", kind="drop", when="after")
    with pytest.raises(Unreachable):
        api.create_webhook("acme", "one", "https://example.com", "", "")
    assert writes(emulator) == ["mutation createGenericWebhookIntegration"]
    assert [one["name"] for one in api.webhooks("acme")] == ["one"]


@pytest.mark.parametrize(
    ("status", "body", "error", "reason"),
    [
        # Whatever it is without: what it says may have come after the effect.
        (200, {"errors": [{"message": "no"}]}, Unreachable, ""),
        (200, {"errors": [{"message": "no", "path": ["result"]}], "data": None}, Unreachable, ""),
        # Below the field of the mutation: that one was carried out.
        (200, {"errors": [{"message": "no", "path": ["result", "integration"]}]}, Unreachable, ""),
        (200, {"data": None}, Unreachable, ""),
        (200, {"data": {"result": None}}, Unreachable, ""),
        (400, {"errors": [{"message": "Cannot query field 'x' on type 'Y'."}]}, ApiError,
         UNKNOWN_REQUEST),
        (422, {"errors": [{"message": "?", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]},
         ApiError, UNKNOWN_REQUEST),
        (401, {"errors": [{"message": "no"}]}, AuthError, ""),
        (403, {"errors": [{"message": "no"}]}, AuthError, ""),
        (404, {"errors": [{"message": "no"}]}, NotFound, ""),
        (409, {"errors": [{"message": "exists"}]}, ApiError, ""),
        (429, {"errors": [{"message": "later"}]}, Unreachable, ""),
        (502, "<html>", Unreachable, ""),
    ],
)  # fmt: skip
def test_answers_to_a_mutation(
    emulator: Emulator, api: WandbApi, status: int, body: Any, error: type[ApiError], reason: str
) -> None:
    emulator.fault("POST", "/graphql mutation", status=status, body=body)
    with pytest.raises(ApiError) as caught:
        api.create_webhook("acme", "one", "https://example.com", "", "")
    assert type(caught.value) is error
    assert caught.value.reason == reason
    if status != 200:
        assert caught.value.status == status


def test_errors_show_no_key_and_no_variable_of_friendli(emulator: Emulator, api: WandbApi) -> None:
    basic = b64encode(f"api:{WANDB_KEY}".encode()).decode()
    for status in (200, 401, 500):
        body = {"errors": [{"message": f"bad {WANDB_KEY} or {basic}"}]}
        emulator.fault("POST", "/graphql", status=status, body=body, count=None)
        with pytest.raises(ApiError) as caught:
            api.webhooks("acme")
        told = f"{caught.value} {caught.value.next}"
        assert WANDB_KEY not in told
        assert basic not in told
        assert status != 401 or "WANDB_API_KEY" in told
        assert "FRIENDLI_TOKEN" not in told
        emulator.clear_faults()


def test_output_shows_no_key(emulator: Emulator, project: Project) -> None:
    project.write(
        "apiVersion: friendli-iac/v1\nkind: Webhook\nmetadata: {name: w}\n"
        "spec: {team: acme, url: 'https://example.com/x', accessTokenSecret: TOKEN}\n"
    )
    emulator.wandb.set_secret("acme", "TOKEN", "the-secret-value")
    results = [
        project.run("plan", "-v"), project.apply("-vv"), project.run("plan", "--format", "json"),
        project.run("plan", "--out", "a.plan"),
    ]  # fmt: skip
    emulator.fault("POST", "/graphql", status=401, body={"errors": [{"message": WANDB_KEY}]})
    results.append(project.run("plan"))
    assert [result.code for result in results] == [0, 0, 0, 0, 3]
    told = "".join(result.out + result.err for result in results) + project.everything_written()
    assert "WANDB_API_KEY" in results[-1].err
    for secret in (WANDB_KEY, TOKEN, "the-secret-value"):
        assert secret not in told


# --- lists ---


def test_lists_are_whole_or_none(emulator: Emulator, api: WandbApi) -> None:
    emulator.wandb.add_team("acme")
    for index in range(120):
        emulator.wandb.add_raw_automation("acme", f"a{index}", action_type="NO_OP", config={})
        emulator.wandb.add_webhook("acme", f"w{index}", "https://example.com")
    assert len(api.automations("acme")) == len(api.webhooks("acme")) == 120
    empty = {"data": {"scope": {"triggers": {"edges": None, "pageInfo": {"hasNextPage": False}}}}}
    emulator.fault("POST", "query", body=empty, status=200, nth=3)
    with pytest.raises(Unreachable):
        api.automations("acme", fresh=True)
    circle = {"hasNextPage": True, "endCursor": "x"}
    page = {"data": {"scope": {"triggers": {"edges": [], "pageInfo": circle}}}}
    emulator.fault("POST", "query", body=page, status=200, count=2)
    with pytest.raises(Unreachable, match="circle"):
        api.automations("acme", fresh=True)
    with pytest.raises(NotFound) as caught:
        api.automations("nobody")
    assert "nobody" in str(caught.value)


def test_a_list_that_is_told_in_part_is_none_and_is_not_asked_for_again(
    emulator: Emulator, api: WandbApi
) -> None:
    error = {"message": "scope is gone", "path": ["scope", "triggers", "edges", 0]}
    emulator.fault("POST", "query", status=200, body={"data": {"scope": None}, "errors": [error]})
    with pytest.raises(ApiError, match="scope is gone"):
        api.automations("acme")
    assert queries(emulator, "query") == 1


def test_an_older_server_lists_by_project(emulator: Emulator, api: WandbApi) -> None:
    emulator.wandb.log(CHAT)
    emulator.wandb.add_raw_automation(CHAT, "one", action_type="NO_OP", config={})
    unknown = {"errors": [{"message": 'Cannot query field "triggers" on type "Entity".'}]}
    emulator.fault("POST", "query", status=400, body=unknown)
    assert [node["name"] for node in api.automations("acme")] == ["one"]


def test_threads_share_one_list_and_our_own_changes_end_it(
    emulator: Emulator, api: WandbApi
) -> None:
    emulator.wandb.log(CHAT)
    threads = [threading.Thread(target=api.automations, args=("acme",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queries(emulator, "query") == 1
    emulator.wandb.add_raw_automation(CHAT, "one", action_type="NO_OP", config={})
    assert api.automations("acme", fresh=True)
    api.delete_automation(api.automations("acme")[0]["id"])
    assert api.automations("acme") == []


def test_what_failed_is_asked_again(emulator: Emulator, api: WandbApi) -> None:
    emulator.wandb.add_team("acme")
    emulator.fault("POST", "query", status=403, body={"errors": [{"message": "no"}]})
    with pytest.raises(AuthError):
        api.automations("acme")
    assert api.automations("acme") == []


# --- artifacts ---


def test_an_alias_is_resolved_with_all_that_is_known_of_it(
    emulator: Emulator, api: WandbApi
) -> None:
    emulator.wandb.log(CHAT, aliases=["old"])
    metrics = {"eval/accuracy": 0.91}
    emulator.wandb.log(
        CHAT, {"base": "llama"}, metrics, aliases=["production"], logged_by="brave-sun-7"
    )
    found = api.resolve(ArtifactName.parse(f"{CHAT}:production"))
    assert (found.version, found.aliases, found.logged_by) == (
        "v1",
        ("latest", "production"),
        "brave-sun-7",
    )
    assert (found.metrics, found.metadata) == (metrics, {"base": "llama"})
    assert str(found.name) == f"{CHAT}:v1"
    assert len(found.digest) > 10
    assert api.resolve(ArtifactName.parse(f"{CHAT}:v1")) == found
    versions = api.versions(CHAT)
    assert [version.version for version in versions] == ["v1", "v0"]
    assert versions[0] == found


def test_all_pages_of_versions_are_read(emulator: Emulator, api: WandbApi) -> None:
    for _ in range(60):
        emulator.wandb.log(CHAT)
    assert [version.version for version in api.versions(CHAT)] == [
        f"v{n}" for n in range(59, -1, -1)
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (f"{CHAT}:productoin", "Did you mean production?"),
        (f"{CHAT}:v9", "v0"),
        (f"{CHAT}:champion", "It has latest, production, v0."),
        ("acme/wandb-registry-model/other:x", "Check the spelling"),
        ("acme/nothing/other:x", "Check the spelling"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    emulator: Emulator, api: WandbApi, name: str, says: str
) -> None:
    emulator.wandb.log(CHAT, aliases=["production"])
    with pytest.raises(NotFound) as caught:
        api.resolve(ArtifactName.parse(name))
    assert says in caught.value.next


def test_scopes_have_types_and_ids(emulator: Emulator, api: WandbApi) -> None:
    emulator.wandb.log(CHAT)
    emulator.wandb.log("acme/plain/set")
    types = {path: api.scope_id(path)[0] for path in (CHAT, "acme/plain", "acme", "acme/plain/set")}
    assert list(types.values()) == [
        "ARTIFACT_COLLECTION", "PROJECT", "ENTITY", "ARTIFACT_COLLECTION",
    ]  # fmt: skip
    for nowhere in ("acme/plain/none", "acme/none", "none"):
        with pytest.raises(NotFound):
            api.scope_id(nowhere)


# --- what a server may not have ---


def test_a_server_says_what_it_has_or_does_not(emulator: Emulator, api: WandbApi) -> None:
    emulator.wandb.set_secret("acme", "HMAC", "x")
    edit = "updateGenericWebhookIntegration"
    assert api.offers(edit) is False
    assert api.secrets("acme") is None
    emulator.wandb.offers = {edit, "secrets"}
    with closing(WandbApi({}, emulator.url, WANDB_KEY)) as another:
        assert another.offers(edit) is True
        assert another.secrets("acme") == {"HMAC"}
    emulator.wandb.introspection = False
    emulator.wandb.offers = set()
    with closing(WandbApi({}, emulator.url, WANDB_KEY)) as silent:
        assert silent.offers(edit) is None
        with pytest.raises(ApiError) as caught:
            silent.update_webhook("x", "n", "https://example.com", "", "")
        assert caught.value.reason == UNKNOWN_REQUEST
        assert silent.offers(edit) is False
