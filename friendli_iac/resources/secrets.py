"""What looks like a secret, where none belongs: in a manifest, only names of secrets stand."""

from __future__ import annotations

import re

from pydantic_core import PydanticCustomError

RULE = "secret"  # of problems that show neither the value nor its line

# Prefixes that issuers document for their tokens (Friendli, GitHub, GitLab, Hugging Face, W&B);
# JSON web tokens; and what an address says of who calls. `${…}` is a name, and no value.
_KNOWN = re.compile(
    r"""(?<![A-Za-z0-9])(?:
      (?:flp|gh[opsur]|hf)_[A-Za-z0-9]{16,}
      |github_pat_\w{16,}
      |gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent)-[\w-]{8,}
      |wandb_v\d+_\w{16,}
      |eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+
    )
    |(?<=://)[^/\s@:]*:(?!\$)[^/\s@]+(?=@)
    |(?<=[?&])(?i:(?:private_|access_|job_|auth_|api_?)?(?:token|key)|secret|password|sig)
      =(?!\$)[^&\#\s"']+""",
    re.VERBOSE | re.ASCII,
)
# As W&B's keys, and most others: long, of letters and digits. A digest says that it is one.
_LONG = re.compile(
    r"(?<![A-Za-z0-9])(?<!sha256:)(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{40,}", re.ASCII
)


def looks_secret(text: str) -> bool:
    """Whether `text` holds what looks like the value of a secret."""
    return _KNOWN.search(text) is not None or _LONG.search(text) is not None


def masked(text: str) -> str:
    """`text` without what is known to be a secret. What is only long stays: commits are, too."""
    return _KNOWN.sub("***", text)


def secret_problem(message: str) -> PydanticCustomError:
    """The error of a field that holds a secret; `message` must not show it."""
    return PydanticCustomError(RULE, "{message}", {"message": message})
