"""Who we are to object storage, and what goes wrong with that."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from friendli_iac.backends.objects import open_objects
from friendli_iac.backends.store import prove
from friendli_iac.errors import FriendliIacError, StateDenied, UsageError

from .conftest import closed_port, unused
from .forgetful import Forgetful
from .seaweed import BUCKET, KEY_ID, REGION, SECRET, Seaweed

CANARY = "canary7Secret"
ME = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}


def told(error: FriendliIacError) -> str:
    return f"{error}\n{error.safe}\n{error.next}"


def test_a_session_token_in_the_environment_may_be_empty(forgetful: Forgetful) -> None:
    """As it is in CI, where a secret that is not set is an empty one."""
    environ = {**ME, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": ""}
    open_objects(forgetful.address(), environ).put("log/1", b"x")
    assert "x-amz-security-token" not in forgetful.headers
    environ["AWS_SESSION_TOKEN"] = "temporary"
    open_objects(forgetful.address(), environ).put("log/1", b"x")
    assert forgetful.headers["x-amz-security-token"] == "temporary"


def profiles(folder: Path, secret: str = SECRET) -> None:
    (folder / ".aws").mkdir()
    script = folder / "login"
    script.write_text(
        f'#!/bin/sh\necho \'{{"Version": 1, "AccessKeyId": "{KEY_ID}", '
        f'"SecretAccessKey": "{secret}"}}\'\n'
    )
    script.chmod(0o700)
    (folder / ".aws/credentials").write_text(
        f"[default]\naws_access_key_id = nobody\naws_secret_access_key = {CANARY}\n"
        f"[team]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {secret}\n"
    )
    (folder / ".aws/config").write_text(
        f"[profile team]\nregion = {REGION}\n"
        f"[profile process]\ncredential_process = {script}\n"
        f"[profile broken]\ncredential_process = {folder}/missing\n"
        "[profile sso]\nsso_start_url = https://127.0.0.1:1/start\nsso_region = eu-west-1\n"
        "sso_account_id = 123456789012\nsso_role_name = deploy\nregion = eu-west-1\n"
    )


@pytest.mark.parametrize("profile", ["team", "process"])
def test_a_profile_lets_in(
    seaweed: Seaweed, nobody: pytest.MonkeyPatch, tmp_path: Path, profile: str
) -> None:
    profiles(tmp_path)
    nobody.setenv("AWS_PROFILE", profile)
    store = open_objects(seaweed.address(f"{BUCKET}/{unused()}"), os.environ)
    prove(store)


def test_the_default_profile_is_what_there_is(
    seaweed: Seaweed, nobody: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    profiles(tmp_path)
    with pytest.raises(StateDenied, match="InvalidAccessKeyId"):
        open_objects(seaweed.address(f"{BUCKET}/a"), os.environ).get("log/1")


def test_keys_in_the_environment_win_over_a_profile(
    seaweed: Seaweed, nobody: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As they do for AWS's own command."""
    profiles(tmp_path, secret="wrong")
    environ = {**os.environ, **seaweed.environment, "AWS_PROFILE": "team"}
    assert open_objects(seaweed.address(f"{BUCKET}/{unused()}"), environ).get("log/1") is None


@pytest.mark.parametrize(
    ("profile", "expected"),
    [("nowhere", "no AWS profile 'nowhere'"), ("broken", "missing"), ("sso", "SSO")],
)
def test_a_profile_does_not_let_in(
    nobody: pytest.MonkeyPatch, tmp_path: Path, profile: str, expected: str
) -> None:
    profiles(tmp_path)
    nobody.setenv("AWS_PROFILE", profile)
    with pytest.raises(StateDenied) as caught:
        open_objects("s3://states/a?region=eu-west-1", os.environ)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.next


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": CANARY}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": CANARY}, "InvalidAccessKeyId"),
        ({"AWS_SESSION_TOKEN": CANARY}, "InvalidAccessKeyId"),
    ],
)
def test_the_credentials_are_wrong(seaweed: Seaweed, change: dict[str, str], code: str) -> None:
    store = open_objects(seaweed.address(f"{BUCKET}/a"), {**seaweed.environment, **change})
    for call in (
        lambda: store.get("log/1"),
        lambda: store.create("log/1", b"x"),
        lambda: store.put("log/1", b"x"),
        lambda: store.keys("log/"),
        lambda: store.delete(["log/1"]),
    ):
        with pytest.raises(StateDenied, match=code) as caught:
            call()
        assert caught.value.exit_code == 3
        assert "AWS_PROFILE" in caught.value.next
        assert CANARY not in told(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "ExpiredToken"), (403, "AccessDenied"), (401, ""), (400, "InvalidToken")],
)
def test_what_a_refusal_repeats_is_not_shown(forgetful: Forgetful, status: int, code: str) -> None:
    """S3 repeats the token or what was signed."""
    body = f"<Error><Code>{code}</Code><Message>{CANARY}</Message><Token-0>{CANARY}</Token-0>"
    forgetful.refuses.append((status, f"{body}</Error>"))
    with pytest.raises(StateDenied, match=code or "401") as caught:
        open_objects(forgetful.address(), ME).create("log/1", b"x")
    assert CANARY not in told(caught.value)


