"""A repository on a forge, with runners, an API, and secrets: where the CI examples are run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from friendli_iac.emulator import Emulator

from .forges import BOT, FakeForge
from .harness import Project, writes
from .repositories import EXAMPLE, Branch, Files, Repository, push_event, request_event, schedule
from .workflows import Job, Runner

# What no job may tell. Each has its place: the first two are sent to the API alone.
CANARIES = {
    name: f"flp_canary-{name.lower().replace('_', '-')}-0123456789"
    for name in (
        "FRIENDLI_PLAN_TOKEN", "FRIENDLI_TOKEN", "FRIENDLI_IAC_PLAN_KEY", "WANDB_API_KEY",
        "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "FILE",
    )
}  # fmt: skip


@dataclass
class World:
    """Everything that a pull request can reach. `folder` has it all."""

    folder: Path
    emulator: Emulator
    forge: FakeForge
    repo: Repository
    runner: Runner
    workflow: str = (EXAMPLE / "github-actions.yml").read_text()
    branch: Branch | None = None
    jobs: dict[str, Job] = field(default_factory=dict)

    def start(self) -> None:
        """What is on main is applied already: nothing of that stays in the records."""
        project = Project(self.repo.work, self.emulator.url, env=self.runner.variables)
        done = project.apply()
        assert done.code == 0, done
        self.emulator.clear_requests()

    def open(self, files: Files, *, name: str = "change", fork: bool = False) -> Job:
        """Opens pull request 1 with these files, or pushes to it. The job that reviews it."""
        self.branch = self.repo.push(1, files, name)
        pull = self.forge.push(1, "") if 1 in self.forge.pulls else self.forge.pull(1)
        pull.head, pull.tried = self.branch.head, self.branch.tried
        self.jobs = self.runner.run(self.workflow, request_event(self.branch, fork=fork))
        assert self.results().keys() == {"review"}
        return self.jobs["review"]

    def merge(self) -> dict[str, Job]:
        """Merges pull request 1, and runs what follows."""
        assert self.branch
        commit = self.repo.merge(self.branch)
        self.forge.merge(1)
        self.forge.pulls[1].merge_commit = commit
        return self.push(commit)

    def push(self, commit: str = "") -> dict[str, Job]:
        """Runs what follows a push to main."""
        self.jobs = self.runner.run(self.workflow, push_event(commit or self.repo.main))
        return self.jobs

    def again(self) -> dict[str, Job]:
        """Runs the jobs that failed again."""
        event = push_event(self.repo.main)
        self.jobs = self.runner.run(self.workflow, event, before=self.jobs)
        return self.jobs

    def hour(self) -> dict[str, Job]:
        """Runs what is done every hour."""
        self.jobs = self.runner.run(self.workflow, schedule(self.repo.main))
        return self.jobs

    def results(self) -> dict[str, str]:
        """What came of each job that was not skipped; said aloud, for a test that fails."""
        ran = {name: job for name, job in self.jobs.items() if job.result != "skipped"}
        for job in ran.values():
            print(job)
        return {name: job.result for name, job in ran.items()}

    def assert_nothing_sent(self) -> None:
        assert writes(self.emulator) == []

    def assert_no_secret_told(self) -> None:
        """In no file that a job wrote, no log, no comment and no body of a request."""
        told = [repr(job) for job in self.jobs.values()]
        told += [repr(request._replace(token="")) for request in self.forge.requests]
        told += [json.dumps(request) for request in self.emulator.requests]
        files = (
            p for p in (self.folder / "runner").rglob("*") if p.is_file() and not p.is_symlink()
        )
        told += [path.read_text(errors="replace") for path in files]
        secrets = [*CANARIES.items(), *((who, t) for t, (who, _) in self.forge.accounts.items())]
        for text in told:
            for name, secret in secrets:
                assert secret not in text, f"{name}: {text[:2000]}"


def quick(emulator: Emulator) -> dict[str, str]:
    """What machines have whose API is an emulator."""
    return {
        "FRIENDLI_BASE_URL": emulator.url,
        "FRIENDLI_IAC_PREFLIGHT": "off",
        "FRIENDLI_IAC_QUIET": "2s",
        "FRIENDLI_IAC_SETTLE_GRACE": "1s",
    }


@contextmanager
def on_github(folder: Path, emulator: Emulator, **env: str) -> Iterator[World]:
    """A repository on GitHub, with the example's workflow. `env` is what runners have, too."""
    with FakeForge() as forge:

        def token(permissions: Mapping[str, str]) -> str:
            return forge.account(
                BOT, may={n for n, level in permissions.items() if level == "write"}
            )

        repo = Repository(folder / "git")
        runner = Runner(
            repo.origin,
            folder / "runner",
            env={**quick(emulator), "GITHUB_API_URL": forge.url, **env},
            secrets={"FRIENDLI_PLAN_TOKEN": CANARIES["FRIENDLI_PLAN_TOKEN"]},
            variables={
                "FRIENDLI_PROJECT_ID": "p1",
                "FRIENDLI_IAC_STATE": str(folder / "state.json"),
                "STATE_READER": "arn:aws:iam::1:role/reader",
                "STATE_WRITER": "arn:aws:iam::1:role/writer",
            },
            environments={
                name: {"FRIENDLI_TOKEN": CANARIES["FRIENDLI_TOKEN"]}
                for name in ("production", "reaper")
            },
            token=token,
        )
        yield World(folder, emulator, forge, repo, runner)
