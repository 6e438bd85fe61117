"""The action and the CI examples as files: what linters say, what is pinned, what documents say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .expressions import evaluate
from .joblog import assignments, commands

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
ACTION = ROOT / "action.yml"
EXAMPLE = ROOT / "examples" / "ci"
EXAMPLES = [EXAMPLE / "github-actions.yml", EXAMPLE / "wandb-github.yml"]
WORKFLOWS = [ACTION, *EXAMPLES, *(ROOT / ".github/workflows").glob("*.yml")]
CI = (ROOT / "docs" / "ci.md").read_text()
action: dict[str, Any] = yaml.safe_load(ACTION.read_text())


def test_zizmor_finds_nothing() -> None:
    told = [BIN / "zizmor", "--offline", "--no-progress", "--pedantic", "--strict-collection"]
    found = subprocess.run([*told, "--no-ignores", *WORKFLOWS], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    for path in WORKFLOWS:
        assert f"completed {path}" in found.stderr


def test_shellcheck_finds_nothing() -> None:
    script = str(EXAMPLE / "ci.sh")
    found = subprocess.run([BIN / "shellcheck", script], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_and_says_which(path: Path) -> None:
    for line in path.read_text().splitlines():
        if uses := re.search(r"\buses:\s*(.+)", line):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}( # .+)?", uses[1]), line
            assert "#" in uses[1] or uses[1].endswith("@" + 40 * "0"), line


def test_nothing_from_outside_is_put_into_a_script() -> None:
    """As text it would be part of the program."""
    for path in WORKFLOWS:
        document = yaml.safe_load(path.read_text())
        jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
        for step in (step for job in jobs for step in job["steps"]):
            assert "${{" not in str(step.get("run", "")), path


def test_the_install_step_imports_nothing_from_the_checkout() -> None:
    """`python3 -m venv` in a folder with a venv.py would run that."""
    (install,) = [s for s in action["runs"]["steps"] if s.get("name") == "Install"]
    assert install["run"].startswith('cd "$RUNNER_TEMP"\n')
    assert "python3 -I -m venv" in install["run"]


def test_the_document_lists_every_input_and_output() -> None:
    rows = dict(re.findall(r"^\| `([a-z_-]+)` \|(.*)\|$", CI.partition("## The action")[2], re.M))
    for name, one in {**action["inputs"], **action["outputs"]}.items():
        assert rows[name].rpartition("|")[2].strip() == one["description"]
        default = str(one.get("default", ""))
        if default and "${{" not in default:
            assert f"`{default}`" in rows[name]
    assert set(rows) == {*action["inputs"], *action["outputs"]}


def test_the_document_explains_every_exit_code_that_needs_it() -> None:
    section = CI.partition("## When a job ends")[2]
    assert re.findall(r"^\| (\d+) \|", section, re.M) == [str(n) for n in range(3, 12)]


def test_jobs_of_pull_requests_have_no_token_that_changes_anything() -> None:
    """And none that applies is cancelled by any other: GitHub keeps one that waits for a group."""
    jobs = yaml.safe_load((EXAMPLE / "github-actions.yml").read_text())["jobs"]
    for name, job in jobs.items():
        applies = name in ("apply", "reap")
        assert ("secrets.FRIENDLI_TOKEN " in f"{job} ".replace("}", " ")) == applies
        assert ("environment" in job) == applies
    groups = {name: job["concurrency"]["group"] for name, job in jobs.items()}
    assert groups["apply"] == "apply-${{ github.run_id }}"
    assert len(set(groups.values())) == len(groups)
    assert not any(jobs[name]["concurrency"]["cancel-in-progress"] for name in ("apply", "reap"))
    assert jobs["review"]["if"] == "github.event_name == 'pull_request'"


def test_the_runner_of_the_tests_understands_what_github_does() -> None:
    """What it would miss, hostile texts would be found not to do."""
    log = "  ::error file=a,line=1::x\nsaid: ::no::\na ##[set-output name=b;]c\n"
    assert commands(f"{log}::stop-commands::t\n::x::\n::t::\n") == [
        ("error", "file=a,line=1", "x"),
        ("set-output", "name=b;", "c"),
    ]
    assert assignments("a=b=c\nd<<END\n1\n2\nEND\n") == {"a": "b=c", "d": "1\n2"}
    known = {"a.b": "x", "$C": "", "d": None}
    for text, value in {
        "a.b == 'X' && !$C": True,
        "d || 'any'": "any",
        "a.b != 'x' || always()": True,
        "(d == $C) && a.b": "x",
        "$C && '-'": "",
    }.items():
        assert evaluate(text, known.__getitem__, {"always": lambda: True}) == value
