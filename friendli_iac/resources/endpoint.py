"""Endpoint: how a Dedicated Endpoint is read, and which requests change it.

Facts of the API are from Friendli's OpenAPI of 2026-07-22 and the official SDK 0.16, unless said
otherwise: a create tells no id, every accepted update makes one more version, and there is no
operation that rolls back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from friendli_iac.resources.advice import Advice
from friendli_iac.resources.artifact import ARTIFACT, MOVED_BY
from friendli_iac.resources.base import (
    Action,
    Address,
    Fault,
    Health,
    Observed,
    Routes,
    Seen,
    Step,
)
from friendli_iac.resources.billing import Bill, read_bill
from friendli_iac.resources.endpoint_adapters import (
    adapter_advice,
    adapter_routes,
    emptied,
    exchanged,
    is_served,
)
from friendli_iac.resources.endpoint_artifact import (
    artifact_advice,
    carried,
    deploy_body,
    from_artifact,
    not_carried,
    shared_key,
)
from friendli_iac.resources.endpoint_body import body_of, option_of
from friendli_iac.resources.endpoint_errors import explain
from friendli_iac.resources.endpoint_read import health_of, observed_of, readable_of
from friendli_iac.resources.endpoint_spec import EndpointSpec
from friendli_iac.resources.endpoint_steps import steps_of
from friendli_iac.resources.prices import Prices
from friendli_iac.resources.rollout import probe_complaint, probe_request
from friendli_iac.resources.spec import Spec, SpecModel, copied, get_path, overlay


class EndpointApi(Protocol):
    """The calls of Friendli's API that endpoints need. Answers are the decoded JSON objects."""

    def list_endpoints(self, project: str) -> dict[str, dict[str, Any]]: ...
    def get_endpoint(self, id: str) -> dict[str, Any]: ...
    def get_status(self, id: str) -> dict[str, Any]: ...
    def newest_version(self, id: str) -> int | None: ...
    def versions(self, id: str) -> dict[int, dict[str, Any]]: ...
    def team_cost(self, start: str, end: str) -> list[Any]: ...
    def infer(
        self, path: str, body: dict[str, Any], timeout: float
    ) -> tuple[dict[str, Any], str]: ...
    def create_endpoint(self, body: dict[str, Any], *, key: str) -> dict[str, Any]: ...
    def deploy_artifact(self, body: dict[str, Any], *, key: str) -> dict[str, Any]: ...
    def update_endpoint(self, id: str, body: dict[str, Any], *, key: str) -> None: ...
    def act(self, id: str, action: str, *, key: str) -> None: ...
    def delete_endpoint(self, id: str, *, key: str) -> None: ...


