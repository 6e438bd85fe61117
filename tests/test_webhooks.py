"""Webhooks of W&B: made, read, changed and deleted; and what a person must do, with whether it was
done.
"""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .harness import FAST, Project, Result, endpoint, writes
from .wandb_manifests import DEPLOY, automation, team, webhook

EDIT, DELETE = "updateGenericWebhookIntegration", "deleteIntegration"
CREATED = ["mutation createGenericWebhookIntegration"]
OTHER = "https://example.com/hook"


def plan(project: Project) -> dict[str, list[dict[str, object]]]:
    """The changes of a plan, by address."""
    document = project.run("plan", "--format", "json").json
    return {change["address"]: change for change in document["changes"]}


def quiet(project: Project) -> bool:
    return "No changes." in project.run("plan").out


def steps(result: Result) -> list[str]:
    """The steps by hand that a plan shows."""
    return [line for line in result.out.splitlines() if line.lstrip()[:2] in ("1.", "2.", "3.")]


@pytest.fixture
def applied(emulator: Emulator, project: Project) -> Project:
    """A project whose webhook is there."""
    team(emulator)
    emulator.wandb.offers = {EDIT, DELETE, "secrets"}
    project.write(webhook())
    assert project.apply().code == 0
    emulator.clear_requests()
    return project


def test_it_is_made_with_names_of_secrets(emulator: Emulator, applied: Project) -> None:
    (made,) = emulator.wandb.webhooks("acme")
    assert (made["name"], made["url"]) == ("deploy", DEPLOY)
    assert (made["access_token_ref"], made["secret_ref"]) == ("TOKEN", "HMAC")
    assert applied.state["resources"]["Webhook/deploy"]["id"] == f"acme:{made['id']}"
    assert quiet(applied)
    assert writes(emulator) == []


def test_it_is_changed_in_place_and_deleted(emulator: Emulator, applied: Project) -> None:
    applied.write(webhook(url=OTHER, more=", name: other").replace("TOKEN", "HMAC"))
    result = applied.apply()
    assert result.code == 0, result
    (now,) = emulator.wandb.webhooks("acme")
    assert (now["name"], now["url"], now["access_token_ref"]) == ("other", OTHER, "HMAC")
    assert quiet(applied)
    assert applied.run("destroy", "--yes").code == 0
    assert emulator.wandb.webhooks("acme") == []
    assert writes(emulator) == [f"mutation {EDIT}", f"mutation {DELETE}"]
    assert applied.state["resources"] == {}


def test_what_somebody_else_changed_is_drift_and_is_set_back(
    emulator: Emulator, applied: Project
) -> None:
    (there,) = emulator.wandb.webhooks("acme")
    emulator.wandb.edit_webhook(there["id"], url=OTHER)
    drift = applied.run("drift")
    assert "changed outside" in drift.out or OTHER in drift.out, drift
    assert applied.apply().code == 0
    assert emulator.wandb.webhooks("acme")[0]["url"] == DEPLOY


def test_one_that_is_gone_is_made_anew(emulator: Emulator, applied: Project) -> None:
    emulator.wandb.remove_webhook(emulator.wandb.webhooks("acme")[0]["id"])
    assert applied.apply().code == 0
    assert writes(emulator) == CREATED
    assert quiet(applied)


def test_another_team_needs_another_webhook(emulator: Emulator, applied: Project) -> None:
    emulator.wandb.set_secret("zeta", "TOKEN", "x")
    emulator.wandb.set_secret("zeta", "HMAC", "x")
    applied.write(webhook(team="zeta"))
    result = applied.apply("--allow-destroy", "Webhook/deploy")
    assert result.code == 0, result
    assert [len(emulator.wandb.webhooks(name)) for name in ("acme", "zeta")] == [0, 1]


def test_a_name_that_somebody_has_is_refused_and_can_be_imported(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    emulator.wandb.add_webhook("acme", "deploy", DEPLOY, "TOKEN", "HMAC")
    project.write(webhook())
    refused = project.run("plan")
    assert refused.code == 5
    assert "friendli-iac import Webhook/deploy acme:" in refused.out
    said = ("--set", "spec.accessTokenSecret=TOKEN", "--set", "spec.signingSecret=HMAC")
    assert project.run("import", "Webhook/deploy", "acme:deploy", *said).code == 0
    assert quiet(project)
    assert writes(emulator) == []
    again = project.run("import", "Webhook/again", "acme:deploy")
    assert again.code == 5
    assert "in state already, as Webhook/deploy" in again.err


def test_two_of_one_name_are_told_apart_by_nobody(emulator: Emulator, project: Project) -> None:
    ids = [emulator.wandb.add_webhook("acme", "twice", OTHER) for _ in range(2)]
    result = project.run("import", "Webhook/twice", "acme:twice")
    assert result.code == 1
    assert all(id in result.err for id in ids)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("{team: acme, url: 'http://example.com'}", "no https address"),
        ("{team: acme, url: 'https://u:p@example.com'}", "password"),
        ("{team: a/b, url: 'https://example.com'}", "team"),
        ("{team: acme, url: 'https://example.com', accessTokenSecret: 'flp_x-y'}", "accessToken"),
        (f"{{team: acme, url: 'https://example.com', name: {'n' * 65}}}", "name"),
        ("{team: acme, url: 'https://example.com', name: a.b}", "name cannot be"),
        ("{team: acme, url: 'https://example.com:99999'}", "no address"),
        ("{team: acme, url: 'https://example.com:abc'}", "no address"),
        ("{url: 'https://example.com'}", "team"),
    ],
)
def test_what_wandb_would_not_take_is_a_problem_with_a_place(
    emulator: Emulator, project: Project, spec: str, says: str
) -> None:
    project.write(
        f"apiVersion: friendli-iac/v1\nkind: Webhook\nmetadata: {{name: deploy}}\nspec: {spec}\n"
    )
    result = project.run("validate")
    assert result.code == 1
    assert "main.yaml:4" in result.err
    assert says in result.err
    assert not emulator.requests


