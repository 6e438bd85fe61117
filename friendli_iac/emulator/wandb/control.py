"""What a test may look at and change behind the back of W&B's API; safe to call from any thread."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..store import Store
from .automations import Automations
from .deliveries import Deliveries
from .records import MATCH_ALL, Artifact, Json
from .registry import Registry
from .switches import Switches
from .views import Context

FRIENDLI = "api.friendli.ai"


class WandbControl(Switches):
    """The world behind `/graphql`. Its switches are attributes: see `Switches`.

    Paths are `ENTITY/PROJECT/COLLECTION`; versions are `v0`, `v1`, and so on.

    KeyError when something is not there, ValueError for what cannot be.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._registry = Registry(store)
        self._automations = Automations(self._registry)
        self._deliveries = Deliveries(self._automations, self)
        self._registry.fire = self._deliveries.fire
        self._url = ""
        self.context = Context(self._registry, self._automations, self)

    # Artifacts

    def log(
        self,
        path: str,
        metadata: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        aliases: Iterable[str] = (),
        logged_by: str = "",
    ) -> str:
        """A new version, such as `v7`; its team, project and collection are made as needed.

        With `metrics` a run of the name `logged_by` has logged it, without them that person. In a
        registry it is linked there from the project `models` of a team.
        """
        with self._registry.store.lock:
            index = self._registry.log(path, metadata or {}, metrics or {}, aliases, logged_by)
            return f"v{index}"

    def move_alias(self, path: str, alias: str, version: str) -> None:
        """Put an alias on a version, as somebody in the web page may."""
        with self._registry.store.lock:
            collection = self._registry.world.collections[path]
            index = self._registry.find(collection, version)
            if index is None:
                raise KeyError(f"{path}:{version}")
            self._registry.add_alias(collection, index, alias)

    def remove_alias(self, path: str, alias: str) -> None:
        """Take an alias away."""
        with self._registry.store.lock:
            collection = self._registry.world.collections[path]
            if alias not in collection.aliases:
                raise KeyError(f"{path}:{alias}")
            self._registry.remove_alias(collection, alias)

    def versions(self, path: str) -> list[Json]:
        """The versions of a collection, oldest first: version, aliases, id, digest, metadata, …"""
        with self._registry.store.lock:
            collection = self._registry.world.collections[path]
            return [
                {"version": f"v{index}", "aliases": collection.aliases_of(index)}
                | asdict(one.artifact)
                for index, one in self._registry.memberships(collection).items()
            ]

    def tag(self, path: str, version: str, tag: str) -> None:
        """Put a tag on a version."""
        with self._registry.store.lock:
            self._registry.tag(self._artifact(path, version), [tag])

    def uploading(self, path: str, version: str) -> None:
        """Have a version still uploaded, so that it is not committed."""
        with self._registry.store.lock:
            self._artifact(path, version).state = "PENDING"

    def _artifact(self, path: str, version: str) -> Artifact:
        membership = self._registry.membership(self._registry.world.collections[path], version)
        if membership is None:
            raise KeyError(f"{path}:{version}")
        return membership.artifact

    # Teams, webhooks, automations

    def add_team(self, name: str, organization: str = "", org_entity: str = "") -> None:
        """A team. By default its organization has its name, and its registries are under it."""
        with self._registry.store.lock:
            self._registry.add_team(name, organization, org_entity)

    def set_secret(self, team: str, name: str, value: str | None) -> None:
        """Keep a team secret; None removes it. The team is made as needed."""
        with self._registry.store.lock:
            if team not in self._registry.world.entities:
                self._registry.add_team(team)
            if value is None:
                self._registry.entity(team).secrets.pop(name, None)
                self._registry.save()
            else:
                self._automations.set_secret(team, name, value)

    def webhooks(self, team: str) -> list[Json]:
        """The webhooks of a team: id, team, name, url, access_token_ref, secret_ref, created_at."""
        with self._registry.store.lock:
            return [asdict(one) for one in self._automations.webhooks(team)]

    def add_webhook(
        self,
        team: str,
        name: str,
        url: str,
        access_token: str | None = None,
        secret: str | None = None,
    ) -> str:
        """A webhook that somebody made by hand, with names of secrets; its id."""
        with self._registry.store.lock:
            if team not in self._registry.world.entities:
                self._registry.add_team(team)
            sent = {"entityName": team, "name": name, "urlEndpoint": url}
            return self._automations.create_webhook(
                {**sent, "accessTokenRef": access_token, "secretRef": secret}
            ).id

    def edit_webhook(self, webhook_id: str, **changes: Any) -> None:
        """Change name, url, access_token_ref or secret_ref of a webhook, as in the web page."""
        with self._registry.store.lock:
            webhook = self._registry.world.webhooks[webhook_id]
            for name, value in changes.items():
                setattr(webhook, name, value)
            self._registry.save()

    def remove_webhook(self, webhook_id: str) -> None:
        """Delete a webhook, as in the web page; its automations go too (inferred)."""
        with self._registry.store.lock:
            world = self._registry.world
            del world.webhooks[webhook_id]
            for one in list(world.automations.values()):
                if one.webhook_input.get("integrationID") == webhook_id:
                    del world.automations[one.id]
            self._registry.save()

    def automations(self, entity: str) -> list[Json]:
        """Those of an entity, its projects and collections: the fields of `records.Automation`,
        and `scope`, the path."""
        with self._registry.store.lock:
            return [
                {
                    **asdict(one),
                    "scope": "/".join(self._automations.scope(one.scope_type, one.scope_id)),
                }
                for one in self._automations.of_entity(entity)
            ]

    def add_raw_automation(
        self,
        scope: str,
        name: str,
        *,
        event_type: str = "ADD_ARTIFACT_ALIAS",
        event_filter: str = MATCH_ALL,
        action_type: str = "GENERIC_WEBHOOK",
        webhook: str = "",
        payload: str | None = "{}",
        enabled: bool = True,
        description: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> str:
        """An automation of any kind, unchecked, in the scope that a path names; its id.

        `event_type` and `action_type` may be unknown ones. One that calls a webhook has its id in
        `webhook`, and any text as `payload`; others have a `config`, a TriggeredActionConfig.
        """
        if action_type == "GENERIC_WEBHOOK" and not webhook:
            raise ValueError("name the webhook that the automation calls")
        called = {"integrationID": webhook, "requestPayload": payload}
        if config is None:
            config = {"genericWebhookActionInput": called} if webhook else {}
        with self._registry.store.lock:
            return self._automations.put(
                scope,
                name,
                event_type=event_type,
                event_filter=event_filter,
                action_type=action_type,
                config=dict(config),
                enabled=enabled,
                description=description,
            ).id

    def edit_automation(self, automation_id: str, **changes: Any) -> None:
        """Change fields of `records.Automation`, as in the web page."""
        with self._registry.store.lock:
            automation = self._registry.world.automations[automation_id]
            for name, value in changes.items():
                setattr(automation, name, value)
            self._registry.save()

    def remove_automation(self, automation_id: str) -> None:
        """Delete an automation, as in the web page."""
        with self._registry.store.lock:
            del self._registry.world.automations[automation_id]
            self._registry.save()

    # Deliveries

    @property
    def deliveries(self) -> list[Json]:
        """What automations have done, oldest first.

        Each one has automation (name), automation_id, event {type, collection, version, alias, tag,
        author}, url, headers, body (parsed if it is JSON; the text is in raw), status and response
        (None while under way), and skipped: why nothing was sent, or None.
        """
        return self._deliveries.log()

    def wait(self, timeout: float = 10.0) -> None:
        """Block until every delivery is done; TimeoutError after `timeout` seconds."""
        self._deliveries.wait(timeout)

    def skip(self, count: int) -> None:
        """Let the next triggers come to nothing."""
        self.to_skip = count

    # The whole

    def state(self) -> Json:
        """Switches, the world without the values of secrets, and deliveries as they were sent."""
        with self._registry.store.lock:
            world = self._registry.world.to_json()
            for entity in world["entities"].values():
                entity["secrets"] = sorted(entity["secrets"])
            switches = {
                name: sorted(value) if isinstance(value, set) else value
                for name, value in asdict(self).items()
            }
            return {"switches": switches, "world": world, "deliveries": self.deliveries}

    def turn(self, **switches: Any) -> None:
        """Turn switches by name; TypeError for one that there is not."""
        for name, value in switches.items():
            if name not in Switches.__dataclass_fields__:
                raise TypeError(f"no switch {name!r}")
            setattr(self, name, set(value) if isinstance(getattr(self, name), set) else value)

    def seed(self) -> None:
        """A small world to try things on, unless there is one already."""
        with self._registry.store.lock:
            if self._registry.world.entities:
                return
            path = "acme/wandb-registry-model/chat"
            for number, accuracy in enumerate((0.87, 0.89, 0.91)):
                run = f"chat-sft-{number + 1}"
                self.log(path, {"base": "llama-3.1-8b"}, {"eval/accuracy": accuracy}, (), run)
            self.move_alias(path, "production", "v1")
            self.set_secret("acme", "FRIENDLI_TOKEN", "flp_emulator")

    def listen(self, url: str) -> None:
        """Know where the emulator is: it is Friendli's API, too."""
        self._url = url
        if url:
            self.hosts[FRIENDLI] = url

    def reset(self) -> None:
        """Be as at first: an empty world, no deliveries, every switch as it was."""
        with self._registry.store.lock:
            self._registry.clear()
            self._deliveries.clear()
            super().__init__()
            self.listen(self._url)

    def close(self) -> None:
        """End the thread that delivers."""
        self._deliveries.close()
