"""A server that speaks enough of S3 to be mistaken for one, and ignores `If-None-Match`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape


class _Handler(BaseHTTPRequestHandler):
    fake: Forgetful
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.fake.headers.clear()
        self.fake.headers.update({name.lower(): value for name, value in self.headers.items()})
        if not self._refused():
            self.fake.documents[urlsplit(self.path).path] = body
            self._answer(200, b"")

    def do_GET(self) -> None:
        if self._refused():
            return
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if "list-type" in query:
            self._answer(200, self._listing(parts.path, query.get("prefix", [""])[0]))
        elif parts.path in self.fake.documents:
            self._answer(200, self.fake.documents[parts.path])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_POST(self) -> None:
        """Removes documents."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        bucket = urlsplit(self.path).path
        keys = re.findall("<Key>(.*?)</Key>", body)
        for key in keys:
            self.fake.documents.pop(f"{bucket}/{key}", None)
        removed = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{removed}</DeleteResult>".encode())

    def _listing(self, bucket: str, prefix: str) -> bytes:
        found = sorted(
            path.removeprefix(f"{bucket}/")
            for path in self.fake.documents
            if path.startswith(f"{bucket}/{prefix}")
        )
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>1</Size><ETag>x</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in found
        )
        return f"<ListBucketResult>{entries}</ListBucketResult>".encode()

    def _refused(self) -> bool:
        if not self.fake.refuses:
            return False
        status, body = self.fake.refuses.pop(0)
        self._answer(status, body.encode())
        return True

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", formatdate(usegmt=True))
        self.send_header("ETag", '"x"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(frozen=True)
class Forgetful:
    """`documents` are by path; `refuses` are the answers that it gives before it obeys; `headers`
    came with the newest write, by names in lower case.
    """

    port: int
    documents: dict[str, bytes] = field(default_factory=dict)
    refuses: list[tuple[int, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def address(self, place: str = "bucket/prefix") -> str:
        return f"s3://{place}?endpoint=http://127.0.0.1:{self.port}&allow_http=true"


@contextmanager
def running_forgetful() -> Iterator[Forgetful]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        fake = Forgetful(server.server_port)
        server.RequestHandlerClass = type("Handler", (_Handler,), {"fake": fake})
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield fake
        finally:
            server.shutdown()
