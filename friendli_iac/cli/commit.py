"""The commit that the manifests are of, for the history."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

# GitHub Actions, GitLab, Jenkins, Buildkite and CircleCI name it.
_NAMES = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILDKITE_COMMIT", "CIRCLE_SHA1")


def commit_id(environ: Mapping[str, str], folder: Path) -> str:
    """The commit that CI names, or that git has checked out in `folder`; empty without one."""
    for name in _NAMES:
        if environ.get(name):
            return environ[name]
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):  # no git here, and none needed
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
