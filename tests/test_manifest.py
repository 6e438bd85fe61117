"""Good manifests: which files are read, and what comes of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from friendli_iac.manifest import Declared, Source, find_project, load_manifest
from friendli_iac.resources.base import Address
from tests.manifest_files import ENDPOINT, POLICY, at, endpoint, load, only, problems, write

CHAT = Address("Endpoint", "chat")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def names(manifest: Any) -> list[str]:
    return [address.name for address in manifest.resources]


# --- specifications ----------------------------------------------------------------------------


def test_a_document_becomes_a_canonical_resource(tmp_path: Path) -> None:
    extra = "  autoscaling: {minReplicas: 0, maxReplicas: 2, cooldown: 1h30m}\n"
    write(tmp_path, chat=endpoint(extra=extra))
    manifest = load(tmp_path)
    declared = manifest.resources[CHAT]
    assert declared.spec == {
        "project": "p1",
        "name": "chat",
        "model": {"huggingFace": {"repo": "meta-llama/Llama-3.1-8B-Instruct"}},
        "instance": {"gpu": "H100", "count": 1},
        "autoscaling": {"minReplicas": 0, "maxReplicas": 2, "cooldown": 5400},
        "engine": {"contentLogging": False},
    }
    assert declared.labels == {"team": "search"}
    assert declared.depends_on == ()
    assert manifest.complete


def test_many_documents_and_empty_ones(tmp_path: Path) -> None:
    text = "---\n---\n" + "---\n# nothing\n---\n".join(endpoint(n) for n in ("a", "b", "c"))
    write(tmp_path, all=text + "...\n# the end\n---\n")
    assert names(load(tmp_path)) == ["a", "b", "c"]


def test_windows_line_breaks(tmp_path: Path) -> None:
    text = "---\n".join((endpoint("a"), endpoint("b"))).replace("\n", "\r\n")
    (tmp_path / "chat.yaml").write_bytes(text.encode())
    declared = load(tmp_path).resources[Address("Endpoint", "b")]
    assert declared.source("project") == Source("chat.yaml", 18, 12)


def test_a_policy_takes_the_place_of_the_block_that_names_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        chat=endpoint(extra="  autoscaling: {policy: interactive}\n"),
        policies=POLICY,
    )
    manifest = load(tmp_path)
    declared = manifest.resources[CHAT]
    assert declared.spec["autoscaling"] == {"minReplicas": 1, "maxReplicas": 4, "cooldown": 600}
    assert list(manifest.resources) == [CHAT]
    assert manifest.templates == {
        Address("AutoscalingPolicy", "interactive"): Source("policies.yaml", 1, 1)
    }
    assert str(declared.source("autoscaling.maxReplicas")) == "policies.yaml:4"
    assert str(declared.source("autoscaling")) == "chat.yaml:11"


def test_resources_that_share_a_policy_do_not_share_its_spec(tmp_path: Path) -> None:
    extra = "  autoscaling: {policy: interactive}\n"
    write(tmp_path, all="---\n".join((endpoint("a", extra), endpoint("b", extra), POLICY)))
    one, other = load(tmp_path).resources.values()
    one.spec["autoscaling"]["maxReplicas"] = 9
    assert other.spec["autoscaling"]["maxReplicas"] == 4


def test_dependencies_are_addresses(tmp_path: Path) -> None:
    text = endpoint("b").replace("  labels", "  dependsOn: [Endpoint/a]\n  labels")
    write(tmp_path, all=endpoint("a") + "---\n" + text)
    declared = load(tmp_path).resources[Address("Endpoint", "b")]
    assert declared.depends_on == (Address("Endpoint", "a"),)


def test_an_alias_repeats_a_value(tmp_path: Path) -> None:
    extra = "  engine: {maxBatchSize: &n 64, maxInputLength: *n}\n"
    write(tmp_path, chat=endpoint(extra=extra))
    engine = load(tmp_path).resources[CHAT].spec["engine"]
    assert (engine["maxBatchSize"], engine["maxInputLength"]) == (64, 64)


# --- defaults and sources ----------------------------------------------------------------------

SETTINGS = """\
defaults:
  Endpoint:
    project: shared
    autoscaling: {minReplicas: 1, maxReplicas: 3}
    engine:
      maxBatchSize: 32
