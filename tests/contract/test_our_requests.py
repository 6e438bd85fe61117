"""Our client against the official SDK: for the same call, the same request on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from friendli.core.models import (
    AcceleratorRequirement,
    EndpointAdvancedConfig,
    EndpointSimplescaleConfig,
)
from friendli.core.models.autoscalingpolicy import AutoscalingPolicy
from friendli.friendli import SyncFriendli

from friendli_iac.clients.friendli import FriendliApi
from friendli_iac.clients.http import Http
from friendli_iac.emulator import Emulator
from friendli_iac.resources.base import Step
from friendli_iac.resources.endpoint import ENDPOINT
from friendli_iac.resources.endpoint_spec import EndpointSpec
from friendli_iac.resources.spec import canonical

from .capture import capture

ENGINE = {
    "maxBatchSize": 64,
    "maxInputLength": 8192,
    "maxContextLength": 16384,
    "maxTokenCount": 4096,
    "contentLogging": True,
    "tokenizer": {"addSpecialTokens": True, "skipSpecialTokens": False},
    "queue": {"timeoutMs": 30000, "backpressure": {"metric": "TTFT_MS", "threshold": 500.5}},
}
ADVANCED = EndpointAdvancedConfig(
    max_batch_size=64,
    max_input_length=8192,
    max_context_length=16384,
    max_token_count=4096,
    enable_content_logging=True,
    tokenizer_add_special_tokens=True,
    tokenizer_skip_special_tokens=False,
    queue_timeout_ms=30000,
    queue_backpressure_metric_kind="TTFT_MS",
    queue_backpressure_metric_threshold=500.5,
)
SCALED = {"minReplicas": 0, "maxReplicas": 2, "cooldown": "5m"}
POLICY = AutoscalingPolicy(min_replica=0, max_replica=2, cooldown_period=300)
REVISION = "0e9e39f249a16976918f6564b8830bc894c89659"
# Each case: our specification, and what the SDK is told for the same.
BODIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "autoscaled": (
        {"model": {"huggingFace": {"repo": "a/b", "revision": REVISION}}, "autoscaling": SCALED},
        {
            "hf_model_repo": "a/b",
            "hf_model_repo_revision": REVISION,
            "autoscaling_policy": POLICY,
        },
    ),
    "fixed": (
        {"model": {"huggingFace": {"repo": "a/b"}}, "autoscaling": {"replicas": 3}},
        {"hf_model_repo": "a/b", "simplescale": EndpointSimplescaleConfig(replicas=3)},
    ),
    "uploaded": (
        {"model": {"uploaded": {"id": "m1"}}, "autoscaling": SCALED},
        {"uploaded_model_id": "m1", "autoscaling_policy": POLICY},
    ),
}


@pytest.fixture
def ours(emulator: Emulator) -> Iterator[FriendliApi]:
    http = Http(emulator.url, {"Authorization": "Bearer flp_contract"})
    yield FriendliApi(http)
    http.close()


def specification(parts: dict[str, Any]) -> dict[str, Any]:
    written = {
        "project": "p1",
        "name": "chat",
        "instance": {"gpu": "NVIDIA H100", "count": 2},
        "engine": ENGINE,
        **parts,
    }
    return canonical(EndpointSpec.model_validate(written))


def same(emulator: Emulator, mine: Callable[[], object], theirs: Callable[[], object]) -> None:
    one, other = capture(emulator, mine), capture(emulator, theirs)
    assert (one.method, one.path, one.body) == (other.method, other.path, other.body)
    # The SDK sends an empty project when none was asked for; ours always asks for one.
    assert one.query == other.query


@pytest.mark.parametrize("case", BODIES)
def test_create(case: str, emulator: Emulator, ours: FriendliApi, sdk: SyncFriendli) -> None:
    parts, said = BODIES[case]
    same(
        emulator,
        lambda: ENDPOINT.send(
            ours, "create", id=None, spec=specification(parts), comment="why", key="k"
        ),
        lambda: sdk.dedicated.endpoint.create(
            project_id="p1",
            name="chat",
            instance_option_id="zfTutSiLn0Hq",
            advanced=ADVANCED,
            initial_version_comment="why",
            **said,
        ),
    )


@pytest.mark.parametrize("case", BODIES)
def test_update(case: str, emulator: Emulator, ours: FriendliApi, sdk: SyncFriendli) -> None:
    parts, said = BODIES[case]
    same(
        emulator,
        lambda: ENDPOINT.send(
            ours, "update", id="dep1", spec=specification(parts), comment="why", key="k"
        ),
        lambda: sdk.dedicated.endpoint.update(
            endpoint_id="dep1",
            name="chat",
            instance_option_id="zfTutSiLn0Hq",
            advanced=ADVANCED,
            new_version_comment="why",
            **said,
        ),
    )


@pytest.mark.parametrize("step", ["create", "rollout"])
def test_deploy_an_artifact(
    step: Step, emulator: Emulator, ours: FriendliApi, sdk: SyncFriendli
) -> None:
    wandb = {"artifact": "acme/wandb-registry-model/chat:v7", "idempotencyKey": "friendli-iac/x"}
    spec = specification({"model": {"wandb": wandb}, "autoscaling": SCALED})
    same(
        emulator,
        lambda: ENDPOINT.send(ours, step, id="dep1", spec=spec, comment="why", key="k"),
        lambda: sdk.dedicated.endpoint.wandb_artifact_create(
            wandb_artifact_version_name=wandb["artifact"],
            name="chat",
            project_id="p1",
            idempotency_key=wandb["idempotencyKey"],
            accelerator=AcceleratorRequirement(type="NVIDIA H100", count=2),
            autoscaling_policy=POLICY,
        ),
    )


def test_an_update_says_nothing_of_an_artifact(
    emulator: Emulator, ours: FriendliApi, sdk: SyncFriendli
) -> None:
    model = {"wandb": {"artifact": "acme/wandb-registry-model/chat:v7"}}
    spec = specification({"model": model, "autoscaling": SCALED})
    same(
        emulator,
        lambda: ENDPOINT.send(ours, "update", id="dep1", spec=spec, comment="why", key="k"),
        lambda: sdk.dedicated.endpoint.update(
            endpoint_id="dep1",
            name="chat",
            instance_option_id="zfTutSiLn0Hq",
            advanced=ADVANCED,
            new_version_comment="why",
            autoscaling_policy=POLICY,
        ),
    )


def test_reads_and_actions(emulator: Emulator, ours: FriendliApi, sdk: SyncFriendli) -> None:
    theirs = sdk.dedicated.endpoint
    pairs: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (lambda: ours.get_endpoint("dep1"), lambda: theirs.get_spec(endpoint_id="dep1")),
        (lambda: ours.get_status("dep1"), lambda: theirs.get_status(endpoint_id="dep1")),
        (
            lambda: ours.newest_version("dep1"),
            lambda: theirs.get_version_history(endpoint_id="dep1", limit=100),
        ),
        (
            lambda: ours.list_endpoints("p1"),
            lambda: theirs.list(project_id="p1", limit=100),
        ),
        (
            lambda: ours.act("dep1", "terminate", key="k"),
            lambda: theirs.terminate(endpoint_id="dep1"),
        ),
        (lambda: ours.act("dep1", "restart", key="k"), lambda: theirs.restart(endpoint_id="dep1")),
        (lambda: ours.act("dep1", "sleep", key="k"), lambda: theirs.sleep(endpoint_id="dep1")),
        (lambda: ours.act("dep1", "wake", key="k"), lambda: theirs.wake(endpoint_id="dep1")),
        (
            lambda: ours.delete_endpoint("dep1", key="k"),
            lambda: theirs.delete(endpoint_id="dep1"),
        ),
    ]
    for mine, sdks in pairs:
        same(emulator, mine, sdks)


def test_cost(emulator: Emulator, ours: FriendliApi, sdk: SyncFriendli) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    days = {"start_time": start, "end_time": start + timedelta(days=2)}
    same(
        emulator,
        lambda: ours.team_cost("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
        lambda: sdk.cost.get_cost(**days, limit=35, group_by="line_item", bucket_width=None),
    )


def test_where_ours_is_right_and_the_sdk_is_not(emulator: Emulator, ours: FriendliApi) -> None:
    """The team header, page 2, and an id that needs escaping: test_sdk.py has what the SDK does."""
    emulator.seed(150, project="p1")
    assert len(ours.list_endpoints("p1")) == 150
    assert capture(emulator, lambda: ours.get_endpoint("a?b")).path.endswith("/endpoint/a?b")
    teamed = Http(emulator.url, {"Authorization": "Bearer flp_contract", "X-Friendli-Team": "t9"})
    wire = capture(emulator, lambda: FriendliApi(teamed).get_endpoint("dep1"))
    teamed.close()
    assert wire.headers["x-friendli-team"] == "t9"


def test_the_key_travels_as_a_header(emulator: Emulator, ours: FriendliApi) -> None:
    wire = capture(emulator, lambda: ours.act("dep1", "sleep", key="the-key"))
    assert wire.headers["idempotency-key"] == "the-key"
