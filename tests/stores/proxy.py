"""A network that fails when it is told to, between a client and any server on this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

_CHUNK = 65536


@dataclass
class _Drop:
    """Of the requests that contain `containing`, the answer of the one after `left` others, and
    from then on of every `again`-th, where that is not 0.
    """

    left: int
    containing: bytes
    again: int = 0


class Proxy:
    """Passes bytes on to `target` (a port on 127.0.0.1), whatever the protocol is.

    A request is what the client sends after it connected or was answered; so Proxy knows nothing
    of HTTP or of Postgres, where a login is a few requests too.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._drops: list[_Drop] = []
        self._live: set[socket.socket] = set()
        self._ended = threading.Event()
        self.delay = 0.0  # seconds that each request is held back
        self.dropped = 0  # answers that were swallowed
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.refuse()

    def drop_reply(self, nth: int = 1, containing: bytes = b"") -> None:
        """The server gets and answers the `nth` next request (of those whose first bytes contain
        `containing`); the answer is swallowed and the connection cut.
        """
        with self._lock:
            self._drops.append(_Drop(nth - 1, containing))

    def drop_replies(self, every: int, containing: bytes = b"") -> None:
        """As `drop_reply`, of every so-many-th request."""
        with self._lock:
            self._drops.append(_Drop(every - 1, containing, every))

    def refuse(self) -> None:
        """Cuts all connections; new ones are refused until `accept`."""
        with suppress(OSError):  # wakes the thread that waits in it
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            live, self._live = self._live, set()
        for each in live:
            _cut(each)

    def accept(self) -> None:
        """Takes connections again, on the same port."""
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._welcome, args=(listener,), daemon=True).start()
        return listener

    def _welcome(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._live |= {client, server}
            _Link(self, client, server).start()

    def drops(self, request: bytes) -> bool:
        """Whether the answer to this request is to be swallowed."""
        with self._lock:
            for drop in self._drops:
                if drop.containing in request:
                    if drop.left == 0:
                        self._drops.remove(drop)
                        if drop.again:
                            self._drops.append(_Drop(drop.again - 1, drop.containing, drop.again))
                        self.dropped += 1
                        return True
                    drop.left -= 1
        return False

    def hold(self) -> None:
        if self.delay:
            self._ended.wait(self.delay)

    def forget(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._live -= set(sockets)
        for each in sockets:
            _cut(each)


class _Link:
    """One connection: a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._answered = True  # what the client sends next begins a request
        self._swallow = False

    def start(self) -> None:
        for work in (self._up, self._down):
            threading.Thread(target=work, daemon=True).start()

    def _up(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(_CHUNK):
                if self._answered:
                    self._answered = False
                    self._swallow = self._proxy.drops(data)
                    self._proxy.hold()
                self._server.sendall(data)
        self._proxy.forget(self._client, self._server)

    def _down(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(_CHUNK):
                if self._swallow:
                    break
                self._answered = True
                self._client.sendall(data)
        self._proxy.forget(self._client, self._server)


def _cut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
