"""A `Store` over object storage: Amazon S3 and what speaks like it, Google Cloud Storage, Azure.

A new document is made with `If-None-Match: *` (Google: generation 0), so exactly one of many
writers succeeds. The clock of S3 counts whole seconds: `modified` is no finer than that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from friendli_iac.backends.objects import credentials
from friendli_iac.backends.objects.address import Bucket, bucket_at
from friendli_iac.backends.objects.errors import (
    Conflict,
    Missing,
    Unanswered,
    cause_of,
    explained,
    no_access,
)
from friendli_iac.backends.store import Found
from friendli_iac.errors import StateError, UsageError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig
    from obstore.store import ObjectStore as Objects

T = TypeVar("T")

CONNECT = 5  # seconds for a connection
PATIENCE = 15  # seconds after which what failed is not tried again
PAUSE = 0.2  # seconds before a document is made once more
CONTENT = {"Content-Type": "application/json"}


def open_objects(
    where: str, environ: Mapping[str, str], *, patience: float = PATIENCE
) -> ObjectStore:
    """The store at `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.

    `environ` is the environment of this process: the libraries read their credentials there too
    (see `credentials`). `patience` is in seconds: the longest that any call takes is twice that.

    UsageError: not such an address, or a part is not installed. StateDenied: there are no
    credentials. Whether they are good, and the bucket is there, shows in use.
    """
    bucket = bucket_at(where)
    try:
        from obstore import store as kinds
        from obstore.exceptions import BaseError
    except ImportError:
        raise UsageError(
            f"{bucket.scheme}:// needs the library obstore, which is not installed",
            next="pip install 'friendli-iac[cloud]'",
        ) from None
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=CONNECT),
        # After a request that hangs there is time to begin another one.
        "timeout": timedelta(seconds=0.8 * patience),
        "allow_http": bucket.allow_http,
    }
    retry: RetryConfig = {
        "max_retries": 1000,  # it is time that ends them
        "retry_timeout": timedelta(seconds=patience),
        "backoff": {"max_backoff": timedelta(seconds=2)},
    }
    made: Any = {"client_options": client, "retry_config": retry}
    place: Objects
    try:
        if bucket.scheme == "s3":
            made |= credentials.for_s3(bucket, environ)
            place = kinds.S3Store(bucket.name, conditional_put="etag", **made)
        elif bucket.scheme == "gs":
            made |= credentials.for_gs(bucket, environ)
            place = kinds.GCSStore(bucket.name, **made)
        else:
            made |= credentials.for_az(bucket, environ)
            place = kinds.AzureStore(bucket.name, **made)
    except BaseError as error:
        raise no_access(bucket.scheme, str(bucket), "use", cause_of(error)) from None
    return ObjectStore(place, bucket, patience)


class ObjectStore:
    """Documents under the prefix of `bucket`, in `objects`."""

    def __init__(self, objects: Objects, bucket: Bucket, patience: float = PATIENCE) -> None:
        self._objects = objects
        self._bucket = bucket
        self._patience = patience

    def describe(self) -> str:
        return str(self._bucket)

    def get(self, key: str) -> Found | None:
        import obstore

        def read() -> Found:
            answer = obstore.get(self._objects, self._path(key))
            data = bytes(answer.bytes())
            return Found(data, answer.meta["last_modified"].timestamp())

        try:
            return self._do("read", read)
        except Missing:
            return None

    def keys(self, prefix: str) -> list[str]:
        import obstore

        def read() -> list[str]:
            pages = obstore.list(self._objects, self._path(prefix))
            return [found["path"] for page in pages for found in page]

        return sorted(path.removeprefix(self._path("")) for path in self._do("list", read))

    def create(self, key: str, data: bytes) -> bool:
        """When nobody answers, it is tried again: what the first attempt wrote is in the way
        then, and it is False. Clouds also say «conflict» while somebody else is writing, and then
        that may fail: so it is looked whether there is a document.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                self._put(key, data, "create")
                return True
            except Conflict as error:
                if self.get(key) is not None:
                    return False
                trouble: StateError = error
            except Unanswered as error:
                trouble = error
            if time.monotonic() > deadline:
                raise trouble
            time.sleep(PAUSE)

    def put(self, key: str, data: bytes) -> None:
        self._put(key, data, "overwrite")

    def delete(self, keys: Sequence[str]) -> None:
        import obstore

        paths = [self._path(key) for key in keys]
        try:
            self._do("delete from", lambda: obstore.delete(self._objects, paths))
        except Missing:  # Google and Azure stop at a document that is not there
            for path in paths:
                with suppress(Missing):
                    self._do("delete from", partial(obstore.delete, self._objects, path))

    def close(self) -> None:
        """There is nothing to end: the connections are the library's."""

    def _path(self, key: str) -> str:
        return f"{self._bucket.prefix}/{key}" if self._bucket.prefix else key

    def _put(self, key: str, data: bytes, mode: Literal["create", "overwrite"]) -> None:
        import obstore

        self._do(
            "write to",
            lambda: obstore.put(
                self._objects,
                self._path(key),
                data,
                attributes=CONTENT,
                mode=mode,
                use_multipart=False,
            ),
        )

    def _do(self, doing: str, call: Callable[[], T]) -> T:
        from obstore.exceptions import BaseError

        try:
            return _interruptible(call)
        except (BaseError, OSError, NotImplementedError) as error:
            raise explained(error, self._bucket.scheme, str(self._bucket), doing) from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of the library, which has no other name
                raise
            raise StateError(
                f"cannot {doing} {self._bucket}: the library for object storage failed",
                next="Look at the credentials: is there a line break or another strange character "
                "in one?",
            ) from None


def _interruptible(call: Callable[[], T]) -> T:
    """The library waits without letting the handlers of signals run, and those run in the main
    thread only: there, somebody else waits for it. What is interrupted may yet be done.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            result.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return result.result()
