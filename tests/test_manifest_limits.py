"""Hostile and broken files: a problem at a place, quickly, and never a dead process."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest

from friendli_iac.cli.session import _stdin
from friendli_iac.errors import ManifestError
from friendli_iac.manifest import choice
from friendli_iac.manifest.document import MAX_PROBLEMS
from friendli_iac.manifest.files import MAX_FILE
from friendli_iac.manifest.load import MAX_DOCUMENTS
from friendli_iac.review.diagnostics import render_github, render_json, render_text
from tests.harness import Project
from tests.harness import endpoint as harness_endpoint
from tests.manifest_files import ENDPOINT, at, endpoint, load, only, problems, write


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


BOMB = "bomb: [&a [x,x,x,x,x,x,x,x,x], " + "".join(
    f"&{new} [{','.join(['*' + old] * 9)}],"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "flow": ("too-deep", ENDPOINT + "  engine: " + "[" * 50_000 + "]" * 50_000),
    "open": ("too-deep", ENDPOINT + "  engine: " + "[" * 200_000),
    "maps": ("too-deep", ENDPOINT + "  engine: " + "{a: " * 50_000),
    "lines": ("too-deep", ENDPOINT + "  engine: " + "[\n" * 50_000),
    "block": (
        "too-deep",
        ENDPOINT + "  engine:\n" + "".join(f"{' ' * n}a:\n" for n in range(4, 900)),
    ),
    "dashes": ("too-deep", ENDPOINT + "  engine:\n    " + "- " * 50_000),
    "aliases": ("too-large", ENDPOINT + "  " + BOMB + "]"),
    "values": ("too-large", ENDPOINT + "  engine: [" + "1," * 20_000 + "]"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_problem_at_once(tmp_path: Path, name: str) -> None:
    rule, text = HOSTILE[name]
    write(tmp_path, bad=text, good=endpoint("good", "  nope: 1\n"))
    begin = time.process_time()
    found = {problem.file: problem for problem in problems(tmp_path)}
    assert time.process_time() - begin < 5  # minutes, or no memory, if it were read through
    assert found["bad.yaml"].rule == rule
    assert found["bad.yaml"].line >= 11
    assert found["good.yaml"].rule == "unknown-key"


def test_a_deep_document_does_not_kill_the_process_when_it_is_searched(tmp_path: Path) -> None:
    # In a process of its own: what composes 50,000 levels dies of a signal, not of an exception.
    deep = "  project: twice\n  engine: " + "[" * 50_000 + "]" * 50_000
    write(tmp_path, bad=ENDPOINT + deep)
    code = (
        "import sys; from pathlib import Path; from friendli_iac.errors import ManifestError\n"
        "from friendli_iac.manifest import find_project, load_manifest\n"
        "try: load_manifest(find_project(Path(sys.argv[1])), environ={})\n"
        "except ManifestError as error: print(*sorted(p.rule for p in error.problems))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "duplicate-key too-deep\n")


def test_sixty_levels_and_honest_aliases_are_fine(tmp_path: Path) -> None:
    write(tmp_path, chat=endpoint(extra="  lifecycle: &a {ignoreChanges: &b [engine]}\n"))
    assert load(tmp_path).resources
    write(tmp_path, chat=endpoint(extra="  engine: " + "[" * 60 + "]" * 60 + "\n"))
    assert only(tmp_path).rule == "type"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    write(tmp_path, chat=ENDPOINT + "#" * MAX_FILE)
    assert (only(tmp_path).file, only(tmp_path).rule) == ("chat.yaml", "too-large")
    assert only(tmp_path, ["-"], stdin=lambda: "#" * (MAX_FILE + 1)).rule == "too-large"


def test_files_that_are_too_large_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choice.MAX_TOTAL == 8 * MAX_FILE
    monkeypatch.setattr(choice, "MAX_TOTAL", 2**20)  # 64 MiB take their time
    for number in range(3):
        padding = "#" * (2**20 // 2 - 1000) + "\n"
        write(tmp_path, **{f"f{number}": padding + endpoint(f"e{number}")})
    assert only(tmp_path).message == "larger than 1 MiB"
    (tmp_path / "f2.yaml").unlink()
    assert len(load(tmp_path).resources) == 2


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"\xff", (11, 4), "not valid UTF-8"),
        ("é\x07".encode(), (11, 5), "control character U+0007"),
        ("\u2028".encode(), (11, 4), "control character U+2028"),
        ("\x85".encode(), (11, 4), "control character U+0085"),
        (b"a\rb", (11, 5), "old Macs"),
    ],
)
def test_bytes_that_are_no_text(
    tmp_path: Path, data: bytes, place: tuple[int, int], message: str
) -> None:
    (tmp_path / "chat.yaml").write_bytes(ENDPOINT.encode() + b"  #" + data + b"\n")
    problem = only(tmp_path)
    assert (problem.rule, at(problem)) == ("encoding", place)
    assert message in problem.message
    assert "\x07" not in problem.snippet


def test_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "chat.yaml").write_text(ENDPOINT, encoding="utf-8-sig")
    assert (at(only(tmp_path)), only(tmp_path).remedy) == (
        (1, 1),
        "save the file as UTF-8 without BOM",
    )


def test_only_regular_files(tmp_path: Path) -> None:
    write(tmp_path, chat=ENDPOINT)
    os.mkfifo(tmp_path / "pipe.yaml")
    assert (only(tmp_path).file, only(tmp_path).rule) == ("pipe.yaml", "file")
    assert only(tmp_path, ["/dev/null"]).message == "not a regular file"
    assert only(tmp_path, ["nope.yaml"]).message == "there is no such file"
    assert only(tmp_path, ["a\0b"]).message == "there is no such file"
    os.mkfifo(tmp_path / "friendli-iac.yaml")
    assert only(tmp_path).file == "friendli-iac.yaml"


def test_links_do_not_lead_out_of_the_project(tmp_path: Path) -> None:
    write(tmp_path, outside__secret=ENDPOINT, project__chat=ENDPOINT, project__sub__a=endpoint("a"))
    root = tmp_path / "project"
    (root / "sub/a.yaml").rename(root / "sub/a.txt")
    (root / "inside.yaml").symlink_to("sub/a.txt")
    assert len(load(root).resources) == 2
    (root / "folder").symlink_to("../outside")
    assert len(load(root).resources) == 2
    (root / "link.yaml").symlink_to("../outside/secret.yaml")
    assert (only(root).file, only(root).rule) == ("project/link.yaml", "outside")
    write(tmp_path, project__friendli_iac="manifests: ['*.yaml']\n")
    assert only(root).rule == "outside"
    assert only(root, [str(root / "link.yaml")]).rule == "outside"
    assert only(root, [str(root / "folder")]).rule == "outside"
    (root / "link.yaml").unlink()
    for entry in ("folder", "fold*", "folder/*.yaml", "folder/secret.yaml"):
        write(tmp_path, project__friendli_iac=f"manifests: [chat.yaml, '{entry}']\n")
        assert only(root).rule == "outside", entry
    (root / "near").symlink_to("sub")
    write(tmp_path, project__sub__b=endpoint("b"), project__friendli_iac="manifests: [near]\n")
    assert len(load(root).resources) == 1
    (root / "near").unlink()
    (root / "sub/b.yaml").unlink()
    (root / "link.yaml").symlink_to("../outside/secret.yaml")
    assert load(root, [str(tmp_path / "outside/secret.yaml")]).resources
    (root / "friendli-iac.yaml").unlink()
    (root / "friendli-iac.yaml").symlink_to("../outside/secret.yaml")
    assert only(root).rule == "outside"


def test_rings_of_links_and_folders_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, chat=ENDPOINT)
    (tmp_path / "ring.yaml").symlink_to("ring.yaml")
    assert (only(tmp_path).file, only(tmp_path).rule) == ("ring.yaml", "file")


def test_foreign_files_are_left_alone_whatever_is_in_them(tmp_path: Path) -> None:
    write(tmp_path, chat=ENDPOINT, large="#" * (MAX_FILE + 1), deep="[" * 60_000)
    (tmp_path / "latin.yaml").write_bytes(b"name: Andr\xe9\n")
    (tmp_path / "broken.yaml").write_bytes(b"{{ helm }}: {\x00\n")
    assert len(load(tmp_path).resources) == 1


@pytest.mark.parametrize("entry", ["../outside/*.yaml", "/etc/hosts", "a/../../outside"])
def test_settings_do_not_lead_out_of_the_project(tmp_path: Path, entry: str) -> None:
    write(tmp_path, outside__x=ENDPOINT, p__friendli_iac=f"manifests: ['{entry}', chat.yaml]\n")
    write(tmp_path, p__chat=ENDPOINT)
    problem = only(tmp_path / "p")
    assert (problem.file, problem.rule, at(problem)) == (
        "p/friendli-iac.yaml",
        "outside",
        (1, 13),
    )


def test_an_entry_of_manifests_that_matches_nothing(tmp_path: Path) -> None:
    write(tmp_path, friendli_iac="manifests:\n  - chat.yaml\n  - nope/*.yaml\n", chat=ENDPOINT)
    problem = only(tmp_path)
    assert (problem.rule, at(problem)) == ("no-manifests", (3, 5))


def depending(name: str, needed: str) -> str:
    return endpoint(name).replace("labels:", f"dependsOn: [Endpoint/{needed}]\n  labels:")


FLOODS: dict[str, tuple[int, list[str]]] = {
    "syntax": (2_000, [endpoint(f"e{n}", "  a: b: c\n") for n in range(2_000)]),
    "keys": (
        4_000,
        [endpoint("e", f"  engine: {{{', '.join(f'k{n}: 1' for n in range(4_000))}}}\n")],
    ),
    "labels": (
        4_000,
        [endpoint("e").replace("team: search", ", ".join(f"l{n}: 1" for n in range(4_000)))],
    ),
    "one key each": (3_000, [endpoint(f"e{n}", "  nope: 1\n") for n in range(3_000)]),
    "dependencies": (3_000, [depending(f"e{n}", f"x{n}") for n in range(3_000)]),
    "circles": (100, [depending(f"e{n}", f"e{n ^ 1}") for n in range(1_000)]),
    "names": (2_999, [endpoint("e")] * 3_000),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_problems_stays_quick_and_is_counted(tmp_path: Path, flood: str) -> None:
    count, documents = FLOODS[flood]
    write(tmp_path, all="---\n".join(documents))
    begin = time.process_time()
    with pytest.raises(ManifestError) as caught:
        load(tmp_path)
    assert time.process_time() - begin < 10  # minutes, if each were compared with each
    error = caught.value
    shown = error.problems
    assert str(error) == f"{count} problems in the manifests"
    assert (len(shown), error.more) == (min(count, MAX_PROBLEMS), max(0, count - MAX_PROBLEMS))
    assert all(problem.line for problem in shown)
    if error.more:
        assert render_json(shown, error.more)["error_count"] == count
        assert f"200 problems in 1 file, and {error.more} more" in render_text(
            shown, more=error.more
        )
        hidden = f"::error::{count - 9} more errors, 191 of them in the log of this step\n"
        assert hidden in render_github(shown, error.more)


def test_a_flood_on_the_command_line_tells_its_true_size(project: Project) -> None:
    project.write("---\n".join(harness_endpoint(f"e{n}", more="  nope: 1\n") for n in range(300)))
    assert "200 problems in 1 file, and 100 more" in project.run("validate").err
    assert project.run("validate", "--format", "json").json["error_count"] == 300
    lines = project.run("validate", "--format", "github").out.splitlines()
    assert lines[9] == "::error::291 more errors, 191 of them in the log of this step"
    assert len(lines) == 201
    assert "and 100 more" in project.run("plan").err


def test_twenty_thousand_documents_in_a_file_and_no_more(tmp_path: Path) -> None:
    write(tmp_path, chat=ENDPOINT + "---\n" * MAX_DOCUMENTS)
    problem = only(tmp_path)
    assert (problem.rule, problem.line) == ("too-large", 10 + MAX_DOCUMENTS)
    write(tmp_path, chat=ENDPOINT + "---\n" * (MAX_DOCUMENTS - 1))
    assert load(tmp_path).resources
    write(tmp_path, other="# iac\n" + "a: 1\n---\n" * (MAX_DOCUMENTS + 5))
    assert load(tmp_path).resources
    write(tmp_path, other="a: 1\n---\n" * (MAX_DOCUMENTS + 5) + endpoint("hidden"))
    assert only(tmp_path).rule == "too-large"


def test_standard_input_is_not_read_to_a_far_end(project: Project) -> None:
    given = io.StringIO("#" * (MAX_FILE + 1000))
    with mock.patch("sys.stdin", given):
        assert len(_stdin()) == given.tell() == MAX_FILE + 1
    refused = project.run("validate", "-f", "-", stdin="#" * (MAX_FILE + 1))
    assert "<stdin>: larger than 8 MiB" in refused.err, refused


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys, friendli_iac.manifest, friendli_iac.review.diagnostics\n"
        "print(*{'httpx', 'deepdiff', 'rich', 'asyncio', 'click'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
