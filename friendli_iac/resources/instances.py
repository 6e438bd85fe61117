"""The instance options of Dedicated Endpoints: GPU and count to option id, and memory.

Ids: Friendli's OpenAPI of 2026-07-22 and, for B300, the official SDK since 0.15.4. The API has no
call that lists them, so one that is missing here is given as `instance: {optionId: …}`.
"""

from __future__ import annotations

import re

_OPTIONS: dict[str, dict[int, str]] = {
    "A100 80GB": {1: "ShbPuOs4tfGb", 2: "mrAHuYt7T40o", 4: "JkNob0NMdoF3", 8: "sYH4kHmAcA5P"},
    "H100": {1: "TwD5AqnBSVN0", 2: "zfTutSiLn0Hq", 4: "lfkRz5G48REc", 8: "GUA4qYFmsYz8"},
    "H200": {1: "LnK1wTaKc7WO", 2: "Tu6GjBnfHPe4", 4: "OhTzYtZuomzI", 8: "ahBzWtOuomsI"},
    "B200": {1: "8GiQTLKfJNOr", 2: "brTZGIuYgVrs", 4: "AFoZMFXZnAdD", 8: "drbc6G9FxJWZ"},
    "B300": {1: "b300x1", 2: "b300x2", 4: "b300x4", 8: "b300x8"},
}
_BY_ID = {id: (gpu, count) for gpu, ids in _OPTIONS.items() for count, id in ids.items()}

# Memory of one GPU in GB (10^9 bytes), from NVIDIA's data sheets; a node may show a little less.
MEMORY_GB = {"A100 80GB": 80.0, "H100": 80.0, "H200": 141.0, "B200": 180.0, "B300": 288.0}

GPUS = tuple(_OPTIONS)


def normalise_gpu(text: str) -> str:
    """Our spelling of a GPU: `NVIDIA H100`, `h100` and `H-100` are all `H100`.

    A name that the table does not know comes back without the vendor, otherwise as it is, so that
    an answer of the API never fails to be read.
    """
    bare = re.sub(r"^nvidia[\s_-]*", "", text.strip(), flags=re.IGNORECASE)
    squeezed = re.sub(r"[\s_-]", "", bare).upper()
    if squeezed == "A100":  # the API offers the 80 GB card only
        return "A100 80GB"
    return next((gpu for gpu in GPUS if gpu.replace(" ", "") == squeezed), bare)


def option_id(gpu: str, count: int) -> str | None:
    """The option's id for the API, or None when the table does not have it."""
    return _OPTIONS.get(gpu, {}).get(count)


def counts(gpu: str) -> tuple[int, ...]:
    """The numbers of GPUs that an instance of this type can have; empty when it is unknown."""
    return tuple(_OPTIONS.get(gpu, ()))


def from_option_id(id: str) -> tuple[str, int] | None:
    """GPU and count of an option's id, or None when the table does not have it."""
    return _BY_ID.get(id)


def memory_gb(gpu: str, count: int) -> float | None:
    """The memory of all GPUs of one replica in GB, or None when the table does not have the GPU."""
    each = MEMORY_GB.get(gpu)
    return None if each is None else each * count


def with_memory(gpu: str, count: int, needed_gb: float) -> list[tuple[str, int]]:
    """What else has `needed_gb` of memory: the fewest GPUs of the same type, and the smallest type
    with as many GPUs. Either may be missing.
    """
    more = [(gpu, n) for n in counts(gpu) if n > count]
    other = [(g, count) for g in sorted(MEMORY_GB, key=MEMORY_GB.__getitem__) if g != gpu]
    enough = [
        [(g, n) for g, n in options if option_id(g, n) and (memory_gb(g, n) or 0) >= needed_gb]
        for options in (more, other)
    ]
    return [options[0] for options in enough if options]
