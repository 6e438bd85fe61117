"""Asks for what requests call beside a resource's id: the adapters of an endpoint. What is seen is
recorded, and nothing else is claimed. What sleeps is never asked: that would wake it, for money.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from friendli_iac.core.journal import Entry
from friendli_iac.core.plan import Change
from friendli_iac.core.routes import awaits_a_hand, known_routes, seen_now, unseen, unwanted
from friendli_iac.core.state import Fence, Resource
from friendli_iac.errors import ApiError, AuthError, ByHand, RolloutFailed, Unreachable
from friendli_iac.executor.by_hand import left_to_do
from friendli_iac.executor.context import Context
from friendli_iac.executor.look import look, wait_for
from friendli_iac.resources.base import Health, Kind, Observed, Routes, Seen

TIMEOUT = 30.0  # seconds for an answer
ATTEMPTS = 3
PAUSE = 1.0  # seconds, doubled each time
# Where this one answers, an answer proves nothing of the others.
NOBODY = "friendli-iac-no-such-route"
NO_VERSION = Fence()


@dataclass
class Asked:
    """What was `seen`, by route. `why` says why the others are not in it; `asleep`: for they would
    have woken it. `passes`: to ask again may help. `denied`: the token may not ask, which says
    nothing about what serves.
    """

    seen: dict[str, Seen] = field(default_factory=dict)
    why: str = ""
    asleep: bool = False
    passes: bool = False
    denied: AuthError | None = None

    @property
    def missing(self) -> list[str]:
        """The routes that are not there."""
        return [route for route, what in self.seen.items() if what == "missing"]


def ask(kind: Kind, api: Any, names: Sequence[str], see: Callable[[], Observed | None]) -> Asked:
    """Asks each of `names` once, and looks before each whether it sleeps."""
    asked = Asked()
    control = [NOBODY] if names else []
    for name in (*control, *names):
        observed = see()
        if observed is None or observed.health != "served" or observed.asleep:
            asked.asleep = observed is not None and observed.asleep
            asked.why = f"it is {observed.status if observed else 'gone'}"
            asked.why += ", and a request would wake it" if asked.asleep else ""
            return asked
        try:
            there = kind.answers(api, observed.id, name, TIMEOUT)
        except ApiError as error:
            asked.why, asked.passes = str(error), isinstance(error, Unreachable)
            asked.denied = error if isinstance(error, AuthError) else None
            return asked
        if name == NOBODY and there:
            asked.why = "it answers for a route that nobody attached, too"
            return asked
        if name != NOBODY:
            asked.seen[name] = "served" if there else "missing"
    return asked


def ask_until_told(context: Context, address: str, names: Sequence[str]) -> Asked:
    """`ask`, and again where an answer was lost; what is on its way is waited for. AuthError where
    the token may not ask.
    """
    kind, api = context.kind_of(address)
    quiet: set[Health] = {"served", "failed", "ending", "stopped"}

    def see() -> Observed | None:
        resource = context.known.state.resources[address]
        return wait_for(context, address, resource.id, resource.project, quiet)

    asked = ask(kind, api, names, see)
    for attempt in range(1, ATTEMPTS):
        if not asked.passes:
            break
        context.tell("note", address, f"asked {attempt}/{ATTEMPTS}: {asked.why}")
        context.pause(PAUSE * 2 ** (attempt - 1))
        asked = ask(kind, api, names, see)
    if asked.denied:
        raise asked.denied
    return asked


def record(
    context: Context, address: str, asked: Asked, version: int | None, fence: Fence = NO_VERSION
) -> None:
    """Writes to the journal what was seen of `version`, and the fence where that one is ours from
    now on.
    """
    kind, _ = context.kind_of(address)
    resource = context.known.state.resources[address]
    known, now = known_routes(kind, resource, asked.seen, version), context.clock.now()
    if (known, version) != (resource.routes, resource.routes_at) or fence.version is not None:
        entry = Entry("routes", now, address=address, routes=known, version=version, fence=fence)
        context.write(entry)


def prove_routes(context: Context, change: Change) -> str:
    """Asks for what was not seen yet of a resource that is as it should be otherwise. What came of
    it, in words; empty where there is nothing to ask.

    ByHand where a person must attach or detach something, RolloutFailed where we sent it.
    """
    address = change.address
    resource = context.known.state.resources.get(address)
    if resource is None:
        return ""
    kind, api = context.kind_of(address)
    spec = resource.applied.spec
    routes = kind.routes(spec)
    if kind.idle(spec) or not (routes.names or resource.routes):
        return ""
    version = kind.newest_version(api, resource.id)
    seen = seen_now(resource, version)
    open_, left = unseen(kind, spec, seen), unwanted(kind, spec, seen)
    if not open_ and not left:
        return ""
    by_hand = awaits_a_hand(kind, resource)
    asked = ask_until_told(context, address, (*open_, *left))
    missing = [route for route in open_ if asked.seen.get(route) == "missing"]
    still = [route for route in left if asked.seen.get(route) == "served"]
    done = by_hand and not (missing or still or asked.why)
    if by_hand:  # a person may do it just now
        version = kind.newest_version(api, resource.id)
    if done and _came_since(kind, change, resource, version):
        asked = Asked(why=f"version {version} came since it was planned; the next apply asks again")
        done = False
    fence = _made_by_hand(change, resource, version) if done else NO_VERSION
    record(context, address, asked, version, fence)
    if missing and routes.sent:
        raise RolloutFailed(
            f"it was sent, and {_not_there(resource, missing)}",
            safe=f"{resource.id} was left as it is.",
            next=f"See what this service says of them. To go back: friendli-iac rollback {address}",
        )
    if missing or still:
        raise _by_hand(context, change, missing, still)
    if asked.why:
        names = [route for route in (*open_, *left) if route not in asked.seen]
        return f"unverified: {', '.join(names)}: {asked.why}"
    return _found(context.known.state.resources[address], open_, left)


def _found(resource: Resource, open_: Sequence[str], left: Sequence[str]) -> str:
    said = []
    if open_:
        said.append(f"{_called(resource, open_)} answer{_s(open_)}")
    if left:
        said.append(f"{_called(resource, left)} {_is(left)} detached")
    if unproved := [route for route in open_ if resource.routes.get(route) == "unproved"]:
        said.append(f"nothing shows which adapter answers at {', '.join(unproved)}")
    return "; ".join(said)


def not_proved(routes: Routes, asked: Asked) -> str:
    """Why what was just sent does not serve as it should; empty when nothing speaks against it."""
    if asked.missing:
        listed = ", ".join(asked.missing)
        return f"the API accepted {routes.path}, and does not serve {listed}: 404"
    return "" if asked.asleep or not asked.why else f"{routes.path}: {asked.why}"


def _not_there(resource: Resource, missing: Sequence[str]) -> str:
    return f"{_called(resource, missing)} {_is(missing)} not there: 404"


def _by_hand(
    context: Context,
    change: Change,
    missing: Sequence[str],
    still: Sequence[str],
) -> ByHand:
    kind, api = context.kind_of(change.address)
    resource = context.known.state.resources[change.address]
    spec = resource.applied.spec
    observed = look(kind, api, resource.id, resource.project)
    said = []
    if missing:
        said.append(f"{_not_there(resource, missing)}, and no API can attach {_them(missing)}")
    if still:
        said.append(
            f"{_called(resource, still)} answer{_s(still)} still, and no API can detach "
            f"{_them(still)}"
        )
    steps = kind.advise(api, "verify", spec, spec, observed, resource.routes).manual
    return left_to_do(context, "; ".join(said), steps, safe="All the rest is done.")


def _came_since(kind: Kind, change: Change, resource: Resource, version: int | None) -> bool:
    """Whether there is a version that the plan did not take for the step by hand."""
    ours = resource.fence.version
    newer = ours is not None and version is not None and version > ours
    return newer and version != change.fence.version and not kind.moved_by(resource.applied.spec)


def _made_by_hand(change: Change, resource: Resource, version: int | None) -> Fence:
    """The version that the web page made for what was attached, which is one that we asked for: no
    version where there is none, or another one has come since it was planned.
    """
    ours, planned = resource.fence.version, change.fence
    if ours is None or version is None or version <= ours:
        return NO_VERSION
    return planned if planned.version == version else NO_VERSION


def _called(resource: Resource, names: Sequence[str]) -> str:
    """What requests call."""
    return ", ".join(f"{resource.id}:{name}" for name in names)


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _s(names: Sequence[str]) -> str:
    return "s" if len(names) == 1 else ""


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
