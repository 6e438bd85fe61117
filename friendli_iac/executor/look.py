"""One look at a resource, careful about the word *gone*; and looks until it is as it should be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from friendli_iac.core.canonical import same
from friendli_iac.core.diff import readable
from friendli_iac.core.state import Resource
from friendli_iac.errors import NotFound, TimedOut
from friendli_iac.executor.context import Context
from friendli_iac.resources.base import Health, Kind, Observed

LONGEST_POLL = 5.0  # seconds
# A status that no document explains may be one that lasts: after this, it is no reason to wait.
STRANGE_FOR = 60.0  # seconds


def look(kind: Kind, api: Any, id: str, project: str) -> Observed | None:
    """What the API shows of a resource, or None when it is gone: 404, and not in the complete list
    of its project. Listed and yet 404, it is on its way from one to the other: `changing`.
    """
    try:
        return kind.read(api, id)
    except NotFound:
        listed = kind.list(api, project).get(id)
        return replace(listed, health="changing") if listed else None


def wait_for(
    context: Context, address: str, id: str, project: str, wanted: set[Health]
) -> Observed | None:
    """Polls until the health is one of `wanted`, or the resource is gone (None). TimedOut."""
    kind, api = context.kind_of(address)
    started, wait = context.clock.now(), 0.25
    while True:
        observed = look(kind, api, id, project)
        if observed is None or observed.health in wanted:
            return observed
        elapsed = context.clock.now() - started
        if wanted and observed.strange and elapsed >= STRANGE_FOR:
            return observed
        tell(context, address, observed, elapsed)
        if elapsed >= context.timeout:
            raise TimedOut(
                f"{address} is still {observed.status} after {elapsed:.0f} s",
                safe="Nothing more was sent; what was sent before is recorded.",
                next=f"{context.again}: it goes on from here.",
            )
        context.pause(wait)
        wait = min(wait * 1.5, LONGEST_POLL)


def tell(context: Context, address: str, observed: Observed, elapsed: float) -> None:
    """Reports how it is. `elapsed` is in seconds."""
    context.tell(
        "progress",
        address,
        observed.status,
        status=observed.status,
        phase=observed.phase or "",
        elapsed=elapsed,
    )


def unread(kind: Kind, resource: Resource, ready: Observed, address: str) -> str:
    """Why a plan that read nothing is not carried out: values are others, or some are shown that it
    does not know. A whole object without those might reset them.
    """
    known, live = readable(kind, resource.applied.spec), readable(kind, ready.spec)
    new = [path for path in live if path not in known]
    if not new or any(not same(live.get(path), value) for path, value in known.items()):
        return f"{address} is not as state has it, and the plan did not read it"
    return (
        f"{address} shows {', '.join(new)}, which state does not have yet: without it, what would "
        "be sent might reset it. Plan once without --refresh none"
    )
