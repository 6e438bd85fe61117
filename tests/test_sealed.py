"""Plan files: who made them, how old they may get, and that all of it is looked at first."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from friendli_iac.core.canonical import digest
from friendli_iac.core.planfile import from_file
from friendli_iac.emulator import Emulator
from friendli_iac.engine import ApplyOptions
from friendli_iac.errors import StalePlan

from .harness import FAST, Project, Result, endpoint, engine_for, names, writes

KEY = "canary-0123456789"
SEALED = {"FRIENDLI_IAC_PLAN_KEY": KEY}
OTHER = {"FRIENDLI_IAC_PLAN_KEY": "another-0123456789"}


def edit(project: Project, change: Callable[[dict[str, Any]], object]) -> None:
    """What somebody can do who knows the format, and not the key."""
    path = project.root / "p"
    document = json.loads(path.read_text())
    change(document)
    seal, _ = document.pop("seal", None), document.pop("checksum")
    document["checksum"] = digest(document)
    path.write_text(json.dumps(document | ({"seal": seal} if seal else {})))


def saved(project: Project, *options: str, **env: str) -> None:
    project.write(endpoint())
    made = project.run("plan", "--out", "p", *options, env=env)
    assert made.code == 0, made


def apply(project: Project, **env: str) -> Result:
    return project.run("apply", "p", *FAST, env=env)


def test_a_sealed_plan_is_applied_with_its_key(project: Project, emulator: Emulator) -> None:
    saved(project, **SEALED)
    assert "seal" in json.loads((project.root / "p").read_text())
    done = apply(project, **SEALED)
    assert done.code == 0, done
    assert names(emulator) == ["chat"]


@pytest.mark.parametrize(
    ("made_with", "applied_with", "changed", "told"),
    [
        (SEALED, {}, False, "is sealed, and FRIENDLI_IAC_PLAN_KEY is not set"),
        ({}, SEALED, False, "has no seal, and FRIENDLI_IAC_PLAN_KEY is set"),
        (OTHER, SEALED, False, "was not sealed with the FRIENDLI_IAC_PLAN_KEY that is set here"),
        (SEALED, SEALED, True, "or was changed since"),
    ],
)
def test_a_foreign_file_is_refused_before_anything_is_asked(
    made_with: dict[str, str],
    applied_with: dict[str, str],
    changed: bool,
    told: str,
    project: Project,
    emulator: Emulator,
) -> None:
    """Fault 16. Also before the lock: the state's folder is not even made."""
    saved(project, **made_with)
    if changed:
        edit(project, lambda plan: plan["changes"][0]["after"]["spec"].update(name="mine"))
    emulator.clear_requests()
    refused = apply(project, **applied_with)
    assert refused.code == 5, refused
    assert told in refused.err
    assert "safe: Nothing was sent." in refused.err
    assert emulator.requests == []
    assert not project.state_path.parent.exists()


def test_a_damaged_file_is_none(project: Project, emulator: Emulator) -> None:
    saved(project)
    path = project.root / "p"
    whole = path.read_text()
    emulator.clear_requests()
    for text in (
        whole.replace("acme/model", "evil/model"),
        whole.replace('"name": "chat"', '"name": "\\ud800"'),
        whole.replace('"1.0"', '"2.0"', 1),
        "[" * 100_000,
        "[]",
        whole[:-9],
    ):
        path.write_text(text)
        assert apply(project).code == 64
    assert emulator.requests == []


def test_an_expired_plan_is_stale(project: Project, emulator: Emulator) -> None:
    saved(project, "--expires", "24h")
    plan = from_file(json.loads((project.root / "p").read_text()))
    lasts = datetime.fromisoformat(plan.expires) - datetime.fromisoformat(plan.created)
    assert 24 * 3600 <= lasts.total_seconds() < 24 * 3600 + 60
    edit(project, lambda plan: plan.update(expires=plan["created"]))
    emulator.clear_requests()
    stale = apply(project)
    assert stale.code == 6, stale
    assert "it has expired, at 20" in stale.err
    assert emulator.requests == []
    assert project.run("show", "p").code == 0  # to be looked at, it is good still


def test_a_plan_may_expire_while_it_waits_for_the_lock(
    project: Project, emulator: Emulator
) -> None:
    """It was good when its file was read."""
    saved(project, "--expires", "24h")
    plan = from_file(json.loads((project.root / "p").read_text()))
    with engine_for(project, emulator) as engine:
        options = ApplyOptions(allow_destroy=None)
        emulator.set_time(datetime.fromisoformat(plan.expires).timestamp())
        with pytest.raises(StalePlan, match="it has expired, at 20"):
            engine.apply(lambda planner: plan, options, lambda plan: True, saved=True)
        assert writes(emulator) == []
        emulator.set_time(datetime.fromisoformat(plan.created).timestamp())
        engine.apply(lambda planner: plan, options, lambda plan: True, saved=True)
    assert names(emulator) == ["chat"]


def test_a_plan_lasts_as_long_as_nobody_says_otherwise(project: Project) -> None:
    saved(project)
    assert json.loads((project.root / "p").read_text())["expires"] == ""
    assert apply(project).code == 0


def test_what_makes_no_sense_is_refused(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    for words, env in (
        (["--expires", "24h"], {}),
        (["--out", "p", "--expires", "0s"], {}),
        (["--out", "p"], {"FRIENDLI_IAC_PLAN_KEY": "fifteen-letters"}),
    ):
        refused = project.run("plan", *words, env=env)
        assert refused.code == 64, refused
        assert "fifteen-letters" not in refused.err
    assert not (project.root / "p").exists()
    assert writes(emulator) == []


def test_the_key_is_shown_nowhere(project: Project) -> None:
    """Not even where a manifest has it, by chance or from a person who tries out keys."""
    saved(project, **SEALED)
    assert apply(project, **SEALED).code == 0
    assert KEY not in project.everything_written()
    project.write(endpoint(more=f"  name: {KEY}\n"))
    for words in ((), ("--format", "json"), ("-v", "--events", "e")):
        said = project.run("plan", *words, env=SEALED)
        assert (said.code, KEY in said.out + said.err) == (0, False)
    assert KEY not in (project.root / "e").read_text()


def test_show_says_what_an_apply_would_refuse(project: Project) -> None:
    saved(project, **SEALED)
    assert "who made it was not checked" in project.run("show", "p").err
    assert project.run("show", "p", env=SEALED).err == ""
    assert project.run("show", "p", env=OTHER).code == 5
    saved(project)
    assert "apply will refuse it" in project.run("show", "p", env=SEALED).err
