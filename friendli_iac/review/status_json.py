"""How everything in state is, as data for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from friendli_iac.errors import ApiError
from friendli_iac.resources.spec import get_path
from friendli_iac.review.status import (
    SLEEP_LIMIT,
    Row,
    bounds,
    changed_outside,
    expires,
    marks,
    version,
)
from friendli_iac.review.times import moment, rfc3339
from friendli_iac.review.unread import unreadable


def to_json(
    rows: Iterable[Row], now: float, prices: str, unread: ApiError | None = None
) -> dict[str, Any]:
    """The same as data. Times are RFC 3339, or null."""
    every = list(rows)
    shown = [row for row in every if row.kind.serves]
    known = [row.cost for row in shown if row.cost is not None]
    return {
        "format_version": "1.0",
        "endpoints": [_as_json(row, now) for row in shown],
        "others": [_other(row) for row in every if not row.kind.serves],
        "total": {
            "endpoints": len(shown),
            "not_serving": sum(not row.serves for row in shown),
            "cost_per_hour": round(sum(known), 2),
            "unknown_cost": len(shown) - len(known),
            "prices": prices,
        },
        "unreadable": unreadable(unread, [row.address for row in every if row.unread]),
    }


def _other(row: Row) -> dict[str, Any]:
    """What serves and bills nothing, such as a webhook."""
    last = row.resource.history[-1] if row.resource.history else None
    return {
        "address": row.address,
        "id": row.resource.id,
        "place": row.resource.project,
        "status": row.status,
        "last_change": {"by": last["by"], "time": rfc3339(last["time"])} if last else None,
        "pending": row.resource.pending is not None,
        "changed_outside": changed_outside(row) if row.resource.pending is None else [],
    }


def _as_json(row: Row, now: float) -> dict[str, Any]:
    resource, observed = row.resource, row.observed
    low, high = bounds(row)
    last = resource.history[-1] if resource.history else None
    error = observed.error if observed else None
    asleep = bool(observed and observed.asleep)
    since = moment(observed.updated_at) if observed and asleep else None
    ends = expires(resource)
    return {
        "address": row.address,
        "old": row.old,
        "id": resource.id,
        "project": resource.project,
        "status": row.status,
        "phase": row.phase or None,
        "serves": row.serves,
        "version": version(resource)[0],
        "version_outcome": version(resource)[1] or None,
        "replicas": {
            "current": row.current,
            "desired": row.desired,
            "updated": row.updated,
            "min": low,
            "max": high,
        },
        "instance": {
            "gpu": get_path(observed.spec, "instance.gpu") if observed else None,
            "count": get_path(observed.spec, "instance.count") if observed else None,
        },
        "created_at": observed.created_at if observed else None,
        "cost_per_hour": row.cost,
        "last_change": {"by": last["by"], "time": rfc3339(last["time"])} if last else None,
        "error": error,
        "error_sentence": row.kind.explain(error, resource.applied.spec).sentence
        if error
        else None,
        "pending": resource.pending is not None,
        "pinned": resource.pin.story if resource.pin else None,
        "routes": resource.routes,
        "changed_outside": changed_outside(row) if resource.pending is None else [],
        "expires_at": None if ends is None else rfc3339(ends),
        "sleep_ends_at": None if since is None else rfc3339(since + SLEEP_LIMIT),
        "marks": marks(row, now),
    }
