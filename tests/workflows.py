"""Runs workflow files and composite actions of GitHub, as far as ours need it: jobs in their order,
conditions, environments with their secrets, steps as processes, the files that steps write to, and
the commands in what they print. Actions of others are stand-ins.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .expressions import evaluate, fill, names
from .forges_data import REPO as REPOSITORY
from .joblog import assignments, commands

ROOT = Path(__file__).parent.parent
OURS = "acme/friendli-iac"
# A cancelled step is sent this first; only later, and harder, if it does not end.
CANCEL = signal.SIGINT
PYTHON = """\
#!/bin/sh
# python3 of the runner. What it makes has a pip that installs from here, and not from an index.
{python} "$@" --without-pip || exit
for folder; do :; done
cat >"$folder/bin/pip" <<'END'
#!/bin/sh
echo "$@" >>{log}
ln -sf {command} "$(dirname "$0")/friendli-iac"
END
chmod +x "$folder/bin/pip"
"""


@dataclass
class Event:
    """What a workflow is started by. `fork`: a pull request from one, which has no secrets."""

    name: str
    commit: str
    ref: str = "refs/heads/main"
    payload: dict[str, Any] = field(default_factory=dict)
    fork: bool = False


@dataclass
class Job:
    """What came of a job: success, failure, cancelled or skipped."""

    name: str
    result: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    annotations: list[str] = field(default_factory=list)
    artifacts: dict[str, dict[str, str]] = field(default_factory=dict)
    code: int = 0  # of the step that failed

    def __str__(self) -> str:
        return f"{self.name}: {self.result} {self.code}\n{self.log}\n{self.summary}"


@dataclass
class Runner:
    """Machines that run the workflow of a repository. `env` is what they have by themselves."""

    origin: Path
    home: Path
    env: dict[str, str]
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    # The secrets of each environment, and what happens while somebody reads before it is approved.
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    approval: Callable[[str], None] = lambda environment: None
    token: Callable[[Mapping[str, str]], str] = lambda permissions: "ghs_token"
    # Asked all the while that a step runs; once it says yes, the step is sent `signal`.
    cancel: Callable[[], bool] | None = None
    signal: signal.Signals = CANCEL
    runs: int = 0

    def run(
        self, workflow: str, event: Event, before: Mapping[str, Job] | None = None
    ) -> dict[str, Job]:
        """Runs the jobs of a workflow file for an event, one after the other. With what came of
        them `before`, those that failed are run again.
        """
        document = yaml.safe_load(workflow)
        self.runs += 1
        done = {n: job for n, job in (before or {}).items() if job.result == "success"}
        for name, job in document["jobs"].items():
            if name not in done:
                done[name] = _JobRun(self, event, document, name, job, done).run()
        return done

    def install(self, folder: Path) -> None:
        """Puts a python3 there that makes environments without an index."""
        python = folder / "python3"
        folder.mkdir(parents=True)
        python.write_text(
            PYTHON.format(
                python=sys.executable,
                command=Path(sys.executable).parent / "friendli-iac",
                log=self.home / "pip.log",
            )
        )
        python.chmod(0o755)


class _JobRun:
    def __init__(
        self,
        runner: Runner,
        event: Event,
        workflow: dict[str, Any],
        name: str,
        job: dict[str, Any],
        done: dict[str, Job],
    ) -> None:
        self.runner, self.event, self.workflow, self.job = runner, event, workflow, job
        self.done = Job(name)
        needs = job.get("needs", [])
        self.needs = {n: done[n] for n in ([needs] if isinstance(needs, str) else needs)}
        self.home = runner.home / f"{runner.runs}-{name}"
        self.workspace = self.home / "workspace"
        self.temp = self.home / "temp"
        self.steps: dict[str, dict[str, dict[str, str]]] = {}
        self.added: dict[str, str] = {}  # by GITHUB_ENV

    def run(self) -> Job:
        if not self._wanted():
            self.done.result = "skipped"
            return self.done
        if environment := self.job.get("environment"):
            self.runner.approval(environment)
        for folder in (self.workspace, self.temp):
            folder.mkdir(parents=True)
        self.runner.install(self.home / "bin")
        self.env = {**self._machine(), **self._filled(self.workflow.get("env", {}))}
        self.env |= self._filled(self.job.get("env", {}))
        self._all(self.job["steps"], self.env, self._contexts())
        for name, value in self.job.get("outputs", {}).items():
            self.done.outputs[name] = fill(value, self._look_up)
        return self.done

    def _wanted(self) -> bool:
        succeeded = all(job.result == "success" for job in self.needs.values())
        condition = str(self.job.get("if", "true"))
        return succeeded and bool(evaluate(_bare(condition), self._look_up))

    def _all(
        self, steps: list[dict[str, Any]], env: dict[str, str], contexts: dict[str, Any]
    ) -> None:
        for step in steps:
            condition = _bare(str(step.get("if", "success()")))
            if not re.search(r"(success|failure|cancelled|always)\(\)", condition):
                condition = f"success() && ({condition})"
            if evaluate(condition, lambda path: names(path, contexts), self._functions):
                self._step(step, {**env, **self.added}, contexts)

    @property
    def _functions(self) -> dict[str, Callable[[], bool]]:
        return {
            "success": lambda: self.done.result == "success",
            "failure": lambda: self.done.result == "failure",
            "cancelled": lambda: self.done.result == "cancelled",
            "always": lambda: True,
        }

    def _step(self, step: dict[str, Any], env: dict[str, str], contexts: dict[str, Any]) -> None:
        def filled(values: Mapping[str, Any]) -> dict[str, str]:
            return {
                k: fill(v, lambda path: names(path, contexts), self._functions)
                for k, v in values.items()
            }

        env = {**env, **filled(step.get("env", {}))}
        given = filled(step.get("with", {}))
        uses = str(step.get("uses", ""))
        outputs: dict[str, str] = {}
        if uses.startswith((f"{OURS}@", "./")):
            outputs = self._action(ROOT, given, env)
        elif uses:
            assert re.fullmatch(r"[\w/.-]+@[0-9a-f]{40}", uses), uses
            STAND_INS[uses.partition("@")[0]](self, given)
        else:
            at = filled({"at": step.get("working-directory", ".")})["at"]
            outputs = self._shell(step["run"], env, self.workspace / at)
        if "id" in step:
            contexts["steps"][step["id"]] = {"outputs": outputs}

    def _action(self, folder: Path, given: dict[str, str], env: dict[str, str]) -> dict[str, str]:
        """Runs our composite action from its own checkout; its outputs."""
        action = yaml.safe_load((folder / "action.yml").read_text())
        assert given.keys() <= action["inputs"].keys(), given
        contexts = {**self._contexts(), "steps": {}}
        defaults = {n: fill(i["default"], self._look_up) for n, i in action["inputs"].items()}
        contexts["inputs"] = {**defaults, **given}
        self._all(action["runs"]["steps"], {**env, "GITHUB_ACTION_PATH": str(folder)}, contexts)
        return {
            name: fill(output["value"], lambda path: names(path, contexts))
            for name, output in action["outputs"].items()
        }

    def _shell(self, script: str, env: dict[str, str], at: Path) -> dict[str, str]:
        """Runs a script as a step; what it wrote to GITHUB_OUTPUT."""
        kinds = ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")
        files = {f"GITHUB_{kind}": self.temp / f"{kind}.{len(self.done.log)}" for kind in kinds}
        for file in files.values():
            file.write_text("")
        file = self.temp / "script.sh"
        file.write_text(script)
        step = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(file)],
            cwd=at,
            env={**env, **{name: str(path) for name, path in files.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        log = self._finish(step)
        self.done.log += log
        self.done.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        self.added |= assignments(files["GITHUB_ENV"].read_text())
        outputs = assignments(files["GITHUB_OUTPUT"].read_text())
        for command, properties, value in commands(log):
            if command in ("error", "warning", "notice"):
                self.done.annotations.append(f"{command} {properties}::{value}")
            elif command == "set-output":  # an old way, which still works
                outputs[properties.partition("=")[2]] = value
        return outputs

    def _finish(self, step: subprocess.Popen[str]) -> str:
        """Waits for a step, and cancels it when it is time to; what it printed."""
        while True:
            try:
                log, _ = step.communicate(timeout=0.05 if self.runner.cancel else None)
                break
            except subprocess.TimeoutExpired:
                if self.runner.cancel and self.runner.cancel():
                    self.runner.cancel = None
                    self.done.result = "cancelled"
                    # Asked to end is the step alone; killed is all that it has begun.
                    kill = os.killpg if self.runner.signal == signal.SIGKILL else os.kill
                    kill(step.pid, self.runner.signal)
        if step.returncode:
            self.done.code = step.returncode
            if self.done.result == "success":
                self.done.result = "failure"
        return log

    def _machine(self) -> dict[str, str]:
        """What every step finds in its environment."""
        event = self.home / "event.json"
        event.write_text(json.dumps(self.event.payload))
        pull = self.event.payload.get("pull_request", {})
        return {
            **self.runner.env,
            "PATH": f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": self.event.name,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_HEAD_REF": names("head.ref", pull) or "",
            "GITHUB_BASE_REF": names("base.ref", pull) or "",
            "GITHUB_JOB": self.done.name,
            "GITHUB_REF": self.event.ref,
            "GITHUB_REF_NAME": self.event.ref.removeprefix("refs/heads/"),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": str(self.runner.runs),
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_SHA": self.event.commit,
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
        }

    def _contexts(self) -> dict[str, Any]:
        secrets = {**self.runner.secrets}
        secrets |= self.runner.environments.get(self.job.get("environment", ""), {})
        may = self.job.get("permissions", self.workflow.get("permissions", {}))
        if self.event.fork:
            secrets, may = {}, {name: "read" for name in may if name != "id-token"}
        return {
            "github": {
                "action_path": str(ROOT),
                "event": self.event.payload,
                "event_name": self.event.name,
                "job": self.done.name,
                "ref": self.event.ref,
                "repository": REPOSITORY,
                "token": self.runner.token(may),
            },
            "inputs": {},
            "needs": {
                name: {"outputs": job.outputs, "result": job.result}
                for name, job in self.needs.items()
            },
            "runner": {"temp": str(self.temp)},
            "secrets": secrets,
            "steps": self.steps,
            "vars": {} if self.event.fork else self.runner.variables,
        }

    def _look_up(self, path: str) -> Any:
        return names(path, self._contexts())

    def _filled(self, values: Mapping[str, Any]) -> dict[str, str]:
        return {name: fill(value, self._look_up) for name, value in values.items()}


def _bare(condition: str) -> str:
    return condition.removeprefix("${{").removesuffix("}}")


def _check_out(job: _JobRun, given: dict[str, str]) -> None:
    """actions/checkout: what was asked for, or else the commit of the event."""
    assert given["persist-credentials"] == "false"
    at = job.workspace / given.get("path", ".")
    what = given.get("ref") or job.event.commit

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=at, check=True, capture_output=True)

    at.mkdir(parents=True, exist_ok=True)
    git("init", "--quiet")
    git("remote", "add", "origin", str(job.runner.origin))
    git("fetch", "--quiet", "--depth=1", "origin", what)
    git("checkout", "--quiet", "FETCH_HEAD")


def _keep(job: _JobRun, given: dict[str, str]) -> None:
    """actions/upload-artifact: the files of a folder, links followed."""
    at = Path(given["path"])
    files = sorted(path for path in at.rglob("*") if path.is_file()) if at.is_dir() else []
    assert files or given["if-no-files-found"] == "ignore"
    job.done.artifacts[given["name"]] = {p.name: p.read_text() for p in files}


def _nothing(job: _JobRun, given: dict[str, str]) -> None:
    """The state of the tests is in a file, which nobody has to be let in to."""
    assert given["role-to-assume"]


STAND_INS: dict[str, Callable[[_JobRun, dict[str, str]], None]] = {
    "actions/checkout": _check_out,
    "actions/upload-artifact": _keep,
    "aws-actions/configure-aws-credentials": _nothing,
}
