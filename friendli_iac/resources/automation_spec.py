"""The specification of a WebhookAutomation, as manifests write it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from friendli_iac.resources.plain import PlainLifecycle
from friendli_iac.resources.secrets import looks_secret, secret_problem
from friendli_iac.resources.spec import Immutable, Leaf, Local, Needs, Sensitive, SpecModel
from friendli_iac.resources.values import Bool, Json, Text

LONGEST_NAME = 255  # of the schema: `CreateFilterTriggerInput`, in the sources of wandb 0.31


def _regex(text: str) -> str:
    try:
        with warnings.catch_warnings(action="ignore"):  # of `[[`, which the lint tells
            re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise PydanticCustomError(
            "regex", "{text} is no regular expression: {error}", {"text": text, "error": str(error)}
        ) from error
    return text


def _without_secrets(value: Any) -> Any:
    """Values and keys, of what is in it too."""
    for path, text in _texts(value):
        if looks_secret(text):
            raise secret_problem(
                f"what looks like a secret{f' at {path}' if path else ''}: W&B keeps and shows "
                "what was sent. Make a secret of the team in W&B, and have the webhook send it "
                "(accessTokenSecret); or write $${ITS_NAME} here"
            )
    return value


def _public(text: str) -> str:
    if looks_secret(text, long=False):
        raise secret_problem("what looks like a secret: W&B shows this to everybody")
    return text


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value of JSON, and where it is in there; a key is where its block is."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield path, key
            yield from _texts(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]")


Payload = dict[
    Annotated[str, AfterValidator(_without_secrets)],
    Annotated[Json, AfterValidator(_without_secrets)],
]
Regex = Annotated[Text, AfterValidator(_regex)]
Path1 = Annotated[Text, Field(pattern="^[^/:\\s]+$"), Immutable()]
Path2 = Annotated[Text, Field(pattern="^[^/:\\s]+/[^/:\\s]+$"), Immutable()]
Path3 = Annotated[Text, Field(pattern="^[^/:\\s]+/[^/:\\s]+/[^/:\\s]+$"), Immutable()]


class Trigger(SpecModel):
    """Which event fires it."""

    ALTERNATIVES: ClassVar = (
        ("aliasAdded",), ("tagAdded",), ("artifactCreated",), ("artifactLinked",),
    )  # fmt: skip
    REQUIRED: ClassVar = True
    # Events and filters that somebody made elsewhere, and that the fields above cannot say.
    DERIVED: ClassVar = {"event": Leaf("event"), "filter": Leaf("filter", nested=True)}

    alias_added: Regex | None = Field(
        default=None,
        description="An alias that this regular expression matches is added to a version, such as "
        "`^production$`.",
    )
    tag_added: Regex | None = Field(
        default=None,
        description="A tag that this regular expression matches is added to a version.",
    )
    artifact_created: Literal[True] | None = Field(
        default=None, description="`true`: a version is created. Only for a collection."
    )
    artifact_linked: Literal[True] | None = Field(
        default=None, description="`true`: a version is linked to a collection."
    )


class AutomationSpec(SpecModel):
    """An automation of Weights & Biases that calls a webhook."""

    ALTERNATIVES: ClassVar = (("collection",), ("project",), ("team",))
    REQUIRED: ClassVar = True
    DERIVED: ClassVar = {
        # The webhook in W&B that `webhook` stands for. Of which team it is, W&B does not show.
        "webhookName": Leaf("webhookName"),
        "webhookTeam": Leaf("webhookTeam", write_only=True),
        # What it does instead, where somebody had it do something else.
        "action": Leaf("action"),
    }

    collection: Path3 | None = Field(
        default=None,
        description="The collection whose events fire it: `ENTITY/PROJECT/COLLECTION`, such as "
        "`acme/wandb-registry-model/chat`. A registry is the project `wandb-registry-NAME` of the "
        "organization's entity.",
    )
    project: Path2 | None = Field(
        default=None, description="The project whose events fire it: `ENTITY/PROJECT`."
    )
    team: Path1 | None = Field(
        default=None, description="The team, or the organization's entity, whose events fire it."
    )
    trigger: Trigger
    webhook: Annotated[Text, Needs("Webhook"), Local()] = Field(
        description="The name of a Webhook in these manifests, which it calls."
    )
    deploys: Annotated[Text, Needs("Endpoint"), Local()] | None = Field(
        default=None,
        description="The name of an Endpoint in these manifests, from an artifact of W&B: what is "
        "sent follows from it.",
    )
    promotion: Annotated[Literal["direct", "pull-request"], Local()] | None = Field(
        default=None,
        description="With `deploys`. `direct`: W&B has Friendli roll the version out, past review "
        "and probe. `pull-request`: the repository is told, and a job there opens a pull request.",
    )
    payload: Annotated[Payload, Sensitive()] | None = Field(
        default=None,
        description="What is sent, where it does not follow from `deploys`: a JSON object with "
        "W&B's variables, such as `${artifact_version_string}`. Written in YAML as `$${…}`.",
    )
    description: Annotated[str, Strict(), AfterValidator(_public), Sensitive()] | None = Field(
        default=None, description="Text for people. Left out, what is there stays."
    )
    enabled: Bool | None = Field(default=None, description="Whether it fires. Left out: true.")
    name: Annotated[Text, Field(max_length=LONGEST_NAME)] | None = Field(
        default=None, description="Its name in W&B, where it is not `metadata.name`."
    )
    lifecycle: PlainLifecycle | None = None

    @model_validator(mode="after")
    def _one_payload(self) -> Self:
        if self.deploys is None and self.payload is None:
            raise _wrong("say what it sends: deploys, or payload")
        if self.deploys is None and self.promotion is not None:
            raise _wrong("promotion needs deploys beside it")
        if self.deploys is not None and self.promotion is None:
            raise _wrong("deploys needs promotion beside it: direct, or pull-request")
        if self.promotion == "direct" and self.payload is not None:
            raise _wrong(
                "payload and deploys exclude each other: what is sent follows from deploys"
            )
        if self.trigger.artifact_created and self.collection is None:
            raise _wrong("trigger.artifactCreated needs a collection")
        return self


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("automation", "{message}", {"message": message})
