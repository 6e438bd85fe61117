"""What each command is for: init, schema, doctor, output, state, show, emulator."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import TOKEN, Project, endpoint


def findings(project: Project, *words: str, **options: Any) -> dict[str, dict[str, Any]]:
    shown = project.run("doctor", "--format", "json", *words, **options)
    assert shown.json["healthy"] == (shown.code == 0)
    return {finding["check"]: {**finding, "code": shown.code} for finding in shown.json["findings"]}


# --- init, validate, schema ---


def test_init_makes_a_project_that_plans(project: Project) -> None:
    made = project.run("init")
    assert made.code == 0, made
    assert made.err.endswith("next:  friendli-iac plan --emulator     (no token needed)\n")
    env = {"FRIENDLI_TOKEN": "", "FRIENDLI_BASE_URL": ""}
    assert project.run("validate", "--emulator", env=env).code == 0
    planned = project.run("plan", "--emulator", env=env)
    assert planned.code == 0, planned
    assert "1 to create" in planned.out
    again = project.run("init")
    assert again.code == 64
    assert "this is a project already" in again.err


def test_init_keeps_what_is_there_and_hides_the_state_from_git(project: Project) -> None:
    project.write("# mine\n", "endpoints/chat.yaml")
    made = project.run("init")
    assert "kept   endpoints/chat.yaml" in made.err
    assert (project.root / "endpoints" / "chat.yaml").read_text() == "# mine\n"
    assert (project.root / ".friendli-iac" / ".gitignore").read_text().startswith("*\n")


def test_init_elsewhere(project: Project) -> None:
    made = project.run("init", "new/place")
    assert "next:  cd new/place && friendli-iac plan --emulator" in made.err
    assert (project.root / "new" / "place" / "friendli-iac.yaml").exists()


def test_validate_for_each_reader(project: Project) -> None:
    project.write(endpoint())
    assert "valid: 1 document" in project.run("validate").err
    project.write(endpoint().replace("maxBatchSize", "maxBatch"))
    shown = project.run("validate", "--format", "json")
    assert (shown.code, shown.json["valid"], shown.json["error_count"]) == (1, False, 1)
    shown = project.run("validate", "--format", "github")
    assert shown.out.startswith("::error file=main.yaml,line=9,col=12,title=unknown-key::")
    shown = project.run("validate")
    assert shown.out == ""
    assert "main.yaml:9:12" in shown.err


def test_schema_is_json(project: Project) -> None:
    assert "draft-07" in project.run("schema").json["$schema"]
    assert "manifests" in project.run("schema", "--settings").json["properties"]


# --- state, show, output ---


def test_state_and_show_and_output(project: Project, emulator: Emulator) -> None:
    assert "nothing in state" in project.run("state", "list").err
    project.write(endpoint(more="  lifecycle: {preventDestroy: true}\n"))
    project.apply()
    emulator.clear_requests()
    (live,) = emulator.endpoints()
    listed = project.run("state", "list")
    assert listed.out == f"Endpoint/chat   {live['id']} v0   project p1   (protected)\n"
    shown = project.run("state", "show", "Endpoint/chat")
    assert shown.out == project.run("show").out
    assert "    autoscaling.cooldown: 5m\n" in shown.out
    assert project.run("state", "list", "--format", "json").json["resources"].keys() == {
        "Endpoint/chat"
    }
    json_ = project.run("state", "show", "Endpoint/chat", "--format", "json").json
    assert json_["prior"]["spec"]["model"] == {"huggingFace": {"repo": "acme/model"}}
    url = f"{emulator.url}/dedicated/v1"
    assert project.run("output", "Endpoint/chat", "--format", "dotenv").out == (
        f"FRIENDLI_ENDPOINT_ID={live['id']}\nOPENAI_MODEL={live['id']}\nOPENAI_BASE_URL={url}\n"
    )
    output = project.run("output", "Endpoint/chat", "--format", "json").json
    assert (output["id"], output["model"], output["url"]) == (live["id"], live["id"], url)
    near = project.run("output", "Endpoint/chta")
    assert (near.code, "Did you mean Endpoint/chat?" in near.err) == (64, True)
    assert emulator.requests == []  # none of these asks the API


def test_state_mv_and_forget(project: Project, emulator: Emulator) -> None:
    project.write(endpoint("a") + "---\n" + endpoint("b"))
    project.apply()
    emulator.clear_requests()
    taken = project.run("state", "mv", "Endpoint/a", "Endpoint/b")
    assert (taken.code, "Endpoint/b is taken" in taken.err) == (5, True)
    assert project.run("state", "mv", "Endpoint/a", "Endpoint/c").code == 0
    assert project.run("state", "forget", "Endpoint/b", "Endpoint/c").code == 0
    assert project.state["resources"] == {}
    assert len(emulator.endpoints()) == 2
    assert emulator.requests == []


def test_import_refuses_what_is_ours_and_what_is_not_there(project: Project) -> None:
    project.write(endpoint())
    project.apply()
    id = project.state["resources"]["Endpoint/chat"]["id"]
    twice = project.run("import", "Endpoint/chat", "ep-other")
    assert (twice.code, "is in state already" in twice.err) == (5, True)
    twice = project.run("import", "Endpoint/other", id)
    assert (twice.code, "state mv Endpoint/chat Endpoint/other" in twice.err) == (5, True)
    nobody = project.run("import", "Endpoint/other", "ep-other")
    assert (nobody.code, "there is no endpoint ep-other" in nobody.err) == (1, True)
    assert list(project.state["resources"]) == ["Endpoint/chat"]


# --- doctor ---


def test_doctor_when_all_is_well(project: Project) -> None:
    project.write(endpoint())
    project.apply()
    found = findings(project, "--project", "p1")
    assert list(found) == ["settings", "state", "token", "clock", "project"]
    assert found["state"]["text"].startswith("serial 2, 1 in it")
    assert found["project"]["text"] == "1 endpoints in p1"
    shown = project.run("doctor")
    assert (shown.code, shown.out.count("ok  ")) == (0, 5)
    assert "not checked: set FRIENDLI_PROJECT_ID, or say --project ID" in shown.out


def test_doctor_of_a_token(project: Project, emulator: Emulator) -> None:
    found = findings(project, env={"FRIENDLI_TOKEN": ""})
    assert (found["token"]["ok"], found["token"]["code"]) == (False, 3)
    assert "set FRIENDLI_TOKEN" in found["token"]["next"]
    emulator.set_tokens({"flp_known": {"user": "u", "teams": ["t"]}})
    found = findings(project)
    assert (found["token"]["ok"], found["token"]["code"]) == (False, 3)
    assert "401" in found["token"]["text"]
    assert "clock" not in found


def test_doctor_of_a_project(project: Project, emulator: Emulator) -> None:
    emulator.seed(1, project="theirs", team="team-other")
    emulator.fault("GET", "endpoint", nth=2, status=403, body={"message": "not a member"})
    found = findings(project, env={"FRIENDLI_PROJECT_ID": "p1"})
    assert found["token"]["ok"]
    assert (found["project"]["ok"], found["project"]["code"]) == (False, 3)
    assert "FRIENDLI_TEAM_ID" in found["project"]["next"]


class InTheYear2030(BaseHTTPRequestHandler):
    """An API with another idea of the time."""

    def do_GET(self) -> None:
        self.send_response(200)  # with a Date
        self.end_headers()
        self.wfile.write(b'{"data": {}}')

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Tue, 01 Jan 2030 00:00:00 GMT"

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_doctor_of_the_clock(project: Project) -> None:
    with HTTPServer(("127.0.0.1", 0), InTheYear2030) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        found = findings(project, env={"FRIENDLI_BASE_URL": url})
        server.shutdown()
    assert (found["clock"]["ok"], found["clock"]["code"]) == (False, 1)
    assert "s off the API" in found["clock"]["text"]
    assert found["clock"]["next"].startswith("Set the clock")


def test_doctor_of_the_state(project: Project) -> None:
    project.write(endpoint())
    project.apply()
    found = findings(project, env={"FRIENDLI_TEAM_ID": "team-other"})
    assert (found["state"]["ok"], found["state"]["code"]) == (False, 5)
    assert "belongs to the team" in found["state"]["text"]
    project.state_path.write_text("{")
    found = findings(project)
    assert (found["state"]["ok"], found["state"]["code"]) == (False, 1)
    assert "Restore a backup" in found["state"]["next"]


@pytest.mark.parametrize(
    ("settings", "code"), [("state: ftp://host/state\n", 1), ("manifest: [x]\n", 1)]
)
def test_doctor_of_the_settings(settings: str, code: int, project: Project) -> None:
    project.write(settings, "friendli-iac.yaml")
    found = findings(project)
    assert (found["settings"]["ok"], found["settings"]["code"]) == (False, code)
    assert found["settings"]["next"]


# --- the emulator ---


def test_the_embedded_emulator_keeps_to_itself(project: Project) -> None:
    """Its data and its state outlive a command, and have nothing to do with the real ones."""
    project.write(endpoint())
    env = {"FRIENDLI_TOKEN": "", "FRIENDLI_BASE_URL": "emulator:"}
    assert project.run("apply", "--yes", env=env).code == 0
    folder = project.root / ".friendli-iac" / "emulator"
    assert json.loads((folder / "state.json").read_text())["api"] == "emulator:"
    again = project.run("plan", "--emulator", "--detailed-exitcode", env={"FRIENDLI_TOKEN": ""})
    assert again.code == 0, again
    assert again.out.startswith("Plan for the emulator · serial 2\n")
    assert not project.state_path.exists()
    output = project.run("output", "--emulator", "Endpoint/chat", "--format", "json").json
    assert output["url"] == "emulator:/dedicated/v1"  # it lives only as long as a command


def test_the_emulator_command_serves_until_ctrl_c(project: Project, tmp_path: Path) -> None:
    running = project.spawn("emulator", "--port", "0", "--data", str(tmp_path / "data"))
    assert running.stdout is not None
    line = running.stdout.readline()
    match = re.fullmatch(
        r"export FRIENDLI_BASE_URL=(http://127\.0\.0\.1:\d+) FRIENDLI_TOKEN=flp_emulator\n", line
    )
    assert match, line
    wandb = f"export WANDB_BASE_URL={match[1]} WANDB_API_KEY={5 * 'emulator'}\n"
    assert running.stdout.readline() == wandb
    project.write(endpoint())
    env = {"FRIENDLI_BASE_URL": match[1]}
    assert project.run("apply", "--yes", "--no-wait", env=env).code == 0
    request = urllib.request.Request(
        f"{match[1]}/dedicated/beta/endpoint?project_id=p1",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert len(json.loads(answer.read())["data"]) == 1
    started = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=20)
    assert (running.returncode, time.monotonic() - started < 10) == (0, True)
    assert err == "serving; Ctrl-C ends it\n"
    assert any((tmp_path / "data").iterdir())


def test_a_taken_port_is_an_error(project: Project, emulator: Emulator) -> None:
    port = emulator.url.rsplit(":", 1)[1]
    shown = project.run("emulator", "--port", port)
    assert shown.code == 1
    assert "Address already in use" in shown.err
