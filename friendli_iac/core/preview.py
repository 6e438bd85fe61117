"""Which automations of W&B an alias would fire, and what they send. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from friendli_iac.core.plan import Plan
from friendli_iac.core.state import State
from friendli_iac.resources.artifact import ARTIFACT, IDEMPOTENCY_KEY, ArtifactVersion
from friendli_iac.resources.automation_filter import ADD_ALIAS, fires
from friendli_iac.resources.automation_lint import covers
from friendli_iac.resources.automation_read import place_in, read_automation, scope_of
from friendli_iac.resources.payload import Receiver, environment_of, receiver_of
from friendli_iac.resources.payload_values import alias_added, filled
from friendli_iac.resources.spec import Spec, get_path

_SAID = ("trigger", "payload", "enabled", "action")  # what of an automation decides what happens


@dataclass(frozen=True)
class Firing:
    """An automation that the event fires. `address` is ours, empty for somebody else's; `action`
    what it does where it calls no webhook, such as NOTIFICATION; `url` where it sends to; `payload`
    with its variables filled in. `deploys` is the address of the endpoint that another version
    comes to, empty where it is none of ours.

    `live`: it is in W&B, and not only in the manifests; `changed`: those want it otherwise, and
    were not applied. `certain`: neither its event nor its filter or scope is one that cannot be
    judged here; an unknown scope is empty.
    """

    name: str
    scope: str
    address: str
    action: str
    url: str
    receiver: Receiver
    payload: Any
    live: bool
    changed: bool
    certain: bool
    enabled: bool
    deploys: str


@dataclass(frozen=True)
class Preview:
    """What adding `alias` brings about. `leaves` is the version that has it now. `plans` are what
    it comes to, by the address of the endpoint.
    """

    path: str
    alias: str
    leaves: ArtifactVersion | None
    comes: ArtifactVersion
    firings: tuple[Firing, ...]
    plans: Mapping[str, Plan]

    @property
    def unchanged(self) -> bool:
        """Whether the version has the alias already: then W&B sends nothing."""
        return self.leaves is not None and self.leaves.version == self.comes.version


def firings(
    state: State,
    specs: Mapping[str, Spec],
    nodes: Sequence[Mapping[str, Any]],
    comes: ArtifactVersion,
    alias: str,
    environment: str = "",
) -> Iterator[Firing]:
    """What adding `alias` to a version fires. `specs` are wanted, by address, and `nodes` what W&B
    has, whosever it is: those come first, then what is only in the manifests. What promotes in
    another `environment` deploys nothing of this one.
    """
    ids = {one.id: address for address, one in state.resources.items()}
    seen = set()
    values = alias_added(comes, alias)
    for node in nodes:
        spec, (_, scope) = read_automation(node), scope_of(node)
        address = ids.get(f"{scope}:{node.get('id')}") or _same(specs, scope, spec["name"])
        seen.add(address)
        integration = (node.get("action") or {}).get("integration") or {}
        url = str(integration.get("urlEndpoint") or "")
        if not scope or covers(scope, comes.path):
            yield from _firing(specs, spec, scope, address, url, values, environment, live=True)
    for address, spec in specs.items():
        if "trigger" not in spec or address in seen or not covers(place_in(spec), comes.path):
            continue
        url = str(get_path(specs.get(f"Webhook/{spec.get('webhook')}", {}), "url", ""))
        yield from _firing(
            specs, spec, place_in(spec), address, url, values, environment, live=False
        )


def _firing(
    specs: Mapping[str, Spec],
    spec: Spec,
    scope: str,
    address: str,
    url: str,
    values: Mapping[str, str],
    environment: str,
    *,
    live: bool,
) -> Iterator[Firing]:
    matched = fires(spec["trigger"], ADD_ALIAS, values)
    if matched is False:
        return
    payload = filled(spec.get("payload", {}), values)
    receiver = receiver_of(url)
    yield Firing(
        str(spec.get("name") or address.partition("/")[2]),
        scope,
        address,
        _action(str(spec.get("action", ""))),
        url,
        receiver,
        payload,
        live,
        live and any(spec.get(key) != specs[address].get(key) for key in _SAID if address in specs),
        matched is True and scope != "",
        bool(spec.get("enabled", True)),
        _deploys(specs, receiver, payload, environment),
    )


def _action(typename: str) -> str:
    """What W&B calls a type of action: `NoOpTriggeredAction` is NO_OP."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", typename.removesuffix("TriggeredAction"))
    return words.upper()


def _same(specs: Mapping[str, Spec], scope: str, name: str) -> str:
    """The address of what the manifests want of this name, in this scope; empty without one."""
    same = (a for a, s in specs.items() if "trigger" in s and place_in(s) == scope)
    return next((address for address in same if specs[address].get("name") == name), "")


def _deploys(specs: Mapping[str, Spec], receiver: Receiver, payload: Any, environment: str) -> str:
    """The endpoint that a payload is about: by its key where Friendli is sent it, and by what it
    says where a repository is.
    """
    if not isinstance(payload, dict):
        return ""
    found = {address: spec for address, spec in specs.items() if get_path(spec, ARTIFACT)}
    if receiver == "friendli":
        meant = [payload.get("projectId"), payload.get("idempotencyKey")]
        same = (
            a for a, s in found.items() if [s["project"], get_path(s, IDEMPOTENCY_KEY)] == meant
        )
        return next(same, "")
    if environment_of(payload) not in ("", environment):
        return ""
    said = set(_texts(payload))
    return next((address for address in found if address in said), "")


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value
