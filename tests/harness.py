"""A project in a folder, driven through the command line against an emulator."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from friendli_iac.backends import LocalBackend
from friendli_iac.backends.files import Files
from friendli_iac.cli.console import Console
from friendli_iac.cli.main import run
from friendli_iac.clients.friendli import FriendliApi
from friendli_iac.clients.http import Http
from friendli_iac.emulator import Emulator
from friendli_iac.engine import Engine
from friendli_iac.executor.context import Event

TOKEN = "flp_canary0123456789secret"
WANDB_KEY = "wandbcanary0123456789" + 20 * "k"
PROJECT = "p1"
FAST = ("--settle-grace", "1s")

ENDPOINT = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {{name: {name}}}
spec:
  project: p1
  model: {{huggingFace: {{repo: {repo}}}}}
  instance: {{gpu: H100, count: 1}}
  autoscaling: {{minReplicas: 1, maxReplicas: {maximum}, cooldown: 5m}}
  engine: {{maxBatchSize: {batch}}}
"""


def endpoint(
    name: str = "chat",
    *,
    repo: str = "acme/model",
    maximum: int = 2,
    batch: int = 64,
    more: str = "",
) -> str:
    """A manifest document; `more` is added below spec, already indented by two."""
    return ENDPOINT.format(name=name, repo=repo, maximum=maximum, batch=batch) + more


@dataclass
class Result:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


@dataclass
class Project:
    """A folder with manifests, and the environment in which commands run there."""

    root: Path
    url: str
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.root / ".git").mkdir(parents=True, exist_ok=True)  # nothing above is looked at
        self.env = {
            "FRIENDLI_TOKEN": TOKEN,
            "FRIENDLI_BASE_URL": self.url,
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": WANDB_KEY,
            "HOME": str(self.root),
            "PATH": os.environ["PATH"],
            "FRIENDLI_IAC_PREFLIGHT": "off",  # what it looks at is not on this machine
            "FRIENDLI_IAC_QUIET": "2s",  # the emulator keeps no request waiting for two minutes
            **self.env,
        }

    def write(self, text: str, name: str = "main.yaml") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *arguments: str, env: Mapping[str, str] = {}, stdin: str = "") -> Result:
        """Runs a command in this process, as the entry point does."""
        out, err = io.StringIO(), io.StringIO()
        before = Path.cwd()
        os.chdir(self.root)
        try:
            with (
                mock.patch.dict(os.environ, {**self.env, **env}, clear=True),
                mock.patch("sys.stdin", io.StringIO(stdin)),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                console = Console(os.environ)
                console.hide(os.environ.get("FRIENDLI_TOKEN", ""))
                code = run(list(arguments), console)
        finally:
            os.chdir(before)
        return Result(code, out.getvalue(), err.getvalue())

    def apply(self, *arguments: str, **options: Any) -> Result:
        return self.run("apply", "--yes", *FAST, *arguments, **options)

    def spawn(self, *arguments: str, env: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        """Starts a command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "friendli_iac", *arguments],
            cwd=self.root,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def state_path(self) -> Path:
        return self.root / ".friendli-iac" / "state.json"

    @property
    def state(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.state_path.read_text())
        return document

    def everything_written(self) -> str:
        """All that is on disk, for the search for secrets."""
        files = (path for path in self.root.rglob("*") if path.is_file())
        return "\n".join(path.read_text(errors="replace") for path in files)


class Silent:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


class EmulatorClock:
    """The emulator's clock as ours: whoever sleeps turns it."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def now(self) -> float:
        return self._emulator.now()

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        self._emulator.advance(seconds)


@contextlib.contextmanager
def engine_for(
    project: Project, emulator: Emulator, *, files: Files | None = None, http: Http | None = None
) -> Iterator[Engine]:
    """An engine on the emulator's clock: waits take no time."""
    clock = EmulatorClock(emulator)
    own = http or Http(
        emulator.url,
        {"Authorization": f"Bearer {TOKEN}"},
        sleep=lambda seconds: clock.sleep(seconds, threading.Event()),
        secrets=(TOKEN,),
    )
    try:
        yield Engine(
            backend=LocalBackend(project.state_path, files=files),
            apis={"Endpoint": FriendliApi(own)},
            api=emulator.url,
            team="",
            reporter=Silent(),
            clock=clock,
            parallelism=1,
        )
    finally:
        own.close()


def writes(emulator: Emulator) -> list[str]:
    """The requests that could change something, in order: as `METHOD path`, or `mutation NAME`."""
    return [
        request["graphql"] or f"{request['method']} {request['path']}"
        for request in emulator.requests
        if request["method"] != "GET" and not (request["graphql"] or "").startswith("query")
    ]


def names(emulator: Emulator) -> list[str]:
    """The names of all endpoints that exist, in order."""
    return sorted(e["versions"][e["serving"]]["settings"]["name"] for e in emulator.endpoints())
