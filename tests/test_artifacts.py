"""Endpoints from artifacts of W&B: aliases are locked to versions, and rolled out by a route."""

from __future__ import annotations

from pathlib import Path

import pytest

from friendli_iac.core.plan import Plan
from friendli_iac.emulator import Emulator
from friendli_iac.errors import StalePlan

from .artifacts import CHAT, DEPLOY, apply, artifact_of, bodies, deploy, deployed, lineage, registry
from .harness import WANDB_KEY, Project, endpoint, names, writes


@pytest.fixture
def world(project: Project, emulator: Emulator) -> Project:
    registry(emulator)
    project.write(deployed())
    return project


def put(emulator: Emulator) -> str:
    return f"PUT /dedicated/beta/endpoint/{emulator.endpoints()[0]['id']}"


def is_done(project: Project) -> None:
    """The plan is empty."""
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned
    assert "No changes" in planned.out


def test_an_alias_is_shown_and_locked(world: Project, emulator: Emulator) -> None:
    planned = world.run("plan")
    assert planned.code == 0, planned
    digest = emulator.wandb.versions(CHAT)[1]["digest"]
    line = f"production → v1, digest {digest[:12]}…, logged by run-1 with eval/accuracy 0.91"
    assert line in planned.out
    assert f"model.wandb.artifact     {CHAT}:v1" in planned.out
    assert "unpinned artifact: the manifest says" in planned.out
    assert writes(emulator) == []


def test_a_create_is_one_request_with_a_stable_key(world: Project, emulator: Emulator) -> None:
    assert world.apply().code == 0
    assert writes(emulator) == [DEPLOY]
    assert bodies(emulator) == [
        {
            "wandbArtifactVersionName": f"{CHAT}:v1",
            "name": "chat",
            "projectId": "p1",
            "idempotencyKey": f"friendli-iac/{lineage(world)}/Endpoint/chat",
            "accelerator": {"type": "NVIDIA H100", "count": 1},
            "autoscalingPolicy": {"minReplica": 1, "maxReplica": 2, "cooldownPeriod": 300},
        }
    ]
    applied = world.state["resources"]["Endpoint/chat"]["prior"]
    assert applied["asked"] == {"model.wandb.artifact": f"{CHAT}:production"}
    assert applied["spec"]["model"]["wandb"]["artifact"] == f"{CHAT}:v1"
    is_done(world)


def test_an_alias_that_moved_is_a_rollout(world: Project, emulator: Emulator) -> None:
    assert world.apply().code == 0
    emulator.wandb.move_alias(CHAT, "production", "v2")
    planned = world.run("plan")
    assert "production has moved" in planned.out
    assert "production → v2" in planned.out
    assert "RUNNING v0 → v1" in planned.out
    assert "while rolling: up to +$7.80" in planned.out
    emulator.clear_requests()
    assert world.apply().code == 0
    assert writes(emulator) == [DEPLOY]
    assert artifact_of(emulator) == "v2"
    assert bodies(emulator)[0]["idempotencyKey"].endswith("/Endpoint/chat")
    assert names(emulator) == ["chat"]
    is_done(world)


def test_what_the_route_cannot_carry_follows_when_it_serves(
    world: Project, emulator: Emulator
) -> None:
    world.write(deployed(more="  engine: {maxBatchSize: 64, queue: {timeoutMs: 900}}\n"))
    planned = world.run("plan")
    assert "does not carry engine.maxBatchSize, " in planned.out
    assert world.apply().code == 0
    assert writes(emulator) == [DEPLOY, put(emulator)]
    sent = bodies(emulator)[1]
    assert sent["advanced"] == {
        "enable_content_logging": False,
        "max_batch_size": 64,
        "queue_timeout_ms": 900,
        "tokenizer_add_special_tokens": True,
        "tokenizer_skip_special_tokens": True,
    }
    assert not {"hfModelRepo", "uploadedModelId", "wandbArtifactVersionName"} & sent.keys()
    is_done(world)
    emulator.clear_requests()
    emulator.wandb.move_alias(CHAT, "production", "v0")
    world.write(deployed(more="  engine: {maxBatchSize: 32, queue: {timeoutMs: 900}}\n"))
    planned = world.run("plan")
    assert "RUNNING v1 → v3" in planned.out
    assert "two versions: first the artifact" in planned.out
    applied = world.apply()
    assert applied.code == 0
    assert "not readable: model.wandb.artifact\n" in applied.out
    assert writes(emulator) == [DEPLOY, put(emulator)]
    assert bodies(emulator)[1]["advanced"]["max_batch_size"] == 32
    is_done(world)


