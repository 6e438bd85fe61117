"""Prices: list prices, those of friendli-iac.yaml, and what plans and status make of them."""

from __future__ import annotations

from typing import Any

import pytest

from friendli_iac.core.cost import Totals, totals
from friendli_iac.emulator import Emulator
from friendli_iac.engine import Selection
from friendli_iac.manifest import find_project, load_manifest

from .harness import Project, endpoint, engine_for

CHAT = "Endpoint/chat"
LIST = "list prices of 2025-09"
CONTRACT = 'prices: {source: our contract, asOf: "2026-11-01", gpuHour: {H100: 2.50, B300: 11}}\n'
WORDS = f"prices of friendli-iac.yaml (our contract, 2026-11-01); others: {LIST}"


def settings(project: Project, text: str) -> None:
    project.write(text, "friendli-iac.yaml")


def applied(project: Project, *documents: str) -> None:
    project.write("---\n".join(documents))
    done = project.apply()
    assert done.code == 0, done


def planned(project: Project, *words: str) -> Any:
    shown = project.run("plan", "--format", "json", *words)
    assert shown.code == 0, shown
    return shown.json


def costs(project: Project, *words: str) -> dict[str, tuple[Any, Any, Any]]:
    """Before, after and surge of every change."""
    return {
        one["address"]: (one["cost_before"], one["cost_after"], one["surge"])
        for one in planned(project, *words)["changes"]
    }


def summed(project: Project, emulator: Emulator, *replace: str) -> Totals:
    with engine_for(project, emulator) as engine:
        wishes = load_manifest(find_project(project.root), environ={}).resources
        return totals(engine.plan(lambda: wishes, Selection(replace=replace)))


# --- where prices come from ---


def test_a_plan_says_where_its_prices_come_from(project: Project, emulator: Emulator) -> None:
    big = endpoint("big").replace("H100", "B300")
    project.write(endpoint() + "---\n" + big)
    assert planned(project)["prices"] == LIST
    assert costs(project) == {
        CHAT: ([0, 0], [3.9, 7.8], 0),
        "Endpoint/big": ([0, 0], None, 0),
    }
    settings(project, CONTRACT)
    assert planned(project)["prices"] == WORDS
    assert costs(project) == {
        CHAT: ([0, 0], [2.5, 5.0], 0),
        "Endpoint/big": ([0, 0], [11, 22], 0),
    }
    assert "list prices of 2025-09" in project.run("plan").out


def test_everything_that_tells_a_cost_uses_them(project: Project, emulator: Emulator) -> None:
    settings(project, CONTRACT)
    applied(project, endpoint(more="  lifecycle: {expires: 1h}\n"))
    assert f"$2.50 /h now ({WORDS})" in project.run("status").out
    assert project.run("status", "--format", "json").json["total"]["prices"] == WORDS
    emulator.seed(1, project="p1")
    assert f"1 not ours, $2.50 /h ({WORDS})" in project.run("drift", "--unmanaged").out
    emulator.fail_next_rollout("*", "INFERENCE_ENGINE_MEMORY_ERROR")
    project.write(endpoint("new", more="  rollout: {onCreateFailure: keep}\n"))
    assert "may bill up to $5.00 /h" in project.apply("--allow-destroy", CHAT).out


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("{gpuHour: {H100: 0}}", "1:26: H100 must cost more than 0, and 100 at most, not 0"),
        ("{gpuHour: {H100: -2.5}}", "1:26: H100 must cost more than 0"),
        ("{gpuHour: {H100: 390}}", "write dollars, of one GPU for an hour"),
        ("{gpuHour: {H100: .nan}}", "1:26: .nan is ambiguous"),
        ('{gpuHour: {H100: "2.5"}}', "1:26: H100 must be a number"),
        ("{gpuHour: {H100: true}}", "1:26: H100 must be a number"),
        ("{gpuHour: {H100: 2, nvidia-h100: 3}}", "1:29: H100 has two prices"),
        ("{gpuHour: {Hopper: 2}}", '1:20: "Hopper" is no GPU'),
        ("{gpuHour: [2]}", "1:19: gpuHour must be a block of keys"),
        ("{gpuhour: {H100: 2}}", "did you mean gpuHour?"),
        ("{asOf: soon, gpuHour: {H100: 2}}", '1:16: asOf "soon" is no date'),
        ('{asOf: "2026-02-30"}', '1:16: asOf "2026-02-30" is no date'),
        ("{source: [x]}", "1:18: source must be text"),
        ('{source: "one\\ntwo"}', "1:18: source must be one line"),
        ("2.50", "1:9: prices must be a block of keys"),
    ],
)
def test_wrong_prices_are_problems_with_their_place(
    block: str, said: str, project: Project, emulator: Emulator
) -> None:
    settings(project, f"prices: {block}\n")
    project.write(endpoint())
    shown = project.run("validate")
    assert shown.code == 1, shown
    assert said in shown.err + shown.out
    assert emulator.requests == []


