"""A server over TLS that gives out tokens as Google and Microsoft do for those of somebody else,
and keeps documents for who brings one. It honours the conditions of both clouds.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


class _Handler(BaseHTTPRequestHandler):
    fake: Federation
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """A token for another one."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        path = urlsplit(self.path).path
        self.fake.asked.append((path, dict(parse_qsl(body))))
        if self.fake.refuses:
            status, answer = self.fake.refuses
            self._answer(status, answer.encode())
        elif path.endswith(":generateAccessToken"):
            if self._let_in():
                end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
                self._say(accessToken=self._token("actor"), expireTime=f"{end:%Y-%m-%dT%H:%M:%SZ}")
        else:
            given = {"access_token": self._token("token"), "expires_in": self.fake.lifetime}
            self._say(**given, token_type="Bearer", issued_token_type="access_token")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        if not self._let_in():
            return
        new = self.headers["x-goog-if-generation-match"] == "0"
        if (new or self.headers["If-None-Match"] == "*") and path in self.fake.documents:
            self._answer(412 if new else 409, b"")
        else:
            self.fake.documents[path] = body
            self._answer(201, b"")

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/runner":  # where a job of GitHub Actions gets its token
            if self.headers["Authorization"] == "Bearer runner":
                self._say(value="from the runner")
            else:
                self._answer(401, b"")
        elif self._let_in():
            found = self.fake.documents.get(path)
            self._answer(404 if found is None else 200, found or b"")

    def _let_in(self) -> bool:
        token = self.headers["Authorization"].removeprefix("Bearer ")
        if token in self.fake.tokens:
            return True
        self._answer(401, b"")
        return False

    def _token(self, name: str) -> str:
        self.fake.tokens.append(f"{name}-{len(self.fake.tokens)}")
        return self.fake.tokens[-1]

    def _say(self, **answer: object) -> None:
        self._answer(200, json.dumps(answer).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", formatdate(usegmt=True))
        self.send_header("ETag", '"x"')
        self.send_header("x-goog-generation", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass
class Federation:
    """`asked` are the requests for tokens: path and form. `tokens` are those given out, for
    `lifetime` seconds. `refuses` is what it answers to all of them instead, when it is set.
    """

    port: int
    certificate: Path
    key: str
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    documents: dict[str, bytes] = field(default_factory=dict)
    refuses: tuple[int, str] | None = None
    lifetime: int = 3600

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@contextmanager
def running_federation(folder: Path) -> Iterator[Federation]:
    certificate, key = _identity(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        fake = Federation(server.server_port, certificate, key.read_text())
        server.RequestHandlerClass = type("Handler", (_Handler,), {"fake": fake})
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield fake
        finally:
            server.shutdown()


def _identity(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, secret
