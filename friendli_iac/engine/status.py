"""Reads how everything in state is: one list for each project, one request for each resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from friendli_iac.core.state import Resource, State
from friendli_iac.engine.engine import Engine
from friendli_iac.errors import NotFound, Refused, UsageError, did_you_mean
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Kind, Observed, Replicas
from friendli_iac.resources.prices import Prices
from friendli_iac.review.status import Row, expires


def known_resource(state: State, address: str) -> Resource:
    """The resource at `address`; UsageError when there is none."""
    if address not in state.resources:
        raise UsageError(
            f"{address} is not in state",
            next=did_you_mean(address, state.resources, "See friendli-iac state list."),
        )
    return state.resources[address]


def look_at(engine: Engine, addresses: Sequence[str] = ()) -> list[Row]:
    """How `addresses` are, or everything in state, in order. Only GETs, and nothing is woken.
    Raises ApiError and its children, and UsageError for an address that is not in state.
    """
    state = engine.known()[0].state
    wanted = {a: known_resource(state, a) for a in addresses} or state.resources
    asked = [(address, resource, False) for address, resource in sorted(wanted.items())]
    asked += [(a, r.deposed, True) for a, r, _ in asked if r.deposed is not None]
    asked.sort(key=lambda one: (one[0], one[2]))
    places = sorted({(Address.parse(a).kind, r.project) for a, r, _ in asked})
    pool = ThreadPoolExecutor(engine.parallelism, thread_name_prefix="read")
    try:
        lists = pool.map(
            lambda place: KINDS[place[0]].list(engine.apis[place[0]], place[1]), places
        )
        fetches = pool.map(lambda one: _fetched(engine, one[0], one[1].id), asked)
        listed = dict(zip(places, lists, strict=True))
        return [
            _row(engine, state, one, fetched, listed[Address.parse(one[0]).kind, one[1].project])
            for one, fetched in zip(asked, fetches, strict=True)
        ]
    except KeyboardInterrupt:
        engine.stop.set()  # threads that pause before they ask again would be waited for
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _fetched(engine: Engine, address: str, id: str) -> Mapping[str, Any] | None:
    kind = Address.parse(address).kind
    try:
        return KINDS[kind].fetch(engine.apis[kind], id)
    except NotFound:
        return None


def _row(
    engine: Engine,
    state: State,
    asked: tuple[str, Resource, bool],
    fetched: Mapping[str, Any] | None,
    listed: Mapping[str, Observed],
) -> Row:
    address, resource, old = asked
    kind = KINDS[Address.parse(address).kind]
    observed = listed.get(resource.id)  # of what is ending right now, that may be all
    if fetched is not None and observed is not None:
        observed = kind.combine(resource.id, fetched, observed)
    elif fetched is not None:  # the list lags behind: what can be read is there
        observed = kind.read(engine.apis[kind.name], resource.id)
    if state.team and observed and observed.team and observed.team != state.team:
        raise Refused(
            f"{resource.id} belongs to team {observed.team}, and the state to team {state.team}",
            safe="Nothing was sent.",
            next="Use the token and FRIENDLI_TEAM_ID of the team that the state names.",
        )
    current, desired, updated = observed.replicas if observed else Replicas()
    cost = cost_now(kind, resource, observed, engine.prices)
    ends = expires(resource)
    over = ends is not None and ends <= engine.clock.now()
    return Row(address, resource, observed, current, desired, updated, cost, old, over)


def cost_now(
    kind: Kind, resource: Resource, observed: Observed | None, prices: Prices
) -> float | None:
    """Dollars per hour at the replicas of now. Of what starts, those that are wanted count: since
    when they bill is told in two ways, and an estimate should rather be too high.
    """
    if observed is None or observed.asleep or observed.health == "stopped":
        return 0.0
    current, desired, _ = observed.replicas
    replicas = current
    if observed.health == "changing":
        replicas = max((n for n in (current, desired) if n is not None), default=None)
    if not replicas:
        return None if replicas is None else 0.0
    one = kind.replica_cost(observed.spec or resource.applied.spec, prices)
    return None if one is None else one * replicas
