"""Environments: each has its own state, values, overlays and manifests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .environments import CHAT, EVAL, NEW, PROD, SETTINGS, lay_out
from .harness import Project, Result, endpoint, writes


@pytest.fixture
def two(project: Project) -> Project:
    lay_out(project)
    return project


def spec(project: Project, environment: str, address: str = "Endpoint/chat") -> dict[str, Any]:
    shown = project.run("render", "--env", environment, "--format", "json", address)
    assert shown.code == 0, shown
    found: dict[str, Any] = shown.json["documents"][0]
    return found


def refused(project: Project, *arguments: str, code: int = 1) -> str:
    done = project.run(*(arguments or ("validate",)))
    assert done.code == code, done
    return done.err


def test_each_environment_is_applied_with_its_own_state(two: Project, emulator: Emulator) -> None:
    for name in ("staging", "prod"):
        assert two.apply("--env", name).code == 0
    held = {
        name: json.loads((two.root / f".friendli-iac/{name}/state.json").read_text())
        for name in ("staging", "prod")
    }
    assert {n: sorted(s["resources"]) for n, s in held.items()} == {
        "staging": ["Endpoint/chat"],
        "prod": ["Endpoint/chat", "Endpoint/eval"],
    }
    chats = {n: s["resources"]["Endpoint/chat"] for n, s in held.items()}
    assert [chats[n]["project"] for n in held] == ["p-staging", "p-prod"]
    assert [held[n]["environment"] for n in held] == ["staging", "prod"]
    settings = {e["id"]: e["versions"][e["serving"]]["settings"] for e in emulator.endpoints()}
    sent = {n: settings[chats[n]["id"]]["autoscalingPolicy"] for n in held}
    assert sent["staging"] == {"minReplica": 0, "maxReplica": 2, "cooldownPeriod": 300}
    assert sent["prod"] == {"minReplica": 1, "maxReplica": 8, "cooldownPeriod": 300}
    emulator.clear_requests()
    for name in ("staging", "prod"):
        assert two.run("plan", "--detailed-exitcode", "--env", name).code == 0
    assert two.run("destroy", "--yes", "--env", "staging").code == 0
    assert {w.split("/")[-1] for w in writes(emulator)} <= {chats["staging"]["id"], "terminate"}


def test_an_environment_has_to_be_chosen(two: Project, emulator: Emulator) -> None:
    for command in ("plan", "apply", "drift", "status", "state list", "render"):
        said = refused(two, *command.split(), code=64)
        assert "the environments staging, prod, and none is chosen" in said
    assert "Did you mean prod?" in refused(two, "plan", "--env", "prd", code=64)
    assert two.run("plan", env={"FRIENDLI_IAC_ENV": "prod"}).code == 0
    assert writes(emulator) == []


def test_mistakes_in_the_settings_are_told_together(project: Project) -> None:
    project.write(
        "environments:\n"
        "  prod: {overlay: [a], project: 1, overlays: text, variables: {1x: 2}, state: 'ftp:x'}\n"
        "  emulator: {}\n"
        "  a b: {}\n"
        "  dev: [x]\n",
        "friendli-iac.yaml",
    )
    places = re.findall(r"^friendli-iac.yaml:(\S+): (.*)$", refused(project), flags=re.MULTILINE)
    assert [place for place, _ in places] == [
        "2:10", "2:33", "2:46", "2:64", "2:79", "3:3", "4:3", "5:8",
    ]  # fmt: skip
    assert "did you mean overlays?" in refused(project)


def test_an_overlay_is_a_merge_patch_that_plans_name(two: Project) -> None:
    two.write(
        PROD.replace("{tier: gold}", "{tier: null, cost.center: '7'}").replace(
            "{maxInputLength: 4096}", "{maxBatchSize: null, queue: {timeoutMs: 5}}"
        )
        + "  autoscaling: {replicas: 3}\n",
        "overlays/prod.yaml",
    )
    found = spec(two, "prod")
    assert found["metadata"]["labels"] == {"team": "search", "cost.center": "7"}
    assert found["spec"]["autoscaling"] == {"replicas": 3}  # and nothing of the range
    assert spec(two, "staging")["spec"]["autoscaling"]["maxReplicas"] == 2
    assert found["spec"]["engine"] == {"queue": {"timeoutMs": 5}, "contentLogging": False}
    assert found["sources"]["metadata.labels.cost.center"] == "overlays/prod.yaml:6"
    assert found["sources"]["spec.project"] == "friendli-iac.yaml:9"
    plan = two.run("plan", "--env", "prod", "--format", "json").json
    (chat,) = (c for c in plan["changes"] if c["address"] == "Endpoint/chat")
    sources = {field["path"]: field["source"] for field in chat["fields"]}
    assert sources["autoscaling.replicas"] == "overlays/prod.yaml:12"
    assert sources["model.huggingFace.repo"] == "endpoints/chat.yaml:7"
    assert sources["instance.gpu"] == "friendli-iac.yaml:14"


def test_what_an_overlay_deletes_comes_from_the_defaults_again(two: Project) -> None:
    settings = SETTINGS.replace("count: 1}}", "count: 1}, engine: {maxBatchSize: 16}}")
    two.write(settings, "friendli-iac.yaml")
    two.write(PROD.replace("{maxInputLength: 4096}", "null"), "overlays/prod.yaml")
    found = spec(two, "prod")
    assert found["spec"]["engine"]["maxBatchSize"] == 16
    assert found["sources"]["spec.engine.maxBatchSize"] == "friendli-iac.yaml:14"
    assert spec(two, "staging")["sources"]["spec.engine.maxBatchSize"] == "endpoints/chat.yaml:9"


def test_what_was_deleted_is_a_change_at_the_line_of_the_null(two: Project) -> None:
    two.write(CHAT + "  versionComment: hello\n", "endpoints/chat.yaml")
    assert two.apply("--env", "prod").code == 0
    two.write(PROD.replace("gold", "null") + "  versionComment: null\n", "overlays/prod.yaml")
    plan = two.run("plan", "--env", "prod", "--format", "json").json
    (change,) = (c for c in plan["changes"] if c["fields"])
    fields = [(f["path"], f["desired"], f["source"]) for f in change["fields"]]
    assert fields == [
        ("versionComment", None, "overlays/prod.yaml:12"),
        ("labels.tier", None, "overlays/prod.yaml:6"),
    ]


def test_overlays_patch_templates_and_dependencies(two: Project) -> None:
    scaling = 'autoscaling: {minReplicas: 1, maxReplicas: "${var.most}", cooldown: 5m}'
    two.write(CHAT.replace(scaling, "autoscaling: {policy: calm}"), "endpoints/chat.yaml")
    two.write(
        PROD.replace("  labels", "  dependsOn: [Endpoint/eval]\n  labels")
        + "---\napiVersion: friendli-iac/v1\nkind: AutoscalingPolicy\nmetadata: {name: calm}\n"
        "spec: {maxReplicas: 5, cooldown: null}\n",
        "overlays/prod.yaml",
    )
    found = spec(two, "prod")
    assert found["spec"]["autoscaling"] == {"minReplicas": 1, "maxReplicas": 5}
    assert found["sources"]["spec.autoscaling.maxReplicas"] == "overlays/prod.yaml:17"
    assert found["sources"]["spec.autoscaling.minReplicas"] == "templates.yaml:4"
    assert found["metadata"]["dependsOn"] == ["Endpoint/eval"]
    two.write(STAGING_POLICY, "overlays/staging/chat.yaml")
    staging = spec(two, "staging")["sources"]
    assert staging["spec.autoscaling.maxReplicas"] == "templates.yaml:4"


STAGING_POLICY = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: chat, labels: null}
spec: {autoscaling: {policy: calm}}
"""


