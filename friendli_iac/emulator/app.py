"""The HTTP routes of the Friendli API."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .cost import cost_report
from .inference import TASKS, Task, answer
from .model import Endpoint, Json
from .paging import parse_limit
from .service import FRESH, Caller, Service
from .validation import (
    CREATE,
    UPDATE,
    WANDB,
    ApiError,
    Body,
    Field,
    check,
    problem,
    unprocessable,
)
from .wandb.app import graphql
from .wandb.views import Context

STALENESS_KEY = "friendli_emulator.staleness"
"""The key of the ASGI scope under which a `stale_list` fault reaches the list."""

_BETA = "/dedicated/beta/endpoint"
_ONE = _BETA + "/{endpoint_id}"


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a known caller."""

    service: Service
    caller: Caller
    request: Request
    raw_body: bytes

    def body(self, shape: Mapping[str, Field]) -> Body:
        """The JSON body, if it has `shape`."""
        if not self.raw_body:
            raise unprocessable(problem(("body",), "missing", "Field required"))
        try:
            parsed = json.loads(self.raw_body)
        except ValueError as error:
            raise unprocessable(problem(("body",), "json_invalid", str(error))) from None
        body = check(parsed, shape)
        if key := self.service.options.adapters_key:
            body |= _adapters(parsed, key)
        return body

    def endpoint(self) -> Endpoint:
        """The endpoint named in the path."""
        return self.service.find(self.caller, self.request.path_params["endpoint_id"])

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return self.request.query_params


Operation = Callable[[Call], Json]


def create_app(service: Service, wandb: Context) -> Starlette:
    """Both APIs as one ASGI application: Friendli's, and W&B's at `/graphql`."""

    def caller_of(request: Request) -> Caller:
        headers = request.headers
        return service.authenticate(headers.get("authorization"), headers.get("x-friendli-team"))

    def route(method: str, path: str, operation: Operation) -> Route:
        async def respond(request: Request) -> Response:
            raw_body = await request.body()
            try:
                with service.store.lock:
                    call = Call(service, caller_of(request), request, raw_body)
                    return JSONResponse(operation(call))
            except ApiError as refusal:
                return _refusal(refusal)

        return Route(path, respond, methods=[method])

    def inference(path: str, task: Task) -> Route:
        async def respond(request: Request) -> Response:
            raw_body = await request.body()
            try:
                with service.store.lock:
                    given = answer(service, caller_of(request), task, raw_body)
            except ApiError as refusal:
                return _refusal(refusal)
            await asyncio.sleep(given.seconds)
            return JSONResponse(given.body, given.status)

        return Route(path, respond, methods=["POST"])

    async def ask_wandb(request: Request) -> Response:
        return await graphql(wandb, request)

    return Starlette(
        routes=[
            route("POST", _BETA, _create),
            route("GET", _BETA, _list),
            route("GET", _ONE, lambda call: service.spec(call.endpoint())),
            route("PUT", _ONE, _update),
            route("DELETE", _ONE, lambda call: service.delete(call.endpoint())),
            route("GET", _ONE + "/version", _versions),
            route("GET", _ONE + "/status", lambda call: service.status(call.endpoint())),
            route("PUT", _ONE + "/sleep", lambda call: service.sleep(call.endpoint())),
            route("PUT", _ONE + "/wake", lambda call: service.wake(call.endpoint())),
            route("PUT", _ONE + "/terminate", lambda call: service.terminate(call.endpoint())),
            route("PUT", _ONE + "/restart", lambda call: service.restart(call.endpoint())),
            route("POST", "/dedicated/endpoint/wandb-artifact-create", _create_from_artifact),
            route("GET", "/v1/team/cost", _cost),
            Route("/graphql", ask_wandb, methods=["POST"]),
            *(inference(path, task) for path, task in TASKS.items()),
        ],
        exception_handlers={HTTPException: _no_such_route},
    )


def _create(call: Call) -> Json:
    return call.service.create(call.caller, call.body(CREATE))


def _list(call: Call) -> Json:
    return call.service.list_endpoints(
        call.caller,
        call.query.get("project_id", ""),
        call.query.get("cursor"),
        parse_limit(call.query.get("limit")),
        call.request.scope.get(STALENESS_KEY, FRESH),
    )


def _update(call: Call) -> Json:
    body = call.body(UPDATE)
    return call.service.update(call.endpoint(), body, call.caller.user)


def _versions(call: Call) -> Json:
    limit = parse_limit(call.query.get("limit"))
    return call.service.list_versions(call.endpoint(), call.query.get("cursor"), limit)


def _create_from_artifact(call: Call) -> Json:
    return call.service.create_from_artifact(call.caller, call.body(WANDB))


def _cost(call: Call) -> Json:
    store = call.service.store
    team = (one for one in store.ever() if one.team == call.caller.team)
    return cost_report(call.query, team, store.now())


def _adapters(sent: object, path: str) -> Body:
    """The routes at a hypothetical path: a list of routes, or of objects with a `route`."""
    for key in path.split("."):
        sent = sent.get(key) if isinstance(sent, dict) else None
    if not isinstance(sent, list):
        return {}
    return {"adapters": [one.get("route") if isinstance(one, dict) else one for one in sent]}


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code)


def _refusal(refusal: ApiError) -> Response:
    if isinstance(refusal.body, str):
        return PlainTextResponse(refusal.body, refusal.status, refusal.headers)
    return JSONResponse(refusal.body, refusal.status, refusal.headers)
