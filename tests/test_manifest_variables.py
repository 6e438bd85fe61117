"""`${…}`: where values come from, what may be shown, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from friendli_iac.manifest import Manifest
from friendli_iac.resources.base import Address
from tests.manifest_files import ENDPOINT, at, endpoint, load, only, problems, write

CANARY = "canary-7f3a9"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def comment(manifest: Manifest) -> object:
    return manifest.resources[Address("Endpoint", "chat")].spec["versionComment"]


def test_later_sources_win(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="variables: {x: default}\n")
    write(tmp_path, chat=endpoint(extra="  versionComment: ${var.x}\n"))
    assert comment(load(tmp_path)) == "default"
    one, two = tmp_path / "one.vars", tmp_path / "two.vars"
    one.write_text("x: first\n")
    two.write_text("x: second\n")
    assert comment(load(tmp_path, variable_files=[one])) == "first"
    assert comment(load(tmp_path, variable_files=[one, two])) == "second"
    environ = {"FRIENDLI_IAC_VAR_x": "environment"}
    assert comment(load(tmp_path, variable_files=[one], environ=environ)) == "environment"
    flags = {"x": "flag"}
    assert comment(load(tmp_path, variables=flags, environ=environ)) == "flag"


def test_the_environment_may_name_a_variable_in_capitals(tmp_path: Path) -> None:
    write(tmp_path, chat=endpoint(extra="  versionComment: ${var.my-x}\n"))
    assert comment(load(tmp_path, environ={"FRIENDLI_IAC_VAR_MY_X": "hi"})) == "hi"


@pytest.mark.parametrize("source", ["default", "file", "environment", "flag"])
def test_numbers_and_booleans_from_every_source(tmp_path: Path, source: str) -> None:
    extra = "  engine: {maxBatchSize: '${var.size}', contentLogging: '${var.log}'}\n"
    write(tmp_path, chat=endpoint(extra=extra))
    (tmp_path / "v").write_text("{size: 7, log: true}\n")
    options = {
        "default": {},
        "file": {"variable_files": [tmp_path / "v"]},
        "environment": {"environ": {"FRIENDLI_IAC_VAR_size": "7", "FRIENDLI_IAC_VAR_log": "true"}},
        "flag": {"variables": {"size": "7", "log": "true"}},
    }[source]
    if source == "default":
        write(tmp_path, friendli_iac="variables: {size: 7, log: true}\n")
    (declared,) = load(tmp_path, **options).resources.values()
    assert declared.spec["engine"] == {"maxBatchSize": 7, "contentLogging": True}
    assert type(declared.spec["engine"]["maxBatchSize"]) is int


def test_a_whole_list_can_be_a_variable(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="variables: {paths: [autoscaling]}\n")
    write(tmp_path, chat=endpoint(extra="  lifecycle: {ignoreChanges: '${var.paths}'}\n"))
    (declared,) = load(tmp_path).resources.values()
    assert declared.spec["lifecycle"] == {"ignoreChanges": ["autoscaling"]}
    write(tmp_path, chat=endpoint(extra="  versionComment: a ${var.paths}\n"))
    assert "not a single value" in only(tmp_path).message


def test_values_within_text_and_literals(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="variables: {a: 1, b: true, c: '${var.a}'}\n")
    text = "${var.a}-${var.b} $${var.a} $$ ${var.c} $x"
    write(tmp_path, chat=endpoint(extra=f"  versionComment: {text}\n"))
    assert comment(load(tmp_path)) == "1-true ${var.a} $$ ${var.a} $x"


def test_names_labels_and_defaults_take_variables(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="defaults: {Endpoint: {versionComment: 'by ${var.who}'}}\n")
    write(tmp_path, chat=endpoint("chat-${var.who}").replace("search", "'${var.who}'"))
    (declared,) = load(tmp_path, variables={"who": "me"}).resources.values()
    assert declared.address == Address("Endpoint", "chat-me")
    assert declared.labels == {"team": "me"}
    assert declared.spec["versionComment"] == "by me"
    assert {type(value) for value in declared.labels.values()} == {str}
    assert type(declared.spec["versionComment"]) is str


def test_a_variable_that_only_the_defaults_use_is_used(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="defaults: {Endpoint: {versionComment: 'by ${var.who}'}}\n")
    write(tmp_path, chat=ENDPOINT)
    assert comment(load(tmp_path, variables={"who": "me"})) == "by me"


def test_what_came_as_text_is_still_checked(tmp_path: Path) -> None:
    write(tmp_path, chat=endpoint(extra="  engine: {maxBatchSize: '${var.n}'}\n"))
    problem = only(tmp_path, variables={"n": "many"})
    assert (at(problem), problem.message) == (
        (11, 26),
        'maxBatchSize must be a whole number, not "many"',
    )


@pytest.mark.parametrize(
    ("text", "rule", "remedy"),
    [
        ("${var.x}", "missing-variable", "--var x=VALUE"),
        ("a ${var.x} b", "missing-variable", "FRIENDLI_IAC_VAR_x"),
        ("${var.maxx}", "missing-variable", "did you mean max?"),
        ("${env:FRIENDLI_PROJECT_ID}", "missing-variable", "export FRIENDLI_PROJECT_ID="),
        ("${env:HOME}", "env-not-allowed", "--allow-env HOME"),
        ("${env:FRIENDLI_TOKEN}", "env-not-allowed", "never hold secrets"),
        ("${env:MY_KEY}", "env-not-allowed", "never hold secrets"),
        ("${var.x y}", "expression", "${var.NAME}"),
        ("${ var.x }", "expression", "${var.NAME}"),
        ("${x}", "expression", "${var.NAME}"),
        ("${", "expression", "${var.NAME}"),
        ("${}", "expression", "${var.NAME}"),
        ("${file:/etc/passwd}", "expression", "${var.NAME}"),
        ("${var.${env:HOME}}", "expression", "${var.NAME}"),
    ],
)
def test_what_cannot_be_put_in(tmp_path: Path, text: str, rule: str, remedy: str) -> None:
    write(tmp_path, friendli_iac="variables: {max: 3}\n")
    write(tmp_path, chat=endpoint(extra=f"  versionComment: '{text}'\n"))
    problem = only(tmp_path, environ={"HOME": CANARY, "MY_KEY": CANARY, "FRIENDLI_TOKEN": CANARY})
    assert (problem.rule, at(problem)) == (rule, (11, 19))
    assert remedy in problem.remedy
    assert CANARY not in repr(problem)


def test_project_and_team_come_from_the_environment(tmp_path: Path) -> None:
    text = endpoint(extra="  versionComment: ${env:FRIENDLI_TEAM_ID}\n")
    write(tmp_path, chat=text.replace("p1", "${env:FRIENDLI_PROJECT_ID}"))
    full = {"FRIENDLI_PROJECT_ID": "p", "FRIENDLI_TEAM_ID": "t", "FRIENDLI_TEAM": "no"}
    short = {"FRIENDLI_PROJECT": "p", "FRIENDLI_TEAM": "t", "FRIENDLI_PROJECT_ID": ""}
    for environ in (full, short):
        (declared,) = load(tmp_path, environ=environ).resources.values()
        assert (declared.spec["project"], declared.spec["versionComment"]) == ("p", "t")


@pytest.mark.parametrize("name", ["FRIENDLI_TOKEN", "my_token", "API_KEY", "aSecret", "PGPASS"])
def test_no_pattern_allows_what_looks_like_a_secret(tmp_path: Path, name: str) -> None:
    write(tmp_path, chat=ENDPOINT.replace("search", f"'${{env:{name}}}'"))
    problem = only(tmp_path, environ={name: CANARY}, allow_env=["*", name])
    assert problem.rule == "env-not-allowed"
    assert CANARY not in repr(problem)


def test_an_expression_in_braces_is_told_to_be_quoted(tmp_path: Path) -> None:
    write(tmp_path, chat=ENDPOINT.replace("search", "${var.who}"))
    problem = only(tmp_path, variables={"who": "me"})
    assert (problem.rule, problem.line) == ("yaml-syntax", 5)
    assert '"${var.NAME}"' in problem.remedy


def test_patterns_allow_more_of_the_environment(tmp_path: Path) -> None:
    write(tmp_path, chat=endpoint(extra="  versionComment: ${env:CI_JOB}\n"))
    environ = {"CI_JOB": "17"}
    assert comment(load(tmp_path, environ=environ, allow_env=["X", "CI_*"])) == "17"
    assert only(tmp_path, environ=environ, allow_env=["X"]).rule == "env-not-allowed"


def test_keys_and_kinds_take_no_variables(tmp_path: Path) -> None:
    write(tmp_path, chat=ENDPOINT.replace("kind: Endpoint", "kind: ${var.k}"))
    assert only(tmp_path, variables={"k": "Endpoint"}).rule == "unknown-kind"
    write(tmp_path, chat=ENDPOINT.replace("{team:", "{'${var.k}':"))
    (declared,) = load(tmp_path, variables={"k": "x"}).resources.values()
    assert declared.labels == {"${var.k}": "search"}


def test_a_variable_that_nothing_uses_is_a_typing_error(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="variables: {max: 3, unused: 3}\n", chat=ENDPOINT)
    problem = only(tmp_path, variables={"mx": CANARY, "unused": "1"})
    assert (problem.rule, problem.remedy) == ("variable", "did you mean max?")
    assert CANARY not in repr(problem)
    (tmp_path / "v").write_text("max: 1\nmx: 2\n")
    problem = only(tmp_path, variable_files=[tmp_path / "v"])
    assert (problem.file, at(problem)) == ("v", (2, 1))
    # The file may be meant for the whole project, of which this is a part.
    assert load(tmp_path, ["chat.yaml"], variable_files=[tmp_path / "v"]).resources


def test_a_variable_used_in_a_broken_document_counts_as_used(tmp_path: Path) -> None:
    write(tmp_path, chat=endpoint(extra="  versionComment: ${var.x}\n  : : :\n"))
    assert [p.rule for p in problems(tmp_path, variables={"x": "1"})] == ["yaml-syntax"]


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "a: 010\n"])
def test_a_bad_variable_file(tmp_path: Path, text: str) -> None:
    write(tmp_path, chat=endpoint(extra="  versionComment: ${var.a}\n"))
    (tmp_path / "v").write_text(text)
    assert "v" in {problem.file for problem in problems(tmp_path, variable_files=[tmp_path / "v"])}


# --- sensitive values --------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["label", "spec", "name", "part"])
def test_a_sensitive_variable_is_refused_everywhere(tmp_path: Path, place: str) -> None:
    write(tmp_path, friendli_iac="variables: {hush: {sensitive: true}}\n")
    text = {
        "label": ENDPOINT.replace("search", "'${var.hush}'"),
        "spec": endpoint(extra="  versionComment: ${var.hush}\n"),
        "name": endpoint("a-${var.hush}"),
        "part": endpoint(extra="  versionComment: my ${var.hush}!\n"),
    }[place]
    write(tmp_path, chat=text)
    problem = only(tmp_path, variables={"hush": CANARY})
    assert problem.rule == "sensitive-variable"
    assert CANARY not in repr(problem)


def test_no_problem_shows_a_sensitive_value(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="variables: {hush: {sensitive: true}}\n")
    extra = f"  versionComment: [{CANARY}]\n  {CANARY}: 1\n  engine: {{maxBatchSize: x{CANARY}x}}\n"
    write(tmp_path, chat=endpoint(extra=extra))
    found = problems(tmp_path, environ={"FRIENDLI_IAC_VAR_hush": CANARY})
    assert len(found) == 3
    assert CANARY not in repr(found)


def test_the_values_to_redact_are_those_of_every_source(tmp_path: Path) -> None:
    settings = "variables: {hush: {sensitive: true, default: one}, loud: {default: four}}\n"
    write(tmp_path, friendli_iac=settings, chat=ENDPOINT)
    (tmp_path / "v").write_text("{hush: twoo}\n")
    manifest = load(
        tmp_path,
        variables={"hush": "three"},
        variable_files=[tmp_path / "v"],
        environ={"FRIENDLI_IAC_VAR_HUSH": "fourteen"},
    )
    assert manifest.sensitive == ("fourteen", "three", "twoo", "one")
    assert "three" not in repr(manifest)


# --- bounds ------------------------------------------------------------------------------------


def test_a_value_does_not_grow_without_end(tmp_path: Path) -> None:
    big = {"big": "x" * 20_000}
    write(tmp_path, chat=endpoint(extra="  versionComment: ${var.big}${var.big}${var.big}\n"))
    assert load(tmp_path, variables=big).resources
    write(tmp_path, chat=endpoint(extra=f"  versionComment: {'${var.big}' * 1_000}\n"))
    problem = only(tmp_path, variables=big)
    assert (problem.rule, at(problem)) == ("too-large", (11, 19))
    assert "longer than 65,536 characters" in problem.message
    write(tmp_path, chat=endpoint(extra="  versionComment: ${var.big}\n"))
    assert only(tmp_path, variables={"big": "x" * 70_000}).rule == "too-large"


def test_variables_do_not_fill_the_memory(tmp_path: Path) -> None:
    labels = ", ".join(f"l{n}: '${{var.big}}'" for n in range(1_200))
    write(tmp_path, chat=endpoint().replace("team: search", labels))
    found = problems(tmp_path, variables={"big": "x" * 60_000})
    assert {problem.rule for problem in found} == {"too-large"}
    assert "more than 67,108,864 characters" in found[0].message


def test_a_variable_that_is_a_structure_has_a_size(tmp_path: Path) -> None:
    write(tmp_path, chat=endpoint(extra="  engine: ${var.block}\n"))
    (tmp_path / "vars.yml").write_text(
        "block: {" + ", ".join(f"a{n}: {'x' * 20}" for n in range(4_500)) + "}"
    )
    problem = only(tmp_path, ["chat.yaml"], variable_files=[tmp_path / "vars.yml"])
    assert (problem.rule, at(problem)) == ("too-large", (11, 11))
