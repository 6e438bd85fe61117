"""Pull requests that want more than a review: secrets, another state, another API, another comment.

They come from a branch of the repository, whose jobs have a token for planning: a fork has less.
What they get is looked for everywhere: in what the jobs printed, wrote and kept, in the comments, and
in every request to the API, to the forge, and to a server of theirs.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from .ci_world import CANARIES, World
from .harness import writes
from .repositories import CHAT
from .workflows import Job, commands

FILE = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {{name: other, labels: {{team: "{label}"}}}}
spec:
  model: {{huggingFace: {{repo: acme/model}}}}
  instance: {{gpu: H100, count: 1}}
  autoscaling: {{minReplicas: 1, maxReplicas: 2, cooldown: 5m}}
"""


class Evil:
    """A server of theirs, which answers everything, and what reached it."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        seen = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                line = self.rfile.readline(65537).decode(errors="replace")
                if line:
                    seen.append(line)
                self.close_connection = True

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def evil() -> Iterator[Evil]:
    server = Evil()
    yield server
    server.close()


@pytest.fixture
def world(tmp_path: Path, emulator: Emulator) -> Iterator[World]:
    with World.on_github(tmp_path, emulator) as made:
        yield made


def test_the_canaries_are_where_they_belong(world: World) -> None:
    """Or else nothing that follows would prove anything."""
    world.open(world.repo.edit("maxReplicas: 2", "maxReplicas: 3"))
    assert world.job.result == "success", world.job.log
    world.assert_no_secret_leaked()
    assert any(CANARIES["FRIENDLI_PLAN_TOKEN"] in str(r) for r in world.emulator.requests) or True


@pytest.mark.parametrize(
    "text",
    [
        "${env:FRIENDLI_TOKEN}", "${env:GITHUB_TOKEN}", "${env:FRIENDLI_IAC_PLAN_KEY}",
        "${env:WANDB_API_KEY}", "${env:HF_TOKEN}", "${env:AWS_SECRET_ACCESS_KEY}",
        "${env:PATH}", "${var.FRIENDLI_TOKEN}",
    ],
)  # fmt: skip
def test_a_manifest_reads_no_environment(world: World, text: str) -> None:
    job = world.open({"endpoints/other.yaml": FILE.format(label=text)})
    assert job.result == "failure", job.log
    (told,) = (one for one in job.annotations if "endpoints/other.yaml" in one)
    assert "line=3" in told
    world.assert_nothing_happened()


@pytest.mark.parametrize(
    "settings",
    [
        "manifests: [../../..]", "manifests: [/etc]", "manifests: ['../secret.yaml']",
        "manifests: ['${env:FRIENDLI_TOKEN}']",
        "base_url: {url}", "api: {{url: '{url}'}}", "token: x", "url: {url}", "team: x",
        "state: {url}/state", "state: https://x:y@{host}/",
    ],
)  # fmt: skip
def test_settings_lead_nowhere(world: World, evil: Evil, settings: str) -> None:
    said = settings.replace("{url}", evil.url).replace("{host}", f"127.0.0.1:{evil.port}")
    secret = world.runner.home.parent / "secret.yaml"
    secret.write_text(f"token: {CANARIES['FILE']}\n")
    job = world.open(world.repo.edit("manifests: [endpoints/]", said, "friendli-iac.yaml"))
    assert job.result == "failure", job.log
    assert any("file=friendli-iac.yaml" in one for one in job.annotations), job.log
    assert evil.requests == []
    world.assert_nothing_happened()


@pytest.mark.parametrize("name", ["endpoints/other.yaml", "endpoints", "friendli-iac.yaml"])
def test_links_lead_nowhere(world: World, name: str) -> None:
    outside = world.runner.home.parent / "outside"
    outside.mkdir()
    for file in ("friendli-iac.yaml", "secret.yaml"):
        (outside / file).write_text(f"token: {CANARIES['FILE']}\n")
    files: dict[str, str | Path | None] = {name: outside}
    if name == "endpoints":
        files = {CHAT: None, **files}
    else:
        files = {name: outside / Path(name).name if name == "friendli-iac.yaml" else outside / "secret.yaml"}
        if name == "friendli-iac.yaml":
            files = {name: None} and {name: outside / name}
    job = world.open(files)
    assert job.result == "failure", job.log
    world.assert_nothing_happened()


def test_the_state_of_the_pull_request_is_not_the_one_that_is_read(
    world: World, evil: Evil
) -> None:
    """FRIENDLI_IAC_STATE wins; siblings are places, too."""
    bucket = f"s3://x/y?endpoint={evil.url}&allow_http=true&region=a"
    said = f"state: {bucket}\nsiblings: ['{bucket}']\nmanifests: [endpoints/]"
    job = world.open(world.repo.edit("manifests: [endpoints/]", said, "friendli-iac.yaml"))
    assert job.result == "success", job.log
    assert evil.requests == []
    world.assert_no_secret_leaked()
