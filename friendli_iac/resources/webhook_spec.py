"""The specification of a Webhook, as manifests write it."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from friendli_iac.resources.plain import PlainLifecycle
from friendli_iac.resources.spec import Immutable, SpecModel, WriteOnly
from friendli_iac.resources.values import Text

# The SDK's own check, made from the schema: `CreateGenericWebhookIntegrationInput`.
NAME = re.compile(r"[-\w]+([ ]+[-\w]+)*")
LONGEST_NAME = 64


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or re.search(r"\s", text):
        raise PydanticCustomError(
            "url", "{url} is no https address: the token would travel in the open", {"url": text}
        )
    if parts.username or parts.password:
        raise PydanticCustomError(
            "url", "an address must not hold a password: name a secret in accessTokenSecret"
        )
    return text


SecretName = Annotated[Text, Field(pattern="^[A-Za-z0-9_]+$"), WriteOnly()]


class WebhookSpec(SpecModel):
    """A webhook of a team in Weights & Biases: where its automations send, and with which secrets.

    Secrets are made by hand in W&B's team settings; here are only their names.
    """

    team: Annotated[Text, Immutable(), Field(pattern="^[^/:\\s]+$")] = Field(
        description="The team whose automations use it. Changing it makes a new one."
    )
    url: Annotated[Text, AfterValidator(_url)] = Field(
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
    name: Annotated[Text, Field(max_length=LONGEST_NAME)] | None = Field(
        default=None,
        description="Its name in W&B, where it is not `metadata.name`: letters, digits, `_`, `-` "
        "and single words.",
    )
    lifecycle: PlainLifecycle | None = None
