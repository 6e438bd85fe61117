"""What went wrong in Postgres, in words, and whether to try again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto
from typing import Literal

import psycopg
from psycopg import errors

from friendli_iac.backends.postgres.address import PostgresAddress
from friendli_iac.errors import StateDenied, StateError

Access = Literal["read", "write"]


class Cause(Enum):
    PASSING = auto()  # a connection lost, a server that starts or is full
    LOGIN = auto()
    CLEARTEXT = auto()  # the server asked an untrusted address for the password itself
    ENCRYPTION = auto()
    PERMISSION = auto()
    READ_ONLY = auto()
    FOREIGN = auto()  # a table of that name that is not ours
    SCHEMA = auto()
    OTHER = auto()


# libpq gives no SQLSTATE for what happens while it connects: there are only words. Those that are
# not here, such as other languages', are tried again in vain: that costs time only.
_CONNECTING = {
    Cause.CLEARTEXT: r"authentication method requirement ",
    Cause.LOGIN: r"authentication failed|pg_hba\.conf|no password supplied|no such user"
    r"|role \".*\" does not exist|not permitted to log in|permission denied"
    r"|valid client certificate",
    Cause.ENCRYPTION: r"certificate|private key|SSL was required|channel binding",
    Cause.OTHER: r"database \".*\" does not exist|no such database|definition of service"
    r"|invalid .* value|service file|failed to resolve host .*: \[Errno (-2|-5|8)\]",
}


def cause_of(error: psycopg.Error) -> Cause:
    match error:
        case errors.InsufficientPrivilege():
            return Cause.PERMISSION
        case errors.InvalidAuthorizationSpecification() | errors.InvalidPassword():
            return Cause.LOGIN
        case errors.ReadOnlySqlTransaction():
            return Cause.READ_ONLY
        case errors.InvalidSchemaName():
            return Cause.SCHEMA
        case (
            errors.UndefinedColumn()
            | errors.DatatypeMismatch()
            | errors.WrongObjectType()
            | errors.InvalidColumnReference()
            | errors.UndefinedFunction()
        ):
            return Cause.FOREIGN
    state = error.sqlstate or ""
    if state:
        # Lost connections, too many of them, conflicts, a server that stops or starts.
        passing = state[:2] in ("08", "40", "53") or state[:4] == "57P0"
        return Cause.PASSING if passing and state != "57P04" else Cause.OTHER
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Cause.OTHER
    said = str(error)
    return next((c for c, words in _CONNECTING.items() if re.search(words, said)), Cause.PASSING)


def explained(
    error: psycopg.Error,
    cause: Cause,
    address: PostgresAddress,
    access: Access,
    secrets: Iterable[str],
) -> StateError:
    """The error for people: it shows none of `secrets`."""
    where = f"the state at {address}"
    said = _one_line(error, secrets)
    safe = (
        "Nothing was changed."
        if access == "read" or cause is not Cause.PASSING
        else "It may have been written all the same: the next run looks."
    )
    table = f'"{address.schema}".friendli_iac'
    match cause:
        case Cause.LOGIN:
            return StateDenied(
                f"{where} lets nobody in with this user and password: {said}",
                safe=safe,
                next="Check the user and its password (PGPASSWORD, ~/.pgpass, or a service file).",
            )
        case Cause.CLEARTEXT:
            return StateDenied(
                f"{where} wants the password in a form that it can read, and the address comes "
                f"from a file of the repository: it was not sent ({said})",
                safe=safe,
                next="Use scram-sha-256 on the server. If the server is yours, give the address "
                "by the environment instead.",
            )
        case Cause.ENCRYPTION:
            return StateError(
                f"{where} cannot be reached as safely as was asked for: {said}",
                safe=safe,
                next="Check sslmode, and the certificates that PGSSLROOTCERT, PGSSLCERT and "
                "PGSSLKEY name.",
            )
        case Cause.PERMISSION:
            privileges = "SELECT" if access == "read" else "SELECT, INSERT, UPDATE, DELETE"
            return StateDenied(
                f"{where} cannot be {'read' if access == 'read' else 'written'} by this user: "
                f"{said}",
                safe=safe,
                next=f"GRANT {privileges} ON {table} TO the user; where there is no such table "
                f'yet, GRANT CREATE ON SCHEMA "{address.schema}" for the first time, or add '
                "&schema=NAME with a schema of its own.",
            )
        case Cause.READ_ONLY:
            return StateError(
                f"{where} can only be read now: {said}",
                safe=safe,
                next="Give the address of the primary. After a failover, wait until it is done.",
            )
        case Cause.SCHEMA:
            return StateError(
                f"{where} has no schema {address.schema}: {said}",
                safe=safe,
                next=f'CREATE SCHEMA "{address.schema}";',
            )
        case Cause.FOREIGN:
            return StateError(
                f"{where} has a table {table} that was not made by friendli-iac: {said}",
                safe=safe,
                next="Add &schema=NAME with a schema of its own.",
            )
        case _:
            return StateError(
                f"{where} cannot be {'read' if access == 'read' else 'written'}: {said}",
                safe=safe,
                next="Check that the database is there and can be reached from here, and try "
                "again.",
            )


def _one_line(error: psycopg.Error, secrets: Iterable[str]) -> str:
    said = error.diag.message_primary or next(iter(str(error).splitlines()), "")
    said = said.removeprefix("connection failed: ").removeprefix("connection is bad: ").strip()
    for secret in secrets:
        said = said.replace(secret, "***")
    return said or type(error).__name__
