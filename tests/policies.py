"""Documents and policies for the tests of rules."""

from __future__ import annotations

import json
from typing import Any

from .harness import Project, Result, endpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RULES = "platform.yaml"  # what --policy names


def document(name: str = "chat", labels: str = "", pinned: bool = False, **how: Any) -> str:
    """An endpoint with labels, and with a revision that is a commit."""
    text = endpoint(name, **how)
    if labels:
        text = text.replace(f"{{name: {name}}}", f"{{name: {name}, labels: {{{labels}}}}}")
    if pinned:
        text = text.replace("acme/model}", f"acme/model, revision: {COMMIT}}}")
    return text


def platform(project: Project, **rules: Any) -> None:
    """The file of --policy, with these rules."""
    project.write(json.dumps({"policy": rules}), RULES)


def planned(project: Project, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the findings of a plan under the file of --policy."""
    done = project.run("plan", "--policy", RULES, "--format", "json", *arguments)
    assert done.out, done
    return done.code, done.json["findings"]


def applied(project: Project, text: str, *arguments: str) -> Result:
    """An apply of `text` as the only manifest, which must succeed."""
    project.write(text)
    done = project.apply("--allow-destroy", *arguments)
    assert done.code == 0, done
    return done