def test_an_overlay_of_nothing_is_a_mistake(two: Project) -> None:
    two.write(PROD.replace("name: chat", "name: chta"), "overlays/prod.yaml")
    said = refused(two, "validate", "--env", "prod")
    assert "overlays/prod.yaml:5:9: there is no Endpoint/chta to patch" in said
    assert "did you mean Endpoint/chat?" in said
    assert two.run("validate", "--env", "prod", "-f", "only-prod").code == 0
    assert two.run("validate", "--env", "staging").code == 0


def test_mistakes_in_overlays_have_their_place(two: Project) -> None:
    two.write(PROD + "  autoscaling: {maxReplicas: 99}\n---\n" + PROD, "overlays/prod.yaml")
    said = refused(two, "validate", "--env", "prod")
    assert "overlays/prod.yaml:12:30: maxReplicas must be at most 10, not 99" in said
    assert "overlays/prod.yaml:18:9: Endpoint/chat is patched twice, first at" in said
    two.write(PROD + "  lifecycle: {ignoreChanges: [null]}\n", "overlays/prod.yaml")
    said = refused(two, "validate", "--env", "prod")
    assert "overlays/prod.yaml:12:31: there is no value" in said
    two.write(CHAT.replace("{maxBatchSize: 64}", "null"), "endpoints/chat.yaml")
    assert "endpoints/chat.yaml:9:11: there is no value" in refused(
        two, "validate", "--env", "staging"
    )


