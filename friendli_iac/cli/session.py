"""From options and environment to an engine: addresses, state, rules and prices.

Tokens and the API's address come from flags and environment only, never from a file that a pull
request can change.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from friendli_iac.cli.addresses import in_environment
from friendli_iac.cli.checkout import commit_id, project_name
from friendli_iac.cli.connecting import (
    http_of,
    linker_of,
    siblings_of,
    start_emulator,
    wandb_of,
)
from friendli_iac.cli.console import Console
from friendli_iac.cli.environments import check_environment
from friendli_iac.cli.options import SECONDS, Reading, Target
from friendli_iac.clients import address
from friendli_iac.errors import Cancelled, UsageError
from friendli_iac.manifest import Environment, Manifest, Project, find_project, load_manifest
from friendli_iac.manifest.environments import FOLDER
from friendli_iac.resources.prices import LIST_PRICES

if TYPE_CHECKING:  # what only some commands need is imported where they need it
    from friendli_iac.backends import Backend, Places
    from friendli_iac.cli.progress import LockWait
    from friendli_iac.clients.http import Http
    from friendli_iac.clients.wandb import WandbApi
    from friendli_iac.core.finding import Finding
    from friendli_iac.engine import Engine
    from friendli_iac.executor.context import Reporter
    from friendli_iac.manifest.policies import Guardrails
    from friendli_iac.resources.policy import Policy
    from friendli_iac.resources.prices import Prices

DEFAULT_URL = "https://api.friendli.ai"
EMULATOR = "emulator:"


@dataclass
class Session:
    """Everything that a command works with. `http` is None for commands that need no API."""

    project: Project
    environ: Mapping[str, str]
    console: Console
    state: str  # its address
    environment: str
    trusted: bool  # whether a person named that address, and not the project's settings
    api: str
    team: str
    emulated: bool
    http: Http | None = None
    url: str = ""
    stop: threading.Event = field(default_factory=threading.Event)  # set: nothing new may start
    preflight: bool = False  # whether plans look at the models on Hugging Face
    policy: Path | None = None  # rules from a protected place, beside those of the project
    override: str = ""  # why what they deny is done all the same
    closing: ExitStack = field(default_factory=ExitStack)  # what to close in the end

    @cached_property
    def _waits(self) -> LockWait:
        from friendli_iac.cli.progress import LockWait

        return LockWait(self.console)

    @cached_property
    def places(self) -> Places:
        """Where states can be."""
        from friendli_iac.backends import Places

        more = {
            name: seconds
            for name, shortest in (("lease", 1.0), ("quiet", 0.0))
            if (seconds := _seconds(self.environ, f"FRIENDLI_IAC_{name.upper()}", shortest))
            is not None
        }
        environment = self.chosen.name if self.chosen else ""
        return Places(self.project.root, self.environ, environment, sleep=self.pause, **more)

    @cached_property
    def wandb(self) -> WandbApi:
        """W&B. Nothing is asked, and no key is needed, until something is."""
        made = wandb_of(self, self.console)
        self.closing.callback(made.close)
        return made

    @property
    def sent(self) -> int:
        """How many requests were sent by now, to either API."""
        asked = self.__dict__.get("wandb")  # nobody else has need of it
        return (self.http.count if self.http else 0) + (asked.count if asked else 0)

    @property
    def chosen(self) -> Environment | None:
        """What the settings say of the environment; None in a project without any."""
        return self.project.environments.get(self.environment)

    @cached_property
    def backend(self) -> Backend:
        """Where the state is."""
        return self.open(self.state, trusted=self.trusted)

    def open(self, where: str, *, trusted: bool, revive: bool = False) -> Backend:
        """The backend at an address; the session closes it. What a person names is seen from the
        folder they are in, what the settings name from the project's.
        """
        base = Path.cwd() if trusted else self.project.root
        backend = self.places.open(where, base=base, trusted=trusted, revive=revive)
        self.closing.callback(backend.close)
        return backend

    def pause(self, seconds: float) -> None:
        """Waits for the state; Cancelled when the user wants to stop."""
        self._waits.beat(self.backend.held)
        if self.stop.wait(seconds):
            raise Cancelled("stopped as asked, while waiting", safe="What was sent is recorded.")

    def manifest(self, reading: Reading) -> Manifest:
        """The manifests. ManifestError with every problem."""
        manifest = load_manifest(
            self.project,
            files=reading.files,
            stdin=_stdin,
            variables=reading.variables,
            variable_files=reading.variable_files,
            environ=self.environ,
            allow_env=reading.allow_env,
            environment=self.chosen,
        )
        self.console.hide(*manifest.sensitive)
        return manifest

    @cached_property
    def guardrails(self) -> Guardrails:
        """What the file of --policy says. ManifestError with every problem."""
        from friendli_iac.manifest.policies import Guardrails, policy_file

        root = self.project.root
        return policy_file(self.policy, root) if self.policy else Guardrails()

    def judge(self, manifest: Manifest) -> tuple[Finding, ...]:
        """What the rules say of all that is wanted, and what is doubtful of it."""
        from friendli_iac.core.doubts import doubts
        from friendli_iac.core.policy import judge_manifests

        wishes = manifest.resources.values()
        found = judge_manifests(self.policies, wishes, self.prices, time.time())
        return (*found, *doubts(wishes))

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The rules of the project, and those that it cannot loosen."""
        own = self.project.policy
        return (*([own] if own else ()), self.guardrails.policy)

    @cached_property
    def prices(self) -> Prices:
        """What GPUs cost. Where a limit comes from a protected place, the prices do so, too."""
        protected, ours = self.guardrails, self.project.prices
        if protected.prices:
            return protected.prices
        if ours is LIST_PRICES or all(r.name != "maxHourlyCost" for r in protected.policy.rules):
            return ours
        self.console.err(
            f"note: {self.policy} limits the cost and has no prices: list prices count, and not "
            "those of friendli-iac.yaml"
        )
        return LIST_PRICES

    def engine(self, reporter: Reporter, parallelism: int = 16) -> Engine:
        """The engine; its requests go to this session's API."""
        from friendli_iac.clients.friendli import FriendliApi
        from friendli_iac.engine import Engine
        from friendli_iac.engine.preflight import Preflight

        if self.console.events:
            from friendli_iac.cli.events import Teed

            reporter = Teed(reporter, self.console.events)
        apis: dict[str, Any] = {}
        if self.http:
            friendli, wandb = FriendliApi(self.http), self.wandb
            apis = {"Endpoint": friendli, "Webhook": wandb, "WebhookAutomation": wandb}
        looks = Preflight.of(
            self.environ,
            wanted=self.preflight,
            emulated=self.emulated,
            root=self.project.root,
        )
        self.closing.callback(looks.close)
        return Engine(
            backend=self.backend,
            apis=apis,
            api=self.api,
            team=self.team,
            reporter=reporter,
            project=project_name(self.project),
            environment=self.environment,
            commit=commit_id(self.environ, self.project.root),
            environ=self.environ,
            parallelism=parallelism,
            on_team=self.http.use_team if self.http else lambda team: None,
            wandb=lambda: EMULATOR if self.emulated else self.wandb.deployment,
            siblings=siblings_of(self),
            preflight=looks,
            linker=linker_of(self),
            prices=self.prices,
            policies=self.policies,
            override=lambda: self.console.redact(self.override),
            stop=self.stop,
        )


