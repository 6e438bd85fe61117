"""Which fields take the place of which: replicas of an autoscaler's range, one model of another."""

from __future__ import annotations

from collections.abc import Collection

from friendli_iac.resources.spec import SpecModel, submodel


def replaced(model: type[SpecModel], path: str, present: Collection[str]) -> bool:
    """Whether something among the paths that are `present` takes the place of `path`: an
    alternative of it, or of a block around it.
    """
    here: type[SpecModel] | None = model
    around = ""
    for key in path.split("."):
        groups = here.ALTERNATIVES if here else ()
        if any(key in group for group in groups):
            others = [f"{around}{k}" for group in groups if key not in group for k in group]
            if any(p == other or p.startswith(f"{other}.") for other in others for p in present):
                return True
        here = submodel(here, key) if here else None
        around += f"{key}."
    return False
