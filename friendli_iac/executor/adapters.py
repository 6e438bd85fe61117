"""Asks for what requests call beside a resource's id: the adapters of an endpoint. What is seen is
recorded, and nothing else is claimed. What sleeps is never asked: that would wake it, for money.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from friendli_iac.core.journal import Entry
from friendli_iac.core.plan import Change
from friendli_iac.core.routes import awaits_a_hand, known_routes, seen_now, unseen
from friendli_iac.core.state import Fence, Resource
from friendli_iac.errors import ApiError, AuthError, ByHand, RolloutFailed, Unreachable
from friendli_iac.executor.by_hand import sentence
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
    have woken it. `passes`: to ask again may help.
    """

    seen: dict[str, Seen] = field(default_factory=dict)
    why: str = ""
    asleep: bool = False
    passes: bool = False

    @property
    def missing(self) -> list[str]:
        """The routes that are not there."""
        return [route for route, what in self.seen.items() if what == "missing"]


def ask(kind: Kind, api: Any, names: Sequence[str], see: Callable[[], Observed | None]) -> Asked:
    """Asks each of `names` once, and looks before each whether it sleeps. AuthError where the token
    may not ask: that says nothing about what serves.
    """
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
        except AuthError:
            raise
        except ApiError as error:
            asked.why, asked.passes = str(error), isinstance(error, Unreachable)
            return asked
        if name == NOBODY and there:
            asked.why = "it answers for a route that nobody attached, too"
            return asked
        if name != NOBODY:
            asked.seen[name] = "served" if there else "missing"
    return asked


def ask_until_told(context: Context, address: str, names: Sequence[str]) -> Asked:
    """`ask`, and again where an answer was lost; what is on its way is waited for."""
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

    ByHand where a person must attach what is missing, RolloutFailed where we sent it.
    """
    address = change.address
    resource = context.known.state.resources.get(address)
    if resource is None:
        return ""
    kind, api = context.kind_of(address)
    spec = resource.applied.spec
    routes = kind.routes(spec)
    if not routes.names or kind.idle(spec):
        return ""
    version = kind.newest_version(api, resource.id)
    open_ = unseen(kind, spec, seen_now(resource, version))
    if not open_:
        return ""
    by_hand = awaits_a_hand(kind, resource)
    asked = ask_until_told(context, address, open_)
    done = by_hand and not asked.missing and not asked.why
    fence = _made_by_hand(change, resource, version) if done else NO_VERSION
    record(context, address, asked, version, fence)
    if asked.missing and routes.sent:
        raise RolloutFailed(
            f"it was sent, and {_not_there(resource, asked.missing)}",
            safe=f"{resource.id} was left as it is.",
            next=f"See what this service says of them. To go back: friendli-iac rollback {address}",
        )
    if asked.missing:
        raise _by_hand(context, change, resource, asked)
    if asked.why:
        left = [route for route in open_ if route not in asked.seen]
        return f"unverified: {', '.join(left)}: {asked.why}"
    return f"{', '.join(f'{resource.id}:{route}' for route in open_)} answer{_s(open_)}"


def not_proved(routes: Routes, asked: Asked) -> str:
    """Why what was just sent does not serve as it should; empty when nothing speaks against it."""
    if asked.missing:
        listed = ", ".join(asked.missing)
        return f"the API accepted {routes.path}, and does not serve {listed}: 404"
    return "" if asked.asleep or not asked.why else f"{routes.path}: {asked.why}"


def _not_there(resource: Resource, missing: Sequence[str]) -> str:
    listed = ", ".join(f"{resource.id}:{route}" for route in missing)
    return f"{listed} {'is' if len(missing) == 1 else 'are'} not there: 404"


def _by_hand(context: Context, change: Change, resource: Resource, asked: Asked) -> ByHand:
    kind, api = context.kind_of(change.address)
    spec = resource.applied.spec
    observed = look(kind, api, resource.id, resource.project)
    steps = kind.advise(api, "verify", spec, spec, observed, {**resource.routes, **asked.seen})
    return ByHand(
        f"{_not_there(resource, asked.missing)}, and no API can attach {_them(asked.missing)}",
        safe="All the rest is done.",
        next=" ".join(f"{sentence(step)}." for step in steps.manual)
        + " Then run friendli-iac apply: it asks again.",
    )


def _made_by_hand(change: Change, resource: Resource, version: int | None) -> Fence:
    """The version that the web page made for what was attached, which is one that we asked for: no
    version where there is none, or another one has come since it was planned.
    """
    ours, planned = resource.fence.version, change.fence
    if ours is None or version is None or version <= ours or resource.pending:
        return NO_VERSION
    return planned if planned.version == version else NO_VERSION


def _s(names: Sequence[str]) -> str:
    return "s" if len(names) == 1 else ""


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
