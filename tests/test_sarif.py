"""Problems and findings where code is reviewed: SARIF 2.1.0, and GitHub's annotations."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.emulator import Emulator

from .harness import Project
from .policies import RULES, document, platform

# What the OASIS schema of SARIF 2.1.0 asks of the parts that we use.
LEVELS = {"none", "note", "warning", "error"}
URI = re.compile(r"[A-Za-z0-9._~%/+@!$&'()*,;=-]+")


def sarif(project: Project, *arguments: str, **how: Any) -> dict[str, Any]:
    """The one run of a document that must be sound."""
    done = project.run("validate", "--format", "sarif", *arguments, **how)
    document_ = done.json
    assert document_["version"] == "2.1.0"
    assert document_["$schema"].endswith("sarif-2.1.0.json")
    (run,) = document_["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], bool(driver["version"])) == ("friendli-iac", True)
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert all("helpUri" not in rule for rule in driver["rules"])
    for result in run["results"]:
        assert result["level"] in LEVELS
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        assert all(type(mark) is str for mark in result["partialFingerprints"].values())
        for location in result.get("locations", ()):
            artifact = location["physicalLocation"]["artifactLocation"]
            assert artifact["uriBaseId"] in run["originalUriBaseIds"]
            assert URI.fullmatch(artifact["uri"])
            assert not artifact["uri"].startswith(("/", "../"))
            region = location["physicalLocation"].get("region", {})
            assert all(region[key] >= 1 for key in ("startLine", "startColumn") if key in region)
    marks = [str(result["partialFingerprints"]) for result in run["results"]]
    assert len(set(marks)) == len(marks), "each result is one alert"
    return dict(run)


def told(run: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    """Rule, level, file and line of each result."""
    found = []
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        line = place["region"]["startLine"]
        found.append((result["ruleId"], result["level"], place["artifactLocation"]["uri"], line))
    return found


def marks(run: dict[str, Any]) -> list[str]:
    return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]


def test_problems_and_their_places(project: Project) -> None:
    project.write(document(maximum=11).replace("gpu: H100", "gpu: H1000"))
    run = sarif(project)
    assert told(run) == [
        ("instance", "error", "main.yaml", 7),
        ("range", "error", "main.yaml", 8),
    ]
    assert run["results"][1]["locations"][0]["physicalLocation"]["region"]["startColumn"] == 46
    assert project.run("validate", "--format", "sarif").code == 1


def test_findings_of_every_level(project: Project) -> None:
    project.write(document())
    exempt = [{"address": "Endpoint/chat", "reason": "soon", "until": "2999-01-01"}]
    platform(
        project,
        maxReplicas=1,
        requireOwner={"level": "warn"},
        requireProbe={"exempt": exempt},
    )
    run = sarif(project, "--policy", RULES)
    assert told(run) == [
        ("maxReplicas", "error", "main.yaml", 8),
        ("requireOwner", "warning", "main.yaml", 3),
        ("requireProbe", "note", "main.yaml", 1),
    ]
    assert run["results"][2]["suppressions"][0]["justification"] == "soon, until 2999-01-01"
    logical = run["results"][0]["locations"][0]["logicalLocations"]
    assert logical[0]["fullyQualifiedName"] == "Endpoint/chat.autoscaling.maxReplicas"
    assert project.run("validate", "--policy", RULES, "--format", "sarif").code == 5
    assert sarif(project)["results"] == []


def test_a_fingerprint_stays_when_lines_move(project: Project) -> None:
    bad = document(maximum=11)
    platform(project, maxReplicas=1)
    project.write(bad)
    problems = marks(sarif(project))
    project.write(document())
    findings = marks(sarif(project, "--policy", RULES))
    project.write("# a comment\n\n" + bad)
    assert marks(sarif(project)) == problems
    project.write("# a comment\n\n" + document(maximum=3))
    assert marks(sarif(project, "--policy", RULES)) == findings
    project.write(f"{document(maximum=3)}---\n{document('other')}")
    assert len(set(marks(sarif(project, "--policy", RULES)))) == 2


@pytest.fixture
def nested(tmp_path: Path, emulator: Emulator) -> Project:
    """A project in a folder of a repository."""
    project = Project(tmp_path / "repo" / "infra" / "prod", emulator.url)
    (project.root / ".git").rmdir()
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "repo")], check=True)
    project.write(document(maximum=11), "a b/one.yaml")
    return project


def test_paths_begin_at_the_root_of_the_repository(nested: Project, tmp_path: Path) -> None:
    (rule, _, uri, _) = told(sarif(nested))[0]
    assert (rule, uri) == ("range", "infra/prod/a%20b/one.yaml")
    shown = nested.run("validate", "--format", "github")
    assert shown.out.startswith("::error file=infra/prod/a b/one.yaml,line=8,col=46,title=range::")
    elsewhere = nested.run("validate", "--format", "github", "-C", "a b")
    assert elsewhere.out == shown.out, "wherever it is started"
    (tmp_path / "repo" / ".git").rename(tmp_path / "repo" / ".jj")  # as where git may not look
    workspace = {"GITHUB_WORKSPACE": str(tmp_path / "repo")}
    assert nested.run("validate", "--format", "github", env=workspace).out == shown.out
    assert told(sarif(nested, env=workspace))[0][2] == uri


def test_what_is_outside_has_no_location(project: Project, tmp_path: Path) -> None:
    protected = tmp_path / "protected.yaml"
    protected.write_text("policy: {maxHourlyCost: 1, maxReplica: 2}")
    project.write(document())
    (result,) = sarif(project, "--policy", str(protected))["results"]
    assert "locations" not in result
    shown = project.run("validate", "--policy", str(protected), "--format", "github")
    assert shown.out.startswith("::error title=unknown-rule::")


def test_github_shows_ten_of_a_kind_so_the_tenth_counts_the_rest(project: Project) -> None:
    project.write("---\n".join(document(f"e{n:02}") for n in range(12)))
    platform(project, maxReplicas=1, requireOwner={"level": "warn"}, requireProbe=True)
    lines = project.run("validate", "--policy", RULES, "--format", "github").out.splitlines()
    commands = [line.partition(" ")[0] for line in lines]
    errors = [line for line in lines if line.startswith("::error")]
    warned = [line for line in lines if line.startswith("::warning")]
    assert commands.index("::warning") == len(errors), "the worst first"
    assert errors[9] == "::error::15 more errors, in the log of this step"
    assert len(errors) == 25, "nothing is lost"
    assert warned[9] == "::warning::3 more warnings, in the log of this step"


def test_the_worst_of_all_environments_comes_first(project: Project) -> None:
    project.write(
        "variables: {max: 1}\nenvironments: {dev: {}, prod: {variables: {max: 3}}}\n"
        "policy: {maxReplicas: 2, requireOwner: {level: warn}}\n",
        "friendli-iac.yaml",
    )
    project.write(document().replace("maxReplicas: 2", "maxReplicas: '${var.max}'"))
    found = project.run("validate", "--format", "json").json["diagnostics"]
    assert [one["severity"] for one in found] == ["error", "warning"]
    assert "(only in prod)" in found[0]["summary"]


def test_a_name_does_not_break_out(project: Project) -> None:
    evil = "a,b:c%0A::error::x.yaml"
    project.write(document(maximum=11), evil)
    (line,) = project.run("validate", "--format", "github").out.splitlines()
    assert line.startswith("::error file=a%2Cb%3Ac%250A%3A%3Aerror%3A%3Ax.yaml,line=8,")
    project.write("variables: {x: '[click](https://evil.example)'}", "friendli-iac.yaml")
    project.write(document().replace("H100", "'${var.x}'"), evil)
    (result,) = sarif(project)["results"]
    assert "](" not in result["message"]["text"]


def test_the_json_keeps_the_shape_of_its_peers(project: Project) -> None:
    project.write(document())
    platform(project, maxReplicas=1, requireOwner={"level": "warn"})
    done = project.run("validate", "--policy", RULES, "--format", "json")
    assert done.code == 5
    found = done.json
    assert (found["valid"], found["error_count"], found["warning_count"]) == (False, 1, 1)
    assert [one["severity"] for one in found["diagnostics"]] == ["error", "warning"]
    first = found["diagnostics"][0]
    assert first["range"]["filename"] == "main.yaml"
    assert first["range"]["start"] == {"line": 8, "column": 1}
    assert (first["rule"], first["origin"]) == ("maxReplicas", f"{RULES}:1")
