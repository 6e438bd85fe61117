"""What looks like a secret, where none belongs: in a manifest, only names of secrets stand."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import PydanticCustomError

RULE = "secret"  # of problems that show neither the value nor its line

# The forms that issuers document for their tokens (Friendli, Hugging Face, GitHub, GitLab, W&B,
# OpenAI and Anthropic); JSON web tokens; and what an address or a header says of who calls. A name
# in words is none: a token has digits, or mixed case. Only a repetition that ends its alternative
# is unbounded, so that a text takes a time that grows with its length, and no more.
_KNOWN = r"""
    (?<![A-Za-z0-9])(?:
      (?:flp_|(?:hf|gh[opsur])_(?=[A-Za-z0-9]{30}))
        (?=[A-Za-z]{0,60}\d|[a-z]{1,60}[A-Z]|[A-Z]{1,60}[a-z])[A-Za-z0-9]{16,}
      |github_pat_(?=[A-Za-z_]{0,60}\d)\w{16,}
      |gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent)-(?=[A-Za-z_-]{0,60}\d)[\w-]{20,}
      |wandb_v\d{1,3}_(?=[A-Za-z_]{0,60}\d)\w{16,}
      |sk-(?=[A-Za-z_-]{0,60}\d)[\w-]{20,}
      |(?<![\w-])eyJ[\w-]{8,512}\.[\w.-]{8,}
      |(?i:bearer)[ ]{1,4}(?=[A-Za-z._~+/=-]{0,60}\d)[\w.~+/=-]{16,}
    )
    |(?<=://)[^/\s@:]{0,255}:(?!\$\{)[^/\s@]{1,1024}(?=@)
    |(?<=[?&\#])(?i:
        (?:(?:access|api|app|auth|client|id|job|private|refresh|shared|signing|subscription|x)
          [_-]?){0,3}
        (?:token|key|secret|password|passwd|pwd|sig|signature)|code
      )=(?!\$\{)[^&\#\s"']+"""
# As W&B's keys were, and most others: long, of letters and digits.
_LONG = r"(?<![A-Za-z0-9])(?=[A-Za-z]{0,40}\d)(?=\d{0,40}[A-Za-z])[A-Za-z0-9]{40,}"
# What is none, whatever it looks like: the name in `${…}`, and a hash that says that it is one.
_NAMED = r"\$\{[^{}$]{1,200}\}|(?i:sha256:|\b(?:revision|commit)\W{1,3})[0-9a-f]{40,64}\b"

_ISSUED = re.compile(rf"(?P<named>{_NAMED})|{_KNOWN}", re.VERBOSE | re.ASCII)
_ANY = re.compile(rf"(?P<named>{_NAMED})|{_KNOWN}|{_LONG}", re.VERBOSE | re.ASCII)
_BEGUN = 64  # characters of a secret that are not enough to know it by


def looks_secret(text: str, *, long: bool = True) -> bool:
    """Whether `text` holds what looks like the value of a secret; `long`: also what is only long,
    as commits are, too.
    """
    found = (_ANY if long else _ISSUED).finditer(text)
    return any(match["named"] is None for match in found)


def masked(text: str, most: int = 0) -> str:
    """`text` without what looks like a secret; with `most`, that many characters of it, for which
    no more is read than it takes.
    """
    read = text[: 8 * most] if most else text
    shown = _ANY.sub(lambda match: match["named"] or "***", read)
    if len(read) < len(text):  # what was cut at the end may be a secret that is not known any more
        shown = shown[:-_BEGUN]
    return shown[:most] if most else shown


def masked_value(value: Any) -> Any:
    """A value of JSON, with every text and every key in it masked."""
    match value:
        case str():
            return masked(value)
        case dict():
            return {masked(key): masked_value(inner) for key, inner in value.items()}
        case list():
            return [masked_value(inner) for inner in value]
    return value


def secret_problem(message: str) -> PydanticCustomError:
    """The error of a field that holds a secret; `message` must not show it."""
    return PydanticCustomError(RULE, "{message}", {"message": message})
