"""Reads how everything in state is: one list for each project, one request for each resource.

The two services are read apart: without W&B, what runs and bills is still in sight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from friendli_iac.core.state import Resource, State
from friendli_iac.engine.engine import Engine
from friendli_iac.errors import ApiError, NotFound, Refused, UsageError, did_you_mean
from friendli_iac.resources import KINDS
from friendli_iac.resources.base import Address, Kind, Observed, Replicas
from friendli_iac.resources.prices import Prices
from friendli_iac.review.status import Row, expires


@dataclass(frozen=True)
class Look:
    """How it all is, in order. `unread` is why W&B did not tell of some of it, if so."""

    rows: list[Row]
    unread: ApiError | None = None


def known_resource(state: State, address: str) -> Resource:
    """The resource at `address`; UsageError when there is none."""
    if address not in state.resources:
        raise UsageError(
            f"{address} is not in state",
            next=did_you_mean(address, state.resources, "See friendli-iac state list."),
        )
    return state.resources[address]


def look_at(engine: Engine, addresses: Sequence[str] = (), *, serving: bool = False) -> Look:
    """How `addresses` are, or everything in state (`serving`: but for what never bills). Only
    reads, and nothing is woken. Raises ApiError and its children, but not those of W&B, and
    UsageError for an address that is not in state.
    """
    state = engine.known()[0].state
    wanted = {a: known_resource(state, a) for a in addresses} or state.resources
    asked = [
        (address, resource, False)
        for address, resource in sorted(wanted.items())
        if not serving or KINDS[Address.parse(address).kind].serves
    ]
    asked += [(a, r.deposed, True) for a, r, _ in asked if r.deposed is not None]
    asked.sort(key=lambda one: (one[0], one[2]))
    places = sorted({(Address.parse(a).kind, r.project) for a, r, _ in asked})
    pool = ThreadPoolExecutor(engine.parallelism, thread_name_prefix="read")
    try:
        lists = {p: pool.submit(KINDS[p[0]].list, engine.apis[p[0]], p[1]) for p in places}
        fetches = [pool.submit(_fetched, engine, a, r.id) for a, r, _ in asked]
        rows: list[Row] = []
        unread: ApiError | None = None
        for one, fetch in zip(asked, fetches, strict=True):
            address, resource, old = one
            kind = Address.parse(address).kind
            try:
                listed = lists[kind, resource.project].result()
                rows.append(_row(engine, state, one, fetch.result(), listed))
            except ApiError as error:
                if KINDS[kind].home != "wandb":
                    raise
                unread = unread or error
                rows.append(Row(address, resource, None, old=old, unread=True))
        return Look(rows, unread)
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
