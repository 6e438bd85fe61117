"""A stand-in for the Hugging Face hub on loopback, spoken to by the real huggingface_hub.

Written from the hub's documented HTTP API and from what the library (2.4) expects of it: model info
with sizes (`blobs=true`), auth-check, refs, files with `ETag` and `X-Repo-Commit`, and errors with
`X-Error-Code`. What is missing, or hidden, is 401 without a valid token and 404 with one; a gated
repository shows its file list to everybody and keeps its files.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote

from .served import Served

GIB = 1_000_000_000
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16"}
TEMPLATE = {"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}

Files = dict[str, bytes | int]  # contents, or only a size in bytes


def sha(text: str) -> str:
    """A commit, always the same for the same text."""
    return hashlib.sha1(text.encode()).hexdigest()


def model(
    gigabytes: float = 16.1,
    *,
    config: object = CONFIG,
    tokenizer: object = TEMPLATE,
    more: Mapping[str, bytes | int] | None = None,
) -> Files:
    """The files of an ordinary model in two pieces."""
    half = round(gigabytes * GIB / 2)
    return {
        "config.json": json.dumps(config).encode(),
        "tokenizer_config.json": json.dumps(tokenizer).encode(),
        "model-00001-of-00002.safetensors": half,
        "model-00002-of-00002.safetensors": half,
        "model.safetensors.index.json": b"{}",
        **(more or {}),
    }


@dataclass
class Repo:
    """One model repository. `readers` are the tokens that may see it (private), or its files."""

    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: str | bool = False
    private: bool = False
    readers: set[str] = field(default_factory=set)

    def push(self, files: Files, ref: str = "main", name: str = "") -> str:
        """A new commit at `ref`; its id."""
        commit = sha(name or f"{ref} {len(self.commits)}")
        self.commits[commit] = files
        self.refs[ref] = commit
        return commit

    def find(self, revision: str) -> str | None:
        if revision in self.refs:
            return self.refs[revision]
        found = [c for c in self.commits if len(revision) >= 7 and c.startswith(revision)]
        return found[0] if len(found) == 1 else None


class Request(NamedTuple):
    method: str
    path: str
    token: str


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class FakeHub(Served):
    """`with FakeHub() as hub: hub.add("acme/model", model()); … hub.url …`.

    `down` is a status that every answer has, `delay` seconds before each answer (`slow_files`: of a
    file), `garbage` a body that every answer has, `elsewhere` where files are redirected to.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.tokens: set[str] = set()
        self.requests: list[Request] = []
        self.down = 0
        self.delay = 0.0
        self.slow_files = 0.0
        self.garbage: bytes | None = None
        self.elsewhere = ""
        self._released = threading.Event()

    def add(self, name: str, files: Files | None = None, **options: Any) -> Repo:
        repo = self.repos[name] = Repo(**options)
        repo.push(model() if files is None else files, name=f"{name} first")
        self.tokens |= repo.readers
        return repo

    # --- the API ---

    def answer(self, request: Request) -> Answer:
        if self.down:
            return Answer(self.down, {}, b"busy")
        if self.garbage is not None:
            return Answer(200, {"Content-Type": "application/json"}, self.garbage)
        if request.token and request.token not in self.tokens:
            said = "Invalid credentials in Authorization header"
            return Answer(401, {"X-Error-Message": said}, b'{"error":"%s"}' % said.encode())
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        info = parts[:2] == ["api", "models"]
        name, rest = "/".join(parts[2:4] if info else parts[:2]), parts[4 if info else 2 :]
        repo = self.repos.get(name)
        if repo is None or (repo.private and request.token not in repo.readers):
            return _error(404 if request.token else 401, "RepoNotFound", "Repository not found")
        if not info:
            return self._file(repo, rest, request)
        match rest:
            case []:
                return self._info(name, repo, "main")
            case ["revision", revision]:
                return self._info(name, repo, revision)
            case ["auth-check"]:
                return Answer(200, {}, b"{}") if _readable(repo, request) else _gated(request)
            case ["refs"]:
                branches = [{"name": n, "ref": n, "targetCommit": c} for n, c in repo.refs.items()]
                return _json({"branches": branches, "tags": [], "converts": []})
        return _error(404, "EntryNotFound", "Not found")

    def _info(self, name: str, repo: Repo, revision: str) -> Answer:
        commit = repo.find(revision)
        if commit is None:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        siblings = [
            {"rfilename": file, "size": content if isinstance(content, int) else len(content)}
            if content != -1
            else {"rfilename": file}
            for file, content in repo.commits[commit].items()
        ]
        return _json(
            {
                "_id": "1",
                "id": name,
                "modelId": name,
                "sha": commit,
                "private": repo.private,
                "gated": repo.gated,
                "disabled": False,
                "tags": ["safetensors"],
                "downloads": 1,
                "siblings": siblings,
            }
        )

    def _file(self, repo: Repo, rest: list[str], request: Request) -> Answer:
        if len(rest) < 3 or rest[0] != "resolve":
            return _error(404, "EntryNotFound", "Not found")
        if not _readable(repo, request):
            return _gated(request)
        commit, name = repo.find(rest[1]), "/".join(rest[2:])
        if commit is None:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {rest[1]}")
        content = repo.commits[commit].get(name)
        if content is None:
            return _error(404, "EntryNotFound", "Entry not found")
        assert isinstance(content, bytes), f"{name}: weights are never to be downloaded"
        headers = {
            "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
            "X-Repo-Commit": commit,
            "Content-Length": str(len(content)),
        }
        if self.elsewhere:
            location = f"{self.elsewhere}{request.path}"
            linked = {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(content))}
            return Answer(302, {"Location": location, "X-Repo-Commit": commit, **linked})
        return Answer(200, headers, content)

    # --- the server ---

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        token = headers.get("authorization", "").removeprefix("Bearer ")
        request = Request(scope["method"], scope["raw_path"].decode().partition("?")[0], token)
        self.requests.append(request)
        wait = self.slow_files if "/resolve/" in request.path else self.delay
        end = time.monotonic() + wait
        while time.monotonic() < end and not self._released.is_set():
            await asyncio.sleep(0.01)
        status, extra, body = self.answer(request)
        sent = {"Content-Length": str(len(body)), **extra}
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(n.encode(), v.encode()) for n, v in sent.items()],
            }
        )
        body = b"" if request.method == "HEAD" else body
        await send({"type": "http.response.body", "body": body})

    def __exit__(self, *_: object) -> None:
        self._released.set()
        super().__exit__()


def _readable(repo: Repo, request: Request) -> bool:
    return not repo.gated or request.token in repo.readers


def _gated(request: Request) -> Answer:
    return _error(403 if request.token else 401, "GatedRepo", "Access to model is restricted.")


def _json(document: object) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _error(status: int, code: str, message: str) -> Answer:
    headers = {"X-Error-Code": code, "X-Error-Message": message}
    return Answer(status, headers, json.dumps({"error": message}).encode())
