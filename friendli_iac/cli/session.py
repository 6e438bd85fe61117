"""From options and environment to an engine: addresses, tokens, state, and the embedded emulator.

Tokens and the API's address come from flags and environment only, never from a file that a pull
request can change.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from friendli_iac.cli.checkout import commit_id, project_name
from friendli_iac.cli.console import Console
from friendli_iac.cli.options import SECONDS, Reading, Target
from friendli_iac.errors import AuthError, Cancelled, StateError, UsageError
from friendli_iac.manifest import Manifest, Project, find_project, load_manifest

if TYPE_CHECKING:  # what only some commands need is imported where they need it
    from friendli_iac.backends import Backend, Places
    from friendli_iac.clients.http import Http
    from friendli_iac.engine import Engine
    from friendli_iac.engine.siblings import Siblings
    from friendli_iac.executor.context import Reporter

DEFAULT_URL = "https://api.friendli.ai"
EMULATOR = "emulator:"
FOLDER = ".friendli-iac"
EMULATOR_TOKEN = "flp_emulator"
ENVIRONMENT = "${environment}"  # in the address of a state: the environment that is meant


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
    closing: ExitStack = field(default_factory=ExitStack)  # what to close in the end

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
        return Places(self.project.root, self.environ, sleep=self.pause, **more)

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
        """Waits; Cancelled when the user wants to stop."""
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
        )
        self.console.hide(*manifest.sensitive)
        return manifest

    def engine(self, reporter: Reporter, parallelism: int = 16) -> Engine:
        """The engine; its requests go to this session's API."""
        from friendli_iac.clients.friendli import FriendliApi
        from friendli_iac.engine import Engine
        from friendli_iac.engine.preflight import Preflight

        apis = {"Endpoint": FriendliApi(self.http)} if self.http else {}
        looks = Preflight.of(self.environ, wanted=self.preflight, emulated=self.emulated)
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
            siblings=self._siblings(),
            preflight=looks,
            stop=self.stop,
        )

    def _siblings(self) -> Siblings:
        from friendli_iac.engine.siblings import Siblings

        def backend(where: str) -> Backend | None:
            try:
                return self.open(_place(where, self.environment), trusted=False)
            except (UsageError, StateError) as error:
                self.console.err(f"note: the sibling state {_shown(where)}: {error}")
                return None

        # Playing never mixes with production.
        named = () if self.emulated else self.project.siblings
        return Siblings({_shown(where): backend(where) for where in named})


def _stdin() -> str:
    import sys

    from friendli_iac.manifest.files import MAX_FILE

    return sys.stdin.read(MAX_FILE + 1)  # one more than allowed: enough to be refused


@contextmanager
def opened(target: Target, console: Console, *, online: bool = True) -> Iterator[Session]:
    """A session, and what it started, until the block ends. AuthError without a token."""
    environ = dict(os.environ)
    console.verbosity = target.verbose
    if target.chdir != Path():
        os.chdir(target.chdir)
    project = find_project(Path.cwd())
    emulated = target.emulator or target.base_url == EMULATOR
    where = target.state or project.state or f"{FOLDER}/state.json"
    if emulated:  # playing never mixes with production
        where = f"{FOLDER}/emulator/state.json"
    with ExitStack() as stack:
        if emulated:
            environ.setdefault("FRIENDLI_PROJECT_ID", "project-emulator")
        session = Session(
            project=project,
            environ=environ,
            console=console,
            state=_place(where, target.environment),
            environment="" if emulated else target.environment,
            trusted=bool(target.state) and not emulated,
            api=EMULATOR if emulated else (target.base_url or DEFAULT_URL).rstrip("/"),
            team=""
            if emulated
            else environ.get("FRIENDLI_TEAM_ID") or environ.get("FRIENDLI_TEAM") or "",
            emulated=emulated,
            closing=stack,
        )
        console.hide(environ.get("HF_TOKEN", "").strip())
        if online:
            session.url = _start_emulator(stack, project) if emulated else session.api
            session.http = _http(session, console)
            stack.callback(session.http.close)
        yield session


def _shown(where: str) -> str:
    """An address without what may be a secret in it."""
    return re.sub(r"(?<=://).*@", "", where).partition("?")[0]


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


def _place(where: str, environment: str) -> str:
    """The address with the environment in its place."""
    if ENVIRONMENT in where and not environment:
        raise UsageError(
            f"the address of the state names {ENVIRONMENT}, and no environment is chosen",
            safe="Nothing was sent.",
            next="Say which one: --env NAME, or FRIENDLI_IAC_ENV.",
        )
    return where.replace(ENVIRONMENT, environment)


def _start_emulator(stack: ExitStack, project: Project) -> str:
    try:
        from friendli_iac.emulator import Emulator
    except ImportError as error:
        raise UsageError(
            "the emulator is not installed", next="pip install 'friendli-iac[emulator]'"
        ) from error
    folder = project.root / FOLDER / "emulator"
    folder.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(Emulator(data=folder)).url


def _http(session: Session, console: Console) -> Http:
    from friendli_iac.clients.http import Http

    token = EMULATOR_TOKEN if session.emulated else session.environ.get("FRIENDLI_TOKEN", "")
    token = token.rstrip("\r\n")  # as `$(cat file)` in other shells, and some CI, leave it
    console.hide(token)
    if not token:
        raise AuthError(
            "FRIENDLI_TOKEN is not set",
            safe="Nothing was sent.",
            next="Make a personal API key (flp_…) in Friendli's web page and set FRIENDLI_TOKEN, "
            "or try without one: --emulator",
        )
    headers = {"Authorization": f"Bearer {token}"}

    def trace(method: str, path: str, status: int, seconds: float) -> None:
        if console.verbosity:
            console.err(f"{method} {path} {status or 'no answer'} {seconds * 1000:.0f} ms")

    def sleep(seconds: float) -> None:
        if session.stop.wait(seconds):  # Ctrl-C ends the pause before another attempt, too
            raise Cancelled(
                "stopped as asked, while waiting to ask the API again",
                safe="What was sent is recorded.",
                next="Run the command again: it goes on where this one stopped.",
            )

    http = Http(session.url, headers, secrets=(token,), trace=trace, sleep=sleep)
    if session.team:
        http.use_team(session.team)
    return http
