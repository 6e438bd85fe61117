"""The official SDK, as a client that we did not write, gets along with the emulator.

Each operation goes through the SDK's own request building and its own (strict) response models.
Where the SDK is known to be wrong, a test pins the fault, so that a new SDK shows when it is gone.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from friendli.core import models
from friendli.friendli import SyncFriendli

from friendli_iac.emulator import Emulator

from .capture import capture
from .conftest import TEAM, TOKEN

ADVANCED: models.EndpointAdvancedConfigTypedDict = {
    "tokenizer_skip_special_tokens": True,
    "tokenizer_add_special_tokens": False,
    "max_batch_size": 64,
    "max_input_length": 1024,
    "max_context_length": 4096,
    "queue_backpressure_metric_kind": "REQUEST_COUNT",
    "queue_backpressure_metric_threshold": 12.5,
}


def create(sdk: SyncFriendli, **changes: Any) -> models.DedicatedEndpointStatus:
    arguments: dict[str, Any] = {
        "project_id": "project-a",
        "name": "chat",
        "instance_option_id": "zfTutSiLn0Hq",
        "advanced": ADVANCED,
        "hf_model_repo": "meta-llama/Llama-3.1-8B-Instruct",
        "hf_model_repo_revision": "main",
        "autoscaling_policy": {"min_replica": 1, "max_replica": 3, "cooldown_period": 600},
        "initial_version_comment": "first",
    }
    return sdk.dedicated.endpoint.create(**arguments | changes)


@pytest.fixture
def running(emulator: Emulator, sdk: SyncFriendli) -> str:
    """The id of an endpoint that runs."""
    create(sdk)
    emulator.advance(3)
    return str(emulator.endpoints()[-1]["id"])


def test_create_answers_a_status_and_no_id(emulator: Emulator, sdk: SyncFriendli) -> None:
    status = create(sdk)

    assert status.status == "INITIALIZING"
    assert status.phase == "REQUESTING_VIRTUAL_MACHINE"
    assert status.error_code is None
    assert status.created_at == status.updated_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert not hasattr(status, "id")
    (endpoint,) = emulator.endpoints()
    assert endpoint["versions"][0]["comment"] == "first"
    assert endpoint["versions"][0]["settings"]["advanced"]["max_token_count"] == 2560
    assert endpoint["versions"][0]["settings"]["hfModelRepoRevision"] == "main"


def test_create_of_an_uploaded_model_on_a_b300(emulator: Emulator, sdk: SyncFriendli) -> None:
    create(
        sdk,
        hf_model_repo=None,
        hf_model_repo_revision=None,
        uploaded_model_id="model-1",
        instance_option_id="b300x4",
        autoscaling_policy=None,
        simplescale={"replicas": 2},
    )

    (endpoint,) = emulator.endpoints()
    spec = sdk.dedicated.endpoint.get_spec(endpoint_id=endpoint["id"])
    assert (spec.gpu_type, spec.num_gpu) == ("NVIDIA B300", 4)
    assert (spec.autoscaling_min, spec.autoscaling_max) == (2, 2)
    assert endpoint["versions"][0]["settings"]["uploadedModelId"] == "model-1"


def test_list_maps_ids_to_statuses(sdk: SyncFriendli, running: str) -> None:
    create(sdk, name="other", project_id="project-b")

    everything = sdk.dedicated.endpoint.list()
    project = sdk.dedicated.endpoint.list(project_id="project-a", limit=100)

    assert everything.data is not None
    assert [one.status for one in everything.data.values()] == ["INITIALIZING", "RUNNING"]
    assert project.data is not None
    assert list(project.data) == [running]
    assert project.next_cursor is None


def test_get_spec_is_thin(sdk: SyncFriendli, running: str) -> None:
    spec = sdk.dedicated.endpoint.get_spec(endpoint_id=running)

    assert spec.model_dump(by_alias=True) == {
        "name": "chat",
        "gpuType": "NVIDIA H100",
        "numGpu": 2,
        "instanceId": "zfTutSiLn0Hq",
        "projectId": "project-a",
        "creatorId": spec.creator_id,
        "teamId": TEAM,
        "autoscalingMin": 1,
        "autoscalingMax": 3,
        "autoscalingCooldown": 600,
        "maxBatchSize": 64,
        "maxInputLength": 1024,
        "maxContextLength": 4096,
        "tokenizerSkipSpecialTokens": True,
        "tokenizerAddSpecialTokens": False,
        "currReplicaCnt": 1,
        "desiredReplicaCnt": 1,
        "updatedReplicaCnt": 1,
    }


def test_update_shows_when_it_is_rolled_out(
    emulator: Emulator, sdk: SyncFriendli, running: str
) -> None:
    endpoint = sdk.dedicated.endpoint

    at_once = endpoint.update(
        endpoint_id=running,
        name="chat-2",
        hf_model_repo="meta-llama/Llama-3.3-70B-Instruct",
        instance_option_id="GUA4qYFmsYz8",
        new_version_comment="bigger",
    )
    meanwhile = endpoint.get_status(endpoint_id=running)
    emulator.advance(2)

    assert (at_once.name, at_once.num_gpu) == ("chat", 2)
    assert meanwhile.status == "UPDATING"
    assert endpoint.get_status(endpoint_id=running).status == "RUNNING"
    spec = endpoint.get_spec(endpoint_id=running)
    assert (spec.name, spec.num_gpu, spec.max_batch_size) == ("chat-2", 8, 64)
    assert emulator.endpoint(running)["versions"][1]["comment"] == "bigger"


def test_version_history_has_thin_specs(
    emulator: Emulator, sdk: SyncFriendli, running: str
) -> None:
    sdk.dedicated.endpoint.update(endpoint_id=running, name="chat-2")

    history = sdk.dedicated.endpoint.get_version_history(endpoint_id=running)

    assert history.data is not None
    assert {key: spec.name for key, spec in history.data.items()} == {"1": "chat-2", "0": "chat"}
    assert history.next_cursor is None


def test_the_whole_life(emulator: Emulator, sdk: SyncFriendli, running: str) -> None:
    endpoint = sdk.dedicated.endpoint

    def status() -> str:
        return str(endpoint.get_status(endpoint_id=running).status)

    assert endpoint.sleep(endpoint_id=running).status == "SLEEPING"
    awaking = endpoint.wake(endpoint_id=running)
    assert (awaking.status, awaking.phase) == ("AWAKING", "ENGINE_INITIALIZING")
    emulator.advance(1)
    assert status() == "RUNNING"
    assert endpoint.terminate(endpoint_id=running).status == "TERMINATING"
    emulator.advance(1)
    assert status() == "TERMINATED"
    assert endpoint.restart(endpoint_id=running).status == "INITIALIZING"
    endpoint.terminate(endpoint_id=running)
    emulator.advance(1)
    assert endpoint.delete(endpoint_id=running) == {}
    with pytest.raises(models.SDKError) as gone:
        status()
    assert gone.value.status_code == 404


def test_a_failure_has_a_code_that_the_sdk_knows(emulator: Emulator, sdk: SyncFriendli) -> None:
    create(sdk, hf_model_repo="org/gated-model")
    emulator.advance(3)

    (endpoint,) = emulator.endpoints()
    status = sdk.dedicated.endpoint.get_status(endpoint_id=endpoint["id"])

    assert (status.status, status.error_code) == (
        "FAILED",
        "WORKLOAD_INIT_CANNOT_ACCESS_REPO_ERROR",
    )


def test_wandb_artifact_create_rolls_out_the_endpoint_of_its_key(
    emulator: Emulator, sdk: SyncFriendli
) -> None:
    def deploy(version: str) -> models.DedicatedEndpointWandbArtifactCreateResponse:
        return sdk.dedicated.endpoint.wandb_artifact_create(
            wandb_artifact_version_name=f"org/registry/model:{version}",
            project_id="project-a",
            name="from-wandb",
            idempotency_key="key-1",
            accelerator={"type": "NVIDIA H100", "count": 4},
            autoscaling_policy={"min_replica": 1, "max_replica": 2, "cooldown_period": 60},
        )

    first = deploy("v0")
    emulator.advance(3)
    again = deploy("v1")
    emulator.advance(2)

    assert first == again
    assert (first.endpoint_name, first.project_id, first.team_id) == (
        "from-wandb",
        "project-a",
        TEAM,
    )
    spec = sdk.dedicated.endpoint.get_spec(endpoint_id=first.endpoint_id)
    assert (spec.num_gpu, spec.autoscaling_max) == (4, 2)
    (endpoint,) = emulator.endpoints()
    artifacts = [one["settings"]["wandbArtifactVersionName"] for one in endpoint["versions"]]
    assert artifacts == ["org/registry/model:v0", "org/registry/model:v1"]


def test_cost(emulator: Emulator, sdk: SyncFriendli, running: str) -> None:
    emulator.advance(24 * 3600)
    start = datetime(2026, 1, 1, tzinfo=UTC)

    report = sdk.cost.get_cost(
        start_time=start, end_time=start + timedelta(days=2), limit=1, group_by="line_item"
    )
    rest = sdk.cost.get_cost(
        start_time=start, end_time=start + timedelta(days=2), page=report.next_page
    )

    assert report.has_more
    (line,) = report.data[0].results or []
    assert line.line_item == f"{running}, NVIDIA H100, gpu time cost"
    assert line.unit_price == "390"
    assert float(line.quantity or 0) == pytest.approx(2 * (24 * 3600 - 3) / 3600, abs=1e-6)
    assert float(line.total) == pytest.approx(float(line.quantity or 0) * 3.9, abs=1e-5)
    assert [bucket.start_time for bucket in rest.data] == [start + timedelta(days=1)]


def test_what_is_deleted_stays_in_the_bill(
    emulator: Emulator, sdk: SyncFriendli, running: str
) -> None:
    emulator.advance(3600)
    emulator.set_status(running, "TERMINATED")
    sdk.dedicated.endpoint.delete(endpoint_id=running)
    emulator.advance(3600)
    start = datetime(2026, 1, 1, tzinfo=UTC)

    report = sdk.cost.get_cost(
        start_time=start, end_time=start + timedelta(days=1), group_by="line_item"
    )

    (line,) = report.data[0].results or []
    assert line.line_item == f"{running}, NVIDIA H100, gpu time cost"
    assert float(line.quantity or 0) == pytest.approx(2, abs=0.01), "two GPUs for an hour"


Refused = Callable[[SyncFriendli, str], object]


@pytest.mark.parametrize(
    ("status", "call"),
    [
        (400, lambda sdk, one: create(sdk, instance_option_id="nothing")),
        (400, lambda sdk, one: create(sdk, simplescale={"replicas": 1})),
        (400, lambda sdk, one: sdk.dedicated.endpoint.wake(endpoint_id=one)),
        (400, lambda sdk, one: sdk.dedicated.endpoint.delete(endpoint_id=one)),
        (
            403,
            lambda sdk, one: sdk.dedicated.endpoint.get_spec(
                endpoint_id=one, x_friendli_team="team-of-others"
            ),
        ),
        (404, lambda sdk, one: sdk.dedicated.endpoint.get_spec(endpoint_id="nothing")),
        (404, lambda sdk, one: sdk.dedicated.endpoint.delete(endpoint_id="nothing")),
        (422, lambda sdk, one: create(sdk, simplescale={"replicas": 0}, autoscaling_policy=None)),
        (422, lambda sdk, one: sdk.dedicated.endpoint.list(limit=101)),
    ],
)
def test_refusals_are_sdk_errors(
    sdk: SyncFriendli, running: str, status: int, call: Refused
) -> None:
    with pytest.raises(models.SDKError) as refused:
        call(sdk, running)
    assert refused.value.status_code == status


def test_an_unknown_token_is_refused(emulator: Emulator) -> None:
    emulator.set_tokens({"flp_other": {"user": "user-1", "team": TEAM}})
    with (
        SyncFriendli(token=TOKEN, server_url=emulator.url, x_friendli_team=TEAM) as sdk,
        pytest.raises(models.SDKError) as refused,
    ):
        sdk.dedicated.endpoint.list()
    assert refused.value.status_code == 401


# Faults of the SDK (0.16.3): our client is not to have them.


def test_fault_the_second_page_cannot_be_fetched(emulator: Emulator, sdk: SyncFriendli) -> None:
    """The cursor is `bytes` in the SDK, and goes out as its Python repr."""
    emulator.seed(3)
    first = sdk.dedicated.endpoint.list(limit=2)
    assert isinstance(first.next_cursor, bytes)
    cursor = first.next_cursor

    wire = capture(emulator, lambda: sdk.dedicated.endpoint.list(limit=2, cursor=cursor))
    with pytest.raises(models.SDKError) as refused:
        sdk.dedicated.endpoint.list(limit=2, cursor=cursor)

    assert wire.query["cursor"] == repr(cursor)
    assert refused.value.status_code == 400


def test_fault_the_team_of_the_constructor_is_not_sent(
    emulator: Emulator, sdk: SyncFriendli
) -> None:
    by_constructor = capture(emulator, sdk.dedicated.endpoint.list)
    by_argument = capture(emulator, lambda: sdk.dedicated.endpoint.list(x_friendli_team=TEAM))

    assert "x-friendli-team" not in by_constructor.headers
    assert by_argument.headers["x-friendli-team"] == TEAM


def test_fault_a_204_is_an_error(emulator: Emulator, sdk: SyncFriendli, running: str) -> None:
    emulator.set_status(running, "TERMINATED")
    emulator.fault("DELETE", running, when="after", status=204)

    with pytest.raises(models.SDKError) as refused:
        sdk.dedicated.endpoint.delete(endpoint_id=running)

    assert refused.value.status_code == 204
    assert emulator.endpoints() == []


def test_fault_an_unknown_status_is_an_error(
    emulator: Emulator, sdk: SyncFriendli, running: str
) -> None:
    emulator.set_status(running, "HIBERNATING")

    with pytest.raises(models.ResponseValidationError):
        sdk.dedicated.endpoint.get_status(endpoint_id=running)


def test_fault_a_partial_policy_resets_the_rest(
    emulator: Emulator, sdk: SyncFriendli, running: str
) -> None:
    wire = capture(
        emulator,
        lambda: sdk.dedicated.endpoint.update(
            endpoint_id=running, autoscaling_policy={"max_replica": 5}
        ),
    )

    assert wire.body == {
        "autoscalingPolicy": {"minReplica": 0, "maxReplica": 5, "cooldownPeriod": 300}
    }


def test_fault_the_endpoint_id_is_not_percent_encoded(
    emulator: Emulator, sdk: SyncFriendli
) -> None:
    wire = capture(emulator, lambda: sdk.dedicated.endpoint.get_spec(endpoint_id="a/status"))

    assert wire.path == "/dedicated/beta/endpoint/a/status"


def test_fault_a_create_without_an_answer_is_sent_twice(emulator: Emulator) -> None:
    """By default the SDK retries every method, so an answer that is lost buys a second GPU."""
    emulator.fault("POST", "/endpoint$", kind="status", when="after", status=503, retry_after=0)
    with SyncFriendli(token=TOKEN, server_url=emulator.url, x_friendli_team=TEAM) as sdk:
        create(sdk)

    assert len(emulator.endpoints()) == 2
