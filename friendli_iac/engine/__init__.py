"""The use cases: plan, apply, destroy, import and the care of the state."""

from friendli_iac.engine.engine import Engine
from friendli_iac.engine.planning import Selection, Wishes, manifest_digest
from friendli_iac.engine.report import ApplyOptions, Report, exit_code

__all__ = [
    "ApplyOptions",
    "Engine",
    "Report",
    "Selection",
    "Wishes",
    "exit_code",
    "manifest_digest",
]
