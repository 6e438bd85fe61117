"""The official SDK of W&B, as a person's program uses it: the hand that moves aliases.

Since 0.29 it does its requests in a process of its own, which `official_sdk` starts and ends. All
that it writes goes to one folder, and its settings are those here and no others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

KEY = "s" * 40


@contextmanager
def official_sdk(folder: Path, url: str) -> Iterator[Any]:
    """The module `wandb`, for the server at `url`."""
    home = {name: str(folder) for name in ("HOME", "TMPDIR", "NETRC", "XDG_CONFIG_HOME")}
    own = {
        f"WANDB_{name}": str(folder)
        for name in ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR")
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    settings = {
        "WANDB_BASE_URL": url,
        "WANDB_API_KEY": KEY,
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "NETRC": str(folder / "netrc"),
    }
    with mock.patch.dict(os.environ, {**others, **home, **own, **settings}, clear=True):
        import wandb

        try:
            yield wandb
        finally:
            wandb.teardown()


def put_alias(sdk: Any, path: str, alias: str) -> Any:
    """Puts an alias on the version `ENTITY/PROJECT/COLLECTION:vN`, as in the docs of the SDK."""
    artifact = sdk.artifact(path)
    artifact.aliases.append(alias)
    artifact.save()
    return artifact
