"""`postgres://[user@]host[:port]/database?state=NAME&...`, taken apart.

libpq could do that itself; but an address may come from a file that a pull request can change, and
what does not parse may hold a password in a place where nobody looks for it. So what is not exactly
understood is refused, and not shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote

from friendli_iac.errors import UsageError, did_you_mean

STATE = "default"
SCHEMA = "public"

# What libpq takes, and may be set here. Not `options`: pgbouncer does not pass it on. Not
# `password`, `sslpassword`: they would stand in process lists and shell histories.
ANYWHERE = (
    "application_name",
    "channel_binding",
    "gssencmode",
    "service",
    "sslmode",
    "sslnegotiation",
    "target_session_attrs",
)
PATHS = ("passfile", "servicefile", "sslcert", "sslcrl", "sslkey", "sslrootcert")
OURS = ("state", "schema")

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[\w.%-]*)(:(?P<port>[0-9]{1,5}))?", re.ASCII)
_SCHEME = re.compile(r"postgres(ql)?://")
_IDENTIFIER = re.compile(r"[^\W\d][\w$]{0,62}")
_PARAMETER = re.compile(r"[a-z][a-z_]{0,40}")
_STATE = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_SHAPE = "postgres://[user@]host[:port]/database?state=NAME"
_PASSWORDS = "Passwords come from PGPASSWORD, ~/.pgpass or a service file (PGSERVICE)."


@dataclass(frozen=True)
class PostgresAddress:
    """`settings` are what libpq is told, by name, beside the password."""

    text: str
    state: str
    schema: str
    settings: dict[str, str]
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.text


def parse_address(where: str, *, trusted: bool) -> PostgresAddress:
    """UsageError, which shows no part that may be a password, when this is no such address."""
    scheme = _SCHEME.match(where)
    if scheme is None or "#" in where or not where.isprintable():
        raise _malformed("it begins with postgres://, and # is written %23 in it")
    main, _, query = where[scheme.end() :].partition("?")
    place, slash, database = main.partition("/")
    login, _, hosts = place.rpartition("@")
    user, colon, password = login.partition(":")
    matches = [_HOST.fullmatch(host) for host in hosts.split(",")]
    if "/" in database or "@" in query or "@" in database or None in matches or "@" in login:
        raise _malformed("special characters in a name or a password are written like %40")
    found = [match for match in matches if match]
    if any(int(match["port"] or 1) not in range(1, 65536) for match in found):
        raise _malformed("a port is a number from 1 to 65535")
    if colon and not trusted:
        raise UsageError(
            "the address of the state has a password, and comes from a file of the repository",
            safe="Nothing was sent.",
            next=f"Take it out of the file, and change it: it may be known already. {_PASSWORDS}",
        )
    parameters = _parameters(query, trusted)
    state, schema = parameters.pop("state", STATE), parameters.pop("schema", SCHEMA)
    if not _STATE.fullmatch(state):
        raise _malformed("state is a name of at most 200 characters, without spaces")
    if not _IDENTIFIER.fullmatch(schema):
        raise _malformed("schema is the name of a schema: letters, digits and _")

    named = {
        "user": unquote(user),
        "host": ",".join(unquote(match["name"]).strip("[]") for match in found),
        "port": ",".join(match["port"] or "" for match in found),
        "dbname": unquote(database),
    }
    if any("\0" in value for value in (*named.values(), *parameters.values(), unquote(password))):
        raise _malformed("there is a NUL in it")
    settings = {name: value for name, value in named.items() if value.strip(",")} | parameters
    if not trusted:
        # Whoever may change the file may name a host of their own: it must not be told the
        # password, in clear or as good as that.
        settings["require_auth"] = "!password,!md5"
    shown = {"state": state, **({"schema": schema} if schema != SCHEMA else {}), **parameters}
    text = f"postgres://{user + '@' if user else ''}{hosts}{slash}{database}?" + "&".join(
        f"{name}={quote(value, safe='/')}" for name, value in shown.items()
    )
    return PostgresAddress(text, state, schema, settings, unquote(password))


def _parameters(query: str, trusted: bool) -> dict[str, str]:
    known = [*OURS, *ANYWHERE, *(PATHS if trusted else ())]
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in known and name not in given:
            given[name] = value
            continue
        shown = name if _PARAMETER.fullmatch(name) else "a parameter"
        if name in ("password", "sslpassword"):
            trouble, next = f"has {name} as a parameter", _PASSWORDS
        elif name in given:
            trouble, next = f"has {name} twice", "Leave one of them out."
        elif name in PATHS:
            trouble = f"comes from a file of the repository, and has {name}, a path on this machine"
            next = f"Set PG{name.upper()} in the environment."
        else:
            trouble = f"has {shown}, which is not known"
            next = did_you_mean(name, known, f"Known are: {', '.join(known)}.")
        raise UsageError(f"the address of the state {trouble}", safe="Nothing was sent.", next=next)
    return given


def _malformed(why: str) -> UsageError:
    return UsageError(
        f"the address of the state is no address in Postgres: {why}",
        safe="Nothing was sent.",
        next=f"Write it like {_SHAPE}",
    )
