"""Opaque cursors, and the limit of a page."""

import base64
import binascii
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from .validation import ApiError, problem, unprocessable

Item = TypeVar("Item")

DEFAULT_LIMIT = 20
MAXIMUM_LIMIT = 100


def encode_cursor(position: int) -> str:
    """A cursor which points below `position`.

    It ends in "==", like the Base64 cursors seen in the wild, so that a client which does not
    percent-encode what it puts into a query is found out.
    """
    text = f"before:{position}"
    return base64.b64encode(text.ljust(len(text) + (1 - len(text)) % 3).encode()).decode()


def decode_cursor(cursor: str | None) -> int | None:
    """The position in `cursor`; 400 for what the emulator never gave out."""
    if not cursor:
        return None
    try:
        word, _, position = base64.b64decode(cursor, validate=True).decode().partition(":")
        if word == "before":
            return int(position)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise ApiError(400, {"detail": "Invalid cursor."})


def parse_limit(text: str | None) -> int:
    """The `limit` query parameter: 1 to 100, 20 if it is absent (OpenAPI 2026-07-22)."""
    if text is None:
        return DEFAULT_LIMIT
    location = ("query", "limit")
    try:
        limit = int(text)
    except ValueError:
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise unprocessable(problem(location, "int_parsing", message)) from None
    if limit < 1:
        message = "Input should be greater than or equal to 1"
        raise unprocessable(problem(location, "greater_than_equal", message))
    if limit > MAXIMUM_LIMIT:
        message = f"Input should be less than or equal to {MAXIMUM_LIMIT}"
        raise unprocessable(problem(location, "less_than_equal", message))
    return limit


def take_page(items: Iterable[tuple[int, Item]], limit: int) -> tuple[list[Item], str | None]:
    """The first `limit` of (position, item), positions descending, and the cursor to the rest."""
    taken = list(islice(items, limit + 1))
    more = len(taken) > limit
    page = taken[:limit]
    return [item for _, item in page], encode_cursor(page[-1][0]) if more else None
