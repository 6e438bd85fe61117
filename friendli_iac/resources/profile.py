"""Profile: a template, a part of an endpoint's spec. It has no state and makes no request."""

from __future__ import annotations

from typing import ClassVar

from friendli_iac.resources.endpoint_spec import EndpointFields


class ProfileSpec(EndpointFields):
    """A named part of an Endpoint's spec, for all that list it below `profiles`. Any of the fields
    of an Endpoint can stand in it, but `profiles`, and none is required.
    """

    PARTIAL: ClassVar[bool] = True
