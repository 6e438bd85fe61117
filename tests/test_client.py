"""Our client against an API that misbehaves, over real HTTP: what counts as an answer, what as a
refusal, how long anything takes, and that no error shows the token.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from friendli_iac.clients import answers
from friendli_iac.clients.friendli import FriendliApi
from friendli_iac.clients.http import Http
from friendli_iac.emulator import Emulator
from friendli_iac.errors import (
    ApiError,
    AuthError,
    Cancelled,
    Unreachable,
    UsageError,
)

from .harness import TOKEN, Project, endpoint, writes

Client = tuple[FriendliApi, list[float]]


def connect(url: str, token: str = TOKEN, **options: Any) -> Http:
    return Http(url, {"Authorization": f"Bearer {token}"}, secrets=(token,), **options)


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    """The API, and the pauses that it made, which take no time."""
    slept: list[float] = []
    http = connect(emulator.url, sleep=slept.append)
    yield FriendliApi(http), slept
    http.close()


@pytest.fixture
def known(emulator: Emulator) -> str:
    """The id of an endpoint that is there."""
    emulator.seed(1, project="p1")
    return str(emulator.endpoints()[0]["id"])


# --- what is no answer ---


UNUSABLE: list[Any] = ["", {}, [], "null", "[1]", "7", "<html>", "[" * 100_000, {"name": ""}]


@pytest.mark.parametrize("body", [*UNUSABLE, {"projectId": "p1"}, {"projectId": 1, "name": "a"}])
def test_a_read_without_a_usable_answer_is_asked_again(
    body: Any, emulator: Emulator, client: Client, known: str
) -> None:
    api, slept = client
    emulator.fault("GET", f"/{known}$", status=200, body=body, count=4)
    assert api.get_endpoint(known)["projectId"] == "p1"
    assert len(slept) == 4
    emulator.fault("GET", f"/{known}$", status=200, body=body, count=None)
    with pytest.raises(Unreachable):
        api.get_endpoint(known)


@pytest.mark.parametrize("body", [*UNUSABLE, {"status": None}, {"status": ["RUNNING"]}])
def test_a_status_is_text(body: Any, emulator: Emulator, client: Client, known: str) -> None:
    emulator.fault("GET", "/status$", status=200, body=body, count=4)
    assert client[0].get_status(known)["status"]
    emulator.fault("GET", "/status$", status=200, body=body, count=None)
    with pytest.raises(Unreachable):
        client[0].get_status(known)


@pytest.mark.parametrize("body", [*UNUSABLE, {"data": []}, {"data": {"dep1": []}}])
def test_a_page_is_whole(body: Any, emulator: Emulator, client: Client, known: str) -> None:
    emulator.fault("GET", "/endpoint$", status=200, body=body, count=4)
    assert list(client[0].list_endpoints("p1")) == [known]
    emulator.fault("GET", "/endpoint$", status=200, body=body, count=None)
    with pytest.raises(Unreachable):
        client[0].list_endpoints("p1")


def test_an_unusable_answer_never_becomes_a_plan(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    assert project.apply().code == 0
    with mock.patch("friendli_iac.clients.http.READ_ATTEMPTS", 1):
        for body in ("", {}, []):
            emulator.fault("GET", r"/endpoint/[^/]+$", status=200, body=body, count=None)
            planned = project.run("plan", "--detailed-exitcode")
            emulator.clear_faults()
            assert (planned.code, planned.out) == (1, ""), planned


# --- what is no refusal ---


@pytest.mark.parametrize(
    "status", [301, 302, 303, 307, 408, 425, 429, 500, 501, 507, 520, 529, 599]
)
def test_a_write_that_was_not_refused_may_have_taken_effect(
    status: int, emulator: Emulator, client: Client, known: str
) -> None:
    emulator.fault("PUT", "/sleep$", status=status)
    with pytest.raises(Unreachable) as caught:
        client[0].act(known, "sleep", key="k")
    assert caught.value.status == status
    assert "no effect" not in caught.value.safe


@pytest.mark.parametrize("body", ["<html>", "[]", "7", "{", '{"a": NaN}', '{"a": [-1e999]}'])
def test_a_success_that_says_nothing_of_ours_is_none(
    body: str, emulator: Emulator, client: Client, known: str
) -> None:
    emulator.fault("PUT", "/sleep$", status=200, body=body)
    with pytest.raises(Unreachable):
        client[0].act(known, "sleep", key="k")


@pytest.mark.parametrize(("status", "body"), [(204, None), (200, "null"), (200, ""), (202, "{}")])
def test_a_success_may_be_silent(
    status: int, body: Any, emulator: Emulator, client: Client, known: str
) -> None:
    emulator.fault("PUT", "/sleep$", status=status, body=body)
    client[0].act(known, "sleep", key="k")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 422, 451])
def test_a_refusal_is_one(status: int, emulator: Emulator, client: Client, known: str) -> None:
    emulator.fault("PUT", "/sleep$", status=status)
    with pytest.raises(ApiError) as caught:
        client[0].act(known, "sleep", key="k")
    assert not isinstance(caught.value, Unreachable)


@pytest.mark.parametrize("status", [303, 501, 520])
def test_a_create_that_was_not_refused_is_looked_for(
    status: int, project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    emulator.fault("POST", "/endpoint$", status=status, when="after")
    done = project.apply()
    assert done.code == 0, done
    assert len(writes(emulator)) == 1


# --- pauses ---


@pytest.mark.parametrize(
    ("asked", "slept"),
    [
        ("1000000", 60),
        ("inf", None),
        ("1e999", None),
        ("nan", None),
        ("soon", None),
        ("-5", 0),
        ("7", 7),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60),
        ("Mon, 01 Jan 1990 00:00:00 -0000", 0),
    ],
)
def test_a_server_asks_for_a_pause_within_reason(
    asked: str, slept: float | None, emulator: Emulator, client: Client, known: str
) -> None:
    emulator.fault("PUT", "/sleep$", status=503, headers={"Retry-After": asked})
    with pytest.raises(Unreachable) as caught:
        client[0].act(known, "sleep", key="k")
    assert caught.value.retry_after == slept


def test_all_threads_wait_when_one_is_told_to(emulator: Emulator, known: str) -> None:
    http = connect(emulator.url)
    api = FriendliApi(http)
    emulator.fault("PUT", "/sleep$", status=429, retry_after=0.4)
    begin = time.monotonic()
    with pytest.raises(Unreachable):
        api.act(known, "sleep", key="k")
    ended: list[float] = []

    def other() -> None:
        api.get_endpoint(known)
        ended.append(time.monotonic() - begin)

    threads = [threading.Thread(target=other) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    http.close()
    assert len(ended) == 4
    assert 0.4 <= min(ended) <= max(ended) < 5


def test_a_pause_that_grew_while_it_was_slept_is_slept_to_its_end(
    emulator: Emulator, known: str
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:  # meanwhile, what another thread had sent before is answered
            http._pause_until += 45

    http = connect(emulator.url, sleep=sleep)
    api = FriendliApi(http)
    emulator.fault("PUT", "/wake$", status=429, retry_after=5)
    with pytest.raises(Unreachable):
        api.act(known, "wake", key="k")
    api.get_endpoint(known)
    http.close()
    assert 4 < slept[0] <= 5
    assert 49 < slept[-1] <= 50


def test_nothing_that_changes_something_waits_for_a_pause_to_end(
    emulator: Emulator, known: str
) -> None:
    """By then, the lock may be another one's. It counts as turned away, and is begun anew."""
    slept: list[float] = []
    http = connect(emulator.url, sleep=slept.append)
    api = FriendliApi(http)
    emulator.fault("PUT", "/wake$", status=429, retry_after=50, count=1)
    for _ in range(2):
        with pytest.raises(Unreachable) as caught:
            api.act(known, "wake", key="k")
        assert caught.value.status == 429
        assert caught.value.retry_after is not None
        assert 49 < caught.value.retry_after <= 50
    http.close()
    assert slept == []
    puts = [request for request in emulator.requests if request["method"] == "PUT"]
    assert len(puts) == 1, "the second one was not sent"


