"""What automations send, from the endpoints that they deploy and the webhooks that they call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from friendli_iac.core.scene import Wish
from friendli_iac.core.state import State
from friendli_iac.engine.linking import with_spec
from friendli_iac.errors import Refused
from friendli_iac.resources import KINDS
from friendli_iac.resources.artifact import IDEMPOTENCY_KEY
from friendli_iac.resources.base import Address
from friendli_iac.resources.payload import (
    NOT_DEPLOYED,
    branch_of,
    payload_of,
    promotion_payload,
    receiver_of,
)
from friendli_iac.resources.spec import BLANK, Spec, copied, get_path, overlay

AUTOMATION, WEBHOOK, ENDPOINT = "WebhookAutomation", "Webhook", "Endpoint"


@dataclass(frozen=True)
class PayloadLink:
    """A link (`friendli_iac.engine.linking`). Refused for an automation whose payload cannot follow
    from what it deploys. `environment` is what promotions say; empty in a project without any.
    """

    environment: str = ""

    def __call__(
        self,
        wishes: dict[str, Wish],
        state: State,
        chosen: Collection[str],
        replaced: Collection[str],
    ) -> dict[str, Wish]:
        linked = dict(wishes)
        for address in chosen:
            if Address.parse(address).kind != AUTOMATION or address not in wishes:
                continue
            wish = wishes[address]
            spec = copied(wish.spec)
            if BLANK in (spec["webhook"], spec.get("deploys")):  # a plan with it is refused
                continue
            follows = {}
            webhook = known_spec(WEBHOOK, str(spec["webhook"]), wishes, state)
            if webhook:
                spec |= {"webhookName": webhook["name"], "webhookTeam": webhook["team"]}
                follows = {"webhookName": "webhook", "webhookTeam": "webhook"}
            if "deploys" in spec and "payload" not in spec:
                spec["payload"] = self._payload(address, spec, webhook, wishes, state)
                follows["payload"] = "deploys"
            linked[address] = with_spec(wish, spec, follows=follows)
        return linked

    def _payload(
        self, address: str, spec: Spec, webhook: Spec, wishes: dict[str, Wish], state: State
    ) -> dict[str, Any]:
        name = str(spec["deploys"])
        deployed = str(Address(ENDPOINT, name))
        if spec.get("promotion") == "pull-request":
            url = str(webhook.get("url", ""))
            return promotion_payload(receiver_of(url), deployed, branch_of(url), self.environment)
        return deploy_payload(address, name, wishes, state)


def deploy_payload(
    address: str, name: str, wishes: Mapping[str, Wish], state: State
) -> dict[str, Any]:
    """What has a version rolled out on `Endpoint/name`. Refused, naming `address`, where W&B's
    route cannot do that.
    """
    deployed = str(Address(ENDPOINT, name))
    if deployed not in wishes and deployed not in state.resources:
        raise Refused(
            f"{address}: {deployed} is neither among the files given nor in state",
            safe="Nothing was sent.",
            next="Give its file, too, or apply it first.",
        )
    endpoint = known_spec(ENDPOINT, name, wishes, state)
    if get_path(endpoint, "model.wandb") is None:
        message, remedy = NOT_DEPLOYED
        raise Refused(
            f"{address}: {message.format(endpoint=deployed)}", safe="Nothing was sent.", next=remedy
        )
    if get_path(endpoint, "instance.gpu") is None:
        raise Refused(
            f"{address}: W&B's route takes a type of GPU, and {deployed} names an option by its id",
            safe="Nothing was sent.",
            next="Say instance.gpu and instance.count.",
        )
    if get_path(endpoint, IDEMPOTENCY_KEY) is None:
        raise Refused(
            f"{address}: the idempotencyKey of {deployed} is not known: without it, each event "
            "would make one more endpoint",
            safe="Nothing was sent.",
            next="Say model.wandb.idempotencyKey, as it was when the endpoint was made; or have "
            f"it made anew: --replace {deployed}",
        )
    return payload_of(endpoint)


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
