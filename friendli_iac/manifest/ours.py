"""Whether a file that was only come across is ours.

A misspelt key must not make a resource disappear, which would have it deleted; and the YAML of
other tools (Kubernetes, Compose, workflows) must not be complained about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache

from friendli_iac.manifest.document import split
from friendli_iac.resources import KINDS, TEMPLATES

_NEAR = 0.8  # of two words' letters are the same, in order

# What every document that could be ours has somewhere: a cheap look at large files of others.
_HINT = re.compile(rb"iac|fr[a-z]{0,2}nd", re.IGNORECASE)
_KIND = re.compile(rb"""kind["']?[ \t]*:[\s>|"'-]*([a-z][a-z_-]*)""", re.IGNORECASE)
# A key and its value, which may begin on the next line, where nothing has been parsed.
_PAIR = re.compile(
    r"""^([ \t]*)(?:[-{][ \t]*)?["']?([a-z][a-z_-]*)["']?[ \t]*:"""
    r"""[ \t>|-]*(?:\n[ \t]+)?["']?([^\s"',}#]+)""",
    re.IGNORECASE | re.MULTILINE,
)


def may_be_ours(data: bytes) -> bool:
    """False for most files of other tools, and never for one of ours, whatever its encoding."""
    plain = data.replace(b"\0", b"") if b"\0" in data else data  # UTF-16 and UTF-32, roughly
    if _HINT.search(plain):
        return True
    return any(_near(word.decode(), _kinds()) for word in set(_KIND.findall(plain)))


def bytes_are_ours(data: bytes) -> bool:
    """Whether some document in a file that cannot be decoded says that it is ours."""
    return file_is_ours(data.replace(b"\0", b"").decode("latin-1"))


def file_is_ours(text: str) -> bool:
    """Whether some document in a file that is not read says that it is ours."""
    return any(text_is_ours(document.content) for document in split("", text))


def text_is_ours(text: str) -> bool:
    """Whether a document that cannot be parsed says that it is ours."""
    pairs = _PAIR.findall(text)
    top = [(key, value) for indent, key, value in pairs if not indent]
    if _is_ours(top):
        return True
    # What is further in counts where the indentation may be what is wrong.
    deeper = not any(_is_version(key) for key, _ in top)
    return deeper and any(_is_version(k) and _is_our_version(v) for _, k, v in pairs)


def is_ours(data: object) -> bool:
    """Whether a document, as read, says that it is ours, however misspelt."""
    if isinstance(data, list):  # each item might have been meant as a document
        return any(is_ours(item) for item in data if isinstance(item, dict))
    return isinstance(data, dict) and _is_ours((k, str(v)) for k, v in data.items())


def _is_ours(pairs: Iterable[tuple[str, str]]) -> bool:
    versions, kind = [], ""
    for key, value in pairs:
        if _is_version(key):
            versions.append(value)
        elif _letters(key) == "kind":
            kind = value
    if any(map(_is_our_version, versions)):
        return True
    # Kinds of the same name in the API group of somebody else, and one of Kubernetes itself.
    theirs = any("/" in v and "." in v.partition("/")[0] for v in versions)
    theirs = theirs or (kind == "Endpoints" and "v1" in versions)
    return not theirs and _near(kind, _kinds())


def _is_version(key: str) -> bool:
    return _near(key, ("apiversion",))


def _is_our_version(value: str) -> bool:
    group = value.partition("/")[0]
    if "." in group and "iac" not in group.lower():  # friendli.ai/v1 would be an operator's
        return False
    return _near(group, ("friendliiac", "friendli"))


def _kinds() -> tuple[str, ...]:
    return tuple(map(_letters, (*KINDS, *TEMPLATES)))


@lru_cache(maxsize=4096)
def _near(word: str, known: tuple[str, ...]) -> bool:
    letters = _letters(word[:40])
    return any(SequenceMatcher(None, letters, one).ratio() >= _NEAR for one in known)


def _letters(word: str) -> str:
    return re.sub("[^a-z]", "", word.lower())
