"""What the documents say is so: commands, manifests, links, exit codes, generated parts."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

import click
import pytest
import yaml
from jsonschema import Draft7Validator

import friendli_iac
from friendli_iac import errors
from friendli_iac.cli.main import EXIT_CODES, cli, subcommands
from friendli_iac.errors import FriendliIacError
from friendli_iac.manifest.schema import settings_schema
from scripts.docs import stale_docs

from .commands import blocks, command_lines, understand
from .harness import Project

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
    if ".friendli-iac" not in path.parts
)
IDS = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted(Path(friendli_iac.__file__).parent.rglob("*.py"))
    if "emulator" not in path.parts
)


def table(heading: str) -> list[str]:
    """The first cells of the table below a heading of the README."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (?!---)([^|]+?) \|", section, flags=re.MULTILINE)


def test_the_generated_documents_are_not_stale() -> None:
    assert stale_docs(ROOT / "docs") == [], "run: make docs"


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_every_command_line_is_understood(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    inline = [code for code in re.findall(r"`(friendli-iac [^`\n]+)`", text) if "…" not in code]
    for arguments in command_lines("\n".join([*blocks(text, "console", "sh"), *inline])):
        try:
            understand(arguments)
        except click.MissingParameter:
            # A command that is only named, as in "run `friendli-iac import`", has no arguments.
            assert len(arguments) <= 2, arguments
        except click.UsageError as error:
            pytest.fail(f"friendli-iac {' '.join(arguments)}: {error.message}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_every_manifest_is_valid(path: Path, project: Project) -> None:
    for text in blocks(path.read_text(encoding="utf-8"), "yaml"):
        if text.startswith("# friendli-iac.yaml"):
            Draft7Validator(settings_schema()).validate(yaml.safe_load(text))
            continue
        manifest = text.replace("…", "1")
        checked = project.run(
            "validate", "-f", "-", stdin=manifest, env={"FRIENDLI_PROJECT_ID": "p1"}
        )
        assert checked.code == 0, f"{text}\n{checked}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), link
        if heading:
            lines = target.read_text(encoding="utf-8").splitlines()
            assert heading in {_anchor(line) for line in lines if line.startswith("#")}, link


def _anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    text = heading.lstrip("#").strip().lower()
    return re.sub(r"[^a-z0-9 -]", "", text).replace(" ", "-")


def test_the_readme_names_every_exit_code() -> None:
    named = {int(cell) for cell in table("Exit codes") if cell.isdigit()}
    classes = (c for _, c in inspect.getmembers(errors, inspect.isclass))
    used = {c.exit_code for c in classes if issubclass(c, FriendliIacError)}
    assert used <= named
    assert named == {int(code) for code in re.findall(r"\b(\d+) [a-z]", EXIT_CODES)}


def test_the_readme_names_every_environment_variable() -> None:
    named = set(re.findall(r"`([A-Z_]+)`", "\n".join(table("Environment variables"))))
    used = set(re.findall(r"\bFRIENDLI_(?:IAC_)?[A-Z_]*[A-Z]\b", CODE))
    # `output --format dotenv` writes this one, and FRIENDLI_IAC_VAR_ is the start of a name.
    used -= {"FRIENDLI_ENDPOINT_ID", "FRIENDLI_IAC_VAR"}
    assert used <= named


def test_the_first_real_endpoint_is_made_by_the_readme(tmp_path: Path, project: Project) -> None:
    """Its commands, one after the other; what would ask is told yes."""
    section = README.partition("## The first real endpoint")[2]
    for arguments in command_lines(blocks(section, "console")[0]):
        yes = ["--yes"] if arguments[0] in ("apply", "destroy") else []
        done = project.run(*arguments, *yes, env={"FRIENDLI_PROJECT_ID": "p1"})
        assert done.code == 0, f"{arguments}: {done}"
    assert project.state["resources"] == {}


def test_the_messages_that_the_readme_explains_exist() -> None:
    quoted = re.findall(r'"([^"\n]+)"(?= \(exit| or ")', README.replace("\n", " "))
    assert len(quoted) >= 5
    for message in quoted:
        for part in message.split("…"):
            assert part.strip() in CODE, message


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    texts = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    texts += [makefile, (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")]
    named = {t for text in texts for t in re.findall(r"(?:[`$:\"] ?|exec )make ([a-z]+)", text)}
    assert {"demo", "test", "docs"} <= named <= targets


def test_ci_runs_what_the_readme_says() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "exec make test" in script.read_text(encoding="utf-8")
    assert "$ make test" in README
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    runs = [step.get("run", "") for step in workflow["jobs"]["test"]["steps"]]
    assert any(run.startswith("make test") for run in runs)


def test_every_option_in_a_document_exists() -> None:
    known = options(cli)
    for path in DOCUMENTS:
        if path.name != "CONTRIBUTING.md":  # which has options of other tools
            said = set(re.findall(r"`(--[a-z][a-z-]*)[ `=]", path.read_text(encoding="utf-8")))
            assert said <= known, path


def options(command: click.Command) -> set[str]:
    """The options of a command and of those below it."""
    found = {name for parameter in command.params for name in parameter.opts}
    for inner in subcommands(command).values() if isinstance(command, click.Group) else ():
        found |= options(inner)
    return found
