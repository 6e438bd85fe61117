"""What a user is told of a version that does not serve: what is safe, and what to type next."""

from __future__ import annotations

from friendli_iac.core.state import Pin, Resource
from friendli_iac.errors import RolledBack, RolloutFailed
from friendli_iac.executor.gate import Failure
from friendli_iac.executor.proof import Served
from friendli_iac.resources.artifact import ARTIFACT
from friendli_iac.resources.base import Kind
from friendli_iac.resources.prices import Prices
from friendli_iac.resources.spec import get_path


def bill(kind: Kind, resource: Resource, prices: Prices) -> str:
    """What it may cost, in words."""
    cost = kind.hourly_cost(resource.applied.spec, prices)
    return f" up to ${cost[1]:.2f} /h" if cost else ""


def remedy(failure: Failure) -> str:
    """What helps, and how to try again."""
    first = (
        f"{failure.fault.remedy[0].upper()}{failure.fault.remedy[1:]}. " if failure.fault else ""
    )
    return (
        f"{first}Change the manifest; or to try the same again: friendli-iac apply --retry-failed."
    )


def rolled_back(pin: Pin, served: Served, resource: Resource, left: list[str]) -> RolledBack:
    """That the good settings serve again, or what we sent last where those in force before were not
    ours; `left` are paths that may still be in force.
    """
    version = f" as version {served.version}" if served.version is not None else ""
    unseen = f" Unverified, for it is not readable: {', '.join(served.unproved)}."
    perhaps = unseen if served.unproved else ""
    perhaps += f" Left out, and perhaps still in force: {', '.join(left)}." if left else ""
    what = f"The last good settings serve again{version}"
    if pin.over:
        artifact = get_path(resource.applied.spec, ARTIFACT)
        what = f"What we sent last serves again{f': {artifact},' if artifact else ''}{version}"
        perhaps = f" What others had rolled out since is not known.{perhaps}"
    return RolledBack(
        pin.story,
        safe=f"{what} ({served.status}).{perhaps}",
        next="What failed is not sent again until the manifest says something else; to try the "
        "same again: friendli-iac apply --retry-failed.",
    )


def back_again(address: str, failure: Failure, served: Served) -> RolledBack:
    """That a rollback by hand did not serve, and what it was to take back does again."""
    version = f" as version {served.version}" if served.version is not None else ""
    return RolledBack(
        failure.why,
        safe=f"What served before serves again{version} ({served.status}).",
        next=f"friendli-iac history {address} lists other versions. An apply sends what the "
        "manifest says.",
    )


def kept(failure: Failure) -> RolledBack:
    """That the service kept the version from before."""
    return RolledBack(
        failure.why,
        safe="The version from before serves on; nothing else was sent.",
        next="See the Versions tab in the web page for the cause. " + remedy(failure),
    )


def halted(
    kind: Kind, address: str, resource: Resource, failure: Failure, prices: Prices
) -> RolloutFailed:
    """That what failed was left as it is."""
    return RolloutFailed(
        failure.why,
        safe=f"{resource.id} was left as it is, and may bill{bill(kind, resource, prices)}.",
        next=f"{remedy(failure)} Or go back: friendli-iac rollback {address}",
    )


def stuck(address: str, why: str) -> RolloutFailed:
    """That a person must look."""
    return RolloutFailed(
        f"it needs attention: the rollback failed, too: {why}",
        safe="Nothing more is sent for it by itself.",
        next=f"Look at it in the web page; friendli-iac history {address} lists what was sent. "
        f"To go back further: friendli-iac rollback {address} --to VERSION",
    )


def not_ours_to_take_back(
    kind: Kind, resource: Resource, failure: Failure, prices: Prices
) -> RolloutFailed:
    """That what others rolled out, who are meant to, does not start."""
    mover = kind.moved_by(resource.applied.spec)
    fits = f", or change the manifest ({failure.fault.remedy})" if failure.fault else ""
    return RolloutFailed(
        f"the version that {mover} rolled out does not serve: {failure.why}",
        safe="Nothing of ours is taken back or held off, for that would not help; "
        f"{resource.id} was left as it is, and may bill{bill(kind, resource, prices)}.",
        next=f"Move the alias in W&B to a version that serves{fits}; then apply again.",
    )


def not_ours(failure: Failure) -> RolloutFailed:
    """That it is somebody else's to mend."""
    return RolloutFailed(
        failure.why,
        safe="Nothing more was sent: what somebody else did is not overwritten.",
        next="friendli-iac plan shows how it stands, and what an apply would do.",
    )
