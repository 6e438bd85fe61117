"""Faults between a request and its answer."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from friendli_iac.emulator import Emulator

from .emulator_client import BODY, ENDPOINTS, Client, connect, create, fixtures

server, emulator, client = fixtures()


def test_a_fault_before_has_no_effect_and_one_after_has(emulator: Emulator, client: Client) -> None:
    emulator.fault("POST", "/endpoint$", status=503, body={"message": "busy"}, retry_after=2)
    refused = client.post(ENDPOINTS, json=BODY)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert refused.json() == {"message": "busy"}
    assert emulator.endpoints() == []

    emulator.fault("POST", "/endpoint$", when="after", status=500)
    assert client.post(ENDPOINTS, json=BODY).status_code == 500
    assert len(emulator.endpoints()) == 1
    assert client.post(ENDPOINTS, json=BODY).status_code == 200


def test_a_fault_hits_the_nth_request_so_many_times(emulator: Emulator, client: Client) -> None:
    emulator.fault("GET", "/endpoint$", nth=2, count=2, status=429)

    statuses = [client.get(ENDPOINTS).status_code for _ in range(5)]

    assert statuses == [200, 429, 429, 200, 200]
    assert [one["faults"] for one in emulator.requests] == [[], ["status"], ["status"], [], []]


@pytest.mark.parametrize(("when", "endpoints"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_is_one(
    emulator: Emulator, client: Client, when: Any, endpoints: int
) -> None:
    emulator.fault("POST", "/endpoint$", kind="drop", when=when)

    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        client.post(ENDPOINTS, json=BODY)

    assert len(emulator.endpoints()) == endpoints
    assert emulator.requests[-1]["status"] is None
    assert client.get(ENDPOINTS).status_code == 200


def test_answers_that_are_not_json(emulator: Emulator, client: Client) -> None:
    emulator.seed(3)
    emulator.fault("GET", "/endpoint$", kind="truncate", when="after")
    with pytest.raises(ValueError):
        client.get(ENDPOINTS).raise_for_status().json()
    emulator.fault("GET", "/endpoint$", kind="html")
    assert client.get(ENDPOINTS).headers["content-type"].startswith("text/html")


def test_latency_is_real_time(emulator: Emulator, client: Client) -> None:
    emulator.fault("GET", "/endpoint$", kind="latency", seconds=0.3)
    with pytest.raises(httpx.ReadTimeout):
        client.get(ENDPOINTS, timeout=0.05)
    emulator.set_options(latency_ms=30)
    assert client.get(ENDPOINTS).elapsed.total_seconds() >= 0.03


def test_a_stale_list_hides_what_is_new(emulator: Emulator, client: Client) -> None:
    old, young = create(emulator, client), create(emulator, client)

    emulator.fault("GET", "/endpoint$", kind="stale_list", seconds=4)
    assert list(client.ask("GET", ENDPOINTS)["data"]) == [old]
    emulator.fault("GET", "/endpoint$", kind="stale_list", newest=1)
    assert list(client.ask("GET", ENDPOINTS)["data"]) == [old]
    assert list(client.ask("GET", ENDPOINTS)["data"]) == [young, old]
    assert client.status(young) == "RUNNING"


@pytest.mark.parametrize(("when", "meanwhile"), [("before", 0), ("after", 1)])
def test_a_request_is_held_until_it_is_released(
    emulator: Emulator, client: Client, when: Any, meanwhile: int
) -> None:
    emulator.hold("POST", "/endpoint$", when)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.post, ENDPOINTS, json=BODY)
        (held,) = emulator.wait_held()
        assert (held["method"], held["when"]) == ("POST", when)
        assert len(emulator.endpoints()) == meanwhile
        assert emulator.release() == 1
        assert answer.result().status_code == 200

    assert emulator.held() == []
    assert len(emulator.endpoints()) == 1


def test_a_held_request_does_not_hinder_the_end() -> None:
    with Emulator() as emulator, connect(emulator.url) as client, ThreadPoolExecutor() as pool:
        emulator.hold("GET", "/endpoint$")
        answer = pool.submit(client.get, ENDPOINTS)
        emulator.wait_held()
        emulator.stop()
        assert answer.result().status_code == 200


def test_the_future_can_be_tried(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.set_options(extra_fields={"zone": "moon"}, adapters_key="adapters")
    emulator.set_status(endpoint, "HIBERNATING", "COOLING", "FROST")

    status = client.ask("GET", f"{ENDPOINTS}/{endpoint}/status")
    assert (status["status"], status["phase"], status["errorCode"]) == (
        "HIBERNATING",
        "COOLING",
        "FROST",
    )
    assert status["zone"] == client.spec(endpoint)["zone"] == "moon"
    other = create(emulator, client, adapters=[{"route": "sql"}])
    probe = {"model": f"{other}:sql", "prompt": "a"}
    assert client.post("/dedicated/v1/tokenize", json=probe).status_code == 200
