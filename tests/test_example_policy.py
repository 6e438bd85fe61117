"""The example of policies: its README as it is written, and its own rules on the plan as JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from friendli_iac.emulator import Emulator
from friendli_iac.review.plan_schema import plan_schema

from .commands import blocks, command_lines
from .test_examples import EXAMPLES, opened

FOLDER = "06-policy"


def test_the_readme_does_what_it_says(tmp_path: Path, emulator: Emulator) -> None:
    project = opened(FOLDER, tmp_path, emulator)
    scripts = blocks((project.root / "README.md").read_text(), "console")
    done = [project.run(*arguments) for arguments in command_lines("\n".join(scripts))]
    assert [one.code for one in done] == [0, 0, 0, 0, 5, 0, 0], done
    assert "exempt maxReplicas" in done[1].out
    assert "up to $43.40/h: the limit is $40.00/h" in done[4].err
    assert "maxReplicas 8 is above the limit of 3 (maxReplicas, friendli-iac.yaml:12" in (
        done[4].err
    )
    assert "overridden: load test on friday by " in done[6].out


def test_the_script_asks_conftest_where_it_is(tmp_path: Path, emulator: Emulator) -> None:
    project = opened(FOLDER, tmp_path, emulator)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "friendli-iac").symlink_to(Path(sys.executable).parent / "friendli-iac")

    def check() -> subprocess.CompletedProcess[str]:
        env = {**project.env, "PATH": f"{programs}:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "check.sh"], cwd=project.root, env=env, capture_output=True, text=True
        )

    told = check()
    assert told.returncode == 0, told
    assert len(json.loads((project.root / "plan.json").read_text())["changes"]) == 2
    conftest = programs / "conftest"  # what it is given, wherever a real one may be
    conftest.write_text('#!/bin/sh\necho "asked: $*"\nexit 3\n')
    conftest.chmod(0o755)
    asked = check()
    assert (asked.returncode, asked.stdout) == (3, "asked: test --policy policy plan.json\n")


def test_every_field_that_the_rego_reads_is_in_the_schema() -> None:
    rego = (EXAMPLES / FOLDER / "policy" / "plan.rego").read_text()
    schema = plan_schema()
    models = {"input": schema, **{
        word: schema["$defs"][name]
        for word, name in (("change", "Change"), ("field", "FieldChange"), ("finding", "Finding"))
    }}  # fmt: skip
    read = re.findall(r"\b(input|change|field|finding)\.([a-z_]+(?:\.[a-zA-Z_]+)*)", rego)
    assert len(read) > 10
    for word, path in read:
        model: dict[str, Any] = models[word]
        for key in path.split("."):
            assert key in model["properties"], f"{word}.{path}"
            value = model["properties"][key]
            options = [value, *value.get("anyOf", ())]
            names = [one["$ref"].rpartition("/")[2] for one in options if "$ref" in one]
            if not names:
                break  # a value, or a specification, whose schema is another one
            model = schema["$defs"][names[0]]
