"""The operations of the API, apart from HTTP: what each one does to the endpoints."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from . import lifecycle
from .model import (
    FAILED,
    TERMINATED,
    UPDATING,
    Endpoint,
    Json,
    Version,
    show_spec,
    show_status,
)
from .paging import decode_cursor, take_page
from .settings import settings_of_artifact, settings_of_create, settings_of_update
from .store import Store
from .validation import ApiError, Body, problem, unprocessable

DEFAULT_TEAM = "team-emulator"
ANY_ENDPOINT = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a user, in one of the teams that the token belongs to."""

    user: str
    team: str


@dataclass(slots=True)
class Options:
    """Switches that may be turned while the emulator runs."""

    latency_ms: float = 0.0
    """Added to every answer, in milliseconds."""
    extra_fields: Json = field(default_factory=dict)
    """Keys that a future API might add to each Status and each Spec."""
    adapters_key: str | None = None
    """A body key, or a dotted path of keys, with a list of adapter routes, or of objects that have
    one at `route`. No public API attaches adapters, hence None."""
    updates_drop_adapters: bool = False
    """Whether an update detaches what it does not name. Unknown in the real API."""


@dataclass(frozen=True, slots=True)
class Staleness:
    """How far a list lags: it hides what is younger than `seconds`, and the `newest` ones."""

    seconds: float = 0.0
    newest: int = 0


FRESH = Staleness()