def test_a_pause_can_be_called_off(emulator: Emulator, known: str) -> None:
    def sleep(seconds: float) -> None:
        raise Cancelled("enough")

    http = connect(emulator.url, sleep=sleep)
    emulator.fault("GET", f"/{known}$", status=503, count=None)
    with pytest.raises(Cancelled):
        FriendliApi(http).get_endpoint(known)
    http.close()


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("plan",), "/endpoint$"),
        (("apply", "--yes"), "/endpoint$"),
        (("apply", "--yes"), "/status$"),
    ],
)
def test_ctrl_c_does_not_wait_for_a_pause_to_end(
    words: tuple[str, ...], path: str, project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    emulator.fault("GET", path, status=503, retry_after=50, count=None)
    running = project.spawn(*words)
    try:
        while not any(r["status"] == 503 for r in emulator.requests):
            assert running.poll() is None
            time.sleep(0.01)
        time.sleep(0.3)  # the answer is on its way, and then the pause begins
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=10)
    finally:
        running.kill()
    assert running.returncode == Cancelled.exit_code, out + err
    assert "stopped" in out + err


# --- bounds ---


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that answers one connection as `answer` does; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    answer(connection)
                except OSError:  # the client has had enough
                    return

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("length", ["", "Content-Length: 1000\r\n"])
def test_a_body_that_drips_is_not_waited_for(length: str) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode())
        for _ in range(500):
            connection.sendall(b" ")
            time.sleep(0.02)

    begin = time.monotonic()
    with serving(drip) as url, mock.patch.object(answers, "BODY_TIMEOUT", 0.3):
        http = connect(url)
        with pytest.raises(Unreachable, match=r"took more than 0\.3 s"):
            http.send("PUT", "/x")
        http.close()
    assert time.monotonic() - begin < 8


