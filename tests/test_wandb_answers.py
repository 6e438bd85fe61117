"""What W&B's answers come to: what refuses and what leaves open whether something was done; answers
of odd shapes, lists that shift, and addresses that are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from friendli_iac.clients.wandb import WandbApi
from friendli_iac.emulator import Emulator
from friendli_iac.errors import UNKNOWN_REQUEST, ApiError, AuthError, NoAddress, Unreachable
from friendli_iac.resources.artifact import ArtifactName
from friendli_iac.resources.automation import AUTOMATION

from .harness import WANDB_KEY, Project, endpoint, writes
from .wandb_manifests import CHAT, automation, team, webhook

WEBHOOK, AUTOMATION_MADE = "createGenericWebhookIntegration", "createFilterTrigger"
MADE = {"integration": {"id": "abc", "name": "one", "urlEndpoint": "https://example.com"}}
ROW = {"__typename": "GenericWebhookIntegration", **MADE["integration"]}
PASSWORD = "hunter2secret"


@pytest.fixture
def api(emulator: Emulator) -> Iterator[WandbApi]:
    api = WandbApi({}, emulator.url, WANDB_KEY, sleep=lambda seconds: None)
    yield api
    api.close()


def create(api: WandbApi) -> None:
    api.create_webhook("acme", "one", "https://example.com", "", "")


def error(message: str = "no", *, code: str = "", path: Any = None) -> dict[str, Any]:
    """An answer to a mutation with an error."""
    one: dict[str, Any] = {"message": message}
    one |= {"extensions": {"code": code}} if code else {}
    one |= {"path": path} if path is not None else {}
    return {"errors": [one], "data": None}


def page(edges: Any, following: str = "") -> dict[str, Any]:
    about = {"hasNextPage": bool(following), "endCursor": following}
    return {"edges": edges, "pageInfo": about}


# --- errors with 200 ---


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (error(code="INTERNAL_SERVER_ERROR", path=["result"]), Unreachable, 0),
        (error("context deadline exceeded"), Unreachable, 0),
        ({**error("late trouble"), "data": {"result": MADE}}, Unreachable, 0),
        (error(code="RATE_LIMITED"), Unreachable, 0),
        (error(code="SOMETHING_NEW", path=["result"]), Unreachable, 0),
        (error(code="GRAPHQL_VALIDATION_FAILED"), ApiError, 400),
        (error('Cannot query field "x" on type "Y".'), ApiError, 200),
        (error(code="UNAUTHENTICATED"), AuthError, 401),
        (error(code="PERMISSION_ERROR", path=["result"]), AuthError, 403),
        (error(code="CONFLICT", path=["result"]), ApiError, 409),
        # Below the field of the mutation, or beside what it made.
        (error(code="FORBIDDEN", path=["result", "integration"]), Unreachable, 0),
        ({**error(code="FORBIDDEN"), "data": {"result": MADE}}, Unreachable, 0),
        # One of them is enough.
        ({"errors": [*error(code="CONFLICT")["errors"], *error()["errors"]]}, Unreachable, 0),
        *((error(path=path), Unreachable, 0) for path in (5, True, {"a": 1}, "result", [["x"]])),
        *(({"data": {"result": {"integration": made}}}, Unreachable, 0) for made in ({}, "x", 5)),
    ],
)  # fmt: skip
def test_only_what_refuses_is_a_refusal(
    emulator: Emulator, api: WandbApi, body: Any, kind: type[ApiError], status: int
) -> None:
    emulator.fault("POST", "/graphql mutation", status=200, body=body)
    with pytest.raises(ApiError) as caught:
        create(api)
    assert (type(caught.value), caught.value.status) == (kind, status)
    assert ("no effect" in caught.value.safe) is (kind is not Unreachable)
    unknown = status == 200 or "VALIDATION" in str(body)
    assert (caught.value.reason == UNKNOWN_REQUEST) is unknown


def test_what_a_refusal_is_told_of_came_after_the_effect(emulator: Emulator, api: WandbApi) -> None:
    body = error(path=["result", "integration", "id"])
    emulator.fault("POST", "/graphql mutation", status=403, body=body)
    with pytest.raises(Unreachable):
        create(api)


@pytest.mark.parametrize(
    ("mutation", "when"),
    [(WEBHOOK, "after"), (AUTOMATION_MADE, "after"), (AUTOMATION_MADE, "before")],
)
def test_an_effect_whose_answer_is_an_error_is_looked_for(
    emulator: Emulator, project: Project, mutation: str, when: Any
) -> None:
    """Or it would be forgotten: an automation that nobody knows makes endpoints."""
    team(emulator)
    project.write(webhook() + automation())
    code = "INTERNAL_SERVER_ERROR" if when == "after" else ""
    emulator.fault("POST", mutation, kind="graphql", body=code, when=when)
    result = project.apply()
    assert result.code == 0, result
    assert "looking for it" in result.err
    assert writes(emulator).count(f"mutation {mutation}") == (1 if when == "after" else 2)
    assert len(emulator.wandb.webhooks("acme")) == len(emulator.wandb.automations("acme")) == 1
    emulator.wandb.offers = {"deleteIntegration"}
    assert project.run("destroy", "--yes", "--settle-grace", "1s").code == 0
    assert emulator.wandb.automations("acme") == []


def test_a_refusal_with_200_is_not_sent_again(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook())
    emulator.fault("POST", WEBHOOK, kind="graphql", body="PERMISSION_ERROR")
    assert project.apply().code == 3
    assert writes(emulator) == [f"mutation {WEBHOOK}"]


def test_a_read_is_repeated_after_errors_that_pass(emulator: Emulator, api: WandbApi) -> None:
    emulator.wandb.add_team("acme")
    emulator.fault("POST", "/graphql query", kind="graphql", body="RATE_LIMITED")
    emulator.fault("POST", "/graphql query", kind="graphql", body="INTERNAL_SERVER_ERROR", nth=2)
    assert api.webhooks("acme") == []
    assert len(emulator.requests) == 3


def test_a_delete_that_says_no_success_is_looked_for(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook() + automation())
    assert project.apply().code == 0
    for said in (False, None, "no"):
        body = {"data": {"result": {"success": said}}}
        emulator.fault("POST", "deleteTrigger", status=200, body=body)
    emulator.clear_requests()
    project.write(webhook())
    assert project.apply("--allow-destroy", "*", "--timeout", "5s").code == 0
    assert writes(emulator) == ["mutation deleteTrigger"] * 2
    assert emulator.wandb.automations("acme") == []


# --- odd shapes ---


def scoped(**changes: Any) -> dict[str, Any]:
    node = {"id": "1", "scope": None, "event": None, "action": None, **changes}
    return {"data": {"scope": {"triggers": page([{"node": node}])}}}


def artifact(**changes: Any) -> dict[str, Any]:
    membership = {"versionIndex": 1, "artifact": {"id": "a"}, "aliases": [], **changes}
    return {"data": {"project": {"artifactCollectionMembership": membership}}}


def resolve(api: WandbApi) -> object:
    return api.resolve(ArtifactName.parse(f"{CHAT}:production"))


@pytest.mark.parametrize(
    ("read", "body"),
    [
        *((resolve, artifact(**changes)) for changes in (
            {"versionIndex": True}, {"versionIndex": -1}, {"aliases": [None]}, {"aliases": 5},
            {"artifact": "x"}, {"artifact": {"id": "a", "createdBy": "x"}},
        )),
        (resolve, {"data": {"project": []}}),
        (resolve, {"data": {"project": {"artifactCollectionMembership": ""}}}),
        *((lambda api: api.automations("acme"), body) for body in (
            {"data": {"scope": []}}, {"data": {"scope": {"triggers": []}}},
            scoped(scope="x"), scoped(event="x"), scoped(action=[1]), scoped(id=None),
            scoped(id=["x"]), scoped(scope={"__typename": "Project", "project": "x"}, event=3),
        )),
        (lambda api: api.webhooks("acme"),
         {"data": {"entity": {"integrations": page([{"node": {**ROW, "id": None}}])}}}),
        (lambda api: api.scope_id("acme"), {"data": {"entity": "acme"}}),
        (lambda api: api.viewer(), {"data": {"viewer": [1]}}),
        (lambda api: api.secrets("acme"), {"data": {"entity": "acme"}}),
        (lambda api: api.offers("x"), {"data": {"__schema": {"mutationType": {"fields": [1]}}}}),
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_is_none(
    emulator: Emulator, api: WandbApi, read: Callable[[WandbApi], object], body: Any
) -> None:
    emulator.fault("POST", "query", status=200, body=body, count=None)
    with pytest.raises(Unreachable, match=r"W&B"):
        read(api)


@pytest.mark.parametrize("triggers", [None, "", {}, "x", [None]])
def test_a_project_that_does_not_say_its_automations_has_not_none(
    emulator: Emulator, api: WandbApi, triggers: Any
) -> None:
    """As older servers list them."""
    unknown = error('Cannot query field "triggers" on type "Entity".')
    emulator.fault("POST", "query", status=400, body=unknown)
    body = {"data": {"scope": {"projects": page([{"node": {"triggers": triggers}}])}}}
    emulator.fault("POST", "query", status=200, body=body, nth=2)
    with pytest.raises(Unreachable):
        api.automations("acme")


def test_odd_answers_are_told_and_are_no_defect_of_ours(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook() + automation())
    odd = scoped(scope="x")["data"] | {"entity": {"integrations": page([{"node": {"id": 1}}, 5])}}
    emulator.fault("POST", "query entity", status=200, body={"data": odd}, count=None)
    result = project.run("plan")
    assert result.code == 1
    assert "error: W&B: " in result.err
    assert "defect" not in result.err


def test_what_a_shifted_page_lists_twice_is_one(emulator: Emulator, api: WandbApi) -> None:
    for nth, following in ((1, "c1"), (2, "")):
        listed = {"data": {"entity": {"integrations": page([{"node": ROW}], following)}}}
        emulator.fault("POST", "query", status=200, body=listed, nth=nth)
    assert api.webhooks("acme") == [ROW]


# --- addresses ---


@pytest.mark.parametrize("variable", ["FRIENDLI_BASE_URL", "WANDB_BASE_URL"])
def test_a_password_in_an_address_is_neither_shown_nor_kept(
    emulator: Emulator, project: Project, variable: str
) -> None:
    team(emulator)
    project.write(webhook())
    url = emulator.url.replace("://", f"://deploy:{PASSWORD}@")
    results = [
        project.run(*command, env={variable: url})
        for command in (("plan", "-vv"), ("apply", "--yes"), ("plan", "--out", "a.plan"))
    ]
    if variable == "FRIENDLI_BASE_URL":  # also where nothing is sent
        results.append(project.run("output", "Endpoint/chat", env={variable: url}))
    doctor = project.run("doctor", env={variable: url})
    assert {result.code for result in results} == {64}
    assert doctor.code != 0
    assert all(variable in f"{result}" for result in (*results, doctor))
    told = "".join(map(str, (*results, doctor))) + project.everything_written()
    assert PASSWORD not in told
    assert writes(emulator) == []


def test_where_pages_are_is_left_out_where_it_holds_a_password(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook())
    project.env["WANDB_APP_URL"] = f"https://deploy:{PASSWORD}@w.acme.example"
    results = [project.run("plan", "-vv"), project.apply(), project.run("doctor")]
    assert PASSWORD not in "".join(map(str, results)) + project.everything_written()
    assert emulator.url in results[0].out, "the page of what is to be done by hand"


@pytest.mark.parametrize(
    "url",
    ["https://[::1", "https://", "https://w.acme.example:99999", "https://w acme.example",
     "https://w..example", "w.acme.example", f"https://w.acme.example/?key={PASSWORD}",
     f"user:{PASSWORD}@[::1"],
)  # fmt: skip
def test_what_is_no_address_is_a_mistake_in_the_settings(project: Project, url: str) -> None:
    project.write(webhook())
    for variable in ("FRIENDLI_BASE_URL", "WANDB_BASE_URL"):
        result = project.run("plan", env={variable: url})
        assert result.code == 64, result
        assert f"{variable} must be an https address" in result.err
        assert PASSWORD not in result.err


def test_an_address_in_the_users_file_is_checked_too(project: Project) -> None:
    project.write(f"[default]\nbase_url = https://u:{PASSWORD}@w.acme.example\n", "c/settings")
    with pytest.raises(NoAddress) as caught:
        assert WandbApi({"WANDB_CONFIG_DIR": str(project.root / "c")}).base_url
    assert "settings file" in caught.value.next
    assert PASSWORD not in str(caught.value) + caught.value.next


def test_who_cannot_be_reached_is_named() -> None:
    api = WandbApi({}, "http://127.0.0.1:9", WANDB_KEY, sleep=lambda seconds: None)
    with pytest.raises(Unreachable) as caught:
        api.webhooks("acme")
    assert "http://127.0.0.1:9/graphql: cannot connect" in str(caught.value)
    assert "WANDB_BASE_URL" in caught.value.next
    assert "FRIENDLI_BASE_URL" not in caught.value.next


# --- what is asked, and sent ---


def test_secrets_that_the_key_may_not_see_are_not_known(emulator: Emulator, api: WandbApi) -> None:
    emulator.wandb.offers = {"secrets"}
    emulator.wandb.set_secret("acme", "HMAC", "x")
    no: dict[str, Any] = {"status": 403, "body": error()}
    emulator.fault("POST", "query entity", **no)
    assert api.secrets("acme", fresh=True) is None
    emulator.fault("POST", "query entity", kind="graphql", body="PERMISSION_ERROR")
    assert api.secrets("acme", fresh=True) is None
    emulator.fault("POST", "query entity", **{**no, "status": 401})
    with pytest.raises(AuthError):
        api.secrets("acme", fresh=True)
    assert api.secrets("acme", fresh=True) == {"HMAC"}


def test_a_secret_that_is_not_wanted_any_more_is_taken_off(
    emulator: Emulator, api: WandbApi
) -> None:
    emulator.wandb.offers = {"updateGenericWebhookIntegration"}
    id = emulator.wandb.add_webhook("acme", "w", "https://example.com")
    api.update_webhook(id, "w", "https://example.com", "", "")
    (sent,) = [r["body"]["variables"]["input"] for r in emulator.requests]
    assert (sent["accessTokenRef"], sent["secretRef"]) == (None, None)  # "" is no name of one


def test_what_is_still_uploaded_is_no_version(emulator: Emulator, api: WandbApi) -> None:
    emulator.wandb.log(CHAT)
    emulator.wandb.uploading(CHAT, emulator.wandb.log(CHAT))
    assert [version.version for version in api.versions(CHAT)] == ["v0"]


def test_a_name_that_several_have_is_left_alone(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook())
    assert project.apply().code == 0
    (id,) = [row["id"] for row in emulator.wandb.webhooks("acme")]

    def twice() -> None:
        for _ in range(2):
            emulator.wandb.add_raw_automation(CHAT, "promote", webhook=id)

    project.write(webhook() + automation())
    emulator.on_request("POST", AUTOMATION_MADE, twice)
    result = project.apply()
    assert result.code == 1, result
    assert writes(emulator)[-1] == f"mutation {AUTOMATION_MADE}"
    assert [row["updated_at"] for row in emulator.wandb.automations("acme")] == [None, None]


def test_one_automation_is_read_as_it_is_now(emulator: Emulator, api: WandbApi) -> None:
    team(emulator)
    id = emulator.wandb.add_raw_automation(CHAT, "promote", action_type="NO_OP", config={})
    assert [one.name for one in AUTOMATION.list(api, CHAT).values()] == ["promote"]
    emulator.wandb.edit_automation(id, name="renamed")
    assert AUTOMATION.read(api, f"{CHAT}:{id}").name == "renamed"


def test_webhooks_of_one_name_are_not_guessed_between(emulator: Emulator, api: WandbApi) -> None:
    team(emulator)
    ids = [emulator.wandb.add_webhook("acme", "deploy", "https://example.com") for _ in range(2)]
    spec = {
        "name": "promote", "enabled": True, "collection": CHAT, "trigger": {"aliasAdded": "x"},
        "webhookTeam": "acme", "webhookName": "deploy", "webhook": "deploy",
    }  # fmt: skip
    with pytest.raises(ApiError, match="2 webhooks of acme are called 'deploy'") as caught:
        AUTOMATION.send(api, "create", id=None, spec=spec, comment="", key="")
    assert all(id in str(caught.value) for id in ids)
    assert writes(emulator) == []


def test_filters_are_written_as_the_sdk_writes_them(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook() + automation(trigger='aliasAdded: "^pröd$"'))
    assert project.apply().code == 0
    (made,) = emulator.wandb.automations("acme")
    assert "^pröd$" in made["event_filter"]
    assert "No changes." in project.run("plan").out


def test_a_host_of_other_letters_is_told_as_the_net_knows_it(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook(url="https://api.g\u0456thub.com:8443/x"))  # a Cyrillic letter
    assert "go to api.xn--gthub-n2e.com:8443 from now on" in project.run("plan").out


def test_a_project_without_wandb_asks_for_none_of_its_addresses(project: Project) -> None:
    project.write(endpoint())
    assert project.run("plan", env={"WANDB_BASE_URL": "https://["}).code == 0
