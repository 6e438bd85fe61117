"""What the checkout says of itself: the commit of the manifests, and which project they are."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from friendli_iac.manifest import Project
    from friendli_iac.review.links import Links

# GitHub Actions, GitLab, Jenkins, Buildkite and CircleCI name it.
_NAMES = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILDKITE_COMMIT", "CIRCLE_SHA1")


def commit_id(environ: Mapping[str, str], folder: Path) -> str:
    """The commit that CI names, or that git has checked out in `folder`; empty without one."""
    for name in _NAMES:
        if environ.get(name):
            return environ[name]
    return _git(folder, "rev-parse", "HEAD")


def project_name(project: Project) -> str:
    """What the header of the state calls a project: its name, or else the repository and the folder
    in it, which are the same on every machine. Empty where neither is known.
    """
    if project.name:
        return project.name
    origin = _git(project.root, "config", "--get", "remote.origin.url")
    # Without the host, which ssh and https may call by different names, and who is let in.
    path = re.sub(r"^(\w+://[^/]*/|[^/]*:|/)", "", origin).strip("/")
    repository = path.removesuffix(".git")
    folder = folder_in_repository(project.root) if repository else ""
    return f"{repository}/{folder}".rstrip("/")


def folder_in_repository(folder: Path) -> str:
    """Where a folder is in its repository; empty for the top of it, and without git."""
    return _git(folder, "rev-parse", "--show-prefix").rstrip("/")


def links_at(commit: str) -> Links:
    """Links to the manifests at a commit, where CI says where they are."""
    from friendli_iac.review.links import links_from

    return links_from(os.environ, commit, folder_in_repository(Path.cwd()))


def in_repository(environ: Mapping[str, str]) -> Callable[[str], str]:
    """Says where a file of a message is from the root of the repository, which is what CI systems
    understand wherever the command ran; empty when it is not in it.
    """
    top = _git(Path(), "rev-parse", "--show-toplevel")
    named = (environ.get(name) for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"))
    roots = [Path(root).resolve() for root in (top, *named, ".") if root]

    def locate(file: str) -> str:
        # Else by its name there: a link that leads out is in the repository, too.
        for path in (Path(file).resolve(), Path(os.path.abspath(file))):  # noqa: PTH100
            for root in roots:
                if path.is_relative_to(root):
                    return path.relative_to(root).as_posix()
        return ""

    return locate


def _git(folder: Path, *arguments: str) -> str:
    """What git says; empty where there is none, or nothing to say."""
    try:
        asked = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):  # no git here, and none needed
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