def test_validate_checks_all_of_them_and_says_where(two: Project) -> None:
    assert two.run("validate").code == 0
    assert two.run("validate", "-f", "-", stdin=CHAT).code == 0
    two.write(CHAT.replace("repo:", "rpo:"), "endpoints/chat.yaml")
    two.write(PROD.replace("maxInputLength", "maxInput"), "overlays/prod.yaml")
    said = refused(two)
    assert said.count("endpoints/chat.yaml:7:25: unknown key rpo") == 1
    assert "unknown key rpo (" not in said
    assert said.count("repo is required in huggingFace\n") == 1
    assert "overlays/prod.yaml:11:12: unknown key maxInput (only in prod)" in said


@pytest.mark.parametrize("named", ["manifests", "overlays"])
def test_the_base_leaves_out_what_environments_name(two: Project, named: str) -> None:
    two.write(
        SETTINGS.replace("manifests: [endpoints/, templates.yaml]\n", ""), "friendli-iac.yaml"
    )
    shown = two.run("render", "--env", "staging", "--format", "json").json["documents"]
    assert [document["metadata"]["name"] for document in shown] == ["chat"]
    (two.root / "link.yaml").symlink_to("overlays/prod.yaml")
    assert two.run("validate").code == 0
    file = {"manifests": "only-prod/eval.yaml", "overlays": "overlays/prod.yaml"}[named]
    said = refused(two, "validate", "--env", "staging", "-f", file)
    assert f"{file}: this file is" in said


@pytest.mark.parametrize("key", ["overlays", "manifests"])
def test_no_path_leads_out_of_the_project(two: Project, tmp_path: Path, key: str) -> None:
    (tmp_path / "secret.yaml").write_text("password: hunter2-canary\n")
    for path in ("../secret.yaml", str(tmp_path / "secret.yaml"), "link.yaml"):
        if path == "link.yaml":
            (two.root / path).symlink_to(tmp_path / "secret.yaml")
        text = re.sub(
            rf"{key}: \[(?:overlays/prod.yaml|only-prod/)\]", f"{key}: [{path}]", SETTINGS
        )
        assert text != SETTINGS
        two.write(text, "friendli-iac.yaml")
        said = refused(two, "validate", "--env", "prod")
        assert "leads out of the project" in said
        assert "canary" not in said


@pytest.mark.parametrize(
    ("given", "most"),
    [
        ((), 8),
        (("--var-file", "values.yaml"), 5),
        (("--var", "most=6", "--var-file", "values.yaml"), 6),
    ],
)
def test_which_value_of_a_variable_wins(two: Project, given: tuple[str, ...], most: int) -> None:
    two.write("most: 5\n", "values.yaml")
    shown = two.run("render", "--env", "prod", "--format", "json", *given)
    documents = {d["metadata"]["name"]: d for d in shown.json["documents"]}
    assert documents["chat"]["spec"]["autoscaling"]["maxReplicas"] == most


