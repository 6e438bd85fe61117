"""What a person must do by hand: no form of a review, no run and no CI job keeps it to itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.planfile import from_json, to_json
from friendli_iac.emulator import Emulator
from friendli_iac.resources.advice import Manual
from friendli_iac.review import html, markdown, text
from friendli_iac.review.comment import status_of

from .harness import Project
from .repositories import EXAMPLE
from .reviews import create, parsed, plan, shown, unchanged, update
from .test_wandb_cli import ALL

PAGE = "https://wandb.ai/acme (Team settings, Webhooks)"
EDIT = Manual("edit the webhook", PAGE, (("Name", "deploy"), ("URL", "https://x")), "apply looks")
MAKE = Manual("make the secret HMAC", "https://wandb.ai/acme", (("Name", "HMAC"),))
FORMS: dict[str, Callable[[Plan], str]] = {
    "text": lambda made: " ".join(text.render(made).split()),
    "markdown": lambda made: shown(markdown.render([made])).text,
    "html": lambda made: parsed(html.render([made])).text,
}
CALM = ("no API", "by hand", "By hand", "BY HAND", "☞")


def made() -> Plan:
    return plan(update("chat", manual=(EDIT, MAKE)), create("eval"), unchanged("calm"))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_all_of_it_and_counts_it(form: str) -> None:
    told = FORMS[form](made())
    for said in (
        "2 steps by hand", "edit the webhook", "https://wandb.ai/acme", "Team settings, Webhooks",
        "deploy", "apply looks", "make the secret HMAC", "nothing shows whether it was done",
    ):  # fmt: skip
        assert said in told, told
    assert told.lower().index("by hand") < told.index("1 unchanged:"), "it stands before the rest"
    quiet = FORMS[form](plan(update("chat")))
    assert [word for word in CALM if word in quiet] == []


def test_a_page_is_a_link_where_it_is_one() -> None:
    links = parsed(html.render([made()])).all("a")
    assert [a["href"] for a in links if "wandb" in a["href"]] == ["https://wandb.ai/acme"] * 2
    links = shown(markdown.render([made()])).all("a")
    assert [a["href"] for a in links] == ["https://wandb.ai/acme"] * 2
    odd = Manual("x", 'javascript:alert(1)"><b>', (("<i>", "`</code>"),), "<u>")
    hostile = plan(update("chat", manual=(odd,)))
    for page in (parsed(html.render([hostile])), shown(markdown.render([hostile]))):
        assert [a for a in page.all("a") if "javascript" in a.get("href", "")] == []
        assert "javascript:alert(1)" in page.text
        assert {"i", "u"}.isdisjoint(tag for tag, _ in page.elements)


@pytest.mark.parametrize("limit", [60_000, 4000, 1500, 900])
def test_no_limit_drops_it(limit: int) -> None:
    many = [update(f"chat-{n}", manual=(EDIT,)) for n in range(30)]
    told = markdown.render([plan(*many)], limit=limit)
    assert len(told) <= limit
    assert "30 steps by hand" in shown(told).text
    named = sum(f"`Endpoint/chat-{n}`" in told for n in range(30))
    assert named == 30 or limit < 1500


def test_a_plan_file_and_a_status_have_it() -> None:
    assert from_json(json.loads(json.dumps(to_json(made())))).changes == made().changes
    assert "2 steps by hand" in status_of(made())[1]


def test_what_is_done_by_hand_is_not_in_the_bill() -> None:
    webhook = Change("Webhook/hook", "create", "new in the manifests", cost_before=(0.0, 0.0),
                     cost_after=(0.0, 0.0), manual=(MAKE,))  # fmt: skip
    for form in FORMS.values():
        told = form(plan(webhook))
        assert "$" not in told
        assert "cold start" not in told
        assert "client" not in told


@pytest.fixture
def hooked(project: Project, emulator: Emulator) -> Emulator:
    """A webhook whose URL somebody changed, on a server that lets no program change it back."""
    emulator.wandb.log("acme/wandb-registry-model/chat", aliases=("production",))
    project.write(ALL)
    assert project.apply().code == 0
    (hook,) = emulator.wandb.webhooks("acme")
    emulator.wandb.edit_webhook(hook["id"], url="https://elsewhere.example.com/x")
    return emulator


def test_a_run_ends_with_11_until_it_is_done(project: Project, hooked: Emulator) -> None:
    planned = project.run("plan", "--detailed-exitcode")
    assert (planned.code, "1 step by hand" in planned.out) == (2, True), planned
    done = project.apply("--events", "events.jsonl")
    assert done.code == 11, done
    assert "BY HAND  update Webhook/deploy" in done.out
    assert "FAILED" not in done.out + done.err
    assert "1 by hand" in done.out.splitlines()[-1]
    events = [json.loads(line) for line in (project.root / "events.jsonl").read_text().splitlines()]
    types = {event["type"] for event in events}
    (left,) = [event for event in events if event["type"] == "apply_by_hand"]
    assert left["by_hand"][0]["page"].endswith("/acme")
    assert ["Name", "deploy"] in left["by_hand"][0]["values"]
    assert "apply_errored" not in types
    assert events[-1] == {**events[-1], "type": "end", "exit_code": 11}
    (planned_change,) = [e for e in events if e["type"] == "planned_change"]
    assert planned_change["by_hand"][0]["what"].startswith("edit the webhook")

    again = project.apply("--format", "json")
    assert again.code == 11
    assert [one["result"] for one in again.json["outcomes"]] == ["by hand"]
    (hook,) = hooked.wandb.webhooks("acme")
    route = "https://api.friendli.ai/dedicated/endpoint/wandb-artifact-create"
    hooked.wandb.edit_webhook(hook["id"], url=route)
    after = project.apply()
    assert after.code == 0, after
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_a_destroy_never_says_to_apply(project: Project, emulator: Emulator) -> None:
    """An apply would make anew, for money, what was just ended."""
    emulator.wandb.log("acme/wandb-registry-model/chat", aliases=("production",))
    project.write(ALL)
    assert project.apply().code == 0
    done = project.run("destroy", "--yes")
    assert done.code == 11, done
    assert "Run the same command again: it looks again." in done.out
    assert "apply" not in (done.out + done.err).partition("BY HAND  delete")[2]
    emulator.wandb.remove_webhook(emulator.wandb.webhooks("acme")[0]["id"])
    assert project.run("destroy", "--yes").code == 0
    assert emulator.endpoints() == []


@pytest.mark.parametrize(
    ("env", "code", "warned"),
    [({"GITHUB_ACTIONS": "true"}, 0, True), ({"GITLAB_CI": "1"}, 11, False)],
)
def test_a_ci_job_tells_it_as_done_but_for_a_step(
    env: dict[str, str], code: int, warned: bool, tmp_path: Path
) -> None:
    command = tmp_path / "bin" / "friendli-iac"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\necho BY HAND\nexit 11\n")
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["sh", str(EXAMPLE / "ci.sh"), "apply"],
        cwd=tmp_path,
        env={"PATH": path, "APPROVED": "0" * 64, **env},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == code, ran
    assert "Applied, but for a step by hand" in ran.stdout
    assert ("::warning title=friendli-iac::A step by hand is left" in ran.stdout) == warned
    jobs = yaml.safe_load((EXAMPLE / "gitlab-ci.yml").read_text())
    assert jobs["apply"]["allow_failure"] == {"exit_codes": [11]}


def test_what_nobody_can_check_is_said_once_more_in_the_end(
    project: Project, emulator: Emulator
) -> None:
    emulator.wandb.log("acme/wandb-registry-model/chat", aliases=("production",))
    project.write(ALL)
    done = project.apply()
    assert done.code == 0
    last = done.out.splitlines()[-2:]
    assert last[0].startswith("BY HAND  Webhook/deploy: make the team secret FRIENDLI_TOKEN")
    assert "nothing shows whether it was done" in last[0]
