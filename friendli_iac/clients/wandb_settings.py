"""Where W&B is, and with which key: as the official SDK finds them, but for one file.

Order and places are those of the SDK's sources (wandb 0.31, `sdk/lib/wbauth` and
`sdk/lib/settings_file.py`). The settings of the working directory (`wandb/settings`) are never
read: a pull request could change them, and send the key elsewhere.
"""

from __future__ import annotations

import configparser
import netrc
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from friendli_iac.clients import address
from friendli_iac.errors import AuthError, NoAddress

DEFAULT = "https://api.wandb.ai"
# Names of one deployment: the SDK 0.31 has the second as its default, and maps it to the first
# (`sdk/lib/urls.py`). A key for one is good for the other.
SAME = {"api.forge.coreweave.com": "api.wandb.ai"}
APP = {"api.wandb.ai": "https://wandb.ai"}

# As the SDK checks it (`sdk/lib/wbauth/validation.py`): 40 characters or more after a prefix, if
# there is one; or a JWT.
_KEY = re.compile(r"([^-]*-)?[\w-]{40,}|[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


@dataclass(frozen=True)
class WandbSettings:
    """What the environment and the user's own files say, with its address checked."""

    base_url: str
    environ: Mapping[str, str]
    from_file: Mapping[str, str]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> WandbSettings:
        """The settings. What cannot be read counts as not there: the SDK does so, too. NoAddress
        for an address that is none.
        """
        found = _settings_file(environ)
        said = environ.get("WANDB_BASE_URL", "").strip()
        variable = "WANDB_BASE_URL" if said else "base_url in W&B's settings file"
        url = address.checked(said or found.get("base_url", "") or DEFAULT, variable)
        return cls(url, environ, found)

    def key(self) -> str:
        """The API key: from WANDB_API_KEY, netrc, or the settings file. AuthError without one."""
        key = (
            self.environ.get("WANDB_API_KEY", "").strip()
            or _from_netrc(self.environ, self.base_url)
            or self._from_file()
        )
        where = f"Make one at {self.app_url}/settings and set WANDB_API_KEY, or run wandb login."
        if not key:
            raise AuthError(
                f"there is no W&B API key for {self.base_url}: not in WANDB_API_KEY, nor in netrc, "
                "nor in W&B's settings file",
                safe="Nothing was sent to W&B.",
                next=where,
            )
        if not _KEY.fullmatch(key):
            raise AuthError(
                "the W&B API key is none: it has 40 characters or more, letters, digits, _ and -",
                safe="Nothing was sent to W&B.",
                next=where,
            )
        return key

    @property
    def app_url(self) -> str:
        """Where people see it, as the SDK derives it from the address of the API. It is only shown:
        what is no address, or holds a password, counts as not said.
        """
        if said := self.environ.get("WANDB_APP_URL", "").strip():
            with suppress(NoAddress):
                return address.checked(said, "WANDB_APP_URL", token=False)
        host = same_deployment(self.base_url).removeprefix("https://")
        return APP.get(host, self.base_url.replace("://api.", "://app."))

    def _from_file(self) -> str:
        # A key that is kept beside the address of another server is not for this one.
        beside = self.from_file.get("base_url", self.base_url)
        ours = same_deployment(beside) == same_deployment(self.base_url)
        return self.from_file.get("api_key", "") if ours else ""


def same_deployment(base_url: str) -> str:
    """`base_url`, or the address that stands for all names of its deployment."""
    url = base_url.rstrip("/")
    host = url.partition("://")[2].partition("/")[0]
    return url.replace(host, SAME[host]) if host in SAME else url


def _settings_file(environ: Mapping[str, str]) -> dict[str, str]:
    folder = environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string((_expanded(folder, environ) / "settings").read_text())
        return dict(parser.items("default"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}


def _from_netrc(environ: Mapping[str, str], base_url: str) -> str:
    """The password of the host. The entry `default` is not used: it was not meant for W&B."""
    if environ.get("NETRC"):
        path = _expanded(environ["NETRC"], environ)
    else:
        path, other = _expanded("~/.netrc", environ), _expanded("~/_netrc", environ)
        path = path if path.exists() else other
    try:
        hosts = netrc.netrc(path).hosts
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
        return ""
    host = urlsplit(base_url).netloc
    standing = SAME.get(host, host)
    names = [host, standing, *(other for other, main in SAME.items() if main == standing)]
    return next((found[2] or "" for name in names if (found := hosts.get(name))), "")


def _expanded(path: str, environ: Mapping[str, str]) -> Path:
    """`path` with the home of `environ` for its tilde."""
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if path.startswith("~/") and home:
        return Path(home, path[2:])
    return Path(path)
