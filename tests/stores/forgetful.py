"""A server that speaks enough of S3 to be mistaken for one, and ignores `If-None-Match`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape


class _Handler(BaseHTTPRequestHandler):
    documents: dict[str, bytes]
    refuses: list[tuple[int, str]]  # answers to give first, each a status and a body
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._refused():
            self.documents[urlsplit(self.path).path] = body
            self._answer(200, b"")

    def do_GET(self) -> None:
        if self._refused():
            return
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if "list-type" in query:
            self._answer(200, self._listing(parts.path, query.get("prefix", [""])[0]))
        elif parts.path in self.documents:
            self._answer(200, self.documents[parts.path])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_POST(self) -> None:
        """Removes documents."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        bucket = urlsplit(self.path).path
        keys = re.findall("<Key>(.*?)</Key>", body)
        for key in keys:
            self.documents.pop(f"{bucket}/{key}", None)
        removed = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{removed}</DeleteResult>".encode())

    def _listing(self, bucket: str, prefix: str) -> bytes:
        found = sorted(
            path.removeprefix(f"{bucket}/")
            for path in self.documents
            if path.startswith(f"{bucket}/{prefix}")
        )
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>1</Size><ETag>x</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in found
        )
        return f"<ListBucketResult>{entries}</ListBucketResult>".encode()

    def _refused(self) -> bool:
        if not self.refuses:
            return False
        status, body = self.refuses.pop(0)
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


class Forgetful:
    """`documents` are by path; `refuses` are the answers that it gives before it obeys."""

    def __init__(self, port: int, documents: dict[str, bytes], refuses: list[tuple[int, str]]):
        self.port = port
        self.documents = documents
        self.refuses = refuses

    def address(self, place: str = "bucket/prefix") -> str:
        return f"s3://{place}?endpoint=http://127.0.0.1:{self.port}&allow_http=true"


@contextmanager
def running_forgetful() -> Iterator[Forgetful]:
    documents: dict[str, bytes] = {}
    refuses: list[tuple[int, str]] = []
    handler = type("Handler", (_Handler,), {"documents": documents, "refuses": refuses})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield Forgetful(server.server_port, documents, refuses)
        finally:
            server.shutdown()
