"""From a registry of W&B to an endpoint: automations, previews, and what is done by hand."""

from __future__ import annotations

from friendli_iac.core.plan import Plan
from friendli_iac.core.planfile import from_json
from friendli_iac.review import html, markdown

from ..harness import TOKEN
from ..test_wandb_cli import ALL, AUTOMATION, CHAT, ENDPOINT, WEBHOOK
from .transcript import Scene, scenario

GITHUB = (
    WEBHOOK.replace("deploy", "github")
    .replace(
        "https://api.friendli.ai/dedicated/endpoint/wandb-artifact-create",
        "https://api.github.com/repos/acme/llm/dispatches",
    )
    .replace("FRIENDLI_TOKEN", "GITHUB_DISPATCH")
)
PROPOSES = AUTOMATION.replace("deploy\n", "github\n").replace("direct", "pull-request")
PINNED = ENDPOINT.replace("production", "v1")


def _world(scene: Scene) -> None:
    for number, accuracy in enumerate((0.87, 0.91, 0.93)):
        scene.emulator.wandb.log(
            CHAT, metrics={"eval/accuracy": accuracy}, logged_by=f"chat-sft-{number + 1}"
        )
    scene.emulator.wandb.move_alias(CHAT, "production", "v1")
    scene.emulator.wandb.set_secret("acme", "FRIENDLI_TOKEN", TOKEN)


@scenario
def an_alias_decides_what_serves(scene: Scene) -> None:
    """Endpoint, webhook and automation in one plan; W&B rolls out what the alias comes to."""
    _world(scene)
    scene.write(ALL)
    scene.run("plan")
    scene.apply()
    scene.run("plan", "--detailed-exitcode")
    scene.run("wandb", "preview", CHAT, "--alias", "production")
    scene.happens("somebody adds the alias production to v2, and W&B calls Friendli")
    scene.emulator.wandb.move_alias(CHAT, "production", "v2")
    scene.emulator.wandb.wait()
    scene.run("plan", "--detailed-exitcode")


@scenario
def an_alias_becomes_a_pull_request(scene: Scene) -> None:
    """The repository is told; a job writes one line, and what is merged is applied."""
    _world(scene)
    scene.write(PINNED, GITHUB, PROPOSES)
    scene.apply()
    scene.happens("somebody adds the alias production to v2, and W&B tells GitHub")
    scene.emulator.wandb.move_alias(CHAT, "production", "v2")
    scene.emulator.wandb.wait()
    scene.run("plan", "--detailed-exitcode")
    scene.run("wandb", "promote", "Endpoint/chat", "--alias", "production")
    scene.run("wandb", "promote", "Endpoint/chat", "--alias", "production")
    scene.apply()


@scenario
def a_step_by_hand(scene: Scene) -> None:
    """What no API can do is said, counted, looked for, and never claimed."""
    _world(scene)
    scene.write(ALL)
    scene.apply()
    (hook,) = scene.emulator.wandb.webhooks("acme")
    scene.happens("somebody gives the webhook another URL")
    scene.emulator.wandb.edit_webhook(hook["id"], url="https://elsewhere.example.com/x")
    made: Plan = from_json(scene.project.run("plan", "--format", "json").json)
    scene.shows(markdown.render([made]))
    page = html.render([made])
    scene.shows(page[page.index("<h2>By hand") : page.index('<section class="group"')])
    scene.apply()
    scene.happens("somebody does what the plan says")
    scene.emulator.wandb.edit_webhook(hook["id"], url=hook["url"])
    scene.apply()
    scene.run("destroy", "--yes")
