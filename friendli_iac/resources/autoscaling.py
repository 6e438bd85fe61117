"""AutoscalingPolicy: a template that endpoints refer to. It has no state and makes no request."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from friendli_iac.resources.spec import SpecModel
from friendli_iac.resources.values import Duration, Int


class Scaling(SpecModel):
    """How many replicas an endpoint may have, by load."""

    min_replicas: Annotated[Int, Field(ge=0, le=10)] | None = Field(
        default=None,
        description="Replicas that are always kept. 0 lets the endpoint sleep when idle (the next "
        "request waits for a cold start; asleep for 48 hours, it is terminated).",
    )
    max_replicas: Annotated[Int, Field(ge=1, le=10)] | None = Field(
        default=None, description="The most replicas that load may bring about; at most 10."
    )
    cooldown: Duration | None = Field(
        default=None,
        description="How long to wait after the last request before scaling down, such as `5m`.",
    )

    @model_validator(mode="after")
    def _min_below_max(self) -> Self:
        low, high = self.min_replicas, self.max_replicas
        if low is not None and high is not None and low > high:
            raise PydanticCustomError(
                "replicas",
                "maxReplicas {high} is below minReplicas {low}",
                {"high": high, "low": low},
            )
        return self


class AutoscalingPolicySpec(Scaling):
    """Scaling settings that several endpoints share through `autoscaling: {policy: NAME}`."""
