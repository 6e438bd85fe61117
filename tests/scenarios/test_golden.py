"""Every scenario gives the transcript that lies in `golden/`."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest

from friendli_iac.emulator import Emulator

from ..harness import Project
from . import (  # noqa: F401
    adoption,
    changes,
    deletion,
    drift,
    failures,
    registry,
    reviewing,
    rollouts,
    saved_plans,
    selection,
)
from .transcript import SCENARIOS, Scene

GOLDEN = Path(__file__).parent / "golden"
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_transcript(name: str, project: Project, emulator: Emulator) -> None:
    function = SCENARIOS[name]
    scene = Scene(project, emulator, function.__doc__ or "")
    function(scene)
    found, file = scene.transcript(), GOLDEN / f"{name}.txt"
    if UPDATE:
        file.write_text(found)
    assert file.exists(), f"no {file}: make it with UPDATE_GOLDEN=1"
    difference = "".join(
        difflib.unified_diff(
            file.read_text().splitlines(keepends=True),
            found.splitlines(keepends=True),
            f"golden/{file.name}",
            "this run",
        )
    )
    assert not difference, f"UPDATE_GOLDEN=1 accepts this:\n{difference}"


def test_every_golden_file_belongs_to_a_scenario() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(SCENARIOS)
