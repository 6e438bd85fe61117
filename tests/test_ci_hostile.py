"""Pull requests that want more than a review: secrets, another state, another API, another comment.

They come from a branch of the repository, whose job has a token for planning: forks have none. What
they get is looked for everywhere: in what the job printed, wrote and kept, in the comment, and in
every request to the API, to the forge, and to a server of theirs.
"""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from friendli_iac.emulator import Emulator

from .ci_world import CANARIES, World, on_github
from .joblog import commands
from .repositories import CHAT, Files

ENVIRONMENT = ("FRIENDLI_IAC_PLAN_KEY", "WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY")
OTHER = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: other, labels: {team: "%s"}}
spec:
  model: {huggingFace: {repo: acme/model}}
  instance: {gpu: H100, count: 1}
  autoscaling: {minReplicas: 1, maxReplicas: 2, cooldown: 5m}
"""
SCRIPT = "</details></code><script>alert(1)</script><img src=x onerror=alert(1)>"
OUTPUT = r"\n::set-output name=digest::evil\r\n##[set-output name=digest;]evil\n"
MARK = f"<!-- friendli-iac plan of={20 * '0'} digest={64 * '0'} created=none commit=none -->"
TEXTS = f"""\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata:
  name: other
  labels: {{"k](http://x) {SCRIPT}": "{MARK}{OUTPUT}{SCRIPT}", "{OUTPUT}": "```\\n# fake\\n@team"}}
spec:
  name: "`` {SCRIPT} /close {OUTPUT}"
  model: {{huggingFace: {{repo: "acme/model|{SCRIPT}", revision: "{OUTPUT}# fake"}}}}
  instance: {{gpu: H100, count: 1}}
  autoscaling: {{minReplicas: 1, maxReplicas: 2, cooldown: 5m}}
"""


class Evil(socketserver.ThreadingTCPServer):
    """A server of theirs; `heard` is the beginning of each connection."""

    daemon_threads = True

    def __init__(self) -> None:
        heard: list[bytes] = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                heard.append(self.request.recv(65536))

        super().__init__(("127.0.0.1", 0), Handler)
        self.heard = heard
        self.host = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def evil() -> Iterator[Evil]:
    with Evil() as server:
        yield server
        server.shutdown()


@pytest.fixture
def world(tmp_path: Path, emulator: Emulator) -> Iterator[World]:
    secrets = {name: CANARIES[name] for name in ENVIRONMENT}
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SESSION_TOKEN": CANARIES["AWS_SESSION_TOKEN"]}
    with on_github(tmp_path, emulator, **secrets, **keys) as made:
        (tmp_path / "secret.yaml").write_text(f"kind: {CANARIES['FILE']}\n")
        yield made
        made.assert_no_secret_told()


def test_manifests_read_no_environment_and_no_file(world: World) -> None:
    secrets = ("FRIENDLI_TOKEN", "GITHUB_TOKEN", "AWS_SESSION_TOKEN", *ENVIRONMENT)
    files: Files = {f"endpoints/{n}.yaml": OTHER % f"${{env:{n}}}" for n in secrets}
    files["endpoints/link.yaml"] = world.folder / "secret.yaml"
    files["endpoints/folder"] = world.folder
    files["endpoints/variable.yaml"] = OTHER % "${var.FRIENDLI_TOKEN}"
    review = world.open(files)
    assert (review.result, review.code) == ("failure", 1)
    told = {f"endpoints/{m}" for m in re.findall(r"file=endpoints/([\w.]+)", review.log)}
    assert told >= files.keys() - {"endpoints/folder", "endpoints/link.yaml"}
    assert "endpoints/link.yaml: the link leads out of the project" in review.log
    assert world.emulator.requests == []


@pytest.mark.parametrize(
    "said",
    [
        "base_url: http://{evil}\nurl: http://{evil}\ntoken: x\nteam: x\nmanifests: [endpoints/]",
        "state: http://{evil}/state\nmanifests: [../.., ../secret.yaml, /etc, '${{env:HF_TOKEN}}']",
        None,
    ],
    ids=["addresses", "places", "a link"],
)  # fmt: skip
def test_settings_lead_nowhere(world: World, evil: Evil, said: str | None) -> None:
    name = "friendli-iac.yaml"
    if said:
        files = world.repo.edit("manifests: [endpoints/]", said.format(evil=evil.host), name)
    else:
        world.repo.push(1, {name: None})
        files = {name: world.folder / "secret.yaml"}
    review = world.open(files)
    assert (review.result, review.code) == ("failure", 1)
    for line in (said or "the link leads out of the project").splitlines():
        assert line.partition(":")[0] in review.log
    assert evil.heard == []
    assert world.emulator.requests == []


def test_the_state_is_not_where_the_pull_request_says(world: World, evil: Evil) -> None:
    """Not in `state`, and not in that of an environment."""
    world.start()
    bucket = f"s3://theirs/y?endpoint=http://{evil.host}&allow_http=true&region=eu-west-1"
    theirs = bucket.replace("/y", "/prod")
    said = (
        f"state: {bucket}\nenvironments: {{prod: {{state: '{theirs}'}}}}\nmanifests: [endpoints/]"
    )
    in_prod = "command: plan\n          environment: prod\n"
    world.workflow = world.workflow.replace("command: plan\n", in_prod, 1)
    review = world.open(world.repo.edit("manifests: [endpoints/]", said, "friendli-iac.yaml"))
    assert review.result == "success"
    assert "Plan prod: 1 unchanged" in review.log, "it was compared with the state that we know"
    assert evil.heard == []


def test_siblings_on_a_server_of_theirs_are_not_asked(world: World, evil: Evil) -> None:
    """It would be told a session token, and a signature."""
    world.emulator.seed(1, project="p1", name="other")
    bucket = f"s3://theirs/y?endpoint=http://{evil.host}&allow_http=true&region=eu-west-1"
    said = f"siblings: ['{bucket}']\nmanifests: [endpoints/]"
    settings = world.repo.edit("manifests: [endpoints/]", said, "friendli-iac.yaml")
    review = world.open({**settings, "endpoints/other.yaml": OTHER})
    assert (review.result, review.code) == ("failure", 5)
    assert (
        "the sibling state s3://theirs/y: its server is named by friendli-iac.yaml alone"
        in review.log
    )
    assert evil.heard == []


def test_guardrails_are_those_of_main(world: World) -> None:
    loose = "policy:\n  maxReplicas: 99\n  maxHourlyCost: 9999\n"
    prices = "prices: {source: x, gpuHour: {H100: 0.01}}\n"
    settings = world.repo.edit("manifests:", f"{loose}{prices}manifests:", "friendli-iac.yaml")
    many = world.repo.edit("maxReplicas: 2", "maxReplicas: 10").popitem()[1]
    files: Files = {
        CHAT: many,
        "endpoints/more.yaml": str(many).replace("name: chat", "name: more"),
    }
    review = world.open({**settings, **files, "policy.yaml": loose})
    assert (review.result, review.code) == ("failure", 5)
    (comment,) = world.forge.comments(1)
    assert "maxReplicas 10" in comment.body
    assert "../main/policy.yaml:5" in comment.body, "not a folder of the runner"
    assert "maxHourlyCost" in comment.body


class Page(HTMLParser):
    """What a browser finds on a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {str(value) for name, value in attrs if name in ("href", "src")}


