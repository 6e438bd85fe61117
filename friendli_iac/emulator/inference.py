"""Inference: what an endpoint answers, for probes. Nothing is generated, but the answers are apt.

A request to a version that serves is answered as by a model that does what it is told: "Say OK" is
answered with "OK", anything else is repeated. Two bytes of text are one token. While an update is
under way, the old version answers. Shapes: OpenAPI 2026-07-22 and SDK 0.16.3; which request is
refused with which status: the docs' table of inference errors. Streaming is left out.
"""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import lifecycle
from .model import SERVING, SLEEPING, Endpoint, Json
from .service import Caller, Service
from .validation import ApiError, Body, Field, check, problem, unprocessable

_MODEL = {"model": Field(str, required=True, nullable=False)}
_GENERATION = {**_MODEL, "max_tokens": Field(int, minimum=0), "stream": Field(bool)}
_BYTES_PER_TOKEN = 2
_ONE_BYTE = 256  # the token ids below are single bytes, those above are pairs


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and how many (real) seconds it takes."""

    status: int
    body: Json
    seconds: float


@dataclass(frozen=True, slots=True)
class Question:
    """A request to a version that serves. `text` is the model's answer, if it is a wrong one."""

    endpoint: Endpoint
    body: Body
    text: str | None
    now: float

    def reply(self, prompt: str) -> str:
        """What the model says to `prompt`."""
        if self.text is not None:
            return self.text
        told = re.search(r"\bsay\b[\s:]*(.*\S)", prompt, re.IGNORECASE | re.DOTALL)
        return told[1].strip("\"'.!") if told else f"You said: {prompt}"


@dataclass(frozen=True, slots=True)
class Task:
    """An inference route: the shape of its body, and what it answers."""

    shape: Mapping[str, Field]
    answer: Callable[[Question], Json]


def answer(service: Service, caller: Caller, task: Task, raw_body: bytes) -> Answer:
    """The answer to one request; the caller holds the store's lock.

    Raises 400 for what is not JSON or lacks a key, 422 for a wrong value, 404 for an endpoint or
    adapter that is not there, and 503 unless a version serves.
    """
    body = _parsed(raw_body, task.shape)
    endpoint = _reach(service, caller, body["model"])
    conduct = endpoint.conduct_of(endpoint.serving)
    if conduct.seconds and service.store.clock.mode == "manual":
        # Such a clock does not see the wait.
        service.store.clock.advance(conduct.seconds)
        service.store.save_clock()
    if conduct.status != 200:
        return Answer(conduct.status, {"message": "The model fails."}, conduct.seconds)
    question = Question(endpoint, body, conduct.text, service.store.now())
    return Answer(200, task.answer(question), conduct.seconds)


def _reach(service: Service, caller: Caller, model: str) -> Endpoint:
    """The endpoint `ENDPOINT_ID[:ROUTE]`; the request is counted, and wakes it if it sleeps.

    docs: any request wakes a sleeping endpoint. The plain text of the 503 was seen by clients.
    """
    endpoint_id, _, route = model.partition(":")
    endpoint = service.find(caller, endpoint_id)
    now = service.store.now()
    endpoint.inference_requests += 1
    endpoint.last_inference_at = now
    answers = endpoint.status in SERVING
    if endpoint.status == SLEEPING:
        endpoint.inference_wakes += 1
        lifecycle.wake(endpoint, now, service.course)
    service.store.save(endpoint)
    if not answers:
        raise ApiError(503, "Endpoint is unavailable")
    if route and route not in endpoint.settings.get("adapters", ()):
        raise ApiError(404, {"detail": f"Endpoint {endpoint_id} has no adapter {route}."})
    return endpoint


def _parsed(raw_body: bytes, shape: Mapping[str, Field]) -> Body:
    try:
        parsed = json.loads(raw_body)
    except ValueError:
        raise ApiError(400, {"detail": "The body is not JSON."}) from None
    if isinstance(parsed, dict):
        missing = [key for key in shape if shape[key].required and key not in parsed]
        if missing:
            raise ApiError(400, {"detail": f"The body lacks {', '.join(missing)}."})
    body = check(parsed, shape)
    if body.get("stream"):
        raise ApiError(501, {"detail": "The emulator does not stream."})
    return body


# Text and tokens


def encode(text: str) -> list[int]:
    """The tokens of `text`."""
    data = text.encode()
    pieces = [data[i : i + _BYTES_PER_TOKEN] for i in range(0, len(data), _BYTES_PER_TOKEN)]
    return [
        int.from_bytes(piece) + (_ONE_BYTE if len(piece) == _BYTES_PER_TOKEN else 0)
        for piece in pieces
    ]


def decode(tokens: list[Any]) -> str:
    """The text of `tokens`; 422 for those that no text has."""
    pieces = []
    for index, token in enumerate(tokens):
        if not isinstance(token, int) or not 0 <= token < _ONE_BYTE + 256**_BYTES_PER_TOKEN:
            raise unprocessable(problem(("body", "tokens", index), "value_error", "No such token"))
        single = token < _ONE_BYTE
        pieces.append(token.to_bytes(1) if single else (token - _ONE_BYTE).to_bytes(2))
    return b"".join(pieces).decode(errors="replace")


