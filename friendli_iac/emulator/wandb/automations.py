"""Webhooks and automations: what mutations may do to them."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from .filters import parse_filter
from .records import MATCH_ALL, Automation, Json, Secret, Webhook
from .registry import Refused, Registry

_WEBHOOK_NAME = re.compile(r"[-\w]+([ ]+[-\w]+)*")
_FIELDS = {
    "name": "name",
    "description": "description",
    "enabled": "enabled",
    "scopeType": "scope_type",
    "scopeID": "scope_id",
    "triggeringEventType": "event_type",
    "eventFilter": "event_filter",
    "triggeredActionType": "action_type",
    "triggeredActionConfig": "config",
}
_ACTION_INPUTS = {
    "ARIA": "ariaActionInput",
    "GENERIC_WEBHOOK": "genericWebhookActionInput",
    "NOTIFICATION": "notificationActionInput",
    "NO_OP": "noOpActionInput",
    "PUSH_NOTIFICATION": "pushNotificationActionInput",
    "QUEUE_JOB": "queueJobActionInput",
}


class Automations:
    """The integrations and triggers of a registry. Whoever calls it holds the store's lock."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    # Webhooks

    def webhook(self, webhook_id: str) -> Webhook:
        """A webhook by its id; 404 if there is none."""
        found = self.registry.world.webhooks.get(webhook_id)
        if found is None:
            raise Refused(404, f"integration {webhook_id!r} not found")
        return found

    def webhooks(self, team: str) -> list[Webhook]:
        """The webhooks of a team, oldest first."""
        return [one for one in self.registry.world.webhooks.values() if one.team == team]

    def create_webhook(self, sent: Json) -> Webhook:
        """From a CreateGenericWebhookIntegrationInput. Two of one name are possible (inferred)."""
        team = self.registry.entity(sent["entityName"])
        record = Webhook(
            self.registry.new_id("GenericWebhookIntegration"),
            team.name,
            sent["name"],
            sent["urlEndpoint"],
            sent.get("accessTokenRef"),
            sent.get("secretRef"),
            self.registry.now(),
        )
        _check_webhook(record)
        self.registry.world.webhooks[record.id] = record
        self.registry.save()
        return record

    def update_webhook(self, sent: Json) -> Webhook:
        """From an UpdateGenericWebhookIntegrationInput; what is absent or null stays."""
        record = self.webhook(sent["id"])
        names = ("name", "url", "access_token_ref", "secret_ref")
        before = {name: getattr(record, name) for name in names}
        for key, name in zip(
            ("name", "urlEndpoint", "accessTokenRef", "secretRef"), names, strict=True
        ):
            if sent.get(key) is not None:
                setattr(record, name, sent[key])
        try:
            _check_webhook(record)
        except Refused:
            for name, value in before.items():
                setattr(record, name, value)
            raise
        self.registry.save()
        return record

    def delete_webhook(self, webhook_id: str) -> None:
        """409 while an automation calls it (inferred)."""
        record = self.webhook(webhook_id)
        for automation in self.registry.world.automations.values():
            if automation.webhook_input.get("integrationID") == record.id:
                raise Refused(
                    409, f"automation {automation.name!r} uses integration {record.name!r}"
                )
        del self.registry.world.webhooks[record.id]
        self.registry.save()

    # Secrets

    def set_secret(self, team: str, name: str, value: str) -> None:
        """Keep a team secret, or change it. Names have letters, digits and underscores (docs)."""
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise Refused(400, f"invalid secret name {name!r}")
        self.registry.entity(team).secrets[name] = Secret(value, self.registry.now())
        self.registry.save()

    def delete_secret(self, team: str, name: str) -> None:
        """404 if there is none of that name."""
        if self.registry.entity(team).secrets.pop(name, None) is None:
            raise Refused(404, f"secret {name!r} not found")
        self.registry.save()

    # Automations

    def of_entity(self, name: str) -> list[Automation]:
        """The automations in the scope of an entity, of its projects and collections."""
        return [
            one
            for one in self.registry.world.automations.values()
            if self.scope(one.scope_type, one.scope_id)[0] == name
        ]

    def of_project(self, entity: str, project: str) -> list[Automation]:
        """Those in the scope of a project, and of its collections."""
        return [
            one
            for one in self.registry.world.automations.values()
            if self.scope(one.scope_type, one.scope_id)[:2] == [entity, project]
        ]

    def scope(self, scope_type: str, scope_id: str) -> list[str]:
        """The parts of the path of a scope; 404 if there is none."""
        for kind, record_id, path in self._scopes():
            if kind == scope_type and record_id == scope_id:
                return path.split("/")
        raise Refused(404, f"scope {scope_id!r} of type {scope_type} not found")

    def scope_of(self, path: str) -> tuple[str, str]:
        """The type and id of the scope that a path names; 404 if there is none."""
        for kind, record_id, known in self._scopes():
            if known == path:
                return kind, record_id
        raise Refused(404, f"scope {path!r} not found")

    def create(self, sent: Json) -> Automation:
        """From a CreateFilterTriggerInput; 409 for a name that its scope has already."""
        record = Automation(
            id=self.registry.new_id("Trigger"),
            created_at=self.registry.now(),
            **{"description": None, **_known(sent)},
        )
        self._check(record)
        self._store(record)
        return record

    def put(
        self,
        scope: str,
        name: str,
        *,
        event_type: str,
        event_filter: str = MATCH_ALL,
        action_type: str,
        config: Json,
        enabled: bool = True,
        description: str | None = None,
    ) -> Automation:
        """One of any kind, unchecked: what other clients, or other times, may have left."""
        scope_type, scope_id = self.scope_of(scope)
        record = Automation(
            self.registry.new_id("Trigger"),
            name,
            description,
            enabled,
            scope_type,
            scope_id,
            event_type,
            event_filter,
            action_type,
            config,
            self.registry.now(),
        )
        self._store(record)
        return record

    def update(self, sent: Json) -> Automation:
        """From an UpdateFilterTriggerInput; what is absent or null stays. 404 for an unknown id."""
        before = self._get(sent["id"])
        changes = {key: value for key, value in _known(sent).items() if value is not None}
        record = Automation(
            **{name: getattr(before, name) for name in Automation.__dataclass_fields__} | changes
        )
        record.updated_at = self.registry.now()
        self._check(record)
        self._store(record)
        return record

    def delete(self, automation_id: str) -> None:
        """404 for an unknown id."""
        del self.registry.world.automations[self._get(automation_id).id]
        self.registry.save()

    def _get(self, automation_id: str) -> Automation:
        found = self.registry.world.automations.get(automation_id)
        if found is None:
            raise Refused(404, f"trigger {automation_id!r} not found")
        return found

    def _store(self, record: Automation) -> None:
        self.registry.world.automations[record.id] = record
        self.registry.save()

    def _scopes(self) -> Iterator[tuple[str, str, str]]:
        world = self.registry.world
        for entity in world.entities.values():
            yield "ENTITY", entity.id, entity.name
        for path, project in world.projects.items():
            yield "PROJECT", project.id, path
        for path, collection in world.collections.items():
            yield "ARTIFACT_COLLECTION", collection.id, path

    def _check(self, record: Automation) -> None:
        if len(record.name) > 255:
            raise Refused(400, "the name of an automation has at most 255 characters")
        self.scope(record.scope_type, record.scope_id)
        for other in self.registry.world.automations.values():
            same = (other.scope_id, other.name) == (record.scope_id, record.name)
            if same and other.id != record.id:
                raise Refused(409, f"an automation named {record.name!r} exists in this scope")
        try:
            wanted = parse_filter(record.event_filter)
        except ValueError as error:
            raise Refused(400, f"invalid event filter: {error}") from error
        if not isinstance(wanted, dict):
            raise Refused(400, "invalid event filter: not an object")
        given = {key for key, value in record.config.items() if value is not None}
        if given != {_ACTION_INPUTS[record.action_type]}:
            raise Refused(400, f"{record.action_type} needs {_ACTION_INPUTS[record.action_type]}")
        if called := record.webhook_input.get("integrationID"):
            self.webhook(called)


def saved_filter(record: Automation, as_object: bool) -> str:
    """The filter as it comes back: wrapped (observed of what the SDK expects).

    Whether the inner one is a string or an object is unknown of the real server.
    """
    try:
        inner = json.loads(record.event_filter) if as_object else record.event_filter
    except ValueError:
        inner = record.event_filter
    return json.dumps({"filter": inner}, separators=(",", ":"))


def _known(sent: Json) -> Json:
    return {name: sent[key] for key, name in _FIELDS.items() if key in sent}


def _check_webhook(record: Webhook) -> None:
    if len(record.name) > 64 or not _WEBHOOK_NAME.fullmatch(record.name):
        raise Refused(400, f"invalid integration name {record.name!r}")
    try:
        parts = urlsplit(record.url)
    except ValueError as error:
        raise Refused(400, f"invalid URL {record.url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Refused(400, f"invalid URL {record.url!r}")
