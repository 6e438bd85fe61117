"""The specification of a Webhook, as manifests write it."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from friendli_iac.resources.plain import PlainLifecycle
from friendli_iac.resources.secrets import looks_secret, secret_problem
from friendli_iac.resources.spec import Immutable, Sensitive, SpecModel, WriteOnly
from friendli_iac.resources.values import Text

# The SDK's own check, made from the schema: `CreateGenericWebhookIntegrationInput`.
NAME = r"^[-\w]+( +[-\w]+)*$"
LONGEST_NAME = 64
_USERINFO = re.compile(r"[^/?#]*//[^/?#]*@")


def _url(text: str) -> str:
    if _USERINFO.match(text) or looks_secret(text):
        raise secret_problem(
            "an address must not hold a password or a token: name a secret in accessTokenSecret, "
            "which is sent as bearer token"
        )
    try:
        parts = urlsplit(text)
        usable = parts.hostname and parts.port != 0 and not re.search(r"\s", text)
    except ValueError:  # brackets that do not close, or a port that is none
        raise PydanticCustomError("url", "no address") from None
    if parts.scheme != "https" or not usable:
        raise PydanticCustomError("url", "no https address: the token would travel in the open")
    return text


def _secret_name(text: str) -> str:
    if looks_secret(text) or not re.fullmatch(_SECRET, text):
        raise secret_problem(
            "no name of a secret, but what looks like its value: an admin makes a secret of the "
            "team in W&B, and here is its name, such as FRIENDLI_TOKEN (letters, digits and _)"
        )
    return text


_SECRET = "^[A-Za-z0-9_]+$"
SecretName = Annotated[
    Text, AfterValidator(_secret_name), Field(json_schema_extra={"pattern": _SECRET}), WriteOnly()
]


class WebhookSpec(SpecModel):
    """A webhook of a team in Weights & Biases: where its automations send, and with which secrets.

    Secrets are made by hand in W&B's team settings; here are only their names.
    """

    team: Annotated[Text, Immutable(), Field(pattern="^[^/:\\s]+$")] = Field(
        description="The team whose automations use it. Changing it makes a new one."
    )
    url: Annotated[Text, AfterValidator(_url), Sensitive()] = Field(
        description="Where W&B posts to, such as "
        "`https://api.friendli.ai/dedicated/endpoint/wandb-artifact-create`."
    )
    access_token_secret: SecretName | None = Field(
        default=None,
        description="The name of the team secret that W&B sends as bearer token. W&B never shows "
        "it again.",
    )
    signing_secret: SecretName | None = Field(
        default=None,
        description="The name of the team secret that W&B signs with (`X-Wandb-Signature`). W&B "
        "never shows it again.",
    )
    name: Annotated[Text, Field(max_length=LONGEST_NAME, pattern=NAME)] | None = Field(
        default=None,
        description="Its name in W&B, where it is not `metadata.name`: letters, digits, `_`, `-` "
        "and single words.",
    )
    lifecycle: PlainLifecycle | None = None
