"""Addresses of services, as people say them: checked once, where they are read."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from friendli_iac.errors import NoAddress

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def checked(url: str, variable: str, *, token: bool = True) -> str:
    """`url` without a slash at its end. NoAddress, which names the `variable` that it is from, for
    what is no address, or would take a `token` over the open net; and for one with a password: it
    is shown, and kept in the state, so that the error does not repeat it.
    """

    def no(why: str) -> NoAddress:
        return NoAddress(why, next=f"{variable} must be an https address, and nothing more.")

    if "@" in url or "?" in url or "#" in url:
        raise no("the base URL holds more than an address: a password would be shown")
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname or ""
        host.encode("idna")  # as the system's resolver does, which raises the same
        usable = bool(host) and parts.port != 0 and not re.search(r"\s", url)
    except ValueError:  # brackets that do not close, a port or a label that is none
        raise no(f"the base URL {url!r} is no address") from None
    if token and scheme != "https" and not (scheme == "http" and host in LOOPBACK):
        raise no(f"the base URL {url!r} is not https: the token would travel in the open")
    if not usable:
        raise no(f"the base URL {url!r} is no address")
    return url.rstrip("/")


def proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for `host`; NO_PROXY is respected."""
    from urllib.request import getproxies, proxy_bypass  # only who sends waits for it

    proxies = getproxies()
    return None if proxy_bypass(host) else proxies.get(scheme) or proxies.get("all")
