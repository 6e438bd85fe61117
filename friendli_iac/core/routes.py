"""What is still to be seen of what requests call beside a resource's id. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from friendli_iac.core.state import Resource
from friendli_iac.resources.base import Kind, Seen
from friendli_iac.resources.spec import Spec


def seen_now(resource: Resource, version: int | None) -> dict[str, Seen]:
    """What is known of its routes now that its newest version is `version` (None: as state has it).
    Whether one that others made keeps what was attached is not known.
    """
    if version is None or resource.routes_at in (None, version):
        return dict(resource.routes)
    return doubted(resource.routes)


def doubted(routes: Mapping[str, Seen]) -> dict[str, Seen]:
    """What is left to be known of them behind a new version."""
    return {route: "unknown" if seen == "served" else seen for route, seen in routes.items()}


def unseen(kind: Kind, spec: Spec, seen: Mapping[str, Seen]) -> tuple[str, ...]:
    """The routes that `spec` wants and that nobody saw answer."""
    return tuple(route for route in kind.routes(spec).names if seen.get(route) != "served")


def awaits_a_hand(kind: Kind, resource: Resource) -> bool:
    """Whether a person was asked to attach something, and was not seen to have done it yet. The web
    page makes a version for it, which is none that nobody knows about.
    """
    routes, seen = kind.routes(resource.applied.spec), resource.routes
    return not routes.sent and any(seen.get(route) in (None, "missing") for route in routes.names)


def known_routes(
    kind: Kind, resource: Resource, asked: Mapping[str, Seen], version: int | None
) -> dict[str, Seen]:
    """What is known of the routes of a resource once some were `asked` of this version."""
    wanted = kind.routes(resource.applied.spec).names
    known = {**seen_now(resource, version), **asked}
    return {route: seen for route, seen in known.items() if route in wanted or seen != "missing"}
