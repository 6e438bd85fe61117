"""What is doubtful of automations: `validate` says what the manifests show, and `plan` what W&B
shows, too.
"""

from __future__ import annotations

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project
from .wandb_manifests import CHAT, DEPLOY, ENDPOINT, GITHUB, automation, team, webhook

DIRECT = "deploys: chat\n  promotion: direct"
PULL = "deploys: chat\n  promotion: pull-request"


def warned(project: Project) -> str:
    """The warnings of a plan, one a line."""
    result = project.run("plan")
    assert result.code == 0, result
    return "\n".join(line for line in result.out.splitlines() if line.startswith("    ! "))


def doubts(project: Project) -> str:
    """What `validate` warns of, in one line each."""
    result = project.run("validate")
    assert result.code == 0, result
    return "\n".join(line for line in result.err.splitlines() if "doubtful" in line)


def test_nothing_is_said_of_what_is_as_it_should_be(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook() + automation())
    assert doubts(project) == ""
    assert warned(project) == ""


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (automation(more="  enabled: false\n"), "it is disabled"),
        (automation(trigger="aliasAdded: production"), "is not anchored"),
        (automation(trigger='aliasAdded: "^production"'), "write ^production$"),
        (automation(trigger='aliasAdded: ".*"'), "matches every alias"),
        (automation(trigger='aliasAdded: "^.*$"'), "matches every alias"),
        (automation(trigger='tagAdded: ".+"'), "matches every tag"),
        (automation(sends="payload: {k: 'x $${ACCESS_TOKEN}'}"), "the secret ACCESS_TOKEN"),
        (automation(sends="payload: {k: ['$${HMAC}']}"), "the secret HMAC"),
        (automation() + automation("second"), "would fire WebhookAutomation/second, too"),
        (
            automation() + automation("wide", scope="team: acme", trigger='aliasAdded: "^prod"'),
            "would fire WebhookAutomation/wide, too",
        ),
        (
            automation(trigger="artifactLinked: true")
            + automation("all", scope="project: acme/wandb-registry-model",
                         trigger="artifactLinked: true"),
            "would fire WebhookAutomation/all, too",
        ),
    ],
)  # fmt: skip
def test_what_manifests_show(
    emulator: Emulator, project: Project, document: str, says: str
) -> None:
    project.write(webhook() + document)
    told = doubts(project)
    assert says in told
    assert "WebhookAutomation/promote" in told
    assert not emulator.requests
    team(emulator)
    emulator.wandb.tag(CHAT, "v0", "good")
    assert says in warned(project)


@pytest.mark.parametrize(
    "document",
    [
        automation("second", trigger='aliasAdded: "^staging$"'),
        automation("second", scope="collection: acme/wandb-registry-model/code"),
        automation("second", trigger='tagAdded: "^production$"'),
        automation("second", more="  enabled: false\n"),
    ],
)
def test_two_that_no_event_fires_together_are_no_matter(project: Project, document: str) -> None:
    project.write(webhook() + automation() + document)
    assert "too" not in doubts(project)


@pytest.mark.parametrize(
    ("url", "sends", "says"),
    [
        ("https://example.com/hook", DIRECT, "points elsewhere (https://example.com/hook)"),
        (DEPLOY.replace("api.friendli.ai", "evil.example"), DIRECT, "points elsewhere"),
        (GITHUB, DIRECT, "points elsewhere"),
        (DEPLOY, PULL + "\n  payload: {mine: 1}", "neither at GitHub nor at GitLab"),
    ],
)
def test_a_webhook_that_points_elsewhere(project: Project, url: str, sends: str, says: str) -> None:
    project.write(webhook(url=url) + ENDPOINT + automation(sends=sends))
    assert says in doubts(project)


def test_a_webhook_without_a_token(project: Project) -> None:
    bare = webhook().replace("accessTokenSecret: TOKEN, ", "")
    project.write(bare + ENDPOINT + automation(sends=DIRECT))
    assert "Webhook/deploy names no accessTokenSecret" in doubts(project)


@pytest.mark.parametrize(
    ("url", "sends", "at"), [(DEPLOY, DIRECT, "production"), (GITHUB, PULL, "v7")]
)
def test_a_webhook_that_points_where_it_should(
    project: Project, url: str, sends: str, at: str
) -> None:
    endpoint = ENDPOINT.replace(":production", f":{at}")
    project.write(webhook(url=url) + endpoint + automation(sends=sends))
    assert doubts(project) == ""