def _stdin() -> str:
    import sys

    return _read_once(sys.stdin)


@lru_cache(maxsize=1)
def _read_once(stream: TextIO) -> str:
    """What a stream holds; several environments may ask for it."""
    from friendli_iac.manifest.files import MAX_FILE

    return stream.read(MAX_FILE + 1)  # one more than allowed: enough to be refused


@contextmanager
def opened(
    target: Target, console: Console, *, online: bool = True, any_environment: bool = False
) -> Iterator[Session]:
    """A session, and what it started, until the block ends. AuthError without a token, UsageError
    where there are environments and none is chosen, but for `any_environment`.
    """
    environ = dict(os.environ)
    console.verbosity = target.verbose
    if target.chdir != Path():
        os.chdir(target.chdir)
    if target.events:
        console.record(target.events)
    project = find_project(Path.cwd())
    emulated = target.emulator or target.base_url == EMULATOR
    name = target.environment
    if name or not any_environment:
        check_environment(project, name)
    chosen = project.environments.get(name)
    where = target.state or (chosen or project).state or f"{FOLDER}/state.json"
    if emulated:  # playing never mixes with production
        where = f"{FOLDER}/emulator/{f'{name}/' if chosen else ''}state.json"
    with ExitStack() as stack:
        if emulated:
            environ.setdefault("FRIENDLI_PROJECT_ID", "project-emulator")
        session = Session(
            project=project,
            environ=environ,
            console=console,
            state=where if any_environment and not name else in_environment(where, name),
            environment="" if emulated and not chosen else name,
            trusted=bool(target.state) and not emulated,
            api=EMULATOR
            if emulated
            else address.checked(target.base_url or DEFAULT_URL, "--base-url or FRIENDLI_BASE_URL"),
            team=""
            if emulated
            else environ.get("FRIENDLI_TEAM_ID") or environ.get("FRIENDLI_TEAM") or "",
            emulated=emulated,
            closing=stack,
        )
        for secret in ("HF_TOKEN", "FRIENDLI_IAC_PLAN_KEY"):
            console.hide(environ.get(secret, "").strip())
        if online:
            session.url = start_emulator(stack, project) if emulated else session.api
            session.http = http_of(session, console)
            stack.callback(session.http.close)
        yield session


def _seconds(environ: Mapping[str, str], name: str, shortest: float) -> float | None:
    """The duration in a variable, None when it is not set. UsageError for what is none."""
    said = environ.get(name, "")
    if not said:
        return None
    try:
        seconds = float(SECONDS.convert(said, None, None))
    except click.BadParameter as error:
        raise UsageError(f"{name}: {error.message}", safe="Nothing was sent.") from None
    if not shortest <= seconds <= 3600:
        raise UsageError(f"{name} is {said}: it is {shortest:.0f}s at least, and 1h at most")
    return seconds
