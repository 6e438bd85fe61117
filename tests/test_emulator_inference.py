"""Inference: what probes are answered, what is refused, and who wakes an endpoint."""

from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .emulator_client import BODY, ENDPOINTS, Client, connect, create, fixtures

server, emulator, client = fixtures()

V1 = "/dedicated/v1"
FLAGS = BODY["advanced"]


def say(text: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


QUESTIONS = {
    "/dedicated/v1/chat/completions": say("Say OK"),
    "/dedicated/v1/completions": {"prompt": "Say OK"},
    "/dedicated/v1/embeddings": {"input": "OK"},
    "/dedicated/v1/tokenize": {"prompt": "OK"},
    "/dedicated/v1/detokenize": {"tokens": [79]},
}
OTHERS = ("/dedicated/v1/responses", "/dedicated/v1/images/generations", "/dedicated/classify")


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("Say OK", "OK"),
        ('Please say "OK".', "OK"),
        ("say: two words", "two words"),
        ("What is 2+2?", "You said: What is 2+2?"),
        ([{"type": "text", "text": "Say OK"}], "OK"),
        (None, "You said: "),
    ],
)
def test_chat_does_what_it_is_told(
    emulator: Emulator, client: Client, content: Any, answer: str
) -> None:
    endpoint = create(emulator, client)

    said = client.ask("POST", f"{V1}/chat/completions", json={"model": endpoint, **say(content)})

    assert said["choices"][0]["message"] == {"role": "assistant", "content": answer}
    assert said["choices"][0]["finish_reason"] == "stop"
    assert (said["object"], said["model"]) == ("chat.completion", endpoint)
    usage = said["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    again = client.ask("POST", f"{V1}/chat/completions", json={"model": endpoint, **say(content)})
    assert again == said


def test_max_tokens_ends_an_answer(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)

    def reason(limit: int) -> tuple[str, str]:
        body = {"model": endpoint, **say("Say OKAY", max_tokens=limit)}
        choice = client.ask("POST", f"{V1}/chat/completions", json=body)["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]

    assert [reason(limit) for limit in (0, 1, 2, 16)] == [
        ("", "length"),
        ("OK", "length"),
        ("OKAY", "stop"),
        ("OKAY", "stop"),
    ]


def test_completions_take_one_prompt_or_several_or_tokens(
    emulator: Emulator, client: Client
) -> None:
    endpoint = create(emulator, client)

    def texts(**body: Any) -> list[str]:
        answer = client.ask("POST", f"{V1}/completions", json={"model": endpoint, **body})
        return [choice["text"] for choice in answer["choices"]]

    tokens = client.ask("POST", f"{V1}/tokenize", json={"model": endpoint, "prompt": "Say OK"})
    assert texts(prompt="Say OK") == texts(tokens=tokens["tokens"]) == ["OK"]
    assert texts(prompt=["Say a", "Say b"]) == ["a", "b"]
    for wrong in ({}, {"prompt": "a", "tokens": [1]}):
        answer = client.post(f"{V1}/completions", json={"model": endpoint, **wrong})
        assert answer.status_code == 422


@pytest.mark.parametrize("text", ["", "a", "OK", "Grüße, 世界 🙂"])
def test_tokens_are_the_text(emulator: Emulator, client: Client, text: str) -> None:
    endpoint = create(emulator, client)

    tokens = client.ask("POST", f"{V1}/tokenize", json={"model": endpoint, "prompt": text})
    back = client.ask("POST", f"{V1}/detokenize", json={"model": endpoint, **tokens})

    assert back == {"text": text}
    assert len(tokens["tokens"]) == (len(text.encode()) + 1) // 2


def test_embeddings_are_the_same_for_the_same_text(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    body = {"model": endpoint, "input": ["a", "b", "a"]}

    answer = client.ask("POST", f"{V1}/embeddings", json=body)

    first, other, same = (one["embedding"] for one in answer["data"])
    assert first == same != other


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("chat/completions", "no JSON", 400),
        ("chat/completions", {}, 400),
        ("tokenize", {"prompt": None}, 422),
        ("tokenize", {"prompt": 1}, 422),
        ("detokenize", {"tokens": [-1]}, 422),
        ("detokenize", {"tokens": ["a"]}, 422),
        ("chat/completions", {"messages": []}, 422),
        ("chat/completions", say("a", max_tokens="many"), 422),
        ("chat/completions", say("a" * 101), 422),
        ("chat/completions", say("a", max_tokens=100), 422),
        ("chat/completions", say("a", stream=True), 501),
        ("completions", {"prompt": True}, 422),
        ("embeddings", {"input": [1, 2]}, 422),
        ("responses", {"input": "a"}, 501),
    ],
)
def test_what_cannot_be_answered_is_refused(
    emulator: Emulator, client: Client, path: str, body: Any, status: int
) -> None:
    advanced = FLAGS | {"max_input_length": 50, "max_context_length": 60}
    endpoint = create(emulator, client, advanced=advanced)

    if isinstance(body, str):
        answer = client.post(f"{V1}/{path}", content=body)
    else:
        answer = client.post(f"{V1}/{path}", json={"model": endpoint, **body})

    assert answer.status_code == status


def test_a_fault_can_stand_for_a_rate_limit(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    emulator.fault("POST", "/tokenize$", status=429, retry_after=1)

    question = {"model": endpoint, "prompt": "a"}
    answers = [client.post(f"{V1}/tokenize", json=question) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [429, 200]


def test_only_the_team_may_ask(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    question = {"model": endpoint, "prompt": "a"}

    def status(**headers: str) -> int:
        return client.post(f"{V1}/tokenize", json=question, headers=headers).status_code

    assert status() == 200
    assert status(Authorization="Bearer nobody") == 401
    assert status(**{"X-Friendli-Team": "team-b"}) == 403
    nowhere = client.post(f"{V1}/tokenize", json=question | {"model": "nothing"})
    assert nowhere.status_code == 404
    emulator.set_tokens({"flp_b": {"user": "b", "team": "team-b"}})
    with connect(emulator.url, "flp_b") as other:
        assert other.post(f"{V1}/tokenize", json=question).status_code == 404


@pytest.mark.parametrize(
    "status", ["INITIALIZING", "AWAKING", "FAILED", "TERMINATING", "TERMINATED", "STOPPING"]
)
def test_what_does_not_serve_is_unavailable(
    emulator: Emulator, client: Client, status: str
) -> None:
    endpoint = create(emulator, client)
    emulator.set_status(endpoint, status)

    answer = client.post(f"{V1}/tokenize", json={"model": endpoint, "prompt": "a"})

    assert (answer.status_code, answer.text) == (503, "Endpoint is unavailable")
    assert client.status(endpoint) == status
    assert emulator.endpoint(endpoint)["inference_wakes"] == 0


@pytest.mark.parametrize("path", [*QUESTIONS, *OTHERS])
def test_any_request_wakes_what_sleeps_and_is_written_down(
    emulator: Emulator, client: Client, path: str
) -> None:
    endpoint = create(emulator, client)
    client.move(endpoint, "sleep").raise_for_status()
    client.status(endpoint)
    assert emulator.inferences == []
    question = {"model": endpoint, **QUESTIONS.get(path, {})}

    first = client.post(path, json=question)

    assert (first.status_code, first.text) == (503, "Endpoint is unavailable")
    assert client.status(endpoint) == "AWAKING"
    assert client.post(path, json=question).status_code == 503
    emulator.advance(1)
    assert client.post(path, json=question).status_code == (501 if path in OTHERS else 200)
    kept = emulator.endpoint(endpoint)
    assert (kept["inference_requests"], kept["inference_wakes"]) == (3, 1)
    assert [one["path"] for one in emulator.inferences] == [path] * 3
    assert emulator.inferences[0]["body"]["model"] == endpoint


def test_the_api_can_be_asked_without_waking_anybody(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    client.move(endpoint, "sleep").raise_for_status()

    for path in ("", f"/{endpoint}", f"/{endpoint}/status", f"/{endpoint}/version"):
        client.ask("GET", f"{ENDPOINTS}{path}")

    kept = emulator.endpoint(endpoint)
    assert (kept["status"], kept["inference_requests"]) == ("SLEEPING", 0)
    assert emulator.inferences == []


def test_an_adapter_is_asked_by_its_route(emulator: Emulator, client: Client) -> None:
    endpoint = create(emulator, client)
    probe = {"model": f"{endpoint}:sql", **say("Say OK")}
    refused = client.post(f"{V1}/chat/completions", json=probe)
    emulator.change(endpoint, adapters=["sql"])
    emulator.advance(3)

    answer = client.ask("POST", f"{V1}/chat/completions", json=probe)

    assert refused.status_code == 404
    assert answer["model"] == endpoint
