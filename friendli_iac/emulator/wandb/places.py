"""The views of people, organizations, entities and projects, and the root of queries."""

from typing import Any

from .pages import connection
from .records import ArtifactType, Entity, Json, Organization, Project, User, node_id
from .registry import REGISTRY, USER
from .views import View, filtered, shows


class Query(View):
    """The root of queries."""

    @property
    def viewer(self) -> Any:
        return self.show(User(USER))

    @property
    def server_info(self) -> Json:
        names = sorted(self.context.switches.features)
        return {"features": [{"name": name, "isEnabled": True} for name in names]}

    def entity(self, name: str | None = None) -> Any:
        return self.show(self.world.entities.get(name or self.viewer.entity))

    def organization(self, name: str) -> Any:
        return self.show(Organization(name)) if name in self.world.organizations else None

    def project(self, name: str | None = None, entity_name: str | None = None) -> Any:
        entity = self.entity(entity_name)
        return entity.project(name) if entity else None

    def models(self, entity_name: str | None = None, **page: Any) -> Any:
        entity = self.entity(entity_name)
        return entity.projects(**page) if entity else None

    def artifact(self, id: str) -> Any:
        return self.show(self.world.artifacts.get(id))

    def artifact_collection(self, id: str) -> Any:
        found = (one for one in self.world.collections.values() if one.id == id)
        return self.show(next(found, None))


@shows(User)
class UserView(View):
    typename = "User"
    admin = False
    flags = "{}"
    deleted_at = None

    @property
    def id(self) -> str:
        return node_id("User", self.record.name)

    @property
    def api_keys(self) -> Json:
        return connection([])

    @property
    def username(self) -> str:
        return str(self.record.name)

    @property
    def email(self) -> str:
        return f"{self.record.name}@example.com"

    @property
    def entity(self) -> str:
        """The default entity: the first team."""
        return next((one.name for one in self._teams()), self.username)

    @property
    def teams(self) -> Json:
        edges = [{"node": self.show(one)} for one in self._teams()]
        return {"edges": edges, "pageInfo": {"hasNextPage": False}}

    @property
    def organizations(self) -> list[Any]:
        return [self.show(Organization(name)) for name in self.world.organizations]

    def projects(self, **page: Any) -> Json:
        """Those of teams: the SDK's walk over them was observed to miss registries."""
        teams = {one.name for one in self._teams()}
        found = [one for one in self.world.projects.values() if one.entity in teams]
        return connection([self.show(one) for one in found], **page)

    def _teams(self) -> list[Entity]:
        return [one for one in self.world.entities.values() if one.kind == "team"]


@shows(Organization)
class OrganizationView(View):
    typename = "Organization"

    @property
    def id(self) -> str:
        return node_id("Organization", self.record.name)

    @property
    def org_entity(self) -> Any:
        entity = self.world.entities[self.world.organizations[self.record.name]]
        return OrgEntityView(self.context, entity)

    def triggers(self, **page: Any) -> Any:
        return self.org_entity.triggers(**page)


@shows(Entity)
class EntityView(View):
    typename = "Entity"
    user = None
    available = True
    photo_url = None
    read_only = read_only_admin = private_only = code_saving_enabled = False
    storage_bytes = 0
    default_access = "PRIVATE"
    is_paid = True
    members: tuple[Json, ...] = ()

    @property
    def entity_type(self) -> Any:
        return self.record.kind

    @property
    def is_team(self) -> bool:
        return bool(self.record.kind == "team")

    @property
    def organization(self) -> Any:
        return self.show(Organization(self.record.organization))

    @property
    def secrets(self) -> list[Json]:
        known = self.record.secrets.items()
        return [{"name": name, "createdAt": secret.created_at} for name, secret in known]

    def project(self, name: str | None = None) -> Any:
        return self.show(self.world.projects.get(f"{self.record.name}/{name}"))

    def projects(self, order: str | None = None, filters: str | None = None, **page: Any) -> Json:
        return connection(filtered(self._projects(), filters), **page)

    def integrations(self, **page: Any) -> Json:
        found = self.context.automations.webhooks(self.record.name)
        return connection([self.show(one) for one in found], **page)

    def triggers(self, order: str | None = None, filters: str | None = None, **page: Any) -> Json:
        found = [self.show(one) for one in self.context.automations.of_entity(self.record.name)]
        return connection(filtered(found, filters), **page)

    def artifact_collections(
        self,
        project_filters: str | None = None,
        filters: str | None = None,
        collection_types: list[str] | None = None,
        order: str | None = None,
        **page: Any,
    ) -> Json:
        found = self._collections(project_filters, filters)
        if collection_types is not None:
            found = [one for one in found if one.collection_type in collection_types]
        return connection(found, **page)

    def artifact_memberships(
        self,
        project_filters: str | None = None,
        collection_filters: str | None = None,
        filters: str | None = None,
        order: str | None = None,
        **page: Any,
    ) -> Json:
        collections = self._collections(project_filters, collection_filters)
        found = [one for collection in collections for one in collection.members_now()]
        return connection(filtered(found, filters), **page)

    def _projects(self) -> list[Any]:
        projects = self.world.projects.values()
        return [self.show(one) for one in projects if one.entity == self.record.name]

    def _collections(self, projects: str | None, filters: str | None) -> list[Any]:
        within = filtered(self._projects(), projects)
        return filtered((one for project in within for one in project.collections()), filters)


