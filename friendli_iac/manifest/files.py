"""How files are read and found without trusting them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import Document
from friendli_iac.manifest.ours import bytes_are_ours, may_be_ours

SETTINGS = "friendli-iac.yaml"
MAX_FILE = 8 * 2**20  # bytes

_SUFFIXES = (".yaml", ".yml")
_SKIPPED = frozenset({"node_modules"})
# Outside of YAML's printable characters, or a line break that not everybody counts as one.
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    "|\r(?!\n)"
)


def label(path: Path) -> str:
    """The file's name in messages: relative to the working directory when it is below, or beside
    it, as where CI has checked out something else.
    """
    name, here = os.path.abspath(path), os.getcwd()  # noqa: PTH100, PTH109 - pathlib is slow here
    for base, up in ((here, ""), (here.rpartition(os.sep)[0], "../")):
        if base and name.startswith(base + os.sep):
            return up + name[len(base) + 1 :]
    return name


def read_text(path: Path, report: list[Problem], *, only_ours: bool = False) -> str | None:
    """The text of a regular file, or None after a problem was reported.

    With `only_ours`, also None for most files that are none of ours, whatever is in them.
    """
    name = label(path)
    try:
        # Not blocking, for opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise IsADirectoryError(0, "not a regular file")
            data = file.read(min(found.st_size, MAX_FILE) + 1)
    except OSError as error:
        report.append(_unreadable(name, error))
        return None
    except ValueError:  # a NUL in the name
        report.append(Problem(name, 0, 0, "there is no such file", "check the path", rule="file"))
        return None
    if only_ours and not may_be_ours(data):
        return None
    if len(data) > MAX_FILE:
        if only_ours and not bytes_are_ours(data):
            return None
        report.append(too_large(name, MAX_FILE))
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if only_ours and not bytes_are_ours(data):
            return None
        line = data.count(b"\n", 0, error.start)
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1)
        message = "the file is not valid UTF-8 text"
        report.append(
            Problem(name, line + 1, column + 1, message, "save the file as UTF-8", "", "encoding")
        )
        return None


def check_characters(file: str, text: str, report: list[Problem]) -> bool:
    """Whether the text has only characters that YAML allows; reports the first that is not."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return True
    line = text.count("\n", 0, found.start())
    first = text.rfind("\n", 0, found.start()) + 1
    place = line + 1, found.start() - first + 1
    what, remedy = f"the control character U+{ord(found[0]):04X}", "remove it"
    if found[0] == "\ufeff":
        what, remedy = "a byte order mark", "save the file as UTF-8 without BOM"
    elif found[0] == "\r":
        what, remedy = "a line break of old Macs (CR)", "save the file with Unix line breaks"
    end = text.find("\n", first)
    line_text = _FORBIDDEN.sub("�", text[first : end if end >= 0 else len(text)])
    document = Document(file, line_text, 0, len(line_text), line)
    report.append(document.problem_at(place, "encoding", f"the text has {what}", remedy))
    return False


def walk(root: Path, report: list[Problem]) -> Iterator[Path]:
    """Every YAML file below `root` that is not hidden and not below another project's folder."""

    def unreadable(error: OSError) -> None:
        # Left out silently, what is in it would be taken for deleted.
        report.append(_unreadable(label(Path(error.filename)), error))

    for folder, folders, names in os.walk(root, onerror=unreadable):
        if SETTINGS in names and folder != str(root):
            folders.clear()  # a project of its own
            continue
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        for name in sorted(names):
            if name.endswith(_SUFFIXES) and not name.startswith(".") and name != SETTINGS:
                path = Path(folder, name)
                if not path.is_symlink() or inside(path, root, report):
                    yield path


def inside(path: Path, root: Path, report: list[Problem]) -> bool:
    """Whether a path below `root` stays there. With a link, a pull request could otherwise have a
    line of any file of the machine shown in a problem. A path elsewhere was typed by a person.
    """
    try:
        root, named = root.resolve(), Path(os.path.abspath(path))  # noqa: PTH100 - keeps links
        if path.resolve().is_relative_to(root):
            return True
        # Also where the way to the project leads over a link.
        if not any(folder.resolve().is_relative_to(root) for folder in named.parents):
            return True
    except (OSError, RuntimeError, ValueError):  # a ring of links, or a NUL in the name
        return True  # reading it will say what is wrong
    remedy = "copy the file into the project"
    report.append(
        Problem(label(path), 0, 0, "the link leads out of the project", remedy, rule="outside")
    )
    return False


def _unreadable(name: str, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        message, remedy = "there is no such file", "check the path; see what there is with `ls`"
    elif isinstance(error, IsADirectoryError):
        message, remedy = "not a regular file", "give a file, or `-f -` to read standard input"
    elif isinstance(error, PermissionError):
        message, remedy = "the file may not be read", f"check its permissions: ls -l {name}"
    else:
        message, remedy = f"the file cannot be read: {error.strerror}", "check the path"
    return Problem(name, 0, 0, message, remedy, rule="file")


def too_large(name: str, limit: int) -> Problem:
    message = f"larger than {limit // 2**20} MiB"
    return Problem(
        name, 0, 0, message, "split it, or leave out what is no manifest", "", "too-large"
    )
