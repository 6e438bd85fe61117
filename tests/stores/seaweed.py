"""A real S3 server on this machine: SeaweedFS, which knows one identity and honours conditions."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

KEY_ID = "test-key-id"
SECRET = "test-secret-of-seaweed"
REGION = "us-east-1"
BUCKET = "states"
_READY = 60  # seconds; it takes about 3
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Seaweed:
    """`port` is that of S3."""

    port: int
    filer: int
    ports: tuple[int, ...]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What lets somebody in."""
        return {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}

    def make_bucket(self, name: str) -> None:
        with urlopen(Request(f"http://127.0.0.1:{self.filer}/buckets/{name}/", method="POST")):
            pass

    def content_type(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.filer}/buckets/{path}") as answer:
            return str(answer.headers["Content-Type"])

    def address(self, place: str, port: int | None = None) -> str:
        """What to type for `bucket/prefix`; `port` is that of a proxy."""
        endpoint = f"http://127.0.0.1:{port or self.port}"
        return f"s3://{place}?endpoint={endpoint}&allow_http=true"


@contextmanager
def running_seaweed() -> Iterator[Seaweed]:
    """Ends with the process that started it, however that ends."""
    folder = Path(tempfile.mkdtemp(prefix="seaweed-"))
    try:
        for _ in range(3):  # somebody else may take a port that was free
            process, server = _start(folder)
            try:
                if _ready(process, server):
                    yield server
                    return
            finally:
                process.kill()  # to ask it politely takes 15 seconds
                process.wait()
                _remove_sockets(server)
        raise RuntimeError(f"SeaweedFS did not start:\n{(folder / 'log').read_text()[-3000:]}")
    finally:
        shutil.rmtree(folder)


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], Seaweed]:
    identity = {
        "name": "test",
        "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    roles = ("master", "volume", "filer", "s3")
    ports = _free_ports(2 * len(roles))
    options = [
        f"-{role}.port{kind}={port}"
        for (role, kind), port in zip(
            [(role, kind) for role in roles for kind in ("", ".grpc")], ports, strict=True
        )
    ]
    command = [
        str(Path(sys.executable).with_name("weed")),
        f"-logdir={folder}",  # else in /tmp, where nobody removes them
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-master.electionTimeout=1s",
        "-volume.max=8",
        f"-filer.localSocket={folder}/filer.sock",
        "-s3",
        f"-s3.config={folder}/s3.json",
        f"-s3.localSocket={folder}/s3.sock",
        "-s3.autoCreateBucket=false",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *options,
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, preexec_fn=_die_with_the_parent
        )
    return process, Seaweed(ports[6], ports[4], tuple(ports))


def _remove_sockets(server: Seaweed) -> None:
    """It makes some in /tmp, whatever it is told."""
    for port in server.ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)


def _ready(process: subprocess.Popen[bytes], server: Seaweed) -> bool:
    """False when it ended. Ready is where S3 answers and something was written: the first write to
    a bucket takes a while.
    """
    deadline = time.monotonic() + _READY
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"{server.url}/status", timeout=1):
                server.make_bucket(BUCKET)
            first = f"http://127.0.0.1:{server.filer}/buckets/{BUCKET}/ready"
            with urlopen(Request(first, data=b"x", method="PUT"), timeout=30):
                return True
        except (HTTPError, URLError, OSError):
            time.sleep(0.05)
    return False


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _die_with_the_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
