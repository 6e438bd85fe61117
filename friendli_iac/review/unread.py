"""What could not be read, as data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from friendli_iac.errors import ApiError


def unreadable(error: ApiError | None, addresses: Sequence[str]) -> dict[str, Any] | None:
    """Why some of it is not known, once; null when all was read. `addresses` may be empty, where
    only a doubt about what was read is left open.
    """
    if error is None:
        return None
    return {
        "addresses": list(addresses),
        "error": str(error),
        "type": type(error).__name__,
        "exit_code": error.exit_code,
        "safe": error.safe,
        "next": error.next,
    }
