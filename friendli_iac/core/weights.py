"""Which files of a repository hold the weights, and whether they are all there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MOST = 3  # names that are told of what is missing in one set of parts

# The file names of transformers, first what it loads first. Beside them may lie a second copy of
# the weights, such as consolidated.safetensors.
_WEIGHTS = (
    re.compile(r"model\.safetensors"),
    re.compile(r"model-\d+-of-\d+\.safetensors"),
    re.compile(r"(?!consolidated|adapter_model).+\.safetensors"),
    re.compile(r".+\.safetensors"),
)
# One of several files of weights. More digits than anybody needs are no number of files.
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{1,6})-of-(?P<total>\d{1,6})\.safetensors")


def weight_files(files: Iterable[str]) -> list[str]:
    """The safetensors files that would be loaded: those of the top folder, each weight once."""
    top = sorted(name for name in files if "/" not in name)
    for pattern in _WEIGHTS:
        if found := [name for name in top if pattern.fullmatch(name)]:
            return found
    return []


def missing_files(found: Sequence[str]) -> tuple[int, int, list[str]]:
    """How many of the files that `found` names as its own parts are missing, of how many, and the
    names of some of them, the first. Nothing is missing where one set of parts is whole.
    """
    sets: dict[tuple[str, str], dict[int, int]] = {}  # the numbers, with their digits
    for name in found:
        if part := _PART.fullmatch(name):
            numbers = sets.setdefault((part["stem"], part["total"]), {})
            numbers[int(part["number"])] = len(part["number"])
    count = of = 0
    names: list[str] = []
    for (stem, total), numbers in sets.items():
        first = 0 if 0 in numbers else 1
        wanted = range(first, first + int(total))
        absent = [number for number in wanted if number not in numbers]
        if not absent:
            return 0, 0, []
        count, of = count + len(absent), of + int(total)
        digits = max(numbers.values())
        names += [f"{stem}-{n:0{digits}}-of-{total}.safetensors" for n in absent[:MOST]]
    return count, of, names