def test_fixed_replicas_follow_too(world: Project, emulator: Emulator) -> None:
    world.write(deployed(scaling="{replicas: 2}"))
    assert world.apply().code == 0
    first, second = bodies(emulator)
    assert "autoscalingPolicy" not in first
    assert second["simplescale"] == {"replicas": 2}
    is_done(world)


def test_other_settings_alone_never_touch_the_artifact(world: Project, emulator: Emulator) -> None:
    assert world.apply().code == 0
    emulator.clear_requests()
    world.write(deployed(scaling="{minReplicas: 0, maxReplicas: 3, cooldown: 5m}"))
    assert world.apply().code == 0
    assert writes(emulator) == [put(emulator)]
    assert artifact_of(emulator) == "v1"
    is_done(world)


def test_a_version_is_taken_as_it_is(world: Project, emulator: Emulator) -> None:
    world.write(deployed("v0"))
    planned = world.run("plan")
    assert "v0, digest" in planned.out
    assert "unpinned" not in planned.out
    assert world.apply().code == 0
    asked = emulator.requests
    is_done(world)  # what a version is never changes: it is not asked for again
    assert not [r for r in emulator.requests[len(asked) :] if r["graphql"]]


@pytest.mark.parametrize("at", ["prod", "v9"])
def test_what_means_nothing_is_refused(at: str, world: Project, emulator: Emulator) -> None:
    world.write(deployed(at))
    planned = world.run("plan")
    assert planned.code == 5
    assert f"has no {'version' if at == 'v9' else 'alias'} {at!r}" in planned.out + planned.err
    assert "production" in planned.out + planned.err  # what there is
    refused = world.apply()
    assert refused.code == 5, refused
    assert writes(emulator) == []


def test_an_alias_that_was_taken_away_changes_nothing(world: Project, emulator: Emulator) -> None:
    assert world.apply().code == 0
    emulator.wandb.remove_alias(CHAT, "production")
    planned = world.run("plan")
    assert planned.code == 5, planned
    assert "no alias 'production'" in planned.out + planned.err
    assert "UPDATE" not in planned.out


def test_without_a_key_for_wandb_nothing_is_planned(world: Project, emulator: Emulator) -> None:
    planned = world.run("plan", env={"WANDB_API_KEY": ""})
    assert planned.code == 3, planned
    assert "WANDB_API_KEY" in planned.err
    assert writes(emulator) == []


def test_the_key_for_wandb_is_nowhere(world: Project, tmp_path: Path) -> None:
    told = [world.run("plan", "-vv"), world.run("plan", "--out", "p.json"), world.apply("-vv")]
    assert all(result.code == 0 for result in told)
    said = "".join(result.out + result.err for result in told) + world.everything_written()
    assert WANDB_KEY not in said


