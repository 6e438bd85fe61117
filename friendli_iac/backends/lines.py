"""The lines of a local journal: one JSON document each, with a CRC that tells a torn one."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from friendli_iac.core.canonical import canonical_json
from friendli_iac.resources.foreign import loads


@dataclass(frozen=True)
class Lines:
    """What a journal says. `whole` is the size in bytes of the part that can be read; of what
    follows it, `torn` says whether it is the tail of a write that did not end, and `damaged` is the
    number of the line where something else follows, 0 for none.
    """

    documents: tuple[dict[str, Any], ...]
    whole: int
    torn: bool = False
    damaged: int = 0


def encode(document: Mapping[str, Any]) -> bytes:
    """One line."""
    text = canonical_json(document)
    return f'{{"crc":"{zlib.crc32(text.encode()):08x}","entry":{text}}}\n'.encode()


def decode(data: bytes) -> Lines:
    """The lines of a file."""
    documents: list[dict[str, Any]] = []
    whole = 0
    for number, raw in enumerate(data.split(b"\n"), 1):
        if not raw:
            whole += 1
            continue
        document = _checked(raw)
        end = whole + len(raw) + 1
        if document is None or end > len(data):
            more = bool(data[end:].strip())
            return Lines(tuple(documents), whole, torn=not more, damaged=number if more else 0)
        documents.append(document)
        whole = end
    return Lines(tuple(documents), len(data))


def _checked(raw: bytes) -> dict[str, Any] | None:
    """The document of a line, or None when the line is not what was written."""
    try:
        line = loads(raw)
        entry: dict[str, Any] = line["entry"]
        return entry if f"{zlib.crc32(canonical_json(entry).encode()):08x}" == line["crc"] else None
    except (ValueError, KeyError, TypeError):
        return None
