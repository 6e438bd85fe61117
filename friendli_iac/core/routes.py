"""What is still to be seen of what requests call beside a resource's id. Pure."""

from __future__ import annotations

from friendli_iac.core.state import Resource
from friendli_iac.resources.base import Kind
from friendli_iac.resources.spec import Spec


def unseen(kind: Kind, spec: Spec, resource: Resource) -> tuple[str, ...]:
    """The routes that `spec` wants and that nobody saw answer."""
    seen = resource.routes
    return tuple(route for route in kind.routes(spec).names if seen.get(route) != "served")


def awaits_a_hand(kind: Kind, resource: Resource) -> bool:
    """Whether a person was asked to attach something, and was not seen to have done it yet. The web
    page makes a version for it, which is none that nobody knows about.
    """
    spec = resource.applied.spec
    return not kind.routes(spec).sent and bool(unseen(kind, spec, resource))