def test_endpoints_from_elsewhere_ask_nothing_of_wandb(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    assert project.apply(env={"WANDB_API_KEY": ""}).code == 0
    is_done(project)
    assert not [request for request in emulator.requests if request["graphql"]]


def test_two_plans_of_a_new_project_have_one_digest(world: Project) -> None:
    one, other = (world.run("plan", "--format", "json").json["digest"] for _ in range(2))
    assert one == other
    assert world.apply("--approved", one).code == 0


def test_another_key_is_another_plan(world: Project) -> None:
    ours = world.run("plan", "--format", "json").json["digest"]
    found = set()
    for uuid in ("1" * 8, "2" * 8):
        key = f"friendli-iac/{uuid}-0000-4000-8000-000000000000/Endpoint/chat"
        world.write(deployed(key=key))
        found.add(world.run("plan", "--format", "json").json["digest"])
    assert len(found | {ours}) == 3


@pytest.mark.parametrize("how", ["saved", "approved"])
def test_an_alias_that_moved_since_makes_the_plan_stale(
    how: str, world: Project, emulator: Emulator
) -> None:
    assert world.apply().code == 0
    emulator.wandb.move_alias(CHAT, "production", "v2")
    emulator.clear_requests()
    if how == "saved":
        assert world.run("plan", "--out", "p.json").code == 0
        emulator.wandb.move_alias(CHAT, "production", "v0")
        result = world.run("apply", "p.json", "--yes")
    else:
        digest = world.run("plan", "--format", "json").json["digest"]
        emulator.wandb.move_alias(CHAT, "production", "v0")
        result = world.apply("--approved", digest)
    assert result.code == 6, result
    assert writes(emulator) == []
    assert artifact_of(emulator) == "v1"
    if how == "saved":
        assert "production is v0 now, and was v2" in result.err


def test_an_alias_that_moves_while_somebody_thinks_makes_the_plan_stale(
    world: Project, emulator: Emulator
) -> None:
    def approve(plan: Plan) -> bool:
        emulator.wandb.move_alias(CHAT, "production", "v2")
        return True

    with pytest.raises(StalePlan, match="production is v2 now, and was v1"):
        apply(world, emulator, deployed(), approve)
    assert writes(emulator) == []
    assert apply(world, emulator, deployed(), approve)[0] == 0  # it is there by now
    assert artifact_of(emulator) == "v2"


def test_a_replacement_gets_a_key_of_its_own(world: Project, emulator: Emulator) -> None:
    assert world.apply().code == 0
    first = emulator.endpoints()[0]["id"]
    emulator.clear_requests()
    assert world.apply("--replace", "Endpoint/chat", "--allow-destroy").code == 0
    key = f"friendli-iac/{lineage(world)}/Endpoint/chat/2"
    made = [body for body in bodies(emulator) if body and "idempotencyKey" in body]
    assert [body["idempotencyKey"] for body in made] == [key]
    assert [one["id"] for one in emulator.endpoints()] != [first]
    is_done(world)
    emulator.wandb.move_alias(CHAT, "production", "v2")
    assert world.apply().code == 0
    assert bodies(emulator)[-1]["idempotencyKey"] == key
    assert names(emulator) == ["chat"]


def test_a_key_that_is_written_cannot_replace(world: Project, emulator: Emulator) -> None:
    world.write(deployed(key="own"))
    assert world.apply().code == 0
    emulator.clear_requests()
    refused = world.apply("--replace", "Endpoint/chat", "--allow-destroy")
    assert refused.code == 5, refused
    assert "Say another model.wandb.idempotencyKey" in refused.out + refused.err
    assert writes(emulator) == []


def test_a_moved_address_takes_its_key_with_it(world: Project, emulator: Emulator) -> None:
    assert world.apply().code == 0
    assert world.run("state", "mv", "Endpoint/chat", "Endpoint/old").code == 0
    world.write(deployed(name="old") + "  name: chat\n---\n" + deployed() + "  name: new\n")
    assert world.apply().code == 0
    keys = [body["idempotencyKey"] for body in bodies(emulator)]
    assert len(keys) == len(set(keys)) == 2
    assert names(emulator) == ["chat", "new"]


@pytest.mark.parametrize("there", [True, False])
def test_to_and_from_hugging_face_is_a_replacement(
    there: bool, world: Project, emulator: Emulator
) -> None:
    one, other = deployed(), endpoint()
    world.write(one if there else other)
    assert world.apply().code == 0
    world.write(other if there else one)
    planned = world.run("plan")
    assert "REPLACE Endpoint/chat" in planned.out
    assert "model.wandb.idempotencyKey cannot change in place" in planned.out
    assert world.apply("--allow-destroy").code == 0
    assert names(emulator) == ["chat"]
    is_done(world)


def test_an_option_without_a_gpu_cannot_be_deployed(world: Project, emulator: Emulator) -> None:
    world.write(deployed().replace("{gpu: H100, count: 1}", "{optionId: brandnew}"))
    refused = world.run("plan")
    assert refused.code == 5
    assert "Say instance.gpu and instance.count" in refused.out + refused.err


def test_an_adopted_endpoint_without_its_key_is_never_rolled_out(
    world: Project, emulator: Emulator
) -> None:
    world.write(deployed("v1", key="theirs"))
    assert world.apply().code == 0
    id = emulator.endpoints()[0]["id"]
    assert world.run("state", "forget", "Endpoint/chat").code == 0
    world.write(deployed("v1", more="  suite: none\n"))
    assert world.run("import", "Endpoint/chat", id).code == 0
    world.apply()
    world.write(deployed("v2", more="  suite: none\n"))
    emulator.clear_requests()
    refused = world.apply()
    assert refused.code == 5, refused
    assert "would make one more endpoint" in refused.out + refused.err
    assert writes(emulator) == []
    world.write(deployed("v2", key="theirs", more="  suite: none\n"))
    assert world.apply().code == 0
    assert artifact_of(emulator) == "v2"
    assert names(emulator) == ["chat"]


def test_a_key_of_something_else_is_told(world: Project, emulator: Emulator) -> None:
    deploy(emulator, "shared", "v1")  # nobody here knows of it
    world.write(deployed(name="other", key="shared"))
    done = world.apply()
    assert done.code != 0
    assert "the key in the specification is that of" in done.out + done.err
    assert len(emulator.endpoints()) == 1
    assert world.state["resources"] == {}


def test_one_key_for_two_is_a_problem(world: Project, emulator: Emulator) -> None:
    one, two = deployed(key="shared"), deployed("v2", name="other", key="shared")
    world.write(f"{one}---\n{two}")
    wrong = world.run("validate")
    assert wrong.code == 1
    assert "main.yaml:15" in wrong.err
    assert "Endpoint/chat in the same project has the idempotencyKey shared, too" in wrong.err
    world.write(f"{one}---\n{two.replace('project: p1', 'project: p2')}")
    assert world.run("validate").code == 0
    # Of what is in state, no file need say it.
    world.write(one)
    assert world.apply().code == 0
    world.write(two, "other.yaml")
    emulator.clear_requests()
    refused = world.run("apply", "-f", "other.yaml", "--yes")
    assert refused.code == 5, refused
    assert "its idempotencyKey shared is that of Endpoint/chat" in refused.err
    assert writes(emulator) == []
    # One of them leaves it out, and the other says what follows.
    taken = f"friendli-iac/{lineage(world)}/Endpoint/third"
    world.write(deployed(name="other", key=taken), "other.yaml")
    world.write(deployed(name="third"), "third.yaml")
    refused = world.run("plan")
    assert refused.code == 5, refused
    assert f"its idempotencyKey {taken} is that of" in refused.err + refused.out


def test_policies_and_prices_count_them_as_any_other(world: Project, emulator: Emulator) -> None:
    rules = "policy: {maxReplicas: 1, requirePinnedRevision: true, maxHourlyCost: 5}\n"
    world.write("name: shop\n" + rules, "friendli-iac.yaml")
    denied = world.run("plan")
    for word in ("maxReplicas 2 is above", "production is an alias, which moves", "$7.80"):
        assert word in denied.out
