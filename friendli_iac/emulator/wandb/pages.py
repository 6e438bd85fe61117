"""Relay connections: one page of a list, and the cursor of the next one."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from .records import Json
from .registry import Refused

PAGE = 50


def connection(
    nodes: Sequence[Any], after: str | None = None, first: int | None = None, **edge: Any
) -> Json:
    """The page behind the cursor `after`; `edge` has functions of a node for more keys of an edge.

    A cursor names the node that it follows, so that a list may change between two pages.
    """
    keys = [node.id for node in nodes]
    start = 0
    if after:
        if (last := _decoded(after)) not in keys:
            raise Refused(400, f"invalid cursor {after!r}")
        start = keys.index(last) + 1
    page = list(nodes[start : start + (PAGE if first is None else first)])
    edges = [
        {
            "node": node,
            "cursor": _encoded(node.id),
            **{key: of(node) for key, of in edge.items()},
        }
        for node in page
    ]
    info = {
        "endCursor": edges[-1]["cursor"] if edges else None,
        "hasNextPage": start + len(page) < len(nodes),
    }
    return {"edges": edges, "pageInfo": info, "totalCount": len(nodes)}


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


def _decoded(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
