"""Who we are to a cloud. Every value comes from where its own tools look for it.

    s3   AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY (+ AWS_SESSION_TOKEN); else what AWS's own
         library finds, in its order: AWS_PROFILE and ~/.aws (keys, assumed roles, SSO,
         credential_process), AWS_WEB_IDENTITY_TOKEN_FILE + AWS_ROLE_ARN, the credentials of a
         container (ECS, EKS), those of an EC2 instance
    gs   GOOGLE_BEARER_TOKEN; GOOGLE_SERVICE_ACCOUNT_PATH, _KEY; GOOGLE_APPLICATION_CREDENTIALS or
         ~/.config/gcloud/application_default_credentials.json (a service account, a user, workload
         or workforce identity federation, or a service account that one of these acts as); the
         metadata server
    az   AZURE_STORAGE_TOKEN; AZURE_STORAGE_ACCOUNT_KEY; AZURE_CLIENT_ID + AZURE_TENANT_ID with
         AZURE_FEDERATED_TOKEN_FILE or AZURE_CLIENT_SECRET; AZURE_STORAGE_SAS_TOKEN;
         AZURE_USE_AZURE_CLI=true; a managed identity

Region of s3: ?region=, AWS_REGION, AWS_DEFAULT_REGION, that of the profile.
Account of az: ?account=, AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from friendli_iac.backends.objects.address import (
    Bucket,
    check_account,
    check_endpoint,
    check_region,
)
from friendli_iac.backends.objects.errors import LOGIN, no_access
from friendli_iac.backends.objects.google import KINDS as FEDERATED
from friendli_iac.backends.objects.google import provider as federated
from friendli_iac.errors import StateDenied, UsageError

# The library asks for credentials again five minutes before these end. AWS's library hands out none
# that end sooner than in ten.
KEPT = timedelta(minutes=10)
PROBE = 2  # seconds until a metadata server must have taken a connection
_METADATA = "169.254.169.254"  # of a machine in any of the three clouds


def for_s3(bucket: Bucket, environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings of the store. StateDenied: no credentials. UsageError: no region."""
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    provider: Any
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        if not environ.get(name, "").isprintable():
            raise no_access("s3", str(bucket), "use", f"{name} has a line break in it, or the like")
    if key and secret:
        fixed = {
            "access_key_id": key,
            "secret_access_key": secret,
            "token": environ.get("AWS_SESSION_TOKEN") or None,
            "expires_at": None,
        }
        provider, profile_region = (lambda: fixed), ""
    elif key or secret:
        missing = "AWS_SECRET_ACCESS_KEY" if key else "AWS_ACCESS_KEY_ID"
        raise no_access("s3", str(bucket), "use", f"{missing} is not set")
    else:
        provider = _from_aws(bucket, environ)
        profile_region = provider.config.get("region", "")
    region = (
        bucket.region
        or environ.get("AWS_REGION")
        or environ.get("AWS_DEFAULT_REGION")
        or profile_region
    )
    elsewhere = (
        bucket.endpoint or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    )
    if not region and not elsewhere:
        raise UsageError(
            f"the region of the bucket {bucket.name} is not known",
            next=f"Add ?region=… to the address {bucket}, or set AWS_REGION.",
        )
    settings = {
        "region": check_region(region or "us-east-1"),  # what other servers expect
        "credential_provider": provider,
    }
    if elsewhere:
        check_endpoint(elsewhere, bucket.allow_http)
        settings["aws_endpoint_url_s3"] = elsewhere
    return settings


def _from_aws(bucket: Bucket, environ: Mapping[str, str]) -> Any:
    """What AWS's own library finds; it is asked once, so that failures show now."""
    try:
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]
        from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound  # type: ignore[import-untyped]
        from botocore.session import Session  # type: ignore[import-untyped]
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise UsageError(
            "these AWS credentials need the library boto3, which is not installed",
            next="pip install 'friendli-iac[cloud]', or set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY",
        ) from None
    session = Session()
    session.set_default_client_config(
        Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    )
    try:
        provider = Boto3CredentialProvider(boto3.Session(botocore_session=session), ttl=KEPT)
        provider()
    except ProfileNotFound:
        raise StateDenied(
            f"there is no AWS profile {environ.get('AWS_PROFILE', '')!r}",
            next="Correct AWS_PROFILE; `aws configure list-profiles` shows which there are.",
        ) from None
    except ValueError:
        raise StateDenied(
            f"there are no AWS credentials for {bucket}",
            next=LOGIN["s3"],
        ) from None
    except (BotoCoreError, ClientError, OSError) as error:
        cause = str(error).partition("\n")[0][:200]
        raise no_access("s3", str(bucket), "use", cause) from None
    return provider


