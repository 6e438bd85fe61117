"""Times as people and programs read them. In here, they are seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

UNKNOWN = "?"


def moment(text: str | None) -> float | None:
    """The time that the API writes as `text`; None when it is none."""
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def stamp(seconds: float) -> str:
    """`2026-07-22 14:03:09Z`."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return UNKNOWN


def rfc3339(seconds: float) -> str:
    """`2026-07-22T14:03:09Z`."""
    return stamp(seconds).replace(" ", "T")


def span(seconds: float) -> str:
    """`3d`, `47h`, `90m` or `40s`: coarse, but never off by more than a third."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= 2 * size:
            return f"{whole // size}{unit}"
    return f"{whole}s"
