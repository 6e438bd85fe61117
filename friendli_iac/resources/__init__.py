"""The kinds. A new one is a file here, named in one of these two tables, and nowhere else."""

from friendli_iac.errors import UsageError
from friendli_iac.resources.adapter import AdapterSpec
from friendli_iac.resources.automation import AUTOMATION
from friendli_iac.resources.autoscaling import AutoscalingPolicySpec
from friendli_iac.resources.base import Kind
from friendli_iac.resources.endpoint import ENDPOINT
from friendli_iac.resources.profile import ProfileSpec
from friendli_iac.resources.spec import SpecModel
from friendli_iac.resources.webhook import WEBHOOK

KINDS: dict[str, Kind] = {kind.name: kind for kind in (ENDPOINT, WEBHOOK, AUTOMATION)}
TEMPLATES: dict[str, type[SpecModel]] = {
    "Adapter": AdapterSpec,
    "AutoscalingPolicy": AutoscalingPolicySpec,
    "Profile": ProfileSpec,
}


def check_resource(address: str, safe: str = "") -> None:
    """UsageError when `address` is of a template, which no command can be about: it makes no
    request of its own. `safe` says what was not done.
    """
    kind = address.partition("/")[0]
    if kind in TEMPLATES:
        raise UsageError(
            f"{address} is a template, and no resource of its own",
            safe=safe,
            next="Name the Endpoint that uses it.",
        )


__all__ = ["KINDS", "TEMPLATES", "check_resource"]
