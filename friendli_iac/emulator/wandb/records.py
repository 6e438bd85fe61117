"""What W&B keeps, as plain records that become JSON and back."""

import base64
from dataclasses import asdict, dataclass, field
from typing import Any

Json = dict[str, Any]

MATCH_ALL = '{"$or":[{"$and":[]}]}'
"""The filter that an automation without conditions is created with (observed of the SDK)."""


def node_id(kind: str, number: int | str) -> str:
    """An id as GraphQL shows it: opaque, but for `ProjectInternalId:N`, which the SDK decodes."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


@dataclass(slots=True)
class Secret:
    """A team secret. Only its name is ever shown."""

    value: str
    created_at: str


@dataclass(slots=True)
class Entity:
    """A team, or the entity of an organization, under which its registries are."""

    id: str
    name: str
    organization: str
    kind: str = "team"
    secrets: dict[str, Secret] = field(default_factory=dict)


@dataclass(slots=True)
class Project:
    """A project; a registry is one whose name begins with `wandb-registry-`."""

    id: str
    number: int
    entity: str
    name: str
    created_at: str


@dataclass(slots=True)
class Artifact:
    """One version of a model, as it was logged: it never changes but for description and tags.

    `run` is the run that logged it, with its summary in `metrics`; without one, `user` did by hand.
    """

    id: str
    sequence: str
    type: str
    digest: str
    created_at: str
    metadata: Json
    metrics: Json
    run: str = ""
    user: str = ""
    description: str | None = None
    tags: list[str] = field(default_factory=list)
    state: str = "COMMITTED"


@dataclass(slots=True)
class Collection:
    """A sequence, which versions are logged into, or a portfolio, which they are linked into.

    `members` are the ids of artifacts by version number, None where one was unlinked. `aliases` has
    the number of the version that each alias is on.
    """

    id: str
    entity: str
    project: str
    name: str
    type: str
    portfolio: bool
    created_at: str
    tags: list[str] = field(default_factory=list)
    members: list[str | None] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """`ENTITY/PROJECT/COLLECTION`."""
        return f"{self.entity}/{self.project}/{self.name}"

    def aliases_of(self, index: int) -> list[str]:
        """The aliases of a version."""
        return [alias for alias, at in self.aliases.items() if at == index]


@dataclass(slots=True)
class Webhook:
    """An integration of a team. The refs are names of team secrets."""

    id: str
    team: str
    name: str
    url: str
    access_token_ref: str | None
    secret_ref: str | None
    created_at: str


@dataclass(slots=True)
class Automation:
    """A trigger. `event_filter` is as it was sent; `config` is the TriggeredActionConfig."""

    id: str
    name: str
    description: str | None
    enabled: bool
    scope_type: str
    scope_id: str
    event_type: str
    event_filter: str
    action_type: str
    config: Json
    created_at: str
    updated_at: str | None = None

    @property
    def webhook_input(self) -> Json:
        """`{integrationID, requestPayload}` of one that calls a webhook."""
        found: Json = self.config.get("genericWebhookActionInput") or {}
        return found


# What is there by its name only


@dataclass(frozen=True, slots=True)
class User:
    """A person."""

    name: str


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization, by its display name."""

    name: str


@dataclass(frozen=True, slots=True)
class ArtifactType:
    """A type of the collections of a project."""

    project: Project
    name: str


@dataclass(frozen=True, slots=True)
class Membership:
    """A version in a collection."""

    collection: Collection
    index: int
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias in a collection."""

    collection: Collection
    alias: str


@dataclass(slots=True)
class World:
    """Everything, in the order of its creation."""

    next_number: int = 1
    entities: dict[str, Entity] = field(default_factory=dict)
    organizations: dict[str, str] = field(default_factory=dict)
    """The entity of each organization, by its display name."""
    projects: dict[str, Project] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    automations: dict[str, Automation] = field(default_factory=dict)

    def to_json(self) -> Json:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Json) -> "World":
        """From what `to_json` gave."""
        entities = {
            key: Entity(
                **{**one, "secrets": {name: Secret(**it) for name, it in one["secrets"].items()}}
            )
            for key, one in document["entities"].items()
        }
        kinds: dict[str, type] = {
            "projects": Project,
            "collections": Collection,
            "artifacts": Artifact,
            "webhooks": Webhook,
            "automations": Automation,
        }
        rest = {
            name: {key: kind(**one) for key, one in document[name].items()}
            for name, kind in kinds.items()
        }
        return cls(document["next_number"], entities, document["organizations"], **rest)
