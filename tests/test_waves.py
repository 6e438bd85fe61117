"""Who goes first: waves, and one of many that a single line changes."""

from __future__ import annotations

from friendli_iac.emulator import Emulator

from .harness import Project, endpoint
from .rollouts import apply, manifest, plan

MEMORY = "INFERENCE_ENGINE_MEMORY_ERROR"
POLICY = """\
apiVersion: friendli-iac/v1
kind: AutoscalingPolicy
metadata: {{name: usual}}
spec: {{minReplicas: 1, maxReplicas: {maximum}, cooldown: 5m}}
"""


def with_policy(name: str) -> str:
    own = "autoscaling: {minReplicas: 1, maxReplicas: 2, cooldown: 5m}"
    return endpoint(name).replace(own, "autoscaling: {policy: usual}")


def fleet(maximum: int, *names: str) -> str:
    return "---\n".join([POLICY.format(maximum=maximum), *map(with_policy, names)])


def updated(emulator: Emulator) -> list[str]:
    """The endpoints with more than one version, in order."""
    return sorted(
        e["versions"][0]["settings"]["name"] for e in emulator.endpoints() if len(e["versions"]) > 1
    )


def test_where_one_line_changes_many_one_goes_first(project: Project, emulator: Emulator) -> None:
    names = [f"e{n}" for n in range(5)]
    assert apply(project, emulator, fleet(2, *names))[0] == 0
    made = plan(project, emulator, fleet(3, *names))
    assert [change.behind for change in made.changes] == [(), *[("Endpoint/e0",)] * 4]
    project.write(fleet(3, *names))
    shown = project.run("plan").out
    assert "Endpoint/e0 goes first: until it is good, 4 more" in shown
    first = next(e for e in emulator.endpoints() if e["versions"][0]["settings"]["name"] == "e0")
    emulator.fail_next_rollout(first["id"], MEMORY)
    code, done = apply(project, emulator, fleet(3, *names), continue_on_error=True)
    assert code == 10
    assert updated(emulator) == ["e0"]
    assert [o.result for o in done.outcomes] == ["rolled back", *["skipped"] * 4]


def test_and_the_others_follow_when_it_is_good(project: Project, emulator: Emulator) -> None:
    names = [f"e{n}" for n in range(3)]
    assert apply(project, emulator, fleet(2, *names))[0] == 0
    assert apply(project, emulator, fleet(3, *names))[0] == 0
    assert updated(emulator) == names


def test_changes_from_lines_of_their_own_need_not_wait(
    project: Project, emulator: Emulator
) -> None:
    both = endpoint("a") + "---\n" + endpoint("b")
    assert apply(project, emulator, both)[0] == 0
    made = plan(project, emulator, endpoint("a", batch=9) + "---\n" + endpoint("b", batch=9))
    assert [change.behind for change in made.changes] == [(), ()]


def waves(batch: int) -> str:
    return "---\n".join(
        manifest(name, settings=f"wave: {wave}", batch=batch)
        for name, wave in (("last", 3), ("a", 1), ("middle", 2))
    )


def test_waves_run_in_order_and_a_failure_stops_those_behind_it(
    project: Project, emulator: Emulator
) -> None:
    assert apply(project, emulator, waves(64))[0] == 0
    made = plan(project, emulator, waves(128))
    assert [change.address for change in made.changes] == [
        "Endpoint/a",
        "Endpoint/middle",
        "Endpoint/last",
    ]
    middle = next(
        e for e in emulator.endpoints() if e["versions"][0]["settings"]["name"] == "middle"
    )
    emulator.fail_next_rollout(middle["id"], MEMORY)
    code, done = apply(project, emulator, waves(128), continue_on_error=True)
    assert code == 10
    assert updated(emulator) == ["a", "middle"]
    (skipped,) = [outcome for outcome in done.outcomes if outcome.result == "skipped"]
    assert "Endpoint/middle, of an earlier wave" in skipped.text


def test_what_is_needed_by_an_earlier_wave_goes_with_what_needs_it(
    project: Project, emulator: Emulator
) -> None:
    """A wave never contradicts dependsOn: what waits for a later wave is in that wave."""
    needs = "{name: a, dependsOn: [Endpoint/last]}"
    text = manifest("a", settings="wave: 1").replace("{name: a}", needs, 1)
    made = plan(project, emulator, text + "---\n" + manifest("last", settings="wave: 3"))
    assert [(c.address, c.wave) for c in made.changes] == [("Endpoint/last", 3), ("Endpoint/a", 3)]
    assert apply(project, emulator, text + "---\n" + manifest("last", settings="wave: 3"))[0] == 0


