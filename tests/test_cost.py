"""cost: the estimate for everything in state beside what was billed. Only reads."""

from __future__ import annotations

import time
from typing import Any

import pytest

from friendli_iac.clients.friendli import FriendliApi
from friendli_iac.clients.http import Http
from friendli_iac.emulator import Emulator
from friendli_iac.errors import Unreachable

from .harness import PROJECT, TOKEN, Project, endpoint, writes

DAY = 86400.0
CHAT = "Endpoint/chat"
COST = "/v1/team/cost"


def running_since(project: Project, emulator: Emulator, days: float, *documents: str) -> None:
    """Applies, as if it had been so many days ago."""
    emulator.set_time(time.time() - days * DAY)
    project.write("---\n".join(documents or (endpoint(),)))
    done = project.apply()
    assert done.code == 0, done
    emulator.set_time(time.time())
    emulator.clear_requests()


def looked(project: Project, *words: str) -> Any:
    shown = project.run("cost", "--format", "json", *words)
    assert shown.code == 0, shown
    return shown.json


def ids(project: Project) -> dict[str, str]:
    return {address: one["id"] for address, one in project.state["resources"].items()}


def bill(emulator: Emulator, *results: Any, **more: Any) -> None:
    """Has the API say this of the bill, once."""
    day = {"start_time": "2026-01-01T00:00:00Z", "results": list(results)}
    body = {"has_more": False, "next_page": None, "data": [day], **more}
    emulator.fault("GET", COST, kind="status", status=200, body=body)


def test_what_is_estimated_stands_beside_what_was_billed(
    project: Project, emulator: Emulator
) -> None:
    running_since(project, emulator, 3, endpoint(maximum=4))
    shown = project.run("cost")
    assert shown.code == 0, shown
    head, row, total = (line.split("  ") for line in shown.out.splitlines()[2:5])
    cells = dict(
        zip(*([cell.strip() for cell in line if cell] for line in (head, row)), strict=True)
    )
    assert cells.pop("BILLED").startswith("$280.")
    assert cells == {
        "ADDRESS": CHAT,
        "ID": ids(project)[CHAT],
        "REPLICAS": "1/1 (1-4)",
        "GPU": "1x H100",
        "$/H NOW": "$3.90",
        "$/H MIN-MAX": "$3.90-15.60",
        "PER 730 H": "$2,847-11,388",
        "GPU H": "72.0",
        "OF ESTIMATE": "100%",
    }
    assert total[0] == "total"
    assert "7 days; the last one is not over" in shown.out
    assert "Not in this state" not in shown.out
    assert "$/H and per 730 h are estimates: list prices of 2025-09." in shown.out
    assert writes(emulator) == []
    assert emulator.inferences == []
    (asked,) = (request for request in emulator.requests if request["path"] == COST)
    assert asked["query"]["start_time"].endswith("T00:00:00Z")


def test_days_are_read_page_by_page_and_the_first_ones_count(
    project: Project, emulator: Emulator
) -> None:
    running_since(project, emulator, 80)
    (one,) = looked(project, "--days", "100")["endpoints"]
    assert one["gpu_hours"] == pytest.approx(80 * 24, abs=0.1)
    pages = [request for request in emulator.requests if request["path"] == COST]
    assert [request["query"]["limit"] for request in pages] == ["35"] * 3
    (one,) = looked(project, "--days", "1")["endpoints"]
    assert one["gpu_hours"] == pytest.approx(time.time() % DAY / 3600, abs=0.1)
    assert project.run("cost", "--days", "366").code == 64
    assert "which is not over" in project.run("cost", "--days", "1").out


def test_what_sleeps_costs_nothing_now_and_is_billed_for_before(
    project: Project, emulator: Emulator
) -> None:
    running_since(project, emulator, 1, endpoint("nap"), endpoint("over"), endpoint("odd"))
    found = ids(project)
    emulator.set_status(found["Endpoint/nap"], "SLEEPING")
    emulator.set_status(found["Endpoint/over"], "TERMINATED")
    emulator.change(found["Endpoint/odd"], instanceOptionId="b300x1")
    nap, odd, over = looked(project)["endpoints"]
    assert (nap["cost_per_hour"], nap["cost_per_hour_span"]) == (0, [0, 7.8])
    assert (over["cost_per_hour"], over["cost_per_hour_span"]) == (0, [0, 0])
    assert nap["billed"] == pytest.approx(93.6, abs=0.1)
    assert nap["billed_to_expected"] is None
    assert odd["cost_per_hour"] is None
    assert odd["gpu_hours"] == pytest.approx(24, abs=0.1)
    assert "total, without 1 of unknown cost" in project.run("cost").out
    assert emulator.inferences == []