def test_an_alias_that_is_nowhere(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook() + automation(trigger='aliasAdded: "^produktion$"'))
    told = warned(project)
    assert "matches no alias" in told
    assert "latest, production" in told
    assert doubts(project) == ""  # only W&B shows it
    emulator.wandb.log("acme/plain/new")
    emulator.wandb.remove_alias("acme/plain/new", "latest")
    project.write(webhook() + automation(scope="collection: acme/plain/new"))
    assert "it has none" in warned(project)


def test_automations_of_others(emulator: Emulator, project: Project) -> None:
    team(emulator)
    put = emulator.wandb.add_raw_automation
    id = emulator.wandb.add_webhook("acme", "theirs", "https://example.com")
    project.write(webhook() + automation())
    put(CHAT, "off", webhook=id, enabled=False)
    put("acme", "staging", webhook=id, event_filter='{"alias":{"$eq":"staging"}}')
    put("acme", "tags", webhook=id, event_type="ADD_ARTIFACT_TAG")
    put("acme", "strange", webhook=id, event_filter='{"size":{"$gt":1}}')
    assert warned(project) == ""
    put("acme", "every", webhook=id)
    put("acme/wandb-registry-model", "either", webhook=id,
        event_filter='{"$or":[{"alias":{"$in":["x","production"]}},{"alias":"y"}]}')  # fmt: skip
    told = warned(project)
    assert "the automation 'every' of acme, too, which is not ours" in told
    assert "the automation 'either' of acme/wandb-registry-model, too" in told
    assert len(told.splitlines()) == 2
    # Ours are no others, once they are there.
    assert project.apply().code == 0
    project.write(webhook() + automation(more="  description: x\n"))
    assert "'promote'" not in warned(project)


@pytest.mark.parametrize("scope", ["project: acme/wandb-registry-model", "team: acme"])
def test_automations_of_others_within_ours(
    scope: str, emulator: Emulator, project: Project
) -> None:
    team(emulator)
    id = emulator.wandb.add_webhook("acme", "theirs", "https://example.com")
    emulator.wandb.add_raw_automation(CHAT, "narrow", webhook=id)
    project.write(webhook() + automation(scope=scope))
    assert f"the automation 'narrow' of {CHAT}, too, which is not ours" in warned(project)


CODE = "acme/wandb-registry-model/code"
LISTENS = f"Endpoint/chat is of {CHAT}, and events of"
OTHERS = "does not match production, the alias that Endpoint/chat says"


@pytest.mark.parametrize(
    ("changes", "place", "says"),
    [
        ({"scope": f"collection: {CODE}"}, "19:15", f"{LISTENS} {CODE} would roll out on it"),
        ({"scope": "project: acme/wandb-registry-model"}, "19:12", LISTENS),
        ({"scope": "team: acme"}, "19:9", f"{LISTENS} acme would"),
        ({"trigger": 'aliasAdded: "^staging$"'}, "20:25", f"^staging$ {OTHERS}"),
        ({"trigger": 'aliasAdded: "^(?!production)"'}, "20:25", "cannot be told, and each would"),
        ({"sends": PULL, "trigger": 'tagAdded: "^ok$"'}, "20:12", "a pull request is for the"),
        ({"sends": PULL, "trigger": "artifactLinked: true"}, "20:12", "a pull request is for the"),
        ({"sends": PULL, "trigger": "artifactCreated: true"}, "20:12", "a pull request is for"),
    ],
)
def test_events_that_are_not_those_of_the_endpoint_are_a_problem(
    changes: dict[str, str], place: str, says: str, emulator: Emulator, project: Project
) -> None:
    """They would roll out whatever else is in there, or say no alias."""
    hook = webhook(url=GITHUB if "sends" in changes else DEPLOY)
    wrong = automation(**{"sends": DIRECT, **changes})
    project.write(hook + ENDPOINT + wrong)
    for command in ("validate", "plan"):
        told = project.run(command)
        assert (told.code, f"main.yaml:{place}: " in told.err, says in told.err) == (1, 1, 1), told
    # Where the endpoint is in no file that was given, its state shows it.
    team(emulator)
    project.write(hook + ENDPOINT)
    assert project.apply().code == 0
    refused = project.run("plan", "-f", str(project.write(wrong, "more.yaml")))
    assert (refused.code, says in refused.err) == (1 if "sends" in changes else 5, True), refused


@pytest.mark.parametrize(
    ("trigger", "at"),
    [
        ('aliasAdded: "^prod"', "production"),
        ('aliasAdded: "^production$"', "production"),
        ('aliasAdded: "^staging$"', "v0"),
    ],
)
def test_events_that_may_be_those_of_the_endpoint_are_none(
    trigger: str, at: str, project: Project
) -> None:
    endpoint = ENDPOINT.replace(":production", f":{at}")
    project.write(webhook() + endpoint + automation(sends=DIRECT, trigger=trigger))
    assert project.run("validate").code == 0


