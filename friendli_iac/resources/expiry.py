"""`lifecycle.expires`: a time after the creation, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pydantic_core import PydanticCustomError

from friendli_iac.resources.values import parse_duration

_DURATION = re.compile(r"(\d+[smhd])+")


def check_expiry(text: str) -> str:
    """`text`, when it is a duration or a date; PydanticCustomError otherwise."""
    expiry(text, 0.0)
    return text


def expires_at(text: str, created: float | None) -> str:
    """What `text` comes to, in words: `72h, 2026-12-24 18:00 UTC`. `created` is None for what is
    still to be created.
    """
    if created is None and _DURATION.fullmatch(text):
        return f"{text} after it is created"
    moment = datetime.fromtimestamp(expiry(text, created or 0.0), UTC)
    return f"{text}, {moment:%Y-%m-%d %H:%M} UTC" if _DURATION.fullmatch(text) else text


def moment(said: str | None) -> float:
    """What a time of the API means, in seconds since 1970; 0 when it says nothing that is one."""
    try:
        found = datetime.fromisoformat(said or "")
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def is_over(text: str | None, created: float, now: float) -> bool:
    """Whether the time of what was `created` then is over at `now`; it never is without a time."""
    return bool(text) and expiry(str(text), created) <= now


def expiry(text: str, created: float) -> float:
    """The moment that `text` means for what was `created` then; both in seconds since 1970. A date
    without a zone is in UTC.
    """
    if _DURATION.fullmatch(text):
        return created + parse_duration(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError(
            "expiry",
            "expires is a time after the creation, such as 72h, or a date, such as 2026-12-24",
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