# --- and in the runs after it ---


def down(emulator: Emulator, name: str) -> str:
    """Lets the next update of an endpoint fail; its id."""
    (found,) = [e for e in emulator.endpoints() if e["versions"][0]["settings"]["name"] == name]
    emulator.fail_next_rollout(found["id"], f"down:{MEMORY}")
    return str(found["id"])


def test_what_failed_first_is_not_tried_on_the_others_by_the_next_run(
    project: Project, emulator: Emulator
) -> None:
    names = [f"e{n}" for n in range(3)]
    assert apply(project, emulator, fleet(2, *names))[0] == 0
    down(emulator, "e0")
    assert apply(project, emulator, fleet(3, *names))[0] == 10
    for _ in range(3):
        assert apply(project, emulator, fleet(3, *names))[0] == 5
    assert updated(emulator) == ["e0"]
    assert "e0, which tried the same, is held off" in project.run("plan").out
    assert apply(project, emulator, fleet(3, *names), retry_failed=True)[0] == 0
    assert updated(emulator) == names


def test_a_wave_stays_behind_what_is_held_off(project: Project, emulator: Emulator) -> None:
    assert apply(project, emulator, waves(64))[0] == 0
    down(emulator, "a")
    assert apply(project, emulator, waves(128))[0] == 10
    assert apply(project, emulator, waves(128))[0] == 5
    assert updated(emulator) == ["a"]
    assert apply(project, emulator, waves(96))[0] == 0
    assert updated(emulator) == ["a", "last", "middle"]


def test_what_depends_on_what_is_held_off_waits(project: Project, emulator: Emulator) -> None:
    def both(batch: int) -> str:
        needs = "{name: front, dependsOn: [Endpoint/chat]}"
        front = endpoint("front", batch=batch).replace("{name: front}", needs, 1)
        return endpoint("chat", batch=batch) + "---\n" + front

    assert apply(project, emulator, both(64))[0] == 0
    down(emulator, "chat")
    assert apply(project, emulator, both(128))[0] == 10
    assert apply(project, emulator, both(128))[0] == 5
    assert updated(emulator) == ["chat"]


def test_without_waiting_nothing_is_sent_behind_what_goes_first(
    project: Project, emulator: Emulator
) -> None:
    names = [f"e{n}" for n in range(3)]
    assert apply(project, emulator, fleet(2, *names))[0] == 0
    code, done = apply(project, emulator, fleet(3, *names), no_wait=True)
    assert code == 4
    assert updated(emulator) == ["e0"]
    assert "was sent and not waited for" in done.outcomes[1].text
    assert apply(project, emulator, fleet(3, *names))[0] == 0
    assert updated(emulator) == names


def test_one_that_is_still_on_its_way_goes_before_the_others(
    project: Project, emulator: Emulator
) -> None:
    names = ["e0", "e1"]
    assert apply(project, emulator, fleet(2, *names))[0] == 0
    (first,) = [e for e in emulator.endpoints() if e["versions"][0]["settings"]["name"] == "e1"]
    emulator.set_status(first["id"], "SLEEPING")
    made = plan(project, emulator, fleet(3, *names))
    assert [c.behind for c in made.changes] == [(), ("Endpoint/e0",)]
    emulator.set_status(first["id"], "RUNNING")
    emulator.fail_next_rollout("*", "never")
    assert apply(project, emulator, fleet(3, *names), timeout=60.0)[0] == 9
    made = plan(project, emulator, fleet(3, *names))
    assert [(c.action, c.behind) for c in made.changes] == [
        ("verify", ()),
        ("update", ("Endpoint/e0",)),
    ]


def test_an_awake_one_goes_first(project: Project, emulator: Emulator) -> None:
    """One that sleeps proves nothing."""
    names = ["e0", "e1"]
    assert apply(project, emulator, fleet(2, *names))[0] == 0
    (first,) = [e for e in emulator.endpoints() if e["versions"][0]["settings"]["name"] == "e0"]
    emulator.set_status(first["id"], "SLEEPING")
    made = plan(project, emulator, fleet(3, *names))
    assert [c.behind for c in made.changes] == [("Endpoint/e1",), ()]
