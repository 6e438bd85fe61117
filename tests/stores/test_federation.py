"""Who brings the token of somebody else, such as a job in CI, and is given one of the cloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from friendli_iac.backends.objects import ObjectStore, open_objects
from friendli_iac.errors import FriendliIacError, StateDenied, StateError

from .conftest import closed_port
from .federation import Federation, running_federation

CANARY = "canary7Secret"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p"
WELL_KNOWN = ".config/gcloud/application_default_credentials.json"
Write = Callable[..., Path]


def told(error: FriendliIacError) -> str:
    return f"{error}\n{error.safe}\n{error.next}\n{error.__cause__!r}"


@pytest.fixture
def federation(nobody: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Federation]:
    with running_federation(tmp_path) as running:
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            nobody.setenv(name, str(running.certificate))
        nobody.setenv("GOOGLE_BASE_URL", running.url)
        nobody.setenv("AZURE_STORAGE_ENDPOINT", running.url)
        nobody.setenv("AZURE_AUTHORITY_HOST", running.url)
        yield running


@pytest.fixture
def write(federation: Federation, nobody: pytest.MonkeyPatch, tmp_path: Path) -> Write:
    """Writes Google's credentials file, with changes; what is None is left out."""
    (tmp_path / "subject").write_text("from a file")

    def write(at: str = "credentials.json", **changes: Any) -> Path:
        content = {
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{federation.url}/sts",
            "credential_source": {"file": str(tmp_path / "subject")},
        }
        file = tmp_path / at
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in (content | changes).items() if value is not None}
        file.write_text(json.dumps(kept))
        if at != WELL_KNOWN:
            nobody.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        return file

    return write


def opened(where: str = "gs://states/prod") -> ObjectStore:
    return open_objects(where, os.environ, patience=2)


def check_use(store: ObjectStore) -> None:
    assert store.create("log/1", b"x") is True
    assert store.create("log/1", b"y") is False
    found = store.get("log/1")
    assert found is not None
    assert found.data == b"x"


def check_refusal(where: str, expected: str, kind: type[StateError] = StateDenied) -> None:
    """At once, on one line, and without what was answered."""
    begin = time.monotonic()
    with pytest.raises(kind, match=expected) as caught:
        opened(where).create("log/1", b"x")
    assert type(caught.value) is kind
    assert time.monotonic() - begin < 6
    assert CANARY not in told(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.next


# --- Google ---


@pytest.mark.parametrize("at", ["credentials.json", WELL_KNOWN])
def test_a_token_of_another_issuer_lets_in(federation: Federation, write: Write, at: str) -> None:
    write(at)
    check_use(opened())
    path, form = federation.asked[-1]
    assert path == "/sts"
    assert form["subject_token"] == "from a file"
    assert form["audience"] == AUDIENCE
    assert form["scope"].endswith("/devstorage.read_write")


def test_a_job_of_github_actions_is_let_in(federation: Federation, write: Write) -> None:
    """The file that google-github-actions/auth writes, with a service account to act as."""
    write(
        credential_source={
            "url": f"{federation.url}/runner?audience=x",
            "headers": {"Authorization": "Bearer runner"},
            "format": {"type": "json", "subject_token_field_name": "value"},
        },
        service_account_impersonation_url=(
            f"{federation.url}/v1/projects/-/serviceAccounts/me@p.example:generateAccessToken"
        ),
    )
    check_use(opened())
    assert federation.asked[0][1]["subject_token"] == "from the runner"
    assert federation.asked[-1][0].endswith("/me@p.example:generateAccessToken")
    assert federation.tokens[-1].startswith("actor-")


def test_a_person_of_another_issuer_is_let_in(federation: Federation, write: Write) -> None:
    write(
        type="external_account_authorized_user",
        refresh_token="refresh",
        client_id="me",
        client_secret=CANARY,
    )
    check_use(opened())
    assert federation.asked[-1][1]["refresh_token"] == "refresh"


def test_who_may_not_act_as_a_service_account(federation: Federation, write: Write) -> None:
    federation.refuses = (400, json.dumps({"error": "invalid_grant", "error_description": CANARY}))
    who = {
        "type": "service_account",
        "client_email": "me@p.example",
        "private_key": federation.key,
        "private_key_id": "1",
        "token_uri": f"{federation.url}/token",
    }
    write(
        type="impersonated_service_account",
        source_credentials=who,
        service_account_impersonation_url="https://x/serviceAccounts/a@b:generateAccessToken",
    )
    check_refusal("gs://states/a", r"HTTP 400 from 127.0.0.1 \(invalid_grant\)")


def test_tokens_are_asked_for_again_before_they_end(federation: Federation, write: Write) -> None:
    write()
    federation.lifetime = 200
    store = opened()
    assert store.create("log/1", b"x") is True
    count = len(federation.tokens)
    time.sleep(0.3)  # that long the library keeps even those that end soon
    assert store.create("log/2", b"x") is True
    assert len(federation.tokens) == count + 1
    federation.refuses = (403, f'{{"error": "access_denied", "error_description": "{CANARY}"}}')
    time.sleep(0.3)
    begin = time.monotonic()
    with pytest.raises(StateDenied, match="access_denied") as caught:
        store.create("log/3", b"x")
    assert time.monotonic() - begin < 3
    assert CANARY not in told(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, f'{{"error": "invalid_grant", "error_description": "{CANARY}"}}', "invalid_grant"),
        (401, f"<html>{CANARY}</html>", "HTTP 401 from 127.0.0.1"),
        (403, f'{{"error": {{"message": "{CANARY}", "status": "PERMISSION_DENIED"}}}}', "PERM"),
        (200, f'{{"token": "{CANARY}"}}', "does not fit"),
        (200, '{"access_token": "", "expires_in": 9}', "holds no token"),
        (200, CANARY, "not allowed"),
    ],
)
def test_no_token_is_given(
    federation: Federation, write: Write, status: int, body: str, expected: str
) -> None:
    write()
    federation.refuses = (status, body)
    check_refusal("gs://states/a", expected)