def for_gs(bucket: Bucket, environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings of the store. StateDenied: no credentials, or no token for them. StateError: who
    gives tokens out cannot be reached.
    """
    names = (
        "GOOGLE_BEARER_TOKEN",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_SKIP_SIGNATURE",
        "SERVICE_ACCOUNT",
    )
    _check_empty(bucket, environ, (*names[:-1], "GOOGLE_APPLICATION_CREDENTIALS"))
    if any(environ.get(name) for name in names):
        return {}
    given = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    home = Path(environ.get("HOME", "/")) / ".config/gcloud/application_default_credentials.json"
    file = Path(given) if given else home
    if not given and not file.exists():
        # The library would look for a metadata server for minutes.
        host = environ.get("GCE_METADATA_HOST") or environ.get("GCE_METADATA_ROOT")
        _probe(bucket, f"http://{host or environ.get('GCE_METADATA_IP') or _METADATA}")
        return {}
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "it is no JSON"
        raise no_access("gs", str(bucket), "use", f"{file}: {cause}") from None
    if isinstance(content, dict) and content.get("type") in FEDERATED:
        return {"credential_provider": federated(bucket, str(file), content)}
    return {}


def for_az(bucket: Bucket, environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings of the store. StateDenied: no credentials. UsageError: no account."""
    account = (
        bucket.account
        or environ.get("AZURE_STORAGE_ACCOUNT_NAME")
        or environ.get("AZURE_STORAGE_ACCOUNT")
    )
    if not account:
        raise UsageError(
            f"the storage account of the container {bucket.name} is not known",
            next=f"Add ?account=… to the address {bucket}, or set AZURE_STORAGE_ACCOUNT_NAME.",
        )
    names = (
        "AZURE_STORAGE_TOKEN",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_MASTER_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_CLIENT_SECRET",
        "AZURE_STORAGE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_USE_AZURE_CLI",
        "AZURE_SKIP_SIGNATURE",
    )
    _check_empty(bucket, environ, (*names[:4], "AZURE_SKIP_SIGNATURE"))
    found = [name for name in names if environ.get(name)]
    if found == ["AZURE_FEDERATED_TOKEN_FILE"]:
        _check_federation(bucket, environ)
    elif not found:
        endpoints = ("IDENTITY_ENDPOINT", "AZURE_IDENTITY_ENDPOINT", "AZURE_MSI_ENDPOINT")
        given = [environ[name] for name in endpoints if environ.get(name)]
        _probe(bucket, given[0] if given else f"http://{_METADATA}")
    return {"account_name": check_account(account)}


def _check_empty(bucket: Bucket, environ: Mapping[str, str], names: Iterable[str]) -> None:
    """The library would use them as they are, and no other credentials. In CI a secret that is not
    set is an empty one.
    """
    for name in names:
        if environ.get(name) == "":
            raise no_access(bucket.scheme, str(bucket), "use", f"{name} is empty: unset it")


def _check_federation(bucket: Bucket, environ: Mapping[str, str]) -> None:
    """Without these the library looks for the identity of a machine, and says nothing of it."""
    for names in (
        ("AZURE_CLIENT_ID", "AZURE_STORAGE_CLIENT_ID"),
        ("AZURE_TENANT_ID", "AZURE_STORAGE_TENANT_ID", "AZURE_AUTHORITY_ID"),
    ):
        if not any(environ.get(name) for name in names):
            raise no_access("az", str(bucket), "use", f"{names[0]} is not set")
    file = environ["AZURE_FEDERATED_TOKEN_FILE"]
    try:
        Path(file).read_bytes()
    except OSError as error:
        raise no_access("az", str(bucket), "use", f"{file}: {error.strerror}") from None


def _probe(bucket: Bucket, server: str) -> None:
    """Without any other credentials, those of the machine are what there is, if it has some."""
    try:
        parts = urlsplit(server)
        address = (parts.hostname or "", parts.port or 80)
        socket.create_connection(address, timeout=PROBE).close()
    except (OSError, ValueError):
        raise StateDenied(
            f"there are no credentials for {bucket}",
            next=LOGIN[bucket.scheme],
        ) from None