def test_a_name_of_wandb_is_asked_for_where_ours_is_none(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook("deploy.v2"))
    for command in ("validate", "plan"):
        refused = project.run(command)
        assert refused.code == 1
        assert "main.yaml:3:18: W&B takes no webhook called 'deploy.v2'" in refused.err
        assert "say spec.name" in refused.err
    project.write(webhook("deploy.v2", more=", name: deploy v2"))
    assert project.apply().code == 0


# --- lost answers ---


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_create_without_an_answer_makes_one(
    emulator: Emulator, project: Project, when: str
) -> None:
    team(emulator)
    project.write(webhook())
    emulator.fault("POST", "mutation createGeneric", kind="drop", when=when)
    result = project.apply()
    assert result.code == 0, result
    assert len(emulator.wandb.webhooks("acme")) == 1
    assert len(writes(emulator)) == (2 if when == "before" else 1)


def test_an_update_without_an_answer_is_looked_for(emulator: Emulator, applied: Project) -> None:
    applied.write(webhook(url=OTHER))
    emulator.fault("POST", f"mutation {EDIT}", kind="drop", when="after")
    result = applied.apply()
    assert result.code == 0, result
    assert writes(emulator) == [f"mutation {EDIT}"]
    emulator.clear_requests()
    # Of names of secrets nothing can be read: it is sent once more.
    applied.write(webhook(url=OTHER).replace("TOKEN", "HMAC"))
    emulator.fault("POST", f"mutation {EDIT}", kind="drop", when="before")
    assert applied.apply().code == 0
    assert len(writes(emulator)) == 2
    assert emulator.wandb.webhooks("acme")[0]["access_token_ref"] == "HMAC"


# --- by hand ---


def test_secrets_are_a_step_by_hand_where_nothing_shows_them(
    emulator: Emulator, project: Project
) -> None:
    emulator.wandb.add_team("acme")
    project.write(webhook())
    shown = project.run("plan")
    assert [("TOKEN" in step, "HMAC" in step) for step in steps(shown)] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert f"{emulator.url}/acme" in shown.out
    # Whether it was done, nothing shows: that is no failure of the apply.
    assert project.apply().code == 0
    assert quiet(project)


def test_a_secret_that_is_missing_is_asked_for_until_it_is_there(
    emulator: Emulator, project: Project
) -> None:
    emulator.wandb.offers = {"secrets"}
    emulator.wandb.set_secret("acme", "TOKEN", "x")
    project.write(webhook())
    shown = project.run("plan")
    assert [step for step in steps(shown) if "TOKEN" in step] == []
    assert "the team has none of that name" in shown.out
    first = project.apply()
    assert first.code == 11, first
    assert "HMAC" in first.out
    assert writes(emulator) == CREATED
    again = project.apply()
    assert again.code == 11, again
    assert "the team has no secret HMAC yet" in again.out
    emulator.wandb.set_secret("acme", "HMAC", "x")
    assert quiet(project)
    assert project.apply().code == 0
    assert writes(emulator) == CREATED


def test_an_edit_that_the_server_refuses_is_left_to_a_person(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook())
    assert project.apply().code == 0
    emulator.clear_requests()
    project.write(webhook(url=OTHER))
    shown = project.run("plan")
    assert len(steps(shown)) == 1
    assert OTHER in shown.out
    for _ in range(2):  # as long as it is not done
        result = project.apply()
        assert result.code == 11, result
        assert f"Endpoint URL: {OTHER}" in result.out
    assert writes(emulator) == []
    emulator.wandb.edit_webhook(emulator.wandb.webhooks("acme")[0]["id"], url=OTHER)
    assert quiet(project)
    assert project.apply().code == 0
    assert "no drift" in project.run("drift").out


def test_other_secrets_are_asked_for_once_for_nothing_shows_them(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook())
    assert project.apply().code == 0
    project.write(webhook().replace("TOKEN", "HMAC"))
    assert project.apply().code == 11
    assert quiet(project)


