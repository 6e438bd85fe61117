"""Machines that share a state on a real server: each has a folder and the command line, no more."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from friendli_iac.backends.objects import open_objects
from friendli_iac.backends.postgres import open_postgres
from friendli_iac.backends.store import Store
from friendli_iac.emulator import Emulator
from tests.harness import FAST, TOKEN, Project, Result, endpoint, names

from .postgres_server import PASSWORD
from .seaweed import SECRET

CREATE = r"endpoint$"
APPLY = ("apply", "--yes", *FAST)
WAIT = ("--lock-timeout", "60s")
SESSION = "canary-of-a-session-token"
CANARIES = (TOKEN, PASSWORD, SECRET, SESSION)


class Machine(Project):
    """A project in a clean folder. What its commands print is kept in `printed`."""

    printed: list[Result]

    def run(self, *arguments: str, env: Mapping[str, str] = {}, stdin: str = "") -> Result:
        return self._keep(super().run(*arguments, env=env, stdin=stdin))

    def finish(self, process: subprocess.Popen[str], timeout: float = 60) -> Result:
        """What a process of `spawn` did, once it has ended."""
        out, err = process.communicate(timeout=timeout)
        return self._keep(Result(process.returncode, out, err))

    def _keep(self, result: Result) -> Result:
        self.printed.append(result)
        assert "Traceback" not in result.err, result
        return result

    def is_settled(self) -> None:
        """Nothing is left to do."""
        planned = self.run("plan", "--detailed-exitcode")
        assert planned.code == 0, planned


@dataclass
class Shared:
    """A state that nobody has used yet. `address` is what to type, through a proxy at the port
    where it is not 0; `store` is the server's own access to what is kept there.
    """

    address: Callable[[int], str]
    environment: Mapping[str, str]
    store: Store
    folder: Path
    emulator: Emulator
    machines: list[Machine] = field(default_factory=list)

    def machine(self, text: str | None = None, *, port: int = 0) -> Machine:
        """One more; `text` is its manifest."""
        env = {**self.environment, "FRIENDLI_IAC_STATE": self.address(port)}
        root = self.folder / f"machine-{len(self.machines)}"
        machine = Machine(root, self.emulator.url, env=env)
        machine.printed = []
        machine.write(endpoint() if text is None else text)
        self.machines.append(machine)
        return machine

    def documents(self) -> dict[str, bytes]:
        """All that is kept, by key, in order."""
        keys = [key for prefix in ("lock/", "log/") for key in self.store.keys(prefix)]
        found = {key: self.store.get(key) for key in keys}
        return {key: one.data for key, one in found.items() if one}

    def records(self) -> dict[str, dict[str, Any]]:
        """The records of the log, by key, in order."""
        return {k: json.loads(data) for k, data in self.documents().items() if k[:4] == "log/"}

    def newest(self, kind: str) -> str:
        """The key of the newest record of a kind."""
        return [key for key, record in self.records().items() if record["kind"] == kind][-1]

    def has_one_each(self, *wanted: str) -> None:
        """The endpoints that exist."""
        assert names(self.emulator) == list(wanted)

    def check_secrets(self) -> None:
        """No secret in what was printed, in any file of the machines, or in the store."""
        texts = [data.decode() for data in self.documents().values()]
        for machine in self.machines:
            texts += [*map(str, machine.printed), machine.everything_written()]
        assert texts
        for canary in CANARIES:
            assert not [text for text in texts if canary in text]


@contextmanager
def impatient(seconds: float = 1.0) -> Iterator[None]:
    """Commands in this process give a store up after this many seconds."""
    with ExitStack() as stack:
        for opening in (open_objects, open_postgres):
            defaults = opening.__kwdefaults__
            stack.enter_context(mock.patch.dict(defaults, patience=seconds))
        yield
