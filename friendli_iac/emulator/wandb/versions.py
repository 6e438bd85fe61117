"""The views of collections, of the versions in them, and of automations."""

import json
from typing import Any

from .automations import saved_filter
from .pages import connection
from .records import (
    Alias,
    Artifact,
    ArtifactType,
    Automation,
    Collection,
    Json,
    Membership,
    User,
    Webhook,
    node_id,
)
from .registry import USER
from .views import View, filtered, shows


@shows(Collection)
class CollectionView(View):
    description = None
    updated_at = None
    state = "READY"

    @property
    def typename(self) -> str:  # type: ignore[override]
        return "ArtifactPortfolio" if self.record.portfolio else "ArtifactSequence"

    @property
    def collection_type(self) -> str:
        """One of the ArtifactCollectionType."""
        return "PORTFOLIO" if self.record.portfolio else "SEQUENCE"

    @property
    def project(self) -> Any:
        return self.show(self.world.projects[f"{self.record.entity}/{self.record.project}"])

    @property
    def default_artifact_type(self) -> Any:
        return self.show(ArtifactType(self.project.record, self.record.type))

    @property
    def tags(self) -> Json:
        return {"edges": [{"node": tag} for tag in _tags(self.record.tags)]}

    def searched(self) -> Json:
        return {"name": self.record.name, "tag": self.record.tags}

    def members_now(self) -> list[Any]:
        """The versions, newest first."""
        members = self.context.registry.memberships(self.record).values()
        return [self.show(one) for one in members][::-1]

    def aliases(self, **page: Any) -> Json:
        found = [self.show(Alias(self.record, alias)) for alias in self.record.aliases]
        return connection(found, **page)

    def artifact_membership(self, alias_name: str) -> Any:
        return self.show(self.context.registry.membership(self.record, alias_name))

    def artifact_memberships(
        self, order: str | None = None, filters: str | None = None, **page: Any
    ) -> Json:
        return connection(filtered(self.members_now(), filters), **page)

    def artifacts(self, order: str | None = None, filters: str | None = None, **page: Any) -> Json:
        found = connection(filtered(self.members_now(), filters), **page)
        for edge in found["edges"]:
            edge |= {"version": f"v{edge['node'].index}", "node": edge["node"].artifact}
        return found


@shows(Membership)
class MembershipView(View):
    typename = "ArtifactCollectionMembership"

    @property
    def id(self) -> str:
        return node_id("Membership", f"{self.record.collection.id}/{self.record.index}")

    @property
    def version_index(self) -> Any:
        return self.record.index

    @property
    def created_at(self) -> Any:
        return self.record.artifact.created_at

    @property
    def aliases(self) -> list[Any]:
        collection = self.record.collection
        names = collection.aliases_of(self.record.index)
        return [self.show(Alias(collection, name)) for name in names]

    @property
    def artifact_collection(self) -> Any:
        return self.show(self.record.collection)

    @property
    def artifact(self) -> Any:
        return self.show(self.record.artifact)

    def searched(self) -> Json:
        artifact = self.record.artifact
        return {
            "alias": self.record.collection.aliases_of(self.record.index),
            "version": f"v{self.record.index}",
            "versionIndex": self.record.index,
            "tag": artifact.tags,
            "state": artifact.state,
            "createdAt": artifact.created_at,
            "metadata": artifact.metadata,
            **{f"metadata.{key}": value for key, value in artifact.metadata.items()},
        }


@shows(Artifact)
class ArtifactView(View):
    """A version on its own: its number, and its `aliases` of all collections."""

    typename = "Artifact"
    ttl_duration_seconds = -2  # inherited
    ttl_is_inherited = True
    history_step = None
    digest_algorithm = "MANIFEST_MD5"
    commit_hash = None
    updated_at = None
    size = 16_060_522_496
    file_count = 9

    @property
    def artifact_sequence(self) -> Any:
        return self.show(self.world.collections[self.record.sequence])

    @property
    def artifact_type(self) -> Any:
        return self.artifact_sequence.default_artifact_type

    @property
    def version_index(self) -> Any:
        return self.world.collections[self.record.sequence].members.index(self.record.id)

    @property
    def metadata(self) -> str:
        return json.dumps(self.record.metadata)

    @property
    def tags(self) -> list[Json]:
        return _tags(self.record.tags)

    @property
    def aliases(self) -> list[Any]:
        return [alias for one in self._memberships() for alias in one.aliases]

    @property
    def created_by(self) -> Any:
        """The run that logged it, or the person who did without one."""
        person = self.show(User(self.record.user))
        if not self.record.run:
            return person
        return {
            "__typename": "Run",
            "id": node_id("Run", self.record.run),
            "name": self.record.run,
            "displayName": self.record.run,
            "summaryMetrics": json.dumps(self.record.metrics),
            "user": person,
            "project": self.artifact_sequence.project,
        }

    def artifact_memberships(self, **page: Any) -> Json:
        return connection(self._memberships(), **page)

    def _memberships(self) -> list[Any]:
        return [
            self.show(Membership(one, one.members.index(self.record.id), self.record))
            for one in self.world.collections.values()
            if self.record.id in one.members
        ]


@shows(Alias)
class AliasView(View):
    typename = "ArtifactAlias"

    @property
    def id(self) -> str:
        return node_id("ArtifactAlias", f"{self.record.collection.id}/{self.record.alias}")

    @property
    def artifact_collection(self) -> Any:
        return self.show(self.record.collection)


@shows(Webhook)
class WebhookView(View):
    typename = "GenericWebhookIntegration"

    @property
    def url_endpoint(self) -> Any:
        return self.record.url


@shows(Automation)
class AutomationView(View):
    typename = "Trigger"

    @property
    def created_by(self) -> Any:
        return self.show(User(USER))

    @property
    def scope(self) -> Any:
        path = "/".join(
            self.context.automations.scope(self.record.scope_type, self.record.scope_id)
        )
        world = self.world
        return self.show(
            world.collections.get(path) or world.projects.get(path) or world.entities.get(path)
        )

    @property
    def triggering_condition(self) -> Json:
        return {
            "__typename": "FilterEventTriggeringCondition",
            "eventType": self.record.event_type,
            "filter": saved_filter(self.record, self.context.switches.filter_as_object),
        }

    @property
    def triggered_action(self) -> Json:
        """What it does. The keys of the input are those of the output, but for integrations."""
        kind = self.record.action_type
        sent: Json = next((one for one in self.record.config.values() if one is not None), {})
        shown = {"__typename": _ACTIONS.get(kind, "TomorrowTriggeredAction"), **sent}
        if kind == "GENERIC_WEBHOOK":
            shown["integration"] = self.show(self.world.webhooks[sent["integrationID"]])
        elif kind == "NOTIFICATION":
            shown["integration"] = {
                "__typename": "SlackIntegration",
                "id": sent.get("integrationID"),
                "teamName": "acme",
                "channelName": "#models",
            }
        elif kind == "QUEUE_JOB":
            shown["queue"] = {"id": sent.get("queueID"), "name": "default"}
        return shown


_ACTIONS = {
    "ARIA": "ARIATriggeredAction",
    "GENERIC_WEBHOOK": "GenericWebhookTriggeredAction",
    "NOTIFICATION": "NotificationTriggeredAction",
    "NO_OP": "NoOpTriggeredAction",
    "PUSH_NOTIFICATION": "PushNotificationTriggeredAction",
    "QUEUE_JOB": "QueueJobTriggeredAction",
}


def _tags(names: list[str]) -> list[Json]:
    return [{"id": node_id("Tag", name), "name": name} for name in names]
