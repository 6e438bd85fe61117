"""Every example does what it says: on an emulator, from the first plan to the end."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from friendli_iac.clients.friendli import FriendliApi
from friendli_iac.clients.http import Http
from friendli_iac.emulator import Emulator
from friendli_iac.manifest.schema import manifest_schema, settings_schema

from .commands import blocks, command_lines
from .harness import PROJECT, TOKEN, Project, names, writes

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.name[:2].isdigit())
MANIFESTS = sorted(
    path for path in EXAMPLES.glob("*/**/*.yaml") if ".friendli-iac" not in path.parts
)
ENVIRONMENTS = "03-variables-per-environment"
SHARED = "08-shared-state"
PROTECTED = "04-protected-production"
REGISTRY = "09-wandb-registry"
ADAPTERS, ADAPTERS_SENT = "10-multi-lora", "11-multi-lora-by-api"


def opened(folder: str, tmp_path: Path, emulator: Emulator) -> Project:
    """A copy of an example, to work in."""
    root = tmp_path / folder
    shutil.copytree(EXAMPLES / folder, root, ignore=shutil.ignore_patterns(".friendli-iac"))
    env = {"FRIENDLI_PROJECT_ID": PROJECT}
    if folder == SHARED:  # its database is not on this machine; a test of its own has one
        env["FRIENDLI_IAC_STATE"] = str(root / ".friendli-iac" / "state.json")
    if folder == REGISTRY:
        emulator.wandb.seed()
    if folder == ENVIRONMENTS:
        env["FRIENDLI_IAC_ENV"] = "dev"
    if folder == ADAPTERS_SENT:  # this emulator is the service that its settings name
        settings = root / "friendli-iac.yaml"
        settings.write_text(settings.read_text().replace("https://llm.example.com", emulator.url))
        emulator.set_options(adapters_key="engine.adapters")
    return Project(root, emulator.url, env=env)


def edit(project: Project, name: str, old: str, new: str) -> None:
    text = (project.root / name).read_text()
    assert old in text
    project.write(text.replace(old, new), name)


def test_they_are_numbered_and_listed() -> None:
    assert [int(name[:2]) for name in FOLDERS] == list(range(1, len(FOLDERS) + 1))
    listed = re.findall(r"^\| \[([^\]]+)\]\(\1\)", (EXAMPLES / "README.md").read_text(), re.M)
    assert listed == [*FOLDERS, "ci"]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: str(p.relative_to(EXAMPLES)))
def test_editors_find_the_schema_and_agree(path: Path) -> None:
    first = path.read_text().partition("\n")[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named, first
    settings = path.name == "friendli-iac.yaml" or "policy.yaml" in path.name  # both have `policy:`
    schema = EXAMPLES.parent / "schemas" / f"friendli-iac.{'settings.' if settings else ''}v1.json"
    assert (path.parent / named[1]).resolve() == schema
    check = Draft7Validator(settings_schema() if settings else manifest_schema())
    for document in yaml.safe_load_all(path.read_text()):
        check.validate(document)


@pytest.mark.parametrize("folder", FOLDERS)
def test_from_the_first_plan_to_the_end(folder: str, tmp_path: Path, emulator: Emulator) -> None:
    project = opened(folder, tmp_path, emulator)
    checked = project.run("validate")
    assert checked.code == 0, checked
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 2, planned
    assert writes(emulator) == []
    done = project.apply()
    if folder == ADAPTERS:
        assert done.code == 11, done
        (live,) = emulator.endpoints()
        emulator.attach_adapter(live["id"], "support-tone", "legal")
        done = project.apply()
    assert done.code == 0, done
    again = project.run("plan", "--detailed-exitcode")
    assert again.code == 0, again
    if folder == PROTECTED:
        return  # its end is a test of its own
    ended = project.run("destroy", "--yes")
    assert ended.code == (11 if folder == REGISTRY else 0), ended  # its webhook is deleted by hand
    assert names(emulator) == []


def test_02_a_policy_changes_the_endpoints_that_use_it(tmp_path: Path, emulator: Emulator) -> None:
    project = opened("02-shared-defaults-and-policy", tmp_path, emulator)
    project.apply()
    edit(project, "policies.yaml", "maxReplicas: 4", "maxReplicas: 6")
    planned = project.run("plan", "--format", "json").json
    (change,) = [c for c in planned["changes"] if c["action"] != "no-op"]
    assert (change["address"], change["action"]) == ("Endpoint/chat", "update")
    (field,) = change["fields"]
    assert field["path"] == "autoscaling.maxReplicas"
    assert field["source"].startswith("policies.yaml:")
    assert project.apply().code == 0
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_03_what_serves_in_dev_is_promoted_to_prod(tmp_path: Path, emulator: Emulator) -> None:
    project = opened(ENVIRONMENTS, tmp_path, emulator)
    for name in ("dev", "prod"):
        done = project.apply("--env", name)
        assert done.code == 0, done
    assert names(emulator) == ["chat", "chat"]
    overlay = (project.root / "overlays/prod.yaml").read_text()
    done = project.run("promote", "Endpoint/chat", "--from", "dev", "--to", "prod")
    assert done.code == 0, done
    after = (project.root / "overlays/prod.yaml").read_text()
    old, new = overlay.splitlines(), after.splitlines()
    assert [n for o, n in zip(old, new, strict=True) if o != n] == [
        "      revision: 8c22764a7e3675c50d4c7c9a4edb474456022b16 # `promote` changes this line"
    ]
    planned = project.run("plan", "--env", "prod", "--format", "json").json
    (change,) = [c for c in planned["changes"] if c["action"] != "no-op"]
    assert [(f["path"], f["source"]) for f in change["fields"]] == [
        ("model.huggingFace.revision", "overlays/prod.yaml:10")
    ]
    emulator.clear_requests()
    wrong = project.apply("--env", "prod", "--state", ".friendli-iac/dev/state.json")
    assert wrong.code == 5, wrong
    assert writes(emulator) == []


def test_04_protection_holds_until_it_was_lifted(tmp_path: Path, emulator: Emulator) -> None:
    project = opened(PROTECTED, tmp_path, emulator)
    assert project.apply().code == 0
    assert [w.split()[0] for w in writes(emulator)] == ["POST", "POST"]
    emulator.clear_requests()
    assert project.run("destroy", "--yes").code == 5
    (project.root / "endpoints/chat.yaml").unlink()
    assert project.apply("--allow-destroy", "Endpoint/chat").code == 5
    assert writes(emulator) == []

    shutil.copy(EXAMPLES / PROTECTED / "endpoints/chat.yaml", project.root / "endpoints")
    edit(project, "friendli-iac.yaml", "preventDestroy: true", "preventDestroy: false")
    lifted = project.apply()
    assert lifted.code == 0, lifted
    assert writes(emulator) == []
    assert project.run("destroy", "--yes").code == 0
    assert names(emulator) == []


def test_04_what_others_raise_is_left_alone(tmp_path: Path, emulator: Emulator) -> None:
    project = opened(PROTECTED, tmp_path, emulator)
    project.apply()
    chat = project.state["resources"]["Endpoint/chat"]["id"]
    change = {"autoscalingPolicy": {"minReplica": 2, "maxReplica": 9, "cooldownPeriod": 900}}
    with friendli(emulator) as api:
        api.update_endpoint(chat, change, key="")
    edit(project, "endpoints/chat.yaml", "timeoutMs: 30000", "timeoutMs: 20000")
    done = project.apply()
    assert done.code == 0, done
    with friendli(emulator) as api:
        assert api.get_endpoint(chat)["autoscalingMax"] == 9


def test_05_import_takes_it_in_and_the_next_plan_is_empty(
    tmp_path: Path, emulator: Emulator
) -> None:
    project = opened("05-adopt-existing", tmp_path, emulator)
    body = {
        "projectId": PROJECT,
        "name": "Legacy chat (do not touch)",
        "hfModelRepo": "meta-llama/Llama-3.1-8B-Instruct",
        "instanceOptionId": "TwD5AqnBSVN0",
        "autoscalingPolicy": {"minReplica": 0, "maxReplica": 2, "cooldownPeriod": 300},
        "advanced": {"tokenizer_skip_special_tokens": True, "tokenizer_add_special_tokens": True},
    }
    with friendli(emulator) as api:
        api.create_endpoint(body, key="")
    (live,) = emulator.endpoints()
    emulator.clear_requests()
    refused = project.run("plan")
    assert refused.code == 5, refused
    assert f"friendli-iac import Endpoint/legacy {live['id']}" in refused.out

    (script,) = blocks((project.root / "README.md").read_text(), "console")
    _, arguments, _ = command_lines(script)
    taken = project.run(*(live["id"] if a == "ENDPOINT_ID" else a for a in arguments))
    assert taken.code == 0, taken
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert writes(emulator) == []


def test_07_what_does_not_answer_is_rolled_back(tmp_path: Path, emulator: Emulator) -> None:
    """The README's own commands, in its order, on the emulator inside each of them."""
    project = opened("07-health-gated-rollout", tmp_path, emulator)
    del project.env["FRIENDLI_PROJECT_ID"]  # --emulator supplies it, and `set` does without
    scripts = blocks((project.root / "README.md").read_text(), "console")
    told = command_lines("\n".join(scripts))
    done = [project.run(*arguments) for arguments in told]
    assert [one.code for one in done] == [0, 0, 10, 5, 0, 0, 0], done
    assert "rolled back" in done[4].out
    assert "v2" in done[4].out


