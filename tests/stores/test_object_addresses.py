"""Addresses of object storage, and what they may not hold."""

from __future__ import annotations

import subprocess
import sys

import pytest

from friendli_iac.backends.objects import open_objects
from friendli_iac.errors import FriendliIacError, UsageError

CANARY = "canary7Secret"
ME = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}


def told(error: FriendliIacError) -> str:
    return f"{error}\n{error.safe}\n{error.next}"


@pytest.mark.parametrize(
    "where",
    [
        "s3://states",
        "s3://states/team/prod",
        "s3://states/a?endpoint=https://s3.example.com&region=eu-west-1",
        "s3://states/a?endpoint=http://127.0.0.1:9000&allow_http=true",
    ],
)
def test_an_address_is_shown_as_it_can_be_typed(where: str) -> None:
    assert open_objects(where, ME).describe() == where


def test_slashes_do_not_matter() -> None:
    assert open_objects("s3://states//team/prod/", ME).describe() == "s3://states/team/prod"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("s3://", "needs the name of a bucket"),
        ("s3:///prefix", "needs the name of a bucket"),
        ("az:///prefix", "needs the name of a container"),
        ("s3://a", "needs the name of a bucket"),
        ("s3://host:9000/bucket", "needs the name of a bucket"),
        ("s3:states", "needs the name of a bucket"),
        ("http://states/a", "no address of a bucket"),
        ("s3://[states/a", "no address of a bucket"),
        ("s3://states/../other", "the prefix '../other' does not fit"),
        ("s3://states/a//b", "the prefix 'a//b' does not fit"),
        ("s3://states/a b", "does not fit"),
        ("s3://states/a%2e", "does not fit"),
        ("s3://states/a#b", "has no #"),
        ("s3://states/a?regoin=x", "Did you mean region?"),
        ("s3://states/a?account=x", "endpoint, region, allow_http"),
        ("gs://states/a?endpoint=https://evil.example", "It takes no options."),
        ("gs://states/a?region=x", "It takes no options."),
        ("az://states/a?endpoint=https://evil.example", "It knows account."),
        ("az://states/a?account=evil.example/", "is no name of an account"),
        ("s3://states/a?region=evil.example/", "is no name of a region"),
        ("s3://states/a?region=", "the option region is empty"),
        ("s3://states/a?region", "no address of a bucket"),
        ("s3://states/a?region=x&region=y", "twice"),
        ("s3://states/a?allow_http=yes", "allow_http is true or false"),
        ("s3://states/a?endpoint=http://127.0.0.1:1", "allow_http=true"),
        ("s3://states/a?endpoint=ftp://127.0.0.1", "no https:// address"),
        ("s3://states/a?endpoint=https://", "no https:// address"),
        ("s3://states/a?endpoint=https://h:port", "no https:// address"),
    ],
)
def test_an_address_makes_no_sense(where: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_objects(where, ME)
    assert expected in told(caught.value)
    assert caught.value.next


@pytest.mark.parametrize(
    "where",
    [
        f"s3://id:{CANARY}@states/a",
        f"s3://{CANARY}@states/a",
        f"az://states/a?sas_token={CANARY}",
        f"az://states/a?sig={CANARY}",
        f"s3://states/a?access_key_id=x&secret_access_key={CANARY}",
        f"s3://states/a?endpoint=https://id:{CANARY}@s3.example.com",
        f"gs://states/a?bearer_token={CANARY}",
    ],
)
def test_an_address_holds_no_credentials(where: str) -> None:
    with pytest.raises(UsageError, match="holds no credentials") as caught:
        open_objects(where, ME)
    assert CANARY not in told(caught.value)


def test_the_library_is_not_installed() -> None:
    """A module that is None cannot be imported."""
    program = (
        "import sys; sys.modules['obstore'] = None\n"
        "from friendli_iac.backends.objects import open_objects\n"
        "from friendli_iac.errors import UsageError\n"
        "try: open_objects('s3://states/a', {})\n"
        "except UsageError as error: print(error.next)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "pip install 'friendli-iac[cloud]'\n", done.stderr
