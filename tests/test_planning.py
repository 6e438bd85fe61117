"""What a plan decides, where it once decided wrongly: each of these ended, doubled or lost sight of
an endpoint.
"""

from __future__ import annotations

import json
from pathlib import Path

from friendli_iac.clients.friendli import FriendliApi
from friendli_iac.clients.http import Http
from friendli_iac.emulator import Emulator

from .harness import TOKEN, Project, endpoint, names, writes

DEPENDS = "{{name: {name}, dependsOn: [Endpoint/{needs}]}}"


def depending(name: str, needs: str) -> str:
    return endpoint(name).replace(f"{{name: {name}}}", DEPENDS.format(name=name, needs=needs), 1)


def test_a_minimum_above_an_ignored_maximum_is_refused_before_anything_is_sent(
    project: Project, emulator: Emulator
) -> None:
    ignoring = "  lifecycle: {ignoreChanges: [autoscaling.maxReplicas]}\n"
    project.write(endpoint(maximum=1, more=ignoring))
    assert project.apply().code == 0
    emulator.clear_requests()
    project.write(endpoint(maximum=3, more=ignoring).replace("minReplicas: 1", "minReplicas: 2"))
    refused = project.apply()
    assert refused.code == 5, refused
    assert "maxReplicas 1 would be below minReplicas 2" in refused.out + refused.err
    assert writes(emulator) == []


def test_destroy_cannot_be_narrowed_by_files(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("a"), "a.yaml")
    project.write(endpoint("b"), "b.yaml")
    assert project.apply().code == 0
    planned = project.run("plan", "--destroy", "-f", "a.yaml", "--out", "x.plan")
    assert planned.code == 64, planned
    assert "--target" in planned.err
    assert not (project.root / "x.plan").exists()


