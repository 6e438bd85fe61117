"""A Git repository with endpoints in it, as a forge has it, and what people do there."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .workflows import REPOSITORY, Event

EXAMPLE = Path(__file__).parent.parent / "examples" / "ci"
CHAT = "endpoints/chat.yaml"
Files = dict[str, str | Path | None]  # texts, links (a Path), and what is removed (None)


@dataclass
class Branch:
    """A branch with an open pull request: its head, and the merge of it that CI tries out."""

    name: str
    number: int
    head: str
    tried: str


class Repository:
    """`origin` is what runners fetch from; it starts with the project of examples/ci on main."""

    def __init__(self, home: Path) -> None:
        self.origin, self.work = home / "origin.git", home / "work"
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "GIT_CONFIG_COUNT": "0",
            **{f"GIT_{who}_NAME": "dev" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "dev@example.com" for who in ("AUTHOR", "COMMITTER")},
        }
        home.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare", "-b", "main", str(self.origin), at=home)
        self._git("config", "uploadpack.allowAnySHA1InWant", "true", at=self.origin)
        self._git("clone", "--quiet", str(self.origin), str(self.work), at=home)
        self._git("checkout", "--quiet", "-b", "main")
        for name in ("friendli-iac.yaml", "policy.yaml", "ci.sh", "endpoints"):
            copy = shutil.copytree if (EXAMPLE / name).is_dir() else shutil.copy
            copy(EXAMPLE / name, self.work / name)
        (self.work / "vendor").mkdir()
        (self.work / "vendor" / "friendli_iac-1.whl").write_text("")
        self.main = self._commit("main")

    def _git(self, *arguments: str, at: Path | None = None) -> str:
        ran = subprocess.run(
            ["git", *arguments], cwd=at or self.work, env=self._env, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def _commit(self, branch: str) -> str:
        self._git("add", "--all", "--force")
        self._git("commit", "--quiet", "--allow-empty", "-m", "a change")
        self._git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return self._git("rev-parse", "HEAD")

    def push(self, number: int, files: Files, name: str = "change") -> Branch:
        """A commit on the branch of a pull request."""
        known = self._git("branch", "--list", name)
        self._git("checkout", "--quiet", *([name] if known else ["-b", name, "main"]))
        for path, text in files.items():
            file = self.work / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                file.unlink()
            elif isinstance(text, Path):
                file.symlink_to(text)
            else:
                file.write_text(text)
        head = self._commit(name)
        self._git("checkout", "--quiet", "--detach", "main")
        self._git("merge", "--quiet", "--no-ff", "-m", "try it out", head)
        tried = self._git("rev-parse", "HEAD")
        self._git("push", "--quiet", "--force", "origin", f"HEAD:refs/pull/{number}/merge")
        return Branch(name, number, head, tried)

    def merge(self, branch: Branch) -> str:
        """Merges the branch into main; the new commit."""
        self._git("checkout", "--quiet", "main")
        self._git("merge", "--quiet", "--no-ff", "-m", "Merge a change", branch.head)
        self.main = self._commit("main")
        return self.main

    def edit(self, old: str, new: str, name: str = CHAT) -> Files:
        """A file of main with something else in it."""
        text = self._git("show", f"main:{name}") + "\n"
        assert old in text
        return {name: text.replace(old, new)}


def request_event(branch: Branch, *, fork: bool = False) -> Event:
    """The event of a pull request that was opened, or pushed to."""
    head = {
        "sha": branch.head,
        "ref": branch.name,
        "repo": {"full_name": "someone/shop" if fork else REPOSITORY},
    }
    payload: dict[str, Any] = {
        "number": branch.number,
        "pull_request": {
            "number": branch.number,
            "title": branch.name,
            "head": head,
            "base": {"ref": "main"},
        },
        "repository": {"full_name": REPOSITORY, "default_branch": "main"},
    }
    return Event(
        "pull_request", branch.tried, f"refs/pull/{branch.number}/merge", payload, fork=fork
    )


def push_event(commit: str) -> Event:
    """The event of a push to main."""
    repository = {"full_name": REPOSITORY, "default_branch": "main"}
    return Event("push", commit, payload={"after": commit, "repository": repository})


def schedule(commit: str) -> Event:
    """The event of the clock."""
    repository = {"full_name": REPOSITORY, "default_branch": "main"}
    return Event("schedule", commit, payload={"schedule": "23 * * * *", "repository": repository})
