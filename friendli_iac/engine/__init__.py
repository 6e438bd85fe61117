"""The use cases: plan, apply, destroy, import and the care of the state."""

from friendli_iac.engine.engine import Applied, ApplyOptions, Engine, exit_code
from friendli_iac.engine.planning import Selection, Wishes, manifest_digest

__all__ = [
    "Applied",
    "ApplyOptions",
    "Engine",
    "Selection",
    "Wishes",
    "exit_code",
    "manifest_digest",
]
