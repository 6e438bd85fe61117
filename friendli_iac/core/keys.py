"""The idempotency keys by which W&B's route knows an endpoint, and who moves it beside us. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count

from friendli_iac.core.plan import Change, Refusal
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import Applied, Resource, State
from friendli_iac.resources.artifact import IDEMPOTENCY_KEY, KEY_PREFIX, MOVED_BY
from friendli_iac.resources.base import Address, Observed
from friendli_iac.resources.spec import Spec, copied, drop_path, get_path, set_path

AUTOMATION, ENDPOINT = "WebhookAutomation/", "Endpoint/"  # how their addresses begin


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
    taken = {*_in_state(state), *state.forgotten_keys}
    keys = (first if n == 1 else f"{first}/{n}" for n in count(1))
    return next(key for key in keys if key not in taken)


def left_behind(state: State, keys: Iterable[str]) -> list[str]:
    """The keys of what was given up, with `keys`, and without those of what is in state."""
    known, ours = dict.fromkeys([*state.forgotten_keys, *keys]), _in_state(state)
    return [key for key in known if key not in ours]


def keys_of(resource: Resource | None) -> list[str]:
    """The key of a resource, and of those that it has taken the place of."""
    return [key for _, key in _known_by(resource)]


def _known_by(resource: Resource | None) -> Iterator[tuple[str, str]]:
    """The project and the key of a resource, and of those that it has taken the place of."""
    while resource is not None:
        if key := get_path(resource.applied.spec, IDEMPOTENCY_KEY):
            yield resource.project, str(key)
        resource = resource.deposed


def _in_state(state: State) -> set[str]:
    return {key for resource in state.resources.values() for key in keys_of(resource)}


def movers(wishes: Mapping[str, Wish], state: State, chosen: Collection[str]) -> dict[str, str]:
    """The addresses of endpoints, each with the address of the enabled automation that deploys it
    by itself, and is to: until it is made and enabled, the artifact is ours. What the plan is not
    about is as it was applied.
    """
    specs = {a: r.applied.spec for a, r in state.resources.items() if a.startswith(AUTOMATION)}
    found: dict[str, str] = {}
    for address, spec in sorted(specs.items()):
        endpoint, wanted = _moves(spec), spec
        if address in chosen:
            wanted = wishes[address].spec if address in wishes else {}
        if endpoint and _moves(wanted) == endpoint:
            found.setdefault(endpoint, address)
    return found


def note_movers(state: State, address: str) -> None:
    """Notes who moves each endpoint, in place, after a change at `address`. It follows from the
    automations in state alone: what was never made, or is gone, is not to be blamed.
    """
    resource = state.resources.get(address)
    every = address.startswith(AUTOMATION)
    if not every and (resource is None or not _is_from_wandb(resource)):
        return  # of most, without a look at all the others
    found = movers({}, state, ())
    for name in state.resources if every else (address,):
        resource = state.resources[name]
        if name.startswith(ENDPOINT):
            by = found.get(name, "")
            resource.prior = _with_mover(resource.prior, by)
            resource.pending = _with_mover(resource.pending, by)
            resource.before = _with_mover(resource.before, by)


def _is_from_wandb(resource: Resource) -> bool:
    specs = [one.spec for one in (resource.prior, resource.pending, resource.before) if one]
    return any(get_path(spec, "model.wandb") is not None for spec in specs)


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


def _moves(spec: Spec) -> str:
    """The address of the endpoint that an automation rolls out by itself; empty for any other."""
    deploys, direct = spec.get("deploys"), spec.get("promotion") == "direct"
    if not (deploys and direct and spec.get("enabled", True)):
        return ""
    return str(Address("Endpoint", str(deploys).rpartition("/")[2]))


def shared(state: State, changes: Iterable[Change]) -> list[Refusal]:
    """Against one key for two endpoints of a project: W&B's route would take one for the other."""
    known = [(key, a) for a, one in state.resources.items() for key in _known_by(one)]
    asked: list[tuple[tuple[str, str], str]] = []
    found = []
    for change in changes:
        resource = state.resources.get(change.address)
        key = get_path(change.after.spec, IDEMPOTENCY_KEY) if change.after else None
        if key is None or change.action in ("terminate", "sleep"):  # which end what bills
            continue
        meant = (change.project, str(key))
        others = [a for one, a in [*known, *asked] if one == meant and a != change.address]
        if resource is not None and "create" in change.steps and change.deposes:
            others += [f"{change.address} (deposed)"] * (meant in list(_known_by(resource.deposed)))
        asked.append((meant, change.address))
        if others:
            found.append(
                Refusal(
                    change.address,
                    f"its idempotencyKey {key} is that of {others[0]} in the same project: W&B's "
                    "route would roll that one out, and not this one",
                    "Say another model.wandb.idempotencyKey, or leave it out.",
                )
            )
    return found


def deployers(state: State, changes: Iterable[Change]) -> dict[str, list[str]]:
    """By address of what `changes` make anew: the automations in state that send events to what
    ends, which are known by its key.
    """
    found = {}
    for change in changes:
        resource = state.resources.get(change.address)
        if change.action == "replace" and resource is not None:
            ends = set(_known_by(resource.deposed if change.leftover else resource))
            found[change.address] = [
                address
                for address, one in sorted(state.resources.items())
                if _sent_to(one.applied.spec) in ends
            ]
    return {address: by for address, by in found.items() if by}


def refired(
    state: State, live: Mapping[str, Observed | None], changes: Iterable[Change]
) -> list[Refusal]:
    """Against making anew what an automation deploys: from the end of the old one until the
    automation knows the key of the new one, an event would buy one more.
    """
    found = []
    for address, by in deployers(state, changes).items():
        for automation in by:
            applied = state.resources[automation].applied.spec
            seen = live.get(automation)
            gone = automation in live and seen is None
            if not gone and (applied.get("enabled", True) or (seen and seen.spec.get("enabled"))):
                found.append(
                    Refusal(
                        address,
                        f"{automation} may deploy it while it is made anew, and an event in "
                        "between would buy a second one",
                        f"Say `enabled: false` for {automation} (in its manifest: put it back if "
                        "it was taken out), and apply; then make it anew, and enable it.",
                    )
                )
    return found


def stopped(state: State, changes: Iterable[Change]) -> dict[str, list[str]]:
    """By address of endpoints: the automations that `changes` keep from sending events to them."""
    found: dict[str, list[str]] = {}
    for change in changes:
        resource = state.resources.get(change.address)
        sent = _sent_to(resource.applied.spec) if resource is not None else None
        if sent and resource and _stops(resource.applied.spec, change):
            for address, one in state.resources.items():
                if sent in _known_by(one):
                    found.setdefault(address, []).append(change.address)
    return found


def _stops(before: Spec, change: Change) -> bool:
    """Whether what sent events as it was `before` sends none to there after the change."""
    if change.action == "delete":
        return True
    if change.action not in ("update", "replace") or change.after is None:
        return False
    after = change.after.spec
    fired = before.get("enabled", True) or any(f.path == "enabled" for f in change.fields)
    deploys = after.get("deploys") if after.get("promotion") == "direct" else None
    same = _sent_to(after) == _sent_to(before) or deploys == before.get("deploys") is not None
    return fired and not (same and after.get("enabled", True))


def _sent_to(spec: Spec) -> tuple[str, str] | None:
    """The project and the key in a payload; None where nothing sends one."""
    payload = spec.get("payload")
    if not isinstance(payload, dict) or not payload.get("idempotencyKey"):
        return None
    return str(payload.get("projectId")), str(payload["idempotencyKey"])
