"""Which hub is asked, with which token, and where its files are kept: as huggingface_hub has it,
but from the environment of a run. The library reads its own when it is imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from friendli_iac.clients.hub_errors import unknown
from friendli_iac.core.preflight import Check

HUGGING_FACE = "https://huggingface.co"
Origin = tuple[str, str, int]  # scheme, host, port

_TOKEN = re.compile("[!-~]+")
_ON = ("1", "ON", "YES", "TRUE")  # what the library takes for yes


@dataclass(frozen=True)
class HubSettings:
    """`offline` is the variable that forbids to ask, if one does. A token that `hf auth login`
    saved is not used: tokens come from the environment.
    """

    endpoint: str
    token: str = field(repr=False)
    cache: Path
    offline: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> HubSettings:
        """As the environment says."""
        names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        said = next((name for name in names if environ.get(name)), "")
        return cls(
            endpoint=(environ.get("HF_ENDPOINT") or HUGGING_FACE).rstrip("/"),
            token=environ.get("HF_TOKEN", "").strip(),
            cache=_cache(environ),
            offline=said if environ.get(said, "").upper() in _ON else "",
        )

    @property
    def origin(self) -> Origin | None:
        """Where the token may go."""
        return origin_of(self.endpoint)

    @property
    def host(self) -> str:
        """Where is asked, for people; without a password that may be in the address."""
        return self.origin[1] if self.origin else "HF_ENDPOINT"

    def obstacle(self) -> Check | None:
        """Why nothing can be asked, if that is so."""
        if self.offline:
            return unknown(f"not looked at: {self.offline} is set", f"Unset {self.offline}.")
        if self.origin is None:
            return unknown("not looked at: HF_ENDPOINT is no address", "Correct it, or unset it.")
        scheme, host, _ = self.origin
        if scheme != "https" and host not in ("127.0.0.1", "localhost", "::1"):
            return unknown(
                "not looked at: HF_ENDPOINT is not https, and a token would travel in the open",
                "Set HF_ENDPOINT to an https address, or unset it.",
            )
        if self.token and not _TOKEN.fullmatch(self.token):
            return unknown(
                "not looked at: HF_TOKEN holds a space or a character that is not ASCII",
                "Copy the token (hf_…) once more, and nothing but it, to HF_TOKEN.",
            )
        return None


def origin_of(url: str) -> Origin | None:
    """Scheme, host and port of an address, None when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _cache(environ: Mapping[str, str]) -> Path:
    """Where the library keeps files, as it finds it."""
    cache = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE")
    home = environ.get("HF_HOME") or Path(
        environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    path = Path(cache) if cache else Path(home, "hub")
    try:
        return path.expanduser()
    except RuntimeError:  # a user without a home: nothing can be kept, and nothing need be
        return path