def test_a_file_of_variables_does_not_lead_out(two: Project, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("most: 5\n")
    assert two.run("validate", "--var-file", str(tmp_path / "secret.yaml")).code == 0
    (tmp_path / "secret.yaml").write_text("hunter2-canary\n")
    (two.root / "vars.yaml").symlink_to(tmp_path / "secret.yaml")
    (tmp_path / "way").symlink_to(two.root)
    for file in ("vars.yaml", str(two.root / "vars.yaml"), str(tmp_path / "way" / "vars.yaml")):
        for form in ("text", "json", "github", "sarif"):
            told = two.run("validate", "--env", "prod", "--var-file", file, "--format", form)
            assert told.code == 1, told
            assert "the link leads out of the project" in str(told)
            assert "canary" not in str(told)
    shown = two.run("validate", "--env", "prod", "--var-file", "vars.yaml", "--format", "github")
    assert shown.out.startswith("::error file=vars.yaml,title=outside::")


def test_values_of_environments_are_checked_and_hidden(two: Project) -> None:
    two.write(SETTINGS.replace("{most: 8}", "{mots: 8}"), "friendli-iac.yaml")
    said = refused(two)
    assert "friendli-iac.yaml:10:17: no manifest uses a variable mots" in said
    settings = SETTINGS.replace("  most: 2", "  most: 2\n  token: {sensitive: true}")
    two.write(settings.replace("{most: 8}", "{token: canary-1}"), "friendli-iac.yaml")
    two.write(PROD.replace("gold", '"canary-1 ${var.token}"'), "overlays/prod.yaml")
    said = refused(two, "validate", "--env", "prod")
    assert "the variable token is sensitive" in said
    assert "canary" not in said


def test_the_project_may_be_a_variable_and_the_document_wins(two: Project) -> None:
    two.write(SETTINGS.replace("p-prod", '"${var.place}"'), "friendli-iac.yaml")
    said = refused(two, "validate", "--env", "prod")
    assert "friendli-iac.yaml:9:14: the variable place has no value" in said
    shown = two.run("render", "--env", "prod", "--var", "place=p9", "--format", "json")
    assert [d["spec"]["project"] for d in shown.json["documents"]] == ["p9", "p9"]
    two.write(SETTINGS.replace("{instance:", "{project: d, instance:"), "friendli-iac.yaml")
    assert spec(two, "prod")["spec"]["project"] == "p-prod"
    two.write(CHAT + "  project: mine\n", "endpoints/chat.yaml")
    assert spec(two, "staging")["spec"]["project"] == "mine"


def edited(project: Project, *arguments: str) -> Result:
    return project.run("set", "Endpoint/chat", "--env", "prod", *arguments)


def test_set_says_which_overlay_has_the_value(two: Project) -> None:
    for setting, line in (
        (f"spec.model.huggingFace.revision={NEW}", 10),
        ("metadata.labels.tier=silver", 6),
    ):
        done = edited(two, setting, "--here")
        assert done.code == 1, done
        assert f"is said at overlays/prod.yaml:{line}" in done.err
        assert "Edit overlays/prod.yaml." in done.err
    two.write(PROD.replace("{maxInputLength: 4096}", "null"), "overlays/prod.yaml")
    assert "overlays/prod.yaml:11 (spec.engine)" in edited(two, "spec.engine.maxBatchSize=3").err
    assert edited(two, "spec.autoscaling.minReplicas=2").code == 0
    two.write(PROD + "  autoscaling: {replicas: 3}\n", "overlays/prod.yaml")
    said = edited(two, "spec.autoscaling.minReplicas=1")
    assert said.code == 1
    assert "gives way to what overlays/prod.yaml says" in said.err
    two.write(PROD, "overlays/prod.yaml")
    done = two.run("set", "Endpoint/eval", "--env", "prod", "spec.model.uploaded.id=m-2")
    assert done.out == "only-prod/eval.yaml:4: spec.model.uploaded.id: m-1 → m-2\n", done


def test_new_needs_no_environment(two: Project) -> None:
    done = two.run("new", "fresh", "--repo", "acme/fresh")
    assert done.code == 0, done
    assert (two.root / "endpoints/fresh.yaml").exists()
    assert two.run("validate").code == 0


def test_without_environments_all_is_as_before(project: Project) -> None:
    project.write(endpoint())
    assert project.apply("--env", "anything").code == 0
    assert project.state["environment"] == "anything"
    assert refused(project, "plan", code=5)


def test_an_environment_may_have_all_of_its_own_in_one_folder(two: Project) -> None:
    settings = SETTINGS.replace("[overlays/prod.yaml]", "[prod/over]").replace("only-prod/", "prod")
    two.write(settings, "friendli-iac.yaml")
    for old, new in (("overlays/prod", "prod/over/chat"), ("only-prod/eval", "prod/eval")):
        two.write((two.root / f"{old}.yaml").read_text(), f"{new}.yaml")
        (two.root / f"{old}.yaml").unlink()
    assert spec(two, "prod")["metadata"]["labels"]["tier"] == "gold"
    assert spec(two, "prod", "Endpoint/eval")["spec"]["project"] == "p-prod"


LOST = [  # what `manifests` has, what staging names; where that is told, and how
    ("endpoints/", "manifests: [endpoints/]", "friendli-iac.yaml:7:17", "(friendli-iac.yaml:1:13)"),
    (".", "manifests: [endpoints/chat.yaml]", "friendli-iac.yaml:7:17", "the others would lose it"),
    ("endpoints/*.yaml", "manifests: [endpoints]", "friendli-iac.yaml:7:17", "staging alone"),
    ("endpoints/", "overlays: [endpoints]", "endpoints/chat.yaml:4:9", "(friendli-iac.yaml:7:16)"),
    (
        "endpoints/chat.yaml",
        "overlays: [endpoints/chat.yaml]",
        "endpoints/chat.yaml:4:9",
        "staging",
    ),
    ("", "overlays: [endpoints/chat.yaml]", "endpoints/chat.yaml:4:9", "declares Endpoint/chat"),
]


@pytest.mark.parametrize(("base", "names", "place", "said"), LOST)
def test_what_one_environment_names_is_not_lost_to_the_others(
    project: Project, base: str, names: str, place: str, said: str
) -> None:
    """Taken out of the base by mistake, it would be planned as a delete in prod."""
    settings = SETTINGS.replace("[endpoints/, templates.yaml]", f"['{base}']")
    settings = settings.replace("[overlays/prod.yaml]", "[endpoints/overlays]")
    settings = settings.replace("    manifests: [only-prod/]\n", "")
    settings = settings if base else "# none\n" + settings.partition("\n")[2]
    project.write(CHAT, "endpoints/chat.yaml")
    project.write(PROD, "endpoints/overlays/prod.yaml")  # which the base passes over
    project.write(
        settings.replace("[overlays/staging]", "[endpoints/overlays]"), "friendli-iac.yaml"
    )
    assert project.run("validate").code == 0
    project.write(settings.replace("overlays: [overlays/staging]", names), "friendli-iac.yaml")
    for command in ("validate", "plan", "apply --yes"):
        told = refused(project, *command.split(), "--env", "prod")
        assert f"{place}: " in told
        assert said in told


@pytest.mark.parametrize("base", [".", "**/*.yaml", "endpoints"])
def test_a_folder_of_one_environment_within_the_base(project: Project, base: str) -> None:
    """That is no mistake, whether the base is written out or not."""
    settings = SETTINGS.replace("[endpoints/, templates.yaml]", f"['{base}']")
    settings = settings.replace("[only-prod/]", "[endpoints/prod]")
    project.write(settings.replace("    overlays: [overlays/staging]\n", ""), "friendli-iac.yaml")
    project.write(CHAT.replace("name: chat", 'name: "chat-${var.most}"'), "endpoints/chat.yaml")
    project.write(EVAL, "endpoints/prod/eval.yaml")
    project.write(PROD.replace("name: chat", "name: chat-8"), "overlays/prod.yaml")
    for name, found in (("staging", ["chat-2"]), ("prod", ["chat-8", "eval"])):
        shown = project.run("render", "--env", name, "--format", "json")
        assert shown.code == 0, shown
        assert [one["metadata"]["name"] for one in shown.json["documents"]] == found


def test_an_overlay_of_what_another_environment_has_for_itself(two: Project) -> None:
    two.write(SETTINGS.replace("[overlays/prod.yaml]", "[endpoints/over]"), "friendli-iac.yaml")
    name, patch = '"e-${var.most}"', STAGING_POLICY.replace("{policy: calm}", "{replicas: 2}")
    two.write(EVAL.replace("eval", name), "only-prod/e.yaml")
    two.write(CHAT.replace("name: chat", 'name: "b-${var.most}"'), "endpoints/b.yaml")
    for number, patched in enumerate(("eval", name, '"b-${var.most}"')):
        two.write(patch.replace("chat", patched), f"endpoints/over/{number}.yaml")
    assert two.run("validate").code == 0
    two.write(patch.replace("chat", "gone"), "endpoints/over/gone.yaml")
    told = refused(two, "validate", "--env", "staging")
    assert "endpoints/over/gone.yaml:3:18: nothing else declares Endpoint/gone" in told
    assert told.count("nothing else") == 1
    assert two.run("validate", "--env", "staging", "-f", "endpoints/chat.yaml").code == 0


def test_a_folder_of_overlays_that_is_empty(two: Project) -> None:
    (two.root / "overlays/staging/chat.yaml").rename(two.root / "overlays/staging/chat.txt")
    told = refused(two, "validate", "--env", "staging")
    assert "friendli-iac.yaml:7:16: no file matches overlays/staging" in told
    (two.root / "endpoints/none").mkdir()
    settings = SETTINGS.replace("templates.yaml]", "templates.yaml, endpoints/none]")
    two.write(settings, "friendli-iac.yaml")
    assert two.run("validate", "--env", "prod").code == 0, "the base is told of by its plan"
