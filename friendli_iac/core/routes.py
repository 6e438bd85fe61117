"""What is still to be seen of what requests call beside a resource's id. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from friendli_iac.core.state import Resource
from friendli_iac.resources.base import Kind, Seen
from friendli_iac.resources.spec import Spec

# What is left to be known of what was seen behind the version before.
_DOUBTED: dict[Seen, Seen] = {"served": "unknown", "unproved": "swapped"}


def seen_now(resource: Resource, version: int | None) -> dict[str, Seen]:
    """What is known of its routes now that its newest version is `version` (None: as state has it).
    Whether one that others made keeps what was attached is not known.
    """
    if version is None or resource.routes_at in (None, version):
        return dict(resource.routes)
    return doubted(resource.routes)


def doubted(routes: Mapping[str, Seen]) -> dict[str, Seen]:
    """What is left to be known of them behind a new version."""
    return {route: _DOUBTED.get(seen, seen) for route, seen in routes.items()}


def swapped(kind: Kind, before: Spec, after: Spec, seen: Mapping[str, Seen]) -> dict[str, Seen]:
    """What is known of them once `after` is wanted: another one than was seen may be behind one."""
    others = kind.exchanged(before, after)
    return {r: "swapped" if r in others and s != "missing" else s for r, s in seen.items()}


def unseen(kind: Kind, spec: Spec, seen: Mapping[str, Seen]) -> tuple[str, ...]:
    """The routes that `spec` wants and that nobody saw answer."""
    answered = ("served", "unproved")
    return tuple(route for route in kind.routes(spec).names if seen.get(route) not in answered)


def unwanted(kind: Kind, spec: Spec, seen: Mapping[str, Seen]) -> tuple[str, ...]:
    """The routes that a person is to detach: they were seen, and `spec` does not want them."""
    routes = kind.routes(spec)
    if routes.sent or not routes.path:
        return ()
    return tuple(r for r, what in seen.items() if r not in routes.names and what != "missing")


def awaits_a_hand(kind: Kind, resource: Resource, wanted: Spec | None = None) -> bool:
    """Whether a person was asked to attach, replace or detach something, or is so for what is
    `wanted` now, and was not seen to have done it yet. The web page makes a version for it, which
    is none that nobody knows about.
    """
    was = resource.applied.spec
    will = {**was, **(wanted or {})}
    return _awaits(kind, was, resource.routes) or _awaits(
        kind, will, swapped(kind, was, will, resource.routes)
    )


def _awaits(kind: Kind, spec: Spec, seen: Mapping[str, Seen]) -> bool:
    routes, settled = kind.routes(spec), ("served", "unknown")
    if routes.sent:
        return False
    left = any(seen[route] != "unknown" for route in unwanted(kind, spec, seen))
    return left or any(seen.get(route) not in settled for route in routes.names)


def known_routes(
    kind: Kind, resource: Resource, asked: Mapping[str, Seen], version: int | None
) -> dict[str, Seen]:
    """What is known of the routes of a resource once some were `asked` of this version. That one
    answers does not show what is behind it; that a person made a version for it does.
    """
    spec, ours = resource.applied.spec, resource.fence.version
    made = ours is not None and version is not None and version > ours and not kind.moved_by(spec)
    open_ = () if made else ("swapped", "unproved")
    known = seen_now(resource, version)
    for route, seen in asked.items():
        doubtful = seen == "served" and resource.routes.get(route) in open_
        known[route] = "unproved" if doubtful else seen
    wanted = kind.routes(spec).names
    return {route: seen for route, seen in known.items() if route in wanted or seen != "missing"}
