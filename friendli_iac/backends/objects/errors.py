"""What the library for object storage says, in our words.

Its messages hold whole answers of servers, and those can repeat signatures and session tokens: only
the HTTP status, the code of the error, and well-known causes are taken from them.
"""

from __future__ import annotations

import re

from friendli_iac.errors import StateDenied, StateError

_STATUS = re.compile(r"status code: (\d{3})( [A-Z][A-Za-z -]*[a-z])?")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_ADDRESS = re.compile(r"\S+://\S+")
# What the library says before an error of the function that it asks for credentials.
_ASKING = re.compile(r"credential provider: (\w+): (?:not allowed to use \S+ )?")
_TOKENS = ("Error performing token request", "Error reading federated token file")
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"}
_DENIED = {
    "AuthenticationFailed",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidAuthenticationInfo",
    "InvalidIdentityToken",
    "InvalidToken",
    "TokenRefreshRequired",
}
_CAUSES = (  # in the library's detailed text, in lower case; the first that fits
    ("connection refused", "the connection was refused"),
    ("dns error", "its name cannot be looked up"),
    ("certificate", "its TLS certificate is not accepted"),
    ("network is unreachable", "the network is unreachable"),
    ("timedout", "no answer in time"),
    ("timed out", "no answer in time"),
    ("connection reset", "the connection was cut"),
    ("incompletemessage", "the connection was cut"),
)
READING = ("read", "list")
UNCHANGED = "Nothing was changed."
LOGIN = {
    "s3": "Refresh your AWS credentials (`aws sso login`, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE); they need s3:GetObject, s3:PutObject, s3:DeleteObject "
    "and s3:ListBucket there.",
    "gs": "Refresh your Google credentials (`gcloud auth application-default login`, or "
    "GOOGLE_APPLICATION_CREDENTIALS); they need the role Storage Object User there.",
    "az": "Refresh your Azure credentials (`az login` with AZURE_USE_AZURE_CLI=true, or "
    "AZURE_STORAGE_ACCOUNT_KEY); they need the role Storage Blob Data Contributor there.",
}


class Conflict(StateError):
    """There is such a document, or somebody is writing one."""


class Missing(StateError):
    """There is no such document."""


class Unanswered(StateError):
    """Nobody answered: whether it was done is unknown."""


def explained(error: Exception, scheme: str, where: str, doing: str) -> StateError:
    """The error to raise for what the library raised while `doing` something at `where`."""
    from obstore.exceptions import (
        AlreadyExistsError,
        PermissionDeniedError,
        PreconditionError,
        UnauthenticatedError,
    )

    text, _, details = str(error).partition("\n\nDebug source")
    status, code = _status_and_code(text)
    if code in _NO_BUCKET:
        what = "container" if scheme == "az" else "bucket"
        return StateError(
            f"there is no {what} {where.partition('?')[0].split('/')[2]}",
            safe="Nothing was written.",
            next=f"Make it, or correct the address: {where}",
        )
    if isinstance(error, (AlreadyExistsError, PreconditionError)):
        return Conflict(
            f"{where} says that a document exists and shows none",
            next="Try again: another write may have been under way.",
        )
    if isinstance(error, FileNotFoundError):
        return Missing(f"a document is missing in {where}")
    cause = _cause(text, details, status, code)
    asking = _ASKING.search(text)
    if asking and asking[1] == "StateError":  # who gives the tokens could not be asked
        return StateError(f"cannot {doing} {where}: {cause}", next="Try again later.")
    if (
        isinstance(error, (PermissionDeniedError, UnauthenticatedError))
        or code in _DENIED
        or status in (401, 403)
        or (any(word in text for word in _TOKENS) and status < 500)
    ):
        return no_access(scheme, where, doing, cause)
    if status == 0 and "HTTP error" in text:
        return Unanswered(
            f"cannot {doing} {where}: {cause}",
            safe=_safe(status, doing),
            next="Try again when it can be reached.",
        )
    return StateError(
        f"cannot {doing} {where}: {cause}", safe=_safe(status, doing), next=_advice(status, text)
    )


def no_access(scheme: str, where: str, doing: str, cause: str) -> StateDenied:
    return StateDenied(
        f"not allowed to {doing} {where}: {cause}", safe=UNCHANGED, next=LOGIN[scheme]
    )


def cause_of(error: Exception) -> str:
    """One line that holds no address and no answer of a server."""
    text, _, details = str(error).partition("\n\nDebug source")
    return _cause(text, details, *_status_and_code(text))


def _status_and_code(text: str) -> tuple[int, str]:
    """The HTTP status, or 0 when there was no answer; the code of the error, or nothing."""
    status, code = _STATUS.search(text), _CODE.search(text)
    return int(status[1]) if status else 0, code[1] if code else ""


def _cause(text: str, details: str, status: int, code: str) -> str:
    if status:
        said = _STATUS.search(text)
        phrase = f"HTTP {status}{(said and said[2]) or ''}"
        return f"{phrase} ({code})" if code else phrase
    if "without LOCATION" in text:
        return "the bucket is in another region"
    lower = details.lower()
    for word, cause in _CAUSES:
        if word in lower:
            return cause
    asking = _ASKING.search(text)  # our own words come after it
    line = _ADDRESS.sub("…", text[asking.end() if asking else 0 :].partition("\n")[0])
    line = re.sub(r"^Generic \w+ error: ", "", line)
    return line[:200]


def _safe(status: int, doing: str) -> str:
    if doing in READING or 300 <= status < 500:
        return UNCHANGED
    return "It may have been written all the same: the next run looks."


def _advice(status: int, text: str) -> str:
    if "without LOCATION" in text or status in (301, 307):
        return "Name the region of the bucket: ?region=…"
    return "Try again; if it stays, look at the bucket with the tools of that cloud."
