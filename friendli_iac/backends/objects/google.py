"""Google credentials that the library for object storage does not know: workload and workforce
identity federation (what google-github-actions/auth writes), and service accounts that somebody
else acts as. Google's own library fetches their tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from friendli_iac.backends.objects.address import Bucket
from friendli_iac.backends.objects.errors import no_access
from friendli_iac.errors import StateError, UsageError

if TYPE_CHECKING:
    from obstore.store import GCSCredential

KINDS = ("external_account", "external_account_authorized_user", "impersonated_service_account")
SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
TIMEOUT = 5  # seconds for a request
AGAIN = 2  # times that a request is repeated
_BUSY = (429, 500, 502, 503, 504)
_AWS = "urn:ietf:params:aws:token-type:aws4_request"
# Answers are not shown, they can repeat tokens: of what they say, only these words are.
_REASON = re.compile(
    r"\b(invalid_(?:grant|client|request|target|scope)|unauthorized_client|access_denied"
    r"|INVALID_ARGUMENT|PERMISSION_DENIED|NOT_FOUND|UNAUTHENTICATED)\b"
)


def provider(bucket: Bucket, file: str, content: Any) -> Callable[[], GCSCredential]:
    """What fetches tokens, as `file` says; `content` is the JSON of it. It is asked once, so that
    failures show now.

    UsageError: the library is not installed. StateDenied: there is no token for these credentials.
    StateError: who gives tokens out cannot be reached.
    """
    try:
        import requests
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request
        from obstore.auth.google import GoogleCredentialProvider
    except ImportError:
        raise UsageError(
            "these Google credentials need the library google-auth, which is not installed",
            next="pip install 'friendli-iac[cloud]'",
        ) from None
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, _patient())
    answers = _Answers(Request(session))
    tokens: GoogleCredentialProvider | None = None

    def fetch() -> GCSCredential:
        nonlocal tokens
        answers.refusal = ""
        try:
            if tokens is None:
                tokens = GoogleCredentialProvider(_credentials(content), request=answers)  # type: ignore[arg-type]
            found = tokens()
            if not found["token"]:
                raise ValueError("the answer holds no token")
        except TransportError as e:
            if e.args and isinstance(e.args[0], ValueError):  # its address is none
                raise no_access("gs", str(bucket), "use", f"{file} does not fit") from None
            raise _away(bucket, f"{answers.server} cannot be reached") from None
        except (GoogleAuthError, AttributeError, LookupError, TypeError, ValueError, OSError) as e:
            if answers.refusal and answers.status in _BUSY:
                raise _away(bucket, answers.refusal) from None
            raise no_access("gs", str(bucket), "use", _cause(e, answers, file)) from None
        return found

    fetch()
    return fetch


class _Answers:
    """Makes the requests of Google's library (whose own time limit is two minutes), and remembers
    who was asked, and who refused.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        self.server = ""
        self.status = 0
        self.refusal = ""

    def __call__(self, url: str, *args: Any, **options: Any) -> Any:
        self.server = urlsplit(url).hostname or "the server"
        answer = self._request(url, *args, **{**options, "timeout": TIMEOUT})
        self.status = answer.status
        if self.status >= 400:
            self.refusal = f"HTTP {self.status} from {self.server}"
        return answer


def _patient() -> Any:
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    # To ask for a token twice does no harm, so POST is repeated too.
    return HTTPAdapter(
        max_retries=Retry(
            AGAIN,
            backoff_factor=0.2,
            status_forcelist=_BUSY,
            allowed_methods=None,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
    )


def _credentials(content: Any) -> Any:
    """Not by Google's own reader of such files: that one asks another API for the project, too."""
    from google.auth import (
        aws,
        external_account_authorized_user,
        identity_pool,
        impersonated_credentials,
        pluggable,
    )

    scopes = list(SCOPES)
    if content["type"] == "impersonated_service_account":
        kind: Any = impersonated_credentials.Credentials
        return kind.from_impersonated_service_account_info(content, scopes=scopes)
    if content["type"] == "external_account_authorized_user":
        # These have the scopes that were given when the person logged in.
        kind = external_account_authorized_user.Credentials
        return kind.from_info(content)
    source: Any = identity_pool
    if content.get("subject_token_type") == _AWS:
        source = aws
    elif "executable" in (content.get("credential_source") or {}):
        source = pluggable
    return source.Credentials.from_info(content, scopes=scopes)


def _cause(error: Exception, answers: _Answers, file: str) -> str:
    """One line that holds no answer of a server or of a program."""
    if answers.refusal:
        reason = _REASON.search(str(error))
        return f"{answers.refusal} ({reason[1]})" if reason else answers.refusal
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    if isinstance(error, (AttributeError, LookupError, TypeError)):
        return f"{file} does not fit"
    said = str(error.args[0] if error.args else "").partition("\n")[0]
    return (said.partition(": ")[0] or f"{file} does not fit")[:200]


def _away(bucket: Bucket, cause: str) -> StateError:
    return StateError(f"cannot use {bucket}: {cause}", next="Try again when it can be reached.")
