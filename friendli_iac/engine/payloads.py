"""What automations send, from the endpoints that they deploy and the webhooks that they call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from friendli_iac.core.movers import AUTOMATION, ENDPOINT, deployed_by, of_kind
from friendli_iac.core.scene import Scene, Wish
from friendli_iac.core.state import Applied, State
from friendli_iac.core.wanted import wanted_now
from friendli_iac.engine.linking import with_spec
from friendli_iac.errors import Refused
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import ARTIFACT, IDEMPOTENCY_KEY
from friendli_iac.resources.automation_lint import disagreements
from friendli_iac.resources.base import Address
from friendli_iac.resources.payload import (
    NOT_DEPLOYED,
    SETTINGS,
    branch_of,
    payload_of,
    promotion_payload,
    receiver_of,
)
from friendli_iac.resources.spec import BLANK, Spec, copied, get_path, overlay, set_path

WEBHOOK = "Webhook"


@dataclass(frozen=True)
class PayloadLink:
    """A link (`friendli_iac.engine.linking`). Refused for an automation whose payload cannot follow
    from what it deploys. `environment` is what promotions say; empty in a project without any.
    """

    environment: str = ""

    def __call__(
        self, wishes: dict[str, Wish], scene: Scene, chosen: Collection[str]
    ) -> dict[str, Wish]:
        automations = [a for a in of_kind(AUTOMATION, chosen) if a in wishes]
        if not automations:
            return wishes
        linked, known = dict(wishes), _about(wishes, scene.state, chosen)
        for address in automations:
            wish = wishes[address]
            spec = copied(wish.spec)
            if BLANK in (spec["webhook"], spec.get("deploys")):  # a plan with it is refused
                continue
            follows = {}
            webhook = known_spec(WEBHOOK, str(spec["webhook"]), known, scene.state)
            if webhook:
                spec |= {"webhookName": webhook["name"], "webhookTeam": webhook["team"]}
                follows = {"webhookName": "webhook", "webhookTeam": "webhook"}
            if "deploys" in spec and "payload" not in spec:
                spec["payload"] = self._payload(address, spec, webhook, known, scene)
                follows["payload"] = "deploys"
            linked[address] = with_spec(wish, spec, follows=follows)
        return linked

    def _payload(
        self, address: str, spec: Spec, webhook: Spec, wishes: Mapping[str, Wish], scene: Scene
    ) -> dict[str, Any]:
        name = str(spec["deploys"])
        deployed = str(Address(ENDPOINT, name))
        if spec.get("promotion") == "pull-request":
            url = str(webhook.get("url", ""))
            return promotion_payload(receiver_of(url), deployed, branch_of(url), self.environment)
        payload = deploy_payload(address, name, wishes, scene)
        # Where its manifest is not among those that were checked together.
        said = as_asked(wishes.get(deployed) or scene.state.resources[deployed].applied)
        for _, message, remedy in disagreements(spec, {deployed: said}):
            raise _refused(address, message, remedy)
        return payload


def _about(wishes: Mapping[str, Wish], state: State, chosen: Collection[str]) -> Mapping[str, Wish]:
    """`wishes` without those for what the plan is not about, and leaves as it was applied."""
    return {a: wish for a, wish in wishes.items() if a in chosen or a not in state.resources}


def as_asked(one: Wish | Applied) -> Spec:
    """A specification with the artifact as it was said: by alias, where that was locked."""
    artifact = one.asked.get(ARTIFACT)
    if artifact is None:  # as of most: nothing is copied
        return one.spec
    spec = copied(one.spec)
    set_path(spec, ARTIFACT, artifact)
    return spec


def deploy_payload(
    address: str, name: str, wishes: Mapping[str, Wish], scene: Scene
) -> dict[str, Any]:
    """What has a version rolled out on `Endpoint/name` as it is to be: without what a pin holds
    off. Refused, naming `address`, where W&B's route cannot do that.
    """
    deployed, state = str(Address(ENDPOINT, name)), scene.state
    if deployed not in wishes and deployed not in state.resources:
        why = f"{deployed} is neither among the files given nor in state"
        raise _refused(address, why, "Give its file, too, or apply it first.")
    endpoint = known_spec(ENDPOINT, name, _in_force(deployed, wishes, scene), state)
    if get_path(endpoint, "model.wandb") is None:
        message, remedy = NOT_DEPLOYED
        raise _refused(address, message.format(endpoint=deployed), remedy)
    if get_path(endpoint, "instance.gpu") is None:
        why = f"W&B's route takes a type of GPU, and {deployed} names an option by its id"
        raise _refused(address, why, "Say instance.gpu and instance.count.")
    if get_path(endpoint, IDEMPOTENCY_KEY) is None:
        raise _refused(
            address,
            f"the idempotencyKey of {deployed} is not known: without it, each event would make one "
            "more endpoint",
            "Say model.wandb.idempotencyKey, as it was when the endpoint was made; or have "
            f"it made anew: --replace {deployed}",
        )
    return payload_of(endpoint)


def _refused(address: str, why: str, remedy: str) -> Refused:
    return Refused(f"{address}: {why}", safe="Nothing was sent.", next=remedy)


def _in_force(address: str, wishes: Mapping[str, Wish], scene: Scene) -> Mapping[str, Wish]:
    """`wishes`, with what a pin holds off of the one at `address` as it was good."""
    wish, resource = wishes.get(address), scene.state.resources.get(address)
    if wish is None or resource is None:
        return wishes
    spec = wanted_now(scene, KINDS[wish.address.kind], wish, resource).spec
    return {**wishes, address: with_spec(wish, spec)}


def known_spec(kind: str, name: str, wishes: Mapping[str, Wish], state: State) -> Spec:
    """The whole specification of a resource: as it is wanted, and what that leaves out as it was
    applied, or as a create would have it. Empty where nobody knows it.
    """
    address = str(Address(kind, name))
    resource, wish = state.resources.get(address), wishes.get(address)
    applied = resource.applied.spec if resource else {}
    if wish is None:
        return applied
    asked = KINDS[kind].inheritable(applied, wish.spec)
    return KINDS[kind].complete(overlay(KINDS[kind].model, asked, wish.spec))


def outdated(specs: Mapping[str, Spec], endpoints: Collection[str]) -> list[tuple[str, str]]:
    """Which automations go on to send other settings than those of the `endpoints` that they
    deploy, and so take back what was changed without them: the endpoint, and a sentence. `specs`
    are the whole specifications by address.
    """
    found = []
    for address in sorted(of_kind(AUTOMATION, specs)):
        spec, deployed = specs[address], deployed_by(specs[address])
        endpoint = specs.get(deployed, {})
        # Without its artifact, where an automation has moved that.
        gpu, model = get_path(endpoint, "instance.gpu"), get_path(endpoint, "model.wandb")
        if deployed not in endpoints or not (spec.get("enabled", True) and gpu and model):
            continue
        here = payload_of(KINDS[ENDPOINT].complete(endpoint))
        there = _flat({key: spec.get("payload", {}).get(key) for key in SETTINGS.values()})
        other = [f"{p} {v}" for p, v in there.items() if v not in (None, get_path(here, p))]
        if other:
            sentence = (
                f"{address} goes on to send {', '.join(other)}: the next event brings that back. "
                f"To have it send what is in force then: friendli-iac apply --target {address}"
            )
            found.append((deployed, sentence))
    return found


def _flat(payload: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The single values of a payload, by path."""
    found: dict[str, Any] = {}
    for key, value in payload.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found
