"""The kinds. A new one is a file here, named in one of these two tables, and nowhere else."""

from friendli_iac.resources.adapter import AdapterSpec
from friendli_iac.resources.autoscaling import AutoscalingPolicySpec
from friendli_iac.resources.base import Kind
from friendli_iac.resources.endpoint import ENDPOINT
from friendli_iac.resources.profile import ProfileSpec
from friendli_iac.resources.spec import SpecModel

KINDS: dict[str, Kind] = {ENDPOINT.name: ENDPOINT}
TEMPLATES: dict[str, type[SpecModel]] = {
    "Adapter": AdapterSpec,
    "AutoscalingPolicy": AutoscalingPolicySpec,
    "Profile": ProfileSpec,
}

__all__ = ["KINDS", "TEMPLATES"]
