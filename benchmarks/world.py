"""What the benchmarks run on: a project of N endpoints, and an emulator that serves them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

PROJECT = "p1"

DOCUMENT = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata:
  name: {name}
  labels:
    team: search
    tier: production
spec:
  project: p1
  model:
    huggingFace:
      repo: meta-llama/Llama-3.1-8B-Instruct
      revision: 0e9e39f249a16976918f6564b8830bc894c89659
  instance:
    gpu: H100
    count: 1
  autoscaling:
    minReplicas: 1
    maxReplicas: 2
    cooldown: 5m
  engine:
    maxBatchSize: {batch}
    maxInputLength: 8192
    tokenizer:
      addSpecialTokens: true
      skipSpecialTokens: true
"""


@dataclass(frozen=True)
class Run:
    """One process: seconds of wall clock and of CPU, peak MiB, exit code."""

    wall: float
    cpu: float
    peak: float
    code: int


def pin(process: int, *, server: bool) -> None:
    """Client and server on a processor each, so that one does not take the other's caches and time;
    both anywhere where there is only one, or where the system cannot.
    """
    if hasattr(os, "sched_setaffinity") and len(cpus := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(process, {cpus[-1] if server else cpus[0]})


def measure(command: Sequence[str], cwd: Path, env: dict[str, str] | None = None) -> Run:
    """Runs a command to its end, output thrown away, and what the system says it took."""
    started = time.perf_counter()
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=nowhere, stderr=nowhere
    )
    pin(process.pid, server=False)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode)


def typical(command: Sequence[str], cwd: Path, *, runs: int, env: Any = None) -> Run:
    """The medians of several runs, after one that does not count. All must exit with 0 or 2."""
    measure(command, cwd, env)
    done = [measure(command, cwd, env) for _ in range(runs)]
    bad = [run.code for run in done if run.code not in (0, 2)]
    if bad:
        raise SystemExit(f"{' '.join(command)} exited with {bad[0]}")
    return Run(
        median(r.wall for r in done),
        median(r.cpu for r in done),
        max(r.peak for r in done),
        done[0].code,
    )


@dataclass
class World:
    """A served project: `root` holds manifests and state, `url` is the emulator."""

    root: Path
    url: str
    count: int

    @property
    def env(self) -> dict[str, str]:
        return {"FRIENDLI_BASE_URL": self.url, "FRIENDLI_TOKEN": "flp_benchmark"}

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Talks to the emulator's control interface."""
        request = urllib.request.Request(
            f"{self.url}/__emulator{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"null")

    def requests(self) -> int:
        """How many requests came since the last call."""
        count = len(self.control("GET", "/requests"))
        self.control("DELETE", "/requests")
        return count

    def latency(self, milliseconds: float) -> None:
        self.control("PUT", "/options", {"latency_ms": milliseconds})

    def change(self, every: int) -> None:
        """Writes the manifests so that one in `every` differs from what is live; 0: none does."""
        write_manifests(self.root, self.count, changed=every)


def write_manifests(root: Path, count: int, *, changed: int = 0) -> None:
    """`count` documents of 26 lines, a hundred in a file."""
    folder = root / "endpoints"
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, count, 100):
        documents = [
            DOCUMENT.format(
                name=f"seed-{number}", batch=128 if changed and number % changed == 0 else 64
            )
            for number in range(start, min(start + 100, count))
        ]
        (folder / f"{start:06}.yaml").write_text("---\n".join(documents))


@contextlib.contextmanager
def world(root: Path, count: int) -> Iterator[World]:
    """A project of `count` endpoints that are live, in state, and as their manifests say."""
    (root / ".git").mkdir(parents=True)
    write_manifests(root, count)
    server = subprocess.Popen(
        [sys.executable, "-m", "friendli_iac", "emulator", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    pin(server.pid, server=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split("FRIENDLI_BASE_URL=")[1].split()[0]
        # In a process of its own: Linux counts what a parent held as its children's peak.
        build = [sys.executable, "-m", "benchmarks.world", str(root), url, str(count)]
        subprocess.run(build, check=True)
        yield World(root, url, count)
    finally:
        server.terminate()
        server.wait()


def build(made: World) -> None:
    """Fills the emulator, and writes a state that knows every endpoint as an apply would have."""
    from friendli_iac.backends import LocalBackend
    from friendli_iac.clients.friendli import FriendliApi
    from friendli_iac.clients.http import Http
    from friendli_iac.core.state import Applied, Fence, Resource, State
    from friendli_iac.manifest import find_project, load_manifest

    seed = {
        "count": made.count,
        "project": PROJECT,
        "instanceOptionId": "TwD5AqnBSVN0",
        "autoscalingPolicy": {"minReplica": 1, "maxReplica": 2, "cooldownPeriod": 300},
        "advanced": {
            "max_batch_size": 64,
            "max_input_length": 8192,
            "tokenizer_add_special_tokens": True,
            "tokenizer_skip_special_tokens": True,
        },
    }
    names = {one["name"]: one["id"] for one in made.control("POST", "/seed", seed)}
    http = Http(made.url, {"Authorization": "Bearer flp_benchmark"})
    listed = FriendliApi(http).list_endpoints(PROJECT)
    http.close()
    state = State(lineage="benchmark", api=made.url)
    for address, wish in load_manifest(find_project(made.root), environ={}).resources.items():
        name = wish.spec["name"]
        id = names[name]
        state.resources[str(address)] = Resource(
            id,
            PROJECT,
            name,
            prior=Applied(wish.spec, wish.labels, []),
            fence=Fence(0, listed[id]["updatedAt"]),
        )
    LocalBackend(made.root / ".friendli-iac" / "state.json").commit(state)
    made.control("DELETE", "/requests")


if __name__ == "__main__":
    build(World(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