def test_a_price_may_come_before_we_know_the_gpu(project: Project) -> None:
    settings(project, "prices: {asOf: 2026-11, gpuHour: {NVIDIA GB300: 14, a100: 2, H200: 1}}\n")
    prices = find_project(project.root).prices
    assert (prices.of("GB300"), prices.of("A100 80GB"), prices.of("H100")) == (14, 2, 3.9)
    assert prices.of("B300") is None
    assert prices.words == f"prices of friendli-iac.yaml (2026-11); others: {LIST}"


# --- while it is rolled out ---


def test_two_versions_run_side_by_side_while_one_takes_the_place_of_the_other(
    project: Project, emulator: Emulator
) -> None:
    first = "  lifecycle: {createBeforeDestroy: true}\n"
    applied(
        project,
        *(endpoint(name) for name in ("a-more", "b-less", "c-gone", "d-same", "f-anew")),
        endpoint("e-first", more=first),
        endpoint("g-odd").replace("H100", "B300"),
    )
    project.write(
        "---\n".join(
            [
                endpoint("a-more", maximum=4),
                endpoint("b-less", maximum=1, batch=32),
                endpoint("d-same"),
                endpoint("e-first", more=first),
                endpoint("f-anew"),
                endpoint("g-odd", maximum=4).replace("H100", "B300"),
                endpoint("h-new"),
            ]
        )
    )
    e, f = "Endpoint/e-first", "Endpoint/f-anew"
    assert costs(project, "--replace", e, "--replace", f) == {
        "Endpoint/a-more": ([3.9, 7.8], [3.9, 15.6], 7.8),
        "Endpoint/b-less": ([3.9, 7.8], [3.9, 3.9], 3.9),
        "Endpoint/c-gone": ([3.9, 7.8], [0, 0], 0),
        "Endpoint/d-same": ([3.9, 7.8], [3.9, 7.8], 0),
        "Endpoint/e-first": ([3.9, 7.8], [3.9, 7.8], 7.8),
        "Endpoint/f-anew": ([3.9, 7.8], [3.9, 7.8], 0),
        "Endpoint/g-odd": (None, None, None),
        "Endpoint/h-new": ([0, 0], [3.9, 7.8], 0),
    }
    found = summed(project, emulator, e, f)
    assert found.before == pytest.approx((23.4, 46.8))
    assert found.after == pytest.approx((23.4, 50.7))
    most = 15.6 + 6 * 7.8  # each as dear as it ever is: what is new may run before the old one ends
    assert found.surge == pytest.approx(most - 50.7 + 7.8 + 3.9 + 7.8)
    assert (found.known, found.unknown) == (7, 1)


def test_waves_go_one_after_the_other(project: Project, emulator: Emulator) -> None:
    def wave(number: int, maximum: int) -> str:
        more = f"  rollout: {{wave: {number}}}\n"
        return endpoint(f"w{number}", maximum=maximum, more=more)

    applied(project, wave(1, 2), wave(2, 4))
    project.write(wave(1, 2).replace("64", "32") + "---\n" + wave(2, 4).replace("64", "32"))
    assert summed(project, emulator).surge == pytest.approx(15.6), "the dearer wave alone"


def test_what_sleeps_or_has_ended_costs_nothing_before(
    project: Project, emulator: Emulator
) -> None:
    applied(project, endpoint("nap"), endpoint("over"), endpoint("still"))
    found = {address: one["id"] for address, one in project.state["resources"].items()}
    emulator.set_status(found["Endpoint/nap"], "SLEEPING")
    emulator.set_status(found["Endpoint/still"], "SLEEPING")
    emulator.set_status(found["Endpoint/over"], "TERMINATED")
    awake = "  desired: running\n"
    project.write(
        "---\n".join([endpoint("nap", more=awake), endpoint("over", batch=32), endpoint("still")])
    )
    assert costs(project) == {
        "Endpoint/nap": ([0, 7.8], [3.9, 7.8], 0),
        "Endpoint/over": ([0, 0], [3.9, 7.8], 0),
        "Endpoint/still": ([0, 7.8], [0, 7.8], 0),
    }
    project.write(endpoint("still", more="  desired: terminated\n"))
    assert costs(project, "--target", "Endpoint/still") == {
        "Endpoint/still": ([0, 7.8], [0, 0], 0),
    }
    project.write(endpoint("over", more="  desired: sleeping\n"))
    assert costs(project, "--target", "Endpoint/over") == {
        "Endpoint/over": ([0, 0], [0, 7.8], 0),
    }
