"""What a session works with: its APIs and their tokens, the embedded emulator, other states."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from friendli_iac.cli.addresses import in_environment, server, shown
from friendli_iac.cli.console import Console
from friendli_iac.errors import AuthError, Cancelled, StateError, UsageError
from friendli_iac.manifest import Project
from friendli_iac.manifest.adapters import EMULATOR as EMULATED
from friendli_iac.manifest.environments import FOLDER

if TYPE_CHECKING:
    from friendli_iac.backends import Backend
    from friendli_iac.cli.session import Session
    from friendli_iac.clients.http import Http
    from friendli_iac.clients.wandb import WandbApi
    from friendli_iac.engine.linking import Linker
    from friendli_iac.engine.siblings import Siblings

EMULATOR_TOKEN = "flp_emulator"
EMULATOR_KEY = "emulator" * 5  # as long as W&B's are


def start_emulator(stack: ExitStack, project: Project) -> str:
    """The address of an emulator that ends with `stack`."""
    try:
        from friendli_iac.emulator import Emulator
    except ImportError as error:
        raise UsageError(
            "the emulator is not installed", next="pip install 'friendli-iac[emulator]'"
        ) from error
    folder = project.root / FOLDER / "emulator"
    folder.mkdir(parents=True, exist_ok=True)
    emulator = stack.enter_context(Emulator(data=folder))
    emulator.wandb.seed()
    if field := project.adapters.get(EMULATED):
        emulator.set_options(adapters_key=field.field)
    return emulator.url


def http_of(session: Session, console: Console) -> Http:
    """The client of the session's API. AuthError without a token."""
    from friendli_iac.clients.http import Http

    token = EMULATOR_TOKEN if session.emulated else session.environ.get("FRIENDLI_TOKEN", "")
    token = token.rstrip("\r\n")  # as `$(cat file)` in other shells, and some CI, leave it
    console.hide(token)
    if not token:
        raise AuthError(
            "FRIENDLI_TOKEN is not set",
            safe="Nothing was sent.",
            next="Make a personal API key (flp_…) in Friendli's web page and set FRIENDLI_TOKEN, "
            "or try without one: --emulator. A pull request from a fork gets no secrets in CI: "
            "friendli-iac validate needs none.",
        )
    http = Http(
        session.url,
        {"Authorization": f"Bearer {token}"},
        secrets=(token,),
        trace=_trace(console),
        sleep=_sleep(session),
    )
    if session.team:
        http.use_team(session.team)
    return http


def wandb_of(session: Session, console: Console) -> WandbApi:
    """The client of W&B. It looks for its key when it is first used."""
    from friendli_iac.clients.wandb import WandbApi

    return WandbApi(
        session.environ,
        session.url if session.emulated else "",
        EMULATOR_KEY if session.emulated else "",
        trace=_trace(console),
        sleep=_sleep(session),
        hide=console.hide,
    )


def _trace(console: Console) -> Callable[[str, str, int, float], None]:
    def trace(method: str, path: str, status: int, seconds: float) -> None:
        if console.verbosity:
            console.err(f"{method} {path} {status or 'no answer'} {seconds * 1000:.0f} ms")

    return trace


def _sleep(session: Session) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if session.stop.wait(seconds):  # Ctrl-C ends the pause before another attempt, too
            raise Cancelled(
                "stopped as asked, while waiting to ask the API again",
                safe="What was sent is recorded.",
                next="Run the command again: it goes on where this one stopped.",
            )

    return sleep


def linker_of(session: Session) -> Linker:
    """What the session's manifests say together, with W&B."""
    from friendli_iac.engine.adapters import AdaptersSent
    from friendli_iac.engine.artifacts import ArtifactLink
    from friendli_iac.engine.linking import Linker
    from friendli_iac.engine.other_automations import OtherAutomations
    from friendli_iac.engine.payloads import PayloadLink
    from friendli_iac.manifest.adapters import base_url

    wandb = (lambda: session.wandb) if session.http else None
    artifacts = ArtifactLink(wandb)
    adapters = AdaptersSent(session.project.adapters.get(base_url(session.api)))
    links = (artifacts, adapters, PayloadLink(session.environment))
    return Linker(links, watches=(artifacts, OtherAutomations(wandb)))


def siblings_of(session: Session) -> Siblings:
    """The states that the project's settings name as its siblings."""
    from friendli_iac.engine.siblings import Siblings

    def backend(where: str) -> Backend | None:
        try:
            place = in_environment(where, session.environment)
            if session.trusted and server(place) not in ("", server(session.state)):
                # Whoever names the state from outside does not trust the file with credentials.
                raise UsageError("its server is named by friendli-iac.yaml alone: it is not asked")
            return session.open(place, trusted=False)
        except (UsageError, StateError) as error:
            session.console.err(f"note: the sibling state {shown(where)}: {error}")
            return None

    # Playing never mixes with production.
    named = () if session.emulated else session.project.siblings
    return Siblings({shown(where): backend(where) for where in named})
