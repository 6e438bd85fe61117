"""What `doctor` looks at, one check after the other; each stands for itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path

from friendli_iac.backends import SharedBackend
from friendli_iac.backends.store import prove
from friendli_iac.cli.console import Console
from friendli_iac.cli.options import Reading, Target
from friendli_iac.cli.progress import Lines
from friendli_iac.cli.session import Session, opened
from friendli_iac.clients.friendli import FriendliApi
from friendli_iac.errors import FriendliIacError, ManifestError
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import ARTIFACT
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import Spec, get_path

CLOCK_TOLERANCE = 60.0  # seconds


@dataclass(frozen=True)
class Finding:
    """One check. `next` is what to do when it failed; `exit_code` is 0 when it did not."""

    check: str
    ok: bool
    text: str
    next: str = ""
    exit_code: int = 0


def examine(target: Target, console: Console, project: str | None) -> list[Finding]:
    """All findings, in the order in which one leads to the next."""
    findings: list[Finding] = []

    def check(name: str, look: Callable[[], str]) -> bool:
        try:
            findings.append(Finding(name, True, look()))
        except FriendliIacError as error:
            findings.append(_failed(name, error))
        return findings[-1].ok

    try:
        with opened(target, console, online=False) as session:
            check("settings", lambda: _settings(session))
            if check("state", lambda: _state(session)) and _is_shared(session):
                check("writes", lambda: _writes(session))
    except FriendliIacError as error:
        return [_failed("settings", error)]
    try:
        with opened(replace(target, chdir=Path()), console) as session:
            if check("token", lambda: _token(session, project)):
                check("clock", lambda: _clock(session))
                check("project", lambda: _project(session, project))
            if _uses_wandb(session):
                check("wandb", lambda: _wandb(session))
    except FriendliIacError as error:
        findings.append(_failed("token", error))
    return findings


def _failed(name: str, error: FriendliIacError) -> Finding:
    text, remedy = str(error), error.next
    if isinstance(error, ManifestError):
        text = "; ".join(f"{problem.place}: {problem.message}" for problem in error.problems)
        remedy = "friendli-iac validate shows the lines"
    return Finding(name, False, text, remedy, error.exit_code)


def _settings(session: Session) -> str:
    if session.project.file:
        return str(session.project.file)
    return f"no friendli-iac.yaml, so every manifest below {session.project.root}"


def _state(session: Session) -> str:
    """Also whether it belongs to the API and the team of this run."""
    known, notices = session.engine(Lines(session.console)).known()
    where = session.backend.describe()
    if not known.state.serial:
        return f"none yet ({where})"
    parts = [f"serial {known.state.serial}", f"{len(known.state.resources)} in it", *notices]
    if not _is_shared(session) and (held := session.backend.held()):  # a shared one notices it
        parts.append(f"the lock is held: {held.holder}")
    if known.open:
        parts.append(f"{len(known.open)} effects are open, the next apply settles them")
    return f"{', '.join(parts)} ({where})"


def _is_shared(session: Session) -> bool:
    return isinstance(session.backend, SharedBackend)


def _writes(session: Session) -> str:
    """Whether the store keeps two writers of one document apart."""
    assert isinstance(session.backend, SharedBackend), "it was asked before"
    prove(session.backend.store)
    return "of several writers at once, exactly one succeeds"


def _token(session: Session, project: str | None) -> str:
    assert session.http is not None, "an online session has one"
    session.http.get("/dedicated/beta/endpoint", {"project_id": project or "", "limit": 1})
    team = f"team {session.team}" if session.team else "the token's default team"
    return f"accepted by {session.api}, {team}"


def _clock(session: Session) -> str:
    assert session.http is not None, "an online session has one"
    date = session.http.last_date
    if not date:
        return "not checked: the API tells no time"
    skew = time.time() - parsedate_to_datetime(date).timestamp()
    if abs(skew) > CLOCK_TOLERANCE:
        raise FriendliIacError(
            f"this machine is {skew:+.0f} s off the API",
            next="Set the clock: times in the state and in the version comments would mislead.",
        )
    return f"within {CLOCK_TOLERANCE:.0f} s of the API"


def _project(session: Session, project: str | None) -> str:
    project = project or session.environ.get("FRIENDLI_PROJECT_ID")
    if not project:
        return "not checked: set FRIENDLI_PROJECT_ID, or say --project ID"
    assert session.http is not None, "an online session has one"
    found = FriendliApi(session.http).list_endpoints(project)
    return f"{len(found)} endpoints in {project}"


def _uses_wandb(session: Session) -> bool:
    """Whether anything in state, or in the manifests where they can be read, is of W&B."""
    with suppress(FriendliIacError):
        known, _ = session.engine(Lines(session.console)).known()
        specs = {a: one.applied.spec for a, one in known.state.resources.items()}
        if any(_is_of_wandb(address, spec) for address, spec in specs.items()):
            return True
        wishes = session.manifest(Reading((), {}, (), ())).resources
        return any(_is_of_wandb(str(address), wish.spec) for address, wish in wishes.items())
    return False


def _is_of_wandb(address: str, spec: Spec) -> bool:
    outside = not KINDS[Address.parse(address).kind].model.IN_PROJECT
    return outside or get_path(spec, ARTIFACT) is not None


def _wandb(session: Session) -> str:
    return f"{session.wandb.viewer()} at {session.wandb.base_url}"
