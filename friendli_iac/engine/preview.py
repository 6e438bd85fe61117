"""What W&B would bring about by adding an alias to a version: nothing is sent, and none is locked.

Live automations are read, whosever they are, and those of the manifests that were not applied yet.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Protocol

from friendli_iac.core.plan import Change, Plan
from friendli_iac.core.preview import Preview, firings
from friendli_iac.core.scene import Scene, Wish
from friendli_iac.engine.engine import Engine
from friendli_iac.engine.linking import with_spec
from friendli_iac.engine.payloads import deploy_payload
from friendli_iac.engine.planning import Selection, Wishes
from friendli_iac.errors import NotFound, Refused, UsageError
from friendli_iac.resources.artifact import (
    ARTIFACT,
    IDEMPOTENCY_KEY,
    MOVED_BY,
    ArtifactName,
    ArtifactVersion,
)
from friendli_iac.resources.base import Address
from friendli_iac.resources.spec import copied, drop_path, get_path, set_path


class Registry(Protocol):
    """What is asked of W&B. Raises ApiError and its children."""

    def versions(self, path: str) -> list[ArtifactVersion]: ...
    def automations(self, entity: str, *, fresh: bool = False) -> list[dict[str, Any]]: ...


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
    linked = engine.linker.linked(wanted, Scene(known.state), sorted(wanted))
    specs = {address: wish.spec for address, wish in linked.items()}
    nodes = wandb.automations(path.partition("/")[0], fresh=True)
    fired = tuple(firings(known.state, specs, nodes, comes, alias, engine.environment))
    told = Preview(path, alias, leaves, comes, fired, {})
    planned = dict.fromkeys(one.deploys for one in fired if one.deploys in wanted and one.enabled)
    if told.unchanged:
        return told
    plans = {address: _plan(engine, wishes, address, comes) for address in planned}
    return replace(told, plans=plans)


def payload(engine: Engine, wishes: Wishes, address: str) -> dict[str, Any]:
    """What the automation at `address` sends; of an endpoint, what one would send to have a version
    rolled out on it. W&B is not asked.

    Refused where that does not follow from the manifests, or is not known before an apply;
    UsageError for what has none.
    """
    known, _ = engine.known()
    wanted = {str(one): wish for one, wish in wishes.items()}
    linked = engine.linker.linked(wanted, Scene(known.state), sorted(wanted))
    spec = linked[address].spec
    if "trigger" in spec and "payload" in spec:
        found: dict[str, Any] = spec["payload"]
        deployed = f"Endpoint/{spec.get('deploys')}"
    elif get_path(spec, ARTIFACT):
        deployed = address
        name = Address.parse(address).name
        found = deploy_payload(address, name, linked, Scene(known.state))
    else:
        raise UsageError(
            f"{address} has no payload: it is no automation, and no endpoint from an artifact",
            next="friendli-iac wandb payload WebhookAutomation/NAME",
        )
    kept = known.state.serial > 0 or (
        deployed in wanted and get_path(wanted[deployed].spec, IDEMPOTENCY_KEY)
    )
    if "idempotencyKey" in found and not kept:
        raise Refused(
            f"the idempotency key of {deployed} is not known before the first apply",
            safe="Nothing was sent.",
            next="friendli-iac apply first: with another key, W&B would make a second endpoint.",
        )
    return found


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
    plan = replace(engine, linker=linker).plan(moved, Selection(targets=(address,)))
    return replace(plan, changes=tuple(map(_without_ownership, plan.changes)))


def _without_ownership(change: Change) -> Change:
    """Without who moves it, and as what the version is asked for: both stay as they are."""
    aside = (MOVED_BY, ARTIFACT)
    kept = tuple(f for f in change.fields if not (f.local and f.path in aside))
    return replace(change, fields=kept)


def _nobodys(wishes: dict[str, Wish], scene: Scene, chosen: Collection[str]) -> dict[str, Wish]:
    """A link: no automation moves what is chosen, so that the plan shows what one would do."""
    found = dict(wishes)
    for address in chosen:
        if address in found and get_path(found[address].spec, MOVED_BY):
            spec = copied(found[address].spec)
            drop_path(spec, MOVED_BY)
            found[address] = with_spec(found[address], spec)
    return found
