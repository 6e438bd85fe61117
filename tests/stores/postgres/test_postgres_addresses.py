"""Addresses of a state in Postgres, and the passwords that they hold."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest

from friendli_iac.backends.postgres import open_postgres
from friendli_iac.errors import UsageError

from .conftest import words


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("postgres://db/app", "postgres://db/app?state=default"),
        ("postgresql://me@db:5433/app?state=x/y", "postgres://me@db:5433/app?state=x/y"),
        (
            "postgres://me:s%40cret@db/app?sslmode=verify-full&schema=infra",
            "postgres://me@db/app?state=default&schema=infra&sslmode=verify-full",
        ),
        ("postgres://a:1,b:2/app?state=%25", "postgres://a:1,b:2/app?state=%25"),
        ("postgres://[::1]:5432/app", "postgres://[::1]:5432/app?state=default"),
        ("postgres://%2Frun%2Fpg/app", "postgres://%2Frun%2Fpg/app?state=default"),
        ("postgres:///?service=prod", "postgres:///?state=default&service=prod"),
    ],
)
def test_an_address_is_shown_so_that_it_can_be_typed(where: str, shown: str) -> None:
    store = open_postgres(where, {}, trusted=True)
    assert store.describe() == shown
    assert open_postgres(shown, {}, trusted=False).describe() == shown


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("postgres://db/app?sslmodus=require", "Did you mean sslmode?"),
        ("postgres://db/app?options=-cx", "Known are: state, schema, "),
        ("postgres://db/app?password=" + "canary", "PGPASSWORD"),
        ("postgres://db/app?state=a&state=b", "twice"),
        ("postgres://db/app?canary%0A=1", "a parameter"),
        ("postgres://db/app?state=", "state is a name"),
        ("postgres://db/app?state=a%00b", "state is a name"),
        ("postgres://db/app?schema=a-b", "schema is the name"),
        ("postgres://db/app?schema=a%22b", "schema is the name"),
        ("postgres://db/app?application_name=a%00b", "NUL"),
        ("postgres://db/%00", "NUL"),
        ("postgres://db:0/app", "a port is"),
        ("postgres://db:65536/app", "a port is"),
        ("postgres://db:x/app", "postgres://[user@]host"),
        ("postgres://a/b/c", "postgres://[user@]host"),
        ("postgres://db/\udcff", "postgres://[user@]host"),
        ("mysql://db/app", "postgres://[user@]host"),
    ],
)
def test_what_is_no_address_is_refused(where: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_postgres(where, {}, trusted=True)
    assert said in words(caught.value)
    assert "canary" not in words(caught.value)


@pytest.mark.parametrize("special", ["", *"/@:?#%&=,[]+ \\", "@x/", ":1/", "?state=", "%2F", "%ff"])
@pytest.mark.parametrize("beginning", ["QXQ", "12"])  # with digits it may pass for a port
def test_a_password_that_is_not_escaped_is_never_shown(special: str, beginning: str) -> None:
    address = f"postgres://me:{beginning}{special}XQX@db.example.com"
    for where, trusted in product((address, f"{address}/app"), (True, False)):
        try:
            store = open_postgres(where, {}, trusted=trusted)
            shown = f"{store.describe()} {store.address!r}"
        except UsageError as error:
            shown = words(error)
        assert not [part for part in ("QXQ", "XQX") if part in shown]


def test_a_file_of_the_repository_may_not_have_a_password_or_a_path() -> None:
    for where in ("postgres://me:canary@db/app", "postgres://me:@db/app"):
        with pytest.raises(UsageError, match="has a password") as caught:
            open_postgres(where, {}, trusted=False)
        assert "canary" not in words(caught.value)
        assert "PGPASSWORD" in caught.value.next
    for name in ("passfile", "sslkey", "sslcert", "sslrootcert", "servicefile"):
        where = f"postgres://db/app?{name}=/tmp/x"
        with pytest.raises(UsageError, match=name) as caught:
            open_postgres(where, {}, trusted=False)
        assert f"PG{name.upper()}" in caught.value.next
        assert name in open_postgres(where, {}, trusted=True).describe()


def test_without_psycopg_it_says_what_to_install() -> None:
    program = """
import sys
sys.modules["psycopg"] = None
try:
    import friendli_iac.backends.postgres
except Exception as error:
    print(error.exit_code, error, error.next)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("64 a state in Postgres needs psycopg")
    assert "friendli-iac[postgres]" in done.stdout