"""


def test_defaults_are_merged_under_each_document(tmp_path: Path) -> None:
    extra = "  engine: {maxInputLength: 100}\n"
    write(tmp_path, friendli_iac=SETTINGS, chat=endpoint(extra=extra))
    declared = load(tmp_path).resources[CHAT]
    assert declared.spec["project"] == "p1"
    assert declared.spec["engine"] == {
        "contentLogging": False,
        "maxBatchSize": 32,
        "maxInputLength": 100,
    }
    assert declared.source("project") == Source("chat.yaml", 7, 12)
    assert declared.source("engine.maxBatchSize") == Source("friendli-iac.yaml", 6, 21)
    assert declared.source("engine.maxInputLength") == Source("chat.yaml", 11, 28)


def test_a_required_field_may_come_from_the_defaults(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac=SETTINGS, chat=ENDPOINT.replace("  project: p1\n", ""))
    assert load(tmp_path).resources[CHAT].spec["project"] == "shared"


def test_an_alternative_drops_the_other_one_of_the_defaults(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac=SETTINGS, chat=endpoint(extra="  autoscaling: {replicas: 2}\n"))
    declared = load(tmp_path).resources[CHAT]
    assert declared.spec["autoscaling"] == {"replicas": 2}
    assert str(declared.source("autoscaling.maxReplicas")) == "chat.yaml:11"


def test_what_a_policy_says_comes_from_it_and_not_from_the_defaults(tmp_path: Path) -> None:
    extra = "  autoscaling: {policy: interactive}\n"
    write(tmp_path, friendli_iac=SETTINGS, chat=endpoint(extra=extra), policies=POLICY)
    assert (
        str(load(tmp_path).resources[CHAT].source("autoscaling.maxReplicas")) == "policies.yaml:4"
    )


def test_a_source_falls_back_to_what_is_around(tmp_path: Path) -> None:
    write(tmp_path, chat="# a comment\n---\n" + endpoint(extra="  engine: {maxBatchSize: 2}\n"))
    declared = load(tmp_path).resources[CHAT]
    assert declared.source() == Source("chat.yaml", 3, 1)
    assert declared.source("name") == Source("chat.yaml", 6, 9)  # metadata.name gives it
    assert str(declared.source("engine.contentLogging")) == "chat.yaml:13"
    assert str(declared.source("labels.team")) == "chat.yaml:7"


def test_what_no_file_declares_has_no_source() -> None:
    assert Declared(CHAT, {"name": "chat"}, {}, ()).source("name") == Source("", 0, 0)


# --- files -------------------------------------------------------------------------------------


def test_every_yaml_file_of_the_project_is_read_but_for_what_is_not_ours(tmp_path: Path) -> None:
    write(tmp_path, a=endpoint("a"), sub__b=endpoint("b"))
    (tmp_path / "sub/c.yml").write_text(endpoint("c"))
    write(tmp_path, **{".hidden__d": endpoint("d"), "node_modules__e": endpoint("e")})
    write(tmp_path, **{".f": endpoint("f")})
    write(tmp_path, compose="services: {web: {ports: [12:30]}, x: }\n")
    write(tmp_path, config="apiVersion: v1\ndata:\n  a: |\n    apiVersion: friendli-iac/v1\n")
    (tmp_path / "notes.txt").write_text(endpoint("g"))
    assert names(load(tmp_path)) == ["a", "b", "c"]


def test_a_folder_with_settings_of_its_own_is_another_project(tmp_path: Path) -> None:
    write(tmp_path, a=endpoint("a"), sub__b=endpoint("b"), sub__friendli_iac="{}")
    assert names(load(tmp_path)) == ["a"]
    assert names(load(tmp_path / "sub")) == ["b"]


def test_manifests_are_files_folders_and_patterns(tmp_path: Path) -> None:
    settings = "manifests: [one.yaml, folder, 'deep/**/*.yaml']\n"
    write(tmp_path, friendli_iac=settings, one=endpoint("one"), other=endpoint("other"))
    write(tmp_path, folder__two=endpoint("two"), deep__er__three=endpoint("three"))
    write(tmp_path, folder__compose="services: {}\n")
    assert names(load(tmp_path)) == ["one", "two", "three"]


def test_files_narrow(tmp_path: Path) -> None:
    write(tmp_path, a=endpoint("a"), b=endpoint("b"), sub__c=endpoint("c"))
    manifest = load(tmp_path, ["b.yaml", "sub", "b.yaml"])
    assert names(manifest) == ["b", "c"]
    assert not manifest.complete


def test_a_dash_is_standard_input(tmp_path: Path) -> None:
    manifest = load(tmp_path, ["-"], stdin=lambda: ENDPOINT)
    assert str(manifest.resources[CHAT].source("project")) == "<stdin>:7"


def test_files_are_named_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, sub__chat=ENDPOINT)
    assert str(load(tmp_path).resources[CHAT].source()) == "sub/chat.yaml:1"
    monkeypatch.chdir("/usr")
    assert str(load(tmp_path).resources[CHAT].source()) == f"{tmp_path}/sub/chat.yaml:1"


# --- the project -------------------------------------------------------------------------------


def test_settings_are_found_upwards(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="state: s.json\n", a__b__chat=ENDPOINT)
    project = find_project(tmp_path / "a/b")
    assert project.root == tmp_path
    assert project.file == tmp_path / "friendli-iac.yaml"
    assert project.state == "s.json"


def test_settings_are_not_found_beyond_the_git_root(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="state: s.json\n", repo__a__chat=ENDPOINT)
    (tmp_path / "repo/.git").mkdir()
    project = find_project(tmp_path / "repo/a")
    assert (project.root, project.file) == (tmp_path / "repo/a", None)
    (tmp_path / "repo/friendli-iac.yaml").write_text("")
    assert find_project(tmp_path / "repo/a").root == tmp_path / "repo"


def test_variables_are_declared_short_or_long(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="variables: {a: 1, b: {description: B}, c: {sensitive: true}}\n")
    declared = find_project(tmp_path).variables
    assert declared["a"].default == 1
    assert declared["b"].description == "B"
    assert declared["c"].sensitive
    assert not declared["a"].sensitive


@pytest.mark.parametrize(
    ("text", "rule", "place"),
    [
        ("manifest: [a]\n", "unknown-key", (1, 1)),
        ("manifests: a\n", "type", (1, 12)),
        ("manifests: [1]\n", "type", (1, 13)),
        ("state: 3\n", "type", (1, 8)),
        ("variables: [a]\n", "type", (1, 12)),
        ("variables: {1a: 3}\n", "variable-name", (1, 13)),
        ("variables: {a: {defaul: 3}}\n", "unknown-key", (1, 17)),
        ("variables: {a: {sensitive: 1}}\n", "type", (1, 28)),
        ("defaults: {Endpont: {}}\n", "unknown-kind", (1, 12)),
        ("defaults: {Endpoint: 3}\n", "type", (1, 22)),
        ("state: a\n---\nstate: b\n", "documents", (3, 1)),
        ("- a\n", "type", (1, 1)),
    ],
)
def test_problems_of_the_settings(
    tmp_path: Path, text: str, rule: str, place: tuple[int, int]
) -> None:
    write(tmp_path, friendli_iac=text)
    problem = only(tmp_path)
    assert (problem.file, problem.rule, at(problem)) == ("friendli-iac.yaml", rule, place)
    assert problem.remedy


def test_tokens_and_addresses_are_no_settings(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="token: x\nbaseUrl: there\n")
    assert all("environment" in problem.remedy for problem in problems(tmp_path))


# --- any wish comes out as it went in ----------------------------------------------------------

_counts = st.integers(min_value=1, max_value=10)
_texts = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1).map(
    lambda text: text.replace("${", "$")
)
_specs = st.fixed_dictionaries(
    {
        "project": _texts,
        "model": st.fixed_dictionaries({"huggingFace": st.fixed_dictionaries({"repo": _texts})}),
        "instance": st.sampled_from([{"gpu": "H100", "count": 2}, {"optionId": "new-one"}]),
    },
    optional={
        "autoscaling": st.fixed_dictionaries({"replicas": _counts}),
        "engine": st.fixed_dictionaries({"contentLogging": st.booleans(), "maxBatchSize": _counts}),
        "versionComment": _texts,
    },
)


@given(_specs)
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_spec_comes_out_as_it_went_in(tmp_path: Path, spec: dict[str, Any]) -> None:
    document = {
        "apiVersion": "friendli-iac/v1",
        "kind": "Endpoint",
        "metadata": {"name": "chat"},
        "spec": spec,
    }
    text = json.dumps(document, ensure_ascii=False)  # which is YAML too
    project = find_project(tmp_path)
    manifest = load_manifest(project, files=["-"], stdin=lambda: text, environ={})
    engine = {"contentLogging": False, **spec.get("engine", {})}
    assert manifest.resources[CHAT].spec == {**spec, "name": "chat", "engine": engine}


def test_the_environment_of_the_process_is_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "FRIENDLI_PROJECT_ID", "from-the-process")
    write(tmp_path, chat=ENDPOINT.replace("p1", "${env:FRIENDLI_PROJECT_ID}"))
    assert only(tmp_path).rule == "missing-variable"


def test_who_wrote_a_value(tmp_path: Path) -> None:
    settings = "defaults: {Endpoint: {engine: {maxBatchSize: 8}, autoscaling: {replicas: 2}}}\n"
    extra = "  autoscaling: {policy: interactive}\n  engine: {contentLogging: false}\n"
    write(tmp_path, friendli_iac=settings, chat=endpoint(extra=extra), policy=POLICY)
    chat = load(tmp_path).resources[CHAT]
    assert chat.wrote("engine.contentLogging")
    assert chat.wrote("engine.maxBatchSize")
    assert chat.wrote("autoscaling.maxReplicas")
    assert not chat.wrote("autoscaling.replicas")
    assert not chat.wrote("engine.maxTokenCount")
    write(tmp_path, friendli_iac="", chat=endpoint())
    plain = load(tmp_path).resources[CHAT]
    assert plain.spec["engine"]["contentLogging"] is False
    assert not plain.wrote("engine.contentLogging")
    assert not Declared(CHAT, plain.spec, {}, ()).wrote("project")
