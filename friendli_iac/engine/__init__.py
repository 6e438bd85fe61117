"""The use cases: plan, apply, destroy, import and the care of the state."""

from friendli_iac.engine.engine import Applied, ApplyOptions, Engine, Selection, exit_code

__all__ = ["Applied", "ApplyOptions", "Engine", "Selection", "exit_code"]
