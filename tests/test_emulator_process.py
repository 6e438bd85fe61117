"""The emulator as a process, what it keeps, and its control API."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator, serve

from .emulator_client import BODY, ENDPOINTS, Client, connect, create, fixtures

server, emulator, client = fixtures()

# The process


def test_endpoints_and_time_survive_a_restart(tmp_path: Path) -> None:
    with Emulator(tmp_path, clock="manual", seed=7) as emulator, connect(emulator.url) as client:
        first = create(emulator, client)
        client.update(first, name="new", newVersionComment="second").raise_for_status()
        emulator.advance(1)
        before = emulator.endpoints()
        now = emulator.now()

    with Emulator(tmp_path, clock="manual", seed=7) as emulator, connect(emulator.url) as client:
        assert emulator.now() == now
        assert emulator.endpoints() == before
        assert client.status(first) == "UPDATING"
        emulator.advance(1)
        assert client.spec(first)["name"] == "new"
        assert create(emulator, client) != first


def test_ids_are_the_same_with_the_same_seed() -> None:
    def ids(seed: int | None) -> list[str]:
        emulator = Emulator(seed=seed)
        return [one["id"] for one in emulator.seed(3)]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)
    assert ids(None) != ids(None)


SERVER = """
import sys
from friendli_iac.emulator import serve
serve(data=sys.argv[1], on_ready=lambda url: (sys.stdout.write(url + "\\n"), sys.stdout.flush()))
"""


def start_process(data: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVER, str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    process, url = start_process(tmp_path)
    with process, connect(url) as client:
        for _ in range(3):
            client.ask("POST", ENDPOINTS, json=BODY)
        process.kill()

    process, url = start_process(tmp_path)
    with process, connect(url) as client:
        assert len(client.ask("GET", ENDPOINTS)["data"]) == 3
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly_on_a_signal(tmp_path: Path, number: int) -> None:
    process, url = start_process(tmp_path)
    with process, connect(url) as client:
        client.ask("GET", ENDPOINTS)
        os.kill(process.pid, number)
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_port_in_use_is_an_error(emulator: Emulator, tmp_path: Path) -> None:
    port = int(emulator.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Emulator(tmp_path, port=port).start()


def test_a_refused_update_leaves_the_next_rollout_alone(emulator: Emulator, client: Client) -> None:
    client.ask("POST", ENDPOINTS, json=BODY)
    endpoint = emulator.endpoints()[0]["id"]
    emulator.fail_next_rollout("*", "ignored")

    assert client.update(endpoint, name="new").status_code == 400

    assert emulator.endpoint(endpoint)["next_rollouts"] == []


def test_serve_is_for_the_main_thread(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            serve(data=tmp_path)
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert len(errors) == 1


# The control API


def test_the_control_api_does_what_the_object_does(emulator: Emulator, client: Client) -> None:
    def control(method: str, path: str, body: Any = None) -> Any:
        return client.ask(method, f"/__emulator{path}", json=body or {})

    (one,) = control("POST", "/seed", {"count": 1, "project": "project-z", "name": "n-{}"})
    endpoint = one["id"]
    assert one["name"] == "n-0"
    assert control("POST", f"/endpoint/{endpoint}/change", {"name": "new"}) == {"version": 1}
    assert control("PUT", "/durations", {"update": 9})["update"] == 9
    assert control("POST", "/clock", {"advance": 2})["now"] == emulator.now()
    assert client.spec(endpoint)["name"] == "new"
    assert control("GET", f"/endpoint/{endpoint}")["versions"][1]["creator"] == "someone-else"
    control("POST", f"/endpoint/{endpoint}/next-rollout", {"outcome": "never"})
    assert emulator.endpoint(endpoint)["next_rollouts"] == ["never"]
    control("POST", f"/endpoint/{endpoint}/status", {"status": "FAILED", "error_code": "X"})
    assert client.status(endpoint) == "FAILED"

    rule = {"method": "GET", "path": "/endpoint$", "kind": "hold"}
    number = control("POST", "/faults", rule)["id"]
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.get, ENDPOINTS)
        emulator.wait_held()
        assert [held["path"] for held in control("GET", "/holds")] == [ENDPOINTS]
        assert control("POST", "/holds/release") == {"released": 1}
        assert answer.result().status_code == 200
    (in_force,) = control("GET", "/faults")
    assert (in_force["id"], in_force["applied"]) == (number, 1)
    control("DELETE", "/faults")

    control("PUT", "/tokens", {"flp_x": {"user": "user-x", "team": "team-x"}})
    assert client.get(ENDPOINTS).status_code == 401
    assert control("PUT", "/options", {"latency_ms": 1})["latency_ms"] == 1
    assert control("GET", "/state")["endpoints"] == emulator.endpoints()
    assert control("GET", "/requests") == emulator.requests
    control("DELETE", "/requests")
    assert emulator.requests == []
    control("POST", "/reset")
    assert emulator.endpoints() == []
    assert client.get(ENDPOINTS).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/faults", [], 400),
        ("/faults", {"method": "GET"}, 400),
        ("/faults", {"method": "GET", "path": "(", "kind": "drop"}, 400),
        ("/faults", {"method": "GET", "path": "x", "kind": "gremlin"}, 400),
        ("/endpoint/nothing/status", {"status": "RUNNING"}, 404),
        ("/endpoint/nothing/status", {}, 400),
        ("/seed", {"count": 1, "instanceOptionId": "nothing"}, 400),
    ],
)
def test_the_control_api_refuses_nonsense(
    client: Client, path: str, body: Any, status: int
) -> None:
    answer = client.post(f"/__emulator{path}", json=body)

    assert answer.status_code == status
    assert "error" in answer.json()