class EndpointKind:
    """See `friendli_iac.resources.base.Kind`."""

    name = "Endpoint"
    noun = "endpoint"
    model: type[SpecModel] = EndpointSpec
    versioned = True
    serves = True
    home = "api"

    def place(self, spec: Spec) -> str:
        return str(spec["project"])

    def desired(self, address: Address, written: Spec) -> Spec:
        always: Spec = {"name": address.name, "engine": {"contentLogging": False}}
        return overlay(EndpointSpec, always, written)

    def presumed(self, spec: Spec) -> Spec:
        return overlay(EndpointSpec, {"engine": {"contentLogging": False}}, spec)

    def inheritable(self, current: Spec, desired: Spec) -> Spec:
        if "adapters" in desired and "sentAdapters" not in desired:  # this service takes none
            current = {key: value for key, value in current.items() if key != "sentAdapters"}
        repo = get_path(desired, "model.huggingFace.repo")
        if repo in (None, get_path(current, "model.huggingFace.repo")):  # None: the repo stays
            return current
        # A commit of another repository means nothing in this one.
        kept = copied(current)
        get_path(kept, "model.huggingFace", {}).pop("revision", None)
        return kept

    def complete(self, target: Spec) -> Spec:
        # The API wants both tokenizer flags, and a partial scaling policy would reset the rest of
        # it to these same defaults without our plan having said so.
        full = copied(target)
        if not from_artifact(full) or not_carried(full):  # else no request has a field for them
            tokenizer = full.setdefault("engine", {}).setdefault("tokenizer", {})
            tokenizer.setdefault("addSpecialTokens", True)
            tokenizer.setdefault("skipSpecialTokens", True)
        scaling = full.setdefault("autoscaling", {})
        if "replicas" not in scaling:
            low = scaling.setdefault("minReplicas", 0)
            scaling.setdefault("maxReplicas", max(1, low))
            scaling.setdefault("cooldown", 300)
        if "gpu" in full.get("instance", {}):
            full["instance"].setdefault("count", 1)
        return full

    def restorable(self, good: Spec, failed: Spec) -> Spec:
        # Whether the API keeps a revision that a body leaves out is not documented. Left out at
        # first, it was the newest of the branch that every repository of Hugging Face has.
        kept = copied(good)
        source = get_path(kept, "model.huggingFace", {})
        tried = get_path(failed, "model.huggingFace.revision")
        if "repo" in source and "revision" not in source and tried is not None:
            source["revision"] = "main"
        if "sentAdapters" in failed and "sentAdapters" not in kept:
            kept["sentAdapters"] = emptied(failed["sentAdapters"])
        return kept

    def conflicts(self, target: Spec, changed: Collection[str]) -> list[str]:
        stays = "one of them is not in the manifest, or ignored, and stays as it is live"
        found = []
        scaling = target.get("autoscaling", {})
        low, high = scaling.get("minReplicas", 0), scaling.get("maxReplicas", 0)
        if "replicas" not in scaling and low > high:
            found.append(
                f"autoscaling.maxReplicas {high} would be below minReplicas {low}: {stays}"
            )
        moves = "instance.gpu" in changed or "instance.count" in changed
        if moves and "instance" in target and option_of(target) is None:
            gpu, count = target["instance"].get("gpu"), target["instance"].get("count")
            found.append(f"no instance of gpu {gpu} with count {count} is known: {stays}")
        source = get_path(target, "model.huggingFace", {})
        if source and "repo" not in source:
            found.append(
                "model.huggingFace.revision would be sent without a repo, which the API never "
                "shows: it is ignored in the manifest, and was never applied or imported with --set"
            )
        return found

    def steps(
        self,
        action: Action,
        observed: Observed | None,
        target: Spec,
        changed: Collection[str] = (),
    ) -> tuple[Step, ...]:
        return steps_of(action, observed, target, changed)

    def carried(self, step: Step, before: Spec, target: Spec) -> Spec:
        return carried(step, before, target)

    def left_alone(self, spec: Spec) -> Collection[str]:
        ignored = list(get_path(spec, "lifecycle.ignoreChanges", []))
        return [*ignored, ARTIFACT] if self.moved_by(spec) else ignored

    def moved_by(self, spec: Spec) -> str:
        return str(get_path(spec, MOVED_BY, ""))

    def advise(
        self,
        api: Any,
        action: Action,
        before: Spec,
        target: Spec,
        observed: Observed | None,
        seen: Mapping[str, Seen],
    ) -> Advice:
        adapters = adapter_advice(action, before, target, observed, seen)
        return adapters.with_(artifact_advice(action, before, target))

    def disagreements(self, spec: Spec, every: Mapping[str, Spec]) -> list[tuple[str, str, str]]:
        return shared_key(spec, every)

    def lint(
        self,
        api: Any,
        address: str,
        spec: Spec,
        every: Mapping[str, Spec],
        ours: Collection[str] = (),
    ) -> tuple[str, ...]:
        return ()

    def routes(self, spec: Spec) -> Routes:
        return adapter_routes(spec)

    def exchanged(self, before: Spec, after: Spec) -> tuple[str, ...]:
        return exchanged(before, after)

    def answers(self, api: EndpointApi, id: str, route: str, timeout: float) -> bool:
        return is_served(api, id, route, timeout)

    def life(self, target: Spec, observed: Observed) -> tuple[Action, str] | None:
        desired = target.get("desired")
        if self.idle(target):
            done = observed.health in ("ending", "stopped")
            return None if done else ("terminate", "spec.desired is terminated")
        if observed.health in ("failed", "ending", "stopped"):
            cause = f" ({observed.error})" if observed.error else ""
            return "restart", f"it is {observed.status}{cause} and should serve"
        if desired == "running" and observed.asleep:
            return "wake", "it sleeps, and spec.desired is running"
        if desired == "sleeping" and observed.health == "served" and not observed.asleep:
            return "sleep", "it runs, and spec.desired is sleeping"
        return None

    def idle(self, target: Spec) -> bool:
        return target.get("desired") == "terminated"

    def list(self, api: EndpointApi, project: str) -> dict[str, Observed]:
        return {
            id: observed_of(id, {"projectId": project}, status)
            for id, status in api.list_endpoints(project).items()
        }

    def fetch(self, api: EndpointApi, id: str) -> Mapping[str, Any]:
        return api.get_endpoint(id)

    def combine(self, id: str, fetched: Mapping[str, Any], listed: Observed) -> Observed:
        return observed_of(id, fetched, listed.details)

    def read(self, api: EndpointApi, id: str) -> Observed:
        # The status first: a specification read before it could be older than "served" says.
        status = api.get_status(id)
        return observed_of(id, api.get_endpoint(id), status)

    def newest_version(self, api: EndpointApi, id: str) -> int | None:
        return api.newest_version(id)

    def versions(self, api: EndpointApi, id: str) -> Mapping[int, Spec]:
        return {number: readable_of(spec) for number, spec in api.versions(id).items()}

    def probe(self, api: EndpointApi, id: str, probe: Spec, timeout: float) -> str:
        path, body = probe_request(probe, id)
        return probe_complaint(probe, *api.infer(path, body, timeout))

    def send(
        self, api: EndpointApi, step: Step, *, id: str | None, spec: Spec, comment: str, key: str
    ) -> str | None:
        if step == "rollout" or (step == "create" and from_artifact(spec)):
            told = api.deploy_artifact(deploy_body(spec), key=key).get("endpointId")
            return str(told) if told else None if step == "create" else id
        if step == "create":
            sent = {"projectId": spec["project"], **body_of(spec)}
            body = {**sent, "initialVersionComment": comment}
            answer = api.create_endpoint(body, key=key)
            told = answer.get("id") or answer.get("endpointId")  # not today; welcome when it comes
            return str(told) if told else None
        assert id is not None, f"{step} needs an id"
        if step == "update":
            api.update_endpoint(id, {**body_of(spec), "newVersionComment": comment}, key=key)
        elif step == "delete":
            api.delete_endpoint(id, key=key)
        else:
            api.act(id, step, key=key)
        return id

    def health(self, status: str) -> Health:
        return health_of(status)

    def replicas(self, spec: Spec) -> tuple[int, int]:
        if self.idle(spec):
            return 0, 0
        scaling = spec.get("autoscaling", {})
        fixed = scaling.get("replicas")
        low = fixed if fixed is not None else scaling.get("minReplicas", 0)
        high = fixed if fixed is not None else scaling.get("maxReplicas", 1)
        # A request wakes what sleeps: it bills nothing until then.
        return (0 if spec.get("desired") == "sleeping" else int(low)), int(high)

    def replica_cost(self, spec: Spec, prices: Prices) -> float | None:
        price = prices.of(get_path(spec, "instance.gpu", ""))
        return None if price is None else price * float(get_path(spec, "instance.count", 1))

    def hourly_cost(self, spec: Spec, prices: Prices) -> tuple[float, float] | None:
        replica = self.replica_cost(spec, prices)
        low, high = self.replicas(spec)
        return None if replica is None else (round(replica * low, 2), round(replica * high, 2))

    def bill(self, api: EndpointApi, start: str, end: str) -> Bill:
        return read_bill(api.team_cost(start, end))

    def explain(self, error: str | None, spec: Spec) -> Fault:
        return explain(error, spec)


ENDPOINT = EndpointKind()
