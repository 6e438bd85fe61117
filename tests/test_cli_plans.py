"""What a plan says when there is much of it, or when somebody means harm, and to whom."""

from __future__ import annotations

import json

import pytest

from friendli_iac.cli.console import Console
from friendli_iac.cli.progress import HEARTBEAT, ROWS, Lines, Table
from friendli_iac.emulator import Emulator
from friendli_iac.executor.context import Event

from .harness import Project, endpoint
from .scenarios.changes import POLICY, WITH_POLICY


def test_a_long_plan_stays_readable(project: Project, emulator: Emulator) -> None:
    """60 endpoints that change for one reason: spelled out once, the deletion on top, the sum at
    the end.
    """
    many = [WITH_POLICY % f"e{number:03}" for number in range(60)]
    project.write("---\n".join([POLICY % 4, *many, endpoint("zzz")]))
    assert project.apply().code == 0
    changed = (POLICY % 6).replace("10m", "15m").replace("minReplicas: 1", "minReplicas: 2")
    project.write("---\n".join([changed, *many]))
    shown = project.run("plan")
    lines = shown.out.splitlines()
    assert lines[3].startswith("- DELETE Endpoint/zzz ")
    assert shown.out.count("autoscaling.cooldown") == 1
    assert shown.out.count("the same fields, values and warnings as Endpoint/e000 above") == 59
    assert len(lines) <= 60 * 5 + 20
    assert lines[-1] == "60 to update, 1 to delete"
    assert lines[-3].startswith("$543.90-2,167.80 → $1,080.00-3,240.00 /h")
    assert max(map(len, lines)) < 125


def test_a_hint_does_not_list_a_hundred_addresses(project: Project) -> None:
    project.write("---\n".join(endpoint(f"e{number}") for number in range(8)))
    project.apply()
    project.write(endpoint("e0"))
    assert (
        project.run("plan").err == "next: friendli-iac apply   (with --yes also: --allow-destroy)\n"
    )


@pytest.mark.parametrize("format_", ["text", "markdown"])
def test_a_hostile_name_cannot_steer_the_reader(
    format_: str, project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    project.apply()
    (live,) = emulator.endpoints()
    emulator.change(live["id"], name="a\x1b[2J\u202eb\n0 to delete | `x` <img> @everyone")
    emulator.set_status(live["id"], "FAILED\x1b[2J", error_code="E\rhidden")
    shown = project.run("plan", "--format", format_)
    assert shown.code == 0, shown
    for bad in ("\x1b", "\u202e", "\r", "\n0 to delete"):
        assert bad not in shown.out
    if format_ == "markdown":
        (row,) = [line for line in shown.out.splitlines() if line.startswith("| `~` | `name`")]
        assert row.replace("\\|", "").count("|") == 6


def test_json_keeps_what_text_cannot_show(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    project.apply()
    (live,) = emulator.endpoints()
    emulator.change(live["id"], name="a\u202eb")
    fields = project.run("plan", "--format", "json").json["changes"][0]["fields"]
    assert "a\u202eb" in [field["live"] for field in fields]


def test_variables_come_from_flags_files_and_the_environment(project: Project) -> None:
    project.write(endpoint().replace("{maxBatchSize: 64}", "{maxBatchSize: '${var.batch}'}"))
    project.write("batch: 3\n", "vars.yml")
    project.write(
        "variables: {batch: {description: x}}\nmanifests: [main.yaml]\n", "friendli-iac.yaml"
    )

    def planned(*words: str, **env: str) -> str:
        shown = project.run("plan", "--format", "json", *words, env=env)
        assert shown.code == 0, shown
        return str(shown.json["changes"][0]["after"]["spec"]["engine"]["maxBatchSize"])

    assert planned("--var", "batch=1") == "1"
    assert planned(FRIENDLI_IAC_VAR_batch="2") == "2"
    assert planned("--var-file", "vars.yml") == "3"
    assert project.run("plan").code == 1


def test_the_environment_sets_options(project: Project, emulator: Emulator) -> None:
    project.write(endpoint(more="  name: '${env:STAGE}'\n"))
    env = {
        "FRIENDLI_IAC_STATE": "elsewhere.json",
        "FRIENDLI_IAC_ALLOW_ENV": "STAGE",
        "FRIENDLI_IAC_TIMEOUT": "0s",
        "FRIENDLI_IAC_PARALLELISM": "2",
        "FRIENDLI_IAC_LOCK_TIMEOUT": "1s",
        "FRIENDLI_IAC_SETTLE_GRACE": "1s",
        "STAGE": "blue",
    }
    emulator.set_durations(create=3600)
    assert project.run("apply", "--yes", env=env).code == 9
    state = json.loads((project.root / "elsewhere.json").read_text())
    assert state["resources"]["Endpoint/chat"]["name"] == "blue"
    assert project.run("plan", env={**env, "FRIENDLI_IAC_PARALLELISM": "many"}).code == 64


def test_the_team_is_sent(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    for name in ("FRIENDLI_TEAM_ID", "FRIENDLI_TEAM"):
        emulator.clear_requests()
        assert project.run("plan", env={name: "team-emulator"}).code == 0
        assert {r["headers"]["x-friendli-team"] for r in emulator.requests} == {"team-emulator"}


def test_lines_are_few_with_a_heartbeat(capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    lines = Lines(Console({}), now=lambda: clock[0])
    for second in range(40):
        clock[0] = float(second)
        lines.event(Event("progress", "Endpoint/a", "UPDATING", elapsed=second))
    beats = [0, HEARTBEAT, 2 * HEARTBEAT]
    assert capsys.readouterr().err.splitlines() == [
        f"Endpoint/a: UPDATING ({beat:.0f} s)" for beat in beats
    ]


def test_the_table_is_never_higher_than_a_terminal() -> None:
    table = Table()
    try:
        for number in range(100):
            name = f"Endpoint/e{number}"
            table.event(Event("start", name, "create"))
            if number < 50:
                table.event(Event("failed" if number == 7 else "done", name, "over"))
        drawn = table.__rich__()
    finally:
        table.close()
    first = list(drawn.columns[0].cells)
    assert len(first) == ROWS + 2
    assert first[0] == "Endpoint/e7"  # what failed stays in sight
    assert first[-2:] == ["… and 31 more", "49 done"]
