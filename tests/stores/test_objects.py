"""Object storage: addresses, credentials, and what goes wrong with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from friendli_iac.backends.objects import open_objects
from friendli_iac.backends.store import prove
from friendli_iac.errors import FriendliIacError, StateDenied, StateError, UsageError

from .conftest import closed_port, unused
from .forgetful import Forgetful
from .proxy import Proxy
from .seaweed import BUCKET, KEY_ID, REGION, SECRET, Seaweed

CANARY = "canary7Secret"
ME = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}


def told(error: FriendliIacError) -> str:
    return f"{error}\n{error.safe}\n{error.next}"


# --- addresses ---


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


# --- credentials ---


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


# --- buckets and servers ---


def test_documents_lie_under_the_prefix(seaweed: Seaweed) -> None:
    prefix = f"{unused()}/prod"
    store = open_objects(seaweed.address(f"{BUCKET}/{prefix}"), seaweed.environment)
    store.create("log/1", b"{}")
    root = open_objects(seaweed.address(BUCKET), seaweed.environment)
    assert root.keys(f"{prefix}/") == [f"{prefix}/log/1"]
    found = root.get(f"{prefix}/log/1")
    assert found is not None
    assert found.data == b"{}"
    assert seaweed.content_type(f"{BUCKET}/{prefix}/log/1") == "application/json"


def test_there_is_no_bucket(seaweed: Seaweed) -> None:
    """Above all, that is no empty state."""
    store = open_objects(seaweed.address("nowhere/a"), seaweed.environment)
    for call in (
        lambda: store.get("log/1"),
        lambda: store.create("log/1", b"x"),
        lambda: store.put("log/1", b"x"),
        lambda: store.keys("log/"),
        lambda: store.delete(["log/1"]),
    ):
        with pytest.raises(StateError, match="there is no bucket nowhere") as caught:
            call()
        assert store.describe() in caught.value.next


def test_the_bucket_is_in_another_region(forgetful: Forgetful) -> None:
    forgetful.refuses.append((301, "<Error><Code>PermanentRedirect</Code></Error>"))
    with pytest.raises(StateError, match="another region") as caught:
        open_objects(forgetful.address(), ME).get("log/1")
    assert "?region=" in caught.value.next


def test_a_store_that_ignores_conditions_is_refused(forgetful: Forgetful) -> None:
    store = open_objects(forgetful.address(), ME)
    with pytest.raises(StateError, match="conditional writes do not work") as caught:
        prove(store)
    assert "two applies at once" in caught.value.safe.lower()


def test_a_conflict_may_leave_nothing(forgetful: Forgetful) -> None:
    """S3 and Azure answer 409 while another write is under way, and that one may fail."""
    forgetful.refuses.append((409, "<Error><Code>ConditionalRequestConflict</Code></Error>"))
    store = open_objects(forgetful.address(), ME)
    assert store.create("log/1", b"x") is True
    found = store.get("log/1")
    assert found is not None
    assert found.data == b"x"


def test_conflicts_without_end_are_an_error(forgetful: Forgetful) -> None:
    conflict = (409, "<Error><Code>ConditionalRequestConflict</Code></Error>")
    missing = (404, "<Error><Code>NoSuchKey</Code></Error>")
    forgetful.refuses.extend([conflict, missing] * 100)
    with pytest.raises(StateError, match="shows none") as caught:
        open_objects(forgetful.address(), ME, patience=0.5).create("log/1", b"x")
    assert caught.value.next


def test_a_server_is_unwell_for_a_moment(forgetful: Forgetful) -> None:
    forgetful.refuses.extend([(503, "<Error><Code>SlowDown</Code></Error>")] * 3)
    store = open_objects(forgetful.address(), ME)
    assert store.create("log/1", b"x") is True
    forgetful.refuses.extend([(500, "")] * 3)
    assert store.keys("log/") == ["log/1"]


def test_a_write_that_hangs_is_tried_again(seaweed: Seaweed) -> None:
    """And what hung arrives late, when it can do no harm."""
    with Proxy(seaweed.port) as proxy:
        address = seaweed.address(f"{BUCKET}/{unused()}", proxy.port)
        store = open_objects(address, seaweed.environment, patience=1.5)
        assert store.get("log/1") is None
        proxy.delay = 1.8
        threading.Timer(0.5, setattr, (proxy, "delay", 0)).start()
        assert store.create("log/1", b"x") is True
        store.put("log/1", b"y")
        time.sleep(1)
        found = store.get("log/1")
        assert found is not None
        assert found.data == b"y"


def test_signals_are_handled_while_it_waits(seaweed: Seaweed) -> None:
    """A person who presses Ctrl-C is answered at once, though the server is not answering."""
    handled = []
    previous = signal.signal(signal.SIGUSR1, lambda *_: handled.append(time.monotonic()))
    try:
        with Proxy(seaweed.port) as proxy:
            address = seaweed.address(f"{BUCKET}/{unused()}", proxy.port)
            store = open_objects(address, seaweed.environment)
            assert store.get("log/1") is None
            proxy.delay = 2
            begin = time.monotonic()
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert store.get("log/1") is None
            end = time.monotonic()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert end - begin >= 2
    assert handled[0] - begin < 1
