"""An ASGI application of the tests, over real HTTP on a free port of loopback."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, Self

import uvicorn


class Served:
    """Served between `with` and its end, at `url`."""

    url: str

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self, lifespan="off", log_config=None, log_level="critical", access_log=False,
            ws="none", loop="asyncio", http="h11", timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name=type(self).__name__
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.001)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
