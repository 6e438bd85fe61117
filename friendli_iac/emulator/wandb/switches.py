"""In what servers differ, or may differ, and how webhooks are called."""

from dataclasses import dataclass, field

from .payload import Signature, VersionString

FEATURES = (
    "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE",
    "ARTIFACT_REGISTRY_SEARCH",
    "AUTOMATION_ACTION_ARIA",
    "AUTOMATION_ACTION_NO_OP",
    "AUTOMATION_EVENT_ADD_ARTIFACT_TAG",
    "AUTOMATION_EVENT_REMOVE_ARTIFACT_TAG",
    "AUTOMATION_EVENT_RUN_METRIC",
    "AUTOMATION_EVENT_RUN_METRIC_CHANGE",
    "AUTOMATION_EVENT_RUN_METRIC_ZSCORE",
    "AUTOMATION_EVENT_RUN_STATE",
    "AUTOMATION_EVENT_UNLINK_ARTIFACT",
    "AUTOMATION_SCOPE_ENTITY",
    "QUERY_AUTOMATIONS_ON_ENTITY",
)
"""The features of the server that the SDK asks for."""


@dataclass
class Switches:
    """They may be turned at any time."""

    features: set[str] = field(default_factory=lambda: set(FEATURES))
    offers: set[str] = field(default_factory=set)
    """The fields marked `@optional` in the schema that there are: mutations, `secrets`, …"""
    introspection: bool = True
    filter_as_object: bool = False
    """How saved filters are wrapped: `{"filter": {…}}`, or a JSON string in place of the object."""
    keys: set[str] = field(default_factory=set)
    """The API keys that are known; none: every one that looks like a key."""
    hosts: dict[str, str] = field(default_factory=dict)
    """Where a host (`HOST` or `HOST:PORT`) of a webhook's URL really is: a base URL. No other one
    is called."""
    signature: Signature = "base64"
    version_string: VersionString = "version"
    cooldown: float = 0.0
    """Seconds (of the emulator's clock) in which an automation is not triggered again."""
    to_skip: int = 0
    """So many of the next triggers come to nothing."""