def test_who_gives_tokens_is_unwell(federation: Federation, write: Write) -> None:
    write()
    federation.refuses = (503, CANARY)
    check_refusal("gs://states/a", "HTTP 503 from 127.0.0.1", StateError)
    assert len(federation.asked) == 3
    write(token_url=f"https://127.0.0.1:{closed_port()}/{CANARY}")
    check_refusal("gs://states/a", "127.0.0.1 cannot be reached", StateError)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"credential_source": {"file": "/nowhere"}}, "File '/nowhere' was not found"),
        ({"credential_source": {"file": "/"}}, "Is a directory: /"),
        ({"credential_source": {"file": os.devnull}}, "Missing subject_token"),
        ({"credential_source": None}, "credential source"),
        ({"credential_source": CANARY}, "not a dict"),
        ({"token_url": None}, "credentials.json does not fit"),
        ({"token_url": "sts"}, "credentials.json does not fit"),
        ({"audience": 1}, "credentials.json does not fit"),
        ({"type": "nonsense"}, "unknown variant"),
    ],
)
def test_the_file_makes_no_sense(write: Write, changes: dict[str, Any], expected: str) -> None:
    write(**changes)
    check_refusal("gs://states/a", expected)


def test_a_program_that_gives_tokens_fails(
    write: Write, nobody: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho {CANARY}\nexit 3\n")
    program.chmod(0o700)
    nobody.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    write(credential_source={"executable": {"command": str(program), "timeout_millis": 5000}})
    check_refusal("gs://states/a", "non-zero return code 3")


def test_what_is_stronger_than_the_file(
    federation: Federation, write: Write, nobody: pytest.MonkeyPatch
) -> None:
    write()
    federation.tokens.append("bearer")
    nobody.setenv("GOOGLE_BEARER_TOKEN", "bearer")
    check_use(opened())
    assert federation.asked == []


def test_the_library_of_google_is_not_installed(write: Write) -> None:
    """A module that is None cannot be imported."""
    write()
    program = (
        "import os, sys; sys.modules['google.auth'] = None\n"
        "from friendli_iac.backends.objects import open_objects\n"
        "from friendli_iac.errors import UsageError\n"
        "try: open_objects('gs://states/a', os.environ)\n"
        "except UsageError as error: print(error.next)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "pip install 'friendli-iac[cloud]'\n", done.stderr


# --- Azure ---

AZ = "az://states/a?account=team"


@pytest.fixture
def assertion(federation: Federation, nobody: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "assertion"
    file.write_text("first")
    nobody.setenv("AZURE_CLIENT_ID", "client")
    nobody.setenv("AZURE_TENANT_ID", "tenant")
    nobody.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))
    return file


def test_a_token_of_another_issuer_lets_in_to_azure(
    federation: Federation, assertion: Path
) -> None:
    federation.lifetime = 200
    store = opened(AZ)
    check_use(store)
    path, form = federation.asked[0]
    assert path == "/tenant/oauth2/v2.0/token"
    assert (form["client_id"], form["client_assertion"]) == ("client", "first")
    assertion.write_text("second")  # Kubernetes replaces it every hour
    time.sleep(0.3)
    assert store.create("log/2", b"x") is True
    assert federation.asked[-1][1]["client_assertion"] == "second"


def test_azure_gives_no_token(federation: Federation, assertion: Path) -> None:
    federation.refuses = (401, json.dumps({"error": "invalid_client", "x": CANARY}))
    check_refusal(AZ, "HTTP 401")


@pytest.mark.parametrize("name", ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"])
def test_a_part_is_missing_for_azure(
    assertion: Path, nobody: pytest.MonkeyPatch, name: str
) -> None:
    nobody.setenv(name, "")
    check_refusal(AZ, f"{name} is not set")
    nobody.delenv(name)
    check_refusal(AZ, f"{name} is not set")


def test_the_token_for_azure_is_not_there(assertion: Path) -> None:
    assertion.unlink()
    check_refusal(AZ, "assertion: No such file")