def test_a_half_of_the_keys(nobody: pytest.MonkeyPatch) -> None:
    with pytest.raises(StateDenied, match="AWS_SECRET_ACCESS_KEY is not set"):
        open_objects("s3://states/a", {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": ""})


@pytest.mark.parametrize(
    ("where", "advice"),
    [
        ("s3://states/a?region=eu-west-1", "AWS_PROFILE"),
        ("gs://states/a", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://states/a?account=team", "AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
def test_there_are_no_credentials(nobody: pytest.MonkeyPatch, where: str, advice: str) -> None:
    begin = time.monotonic()
    with pytest.raises(StateDenied, match="there are no") as caught:
        open_objects(where, os.environ)
    assert time.monotonic() - begin < 15
    assert advice in caught.value.next


def test_the_region_is_not_known(nobody: pytest.MonkeyPatch) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s"}
    with pytest.raises(UsageError, match="region") as caught:
        open_objects("s3://states/a", keys)
    assert "?region=" in caught.value.next
    open_objects("s3://states/a", {**keys, "AWS_DEFAULT_REGION": "eu-west-1"})
    open_objects("s3://states/a?endpoint=https://s3.example.com", keys)
    with pytest.raises(UsageError, match="no name of a region"):
        open_objects("s3://states/a", {**keys, "AWS_REGION": "evil.example/"})


def test_the_account_is_not_known(nobody: pytest.MonkeyPatch) -> None:
    nobody.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    with pytest.raises(UsageError, match="account") as caught:
        open_objects("az://states/a", os.environ)
    assert "?account=" in caught.value.next
    where = "az://states/a?account=team"
    assert open_objects(where, os.environ).describe() == where
    environ = {**os.environ, "AZURE_STORAGE_ACCOUNT": "team"}
    assert open_objects("az://states/a", environ).describe() == "az://states/a"
    environ["AZURE_STORAGE_ACCOUNT_NAME"] = "evil.example/"
    with pytest.raises(UsageError, match="no name of an account"):
        open_objects("az://states/a", environ)


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("az://states/a?account=team", "AZURE_STORAGE_ACCOUNT_KEY", f"{CANARY}!"),
        ("gs://states/a", "GOOGLE_SERVICE_ACCOUNT_KEY", f'{{"private_key": "{CANARY}"}}'),
        ("gs://states/a", "GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json"),
    ],
)
def test_credentials_cannot_be_read(
    nobody: pytest.MonkeyPatch, where: str, name: str, value: str
) -> None:
    nobody.setenv(name, value)
    with pytest.raises(StateDenied) as caught:
        open_objects(where, os.environ)
    assert CANARY not in told(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "other", "name"),
    [
        ("gs://states/a", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_BEARER_TOKEN"),
        ("gs://states/a", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"),
        ("az://states/a?account=team", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY"),
        ("az://states/a?account=team", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_TOKEN"),
    ],
)
def test_empty_credentials_would_be_used_instead_of_others(
    nobody: pytest.MonkeyPatch, where: str, other: str, name: str
) -> None:
    nobody.setenv(other, "/nowhere.json")
    nobody.setenv(name, "")
    with pytest.raises(StateDenied, match=f"{name} is empty"):
        open_objects(where, os.environ)


def test_the_environment_names_the_server(seaweed: Seaweed) -> None:
    environ = {**seaweed.environment, "AWS_ENDPOINT_URL": seaweed.url}
    store = open_objects(f"s3://{BUCKET}/{unused()}?allow_http=true", environ)
    assert store.create("log/1", b"x") is True
    with pytest.raises(UsageError, match="http://"):
        open_objects(f"s3://{BUCKET}/a", environ)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_the_address_wins_over_the_environment(
    seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    environ = {**os.environ, **seaweed.environment}
    store = open_objects(seaweed.address(f"{BUCKET}/{unused()}"), environ, patience=2)
    assert store.create("log/1", b"x") is True
