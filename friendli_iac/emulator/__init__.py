"""A Friendli API on this machine, to develop and test against: no GPUs, no bill, no network.

It speaks real HTTP on loopback, keeps the documented rules of the real API, and can be told to fail
in every way in which a network and a cloud fail. It shares no code with the rest of the package, so
that a misunderstanding of the API cannot hide in both. It needs the extra `friendli-iac[emulator]`.

In the same process is what there is of Weights & Biases around it: see `wandb`.

What can be wrong with a version, and which names of models bring it on: see `misbehaviour`.
"""

from .server import Emulator, serve

__all__ = ["Emulator", "serve"]