def _generate(question: Question, prompt: str) -> tuple[str, str, Json]:
    """The text that follows `prompt`, why it ends, and the `usage`; 422 if it is all too long."""
    asked, told = encode(prompt), encode(question.reply(prompt))
    limit = question.body.get("max_tokens")
    advanced = question.endpoint.settings["advanced"]
    if len(asked) > (advanced.get("max_input_length") or len(asked)):
        raise unprocessable(problem(("body",), "value_error", "The prompt is too long"))
    if len(asked) + (limit or 0) > (advanced.get("max_context_length") or float("inf")):
        raise unprocessable(problem(("body", "max_tokens"), "value_error", "Too many tokens"))
    whole = limit is None or len(told) <= limit
    kept = told if whole else told[:limit]
    return decode(kept), "stop" if whole else "length", _usage(len(asked), len(kept))


def _usage(prompt: int, completion: int) -> Json:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


# The routes


def _chat(question: Question) -> Json:
    messages = question.body["messages"]
    if not messages:
        raise unprocessable(problem(("body", "messages"), "too_short", "List is too short"))
    text, reason, usage = _generate(question, _content(messages[-1]))
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": reason,
    }
    return _result(question, "chatcmpl", "chat.completion", {"choices": [choice], "usage": usage})


def _content(message: Any) -> str:
    """The text of a message, whose content is a string or a list of parts."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _complete(question: Question) -> Json:
    """One choice for each prompt."""
    body = question.body
    if (body.get("prompt") is None) == (body.get("tokens") is None):
        raise unprocessable(problem(("body",), "value_error", "Either prompt or tokens is needed"))
    if body.get("tokens") is not None:
        prompts = [decode(body["tokens"])]
    else:
        prompts = _texts(body["prompt"], "prompt")
    results = [_generate(question, prompt) for prompt in prompts]
    choices = [
        {"index": i, "text": text, "seed": 0, "finish_reason": reason, "tokens": encode(text)}
        for i, (text, reason, _) in enumerate(results)
    ]
    usage = _usage(
        sum(one["prompt_tokens"] for *_, one in results),
        sum(one["completion_tokens"] for *_, one in results),
    )
    return _result(question, "cmpl", "text_completion", {"choices": choices, "usage": usage})


def _texts(given: Any, key: str) -> list[str]:
    """One text, or a list of them; 422 for anything else (such as tokens, which are left out)."""
    given = given if isinstance(given, list) else [given]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        raise unprocessable(problem(("body", key), "string_type", "Input should be text"))
    return texts


def _embed(question: Question) -> Json:
    """Three numbers for each input, the same for the same text."""
    texts = _texts(question.body["input"], "input")
    told = [
        zlib.crc32((text if question.text is None else question.text).encode()) for text in texts
    ]
    data = [
        {
            "index": i,
            "object": "embedding",
            "embedding": [(one >> shift & 255) / 255 for shift in (0, 8, 16)],
        }
        for i, one in enumerate(told)
    ]
    usage = _usage(sum(len(encode(text)) for text in texts), 0)
    return _result(question, "embd", "list", {"data": data, "usage": usage})


def _result(question: Question, prefix: str, kind: str, content: Json) -> Json:
    digest = zlib.crc32(json.dumps(question.body, sort_keys=True).encode())
    return {
        "id": f"{prefix}-{digest:08x}",
        "object": kind,
        "created": int(question.now),
        "model": question.endpoint.id,
        **content,
    }


def _tokenize(question: Question) -> Json:
    prompt = question.body["prompt"] if question.text is None else question.text
    return {"tokens": encode(prompt)}


def _detokenize(question: Question) -> Json:
    text = decode(question.body["tokens"])
    return {"text": text if question.text is None else question.text}


def _unknown(question: Question) -> Json:
    raise ApiError(501, {"detail": "The emulator has no answer of this kind."})


_TEXT = Field(str, required=True, nullable=False)
_LIST = Field(list, required=True, nullable=False)
TASKS = {
    "/dedicated/v1/chat/completions": Task({**_GENERATION, "messages": _LIST}, _chat),
    "/dedicated/v1/completions": Task(
        {**_GENERATION, "prompt": Field(object), "tokens": Field(list)}, _complete
    ),
    "/dedicated/v1/embeddings": Task(
        {**_MODEL, "input": Field(object, required=True, nullable=False)}, _embed
    ),
    "/dedicated/v1/tokenize": Task({**_MODEL, "prompt": _TEXT}, _tokenize),
    "/dedicated/v1/detokenize": Task({**_MODEL, "tokens": _LIST}, _detokenize),
    # What is not answered still wakes what sleeps.
    "/dedicated/v1/{task:path}": Task(_MODEL, _unknown),
    "/dedicated/classify": Task(_MODEL, _unknown),
}
"""By path."""