def test_an_alias_that_has_to_be_escaped(project: Project) -> None:
    endpoint = ENDPOINT.replace(":production", ":v1.2")
    exact = automation(sends=DIRECT, trigger=r"aliasAdded: ^v1\.2$")
    project.write(webhook() + endpoint + exact)
    assert doubts(project) == ""


def test_events_of_what_is_disabled_are_none(project: Project) -> None:
    """So that an endpoint can say another alias, before its automation follows."""
    endpoint = ENDPOINT.replace(":production", ":staging")
    project.write(webhook() + endpoint + automation(sends=f"{DIRECT}\n  enabled: false"))
    assert project.run("validate").code == 0


@pytest.mark.parametrize(
    ("trigger", "sends", "at", "says"),
    [
        ('tagAdded: "^ok$"', DIRECT, "production", "trigger.tagAdded: each such event rolls its"),
        ("artifactLinked: true", DIRECT, "production", "whatever production means"),
        ("artifactCreated: true", DIRECT, "production", "trigger.artifactCreated: each such"),
        ('aliasAdded: "^(production|x)$"', DIRECT, "production", "other aliases than production"),
        ('aliasAdded: "^v1.2$"', DIRECT, "v1.2", r"too; write ^v1\.2$"),
        ('aliasAdded: "^production$"', DIRECT, "v0", "the next event rolls another one out"),
        ('aliasAdded: "^production$"', PULL, "production", f"Write the version, such as {CHAT}:v7"),
        ('aliasAdded: "^production$"', PULL, "v0", ""),
    ],
)
def test_what_decides_beside_the_manifest(
    trigger: str, sends: str, at: str, says: str, emulator: Emulator, project: Project
) -> None:
    team(emulator)
    emulator.wandb.tag(CHAT, "v0", "ok")
    emulator.wandb.log(CHAT, aliases=["v1.2"])
    hook = webhook(url=GITHUB if sends == PULL else DEPLOY)
    endpoint = ENDPOINT.replace(":production", f":{at}")
    project.write(hook + endpoint + automation(sends=sends, trigger=trigger))
    for told in (doubts(project), warned(project)):
        assert says in told
        assert bool(says) == bool(told)


def test_what_stays_as_it_is_is_told_as_a_note(emulator: Emulator, project: Project) -> None:
    team(emulator)
    project.write(webhook() + automation(more="  enabled: false\n"))
    assert project.apply().code == 0
    shown = project.run("plan")
    assert "No changes." in shown.out
    assert "WebhookAutomation/promote: it is disabled" in shown.out


MADE = (
    'payload: {wandbArtifactVersionName: "$${artifact_version_string}", projectId: p1,'
    " idempotencyKey: mine}"
)
ONE_MORE = "event makes one more endpoint, which nothing here knows"
KEYED = ENDPOINT.replace('production"', 'production", idempotencyKey: mine')


@pytest.mark.parametrize(
    ("endpoint", "sends", "says"),
    [
        (KEYED, MADE, ""),
        (KEYED, MADE.replace("mine", "other"), f"the first {ONE_MORE}"),
        (KEYED, MADE.replace("p1", "p2"), f"the first {ONE_MORE}"),
        (KEYED, MADE.replace(" idempotencyKey: mine", ""), f"each {ONE_MORE}"),
        ("", MADE, f"the first {ONE_MORE}"),
    ],
)
def test_a_payload_that_buys(
    endpoint: str, sends: str, says: str, emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook() + endpoint + automation(sends=sends))
    for told in (doubts(project), warned(project)):
        assert "no probe is sent, and no pin holds off what failed" in told
        assert (ONE_MORE in told) == bool(says)
        assert says in told


def test_keys_that_nobody_knows_yet_are_doubted_when_they_are_known(
    emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook() + ENDPOINT + automation(sends=MADE))
    assert ONE_MORE not in doubts(project)
    assert ONE_MORE in warned(project)


@pytest.mark.parametrize("other", ["", "renamed"])
def test_our_own_of_another_name_is_no_other(
    other: str, emulator: Emulator, project: Project
) -> None:
    team(emulator)
    project.write(webhook() + automation())
    assert project.apply().code == 0
    # Either it is to be called otherwise, or it is to go, and another one comes.
    new = automation(more="  name: new\n") if other else automation("new")
    project.write(webhook() + new)
    assert "which is not ours" not in warned(project)
