"""Where the state lives: read it, lock it, append to its journal, commit it."""

from friendli_iac.backends.base import Backend, Holder, Stored
from friendli_iac.backends.local import LocalBackend

__all__ = ["Backend", "Holder", "LocalBackend", "Stored"]
