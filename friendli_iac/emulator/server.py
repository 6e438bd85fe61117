"""The emulator as an object in Python, and as a process in the foreground."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .app import create_app
from .clock import ClockMode
from .control import Control
from .control_app import control_app
from .edge import ABORT_KEY, Edge
from .faults import Faults
from .lifecycle import Durations
from .requestlog import RequestLog
from .service import Options, Service
from .store import Store


class _CuttableProtocol(H11Protocol):
    """HTTP/1.1 whose connection the application can cut, by `scope["state"]["abort"]()`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does so only for sockets that it made itself. Head and body of an answer go out
        # one after the other: without this, the body waits 40 ms for the head to be acknowledged.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, ABORT_KEY: transport.abort}


class Emulator(Control):
    """A running emulator: `with Emulator(durations=0) as emulator: … emulator.url …`.

    The methods inherited from `Control` look at and change what it serves, from any thread.
    """

    def __init__(
        self,
        data: str | Path | None = None,
        durations: Mapping[str, float] | float | None = None,
        clock: ClockMode = "wall",
        seed: int | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        latency_ms: float = 0.0,
    ) -> None:
        """Prepare an emulator; it serves between `start` and `stop`.

        Args:
            data: A directory that keeps the endpoints and the clock; None keeps them in memory.
            durations: Seconds of each transition by name (create, update, wake, restart,
                terminate), or one number for all of them.
            clock: "wall" runs by itself; "manual" stands until `advance`.
            seed: Makes the endpoint ids the same in every run.
            port: A TCP port, or 0 for a free one.
            host: The address to listen on. There is no access control beyond any token: keep it
                on loopback.
            latency_ms: Added to every answer, in milliseconds.
        """
        store = Store(Path(data) if data is not None else None, clock, seed)
        if isinstance(durations, int | float):
            times = Durations.all(durations)
        else:
            times = Durations().changed(dict(durations or {}))
        service = Service(store, times, Options(latency_ms=latency_ms))
        super().__init__(service, Faults(), RequestLog())
        self._host, self._port = host, port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.url = ""

    def start(self) -> Self:
        """Serve in a background thread; `url` is then set, and requests are accepted."""
        try:
            listener = socket.create_server((self._host, self._port))
        except OSError:
            self.service.store.close()
            raise
        self.url = f"http://{self._host}:{listener.getsockname()[1]}"
        self.wandb.listen(self.url)
        api = create_app(self.service, self.wandb.context)
        edge = Edge(api, control_app(self), self.service, self.faults, self.log)
        config = uvicorn.Config(
            edge,
            http=_CuttableProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="friendli-emulator"
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.001)
        return self

    def stop(self) -> None:
        """Answer what is under way, stop, and let go of the data directory."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self.faults.clear()
        self.faults.release()
        self.wandb.close()
        self._thread.join()
        self._server = self._thread = None
        self.service.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    data: str | Path | None = None,
    *,
    durations: Mapping[str, float] | float | None = None,
    clock: ClockMode = "wall",
    seed: int | None = None,
    latency_ms: float = 0.0,
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve in the foreground, until Ctrl-C or SIGTERM; to be called from the main thread.

    `on_ready` is called with the URL once requests are accepted. The other arguments are those of
    `Emulator`. There is a small world of W&B to try things on: see `WandbControl.seed`.
    """
    stopped = threading.Event()
    with (
        _on_signals(stopped.set),
        Emulator(data, durations, clock, seed, port, host=host, latency_ms=latency_ms) as emulator,
    ):
        emulator.wandb.seed()
        on_ready(emulator.url)
        stopped.wait()


@contextmanager
def _on_signals(callback: Callable[[], None]) -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> None:
        callback()

    previous: dict[int, Any] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