def test_09_the_alias_decides_what_serves(tmp_path: Path, emulator: Emulator) -> None:
    """The README's own commands, on the emulator inside each of them; then the alias moves."""
    folder = opened("09-wandb-registry", tmp_path / "inside", emulator)
    del folder.env["FRIENDLI_PROJECT_ID"]
    told = command_lines("\n".join(blocks((folder.root / "README.md").read_text(), "console")))
    done = [folder.run(*arguments) for arguments in told]
    assert [one.code for one in done] == [0, 0, 0, 0, 11], done
    assert "v1 → v2" in done[2].out
    assert set(done[3].json) >= {"idempotencyKey", "wandbArtifactVersionName"}

    project = opened("09-wandb-registry", tmp_path, emulator)
    assert project.apply().code == 0
    said = project.run("wandb", "payload", "Endpoint/chat").json
    emulator.wandb.move_alias("acme/wandb-registry-model/chat", "production", "v2")
    emulator.wandb.wait()
    assert names(emulator) == ["chat"], "and no second one"
    (delivery,) = emulator.wandb.deliveries
    assert (delivery["status"], delivery["body"]["idempotencyKey"]) == (200, said["idempotencyKey"])
    emulator.clear_requests()
    planned = project.run("plan", "--detailed-exitcode")
    assert planned.code == 0, planned
    assert "production → v2" in planned.out


@contextmanager
def friendli(emulator: Emulator) -> Iterator[FriendliApi]:
    """The API, as somebody uses it without us."""
    http = Http(emulator.url, {"Authorization": f"Bearer {TOKEN}"})
    try:
        yield FriendliApi(http)
    finally:
        http.close()
