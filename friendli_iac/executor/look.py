"""One look at a resource, careful about the word *gone*."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from friendli_iac.errors import NotFound
from friendli_iac.resources.base import Kind, Observed


def look(kind: Kind, api: Any, id: str, project: str) -> Observed | None:
    """What the API shows of a resource, or None when it is gone: 404, and not in the complete list
    of its project. Listed and yet 404, it is on its way from one to the other: `changing`.
    """
    try:
        return kind.read(api, id)
    except NotFound:
        listed = kind.list(api, project).get(id)
        return replace(listed, health="changing") if listed else None
