"""The root of mutations."""

import json
from typing import Any

from .records import Artifact, Collection, Json
from .registry import Refused
from .views import View

DONE: Json = {"success": True}


class Mutation(View):
    """Each member is a mutation; `input` has the keys of its input type."""

    def create_filter_trigger(self, input: Json) -> Json:
        return {"trigger": self.show(self.context.automations.create(input))}

    def update_filter_trigger(self, input: Json) -> Json:
        return {"trigger": self.show(self.context.automations.update(input))}

    def delete_trigger(self, input: Json) -> Json:
        self.context.automations.delete(input["triggerID"])
        return DONE

    def create_generic_webhook_integration(self, input: Json) -> Json:
        return {"integration": self.show(self.context.automations.create_webhook(input))}

    def update_generic_webhook_integration(self, input: Json) -> Json:
        return {"integration": self.show(self.context.automations.update_webhook(input))}

    def delete_integration(self, input: Json) -> Json:
        self.context.automations.delete_webhook(input["id"])
        return DONE

    def insert_secret(self, input: Json) -> Json:
        self.context.automations.set_secret(
            input["entityName"], input["secretName"], input["secretValue"]
        )
        return DONE

    def delete_secret(self, input: Json) -> Json:
        self.context.automations.delete_secret(input["entityName"], input["secretName"])
        return DONE

    def add_aliases(self, input: Json) -> Json:
        registry = self.context.registry
        artifact = registry.artifact(input["artifactID"])
        for one in input["aliases"]:
            collection = self._collection(one)
            registry.add_alias(collection, _index(collection, artifact), one["alias"])
        return DONE

    def delete_aliases(self, input: Json) -> Json:
        """One that the version does not have (any more) is passed over (inferred)."""
        registry = self.context.registry
        artifact = registry.artifact(input["artifactID"])
        for one in input["aliases"]:
            collection = self._collection(one)
            if collection.aliases.get(one["alias"]) == _index(collection, artifact):
                registry.remove_alias(collection, one["alias"])
        return DONE

    def update_artifact(self, input: Json) -> Json:
        registry = self.context.registry
        artifact = registry.artifact(input["artifactID"])
        if input.get("description") is not None:
            artifact.description = input["description"]
        if input.get("metadata") is not None:
            artifact.metadata = _object(input["metadata"])
        add, remove = (
            [one["tagName"] for one in input.get(key) or ()]
            for key in ("tagsToAdd", "tagsToDelete")
        )
        registry.tag(artifact, add, remove)
        return {"artifact": self.show(artifact)}

    def link_artifact(self, input: Json) -> Json:
        """Into a portfolio by its name (made if it is not there), or by its id."""
        registry = self.context.registry
        artifact = registry.artifact(str(input.get("artifactID")))
        if input.get("artifactPortfolioID"):
            portfolio = self._by_id(input["artifactPortfolioID"])
        else:
            keys = ("entityName", "projectName", "artifactPortfolioName")
            entity, project, name = (str(input.get(key)) for key in keys)
            if f"{entity}/{project}" not in self.world.projects:
                raise Refused(404, f"project {entity}/{project} not found")
            portfolio = registry.add_collection(f"{entity}/{project}/{name}", artifact.type)
        aliases = [one["alias"] for one in input.get("aliases") or ()]
        index = registry.link(artifact, portfolio, aliases)
        membership = registry.memberships(portfolio)[index]
        return {"versionIndex": index, "artifactMembership": self.show(membership)}

    def unlink_artifact(self, input: Json) -> Json:
        registry = self.context.registry
        artifact = registry.artifact(input["artifactID"])
        registry.unlink(artifact, self._by_id(input["artifactPortfolioID"]))
        return DONE

    def _collection(self, named: Json) -> Collection:
        keys = ("entityName", "projectName", "artifactCollectionName")
        return self.context.registry.collection("/".join(named[key] for key in keys))

    def _by_id(self, collection_id: str) -> Any:
        for collection in self.world.collections.values():
            if collection.id == collection_id:
                return collection
        raise Refused(404, f"artifact collection {collection_id!r} not found")


def _index(collection: Collection, artifact: Artifact) -> int:
    if artifact.id not in collection.members:
        raise Refused(404, f"{collection.path} has no such version")
    return collection.members.index(artifact.id)


def _object(text: str) -> Json:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refused(400, f"invalid metadata: {error}") from error
    if not isinstance(found, dict):
        raise Refused(400, "invalid metadata: not an object")
    return found
