"""The idempotency keys by which W&B's route knows an endpoint, and who sends which. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from friendli_iac.core.movers import deployed_by
from friendli_iac.core.plan import Change, Refusal
from friendli_iac.core.state import Resource, State
from friendli_iac.resources.artifact import IDEMPOTENCY_KEY, KEY_PREFIX
from friendli_iac.resources.base import Observed
from friendli_iac.resources.spec import Spec, get_path

Sent = tuple[str, str]  # a project and a key in it: what W&B's route goes by


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


def left_behind(state: State, keys: Iterable[str]) -> dict[str, int]:
    """The keys of what was given up, with `keys` as of now, and without those of what is in state.
    Each has the serial at which it was given up.
    """
    known, ours = state.forgotten_keys | dict.fromkeys(keys, state.serial), _in_state(state)
    return {key: serial for key, serial in known.items() if key not in ours}


def keys_of(resource: Resource | None) -> list[str]:
    """The key of a resource, and of those that it has taken the place of."""
    return [key for _, key in _known_by(resource)]


def _known_by(resource: Resource | None) -> Iterator[Sent]:
    """The project and the key of a resource, and of those that it has taken the place of."""
    while resource is not None:
        if key := get_path(resource.applied.spec, IDEMPOTENCY_KEY):
            yield resource.project, str(key)
        resource = resource.deposed


def _in_state(state: State) -> set[str]:
    return {key for resource in state.resources.values() for key in keys_of(resource)}


def shared(state: State, changes: Iterable[Change]) -> list[Refusal]:
    """Against one key for two endpoints of a project: W&B's route would take one for the other."""
    known = [(key, a) for a, one in state.resources.items() for key in _known_by(one)]
    asked: list[tuple[Sent, str]] = []
    found = []
    for change in changes:
        resource, meant = state.resources.get(change.address), _meant(change)
        if meant is None or change.action in ("terminate", "sleep"):  # which end what bills
            continue
        others = [a for one, a in [*known, *asked] if one == meant and a != change.address]
        if resource is not None and "create" in change.steps and change.deposes:
            others += [f"{change.address} (deposed)"] * (meant in list(_known_by(resource.deposed)))
        asked.append((meant, change.address))
        if others:
            found.append(
                Refusal(
                    change.address,
                    f"its idempotencyKey {meant[1]} is that of {others[0]} in the same project: "
                    "W&B's route would roll that one out, and not this one",
                    "Say another model.wandb.idempotencyKey, or leave it out.",
                )
            )
    return found


def taken_since(state: State, serial: int, changes: Iterable[Change]) -> list[str]:
    """A sentence for each of `changes`, planned at `serial`, that would create by a key that is
    another resource's by now, or was given up since: W&B's route would roll that one out.
    """
    if serial >= state.serial:  # what it was made from said all that there is to say
        return []
    known = {key: a for a, one in state.resources.items() for key in _known_by(one)}
    found = []
    for change in changes:
        meant = _meant(change) if "create" in change.steps else None
        if meant is None:
            continue
        if (other := known.get(meant, change.address)) != change.address:
            found.append(f"the idempotencyKey of {change.address} is that of {other} now")
        elif state.forgotten_keys.get(meant[1], -1) >= serial:
            found.append(f"the idempotencyKey of {change.address} may be of what was given up")
    return found


def ends(state: State, change: Change) -> set[Sent]:
    """By what W&B's route knows what the change ends, or finds gone: nothing has it afterwards."""
    resource = state.resources.get(change.address)
    if change.action not in ("create", "replace", "delete") or resource is None:
        return set()
    found = set(_known_by(resource.deposed if change.leftover else resource))
    return found - {_meant(change)} if change.action == "create" else found


def deployers(state: State, changes: Iterable[Change]) -> dict[str, list[str]]:
    """By address of what `changes` make anew: the automations in state that send events to what
    ends or is gone, or deploy it by another key than it is to have.
    """
    sent = {a: _sent for a, one in state.resources.items() if (_sent := sent_to(one.applied.spec))}
    found = {}
    for change in changes:
        if not sent or change.action not in ("create", "replace"):
            continue
        gone, new = ends(state, change), _meant(change)
        found[change.address] = [
            address
            for address, to in sorted(sent.items())
            if to in gone
            or (
                to != new
                and not change.leftover
                and deployed_by(state.resources[address].applied.spec) == change.address
            )
        ]
    return {address: by for address, by in found.items() if by}


def refired(
    state: State, live: Mapping[str, Observed | None], changes: Iterable[Change]
) -> list[Refusal]:
    """Against making anew what an automation deploys: from the end of the old one until the
    automation knows the key of the new one, an event would buy one more. What is gone has ended
    already: there it is enough that the plan stops the automation first.
    """
    changes = list(changes)
    actions, stops = {change.address: change.action for change in changes}, stopped(state, changes)
    found = []
    for address, by in deployers(state, changes).items():
        created = actions[address] == "create"
        for automation in by:
            applied = state.resources[automation].applied.spec
            seen = live.get(automation)
            gone = automation in live and seen is None
            if gone or (created and automation in stops.get(address, ())):
                continue
            if applied.get("enabled", True) or (seen and seen.spec.get("enabled")):
                found.append(_bought(address, automation, created=created))
    return found


def _bought(address: str, automation: str, *, created: bool) -> Refusal:
    """`created`: what was there is gone, and there is another key; else there is a time between."""
    if created:
        how = "deploys it by another key than it is to have, and the next event"
        first = "Leave --replace and a new idempotencyKey out, where there is one; or say"
        then = "enable it"
    else:
        how = "may deploy it while it is made anew, and an event in between"
        first, then = "Say", "make it anew, and enable it"
    return Refusal(
        address,
        f"{automation} {how} would buy a second one",
        f"{first} `enabled: false` for {automation} (in its manifest: put it back if it was taken "
        f"out), and apply; then {then}.",
    )


def stopped(state: State, changes: Iterable[Change]) -> dict[str, list[str]]:
    """By address of endpoints: the automations that `changes` keep from sending events there."""
    found: dict[str, list[str]] = {}
    for change in changes:
        resource = state.resources.get(change.address)
        sent = sent_to(resource.applied.spec) if resource is not None else None
        if sent and resource and _stops(resource.applied.spec, change):
            deployed = {a for a, one in state.resources.items() if sent in _known_by(one)}
            # One that was given up since, and is made anew, is known by its address alone.
            for address in sorted(deployed | {deployed_by(resource.applied.spec)} - {""}):
                found.setdefault(address, []).append(change.address)
    return found


def _meant(change: Change) -> Sent | None:
    """The project and the key of what the change is to bring about."""
    key = get_path(change.after.spec, IDEMPOTENCY_KEY) if change.after else None
    return (change.project, str(key)) if key is not None else None


def _stops(before: Spec, change: Change) -> bool:
    """Whether what sent events as it was `before` sends none to there after the change."""
    if change.action == "delete":
        return True
    if change.action not in ("update", "replace") or change.after is None:
        return False
    after = change.after.spec
    fired = before.get("enabled", True) or any(f.path == "enabled" for f in change.fields)
    deploys = after.get("deploys") if after.get("promotion") == "direct" else None
    same = sent_to(after) == sent_to(before) or deploys == before.get("deploys") is not None
    return fired and not (same and after.get("enabled", True))


def sent_to(spec: Spec) -> Sent | None:
    """The project and the key in a payload; None where nothing sends one."""
    payload = spec.get("payload")
    if not isinstance(payload, dict) or not payload.get("idempotencyKey"):
        return None
    return str(payload.get("projectId")), str(payload["idempotencyKey"])
