"""The use cases: plan, apply, destroy, import and the care of the state."""

from friendli_iac.engine.engine import ApplyOptions, Engine, Report, exit_code
from friendli_iac.engine.planning import Selection, Wishes, manifest_digest

__all__ = [
    "ApplyOptions",
    "Engine",
    "Report",
    "Selection",
    "Wishes",
    "exit_code",
    "manifest_digest",
]
