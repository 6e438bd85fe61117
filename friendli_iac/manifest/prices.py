"""`prices` in friendli-iac.yaml: what a GPU costs, where that is not its list price.

prices:
  source: our contract
  asOf: 2026-11
  gpuHour: {H100: 2.50, B300: 11}   # dollars; a GPU that is left out has its list price
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePath
from typing import Any

from friendli_iac.errors import Problem
from friendli_iac.manifest.document import Document, show
from friendli_iac.manifest.explain import did_you_mean, plain_type, unknown_key
from friendli_iac.manifest.reader import INVALID
from friendli_iac.resources.instances import GPUS, normalise_gpu
from friendli_iac.resources.prices import LIST_PRICES, Prices

_PRICES_KEYS = ("source", "asOf", "gpuHour")
_DEAREST = 100  # dollars per GPU and hour: whoever says more means cents
_LONGEST_SOURCE = 80  # characters
_GPU = re.compile(r"[A-Za-z][A-Za-z ]*\d[A-Za-z0-9 -]*")


def prices(document: Document, data: dict[str, Any], report: list[Problem]) -> Prices:
    """What the block `prices` says, over the list prices. Problems are added to `report`."""

    def problem(rule: str, message: str, remedy: str, *path: str, key: bool = False) -> None:
        at = ("prices", *path)
        report.append(document.problem(rule, message, at, remedy=remedy, key=key))

    def is_a(wanted: tuple[type, ...], words: str, value: object, *path: str) -> bool:
        if isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool)):
            return True
        if value is not INVALID:
            name = path[-1] if path else "prices"
            problem("type", plain_type(name, words, value), f"write {words}", *path)
        return False

    block = data.get("prices", {})
    if not is_a((dict,), "a block of keys", block):
        return LIST_PRICES
    for key in block:
        if key not in _PRICES_KEYS:
            problem("unknown-key", *unknown_key(key, _PRICES_KEYS), key, key=True)
    source, as_of = block.get("source", ""), block.get("asOf", "")
    is_text = is_a((str,), "text", source, "source")
    if is_text and not (source.isprintable() and len(source) <= _LONGEST_SOURCE):
        message = f"source must be one line, of {_LONGEST_SOURCE} characters at most"
        problem("prices", message, "say whose prices they are: our contract", "source")
    if is_a((str,), "text", as_of, "asOf") and as_of and not _is_date(as_of):
        problem("prices", f"asOf {show(as_of)} is no date", 'write 2026-11 or "2026-11-01"', "asOf")
    hourly = block.get("gpuHour", {})
    found: dict[str, float] = {}
    if is_a((dict,), "a block of keys", hourly, "gpuHour"):
        for name, price in hourly.items():
            gpu = normalise_gpu(name)
            if gpu in found:
                problem("prices", f"{gpu} has two prices", "keep one", "gpuHour", name, key=True)
            elif gpu not in GPUS and not _GPU.fullmatch(gpu):  # a new one may have a price
                remedy = did_you_mean(gpu, GPUS) or f"known are {', '.join(GPUS)}"
                message = f"{show(name)} is no GPU"
                problem("prices", message, remedy, "gpuHour", name, key=True)
            elif is_a((int, float), "a number", price, "gpuHour", name):
                found[gpu] = float(price)
                if not 0 < price <= _DEAREST:
                    message = f"{gpu} must cost more than 0, and {_DEAREST} at most, not {price}"
                    remedy = "write dollars, of one GPU for an hour"
                    problem("prices", message, remedy, "gpuHour", name)
    if not found:
        return LIST_PRICES
    return Prices(found, source, as_of, PurePath(document.file).name, LIST_PRICES)


def _is_date(text: str) -> bool:
    whole = f"{text}-01" if re.fullmatch(r"\d{4}-\d\d", text) else text
    try:
        return date.fromisoformat(whole).isoformat() == whole
    except ValueError:
        return False
