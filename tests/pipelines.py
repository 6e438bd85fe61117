"""Runs `.gitlab-ci.yml` as far as ours needs it: rules, jobs in the order of their stages, scripts
as processes, variables by environment, and what a job leaves in a dotenv file for the next ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .expressions import evaluate
from .forges_data import PROJECT, REPO
from .joblog import assignments
from .workflows import Job

WORDS = {"stages", "default", "variables", "workflow"}
PIP = """\
#!/bin/sh
echo "$@" >>{log}
ln -sf {command} "$(dirname "$0")/friendli-iac"
"""


@dataclass
class GitlabRunner:
    """Machines that run the pipelines of a project. `env` is what they have by themselves."""

    origin: Path
    home: Path
    env: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    # What more each environment has, and what happens until somebody starts its manual job.
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    approval: Callable[[str], None] = lambda job: None
    runs: int = 0

    def run(self, pipeline: str, commit: str, **said: str) -> dict[str, Job]:
        """Runs the jobs of a pipeline; `said` are the predefined variables that differ."""
        document = yaml.safe_load(pipeline)
        self.runs += 1
        predefined = {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_COMMIT_SHA": commit,
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_PATH": REPO,
            "CI_PROJECT_ID": str(PROJECT),
            "CI_PROJECT_URL": f"https://gitlab.example/{REPO}",
            "CI_PIPELINE_SOURCE": "push",
            **said,
        }
        done: dict[str, Job] = {}
        if self._rule(document["workflow"], predefined) is None:
            return done
        jobs = {name: job for name, job in document.items() if name not in WORDS}
        for name, job in sorted(
            jobs.items(), key=lambda j: document["stages"].index(j[1]["stage"])
        ):
            rule = self._rule(job, predefined)
            if rule is None:
                continue
            failed = any(other.result != "success" for other in done.values())
            if failed:
                done[name] = Job(name, "skipped")
                continue
            if rule.get("when") == "manual":
                self.approval(name)
            inherited = {**document.get("default", {}), **job}
            passed = {n: v for other in done.values() for n, v in other.outputs.items()}
            done[name] = self._job(name, inherited, {**predefined, **passed})
        return done

    def _rule(self, holder: dict[str, Any], variables: dict[str, str]) -> dict[str, Any] | None:
        for rule in holder["rules"]:
            if evaluate(rule["if"], lambda name: variables.get(name.removeprefix("$"))):
                return dict(rule)
        return None

    def _job(self, name: str, job: dict[str, Any], variables: dict[str, str]) -> Job:
        home = self.home / f"{self.runs}-{name}"
        folder, path = home / "builds" / "llm", home / "bin"
        path.mkdir(parents=True)
        command = Path(sys.executable).parent / "friendli-iac"
        (path / "pip").write_text(PIP.format(log=self.home / "pip.log", command=command))
        (path / "pip").chmod(0o755)
        git = ["git", "-c", "advice.detachedHead=false"]
        subprocess.run([*git, "clone", "--quiet", str(self.origin), str(folder)], check=True)
        subprocess.run([*git, "checkout", "--quiet", variables["CI_COMMIT_SHA"]], cwd=folder)
        tokens = dict.fromkeys(job.get("id_tokens", {}), "a-token-of-this-job")
        script = "\n".join([*job.get("before_script", []), *job["script"]])
        ran = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=folder,
            env={
                **self.env,
                "PATH": f"{path}:{os.environ['PATH']}",
                "HOME": str(home),
                **variables,
                **tokens,
                **self.variables,
                **self.environments.get(job.get("environment", ""), {}),
                "CI_JOB_NAME": name,
                "CI_PROJECT_DIR": str(folder),
                "CI_JOB_URL": f"https://gitlab.example/{REPO}/-/jobs/{self.runs}",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        allowed = job.get("allow_failure", {}).get("exit_codes", [])
        good = ran.returncode in (0, *allowed)  # shown in orange
        done = Job(name, "success" if good else "failure", log=ran.stdout)
        done.code = ran.returncode
        kept = job.get("artifacts", {})
        files = [f for p in kept.get("paths", []) for f in (folder / p).rglob("*") if f.is_file()]
        done.artifacts = {"": {file.name: file.read_text() for file in files}}
        dotenv = folder / kept.get("reports", {}).get("dotenv", "none")
        if dotenv.is_file():
            done.outputs = assignments(dotenv.read_text())
        return done