def test_a_body_without_end_is_not_read_to_it(emulator: Emulator) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" " * 65536)

    with serving(flood) as url, mock.patch.object(answers, "MAX_BODY", 2**20):
        http = connect(url)
        with pytest.raises(Unreachable, match="larger than 1 MiB"):
            http.send("PUT", "/x")
        http.close()


# --- tokens ---


PADDING = "x" * 290
ECHOES: list[dict[str, Any]] = [
    {"status": 422, "body": {"message": f"no such token: {TOKEN}"}},
    {"status": 401, "body": {"error": {"message": f"Bearer {TOKEN}"}}},
    {"status": 500, "body": f"<pre>Authorization: Bearer {TOKEN}</pre>"},
    {"status": 200, "body": f"<pre>Authorization: Bearer {TOKEN}</pre>"},
    {"status": 422, "body": [{"loc": ["header", TOKEN], "msg": TOKEN}]},
    {"status": 422, "body": [{"loc": 7, "msg": TOKEN}]},
    # Cut off in the middle of the token, what is left of it must not be shown.
    {"status": 422, "body": {"message": f"{PADDING}{TOKEN}"}},
    {"status": 403, "body": f"{PADDING}{TOKEN}"},
    {"status": 200, "body": f"{'x' * 70}{TOKEN}"},
]


@pytest.mark.parametrize("echo", ECHOES)
def test_no_error_shows_the_token(
    echo: dict[str, Any], emulator: Emulator, client: Client, known: str
) -> None:
    emulator.fault("PUT", "/sleep$", **echo)
    with pytest.raises(ApiError) as caught:
        client[0].act(known, "sleep", key="k")
    shown = "".join(map(str, (caught.value, caught.value.safe, caught.value.next)))
    assert TOKEN[:8] not in shown
    assert emulator.requests[-1]["status"] == echo["status"]


def test_a_reason_phrase_does_not_show_the_token() -> None:
    def echo(connection: socket.socket) -> None:
        line = f"HTTP/1.1 400 {TOKEN} is bad\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(line.encode())

    with serving(echo) as url:
        http = connect(url)
        with pytest.raises(ApiError) as caught:
            http.send("PUT", "/x")
        http.close()
    assert str(caught.value) == "PUT /x: 400 *** is bad"


@pytest.mark.parametrize("token", ["flp_ñandu", "flp_a b", "flp_a\nb", "\tflp_a", "flp_a\x00"])
def test_a_token_that_no_header_can_carry(token: str, project: Project, emulator: Emulator) -> None:
    with pytest.raises(AuthError) as caught:
        connect(emulator.url, token)
    assert token not in str(caught.value) + caught.value.next
    if "\x00" not in token:  # which no environment holds
        project.write(endpoint())
        planned = project.run("plan", env={"FRIENDLI_TOKEN": token})
        assert planned.code == AuthError.exit_code, planned
        assert token not in planned.out + planned.err
        assert "FRIENDLI_TOKEN" in planned.err
    assert emulator.requests == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_break_at_the_end_of_a_token_is_nothing(
    end: str, project: Project, emulator: Emulator
) -> None:
    project.write(endpoint())
    planned = project.run("plan", env={"FRIENDLI_TOKEN": TOKEN + end})
    assert planned.code == 0, planned


@pytest.mark.parametrize("team", ["t\n1", "tëam"])
def test_a_team_that_no_header_can_carry(team: str, emulator: Emulator) -> None:
    with pytest.raises(UsageError, match="X-Friendli-Team"):
        Http(emulator.url, {"X-Friendli-Team": team})
    http = Http(emulator.url, {})
    with pytest.raises(UsageError, match="X-Friendli-Team"):
        http.use_team(team)
