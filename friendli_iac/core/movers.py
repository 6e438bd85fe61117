"""Which automations of W&B roll out versions of an endpoint by themselves, beside us. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Applied, Resource, State
from friendli_iac.resources.artifact import MOVED_BY
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import Spec, copied, drop_path, get_path, set_path

AUTOMATION, ENDPOINT = "WebhookAutomation", "Endpoint"  # kinds


def deployed_by(spec: Spec) -> str:
    """The address of the endpoint that an automation deploys by itself when it is enabled; empty
    for any other.
    """
    deploys = spec.get("deploys")
    if not deploys or spec.get("promotion") != "direct":
        return ""
    return str(Address(ENDPOINT, str(deploys).rpartition("/")[2]))


def movers(
    wishes: Mapping[str, Wish], state: State, chosen: Collection[str]
) -> dict[str, list[str]]:
    """The addresses of endpoints, each with the enabled automations that are to deploy it by
    themselves. What the plan is not about is as it was applied.
    """
    specs = {a: spec for a, spec in _applied(state).items() if a not in chosen}
    specs |= {a: wishes[a].spec for a in of_kind(AUTOMATION, chosen) if a in wishes}
    return _by_endpoint(specs)


def mover(state: State, address: str, wanted: Sequence[str]) -> str:
    """Which of the automations that are `wanted` to deploy the endpoint at `address` has its
    versions in hand; empty where the artifact is ours. One takes them over only from one that
    deploys it now: after a time without any, nobody knows what it is on.
    """
    moving = _by_endpoint(_applied(state)).get(address, [])
    if not moving:
        return ""
    return next((one for one in wanted if one in moving), next(iter(wanted), ""))


def note_movers(state: State, address: str, time: float) -> None:
    """Notes who moves each endpoint, in place, after a change at `address`, and since when nobody
    does any more. It follows from the automations in state alone: what was never made is not to be
    blamed.
    """
    resource = state.resources.get(address)
    every = address.startswith(f"{AUTOMATION}/")
    if not every and (resource is None or not _is_from_wandb(resource)):
        return  # of most, without a look at all the others
    found = _by_endpoint(_applied(state))
    for name in of_kind(ENDPOINT, state.resources if every else [address]):
        resource, by = state.resources[name], found.get(name, [""])[0]
        if by:
            resource.mover_ended = 0.0
        elif any(get_path(one.spec, MOVED_BY) for one in _specified(resource)):
            resource.mover_ended = resource.mover_ended or time
        resource.prior = _with_mover(resource.prior, by)
        resource.pending = _with_mover(resource.pending, by)
        resource.before = _with_mover(resource.before, by)


def _applied(state: State) -> dict[str, Spec]:
    return {a: state.resources[a].applied.spec for a in of_kind(AUTOMATION, state.resources)}


def of_kind(kind: str, addresses: Iterable[str]) -> list[str]:
    """Those of `addresses` that are of this kind."""
    return [address for address in addresses if address.startswith(f"{kind}/")]


def _by_endpoint(specs: Mapping[str, Spec]) -> dict[str, list[str]]:
    """By endpoint, the enabled automations among `specs` that deploy it, by address."""
    found: dict[str, list[str]] = {}
    for address, spec in sorted(specs.items()):
        endpoint = deployed_by(spec)
        if endpoint and spec.get("enabled", True):
            found.setdefault(endpoint, []).append(address)
    return found


def _specified(resource: Resource) -> list[Applied]:
    return [one for one in (resource.prior, resource.pending, resource.before) if one]


def _is_from_wandb(resource: Resource) -> bool:
    return any(get_path(one.spec, "model.wandb") is not None for one in _specified(resource))


def _with_mover(applied: Applied | None, by: str) -> Applied | None:
    if applied is None or get_path(applied.spec, "model.wandb") is None:
        return applied
    if get_path(applied.spec, MOVED_BY, "") == by:
        return applied
    spec = copied(applied.spec)
    if by:
        set_path(spec, MOVED_BY, by)
    else:
        drop_path(spec, MOVED_BY)
    return replace(applied, spec=spec)
