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
    """The routes that `spec` wants: those that were sent with it, or else those declared; none are
    managed where it declares none.
    """
    if SENT in spec:
        return Routes(SENT, tuple(spec[SENT]["routes"]), sent=True)
    if ADAPTERS not in spec:
        return Routes()
    return Routes(ADAPTERS, tuple(block["route"] for block in spec[ADAPTERS]))


def exchanged(before: Spec, after: Spec) -> tuple[str, ...]:
    """See `Kind.exchanged`."""
    if adapter_routes(after).sent:
        return ()
    old = {block["route"]: block for block in before.get(ADAPTERS, ())}
    return tuple(
        block["route"]
        for block in after.get(ADAPTERS, ())
        if block["route"] not in old or not _is_same(old[block["route"]], block)
    )


def _is_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether it is one adapter. A commit that is learnt only now, of what is written as before,
    makes no other one of it.
    """
    a, b = old.get("huggingFace"), new.get("huggingFace")
    if a is None or b is None:
        return a is b and old.get("folder") == new.get("folder")
    commits = (a.get("revision", ""), b.get("revision", ""))
    written = (a.get("asked", commits[0]), b.get("asked", commits[1]))
    same = commits[0] == commits[1] or written[0] == written[1]
    return same and bool(a["repo"] == b["repo"])


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
    action: Action,
    before: Spec,
    target: Spec,
    observed: Observed | None,
    seen: Mapping[str, Seen],
) -> Advice:
    """The step by hand for each adapter that was not seen, is to be another one, or is wanted no
    more; and what an update may undo.
    """
    routes = adapter_routes(target)
    if routes.sent or action in ("delete", "terminate"):
        return NOTHING
    id = observed.id if observed and action != "replace" else ""
    others = exchanged(before, target)
    old = {block["route"]: block for block in before.get(ADAPTERS, ())}
    manual = []
    for block in target.get(ADAPTERS, ()):
        what = seen.get(block["route"], "missing")
        if what == "missing":
            manual.append(_attach(block, target, id))
        elif what == "swapped" or block["route"] in others:
            there = old.get(block["route"]) if block["route"] in others else None
            manual.append(_replace(block, there, target, id))
    left = [r for r, what in seen.items() if r not in routes.names and what != "missing"]
    left = left if routes.path else []
    manual += [_detach(route, target, id) for route in left]
    attached = [r for r in routes.names if seen.get(r, "missing") != "missing"]
    warnings = (_may_drop(attached),) if action == "update" and attached else ()
    return Advice(tuple(manual), warnings) if manual or warnings else NOTHING


def _attach(block: Mapping[str, Any], spec: Spec, id: str) -> Manual:
    return Manual(
        f"attach the LoRA adapter {block['name']} to {spec['name']} (Add LoRA adapter)",
        PAGE,
        _values(block, spec, id),
        f"apply asks {id or 'ENDPOINT_ID'}:{block['route']}",
    )


def _replace(
    block: Mapping[str, Any], there: Mapping[str, Any] | None, spec: Spec, id: str
) -> Manual:
    """No check: whichever adapter is behind a route, it answers. `there`: None for not known."""
    route = block["route"]
    what = f"replace the LoRA adapter at route {route} of {spec['name']} by {block['name']}"
    instead = [("In place of", _source(there))] if there else []
    return Manual(what, PAGE, (*_values(block, spec, id), *instead))


def _detach(route: str, spec: Spec, id: str) -> Manual:
    return Manual(
        f"detach the LoRA adapter at route {route} from {spec['name']}",
        PAGE,
        (_endpoint(spec, id), ("Route", route)),
        f"apply asks {id}:{route}, which must be 404",
    )


def _values(block: Mapping[str, Any], spec: Spec, id: str) -> tuple[tuple[str, str], ...]:
    source = block.get("huggingFace")
    values = [
        _endpoint(spec, id),
        ("Base model", base_of(spec) or "as it is"),
        ("LoRA adapter", _source(block)),
    ]
    if source and source.get("revision"):
        values.append(("Revision", source["revision"]))
    return (*values, ("Route", block["route"]))


def _source(block: Mapping[str, Any]) -> str:
    source = block.get("huggingFace")
    return str(source["repo"]) if source else f"uploaded from {block['folder']}"


def _endpoint(spec: Spec, id: str) -> tuple[str, str]:
    return "Endpoint", f"{spec['name']} ({id})" if id else spec["name"]


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
