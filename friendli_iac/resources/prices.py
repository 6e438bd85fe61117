"""What a GPU costs an hour, and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Prices:
    """Dollars per GPU and hour, by GPU as `instances.normalise_gpu` spells it.

    `source` says whose they are and `as_of` when they held, such as "2025-09". Prices of ours stand
    in `file`, and `under` has the GPUs that are missing there.
    """

    gpu_hour: Mapping[str, float]
    source: str
    as_of: str = ""
    file: str = ""
    under: Prices | None = None

    def of(self, gpu: str) -> float | None:
        """The price of one GPU for an hour; None: not known."""
        if gpu in self.gpu_hour:
            return self.gpu_hour[gpu]
        return self.under.of(gpu) if self.under else None

    @property
    def table(self) -> dict[str, float]:
        """Every price that is known, by GPU."""
        return {**(self.under.table if self.under else {}), **self.gpu_hour}

    @property
    def words(self) -> str:
        """`list prices of 2025-09`, or
        `prices of friendli-iac.yaml (our contract, 2026-11); others: list prices of 2025-09`.
        """
        if self.under is None:
            return f"{self.source} of {self.as_of}"
        about = ", ".join(filter(None, [self.source, self.as_of]))
        words = f"prices of {self.file}" + (f" ({about})" if about else "")
        others = any(gpu not in self.gpu_hour for gpu in self.under.gpu_hour)
        return f"{words}; others: {self.under.words}" if others else words


# Dollars on the Basic plan, as published in 2025-09. B300 had no public price.
LIST_PRICES = Prices(
    {"A100 80GB": 2.9, "H100": 3.9, "H200": 4.5, "B200": 8.9}, "list prices", "2025-09"
)
