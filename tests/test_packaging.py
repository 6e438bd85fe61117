"""The wheel: complete, and working outside the checkout."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from friendli_iac import __version__

ROOT = Path(__file__).parent.parent
MANIFEST = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {name: chat}
spec:
  project: p1
  model: {huggingFace: {repo: acme/model}}
  instance: {gpu: H100}
"""
WITHOUT_EXTRA = """\
import sys
sys.modules.update(dict.fromkeys(("starlette", "uvicorn")))  # as if they were not installed
from friendli_iac.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder)]
    built = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture
def elsewhere(wheel: Path, tmp_path: Path) -> Path:
    """A folder with a manifest, and the wheel's content beside it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "work" / ".git").mkdir(parents=True)
    (tmp_path / "work" / "chat.yaml").write_text(MANIFEST)
    return tmp_path / "work"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in `folder`, with the wheel's package before the checkout's."""
    site = folder.parent / "site"
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True
    )
    assert str(ROOT / "friendli_iac") not in done.stderr
    return done


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "friendli_iac").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"friendli_iac-{__version__}.dist-info"
    assert "friendli_iac/py.typed" in held
    assert {name for name in held if not name.startswith(info)} == package
    assert f"{info}/licenses/LICENSE" in held
    assert f"{info}/entry_points.txt" in held


def test_its_metadata_is_complete(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"friendli_iac-{__version__}.dist-info/METADATA").decode()
    for line in (
        "Name: friendli-iac",
        f"Version: {__version__}",
        "License-Expression: Apache-2.0",
        "License-File: LICENSE",
        "Requires-Python: >=3.11",
        "Description-Content-Type: text/markdown",
        "Provides-Extra: emulator",
    ):
        assert f"\n{line}\n" in text
    assert "Summary: " in text
    assert "# friendli-iac" in text


def test_every_import_is_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named_in = ("emulator", "hub", "cloud", "postgres")
    wanted = [*project["dependencies"], *(one for extra in named_in for one in extras[extra])]
    named = {re.split(r"[^\w-]", dependency)[0].lower() for dependency in wanted}
    modules = {"pyyaml": "yaml", "google-auth": "google", "graphql-core": "graphql"}
    allowed = {modules.get(name, name) for name in named} | {"friendli_iac", "pydantic_core"}
    allowed |= {"botocore", "requests", "urllib3"}  # boto3 and google-auth are made of them
    used = {
        name.partition(".")[0]
        for path in (ROOT / "friendli_iac").rglob("*.py")
        for name in imported(path)
    }
    assert used - set(sys.stdlib_module_names) <= allowed


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports from outside of its package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def test_it_works_outside_the_checkout(elsewhere: Path) -> None:
    where = run(elsewhere, "-c", "import friendli_iac; print(friendli_iac.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(elsewhere.parent / "site")
    version = run(elsewhere, "-m", "friendli_iac", "--version")
    assert version.stdout == f"friendli-iac, version {__version__}\n"
    valid = run(elsewhere, "-m", "friendli_iac", "validate")
    assert valid.returncode == 0, valid.stderr
    plan = run(elsewhere, "-m", "friendli_iac", "plan", "--emulator", "--detailed-exitcode")
    assert plan.returncode == 2, plan.stderr
    assert "Endpoint/chat" in plan.stdout


def test_without_the_extra_only_the_emulator_is_missing(elsewhere: Path) -> None:
    assert run(elsewhere, "-c", WITHOUT_EXTRA, "--version").returncode == 0
    assert run(elsewhere, "-c", WITHOUT_EXTRA, "validate").returncode == 0
    assert run(elsewhere, "-c", WITHOUT_EXTRA, "schema").returncode == 0
    for command in (["plan", "--emulator"], ["emulator", "--port", "0"]):
        refused = run(elsewhere, "-c", WITHOUT_EXTRA, *command)
        assert refused.returncode == 64
        assert "the emulator is not installed" in refused.stderr
        assert "pip install 'friendli-iac[emulator]'" in refused.stderr


def test_the_source_archive_holds_what_a_packager_needs() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    for name in build["targets"]["sdist"]["include"]:
        assert (ROOT / name).exists(), name
