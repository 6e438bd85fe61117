"""The control API: what `Control` offers, over HTTP and as JSON, for tests in other processes.

It has no access control, for the emulator listens on loopback only.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .control import Control
from .faults import fault_from_json
from .model import Json
from .validation import ApiError

PREFIX = "/__emulator"
_ENDPOINT = "/endpoint/{endpoint_id}"

Action = Callable[[Control, str, Json], Any]
"""What a route does: with what its path names (an endpoint, say, or ""), and its JSON (or {})."""

_WANDB = {
    "add_raw_automation", "add_team", "add_webhook", "automations", "edit_automation",
    "edit_webhook", "log", "move_alias", "remove_alias", "remove_automation", "remove_webhook",
    "seed", "set_secret", "tag", "uploading", "versions", "webhooks",
}  # fmt: skip
"""The methods of `WandbControl` that can be called from outside."""


def control_app(control: Control) -> Starlette:
    """The control API as an ASGI application."""

    def route(method: str, path: str, action: Action) -> Route:
        async def answer(request: Request) -> Response:
            raw_body = await request.body()
            try:
                body = json.loads(raw_body or b"{}")
                if not isinstance(body, dict):
                    raise TypeError("the body is to be a JSON object")
                named = next(iter(request.path_params.values()), "")
                return JSONResponse(action(control, named, body))
            except KeyError as error:
                return JSONResponse({"error": f"not found: {error}"}, 404)
            except (TypeError, ValueError) as error:
                return JSONResponse({"error": str(error)}, 400)
            except ApiError as refusal:
                return JSONResponse({"error": refusal.body}, refusal.status)

        return Route(PREFIX + path, answer, methods=[method])

    return Starlette(
        routes=[
            route("GET", "/state", lambda control, _, body: _state(control)),
            route("GET", "/clock", lambda control, _, body: _clock(control)),
            route("POST", "/clock", _move_clock),
            route("PUT", "/durations", _set_durations),
            route("PUT", "/options", _set_options),
            route("PUT", "/tokens", lambda control, _, body: control.set_tokens(body)),
            route("GET", "/faults", lambda control, _, body: control.faults.rules()),
            route("POST", "/faults", _add_fault),
            route("DELETE", "/faults", lambda control, _, body: control.clear_faults()),
            route("GET", "/holds", lambda control, _, body: control.held()),
            route("POST", "/holds/release", _release),
            route("GET", "/requests", lambda control, _, body: control.requests),
            route("GET", "/inferences", lambda control, _, body: control.inferences),
            route("DELETE", "/requests", lambda control, _, body: control.clear_requests()),
            route("POST", "/seed", lambda control, _, body: control.seed(**body)),
            route("POST", "/reset", lambda control, _, body: control.reset()),
            route("GET", "/wandb", lambda control, _, body: control.wandb.state()),
            route("PUT", "/wandb", lambda control, _, body: control.wandb.turn(**body)),
            route("POST", "/wandb/{operation}", _wandb),
            route("GET", _ENDPOINT, lambda control, one, body: control.endpoint(one)),
            route("GET", _ENDPOINT + "/versions", lambda control, one, body: control.versions(one)),
            route("POST", _ENDPOINT + "/change", _change),
            route("POST", _ENDPOINT + "/status", _set_status),
            route("POST", _ENDPOINT + "/attach", _attach),
            route("POST", _ENDPOINT + "/detach", _detach),
            route("POST", _ENDPOINT + "/next-rollout", _fail_next_rollout),
            route("POST", _ENDPOINT + "/serves-badly", _serves_badly),
            route("POST", _ENDPOINT + "/fails-after", _fails_after),
        ]
    )


def _state(control: Control) -> Json:
    return {
        "clock": _clock(control),
        "durations": asdict(control.service.course.durations),
        "options": asdict(control.service.options),
        "faults": control.faults.rules(),
        "holds": control.held(),
        "endpoints": control.endpoints(),
    }


def _clock(control: Control) -> Json:
    return {"mode": control.service.store.clock.mode, "now": control.now()}


def _move_clock(control: Control, _: str, body: Json) -> Json:
    """`{"advance": seconds}` or `{"set": seconds since the epoch}`."""
    if "set" in body:
        control.set_time(body["set"])
    control.advance(body.get("advance", 0))
    return _clock(control)


def _set_durations(control: Control, _: str, body: Json) -> Json:
    control.set_durations(**body)
    return asdict(control.service.course.durations)


def _set_options(control: Control, _: str, body: Json) -> Json:
    control.set_options(**body)
    return asdict(control.service.options)


def _add_fault(control: Control, _: str, body: Json) -> Json:
    """The keys are those of `faults.Fault`; a hold is a fault of kind "hold"."""
    return {"id": control.faults.add(fault_from_json(body))}


def _release(control: Control, _: str, body: Json) -> Json:
    return {"released": control.release(body.get("seq"))}


def _wandb(control: Control, operation: str, body: Json) -> Any:
    """Calls a method of `Control.wandb`; the body has its arguments by name."""
    if operation not in _WANDB:
        raise KeyError(operation)
    return getattr(control.wandb, operation)(**body)


def _change(control: Control, endpoint_id: str, body: Json) -> Json:
    return {"version": control.change(endpoint_id, **body)}


def _attach(control: Control, endpoint_id: str, body: Json) -> Json:
    """`{"adapters": [routes]}`, as a person does it in the web page."""
    return {"version": control.attach_adapter(endpoint_id, *body["adapters"])}


def _detach(control: Control, endpoint_id: str, body: Json) -> Json:
    """As `_attach`."""
    return {"version": control.detach_adapter(endpoint_id, *body["adapters"])}


def _set_status(control: Control, endpoint_id: str, body: Json) -> None:
    control.set_status(endpoint_id, **body)


def _fail_next_rollout(control: Control, endpoint_id: str, body: Json) -> None:
    """`{"outcome": …}`, or `{"outcomes": […]}` for several roll-outs, one after the other."""
    outcomes = body["outcomes"] if "outcomes" in body else [body["outcome"]]
    control.fail_next_rollout(endpoint_id, *outcomes)


def _serves_badly(control: Control, endpoint_id: str, body: Json) -> None:
    control.serves_badly(endpoint_id, **body)


def _fails_after(control: Control, endpoint_id: str, body: Json) -> None:
    control.fails_after(endpoint_id, **body)
