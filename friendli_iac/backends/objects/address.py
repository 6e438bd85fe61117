"""The address of a state in object storage.

    s3://bucket/prefix?region=eu-west-1&endpoint=https://s3.example.com&allow_http=true
    gs://bucket/prefix
    az://container/prefix?account=name

It may come from a file that anybody can propose a change to. So it holds no credentials, and
nothing in it decides who is shown a token: only S3, where requests are signed and the key stays
here, can be told another server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from friendli_iac.errors import UsageError, did_you_mean

OPTIONS = {"s3": ("endpoint", "region", "allow_http"), "gs": (), "az": ("account",)}
_NAME = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{1,220}[A-Za-z0-9]", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9._=@+-]+", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)  # becomes part of a host name
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}", re.ASCII)  # likewise


@dataclass(frozen=True)
class Bucket:
    """Documents are at `prefix`/key; `prefix` may be empty. `endpoint`, `region` and `account` are
    empty where the address names none.
    """

    scheme: str
    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    account: str = ""
    allow_http: bool = False

    def __str__(self) -> str:
        """The address, so that it can be typed again."""
        address = f"{self.scheme}://{self.name}"
        if self.prefix:
            address += f"/{self.prefix}"
        options = {
            "endpoint": self.endpoint,
            "region": self.region,
            "allow_http": "true" if self.allow_http else "",
            "account": self.account,
        }
        given = {name: value for name, value in options.items() if value}
        return f"{address}?{urlencode(given, safe=':/')}" if given else address


def bucket_at(where: str) -> Bucket:
    """What an address says. Raises UsageError, which shows no more of it than it has to."""
    try:
        parts = urlsplit(where)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _wrong("this is no address of a bucket") from None
    scheme = parts.scheme
    if scheme not in OPTIONS:
        raise _wrong("this is no address of a bucket")
    if "@" in parts.netloc:
        raise _secret(scheme)
    if parts.fragment or "#" in where:
        raise _wrong(f"an address {scheme}:// has no #…")
    if not _NAME.fullmatch(parts.netloc):
        what = "container" if scheme == "az" else "bucket"
        raise _wrong(f"{scheme}:// needs the name of a {what} (letters, digits, dots, dashes)")
    prefix = parts.path.strip("/")
    if prefix and not all(_PART.fullmatch(part) and part.strip(".") for part in prefix.split("/")):
        raise _wrong(
            f"the prefix {prefix!r} does not fit: letters, digits and . _ - = @ + between slashes"
        )
    options = _options(scheme, given)
    endpoint = options.get("endpoint", "")
    http = _allows_http(options)
    if endpoint:
        check_endpoint(endpoint, http)
    return Bucket(
        scheme,
        parts.netloc,
        prefix,
        endpoint.rstrip("/"),
        _checked("region", _REGION, options),
        _checked("account", _ACCOUNT, options),
        http,
    )


def check_region(region: str) -> str:
    """A region from elsewhere: it becomes part of a host name. Raises UsageError."""
    return _checked("region", _REGION, {"region": region})


def check_account(account: str) -> str:
    """Likewise."""
    return _checked("account", _ACCOUNT, {"account": account})


def check_endpoint(endpoint: str, http: bool) -> None:
    """UsageError: no address of a server, or plain http where that is not allowed (`http`)."""
    try:
        parts = urlsplit(endpoint)
        fits = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
        parts = urlsplit("")
    if "@" in endpoint:
        raise _secret("s3")
    if not fits or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise _wrong("endpoint is no https:// address of a server")
    if parts.scheme == "http" and not http:
        raise UsageError(
            "endpoint is http://: who listens reads the state",
            next="Use https://, or add &allow_http=true for a server on your own machine.",
        )


def _options(scheme: str, given: list[tuple[str, str]]) -> dict[str, str]:
    known = OPTIONS[scheme]
    options = dict(given)
    for name, value in given:
        if re.search(r"key|secret|token|passw|credential|signature|^sig$|^sas", name, re.I):
            raise _secret(scheme)
        if name not in known:
            listed = ", ".join(known)
            raise UsageError(
                f"{scheme}:// knows no option {name!r}",
                next=did_you_mean(
                    name, known, f"It knows {listed}." if known else "It takes no options."
                ),
            )
        if not value:
            raise _wrong(f"the option {name} is empty")
    if len(options) < len(given):
        raise _wrong("an option is given twice")
    return options


def _allows_http(options: dict[str, str]) -> bool:
    value = options.get("allow_http", "false")
    if value not in ("true", "false"):
        raise _wrong("allow_http is true or false")
    return value == "true"


def _checked(name: str, form: re.Pattern[str], options: dict[str, str]) -> str:
    value = options.get(name, "")
    if value and not form.fullmatch(value):
        raise _wrong(f"{value!r} is no name of a{'n' if name[0] == 'a' else ''} {name}")
    return value


def _secret(scheme: str) -> UsageError:
    return UsageError(
        f"an address {scheme}:// holds no credentials: addresses are seen by others",
        safe="Nothing was sent.",
        next="Put them where the tools of that cloud look for them: docs/state.md says where. If "
        "this address was committed or logged, make new ones.",
    )


def _wrong(message: str) -> UsageError:
    return UsageError(
        message,
        next="Addresses are s3://bucket/prefix, gs://bucket/prefix and az://container/prefix.",
    )
