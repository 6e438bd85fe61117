"""Bad manifests: every problem at its place, in plain words, with a remedy, all in one run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from friendli_iac.errors import ManifestError
from friendli_iac.manifest import find_project, load_manifest
from tests.manifest_files import ENDPOINT, POLICY, at, endpoint, load, only, problems, write


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Each is put at the end of the spec, from line 11 on: rule, line, column, message, remedy.
SPEC_PROBLEMS = [
    (
        "  autoscaling: {maxReplica: 2}",
        ("unknown-key", 11, 17, "unknown key maxReplica", "did you mean maxReplicas?"),
    ),
    (
        "  autoscaling: {max_replicas: 2}",
        ("unknown-key", 11, 17, "unknown key max_replicas", "did you mean maxReplicas?"),
    ),
    (
        "  maxReplicas: 2",
        ("unknown-key", 11, 3, "unknown key maxReplicas", "belongs in autoscaling"),
    ),
    (
        "  maxReplica: 2",
        ("unknown-key", 11, 3, "unknown key maxReplica", "maxReplicas, in autoscaling?"),
    ),
    (
        "  sentAdapters: []",
        ("unknown-key", 11, 3, "unknown key sentAdapters", "only friendli-iac writes it"),
    ),
    ("  engine: {zzz: 2}", ("unknown-key", 11, 12, "unknown key zzz", "has the keys maxBatchSize")),
    (
        "  autoscaling:\n    maxReplicas: two",
        ("type", 12, 18, 'maxReplicas must be a whole number, not "two"', "replicas"),
    ),
    (
        '  autoscaling: {maxReplicas: "2"}',
        ("type", 11, 30, 'maxReplicas must be a whole number, not "2"', "replicas"),
    ),
    (
        "  autoscaling: {maxReplicas: true}",
        ("type", 11, 30, "maxReplicas must be a whole number, not true", "replicas"),
    ),
    (
        "  autoscaling: {maxReplicas: 2.5}",
        ("type", 11, 30, "maxReplicas must be a whole number, not 2.5", "replicas"),
    ),
    (
        "  autoscaling: {minReplicas: -1}",
        ("range", 11, 30, "minReplicas must be at least 0, not -1", "Replicas"),
    ),
    (
        "  autoscaling: {maxReplicas: 11}",
        ("range", 11, 30, "maxReplicas must be at most 10, not 11", "at most 10"),
    ),
    (
        "  autoscaling: {minReplicas: 3, maxReplicas: 2}",
        ("replicas", 11, 3, "maxReplicas 2 is below minReplicas 3", "minReplicas"),
    ),
    (
        "  autoscaling: {cooldown: 300}",
        ("duration", 11, 27, "cooldown 300: a duration needs a unit: write 300s", "5m"),
    ),
    (
        "  autoscaling: {replicas: 2, minReplicas: 1}",
        ("exclusive", 11, 3, "minReplicas and replicas exclude each other", "policy"),
    ),
    ("  autoscaling: [1]", ("type", 11, 16, "autoscaling must be a block of keys, not a list", "")),
    (
        "  engine: {contentLogging: 'true'}",
        ("type", 11, 28, 'contentLogging must be true or false, not "true"', "off by default"),
    ),
    (
        "  engine: {queue: {backpressure: {metric: ttft, threshold: 5}}}",
        ("pattern", 11, 43, 'metric cannot be "ttft"', "TTFT_MS"),
    ),
    (
        "  engine: {queue: {backpressure: {metric: TTFT_MS, threshold: true}}}",
        ("type", 11, 63, "threshold must be a number, not true", "metric"),
    ),
    (
        "  engine: {queue: {backpressure: {metric: TTFT_MS}}}",
        ("required", 11, 20, "threshold is required in backpressure", "add threshold"),
    ),
    (
        "  versionComment: 12",
        ("type", 11, 19, "versionComment must be text, not 12", 'quote it: "12"'),
    ),
    ("  versionComment: 1.10", ("type", 11, 19, "must be text, not 1.10", 'quote it: "1.10"')),
    ("  versionComment: ''", ("empty", 11, 19, "versionComment must not be empty", "Versions")),
    (
        "  lifecycle: {ignoreChanges: [engine.nope]}",
        ("ignore-changes", 11, 30, "there is no field engine.nope", "Paths of fields"),
    ),
    (
        "  lifecycle: {ignoreChanges: [autoscaling.policy]}",
        ("ignore-changes", 11, 30, "autoscaling.policy is only a reference", "Paths of fields"),
    ),
    (
        "  autoscaling: {minReplicas: 11}",
        ("range", 11, 30, "minReplicas must be at most 10, not 11", "Replicas that are always"),
    ),
    (
        "  lifecycle: {ignoreChanges: engine}",
        ("type", 11, 30, 'ignoreChanges must be a list, not "engine"', "Paths"),
    ),
    (
        "  lifecycle: {ignoreChanges: [1]}",
        ("type", 11, 31, "ignoreChanges[0] must be text, not 1", 'quote it: "1"'),
    ),
    (
        "  autoscaling: {policy: interactive}",
        ("dangling-reference", 11, 25, "no AutoscalingPolicy interactive", "add a document"),
    ),
    (
        "  project: p2",
        ("duplicate-key", 11, 3, 'the key "project" is written twice, first on line 7', "remove"),
    ),
    ("  engine:", ("null", 11, 10, "there is no value", "leave the key out, or give it a value")),
    ("  engine: ~", ("null", 11, 11, "there is no value", "leave the key out")),
    ("  engine: {<<: {maxBatchSize: 1}}", ("merge-key", 11, 12, "merge keys", "repeat the keys")),
    ("  engine: {maxBatchSize: !!int '3'}", ("tag", 11, 26, "tags such as", "remove the tag")),
    ("  engine: {1: 2}", ("key", 11, 12, "the key 1 is not text", 'write "1"')),
    ("  engine: {on: 2}", ("key", 11, 12, "the key on is not text", 'write "on"')),
    ("  engine: {? [a] : 2}", ("key", 11, 14, "a key must be text", "word")),
    ("  engine: *nothing", ("alias", 11, 11, "*nothing stands for nothing", "&nothing")),
    ("  engine: &a {queue: *a}", ("alias", 11, 22, "*a stands for nothing", "&a")),
    ("\tengine: 3", ("yaml-syntax", 11, 1, "a tab where YAML wants spaces", "spaces")),
    ("  engine: {", ("yaml-syntax", 12, 1, "", "")),
    ("  versionComment: a: b", ("yaml-syntax", 11, 20, "a second `: ` on one line", "quotes")),
    ("  versionComment: @me", ("yaml-syntax", 11, 19, "cannot begin with this", "quotes")),
]


@pytest.mark.parametrize(("text", "expected"), SPEC_PROBLEMS, ids=[t for t, _ in SPEC_PROBLEMS])
def test_problems_of_a_spec(
    tmp_path: Path, text: str, expected: tuple[str, int, int, str, str]
) -> None:
    rule, line, column, message, remedy = expected
    write(tmp_path, chat=endpoint(extra=text + "\n"))
    problem = only(tmp_path)
    assert (problem.rule, problem.line, problem.column) == (rule, line, column), problem
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.remedy
    assert problem.file == "chat.yaml"
    if rule != "yaml-syntax":
        assert problem.snippet == text.splitlines()[line - 11]


AMBIGUOUS = [
    *("yes", "No", "ON", "off", "y", "N"),
    *("010", "-07", "0o17", "0x1F", "0b11", "1_000", "1_0.5"),
    *("12:30:00", "12:30", "1:2:3.5"),
    *("2024-01-31", "2024-1-3", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43"),
    *("1e3", "1E3", "1234e567", "1.5e3", "1e+3", ".5", "1.", "1.0e+999"),
    *(".inf", "-.INF", ".nan", "="),
]


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_ambiguous_scalars_have_to_be_quoted(tmp_path: Path, text: str) -> None:
    write(tmp_path, chat=endpoint(extra=f"  versionComment: {text}\n"))
    problem = only(tmp_path)
    assert (problem.rule, at(problem)) == ("ambiguous-scalar", (11, 19))
    assert f'"{text}"' in problem.remedy
    write(tmp_path, chat=endpoint(extra=f'  versionComment: "{text}"\n'))
    (declared,) = load(tmp_path).resources.values()
    assert declared.spec["versionComment"] == text


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3",
        "v1",
        "0e9e39f249a1",
        "a:b",
        "nope",
        "10.0.0.1",
        "1-2",
        "k=v",
        "2024-01-31 release",
        "TrUe",
    ],
)
def test_ordinary_words_need_no_quotes(tmp_path: Path, text: str) -> None:
    write(tmp_path, chat=endpoint(extra=f"  versionComment: {text}\n"))
    (declared,) = load(tmp_path).resources.values()
    assert declared.spec["versionComment"] == text


def test_a_revision_of_digits_is_told_to_be_quoted_as_it_was_written(tmp_path: Path) -> None:
    revision = "1234567890" * 4
    write(tmp_path, chat=ENDPOINT.replace("8B-Instruct", f"8B-Instruct, revision: {revision}"))
    problem = only(tmp_path)
    assert problem.rule == "type"
    assert problem.remedy == f'quote it: "{revision}"'


ENVELOPE_PROBLEMS = [
    ("friendli-iac/v1", "friendli-iac/v2", ("api-version", 1, 13, "friendli-iac/v1")),
    ("friendli-iac/v1", "friendly-iac/v1", ("api-version", 1, 13, "friendli-iac/v1")),
    ("kind: Endpoint", "kind: Endpiont", ("unknown-kind", 2, 7, "did you mean Endpoint?")),
    ("kind: Endpoint\n", "", ("required", 1, 1, "add kind")),
    ("  name: chat\n", "", ("required", 2 + 1, 1, "add name")),
    ("name: chat", "name: Chat", ("name", 4, 9, "lower-case")),
    ("name: chat", "name: chat-", ("name", 4, 9, "letter or digit")),
    ("name: chat", f"name: {'a' * 64}", ("name", 4, 9, "63")),
    ("name: chat", "name: 12", ("type", 4, 9, 'quote it: "12"')),
    ("labels", "label", ("unknown-key", 5, 3, "did you mean labels?")),
    ("{team: search}", "{team: 1}", ("type", 5, 18, 'quote it: "1"')),
    ("{team: search}", "{team: true}", ("type", 5, 18, 'quote it: "true"')),
    ("{team: search}", "[a]", ("type", 5, 11, "labels: {")),
    ("labels: {team: search}", "dependsOn: Endpoint/a", ("type", 5, 14, "[Endpoint/chat]")),
    ("labels: {team: search}", "dependsOn: [a]", ("address", 5, 15, "[Endpoint/chat]")),
    ("labels: {team: search}", "dependsOn: [Endpoint/cha]", ("dependency", 5, 15, "Endpoint/chat")),
    ("labels: {team: search}", "dependsOn: [Foo/chat]", ("dependency", 5, 15, "Endpoint/chat")),
    ("metadata:", "labels: {}\nmetadata:", ("unknown-key", 3, 1, "belongs in metadata")),
    ("metadata:", "status: {}\nmetadata:", ("unknown-key", 3, 1, "the keys here are")),
    ("  project: p1\n", "", ("required", 6, 1, "add project to spec, or below defaults")),
]


@pytest.mark.parametrize(("old", "new", "expected"), ENVELOPE_PROBLEMS)
def test_problems_around_the_spec(
    tmp_path: Path, old: str, new: str, expected: tuple[str, int, int, str]
) -> None:
    write(tmp_path, chat=ENDPOINT.replace(old, new, 1))
    problem = only(tmp_path)
    assert (problem.rule, problem.line, problem.column) == expected[:3], problem
    assert expected[3] in problem.remedy


@pytest.mark.parametrize("text", ["- a\n", "text\n", "3\n"])
def test_a_named_file_must_hold_documents_of_ours(tmp_path: Path, text: str) -> None:
    write(tmp_path, chat=text)
    assert only(tmp_path, ["chat.yaml"]).rule == "type"
    write(tmp_path, chat="services: {}\n")
    problem = only(tmp_path, ["chat.yaml"])
    assert (problem.rule, problem.message) == ("required", "apiVersion is required")
    write(tmp_path, friendli_iac="manifests: ['*.yaml']\n")
    assert only(tmp_path).rule == "required"


# --- documents together ------------------------------------------------------------------------


def test_all_problems_of_all_files_in_one_run(tmp_path: Path) -> None:
    broken = ENDPOINT.replace("  project", "    project")
    write(tmp_path, a=broken + "---\n" + endpoint("one", "  nope: 1\n"))
    write(tmp_path, b=endpoint("two", "  versionComment: yes\n  engine: 3\n"))
    write(tmp_path, friendli_iac="defaults: {Endpoint: {engine: {maxBatchSize: many}}}\n")
    found = [(p.file, p.line, p.rule) for p in problems(tmp_path)]
    assert found == [
        ("a.yaml", 8, "yaml-syntax"),
        ("a.yaml", 22, "unknown-key"),
        ("b.yaml", 11, "ambiguous-scalar"),
        ("b.yaml", 12, "type"),
        ("friendli-iac.yaml", 1, "type"),
    ]


def test_references_of_an_invalid_document_are_looked_at(tmp_path: Path) -> None:
    head = "apiVersion: friendli-iac/v1\nkind: WebhookAutomation\nmetadata: {name: a}\nspec:\n"
    calls = "  webhook: nope\n  deploys: none\n  promotion: dirct\n"
    write(tmp_path, a=head + "  team: acme\n  trigger: {aliasAdded: x}\n" + calls)
    write(tmp_path, b=endpoint(extra="  adapters: [gone, 7]\n"))
    assert [(one.rule, *at(one)) for one in problems(tmp_path)] == [
        ("dangling-reference", 7, 12),
        ("dangling-reference", 8, 12),
        ("literal-error", 9, 14),
        ("dangling-reference", 11, 14),
        ("type", 11, 20),
    ]


def test_what_json_cannot_say_is_reported_once(tmp_path: Path) -> None:
    head = "apiVersion: friendli-iac/v1\nkind: WebhookAutomation\nmetadata: {name: a}\nspec:\n"
    text = "  team: acme\n  trigger: {aliasAdded: x}\n  webhook: w\n  payload: {b: [1, null]}\n"
    write(tmp_path, a=head + text)
    (found,) = (one for one in problems(tmp_path) if one.rule != "dangling-reference")
    assert (found.rule, *at(found)) == ("null", 8, 20)
    assert found.remedy == "leave it out, or give it a value"


def test_an_error_in_the_defaults_is_reported_once_and_there(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="defaults: {Endpoint: {engine: {maxBatchSiz: 3}}}\n")
    write(tmp_path, all="---\n".join(endpoint(name) for name in "abc"))
    problem = only(tmp_path)
    assert (problem.file, at(problem)) == ("friendli-iac.yaml", (1, 32))
    assert problem.remedy == "did you mean maxBatchSize?"


def test_defaults_are_checked_also_where_no_document_needs_them(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="defaults: {AutoscalingPolicy: {maxReplicas: x}}\n", a=ENDPOINT)
    assert only(tmp_path).file == "friendli-iac.yaml"


def test_what_no_one_gives_is_missed_in_the_document(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="defaults: {Endpoint: {project: p}}\n")
    write(tmp_path, a=ENDPOINT[: ENDPOINT.index("spec:")])
    found = problems(tmp_path)
    assert {(p.file, p.line, p.rule) for p in found} == {("a.yaml", 1, "required")}
    assert len(found) == 2  # model and instance


def test_half_a_block_in_the_defaults_is_no_problem(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="defaults: {Endpoint: {instance: {count: 2}}}\n", a=ENDPOINT)
    write(tmp_path, a=ENDPOINT.replace(", count: 1", ""))
    (declared,) = load(tmp_path).resources.values()
    assert declared.spec["instance"] == {"gpu": "H100", "count": 2}


def test_one_address_twice(tmp_path: Path) -> None:
    write(tmp_path, a=ENDPOINT, b=ENDPOINT.replace("p1", "p2"))
    problem = only(tmp_path)
    assert (problem.file, at(problem), problem.rule) == ("b.yaml", (4, 9), "duplicate-address")
    assert problem.message == "Endpoint/chat is declared twice, first at a.yaml:4"


def test_one_name_twice_in_a_project(tmp_path: Path) -> None:
    write(tmp_path, a=ENDPOINT, b=endpoint("other", "  name: chat\n"))
    problem = only(tmp_path)
    assert (problem.file, at(problem), problem.rule) == ("b.yaml", (11, 9), "duplicate-name")
    assert "a.yaml:1" in problem.message
    write(tmp_path, b=endpoint("other", "  name: chat\n").replace("p1", "p2"))
    assert len(load(tmp_path).resources) == 2


def test_a_reference_into_a_file_that_was_not_read(tmp_path: Path) -> None:
    write(tmp_path, chat=endpoint(extra="  autoscaling: {policy: interactiv}\n"), policies=POLICY)
    assert only(tmp_path).remedy == "did you mean interactive?"
    problem = only(tmp_path, ["chat.yaml"])
    assert problem.rule == "dangling-reference"
    assert "with -f, only the files that it names are read" in problem.remedy


def test_a_dangling_reference_of_the_defaults_is_placed_there(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="defaults: {Endpoint: {autoscaling: {policy: x}}}\n", a=ENDPOINT)
    problem = only(tmp_path)
    assert (problem.file, at(problem)) == ("friendli-iac.yaml", (1, 45))


def test_an_invalid_policy_is_not_called_missing(tmp_path: Path) -> None:
    write(tmp_path, chat=endpoint(extra="  autoscaling: {policy: interactive}\n"))
    write(tmp_path, policies=POLICY.replace("1,", "one,"))
    assert [p.rule for p in problems(tmp_path)] == ["type"]


def test_dependencies_outside_of_the_named_files_are_left_open(tmp_path: Path) -> None:
    write(tmp_path, a=ENDPOINT.replace("labels: {team: search}", "dependsOn: [Endpoint/b]"))
    assert only(tmp_path).rule == "dependency"
    assert len(load(tmp_path, ["a.yaml"]).resources) == 1


def test_a_template_cannot_be_waited_for(tmp_path: Path) -> None:
    needs = "dependsOn: [AutoscalingPolicy/interactive]"
    write(tmp_path, a=ENDPOINT.replace("labels: {team: search}", needs), policies=POLICY)
    assert "template" in only(tmp_path).message


def test_every_cycle_is_reported(tmp_path: Path) -> None:
    needs = {"a": "b", "b": "c", "c": "a", "d": "d", "e": "a"}
    texts = [
        endpoint(name).replace("labels: {team: search}", f"dependsOn: [Endpoint/{other}]")
        for name, other in needs.items()
    ]
    write(tmp_path, all="---\n".join(texts))
    found = problems(tmp_path)
    assert [problem.rule for problem in found] == ["dependency-cycle"] * 2
    assert any("Endpoint/d → Endpoint/d" in problem.message for problem in found)
    assert any(
        ring in problem.message
        for problem in found
        for ring in ("a → Endpoint/b → Endpoint/c", "b → Endpoint/c → Endpoint/a")
    )


def test_no_document_at_all(tmp_path: Path) -> None:
    problem = only(tmp_path)
    assert str(tmp_path) in problem.message
    assert "friendli-iac init" in problem.remedy
    write(tmp_path, empty="# nothing\n")
    assert "empty.yaml" in only(tmp_path, ["empty.yaml"]).message
    assert only(tmp_path, ["-"], stdin=lambda: "").rule == "no-manifests"


# --- whatever the text -------------------------------------------------------------------------

_soup = st.lists(
    st.sampled_from(
        [
            *("apiVersion: friendli-iac/v1\n", "kind: Endpoint\n", "metadata:\n", "  name: a\n"),
            *("spec:\n", "  model: ", "{", "}", "[", "]", ": ", "- ", "\n", "---\n", "...\n", "'"),
            *(
                '"',
                "&a ",
                "*a",
                "!x ",
                "|\n",
                ">-\n",
                "? ",
                "~",
                "${var.x}",
                "${",
                "<<",
                "%YAML 1\n",
            ),
            *("  engine:\n", "    queue: ", "3", "1e9", "no", "\t", "\x00", "\ufeff", "é"),
            *("\u2028", "# ", "\r", "\ud800"),
        ]
    ),
    max_size=40,
).map("".join)


@given(st.one_of(st.text(), _soup, _soup.map(lambda soup: ENDPOINT + soup)))
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_text_ever_crashes_the_loader(tmp_path: Path, text: str) -> None:
    project = find_project(tmp_path)
    try:
        load_manifest(project, files=["-"], stdin=lambda: text, environ={})
    except ManifestError as error:
        for problem in error.problems:
            assert problem.message
            assert problem.remedy
            assert "pydantic" not in problem.message
            assert "Input should" not in problem.message
