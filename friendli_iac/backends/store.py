"""What a shared state needs of the place where it lies: documents by key, of which exactly one of
many writers makes a new one.

`ObjectStore` (S3, Google Cloud Storage, Azure) and `PostgresStore` are such places; what they hold,
and what it means, is `friendli_iac.backends.shared`'s alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from friendli_iac.errors import StateError

RIVALS = 4  # writers at once in the self-test


@dataclass(frozen=True)
class Found:
    """A document. `modified` is when it was written, in seconds since 1970, by the clock of the
    store: to be compared with other `modified` of the same store only.
    """

    data: bytes
    modified: float


class Store(Protocol):
    """All methods raise StateError when the store cannot do it (StateDenied: not with these
    credentials), after having tried again for a while, and are safe from several threads. What is
    written is seen by every later read. Keys are like `log/000000000001`.
    """

    def describe(self) -> str:
        """Where it is, for people: an address that can be typed, and never a password."""
        ...

    def get(self, key: str) -> Found | None:
        """The document, or None when there is none."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix` (which ends in a slash), sorted."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Writes a document that was not there. False: there is one already, and it is left as it
        is. It may be this very one: where an acknowledgement is lost, the second attempt meets what
        the first one wrote. Who must know reads it.

        StateError: it may have been written, or may yet be.
        """
        ...

    def put(self, key: str, data: bytes) -> None:
        """Writes a document, whether there is one or not."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Removes documents; those that are not there are no error."""
        ...

    def close(self) -> None:
        """Ends connections."""
        ...


def prove(store: Store) -> None:
    """Raises StateError unless of several writers of one new document exactly one succeeds, and the
    others leave it as it is. Some stores that call themselves compatible ignore the condition.
    """
    key = f"selftest/{uuid4().hex}"
    rivals = [f"{number} of {key}".encode() for number in range(RIVALS)]
    try:
        with ThreadPoolExecutor(RIVALS) as pool:
            won = list(pool.map(lambda data: store.create(key, data), rivals))
        first = store.get(key)
        late = store.create(key, b"late")
        kept = store.get(key)
        listed = store.keys("selftest/")
    finally:
        with suppress(StateError):  # one document more: what was found out matters more
            store.delete([key])
    # A lost acknowledgement makes even the winner hear that it lost: then nobody may have won.
    winners = [data for data, success in zip(rivals, won, strict=True) if success]
    trouble = ""
    if late or len(winners) > 1:
        trouble = "it lets a second writer overwrite what the first one made"
    elif first is None or kept is None or first.data != kept.data or key not in listed:
        trouble = "it does not show what was just written"
    elif winners and first.data != winners[0]:
        trouble = "it tells one writer that it succeeded, and keeps what another one wrote"
    if trouble:
        raise StateError(
            f"{store.describe()} cannot hold a state: {trouble} (conditional writes do not work)",
            safe="Nothing was sent. Two applies at once could not be kept apart here.",
            next="Use a store that honours conditional writes (If-None-Match: *), such as Amazon "
            "S3, Google Cloud Storage, Azure Blob Storage, a newer version of this one, or "
            "postgres://.",
        )
