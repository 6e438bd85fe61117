"""What the API billed, line by line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from friendli_iac.resources.instances import normalise_gpu

_GPU_TIME = "gpu time cost"


@dataclass(frozen=True)
class Line:
    """What one resource was billed on one day. `id` and `gpu` are empty for what is no GPU's time;
    `price` is dollars for one GPU and hour, None when it is not told.
    """

    day: str
    id: str
    gpu: str
    dollars: float
    gpu_hours: float = 0.0
    price: float | None = None


@dataclass(frozen=True)
class Bill:
    """The lines of a bill, and how many more there were that cannot be read."""

    lines: tuple[Line, ...]
    unread: int = 0


def read_bill(days: Iterable[Any]) -> Bill:
    """The bill in the answers of `GET /v1/team/cost`: `{start_time, results: [{total, …}]}`."""
    lines: list[Line] = []
    unread = 0
    for day in days:
        results = day.get("results") if isinstance(day, dict) else None
        if not isinstance(results, list):
            unread += 1
            continue
        for result in results:
            line = _line(str(day.get("start_time", "")), result)
            lines += [line] if line else []
            unread += line is None
    return Bill(tuple(lines), unread)


def _line(day: str, result: object) -> Line | None:
    dollars = _number(result, "total")
    if dollars is None or not isinstance(result, dict):
        return None
    # OpenAPI: `{endpoint_id}, {gpu_type}, gpu time cost`; tokens have other words.
    item = str(result.get("line_item") or "")
    id, _, rest = item.partition(", ")
    gpu, _, what = rest.rpartition(", ")
    if what != _GPU_TIME or not (id and gpu):
        return Line(day, "", "", dollars)
    cents = _number(result, "unit_price")
    return Line(
        day,
        id,
        normalise_gpu(gpu),
        dollars,
        _number(result, "quantity") or 0.0,
        None if cents is None else cents / 100,
    )


def _number(result: object, key: str) -> float | None:
    """The API gives numbers as text."""
    value = result.get(key) if isinstance(result, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