def test_what_is_not_in_state_is_one_line_whoever_deleted_it(
    project: Project, emulator: Emulator
) -> None:
    emulator.set_time(time.time() - 2 * DAY)
    (stranger,) = emulator.seed(1, project="p9")
    running_since(project, emulator, 1)
    gone = ids(project)[CHAT]
    ended = project.run("destroy", "--yes")
    assert ended.code == 0, ended
    shown = project.run("cost")
    assert "Nothing is in state." in shown.out
    assert f"Not in this state, or deleted: $280.80 ({stranger['id']} $187.20, {gone} $93.60)" in (
        shown.out
    )
    assert set(looked(project)["not_in_state"]) == {stranger["id"], gone}


def test_a_price_that_was_billed_is_told_with_the_line_to_write(
    project: Project, emulator: Emulator
) -> None:
    running_since(project, emulator, 1)
    id = ids(project)[CHAT]

    def line(gpu: str, cents: str, hours: str = "1") -> dict[str, str]:
        item = f"{id}, {gpu}, gpu time cost"
        return {"total": "1", "quantity": hours, "unit_price": cents, "line_item": item}

    bill(
        emulator, line("NVIDIA H100", "312"), line("B300", "1050"), line("NVIDIA A100 80GB", "290")
    )
    shown = project.run("cost")
    assert "H100 is estimated at $3.90, and was billed at $3.12 a GPU and hour" in shown.out
    assert "B300 has no price here, and was billed at $10.50" in shown.out
    assert "A100" not in shown.out, "it is what we have"
    told = "prices: {gpuHour: {B300: 10.5, H100: 3.12}}"
    assert f"in friendli-iac.yaml: {told}\n" in shown.out
    project.write(f"{told}\n", "friendli-iac.yaml")
    bill(emulator, line("NVIDIA H100", "312"), line("NVIDIA H100", "0"), line("B300", "1050"))
    again = project.run("cost")
    assert "was billed at" not in again.out
    assert "$3.12" in again.out
    assert "prices of friendli-iac.yaml; others: list prices of 2025-09" in again.out


def test_a_bill_that_nobody_understands_is_not_taken_for_nothing(
    project: Project, emulator: Emulator
) -> None:
    running_since(project, emulator, 1)
    id = ids(project)[CHAT]
    bill(
        emulator,
        {"total": "1.5", "line_item": "llama-3, output tokens cost", "quantity": "2"},
        {"total": "0.5"},
        {"total": "2.25", "line_item": f"{id}, H100, gpu time cost"},
        {"total": "NaN", "line_item": f"{id}, H100, gpu time cost"},
        {"line_item": f"{id}, H100, gpu time cost"},
        "nothing",
    )
    shown = project.run("cost")
    assert shown.code == 0, shown
    assert "Billed for other things than GPUs: $2.00" in shown.out
    assert "3 lines of the bill cannot be read, and are in no sum" in shown.out
    assert "$2.25" in shown.out


@pytest.mark.parametrize(
    "flaw", [{"data": {}}, {"has_more": True}, {"has_more": True, "next_page": "round"}]
)
def test_half_a_bill_is_none(flaw: dict[str, Any], emulator: Emulator) -> None:
    body = {"has_more": False, "next_page": None, "data": [], **flaw}
    emulator.fault("GET", COST, kind="status", status=200, body=body, count=None)
    http = Http(emulator.url, {"Authorization": f"Bearer {TOKEN}"}, sleep=lambda seconds: None)
    with pytest.raises(Unreachable):
        FriendliApi(http).team_cost("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    http.close()


@pytest.mark.parametrize(("status", "code"), [(403, 0), (404, 0), (422, 0), (401, 3)])
def test_without_a_bill_there_are_estimates_still(
    status: int, code: int, project: Project, emulator: Emulator
) -> None:
    running_since(project, emulator, 1)
    emulator.fault("GET", COST, kind="status", status=status, count=None)
    shown = project.run("cost")
    assert shown.code == code, shown
    if code == 0:
        assert f"There is no bill here, only estimates: GET {COST}: {status}" in shown.out
        assert "$3.90-7.80" in shown.out
        found = looked(project)
        assert found["total"]["billed"] is None
        assert str(status) in found["no_bill"]


def test_the_api_cannot_break_out_of_markdown_or_the_terminal(
    project: Project, emulator: Emulator
) -> None:
    running_since(project, emulator, 1)
    evil = "![x](http://evil) | @team\x1b[31m<script>"
    line = {"total": "1", "unit_price": "1", "line_item": f"{evil}, {evil}, gpu time cost"}
    bill(emulator, line)
    shown = project.run("cost", "--format", "markdown")
    assert shown.code == 0, shown
    assert "| `Endpoint/chat` |" in shown.out
    for mark in ("![x](", "<script>", "\x1b", " @team", "http://"):
        assert mark not in shown.out, mark
    bill(emulator, line)
    assert "\x1b" not in project.run("cost").out


def test_it_asks_little(project: Project, emulator: Emulator) -> None:
    running_since(project, emulator, 1, *(endpoint(f"e{number}") for number in range(5)))
    emulator.seed(3, project=PROJECT)
    emulator.clear_requests()
    assert project.run("cost").code == 0
    assert len(emulator.requests) == 7, "a list, one for each endpoint, and the bill"