class OrgEntityView(EntityView):
    """An entity as that of its organization: with the registries only, should it be a team, too."""

    entity_type = "organization"
    is_team = False

    def _projects(self) -> list[Any]:
        return [one for one in super()._projects() if one.name.startswith(REGISTRY)]


@shows(Project)
class ProjectView(View):
    typename = "Project"
    description = None
    updated_at = None
    read_only = False
    is_benchmark = False
    access = "PRIVATE"
    allow_all_artifact_types_in_registry = True

    @property
    def internal_id(self) -> str:
        return node_id("ProjectInternalId", self.record.number)

    @property
    def entity(self) -> Any:
        return self.show(self.world.entities[self.record.entity])

    @property
    def entity_name(self) -> Any:
        return self.record.entity

    @property
    def user(self) -> Any:
        return self.show(User(USER))

    @property
    def triggers(self) -> list[Any]:
        found = self.context.automations.of_project(self.record.entity, self.record.name)
        return [self.show(one) for one in found]

    def searched(self) -> Json:
        record = self.record
        return {"id": record.number, "name": record.name, "createdAt": record.created_at}

    def collections(self) -> list[Any]:
        """All that are in it."""
        here = (self.record.entity, self.record.name)
        every = self.world.collections.values()
        return [self.show(one) for one in every if (one.entity, one.project) == here]

    def artifact_collection(self, name: str) -> Any:
        return next((one for one in self.collections() if one.name == name), None)

    def artifact_collections(
        self, order: str | None = None, filters: str | None = None, **page: Any
    ) -> Json:
        return connection(filtered(self.collections(), filters), **page)

    def artifact_type(self, name: str) -> Any:
        return next((one for one in self._types() if one.name == name), None)

    def artifact_types(self, include_all: bool | None = None, **page: Any) -> Json:
        return connection(self._types(), **page)

    def artifact_collection_membership(self, name: str) -> Any:
        """By `COLLECTION:ALIAS`, or `COLLECTION:vN`."""
        collection, _, at = name.partition(":")
        found = self.artifact_collection(collection)
        return found.artifact_membership(at or "latest") if found else None

    def artifact(self, name: str) -> Any:
        membership = self.artifact_collection_membership(name)
        return membership.artifact if membership else None

    def _types(self) -> list[Any]:
        names = dict.fromkeys(one.type for one in self.collections())
        return [self.show(ArtifactType(self.record, name)) for name in names]


@shows(ArtifactType)
class ArtifactTypeView(View):
    typename = "ArtifactType"
    description = None

    @property
    def id(self) -> str:
        return node_id("ArtifactType", f"{self.record.project.number}/{self.record.name}")

    @property
    def created_at(self) -> Any:
        return self.record.project.created_at

    def artifact_collection(self, name: str) -> Any:
        return next((one for one in self._collections() if one.name == name), None)

    def artifact_collections(
        self, order: str | None = None, filters: str | None = None, **page: Any
    ) -> Json:
        return connection(filtered(self._collections(), filters), **page)

    def _collections(self) -> list[Any]:
        every = self.show(self.record.project).collections()
        return [one for one in every if one.type == self.record.name]