def test_a_server_that_says_nothing_is_tried_and_then_it_is_by_hand(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    emulator.wandb.introspection = False
    project.write(webhook())
    assert project.apply().code == 0
    emulator.clear_requests()
    project.write(webhook(url=OTHER))
    result = project.apply()
    assert result.code == 11, result
    assert writes(emulator) == [f"mutation {EDIT}"]
    assert f"Endpoint URL: {OTHER}" in result.out
    emulator.wandb.offers = {EDIT, DELETE}
    assert project.apply().code == 0
    assert emulator.wandb.webhooks("acme")[0]["url"] == OTHER


@pytest.mark.parametrize("told", [True, False])
def test_a_delete_that_the_server_refuses_is_left_to_a_person(
    emulator: Emulator, project: Project, *, told: bool
) -> None:
    team(emulator)
    emulator.wandb.introspection = told
    project.write(webhook())
    assert project.apply().code == 0
    emulator.clear_requests()
    for _ in range(2):
        result = project.run("destroy", "--yes")
        assert result.code == 11, result
        assert "delete the webhook deploy" in result.out
    assert writes(emulator) == ([] if told else 2 * [f"mutation {DELETE}"])
    emulator.wandb.remove_webhook(emulator.wandb.webhooks("acme")[0]["id"])
    assert project.run("destroy", "--yes").code == 0
    assert project.state["resources"] == {}


def test_a_step_by_hand_keeps_nothing_else_back(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook("a") + webhook("b"))
    assert project.apply().code == 0
    calls = automation(calls="a")  # it waits for what is left to a person
    project.write(webhook("a", url=OTHER) + webhook("b") + webhook("c") + calls)
    result = project.apply()
    assert result.code == 11, result
    made = sorted(one["name"] for one in emulator.wandb.webhooks("acme"))  # side by side
    assert made == ["a", "b", "c"]
    assert len(emulator.wandb.automations("acme")) == 1


# --- which W&B ---


def test_a_state_belongs_to_one_wandb(emulator: Emulator, applied: Project) -> None:
    assert applied.state["wandb"] == emulator.url
    elsewhere = applied.run("plan", env={"WANDB_BASE_URL": "https://wandb.acme.example"})
    assert elsewhere.code == 5
    assert "WANDB_BASE_URL" in elsewhere.err
    assert applied.run("plan", env={"WANDB_BASE_URL": f"{emulator.url}/"}).code == 0


def test_which_wandb_it_is_is_known_before_the_first_request(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(endpoint())
    assert project.apply().code == 0
    assert project.state["wandb"] == ""
    project.write(endpoint() + "---\n" + webhook())
    emulator.hold("POST", "mutation createGeneric", when="after")
    with project.spawn("apply", "--yes", *FAST) as apply:
        emulator.wait_held()
        apply.kill()
    emulator.clear_faults()
    emulator.release()
    assert project.state["wandb"] == emulator.url
    result = project.apply()
    assert result.code == 0, result
    assert len(emulator.wandb.webhooks("acme")) == 1


def test_a_state_without_webhooks_belongs_to_no_wandb(emulator: Emulator, applied: Project) -> None:
    assert applied.run("destroy", "--yes").code == 0
    assert applied.state["wandb"] == ""
    other = emulator.url.replace("127.0.0.1", "localhost")
    assert applied.run("plan", env={"WANDB_BASE_URL": other}).code == 0


def test_without_a_key_it_is_said_where_one_is_looked_for(project: Project) -> None:
    project.write(webhook())
    del project.env["WANDB_API_KEY"]
    result = project.run("plan")
    assert result.code == 3
    assert "netrc" in result.err
    assert "set WANDB_API_KEY" in result.err


def test_protection_holds_for_webhooks_too(emulator: Emulator, applied: Project) -> None:
    applied.write(webhook(more=", lifecycle: {preventDestroy: true}"))
    assert applied.apply().code == 0
    refused = applied.run("destroy", "--yes")
    assert refused.code == 5
    assert len(emulator.wandb.webhooks("acme")) == 1


@pytest.mark.parametrize(
    ("url", "known"),
    [
        (DEPLOY, True),
        ("https://API.github.com/repos/acme/models/dispatches", True),
        ("https://gitlab.com/api/v4/projects/7/pipeline", True),
        ("https://api.github.com.evil.example/repos/acme/models/dispatches", False),
        ("https://github.example.com/api/v3/repos/acme/models/dispatches", False),
        ("https://api.friendli.ai:8443/dedicated/endpoint/wandb-artifact-create", False),
    ],
)
def test_where_a_token_goes_is_told_when_that_is_new(
    url: str, known: bool, emulator: Emulator, project: Project
) -> None:
    team(emulator)
    emulator.wandb.offers = {EDIT, DELETE, "secrets"}
    host = url.split("/")[2]
    told = f"! the token TOKEN and what HMAC signs go to {host} from now on"
    project.write(webhook(url=url))
    assert (told in project.run("plan").out) is not known
    project.write(webhook(url="https://gitlab.com/x"))
    assert project.apply().code == 0
    project.write(webhook(url=url))
    assert (told in project.run("plan").out) is not known
    assert project.apply().code == 0
    project.write(webhook(url=f"{url}?ref=dev"))
    assert "from now on" not in project.run("plan").out
    project.write(webhook(url=url).replace("HMAC", "OTHER"))
    assert ("what OTHER signs go to" in project.run("plan").out) is not known
