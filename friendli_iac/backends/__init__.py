"""Where the state lives: read it, lock it, append to its journal, commit it."""

from friendli_iac.backends.base import Backend, Held, Holder, Kept, Stored
from friendli_iac.backends.local import LocalBackend
from friendli_iac.backends.places import Places
from friendli_iac.backends.shared import SharedBackend

__all__ = [
    "Backend",
    "Held",
    "Holder",
    "Kept",
    "LocalBackend",
    "Places",
    "SharedBackend",
    "Stored",
]