def test_texts_break_out_of_nothing(world: World) -> None:
    """Labels, names, files and the branch. No shell runs them, and no renderer obeys them."""
    names = ("$(touch pwned).yaml", "a\n::set-output name=digest::evil.yaml", "x`touch pwned`.yaml")
    files: Files = {f"endpoints/{n}": OTHER.replace("other", f"o{i}") for i, n in enumerate(names)}
    branch = "$(touch${IFS}pwned)`id`'\"%0A<script>"
    review = world.open({**files, "endpoints/texts.yaml": TEXTS}, name=branch)
    assert review.result == "success"
    (comment,) = world.forge.comments(1)
    kept = review.artifacts["friendli-iac-plan"]
    known = {"warning", "group", "endgroup"}
    assert {command for command, _, _ in commands(review.log)} <= known
    assert dict(line.split("=", 1) for line in kept["outputs"].splitlines())["to_add"] == "5"
    assert len(kept["outputs"].splitlines()) == 10

    assert comment.body.count("<!--") == 1
    assert comment.body.startswith("<!-- friendli-iac plan of=")
    shown = MarkdownIt("commonmark").enable("table").render(comment.body)
    for page, scripts in ((Page(shown), 0), (Page(kept["plan.html"]), 1)):
        assert page.tags.count("script") == scripts
        assert "img" not in page.tags
        assert not {name for name in page.attributes if name.startswith("on")}
        assert not {where for where in page.links if "//x" in where}
    assert "<h1>" not in shown
    assert list(world.folder.rglob("pwned")) == []
    (status,) = world.forge.status_log
    assert status["state"] == "success"


def test_modules_and_programs_of_the_checkout_are_not_run(world: World) -> None:
    touch = f"open({str(world.folder / 'pwned')!r}, 'w')\n"
    modules = (
        "venv",
        "pip",
        "ensurepip",
        "json",
        "click",
        "yaml",
        "sitecustomize",
        "usercustomize",
    )
    files: Files = {f"{name}.py": touch for name in modules}
    files["friendli_iac/__init__.py"] = touch
    programs = ("friendli-iac", "sh", "git", "python3", "pip")
    files |= dict.fromkeys(programs, f"#!/bin/sh\ntouch {world.folder / 'pwned'}\n")
    files |= {"pip.conf": "[global]\nindex-url = http://x\n", ".env": "FRIENDLI_TOKEN=x\n"}
    review = world.open({**files, CHAT: (world.repo.work / CHAT).read_text()})
    assert review.result == "success"
    assert not (world.folder / "pwned").exists()
