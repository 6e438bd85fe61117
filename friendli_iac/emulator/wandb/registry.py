"""Teams, collections, versions and aliases: what is there, and what happens to it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..store import Store
from .records import Artifact, Collection, Entity, Json, Membership, Project, World, node_id

DOCUMENT = "wandb"
"""The name under which the world is kept beside the endpoints."""

REGISTRY = "wandb-registry-"
USER = "ada"
"""The person behind every API key."""


class Refused(ValueError):
    """A GraphQL error with the HTTP status of its answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Event:
    """Something that may trigger automations. `type` is one of EventTriggeringConditionType."""

    type: str
    collection: Collection
    artifact: Artifact
    index: int
    alias: str = ""
    tag: str = ""
    author: str = USER

    def to_json(self) -> Json:
        """For the record of deliveries."""
        return {
            "type": self.type,
            "collection": self.collection.path,
            "version": f"v{self.index}",
            "alias": self.alias,
            "tag": self.tag,
            "author": self.author,
        }


class Registry:
    """The world of W&B over a store. Whoever calls it holds the store's lock."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.fire: Callable[[Event], None] = lambda event: None
        saved = store.document(DOCUMENT)
        self.world = World.from_json(json.loads(saved)) if saved else World()

    def save(self) -> None:
        """Write the world to the disk, if there is one."""
        if self.store.durable:
            self.store.save_document(DOCUMENT, json.dumps(self.world.to_json()))

    def clear(self) -> None:
        """Forget everything."""
        self.world = World()
        self.save()

    def now(self) -> str:
        """The emulator's time, as W&B writes times."""
        return datetime.fromtimestamp(self.store.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def new_id(self, kind: str) -> str:
        """An unused id."""
        number, self.world.next_number = self.world.next_number, self.world.next_number + 1
        return node_id(kind, number)

    # What is there

    def entity(self, name: str) -> Entity:
        """A team or an organization's entity; 404 if there is none."""
        found = self.world.entities.get(name)
        if found is None:
            raise Refused(404, f"entity {name!r} not found")
        return found

    def collection(self, path: str) -> Collection:
        """A collection by its path; 404 if there is none."""
        found = self.world.collections.get(path)
        if found is None:
            raise Refused(404, f"artifact collection {path!r} not found")
        return found

    def artifact(self, artifact_id: str) -> Artifact:
        """A version by the id of its artifact; 404 if there is none."""
        found = self.world.artifacts.get(artifact_id)
        if found is None:
            raise Refused(404, f"artifact {artifact_id!r} not found")
        return found

    def find(self, collection: Collection, at: str) -> int | None:
        """The number of the version that an alias is on, or that `vN` says; None without any."""
        if at in collection.aliases:
            return collection.aliases[at]
        number = int(at[1:]) if at[:1] == "v" and at[1:].isdigit() else len(collection.members)
        known = number < len(collection.members) and collection.members[number] is not None
        return number if known else None

    def membership(self, collection: Collection, at: str) -> Membership | None:
        """The version that an alias is on, or that `vN` says; None without any."""
        index = self.find(collection, at)
        return None if index is None else self.memberships(collection)[index]

    def memberships(self, collection: Collection) -> dict[int, Membership]:
        """The versions of a collection by number, oldest first."""
        return {
            index: Membership(collection, index, self.artifact(member))
            for index, member in enumerate(collection.members)
            if member is not None
        }

    # Making room

    def add_team(self, name: str, organization: str = "", org_entity: str = "") -> Entity:
        """A team; by default its organization has its name, and it is that one's entity, too."""
        organization = organization or name
        org_entity = self.world.organizations.setdefault(organization, org_entity or name)
        for one, kind in ((name, "team"), (org_entity, "organization")):
            if one not in self.world.entities:
                entity = Entity(self.new_id("Entity"), one, organization, kind)
                self.world.entities[one] = entity
        self.save()
        return self.world.entities[name]

    def add_project(self, entity: str, name: str) -> Project:
        """A project, which may be there already."""
        if entity not in self.world.entities:
            self.add_team(entity)
        key = f"{entity}/{name}"
        if key not in self.world.projects:
            number = self.world.next_number
            record = Project(self.new_id("Project"), number, entity, name, self.now())
            self.world.projects[key] = record
        return self.world.projects[key]

    def add_collection(self, path: str, kind: str = "model") -> Collection:
        """A collection, which may be there already; ValueError unless ENTITY/PROJECT/COLLECTION."""
        if path in self.world.collections:
            return self.world.collections[path]
        entity, project, name = path.split("/")
        self.add_project(entity, project)
        portfolio = project.startswith(REGISTRY)
        typename = "ArtifactPortfolio" if portfolio else "ArtifactSequence"
        record = Collection(
            self.new_id(typename), entity, project, name, kind, portfolio, self.now()
        )
        self.world.collections[path] = record
        return record

    # Versions

    def log(
        self,
        path: str,
        metadata: Mapping[str, Any],
        metrics: Mapping[str, Any],
        aliases: Iterable[str],
        logged_by: str,
        kind: str = "model",
    ) -> int:
        """A new version, as if a run had logged it (and linked it, in a registry); its number."""
        collection = self.add_collection(path, kind)
        sequence = collection
        if collection.portfolio:
            sequence = self.add_collection(
                f"{self._team_of(collection)}/models/{path.split('/')[2]}"
            )
        text = f"{sequence.path}/{len(sequence.members)}"
        artifact = Artifact(
            id=self.new_id("Artifact"),
            sequence=sequence.path,
            type=kind,
            digest=hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
            created_at=self.now(),
            metadata=dict(metadata),
            metrics=dict(metrics),
            run=(logged_by or f"run-{self.world.next_number}") if metrics else "",
            user=logged_by or USER,
        )
        self.world.artifacts[artifact.id] = artifact
        index = self._append(sequence, artifact)
        self.fire(Event("CREATE_ARTIFACT", sequence, artifact, index))
        if collection is not sequence:
            return self.link(artifact, collection, aliases)
        for alias in aliases:
            self.add_alias(collection, index, alias)
        self.save()
        return index

    def link(
        self,
        artifact: Artifact,
        collection: Collection,
        aliases: Iterable[str] = (),
        author: str = USER,
    ) -> int:
        """Link a version into a portfolio; the number that it has there.

        One that is linked already keeps its number, and is no event; its aliases are events of
        their own (both inferred).
        """
        if not collection.portfolio:
            raise Refused(400, f"{collection.path} is no portfolio: nothing can be linked there")
        if artifact.id in collection.members:
            index = collection.members.index(artifact.id)
        else:
            index = self._append(collection, artifact)
            self.fire(Event("LINK_MODEL", collection, artifact, index, author=author))
        for alias in aliases:
            self.add_alias(collection, index, alias, author)
        self.save()
        return index

    def unlink(self, artifact: Artifact, collection: Collection, author: str = USER) -> None:
        """Take a version out of a portfolio, with its aliases."""
        if not collection.portfolio or artifact.id not in collection.members:
            raise Refused(404, f"{collection.path} has no link to that artifact")
        index = collection.members.index(artifact.id)
        collection.members[index] = None
        for alias in collection.aliases_of(index):
            del collection.aliases[alias]
        if "latest" not in collection.aliases and (left := self.memberships(collection)):
            collection.aliases["latest"] = max(left)
        self.fire(Event("UNLINK_ARTIFACT", collection, artifact, index, author=author))
        self.save()

    def add_alias(self, collection: Collection, index: int, alias: str, author: str = USER) -> None:
        """Put an alias on a version, off the one that had it; no event if that one has it."""
        if collection.aliases.get(alias) == index:
            return
        collection.aliases[alias] = index
        artifact = self.artifact(str(collection.members[index]))
        self.fire(Event("ADD_ARTIFACT_ALIAS", collection, artifact, index, alias, author=author))
        self.save()

    def remove_alias(self, collection: Collection, alias: str) -> None:
        """Take an alias off the version that has it; 404 if none has."""
        if alias not in collection.aliases:
            raise Refused(404, f"{collection.path} has no alias {alias!r}")
        del collection.aliases[alias]
        self.save()

    def tag(self, artifact: Artifact, add: Iterable[str], remove: Iterable[str] = ()) -> None:
        """Change the tags of a version; the events are those of its own collection (inferred)."""
        sequence = self.collection(artifact.sequence)
        index = sequence.members.index(artifact.id)
        for tag in add:
            if tag not in artifact.tags:
                artifact.tags.append(tag)
                self.fire(Event("ADD_ARTIFACT_TAG", sequence, artifact, index, tag=tag))
        for tag in remove:
            if tag in artifact.tags:
                artifact.tags.remove(tag)
                self.fire(Event("REMOVE_ARTIFACT_TAG", sequence, artifact, index, tag=tag))
        self.save()

    def _append(self, collection: Collection, artifact: Artifact) -> int:
        """`latest` follows the newest version without an event (inferred)."""
        collection.members.append(artifact.id)
        collection.aliases["latest"] = len(collection.members) - 1
        return len(collection.members) - 1

    def _team_of(self, collection: Collection) -> str:
        """The team whose runs log what is linked into a collection of its organization."""
        owner = self.world.entities[collection.entity]
        if owner.kind == "team":
            return owner.name
        teams = (
            one.name
            for one in self.world.entities.values()
            if one.kind == "team" and one.organization == owner.organization
        )
        return next(teams, owner.name)
