"""The idempotency keys by which W&B's route knows an endpoint, and who moves it beside us. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count

from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Resource, State
from friendli_iac.resources.artifact import IDEMPOTENCY_KEY, KEY_PREFIX
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import Spec, get_path


def key_of(state: State, address: str, written: Spec, *, again: bool) -> str | None:
    """The key of the endpoint at `address`; None where it has one that nobody here knows. `again`:
    it is to be made anew, and needs another one than what is there. That the key of an endpoint is
    free once that is deleted is inferred: no document says it.
    """
    if said := get_path(written, IDEMPOTENCY_KEY):
        return str(said)
    resource = state.resources.get(address)
    if resource is not None and not again:
        if known := get_path(resource.applied.spec, IDEMPOTENCY_KEY):
            return str(known)
        # Somebody else made it. With a key of ours, its rollout would buy a second GPU.
        model = resource.applied.spec.get("model", {"wandb": {}})
        if IDEMPOTENCY_KEY in resource.unknown or "wandb" in model:
            return None
    first = f"{KEY_PREFIX}/{state.lineage}/{address}"
    taken = {key for one in state.resources.values() for key in _keys(one)}
    keys = (first if n == 1 else f"{first}/{n}" for n in count(1))
    return next(key for key in keys if key not in taken)


def _keys(resource: Resource | None) -> list[str]:
    """The key of a resource, and of those that it has taken the place of."""
    found = []
    while resource is not None:
        found.append(str(get_path(resource.applied.spec, IDEMPOTENCY_KEY)))
        resource = resource.deposed
    return found


def movers(wishes: Mapping[str, Wish], state: State, chosen: Collection[str]) -> dict[str, str]:
    """The addresses of endpoints, each with the address of the enabled automation that deploys it
    by itself. What the plan is not about is as it was applied.
    """
    specs = {a: one.applied.spec for a, one in state.resources.items() if a not in chosen}
    specs |= {a: wishes[a].spec for a in chosen if a in wishes}
    found: dict[str, str] = {}
    for address, spec in sorted(specs.items()):
        deploys, direct = spec.get("deploys"), spec.get("promotion") == "direct"
        if deploys and direct and spec.get("enabled", True):
            found.setdefault(str(Address("Endpoint", str(deploys).rpartition("/")[2])), address)
    return found
