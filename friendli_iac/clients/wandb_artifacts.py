"""Artifacts and collections of W&B: versions, aliases, and the ids of scopes."""

from __future__ import annotations

from typing import Any

from friendli_iac.clients import wandb_queries as queries
from friendli_iac.clients.wandb_client import Connection, Node, id_of, reads
from friendli_iac.errors import AuthError, NotFound, Unreachable, did_you_mean
from friendli_iac.resources.artifact import ArtifactName, ArtifactVersion
from friendli_iac.resources.foreign import readable

MODEL = "model"  # the type that collections of a registry nearly always have
COMMITTED = '{"state": "COMMITTED"}'  # what is still uploaded is no version yet


class Artifacts(Connection):
    """What is read of registries and projects."""

    @reads
    def viewer(self) -> str:
        """Whose key it is. AuthError when it is nobody's."""
        found = self._query(queries.VIEWER, {}).get("viewer")
        if found is None:
            raise AuthError(
                "W&B knows nobody by this key",
                safe="Nothing was changed.",
                next=f"Set WANDB_API_KEY to a valid key: {self.app_url}/settings.",
            )
        return str(found.get("username") or found.get("entity") or "somebody")

    @reads
    def resolve(self, name: ArtifactName) -> ArtifactVersion:
        """The version that an alias, or `vN`, means now. NotFound says what there is."""
        variables = {"entity": name.entity, "project": name.project}
        variables["name"] = f"{name.collection}:{name.at}"
        project = self._project(self._query(queries.VERSION, variables), name.entity, name.project)
        membership = project.get("artifactCollectionMembership")
        if membership is None:
            raise self._no_version(name)
        artifact = membership.get("artifact") or {}
        aliases = [str(alias.get("alias")) for alias in membership.get("aliases") or ()]
        return _version(name.path, membership.get("versionIndex"), artifact, aliases)

    @reads
    def versions(self, path: str) -> list[ArtifactVersion]:
        """The versions of a collection `ENTITY/PROJECT/COLLECTION`, newest first."""
        entity, project, collection = _parts(path)
        variables = {"entity": entity, "project": project, "collection": collection}
        variables |= {"type": self._collection(path)[0], "filters": COMMITTED}
        place = ("project", "artifactType", "artifactCollection", "artifacts")
        found = []
        for edge in self._pages(queries.VERSIONS, variables, place, path):
            node = edge["node"]
            aliases = [
                str(alias.get("alias"))
                for alias in node.get("aliases") or ()
                if _path(alias.get("artifactCollection")) == path
            ]
            number = str(edge.get("version") or "").removeprefix("v")
            index = int(number) if number.isdigit() else node.get("versionIndex")
            found.append(_version(path, index, node, aliases))
        return sorted(found, key=lambda version: int(version.version[1:]), reverse=True)

    @reads
    def aliases(self, path: str) -> list[str]:
        """The aliases of a collection."""
        where, id = ("artifactCollection", "aliases"), self._collection(path)[1]
        edges = self._pages(queries.ALIASES, {"id": id}, where, path)
        return sorted({str(edge["node"].get("alias")) for edge in edges})

    @reads
    def scope_id(self, path: str) -> tuple[str, str]:
        """Type and id of a scope: `ENTITY`, `ENTITY/PROJECT` or `ENTITY/PROJECT/COLLECTION`."""
        parts = path.split("/")
        if len(parts) == 1:
            entity = self._query(queries.ENTITY, {"name": path}).get("entity")
            if entity is None:
                raise self._nothing(f"team or organization {path!r}")
            return "ENTITY", id_of(entity)
        if len(parts) == 2:
            variables = {"entity": parts[0], "name": parts[1]}
            answer = self._query(queries.PROJECT, variables)
            return "PROJECT", id_of(self._project(answer, *parts))
        return "ARTIFACT_COLLECTION", self._collection(path)[1]

    def _collection(self, path: str) -> tuple[str, str]:
        """Artifact type and id of a collection, which stay what they are."""
        if path not in self._collections:
            self._collections[path] = self._look_for(path)
        return self._collections[path]

    def _look_for(self, path: str) -> tuple[str, str]:
        """Each artifact type has to be asked for by itself."""
        entity, project, name = _parts(path)
        where = {"entity": entity, "project": project}
        tried: list[str] = []

        def found(type: str) -> str:
            tried.append(type)
            answer = self._query(queries.COLLECTION, {**where, "type": type, "name": name})
            of_type = self._project(answer, entity, project).get("artifactType") or {}
            collection = of_type.get("artifactCollection")
            return id_of(collection) if collection else ""

        if id := found(MODEL):
            return MODEL, id
        place = ("project", "artifactTypes")
        for edge in self._pages(queries.ARTIFACT_TYPES, where, place, f"{entity}/{project}"):
            type = str(edge["node"].get("name"))
            if type not in tried and (id := found(type)):
                return type, id
        raise self._nothing(f"collection {path}")

    def _project(self, answer: Node, entity: str, project: str) -> Node:
        found: Node | None = answer.get("project")
        if found is None:
            raise self._nothing(f"project {entity}/{project}")
        return found

    def _no_version(self, name: ArtifactName) -> NotFound:
        there = self.versions(name.path)  # NotFound, where there is no such collection at all
        known = [alias for version in there for alias in (*version.aliases, version.version)]
        more = f"It has {', '.join(known[:8])}{' …' if len(known) > 8 else ''}."
        kind = "version" if name.is_version else "alias"
        return NotFound(
            f"{name.path} has no {kind} {name.at!r} in W&B",
            status=404,
            next=did_you_mean(name.at, known, more if known else "Link a version to it first."),
        )


def _parts(path: str) -> tuple[str, str, str]:
    entity, project, collection = path.split("/")
    return entity, project, collection


def _path(collection: object) -> str:
    """`ENTITY/PROJECT/COLLECTION` of a collection with its project."""
    here: Any = collection if isinstance(collection, dict) else {}
    project = here.get("project") or {}
    entity = project.get("entity") or {}
    return f"{entity.get('name')}/{project.get('name')}/{here.get('name')}"


def _version(path: str, index: object, artifact: Node, aliases: list[str]) -> ArtifactVersion:
    if type(index) is not int or index < 0 or not artifact.get("id"):  # True is an int, too
        raise Unreachable(f"W&B: a version of {path} without its number")
    by = artifact.get("createdBy") or {}
    run = by.get("displayName") or by.get("name") or by.get("username") or ""
    metadata, odd = readable(artifact.get("metadata"))
    metrics, others = readable(by.get("summaryMetrics"))
    return ArtifactVersion(
        path=path,
        version=f"v{index}",
        id=str(artifact["id"]),
        digest=str(artifact.get("digest") or ""),
        aliases=tuple(alias for alias in aliases if alias != f"v{index}"),
        created_at=str(artifact.get("createdAt") or ""),
        logged_by=str(run),
        metadata=metadata,
        metrics=metrics,
        left_out=tuple(sorted({*odd, *others})),
    )
