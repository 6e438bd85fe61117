"""WebhookAutomation: what W&B calls a webhook for (a `Trigger` in its schema).

Facts are from the sources of the official SDK (wandb 0.31, `automations`) and what it was seen to
send: an update resets what it leaves out, so that all of it is always sent; a create of a name that
its scope has already is 409.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Protocol

from friendli_iac.errors import ApiError, NotFound
from friendli_iac.resources.advice import NOTHING, Advice
from friendli_iac.resources.automation_filter import event_filter
from friendli_iac.resources.automation_lint import (
    PAST_REVIEW,
    AutomationsApi,
    disagreements,
    lint,
)
from friendli_iac.resources.automation_read import place_in, read_automation, scope_of
from friendli_iac.resources.automation_spec import LONGEST_NAME, AutomationSpec
from friendli_iac.resources.base import Action, Observed, Seen, Step
from friendli_iac.resources.payload import SETTINGS
from friendli_iac.resources.plain import NONE, PlainKind, joined, one_of, parted, several
from friendli_iac.resources.spec import Spec, SpecModel

ACTION, CONFIG = "GENERIC_WEBHOOK", "genericWebhookActionInput"


class AutomationApi(AutomationsApi, Protocol):
    """The calls of W&B's API that automations need."""

    def webhooks(self, team: str, *, fresh: bool = False) -> list[dict[str, Any]]: ...
    def create_automation(self, input: dict[str, Any]) -> dict[str, Any]: ...
    def update_automation(self, input: dict[str, Any]) -> dict[str, Any]: ...
    def delete_automation(self, id: str) -> None: ...
    def scope_id(self, path: str) -> tuple[str, str]: ...


class AutomationKind(PlainKind):
    """See `friendli_iac.resources.base.Kind`."""

    name = "WebhookAutomation"
    noun = "automation"
    model: type[SpecModel] = AutomationSpec
    always: ClassVar[Spec] = {"enabled": True}

    def place(self, spec: Spec) -> str:
        return place_in(spec)

    def conflicts(self, target: Spec, changed: Collection[str]) -> list[str]:
        found = []
        if len(target["name"]) > LONGEST_NAME:
            found.append(f"W&B takes names of up to {LONGEST_NAME} characters: {target['name']}")
        if "webhookName" not in target:
            found.append(f"which webhook Webhook/{target.get('webhook')} is in W&B is not known")
        return found

    def advise(
        self,
        api: AutomationApi | None,
        action: Action,
        before: Spec,
        target: Spec,
        observed: Observed | None,
        seen: Mapping[str, Seen],
    ) -> Advice:
        if api is None or action not in ("create", "update", "replace"):
            return NOTHING
        refusals, notes = [], []
        try:
            api.scope_id(self.place(target))
        except NotFound as error:
            refusals.append((str(error), error.next))
        if target.get("promotion") == "direct" and target.get("enabled"):
            notes.append(
                f"promotion: direct: {PAST_REVIEW}. promotion: pull-request goes through all of "
                "them"
            )
            if left := [key for key in SETTINGS.values() if key not in target.get("payload", {})]:
                notes.append(
                    f"it does not send {', '.join(left)}, which Endpoint/{target.get('deploys')} "
                    "ignores, or which W&B's route cannot say: how the service treats what is left "
                    "out is not documented"
                )
        return Advice(notes=tuple(notes), refusals=tuple(refusals))

    def disagreements(self, spec: Spec, every: Mapping[str, Spec]) -> list[tuple[str, str, str]]:
        return disagreements(spec, every)

    def lint(
        self,
        api: AutomationsApi | None,
        address: str,
        spec: Spec,
        every: Mapping[str, Spec],
        ours: Collection[str] = (),
    ) -> tuple[str, ...]:
        return lint(api, address, self.place(spec), spec, every, ours)

    def list(self, api: AutomationApi, project: str) -> dict[str, Observed]:
        return self._listed(api, project, fresh=False)

    def read(self, api: AutomationApi, id: str) -> Observed:
        return one_of(self.noun, self._listed(api, parted(id)[0], fresh=True), id)

    def send(
        self, api: AutomationApi, step: Step, *, id: str | None, spec: Spec, comment: str, key: str
    ) -> str | None:
        if step == "delete":
            api.delete_automation(parted(id or "")[1])
            return id
        place = self.place(spec)
        input = self._input(api, place, spec)
        if step == "update":
            api.update_automation({**input, "id": parted(id or "")[1]})
            return id
        try:
            return joined(place, api.create_automation(input)["id"])
        except ApiError as error:
            if error.status != 409:
                raise
            # It came about all the same: by a request of ours that got no answer, most likely.
            there = [o for o in self._listed(api, place, fresh=True).values()
                     if o.name == spec["name"]]  # fmt: skip
            if len(there) != 1:
                raise
        api.update_automation({**input, "id": parted(there[0].id)[1]})
        return there[0].id

    def _listed(self, api: AutomationsApi, place: str, *, fresh: bool) -> dict[str, Observed]:
        found = {}
        for node in api.automations(place.partition("/")[0], fresh=fresh):
            if scope_of(node)[1] == place:
                observed = _observed(node, place)
                found[observed.id] = observed
        return found

    def _input(self, api: AutomationApi, place: str, spec: Spec) -> dict[str, Any]:
        """The whole of it, as create and update carry it."""
        type, scope = api.scope_id(place)
        event, filter = event_filter(spec["trigger"])
        payload = json.dumps(spec.get("payload", {}), ensure_ascii=False, separators=(",", ":"))
        config = {"integrationID": self._integration(api, spec), "requestPayload": payload}
        input = {
            "name": spec["name"],
            "enabled": spec["enabled"],
            "scopeType": type,
            "scopeID": scope,
            "triggeringEventType": event,
            "eventFilter": filter,
            "triggeredActionType": ACTION,
            "triggeredActionConfig": {CONFIG: config},
        }
        # Left out, it stays; the empty text takes it away.
        return input | ({"description": spec["description"]} if "description" in spec else {})

    def _integration(self, api: AutomationApi, spec: Spec) -> str:
        team, name = spec["webhookTeam"], spec["webhookName"]
        ids = [str(node["id"]) for node in api.webhooks(team) if node.get("name") == name]
        if len(ids) > 1:
            raise several("webhook", team, name, ids)
        if not ids:
            raise NotFound(
                f"team {team} has no webhook {name} in W&B",
                status=404,
                next=f"Apply Webhook/{spec['webhook']} first.",
            )
        return ids[0]


def _observed(node: Mapping[str, Any], place: str) -> Observed:
    spec = read_automation(node)
    status = "ENABLED" if spec["enabled"] else "DISABLED"
    return Observed(
        joined(place, str(node["id"])),
        place,
        spec["name"],
        spec,
        status,
        "served",
        created_at=node.get("createdAt"),
        replicas=NONE,
        details=node,
    )


AUTOMATION = AutomationKind()