def test_a_resumed_replace_never_makes_a_second_endpoint(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"), "a.yaml")
    assert project.apply().code == 0
    assert project.run("plan", "--replace", "Endpoint/a", "--out", "x.plan").code == 0
    emulator.fault("POST", "/dedicated/beta/endpoint", status=400)
    assert project.run("apply", "x.plan").code == 4
    assert project.apply().code == 0  # somebody did not wait for the job to be run again
    again = project.run("apply", "x.plan")
    assert again.code == 6, again
    assert names(emulator) == ["a"]


def test_two_addresses_never_get_one_name(project: Project, emulator: Emulator) -> None:
    named = "  name: chat\n"
    project.write(endpoint("old", more=named), "old.yaml")
    assert project.apply().code == 0
    for arguments in ((), ("-f", "old.yaml")):
        project.write(endpoint("chat", more=named), "old.yaml")
        refused = project.apply("--allow-destroy", *arguments)
        assert refused.code == 5, refused
        assert "friendli-iac state mv Endpoint/old Endpoint/chat" in refused.out + refused.err
        assert names(emulator) == ["chat"]
    assert project.run("state", "mv", "Endpoint/old", "Endpoint/chat").code == 0
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_an_interrupted_create_is_told_though_its_document_is_gone(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"), "a.yaml")
    assert project.apply().code == 0
    project.write(endpoint("b"), "b.yaml")
    emulator.hold("POST", "/dedicated/beta/endpoint", "after")
    running = project.spawn("apply", "--yes")
    emulator.wait_held()
    running.kill()
    running.communicate()
    emulator.release()
    (project.root / "b.yaml").unlink()
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 2, planned
    assert "left open: create Endpoint/b" in planned.out
    assert "No changes" not in planned.out
    # The next apply settles it, and then it is there, in state and not wanted.
    settled = project.apply("--allow-destroy")
    assert settled.code == 0, settled
    assert names(emulator) == ["a"]


def test_replacing_keeps_what_the_manifest_leaves_out(project: Project, emulator: Emulator) -> None:
    plain = endpoint("a").replace("  engine: {maxBatchSize: 64}\n", "")
    project.write(plain)
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    emulator.change(live["id"], instanceOptionId="GUA4qYFmsYz8", advanced={"max_batch_size": 999})
    project.write(plain.replace("count: 1", "count: 8"))
    project.write(plain.replace("project: p1", "project: p2").replace("count: 1", "count: 8"))
    emulator.clear_requests()
    assert project.apply("--allow-destroy").code == 0
    (post,) = [r for r in emulator.requests if r["method"] == "POST"]
    assert post["body"]["advanced"]["max_batch_size"] == 999
    assert post["body"]["instanceOptionId"] == "GUA4qYFmsYz8"


def test_protection_holds_in_the_very_plan_that_asks_for_it(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    assert project.apply().code == 0
    project.write(endpoint("a", more="  lifecycle: {preventDestroy: true}\n").replace("p1", "p2"))
    refused = project.apply("--allow-destroy")
    assert refused.code == 5, refused
    assert "preventDestroy" in refused.out


def test_the_team_of_the_state_is_asked_for_where_nobody_names_one(
    project: Project, emulator: Emulator
) -> None:
    emulator.set_tokens(
        {TOKEN: {"user": "u1", "team": "t1"}, "flp_other": {"user": "u2", "team": "t2"}}
    )
    project.write(endpoint("a"), "a.yaml")
    assert project.apply().code == 0
    project.write(endpoint("b"), "b.yaml")
    wrong = project.apply("-f", "b.yaml", env={"FRIENDLI_TOKEN": "flp_other"})
    assert wrong.code == 3, wrong
    assert names(emulator) == ["a"]


def test_values_that_nobody_states_are_told_when_they_are_sent_on_a_guess(
    project: Project, emulator: Emulator
) -> None:
    queue = "  engine: {queue: {timeoutMs: 1000}}\n"
    without = endpoint("a").replace("  engine: {maxBatchSize: 64}\n", "")
    project.write(without + queue)
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    project.write(without)
    emulator.change(live["id"], advanced={"queue_timeout_ms": 60000})
    planned = project.run("plan").out
    assert "engine.queue.timeoutMs" in planned
    assert "UNKNOWN → 1000" in planned
    assert "(as sent before)" in planned


def test_fixed_replicas_give_way_to_an_autoscaling_that_came_from_outside(
    project: Project, emulator: Emulator
) -> None:
    scaled = "  autoscaling: {minReplicas: 1, maxReplicas: 2, cooldown: 5m}\n"
    project.write(endpoint("a").replace(scaled, "  autoscaling: {replicas: 2}\n"))
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    scaling = {"minReplica": 1, "maxReplica": 8, "cooldownPeriod": 60}
    emulator.change(live["id"], autoscalingPolicy=scaling)
    project.write(endpoint("a", batch=128).replace(scaled, ""))
    emulator.clear_requests()
    assert project.apply().code == 0
    (put,) = [r for r in emulator.requests if r["method"] == "PUT"]
    assert put["body"]["autoscalingPolicy"] == scaling
    assert "simplescale" not in put["body"]


def test_a_version_of_somebody_else_before_the_first_proof_is_not_ours(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    assert project.apply("--no-wait").code == 0
    (live,) = emulator.endpoints()
    emulator.change(live["id"], hfModelRepo="evil/other")
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 2, planned
    assert "UNKNOWN → acme/model" in planned.out


def test_a_circle_of_dependencies_in_state_can_be_destroyed(
    project: Project, emulator: Emulator
) -> None:
    for name in "ab":
        project.write(endpoint(name), f"{name}.yaml")
    assert project.apply().code == 0
    project.write(depending("a", "b"), "a.yaml")
    assert project.apply("-f", "a.yaml", "-f", "b.yaml").code == 0
    project.write(endpoint("a"), "a.yaml")
    project.write(depending("b", "a"), "b.yaml")
    state = project.state
    # As two narrowed applies would have left it.
    state["resources"]["Endpoint/b"]["prior"]["depends_on"] = ["Endpoint/a"]
    project.state_path.write_text(json.dumps(state))
    done = project.run("destroy", "--yes")
    assert done.code == 0, done
    assert emulator.endpoints() == []


def test_what_is_being_ended_is_restarted(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("a"))
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    emulator.set_status(live["id"], "TERMINATING")
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 2, planned
    assert "RESTART Endpoint/a" in planned.out


def test_one_gone_endpoint_among_others_is_created_again_whatever_is_looked_at(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"), "a.yaml")
    project.write(endpoint("b"), "b.yaml")
    assert project.apply().code == 0
    gone = project.state["resources"]["Endpoint/b"]["id"]
    emulator.set_status(gone, "TERMINATED")
    end(emulator, gone)
    narrowed = project.run("plan", "-f", "b.yaml")
    assert narrowed.code == 0, narrowed
    assert "CREATE Endpoint/b" in narrowed.out


def test_a_whole_project_gone_at_once_is_refused_though_another_is_there(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"), "a.yaml")
    project.write(endpoint("b").replace("p1", "p2"), "b.yaml")
    assert project.apply().code == 0
    gone = project.state["resources"]["Endpoint/b"]["id"]
    emulator.set_status(gone, "TERMINATED")
    end(emulator, gone)
    refused = project.run("plan")
    assert refused.code == 5, refused
    assert "project p2 is gone at once: Endpoint/b" in refused.out


def test_an_old_plan_is_stale_though_its_run_is_forgotten(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a"))
    assert project.run("plan", "--out", "x.plan").code == 0
    assert project.run("apply", "x.plan").code == 0
    state = project.state
    state["runs"].clear()
    state["resources"].clear()
    state["serial"] += 100
    project.state_path.write_text(json.dumps(state))
    again = project.run("apply", "x.plan")
    assert again.code == 6, again


def test_any_change_of_a_plan_file_is_noticed(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("a"))
    assert project.apply().code == 0
    project.write(endpoint("a", batch=128))
    assert project.run("plan", "--out", "x.plan").code == 0
    path = project.root / "x.plan"
    document = json.loads(path.read_text())
    document["changes"][0]["fence"]["version"] = 7
    path.write_text(json.dumps(document))
    refused = project.run("apply", "x.plan")
    assert refused.code == 64, refused
    assert "was changed after it was written" in refused.err


def test_a_moved_update_time_is_looked_at_once_and_not_forever(
    project: Project, emulator: Emulator, tmp_path: Path
) -> None:
    project.write(endpoint("a"))
    assert project.apply().code == 0
    (live,) = emulator.endpoints()
    emulator.advance(60)
    act(emulator, live["id"], "sleep")

    def looks() -> int:
        emulator.clear_requests()
        assert project.run("plan", "--detailed-exitcode").code == 0
        return sum(r["path"].endswith("/version") for r in emulator.requests)

    assert looks() == 1
    assert project.apply().code == 0
    assert looks() == 0


def end(emulator: Emulator, id: str) -> None:
    """Deletes an endpoint, as somebody else would."""
    http = Http(emulator.url, {"Authorization": f"Bearer {TOKEN}"})
    FriendliApi(http).delete_endpoint(id, key="")
    http.close()


def act(emulator: Emulator, id: str, action: str) -> None:
    """Sends one of the actions, as somebody else would."""
    http = Http(emulator.url, {"Authorization": f"Bearer {TOKEN}"})
    FriendliApi(http).act(id, action, key="")
    http.close()
