"""What the kind knows about its fields: which requests can be made, and what stands for what."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from friendli_iac.emulator import Emulator
from friendli_iac.resources.autoscaling import AutoscalingPolicySpec
from friendli_iac.resources.endpoint import ENDPOINT
from friendli_iac.resources.endpoint_spec import EndpointSpec, HuggingFaceModel, Model
from friendli_iac.resources.spec import Spec, canonical, leaves

from .harness import Project, endpoint, writes

REVISED = {"model": {"huggingFace": {"repo": "acme/model", "revision": "c0ffee"}}}


@pytest.mark.parametrize(
    ("desired", "kept"),
    [
        ({}, True),  # ignored, or left out
        ({"model": {"huggingFace": {"revision": "c0ffee"}}}, True),
        ({"model": {"huggingFace": {"repo": "acme/model"}}}, True),
        ({"model": {"huggingFace": {"repo": "acme/other"}}}, False),
    ],
)
def test_a_commit_stays_as_long_as_its_repository(desired: Spec, kept: bool) -> None:
    inherited = ENDPOINT.inheritable(REVISED, desired)
    assert ("revision" in inherited["model"]["huggingFace"]) is kept


def test_an_ignored_model_keeps_its_commit(project: Project, emulator: Emulator) -> None:
    revised = endpoint().replace("acme/model}", "acme/model, revision: c0ffee}")
    project.write(revised)
    assert project.apply().code == 0
    ignoring = "  lifecycle: {ignoreChanges: [model]}\n"
    project.write(revised.replace("maxBatchSize: 64", "maxBatchSize: 128") + ignoring)
    emulator.clear_requests()
    assert project.apply().code == 0
    (put,) = [r for r in emulator.requests if r["method"] == "PUT"]
    assert put["body"]["hfModelRepoRevision"] == "c0ffee"


@pytest.mark.parametrize(
    ("live", "changed", "refused"),
    [
        ({"gpu": "H200", "count": 3}, ("instance.gpu",), True),
        ({"gpu": "X9", "count": 2}, ("instance.count",), True),
        ({"gpu": "X9", "count": 2}, ("engine.maxBatchSize",), False),
        ({"gpu": "H200", "count": 3}, (), False),
        ({"gpu": "H200", "count": 2}, ("instance.gpu",), False),
        ({"optionId": "new"}, ("instance.optionId", "instance.gpu"), False),
    ],
)
def test_an_instance_that_no_request_can_name_is_a_conflict(
    live: dict[str, Any], changed: tuple[str, ...], refused: bool
) -> None:
    assert bool(ENDPOINT.conflicts({"instance": live}, changed)) is refused


def test_a_gpu_whose_live_count_nobody_knows_is_refused_before_anything_is_sent(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    assert project.apply().code == 0
    (path,) = {r["path"] for r in emulator.requests if r["path"].count("/") == 4}
    live = {"projectId": "p1", "name": "chat", "gpuType": "NVIDIA H100", "numGpu": 3}
    emulator.fault("GET", f"{path}$", status=200, body=live, count=None)
    project.write(endpoint().replace("{gpu: H100, count: 1}", "{gpu: H200}"))
    emulator.clear_requests()
    refused = project.apply()
    assert refused.code == 5, refused
    assert "no instance of gpu H200 with count 3 is known" in refused.out + refused.err
    assert writes(emulator) == []


def test_a_commit_without_a_repository_is_refused_before_anything_is_sent(
    project: Project, emulator: Emulator
) -> None:
    emulator.seed(1, project="p1", name="chat")
    (live,) = emulator.endpoints()
    ignoring = "  lifecycle: {ignoreChanges: [model.huggingFace.repo]}\n"
    project.write(endpoint().replace("acme/model}", "acme/model, revision: c0ffee}") + ignoring)
    assert project.run("import", "Endpoint/chat", live["id"]).code == 0
    emulator.clear_requests()
    refused = project.apply()
    assert refused.code == 5, refused
    assert "without a repo" in refused.out + refused.err
    assert writes(emulator) == []


def test_what_the_api_never_gave_is_not_sent(emulator: Emulator) -> None:
    """Whatever is missing from a target, there is a body."""
    sent: list[dict[str, Any]] = []

    class Api:
        def update_endpoint(self, id: str, body: dict[str, Any], *, key: str) -> None:
            sent.append(body)

    spec = {"name": "a", "model": {"huggingFace": {"revision": "c0ffee"}}}
    ENDPOINT.send(Api(), "update", id="x", spec=spec, comment="", key="")  # type: ignore[arg-type]
    assert sent[0]["hfModelRepoRevision"] == "c0ffee"
    assert "hfModelRepo" not in sent[0]


def test_what_alternatives_were_written_is_told_by_their_keys() -> None:
    with pytest.raises(ValidationError, match="huggingFace and uploaded exclude each other"):
        Model.model_validate({"huggingFace": {"repo": "a"}, "uploaded": {"id": "b"}})
    with pytest.raises(ValidationError, match="one of huggingFace, uploaded, wandb is required"):
        Model.model_validate({})


def test_replicas_have_a_limit_at_both_ends() -> None:
    for key in ("minReplicas", "maxReplicas"):
        assert canonical(AutoscalingPolicySpec.model_validate({key: 10})) == {key: 10}
        with pytest.raises(ValidationError, match="less than or equal to 10"):
            AutoscalingPolicySpec.model_validate({key: 11})


def test_the_description_of_a_commit_says_what_becomes_of_it() -> None:
    described = leaves(HuggingFaceModel)["revision"].description
    assert described == leaves(EndpointSpec)["model.huggingFace.revision"].description
    assert "left out later, the commit stays" in described