class Service:
    """The API over a store. Whoever calls it holds the store's lock."""

    def __init__(self, store: Store, durations: lifecycle.Durations, options: Options) -> None:
        self.store = store
        self.course = lifecycle.Course(durations, [])
        self.options = options
        self.tokens: dict[str, tuple[str, tuple[str, ...]]] = {}

    # Who asks, and for what

    def authenticate(self, authorization: str | None, team: str | None) -> Caller:
        """The caller, by the Authorization and X-Friendli-Team headers; 401 or 403 otherwise.

        Unless `tokens` says something else, every personal key (`flp_…`) is known.
        """
        scheme, _, token = (authorization or "").partition(" ")
        known = self.tokens.get(token) if self.tokens else _anybody(token)
        if scheme.lower() != "bearer" or known is None:
            raise ApiError(401, {"message": "Unauthorized: the token is missing or not valid."})
        user, teams = known
        if team and team not in teams:
            raise ApiError(403, {"message": f"Forbidden: you are not a member of team {team}."})
        return Caller(user, team or teams[0])

    def find(self, caller: Caller, endpoint_id: str) -> Endpoint:
        """The endpoint; 404 also for one of another team (docs: "wrong endpoint/team")."""
        endpoint = self.store.get(endpoint_id)
        if endpoint is None or endpoint.team != caller.team:
            raise ApiError(404, {"detail": f"Endpoint {endpoint_id} not found."})
        return endpoint

    def enter_project(self, caller: Caller, project: str, *, create: bool = False) -> None:
        """403 for a project of another team. The first use creates a project."""
        owner = self.store.team_of(project)
        if owner is None and create:
            self.store.claim(project, caller.team)
        elif owner not in (None, caller.team):
            raise ApiError(403, {"message": f"Forbidden: no access to project {project}."})

    # Reading

    def list_endpoints(
        self, caller: Caller, project: str, cursor: str | None, limit: int, stale: Staleness
    ) -> Json:
        """`{data: {id: Status}, nextCursor}`, newest first (the real order is unknown)."""
        if project:
            self.enter_project(caller, project)
        hidden = self._hidden(stale)
        page, next_cursor = take_page(
            (
                (endpoint.serial, endpoint)
                for endpoint in self.store.newest_first(decode_cursor(cursor))
                if endpoint.team == caller.team
                and project in ("", endpoint.project)
                and endpoint.id not in hidden
            ),
            limit,
        )
        data = {endpoint.id: self.status(endpoint) for endpoint in page}
        return {"data": data, "nextCursor": next_cursor}

    def list_versions(self, endpoint: Endpoint, cursor: str | None, limit: int) -> Json:
        """`{data: {"<number>": Spec}, nextCursor}`, newest first (the real order is unknown)."""
        before = decode_cursor(cursor)
        end = len(endpoint.versions) if before is None else before
        page, next_cursor = take_page(((n, n) for n in range(end - 1, -1, -1)), limit)
        extra = self.options.extra_fields
        data = {str(number): show_spec(endpoint, extra, number) for number in page}
        return {"data": data, "nextCursor": next_cursor}

    def status(self, endpoint: Endpoint) -> Json:
        """The Status of an endpoint."""
        return show_status(endpoint, self.options.extra_fields)

    def spec(self, endpoint: Endpoint) -> Json:
        """The Spec of the version that serves."""
        return show_spec(endpoint, self.options.extra_fields)

    # Changing

    def create(self, caller: Caller, body: Body) -> Json:
        """A Status, without the id of the new endpoint: so says the OpenAPI."""
        if body.get("hfModelRepo") is None and body.get("uploadedModelId") is None:
            raise unprocessable(problem(("body", "hfModelRepo"), "missing", "Field required"))
        settings = settings_of_create(body)
        self.enter_project(caller, body["projectId"], create=True)
        comment = body.get("initialVersionComment")
        return self.status(self._create(caller, body["projectId"], settings, comment))

    def update(self, endpoint: Endpoint, body: Body, user: str, *, supersede: bool = False) -> Json:
        """The Spec that serves once the update is accepted: the old one while it rolls out.

        One that is under way refuses another (the docs do not say; the web page's own API is said
        to), unless that shall `supersede` it.
        """
        settings = settings_of_update(endpoint.settings, body)
        if not supersede:  # the web page names what is attached
            settings = self._detached(settings, body)
        comment = body.get("newVersionComment")
        self._add_version(endpoint, settings, comment, user, supersede=supersede)
        return self.spec(endpoint)

    def delete(self, endpoint: Endpoint) -> Json:
        """An empty object (the answer is untyped in the OpenAPI).

        Which statuses can be deleted is unknown in the real API; the emulator chooses the two in
        which no machine is held.
        """
        if endpoint.status not in {TERMINATED, FAILED}:
            lifecycle.refuse(endpoint, {endpoint.status}, "deleted")
        self.store.remove(endpoint)
        return {}

    def sleep(self, endpoint: Endpoint) -> Json:
        """Put to sleep."""
        return self._move(endpoint, lambda: lifecycle.sleep(endpoint, self.store.now()))

    def wake(self, endpoint: Endpoint) -> Json:
        """Wake up."""
        return self._move(endpoint, lambda: lifecycle.wake(endpoint, self.store.now(), self.course))

    def restart(self, endpoint: Endpoint) -> Json:
        """Start again what failed or was terminated."""
        return self._move(
            endpoint, lambda: lifecycle.restart(endpoint, self.store.now(), self.course)
        )

    def terminate(self, endpoint: Endpoint) -> Json:
        """Terminate."""
        return self._move(
            endpoint, lambda: lifecycle.terminate(endpoint, self.store.now(), self.course)
        )

    def create_from_artifact(self, caller: Caller, body: Body) -> Json:
        """The W&B route: one `idempotencyKey` in a project is one endpoint, rolled out each time.

        A repeat with the same artifact version rolls out, too: unknown in the real API.
        """
        key, project = body.get("idempotencyKey"), body.get("projectId")
        if key and not project:
            raise ApiError(400, {"detail": "idempotencyKey needs projectId."})
        project = project or f"{caller.team}-wandb"
        self.enter_project(caller, project, create=True)
        endpoint = self._by_key(project, key) if key else None
        if endpoint is None:
            settings = settings_of_artifact(None, body)
            endpoint = self._create(caller, project, settings, None, key)
        else:
            settings = self._detached(settings_of_artifact(endpoint.settings, body), body)
            self._add_version(endpoint, settings, None, caller.user)
        return {
            "endpointId": endpoint.id,
            "endpointName": settings["name"],
            "projectId": project,
            "projectName": project,
            "teamId": caller.team,
            "teamName": caller.team,
        }

    def _create(
        self,
        caller: Caller,
        project: str,
        settings: Json,
        comment: str | None,
        idempotency_key: str | None = None,
    ) -> Endpoint:
        now = self.store.now()
        endpoint_id, serial = self.store.new_identity()
        endpoint = Endpoint(
            id=endpoint_id,
            serial=serial,
            team=caller.team,
            project=project,
            creator=caller.user,
            created_at=now,
            updated_at=now,
            versions=[Version(settings, comment, caller.user, now)],
            idempotency_key=idempotency_key,
        )
        lifecycle.start(endpoint, now, self.course)
        self.store.add([endpoint])
        return endpoint

    def _add_version(
        self,
        endpoint: Endpoint,
        settings: Json,
        comment: str | None,
        user: str,
        *,
        supersede: bool = False,
    ) -> None:
        busy = lifecycle.BUSY - {UPDATING} if supersede else lifecycle.BUSY
        lifecycle.refuse(endpoint, busy, "updated")
        now = self.store.now()
        version = Version(settings, comment, user, now)
        lifecycle.add_version(endpoint, version, now, self.course)
        self.store.save(endpoint)

    def _detached(self, settings: Json, body: Body) -> Json:
        if not self.options.updates_drop_adapters or "adapters" in body:
            return settings
        return {key: value for key, value in settings.items() if key != "adapters"}

    def _move(self, endpoint: Endpoint, transition: Callable[[], None]) -> Json:
        transition()
        self.store.save(endpoint)
        return self.status(endpoint)

    def _by_key(self, project: str, key: str) -> Endpoint | None:
        return next(
            (
                endpoint
                for endpoint in self.store.newest_first()
                if endpoint.project == project and endpoint.idempotency_key == key
            ),
            None,
        )

    def _hidden(self, stale: Staleness) -> frozenset[str]:
        if stale == FRESH:
            return frozenset()
        horizon = self.store.now() - stale.seconds
        return frozenset(
            endpoint.id
            for rank, endpoint in enumerate(self.store.newest_first())
            if rank < stale.newest or (stale.seconds and endpoint.created_at > horizon)
        )


def _anybody(token: str) -> tuple[str, tuple[str, ...]] | None:
    if not token.startswith("flp_"):
        return None
    return f"user-{hashlib.sha256(token.encode()).hexdigest()[:8]}", (DEFAULT_TEAM,)
