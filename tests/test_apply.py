"""plan, apply, change, apply again, destroy: the main job, through the command line."""

from __future__ import annotations

from friendli_iac.emulator import Emulator

from .harness import Project, endpoint, names, writes


def test_a_manifest_becomes_an_endpoint_and_the_next_plan_is_empty(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    done = project.apply()
    assert done.code == 0, done
    (live,) = emulator.endpoints()
    assert (live["versions"][-1]["settings"]["name"], live["status"]) == ("chat", "RUNNING")
    assert "1 applied" in done.out
    again = project.run("plan", "--detailed-exitcode")
    assert again.code == 0, again
    assert "No changes" in again.out


def test_a_change_is_one_put_with_the_whole_object(project: Project, emulator: Emulator) -> None:
    project.write(endpoint(batch=64))
    project.apply()
    emulator.clear_requests()
    project.write(endpoint(batch=128))
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 2
    assert "engine.maxBatchSize  64 → 128" in planned.out
    assert writes(emulator) == []
    done = project.apply()
    assert done.code == 0, done
    (put,) = [r for r in emulator.requests if r["method"] == "PUT"]
    assert put["body"]["advanced"]["max_batch_size"] == 128
    assert put["body"]["hfModelRepo"] == "acme/model"
    assert put["body"]["autoscalingPolicy"] == {
        "minReplica": 1,
        "maxReplica": 2,
        "cooldownPeriod": 300,
    }
    assert put["body"]["newVersionComment"].startswith("friendli-iac Endpoint/chat key=")
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_what_left_the_manifests_is_deleted_only_when_allowed(
    project: Project, emulator: Emulator
) -> None:
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    assert project.apply().code == 0
    project.write(endpoint("a"))
    emulator.clear_requests()
    refused = project.apply()
    assert refused.code == 5, refused
    assert "--allow-destroy Endpoint/b" in refused.err
    assert writes(emulator) == []
    done = project.apply("--allow-destroy", "Endpoint/b")
    assert done.code == 0, done
    assert names(emulator) == ["a"]
    kinds = [w.split()[0] + " " + w.rsplit("/", 1)[1] for w in writes(emulator)]
    assert kinds[0] == "PUT terminate"
    assert kinds[1].startswith("DELETE ")


def test_destroy_ends_everything(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    project.apply()
    done = project.run("destroy", "--yes")
    assert done.code == 0, done
    assert emulator.endpoints() == []
    assert project.state["resources"] == {}
