"""Addresses of states, as the command line and the settings write them."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from friendli_iac.errors import UsageError
from friendli_iac.manifest.environments import ENVIRONMENT


def shown(where: str) -> str:
    """An address without what may be a secret in it."""
    return re.sub(r"(?<=://).*@", "", where).partition("?")[0]


def server(where: str) -> str:
    """The server that an address names; empty for a file and for the clouds' own."""
    parts = urlsplit(where)
    host = parts.netloc.rpartition("@")[2] if parts.scheme.startswith("postgres") else ""
    return host or parse_qs(parts.query).get("endpoint", [""])[0]


def in_environment(where: str, environment: str) -> str:
    """The address with the environment in its place."""
    if ENVIRONMENT in where and not environment:
        raise UsageError(
            f"the address of the state names {ENVIRONMENT}, and no environment is chosen",
            safe="Nothing was sent.",
            next="Say which one: --env NAME, or FRIENDLI_IAC_ENV.",
        )
    return where.replace(ENVIRONMENT, environment)
