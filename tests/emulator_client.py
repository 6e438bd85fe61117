"""The emulator's API by its verbs, for the tests of the emulator."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from friendli_iac.emulator import Emulator

ENDPOINTS = "/dedicated/beta/endpoint"
HOUR = 3600.0
BODY: dict[str, Any] = {
    "projectId": "project-a",
    "name": "chat",
    "instanceOptionId": "TwD5AqnBSVN0",
    "hfModelRepo": "org/model",
    "advanced": {"tokenizer_skip_special_tokens": True, "tokenizer_add_special_tokens": True},
    "autoscalingPolicy": {"minReplica": 1, "maxReplica": 2, "cooldownPeriod": 300},
}


class Client(httpx.Client):
    """The API by its verbs; answers are parsed, and anything but a 200 raises."""

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        return self.request(method, path, **arguments).raise_for_status().json()

    def spec(self, endpoint: str) -> Any:
        return self.ask("GET", f"{ENDPOINTS}/{endpoint}")

    def status(self, endpoint: str) -> str:
        return str(self.ask("GET", f"{ENDPOINTS}/{endpoint}/status")["status"])

    def versions(self, endpoint: str) -> Any:
        return self.ask("GET", f"{ENDPOINTS}/{endpoint}/version")["data"]

    def update(self, endpoint: str, **changes: Any) -> httpx.Response:
        return self.put(f"{ENDPOINTS}/{endpoint}", json=changes)

    def move(self, endpoint: str, verb: str) -> httpx.Response:
        return self.put(f"{ENDPOINTS}/{endpoint}/{verb}")


def connect(url: str, token: str = "flp_test") -> Client:
    return Client(base_url=url, headers={"Authorization": f"Bearer {token}"})


def fixtures() -> tuple[Any, Any, Any]:
    """The fixtures `server`, `emulator` (a new one for each test) and `client`, for one module."""

    @pytest.fixture(scope="module")
    def server() -> Iterator[Emulator]:
        with Emulator(clock="manual", seed=1) as running:
            yield running

    @pytest.fixture
    def emulator(server: Emulator) -> Emulator:
        server.reset()
        return server

    @pytest.fixture
    def client(emulator: Emulator) -> Iterator[Client]:
        with connect(emulator.url) as connected:
            yield connected

    return server, emulator, client


def create(emulator: Emulator, client: Client, **changes: Any) -> str:
    """The id of a new endpoint, whose roll-out has ended."""
    client.ask("POST", ENDPOINTS, json=BODY | changes)
    emulator.advance(3)
    return str(emulator.endpoints()[-1]["id"])
