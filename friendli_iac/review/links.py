"""Where the places in manifests can be looked at: in the repository, at the commit of the plan."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_PLACE = re.compile(r"(?P<path>[^\n]+?):(?P<line>\d+)(?::\d+)?(?: \(.*\))?")
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Links:
    """`tree` is the address of all files at one commit, `folder` the one in the repository that
    places start from. Without a tree, nothing is linked.
    """

    tree: str = ""
    folder: str = ""

    def of(self, source: str) -> str:
        """The address of a place, such as `endpoints/chat.yaml:7`; empty where it has none."""
        found = _PLACE.fullmatch(source)
        if not self.tree or found is None:
            return ""
        path = posixpath.normpath(posixpath.join(self.folder, found["path"]))
        if path.startswith(("/", "../")):  # outside of the repository
            return ""
        return f"{self.tree}/{quote(path)}#L{found['line']}"


NO_LINKS = Links()


def is_page(text: str) -> bool:
    """Whether it is the plain address of a page, which may be linked as it stands."""
    plain = r"https?://[\w.:-]+(/[\w./~%:@?=&#-]*)?"
    return re.fullmatch(plain, text, re.ASCII) is not None


def links_from(environ: Mapping[str, str], commit: str, prefix: str = "") -> Links:
    """The links that CI makes possible: GitHub Actions and GitLab say where the repository is.
    `prefix` is the folder of the working directory in it.
    """
    if not _COMMIT.fullmatch(commit):
        return NO_LINKS
    if _REPOSITORY.fullmatch(environ.get("GITHUB_REPOSITORY", "")):
        server = _web(environ.get("GITHUB_SERVER_URL", ""))
        tree = f"{server}/{environ['GITHUB_REPOSITORY']}/blob/{commit}" if server else ""
    else:
        project = _web(environ.get("CI_PROJECT_URL", ""))
        tree = f"{project}/-/blob/{commit}" if project else ""
    return Links(tree, prefix) if tree else NO_LINKS


def _web(url: str) -> str:
    """`url`, where it is the plain address of a web page; else empty."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        return ""
    host = re.fullmatch(r"[\w.:\[\]-]+", parts.netloc, re.ASCII)
    if not (plain and host) or parts.query or parts.fragment:
        return ""
    return f"{parts.scheme}://{parts.netloc}{quote(parts.path, safe='/~%')}".rstrip("/")
