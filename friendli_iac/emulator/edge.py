"""Where requests come in: each one is written to the log, and meets the faults meant for it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from .app import STALENESS_KEY
from .control_app import PREFIX as CONTROL_PREFIX
from .faults import Fault, Faults, When
from .requestlog import RequestLog, response_key
from .service import Service, Staleness

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ABORT_KEY = "abort"
"""The key of the ASGI scope's `state` under which the server offers to cut the connection."""

_HTML = b"<!doctype html><title>Sign in</title><p>Please sign in to continue."


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class _Dropped(Exception):
    """The connection is to be cut."""


class Edge:
    """The ASGI application that the server runs: the API behind faults, and the control API."""

    def __init__(
        self, api: App, control: App, service: Service, faults: Faults, log: RequestLog
    ) -> None:
        self._api = api
        self._control = control
        self._service = service
        self._faults = faults
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith(CONTROL_PREFIX):
            await self._control(scope, receive, send)
            return
        body = await _read(receive)
        entry = self._log.open(scope, body, self._service.store.now())
        path = " ".join(filter(None, (scope["path"], entry["graphql"])))
        faults = self._faults.matching(scope["method"], path)
        entry["faults"] = [fault.kind for fault in faults]
        try:
            answer = await self._answer(scope, body, entry["seq"], faults)
        except _Dropped:
            await _cut(scope, receive)
            return
        entry["status"] = answer.status
        await _send(answer, send)

    async def _answer(self, scope: Scope, body: bytes, seq: int, faults: list[Fault]) -> Answer:
        for fault in faults:
            if fault.kind == "stale_list":
                scope[STALENESS_KEY] = Staleness(fault.seconds, fault.newest)
        if latency := self._service.options.latency_ms:
            await asyncio.sleep(latency / 1000)
        instead = await self._suffer("before", scope, body, seq, faults)
        if instead is not None:
            return instead
        answer = await _run(self._api, scope, body)
        return await self._suffer("after", scope, body, seq, faults, answer) or answer

    async def _suffer(
        self,
        when: When,
        scope: Scope,
        body: bytes,
        seq: int,
        faults: list[Fault],
        answer: Answer | None = None,
    ) -> Answer | None:
        """Let the faults of this moment happen; what they leave of the answer, or put for it."""
        for fault in faults:
            if fault.when != when:
                continue
            if fault.kind == "latency":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "hold":
                await self._faults.hold(seq, scope["method"], scope["path"], when)
            elif fault.kind == "drop":
                raise _Dropped
            elif fault.action is not None:
                fault.action()
            elif fault.kind == "graphql":
                answer = _graphql_error(str(fault.body or ""), response_key(body))
            elif fault.kind != "stale_list":
                answer = _spoiled(fault, answer)
        return answer


def _graphql_error(code: str, key: str) -> Answer:
    """How a resolver fails: the field at `key` is null, whatever it has done by then."""
    more = {"extensions": {"code": code}} if code else {}
    error = {"message": "injected fault", "path": [key], **more}
    said = json.dumps({"errors": [error], "data": {key: None}}).encode()
    return Answer(200, [(b"content-type", b"application/json")], said)


def _spoiled(fault: Fault, answer: Answer | None) -> Answer:
    if fault.kind == "html":
        return Answer(200, [(b"content-type", b"text/html; charset=utf-8")], _HTML)
    if fault.kind == "truncate":
        whole = answer.body if answer else b'{"data": {}}'
        return Answer(200, [(b"content-type", b"application/json")], whole[: len(whole) // 2])
    extra = dict(fault.headers or {})
    if fault.retry_after is not None:
        extra["retry-after"] = f"{fault.retry_after:g}"
    content = {"message": "injected fault"} if fault.body is None else fault.body
    if isinstance(content, str):
        content_type, body = "text/plain; charset=utf-8", content
    else:
        content_type, body = "application/json", json.dumps(content)
    headers = {"content-type": content_type, **extra}
    return Answer(
        fault.status,
        [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        b"" if fault.status == 204 else body.encode(),
    )


async def _run(app: App, scope: Scope, body: bytes) -> Answer:
    """The answer of `app`, kept back until the faults have had their turn."""
    start: Message = {}
    chunks: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(start["status"], list(start["headers"]), b"".join(chunks))


async def _read(receive: Receive) -> bytes:
    chunks = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


async def _send(answer: Answer, send: Send) -> None:
    headers = [(name, value) for name, value in answer.headers if name != b"content-length"]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _cut(scope: Scope, receive: Receive) -> None:
    scope["state"][ABORT_KEY]()
    # The server takes an application that returns before the connection is gone for a broken one.
    while (await receive())["type"] != "http.disconnect":
        pass
