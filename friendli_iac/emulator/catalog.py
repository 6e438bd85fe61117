"""The GPUs that can be had, and what they cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstanceOption:
    """What one `instanceOptionId` buys for each replica."""

    gpu_type: str
    gpu_count: int


# OpenAPI 2026-07-22; the B300 rows are in SDK 0.16.3 only.
_OPTION_IDS = {
    "NVIDIA A100 80GB": ("ShbPuOs4tfGb", "mrAHuYt7T40o", "JkNob0NMdoF3", "sYH4kHmAcA5P"),
    "NVIDIA H100": ("TwD5AqnBSVN0", "zfTutSiLn0Hq", "lfkRz5G48REc", "GUA4qYFmsYz8"),
    "NVIDIA H200": ("LnK1wTaKc7WO", "Tu6GjBnfHPe4", "OhTzYtZuomzI", "ahBzWtOuomsI"),
    "NVIDIA B200": ("8GiQTLKfJNOr", "brTZGIuYgVrs", "AFoZMFXZnAdD", "drbc6G9FxJWZ"),
    "NVIDIA B300": ("b300x1", "b300x2", "b300x4", "b300x8"),
}

INSTANCE_OPTIONS = {
    option_id: InstanceOption(gpu_type, count)
    for gpu_type, option_ids in _OPTION_IDS.items()
    for option_id, count in zip(option_ids, (1, 2, 4, 8), strict=True)
}

DEFAULT_OPTION_ID = "TwD5AqnBSVN0"
"""What the W&B route takes without `accelerator`; unknown in the real API."""

CENTS_PER_GPU_HOUR = {
    "NVIDIA A100 80GB": 290,
    "NVIDIA H100": 390,
    "NVIDIA H200": 450,
    "NVIDIA B200": 890,
}
"""docs: pricing of dedicated endpoints, September 2025. No price of a B300 is published."""


def find_option(gpu_type: str, gpu_count: int) -> str | None:
    """The option id of `gpu_count` GPUs labelled `gpu_type`, if there is one."""
    wanted = InstanceOption(gpu_type, gpu_count)
    return next((key for key, option in INSTANCE_OPTIONS.items() if option == wanted), None)
