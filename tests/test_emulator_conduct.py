"""Versions that were rolled out well, and then serve badly or die."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from friendli_iac.emulator import Emulator

from .emulator_client import BODY, ENDPOINTS, Client, connect, create, fixtures

server, emulator, client = fixtures()

CODE = "INFERENCE_ENGINE_UNKNOWN_ERROR"
CHAT = "/dedicated/v1/chat/completions"


def ask(client: Client, endpoint: str) -> httpx.Response:
    question = {"model": endpoint, "messages": [{"role": "user", "content": "Say OK"}]}
    return client.post(CHAT, json=question)


def text(client: Client, endpoint: str) -> str:
    answer = ask(client, endpoint).raise_for_status().json()
    return str(answer["choices"][0]["message"]["content"])


def update(emulator: Emulator, client: Client, endpoint: str, **changes: Any) -> None:
    client.update(endpoint, **changes).raise_for_status()
    emulator.advance(3)


@pytest.mark.parametrize("status", [404, 422, 429, 500, 503])
def test_only_the_bad_version_answers_with_an_error(
    emulator: Emulator, client: Client, status: int
) -> None:
    endpoint = create(emulator, client)
    emulator.serves_badly(endpoint, "next", status=status)

    assert text(client, endpoint) == "OK"
    client.update(endpoint, name="new").raise_for_status()
    assert text(client, endpoint) == "OK"  # The old version serves while the new one comes.
    emulator.advance(3)
    assert ask(client, endpoint).status_code == status
    update(emulator, client, endpoint, name="chat")
    assert text(client, endpoint) == "OK"


def test_a_wrong_text_stands_where_the_right_one_would(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.serves_badly(endpoint, text="Nay")

    assert text(client, endpoint) == "Nay"
    tokens = client.ask("POST", "/dedicated/v1/tokenize", json={"model": endpoint, "prompt": "a"})
    back = client.ask("POST", "/dedicated/v1/detokenize", json={"model": endpoint, **tokens})
    assert back == {"text": "Nay"}
    emulator.serves_badly(endpoint)
    assert text(client, endpoint) == "OK"


def test_a_slow_version_keeps_both_clocks_waiting(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.serves_badly(endpoint, 0, seconds=0.2)
    before, began = emulator.now(), time.monotonic()

    assert text(client, endpoint) == "OK"

    assert emulator.now() == before + 0.2
    assert time.monotonic() - began >= 0.2
    with pytest.raises(httpx.ReadTimeout):
        client.post(CHAT, json={"model": endpoint, "messages": [{}]}, timeout=0.05)


def test_others_are_not_kept_waiting_nor_is_the_end() -> None:
    with Emulator(clock="wall", durations=0) as emulator, connect(emulator.url) as client:
        slow, fast = (one["id"] for one in emulator.seed(2))
        emulator.serves_badly(slow, seconds=60)
        with pytest.raises(httpx.ReadTimeout):
            client.post(CHAT, json={"model": slow, "messages": [{}]}, timeout=0.05)
        began = time.monotonic()
        assert text(client, fast) == "OK"
    assert time.monotonic() - began < 10


def test_a_version_dies_in_the_middle_of_its_bake(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.fails_after(endpoint, 60, "next", error_code=CODE)
    emulator.advance(1000)
    assert client.status(endpoint) == "RUNNING"

    client.update(endpoint, name="new").raise_for_status()
    emulator.advance(2 + 59)
    assert client.status(endpoint) == "RUNNING"
    emulator.advance(1)

    status = client.ask("GET", f"{ENDPOINTS}/{endpoint}/status")
    assert (status["status"], status["errorCode"]) == ("FAILED", CODE)
    assert ask(client, endpoint).status_code == 503
    update(emulator, client, endpoint, name="chat")
    emulator.advance(1000)
    assert client.status(endpoint) == "RUNNING"


def test_what_dies_dies_again_after_a_restart(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.fails_after(endpoint, 10, status="CRUMBLED", error_code=None)
    emulator.advance(10)
    assert client.status(endpoint) == "CRUMBLED"

    emulator.set_status(endpoint, "FAILED")
    client.move(endpoint, "restart").raise_for_status()
    emulator.advance(3 + 9)
    assert client.status(endpoint) == "RUNNING"
    emulator.advance(1)
    assert client.status(endpoint) == "CRUMBLED"
    emulator.fails_after(endpoint, None)
    emulator.set_status(endpoint, "RUNNING")
    emulator.advance(1000)
    assert client.status(endpoint) == "RUNNING"


def test_a_version_can_die_at_once(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)

    emulator.fails_after(endpoint, 0)

    assert client.status(endpoint) == "FAILED"


def test_bad_answers_and_death_can_meet(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.fails_after(endpoint, 10)
    emulator.serves_badly(endpoint, status=500)

    assert ask(client, endpoint).status_code == 500
    emulator.advance(10)
    assert client.status(endpoint) == "FAILED"


def test_what_sleeps_does_not_die(emulator: Emulator, client: Client) -> None:
    policy = {"minReplica": 0, "maxReplica": 1, "cooldownPeriod": 100}
    endpoint = create(emulator, client, autoscalingPolicy=policy)
    emulator.fails_after(endpoint, 200)

    emulator.advance(1000)

    assert client.status(endpoint) == "SLEEPING"


@pytest.mark.parametrize(
    ("model", "answer"), [("wrong-answer", 200), ("broken-answer", 500), ("dies-later", 503)]
)
def test_models_misbehave_by_their_name(
    emulator: Emulator, client: Client, model: str, answer: int
) -> None:
    endpoint = create(emulator, client)
    update(emulator, client, endpoint, hfModelRepo=f"org/{model}")
    assert client.status(endpoint) == "RUNNING"
    emulator.advance(5)

    bad = ask(client, endpoint)

    assert bad.status_code == answer
    assert "OK" not in bad.text
    update(emulator, client, endpoint, hfModelRepo="org/model")
    emulator.advance(1000)
    assert text(client, endpoint) == "OK"


def test_a_slow_model_is_slow(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client, hfModelRepo="org/slow-answer")
    with pytest.raises(httpx.ReadTimeout):
        client.post(CHAT, json={"model": endpoint, "messages": [{}]}, timeout=0.05)


def test_an_old_version_behaves_as_before_when_an_update_fails(
    emulator: Emulator, client: Client
) -> None:
    endpoint = create(emulator, client)
    emulator.serves_badly(endpoint, "next", status=500)
    emulator.fail_next_rollout(endpoint, "ignored")

    update(emulator, client, endpoint, name="new")

    assert text(client, endpoint) == "OK"


def test_misbehaviour_survives_a_restart_of_the_emulator(tmp_path: Path) -> None:
    with Emulator(tmp_path, clock="manual") as emulator, connect(emulator.url) as client:
        endpoint = create(emulator, client)
        emulator.serves_badly(endpoint, text="Nay")
        emulator.fails_after(endpoint, 60)
        emulator.fail_next_rollout(endpoint, "ignored", "never")
        before = emulator.endpoints()

    with Emulator(tmp_path, clock="manual") as emulator, connect(emulator.url) as client:
        assert emulator.endpoints() == before
        assert text(client, endpoint) == "Nay"
        emulator.advance(60)
        assert client.status(endpoint) == "FAILED"


def test_the_control_api_misbehaves_too(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)

    def control(path: str, body: Any) -> None:
        client.ask("POST", f"/__emulator/endpoint/{endpoint}/{path}", json=body)

    control("serves-badly", {"version": "next", "text": "Nay"})
    control("fails-after", {"seconds": 9, "version": 1, "error_code": CODE})
    control("next-rollout", {"outcomes": ["ignored-unlisted", "ok"]})
    update(emulator, client, endpoint, name="new")
    assert text(client, endpoint) == "OK"
    update(emulator, client, endpoint, name="new")
    assert text(client, endpoint) == "Nay"
    emulator.advance(9)
    assert client.status(endpoint) == "FAILED"
    sent = client.ask("GET", "/__emulator/inferences")
    assert [one["path"] for one in sent] == [CHAT, CHAT]
    assert sent == emulator.inferences
    for path in ("serves-badly", "fails-after"):
        nowhere = f"/__emulator/endpoint/nothing/{path}"
        assert client.post(nowhere, json={"seconds": 1}).status_code == 404
        assert client.post(nowhere, json={"colour": "red"}).status_code == 400


def test_a_reset_forgets_it_all(emulator: Emulator, client: Client) -> None:
    emulator.fail_next_rollout("*", "never")
    emulator.reset()

    assert client.ask("POST", ENDPOINTS, json=BODY)["status"] == "INITIALIZING"
    emulator.advance(3)
    assert client.status(emulator.endpoints()[0]["id"]) == "RUNNING"
