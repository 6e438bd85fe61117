"""What `doctor` looks at, one check after the other; each stands for itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from friendli_iac.cli.console import Console
from friendli_iac.cli.options import Target
from friendli_iac.cli.session import Session, opened
from friendli_iac.core.state import replay
from friendli_iac.errors import AuthError, FriendliIacError

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
            return True
        except FriendliIacError as error:
            findings.append(Finding(name, False, str(error), error.next, error.exit_code))
            return False

    with opened(target, console, online=False) as session:
        check("project", lambda: _project(session))
        check("state", lambda: _state(session))
    try:
        with opened(target, console) as session:
            if check("token", lambda: _token(session, project)):
                check("clock", lambda: _clock(session))
                if project or session.emulated:
                    check("endpoints", lambda: _endpoints(session, project or "project-emulator"))
    except AuthError as error:
        findings.append(Finding("token", False, str(error), error.next, error.exit_code))
    return findings


def _project(session: Session) -> str:
    where = session.project.file or "no friendli-iac.yaml, so every manifest below"
    return f"{where} ({session.project.root})" if not session.project.file else str(where)


def _state(session: Session) -> str:
    stored = session.backend.read()
    if stored.state is None:
        return f"none yet ({session.backend.describe()})"
    known = replay(stored.state, stored.entries)
    text = f"serial {stored.state.serial}, {len(stored.state.resources)} resources"
    if known.open:
        text += f"; {len(known.open)} effects are open, the next apply settles them"
    if stored.notices:
        text += f"; {'; '.join(stored.notices)}"
    folder = Path(session.backend.path).parent
    return f"{text} ({folder})"


def _token(session: Session, project: str | None) -> str:
    assert session.http is not None, "an online session has one"
    session.http.get("/dedicated/beta/endpoint", {"project_id": project or "", "limit": 1})
    team = f", team {session.team}" if session.team else ", the token's default team"
    return f"accepted by {session.api}{team}"


def _clock(session: Session) -> str:
    assert session.http is not None, "an online session has one"
    date = session.http.last_date
    if not date:
        return "the API tells no time"
    skew = time.time() - parsedate_to_datetime(date).timestamp()
    if abs(skew) > CLOCK_TOLERANCE:
        raise FriendliIacError(
            f"this machine is {skew:+.0f} s off the API",
            next="Set the clock: times in the state and in the version comments would mislead.",
        )
    return f"within {CLOCK_TOLERANCE:.0f} s of the API"


def _endpoints(session: Session, project: str) -> str:
    from friendli_iac.clients.friendli import FriendliApi

    assert session.http is not None, "an online session has one"
    found = FriendliApi(session.http).list_endpoints(project)
    return f"{len(found)} in project {project}"
