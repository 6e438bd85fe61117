"""LoRA adapters of an endpoint: who attaches them, what is said of that, and how one is proved.

No public API of Friendli attaches adapters (OpenAPI of 2026-07-22 and the SDK 0.16), so a person
does in Friendli Suite, unless the settings say that the service takes them with create and update.
Either way a route is there when it answers: that the API accepted a request proves nothing, for a
key that it does not know may have been ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from friendli_iac.errors import NotFound
from friendli_iac.resources.advice import NOTHING, Advice, Manual
from friendli_iac.resources.base import Action, Observed, Routes, Seen
from friendli_iac.resources.spec import Spec, copied, get_path

ADAPTERS = "adapters"  # declared: blocks of Adapter with their `name`
SENT = "sentAdapters"  # `{routes, body}`: what goes into a request's body, and what must answer
PAGE = "https://friendli.ai/suite"
# The cheapest inference request; a model that is not there is 404 (docs, inference errors).
PROBE, PROMPT = "/dedicated/v1/tokenize", "OK"


class InferenceApi(Protocol):
    """The one call that asks a route."""

    def infer(
        self, path: str, body: dict[str, Any], timeout: float
    ) -> tuple[dict[str, Any], str]: ...


def adapter_routes(spec: Spec) -> Routes:
    """The routes that `spec` wants: those that were sent with it, or else those declared."""
    if SENT in spec:
        return Routes(SENT, tuple(spec[SENT]["routes"]), sent=True)
    return Routes(ADAPTERS, tuple(block["route"] for block in spec.get(ADAPTERS, ())))


def is_served(api: InferenceApi, id: str, route: str, timeout: float) -> bool:
    """See `Kind.answers`."""
    try:
        api.infer(PROBE, {"model": f"{id}:{route}", "prompt": PROMPT}, timeout)
    except NotFound:
        # Else it says nothing of the route: this service may not know the path at all.
        api.infer(PROBE, {"model": id, "prompt": PROMPT}, timeout)
        return False
    return True


def adapter_advice(
    action: Action, target: Spec, observed: Observed | None, seen: Mapping[str, Seen]
) -> Advice:
    """The step by hand for each adapter that was not seen, and what an update may undo."""
    routes = adapter_routes(target)
    if routes.sent or action in ("delete", "terminate"):
        return NOTHING
    id = observed.id if observed and action != "replace" else ""
    manual = tuple(
        _step(block, target, id)
        for block in target.get(ADAPTERS, ())
        if seen.get(block["route"], "missing") == "missing"
    )
    attached = [route for route, what in seen.items() if what != "missing"]
    warnings = (_may_drop(attached),) if action == "update" and attached else ()
    return Advice(manual, warnings) if manual or warnings else NOTHING


def _step(block: Mapping[str, Any], spec: Spec, id: str) -> Manual:
    source = block.get("huggingFace")
    values = [
        ("Endpoint", f"{spec['name']} ({id})" if id else spec["name"]),
        ("Base model", base_of(spec) or "as it is"),
        ("LoRA adapter", source["repo"] if source else f"uploaded from {block['folder']}"),
    ]
    if source and source.get("revision"):
        values.append(("Revision", source["revision"]))
    return Manual(
        f"attach the LoRA adapter {block['name']} to {spec['name']} (Add LoRA adapter)",
        PAGE,
        (*values, ("Route", block["route"])),
        f"apply asks {id or 'ENDPOINT_ID'}:{block['route']}",
    )


def _may_drop(routes: Collection[str]) -> str:
    listed = ", ".join(sorted(routes))
    return (
        f"the adapters {listed} were attached by hand: whether an update keeps them is not known; "
        "apply asks for them afterwards"
    )


def base_of(spec: Spec) -> str:
    """The model that adapters are for, in words; empty where it is not known."""
    paths = ("model.huggingFace.repo", "model.wandb.artifact", "model.uploaded.id")
    return next((str(found) for path in paths if (found := get_path(spec, path))), "")


def emptied(sent: Spec) -> Spec:
    """`sentAdapters` that takes away what `sent` attached."""

    def without(block: Mapping[str, Any]) -> Spec:
        return {
            key: without(value) if isinstance(value, dict) else [] for key, value in block.items()
        }

    return {"routes": [], "body": without(sent["body"])}


def with_adapters(body: dict[str, Any], spec: Spec) -> dict[str, Any]:
    """A create or update body with the adapters of `spec` in it, where the service takes them."""
    return _merged(body, spec[SENT]["body"]) if SENT in spec else body


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = copied(base)
    for key, value in over.items():
        inner = merged.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            value = _merged(inner, value)
        merged[key] = value
    return merged
