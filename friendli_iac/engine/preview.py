"""What W&B would bring about by adding an alias to a version: nothing is sent, and none is locked.

Live automations are read, whosever they are, and those of the manifests that were not applied yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from friendli_iac.core.plan import Plan
from friendli_iac.core.scene import Wish
from friendli_iac.core.state import State
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.linking import with_spec
from friendli_iac.engine.planning import Selection, Wishes
from friendli_iac.errors import NotFound, UsageError
from friendli_iac.resources.artifact import (
    ARTIFACT,
    IDEMPOTENCY_KEY,
    MOVED_BY,
    ArtifactName,
    ArtifactVersion,
)
from friendli_iac.resources.automation_filter import ADD_ALIAS, fires
from friendli_iac.resources.automation_lint import covers
from friendli_iac.resources.automation_read import place_in, read_automation, scope_of
from friendli_iac.resources.payload import Receiver, receiver_of
from friendli_iac.resources.payload_values import alias_added, filled
from friendli_iac.resources.spec import Spec, copied, drop_path, get_path, set_path


class Registry(Protocol):
    """What is asked of W&B. Raises ApiError and its children."""

    def versions(self, path: str) -> list[ArtifactVersion]: ...
    def automations(self, entity: str, *, fresh: bool = False) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Firing:
    """An automation that the event fires. `address` is ours, empty for somebody else's; `url` where
    it sends to; `payload` with its variables filled in. `live`: it is in W&B, and not only in the
    manifests. `certain`: its filter says nothing that cannot be told here. `deploys` is the address
    of the endpoint that another version comes to, empty where it is none of ours.
    """

    name: str
    scope: str
    address: str
    url: str
    receiver: Receiver
    payload: Any
    live: bool
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


def preview(
    engine: Engine, wandb: Registry, wishes: Wishes, path: str, alias: str, to: str = ""
) -> Preview:
    """What adding `alias` to a version of the collection `path` would bring about: `to`, or the
    newest one. NotFound where there is none; UsageError for a path that is none.
    """
    try:
        ArtifactName.parse(f"{path}:{alias}")
    except ValueError as error:
        raise UsageError(
            f"{path!r} and {alias!r} are no collection and alias",
            next="friendli-iac wandb preview ENTITY/PROJECT/COLLECTION --alias production",
        ) from error
    versions = wandb.versions(path)
    comes = _version(versions, path, to)
    leaves = next((version for version in versions if alias in version.aliases), None)
    known, _ = engine.known()
    wanted = {str(address): wish for address, wish in wishes.items()}
    linked = engine.linker.linked(wanted, known.state, sorted(wanted), ())
    specs = {address: wish.spec for address, wish in linked.items()}
    nodes = wandb.automations(path.partition("/")[0], fresh=True)
    firings = tuple(_firings(known.state, specs, nodes, comes, alias))
    planned = dict.fromkeys(one.deploys for one in firings if one.deploys in wanted and one.enabled)
    return Preview(
        path,
        alias,
        leaves,
        comes,
        firings,
        {address: _plan(engine, wishes, address, comes) for address in planned},
    )


def _version(versions: list[ArtifactVersion], path: str, to: str) -> ArtifactVersion:
    found = [version for version in versions if to in ("", version.version)]
    if found:
        return found[0]
    there = ", ".join(version.version for version in versions[:8])
    raise NotFound(
        f"{path} has no version {to}".rstrip() + " in W&B",
        status=404,
        next=f"The newest are {there}." if there else "Link a version to it first.",
    )


def _firings(
    state: State,
    specs: Mapping[str, Spec],
    nodes: list[dict[str, Any]],
    comes: ArtifactVersion,
    alias: str,
) -> Iterator[Firing]:
    """Those in W&B first, then those that are only in the manifests."""
    ids = {one.id: address for address, one in state.resources.items()}
    seen = set()
    values = alias_added(comes, alias)
    for node in nodes:
        spec, (_, scope) = read_automation(node), scope_of(node)
        address = ids.get(f"{scope}:{node.get('id')}") or _same(specs, scope, spec["name"])
        seen.add(address)
        integration = (node.get("action") or {}).get("integration") or {}
        url = str(integration.get("urlEndpoint") or "")
        if scope and covers(scope, comes.path):
            yield from _firing(specs, spec, scope, address, url, values, live=True)
    for address, spec in specs.items():
        if "trigger" not in spec or address in seen or not covers(place_in(spec), comes.path):
            continue
        url = str(get_path(specs.get(f"Webhook/{spec.get('webhook')}", {}), "url", ""))
        yield from _firing(specs, spec, place_in(spec), address, url, values, live=False)


def _firing(
    specs: Mapping[str, Spec],
    spec: Spec,
    scope: str,
    address: str,
    url: str,
    values: Mapping[str, str],
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
        url,
        receiver,
        payload,
        live,
        matched is True,
        bool(spec.get("enabled", True)),
        _deploys(specs, receiver, payload),
    )


def _same(specs: Mapping[str, Spec], scope: str, name: str) -> str:
    """The address of what the manifests want of this name, in this scope; empty without one."""
    same = (a for a, s in specs.items() if "trigger" in s and place_in(s) == scope)
    return next((address for address in same if specs[address].get("name") == name), "")


def _deploys(specs: Mapping[str, Spec], receiver: Receiver, payload: Any) -> str:
    """The endpoint that a payload is about: by its key where Friendli is sent it, and by what it
    says where a repository is.
    """
    if not isinstance(payload, dict):
        return ""
    found = {address: spec for address, spec in specs.items() if get_path(spec, ARTIFACT)}
    if receiver == "friendli":
        meant = [payload.get("projectId"), payload.get("idempotencyKey")]
        same = (a for a, s in found.items() if [s["project"], get_path(s, IDEMPOTENCY_KEY)] == meant)
        return next(same, "")
    said = set(_texts(payload))
    return next((address for address in found if address in said), "")


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _plan(engine: Engine, wishes: Wishes, address: str, comes: ArtifactVersion) -> Plan:
    """What a manifest that says this version would come to, as if nobody else moved it."""

    def moved() -> Wishes:
        found = dict(wishes)
        for where, wish in wishes.items():
            if str(where) == address:
                spec = copied(wish.spec)
                set_path(spec, ARTIFACT, str(comes.name))
                found[where] = with_spec(wish, spec)
        return found

    linker = replace(engine.linker, links=(*engine.linker.links, _nobodys))
    return replace(engine, linker=linker).plan(moved, Selection(targets=(address,)))


def _nobodys(
    wishes: dict[str, Wish], state: State, chosen: Collection[str], replaced: Collection[str]
) -> dict[str, Wish]:
    """A link: no automation moves what is chosen, so that the plan shows what one would do."""
    found = dict(wishes)
    for address in chosen:
        if address in found and get_path(found[address].spec, MOVED_BY):
            spec = copied(found[address].spec)
            drop_path(spec, MOVED_BY)
            found[address] = with_spec(found[address], spec)
    return found
