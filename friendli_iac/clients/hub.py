"""What the Hugging Face hub says of a model repository, through the library `huggingface_hub`.

Weights are never downloaded: sizes come from the file list, and only config.json,
tokenizer_config.json and adapter_config.json are read, through the library's own cache, and of an
adapter's tensors the header. Nothing here raises: what cannot be learnt is a check that says why.

How the hub answers is from the library's source (2.4): a repository that is private, or not there,
is 401 without a token and 404 with one; a gated one shows its file list to everybody, and refuses
its files.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from friendli_iac import __version__
from friendli_iac.clients.hub_errors import unknown, why
from friendli_iac.clients.hub_settings import HubSettings, origin_of
from friendli_iac.core.preflight import Check, RepoFacts, is_commit
from friendli_iac.core.preflight_adapters import ADAPTER, TENSORS

if TYPE_CHECKING:  # slow to import, and an extra
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

Wanted = tuple[str, str]  # repository, and revision; an empty one is the default branch
Answer = RepoFacts | Check

DEADLINE = 20.0  # seconds that all lookups of a run may take together
REQUEST_TIMEOUT = 10.0  # seconds for each piece of an answer
PARALLEL = 16
LARGEST_FILE = 20_000_000  # bytes; a configuration is far smaller
CONFIG, TOKENIZER = "config.json", "tokenizer_config.json"
TEMPLATES = ("chat_template.jinja", "chat_template.json")


class Hub:
    """Looks repositories up, each once in a run. `environ` has HF_TOKEN, HF_ENDPOINT,
    HF_HUB_OFFLINE and where the cache is; a token saved by `hf auth login` is not used.

    `deadline` is in seconds, for everything that is ever waited for.
    """

    def __init__(self, environ: Mapping[str, str], *, deadline: float = DEADLINE) -> None:
        self.deadline = deadline
        self._settings = HubSettings.of(environ)
        self._left = deadline
        self._known: dict[Wanted, Answer] = {}
        self._api: HfApi | None = None
        self._abandoned = False  # whether threads still wait for answers

    def facts(self, repo: str, revision: str = "") -> Answer:
        """What is known of one repository."""
        return self.gather([(repo, revision)])[repo, revision]

    def gather(self, wanted: Iterable[Wanted]) -> dict[Wanted, Answer]:
        """What is known of several, looked up side by side."""
        asked = list(dict.fromkeys(wanted))
        missing = [key for key in asked if key not in self._known]
        if missing:
            reason = self._closed()
            found = dict.fromkeys(missing, reason) if reason else self._ask(missing)
            for (repo, revision), answer in found.items():
                self._known[repo, revision] = answer
                if isinstance(answer, RepoFacts):
                    self._known.setdefault((repo, answer.commit), answer)
        return {key: self._known[key] for key in asked}

    def close(self) -> None:
        """Closes the connections, unless an answer is still awaited: it comes to nobody."""
        if self._api is not None and not self._abandoned:
            from huggingface_hub import close_session

            close_session()
            self._api = None

    # --- before anything is asked ---

    def _closed(self) -> Check | None:
        """Why nothing can be asked, if that is so; else the library is ready."""
        if obstacle := self._settings.obstacle():
            return obstacle
        if self._api is None:
            try:
                self._api = self._library()
            except ImportError:
                return unknown(
                    "not looked at: huggingface_hub is not installed",
                    "pip install 'friendli-iac[hub]'",
                )
        return None

    def _library(self) -> HfApi:
        from huggingface_hub import constants

        # Before the rest is imported: else it asks what program runs it, and draws bars.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        constants.HF_HUB_DISABLE_PROGRESS_BARS = True
        from huggingface_hub import HfApi, close_session, get_session

        logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # we say it ourselves
        close_session()  # it is one for the process, and may be prepared for another hub
        session = get_session()

        def keep_token(request: Any) -> None:
            # A mirror may send us elsewhere; the token was given for the mirror.
            if origin_of(str(request.url)) != self._settings.origin:
                request.headers.pop("authorization", None)

        hooks = session.event_hooks
        session.event_hooks = {**hooks, "request": [*hooks.get("request", ()), keep_token]}
        session.timeout = REQUEST_TIMEOUT
        return HfApi(
            endpoint=self._settings.endpoint,
            # False: not one that the library finds by itself.
            token=self._settings.token or False,
            library_name="friendli-iac",
            library_version=__version__,
        )

    # --- asking ---

    def _ask(self, wanted: list[Wanted]) -> dict[Wanted, Answer]:
        # Threads of our own: those of an executor would hold up the end of the process for as long
        # as the hub likes, and the deadline would be none.
        todo: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[Wanted, Answer, bool]] = queue.SimpleQueue()
        enough = threading.Event()
        for key in wanted:
            todo.put(key)

        def work() -> None:
            while not enough.is_set():
                try:
                    key = todo.get_nowait()
                except queue.Empty:
                    return
                for answer, last in self._look(*key):
                    done.put((key, answer, last))

        started = time.monotonic()
        threads = [
            threading.Thread(target=work, name="friendli-iac-hub", daemon=True)
            for _ in range(min(PARALLEL, len(wanted)) if self._left > 0 else 0)
        ]
        for thread in threads:
            thread.start()
        late = unknown(
            f"not looked at: {self._settings.host} did not answer within {self.deadline:g} s",
            "Try again, or allow more with FRIENDLI_IAC_PREFLIGHT_TIMEOUT.",
        )
        found: dict[Wanted, Answer] = dict.fromkeys(wanted, late)
        open_ = len(wanted)
        try:
            while open_:
                left = self._left - (time.monotonic() - started)
                key, found_out, last = done.get(timeout=max(left, 0.0))
                found[key] = found_out
                open_ -= last
            for thread in threads:
                thread.join()  # nothing is left to do for them
        except queue.Empty:  # what was learnt by now is all that will be
            self._abandoned = True
        finally:
            enough.set()
            self._left -= time.monotonic() - started
        return found

    def _look(self, repo: str, revision: str) -> Iterator[tuple[Answer, bool]]:
        """What is known of one repository: first without its files, then all of it (the last one).
        In a thread.
        """
        assert self._api is not None, "checked before"
        try:
            info = self._api.model_info(
                repo, revision=revision or None, files_metadata=True, timeout=REQUEST_TIMEOUT
            )
            facts = self._listed(repo, revision, info)
        except Exception as error:  # noqa: BLE001 - another's library, on a stranger's answer
            answer = why(
                error, repo, revision, host=self._settings.host, token=bool(self._settings.token)
            )
            yield answer, True
            return
        yield facts, False
        yield self._read(facts), True

    def _listed(self, repo: str, revision: str, info: ModelInfo) -> RepoFacts:
        """What the file list says. ValueError when it makes no sense."""
        if not is_commit(info.sha) or (is_commit(revision) and info.sha != revision):
            raise ValueError("no commit, or another one")
        if info.siblings is None:
            raise ValueError("no file list")
        files = {str(file.rfilename): _size(file.size) for file in info.siblings}
        template: bool | None = None
        if any(name in files for name in TEMPLATES):
            template = True
        elif TOKENIZER not in files:
            template = False
        return RepoFacts(
            repo,
            str(info.sha),
            gated=bool(info.gated),
            private=bool(info.private),
            readable=None if info.gated else True,
            token=bool(self._settings.token),
            files=files,
            chat_template=template,
        )

    def _read(self, facts: RepoFacts) -> RepoFacts:
        """`facts` with what the files say, as far as they can be read."""
        readable = self._may_read(facts.repo) if facts.gated else True
        if not readable:
            return replace(facts, readable=readable)
        template = facts.chat_template
        if template is None:
            tokenizer = self._json(facts, TOKENIZER)
            template = None if tokenizer is None else bool(tokenizer.get("chat_template"))
        config = self._json(facts, CONFIG)
        facts = replace(facts, readable=True, config=config, chat_template=template)
        if ADAPTER not in facts.files:
            return facts
        return replace(facts, adapter=self._json(facts, ADAPTER), dtypes=self._dtypes(facts))

    def _dtypes(self, facts: RepoFacts) -> frozenset[str]:
        """The number formats of an adapter's tensors, by its header; none when it cannot be had."""
        assert self._api is not None, "checked before"
        if TENSORS not in facts.files:
            return frozenset()
        try:
            header = self._api.parse_safetensors_file_metadata(
                facts.repo, TENSORS, revision=facts.commit, timeout=REQUEST_TIMEOUT
            )
            return frozenset(str(tensor.dtype) for tensor in header.tensors.values())
        except Exception:  # noqa: BLE001 - as in _look
            return frozenset()

    def _may_read(self, repo: str) -> bool | None:
        """Whether the token may read the files. None when the hub does not say: a file in the cache
        would not prove it.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        assert self._api is not None, "checked before"
        try:
            self._api.auth_check(repo)
        except RepositoryNotFoundError:  # a gated one is a child of it
            return False
        except Exception:  # noqa: BLE001 - as in _look
            return None
        return True

    def _json(self, facts: RepoFacts, name: str) -> dict[str, Any] | None:
        """A JSON object of the repository, None when it cannot be had."""
        assert self._api is not None, "checked before"
        if name not in facts.files or (facts.files[name] or 0) > LARGEST_FILE:
            return None
        try:
            path = self._api.hf_hub_download(
                facts.repo,
                name,
                revision=facts.commit,
                cache_dir=self._settings.cache,
                etag_timeout=REQUEST_TIMEOUT,
            )
            value = json.loads(Path(path).read_bytes())
        except Exception:  # noqa: BLE001 - as in _look; a full disk, too
            return None
        return value if isinstance(value, dict) else None


def _size(size: object) -> int | None:
    return size if isinstance(size, int) and size >= 0 else None
